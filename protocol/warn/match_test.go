package warn

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"tocsin/protocol/pattern"
)

func index(typ string, matching []string, entries ...string) *Index {
	return Compile([]*List{{Name: "list", Type: typ, Matching: matching, Weight: Soft, Entries: entries}})
}

// entryOf gives the entry that names a value, "" for none.
func entryOf(x *Index, o pattern.Observable) string {
	h, ok := x.Match(o)
	if ok == (h == Hit{}) {
		panic("a hit is one or none")
	}
	return h.Entry
}

// TestTypes: what the entries of each type of list name, and what they do not.
func TestTypes(t *testing.T) {
	for name, c := range map[string]struct {
		typ      string
		matching string
		entries  []string
		hits     map[string]string // value: entry
		misses   []string
	}{
		"cidr": {TypeCIDR, "ip-src ip-dst", []string{"198.51.100.0/24", "203.0.113.7", "2001:DB8::/32", "2001:db9::5"},
			map[string]string{
				"198.51.100.0": "198.51.100.0/24", "198.51.100.255": "198.51.100.0/24", "203.0.113.7": "203.0.113.7",
				"198.51.100.64/26": "198.51.100.0/24", "198.51.100.0/24": "198.51.100.0/24", "198.51.0.0/16": "198.51.100.0/24",
				"203.0.113.0/24": "203.0.113.7", "203.0.113.7/31": "203.0.113.7", "2001:db8:1::1": "2001:db8::/32", "2001:db8:1::/48": "2001:db8::/32",
				"2001:db9::5": "2001:db9::5", "2001:d00::/24": "2001:db8::/32", "http://203.0.113.7:8080/x": "203.0.113.7", "https://[2001:db8::9]/": "2001:db8::/32",
			},
			[]string{"198.51.99.255", "198.51.101.0", "203.0.113.6", "203.0.113.8/29", "2001:db7:ffff::1", "2001:db9::4", "a.test", "http://203.0.113.8/", "x@a.test"}},
		"hostname": {TypeHostname, "domain url", []string{"a.test", ".b.test", "*.c.test", "BÜCHER.test", "router", "203.0.113.0/24"},
			map[string]string{
				"a.test": "a.test", "x.y.a.test": "a.test", "A.TEST.": "a.test", "b.test": "b.test", "x.b.test": "b.test", "c.test": "c.test", "x.c.test": "c.test",
				"bücher.test": "xn--bcher-kva.test", "www.xn--bcher-kva.test": "xn--bcher-kva.test", "router": "router", "https://user@x.a.test:8443/p?q": "a.test",
				"a.test:443": "a.test", "x.router": "router",
			},
			[]string{"aa.test", "a.test.evil.test", "test", "203.0.113.5", "x@a.test", "http://evil.test/a.test", "a.test.zip"}},
		"string": {TypeString, "", []string{"a.test", ".b.test", "*.c.test", "203.0.113.7", "https://d.test/Login", "x@e.test", "D41D8CD98F00B204E9800998ECF8427E",
			"Setup.exe", "AS64500", "00:00:5E:00:53:01", "3::", "*.ck"},
			map[string]string{
				"a.test": "a.test", "http://a.test/x": "a.test", "b.test": "b.test", "www.b.test": "b.test", "w.c.test": "*.c.test", "203.0.113.7": "203.0.113.7",
				"https://d.test/Login": "https://d.test/Login", "X@e.test": "x@e.test", "d41d8cd98f00b204e9800998ecf8427e": "d41d8cd98f00b204e9800998ecf8427e",
				"setup.EXE": "setup.exe", "AS64500": "AS64500", "00-00-5e-00-53-01": "00:00:5e:00:53:01", "203.0.113.0/24": "203.0.113.7", "x@a.test": "a.test",
				"co.ck": "*.ck",
			},
			[]string{"www.a.test", "c.test", "v.w.c.test", "203.0.113.8", "https://d.test/login", "https://d.test/", "d.test", "y@e.test", "e.test", "evil.co.ck"}},
		"substring": {TypeSubstring, "email-src domain", []string{"@Mail.test", "sandbox"},
			map[string]string{"x@mail.test": "@mail.test", "x@mail.test.org": "@mail.test", "my-sandbox.test": "sandbox", "SANDBOX1.test": "sandbox", "http://x.sandbox.test/": "sandbox"},
			[]string{"mail.test", "x@amail.test", "http://a.test/sandbox", "203.0.113.7"}},
		"regex": {TypeRegex, "domain", []string{`/^[a-z]+\.sandbox\.test$/i`, `\.vm[0-9]{1,3}\.test$`, `#^A\.B$#`},
			map[string]string{"any.sandbox.test": `(?i)^[a-z]+\.sandbox\.test$`, "x.vm12.test": `(?i)\.vm[0-9]{1,3}\.test$`, "https://any.sandbox.test/x": `(?i)^[a-z]+\.sandbox\.test$`},
			[]string{"a.b.sandbox.test", "x.vm1234.test", "x@any.sandbox.test", "a.b.test"}},
	} {
		t.Run(name, func(t *testing.T) {
			x := index(c.typ, strings.Fields(c.matching), c.entries...)
			for value, want := range c.hits {
				if got := entryOf(x, pattern.Refang(value)); got != want {
					t.Errorf("%s: entry %q, want %q", value, got, want)
				}
			}
			for _, value := range c.misses {
				if got := entryOf(x, pattern.Refang(value)); got != "" {
					t.Errorf("%s: entry %q, want none", value, got)
				}
			}
		})
	}
}

// TestMatching: a list is for the types that it names, and for no other.
func TestMatching(t *testing.T) {
	const md5 = "d41d8cd98f00b204e9800998ecf8427e"
	for matching, want := range map[string][]string{
		"":                       {md5, "a.test", "203.0.113.7", "x@a.test", "http://a.test/", "http://203.0.113.7/", "word"},
		"md5 sha1 filename|md5":  {md5},
		"domain hostname":        {"a.test", "http://a.test/", "word"},
		"url":                    {"http://a.test/", "http://203.0.113.7/"},
		"ip-src ip-dst":          {"203.0.113.7", "http://203.0.113.7/"},
		"domain|ip":              {"a.test", "203.0.113.7", "http://a.test/", "http://203.0.113.7/", "word"},
		"email-src":              {"x@a.test"},
		"filename no-such-thing": {"word"},
	} {
		x := index(TypeString, strings.Fields(matching), md5, "a.test", "203.0.113.7", "word")
		for _, value := range []string{md5, "a.test", "203.0.113.7", "x@a.test", "http://a.test/", "http://203.0.113.7/", "word"} {
			if got := entryOf(x, pattern.Refang(value)) != ""; got != slices.Contains(want, value) {
				t.Errorf("a list for %q names %s: %t", matching, value, got)
			}
		}
	}
}

// TestRank: the strongest hit first, then by name, one of a list, 16 at most.
func TestRank(t *testing.T) {
	lists := []*List{
		{Name: "b", Type: TypeHostname, Weight: Soft, Entries: []string{"test", "a.test"}},
		{Name: "z", Type: TypeString, Weight: Hard, Entries: []string{"a.test"}},
		{Name: "a", Type: TypeSubstring, Weight: Soft, Entries: []string{"a.t"}},
	}
	want := []Hit{{"z", "a.test", Hard}, {"a", "a.t", Soft}, {"b", "a.test", Soft}}
	for range 3 {
		x := Compile(lists)
		if got := x.All(pattern.Refang("a.test")); !slices.Equal(got, want) {
			t.Errorf("All %v, want %v", got, want)
		}
		if got, _ := x.Match(pattern.Refang("a.test")); got != want[0] {
			t.Errorf("Match %v, want %v", got, want[0])
		}
		lists = append(lists[1:], lists[0])
	}
	var many []*List
	for i := range 20 {
		many = append(many, &List{Name: fmt.Sprintf("%02d", i), Type: TypeCIDR, Weight: Soft, Entries: []string{"203.0.113.0/24"}})
	}
	hits := Compile(many).All(pattern.Refang("203.0.113.7"))
	if len(hits) != maxHits || hits[0].List != "00" || hits[15].List != "15" {
		t.Errorf("%d hits: %v", len(hits), hits)
	}
}

// TestEmbedded: IPv6 addresses and networks that stand for IPv4 ones.
func TestEmbedded(t *testing.T) {
	x := index(TypeCIDR, nil, "203.0.113.7", "198.51.100.0/24")
	for _, value := range []string{
		"::ffff:203.0.113.7", "::ffff:cb00:7107", "::203.0.113.7", "64:ff9b::203.0.113.7", "64:ff9b:1::cb00:7107", "2002:cb00:7107::1", "2002:cb00:7107:5::/64",
		"2002:cb00:7100::/40", "2001:0:1:2:0:0:34ff:8ef8", "64:ff9b::c633:6400/120", "64:ff9b::/96", "64:ff9b::/64", "::/0", "2002::/16", "2000::/3",
		"2002:c633:64ff:1::1", "[::ffff:203.0.113.7]", "http://[2002:cb00:7107::1]/x", "::ffff:c633:6400/112",
	} {
		if entryOf(x, pattern.Refang(value)) == "" {
			t.Errorf("%s is not seen to stand for a listed address", value)
		}
	}
	for _, value := range []string{"::ffff:203.0.113.8", "2002:cb00:7108::1", "2002:c633:6500::/40", "64:ff9c::cb00:7107", "2001:1:0:0:0:0:34ff:8ef8", "2001:db8::cb00:7107", "2001:0:cb00:7107::1"} {
		if got := entryOf(x, pattern.Refang(value)); got != "" {
			t.Errorf("%s is named by %s", value, got)
		}
	}
}

// TestAbove: who blocks a name blocks what lies below it, so hard lists also name what
// lies above their names, up to the public suffix.
func TestAbove(t *testing.T) {
	hard := Compile([]*List{{Name: "hard", Type: TypeHostname, Weight: Hard, Entries: []string{"mail.ministry.gov.uk", "shop.github.io"}}})
	for value, want := range map[string]string{
		"ministry.gov.uk": "*.ministry.gov.uk", "gov.uk": "", "github.io": "*.github.io", "www.ministry.gov.uk": "", "mail.ministry.gov.uk": "mail.ministry.gov.uk",
		"http://ministry.gov.uk/": "", "x@ministry.gov.uk": "",
	} {
		if got := entryOf(hard, pattern.Refang(value)); got != want {
			t.Errorf("%s: %q, want %q", value, got, want)
		}
	}
	if got := entryOf(index(TypeHostname, nil, "mail.ministry.gov.uk"), pattern.Refang("ministry.gov.uk")); got != "" {
		t.Errorf("a soft list names what lies above its names: %s", got)
	}
}

// TestSuffixes: whole registries are named, and no name within them.
func TestSuffixes(t *testing.T) {
	x := Compile(Builtin())
	for _, value := range []string{"com", "COM", "com.", ".com", "*.com", "co.uk", "*.co.uk", "uk.", "xn--p1ai", "рф", "gov.br", "http://co.uk/"} {
		if got, _ := x.Match(pattern.Refang(value)); got.List != "builtin/public-suffixes" {
			t.Errorf("%s: %+v", value, got)
		}
	}
	// Words that are top-level domains too are words, and what registries sell below other registries is no suffix.
	for _, value := range []string{"sh", "id", "support", "evil.co.uk", "evil.com", "evil.github.io", "github.io", "x.sh", "setup.exe", "evil.xn--p1ai"} {
		if got, ok := x.Match(pattern.Refang(value)); ok {
			t.Errorf("%s: %+v", value, got)
		}
	}
}

func TestLookAlike(t *testing.T) {
	x := Compile([]*List{
		{Name: "assets", Own: true, Type: TypeHostname, Weight: Hard, Entries: []string{"paypa1-bank.test", "modern.test", "bücher.test", "203.0.113.7"}},
		{Name: "other", Type: TypeHostname, Weight: Hard, Entries: []string{"google.test"}},
	})
	for value, want := range map[string]string{
		"раураl-bank.test": "paypa1-bank.test", "paypal-bank.test": "paypa1-bank.test", "www.paypаl-bank.test": "paypa1-bank.test", "modem.test": "modern.test",
		"mοdern.test": "modern.test", "bucher.test": "xn--bcher-kva.test", "https://m0dern.test/login": "modern.test", "ceo@modеrn.test": "modern.test",
		"modern.test": "", "www.modern.test": "", "modern.test.evil.test": "", "gооgle.test": "", "modernist.test": "", "203.0.113.7": "", "text": "",
	} {
		o := pattern.Refang(value)
		h, ok := x.LookAlike(o)
		if h.Entry != want || ok != (want != "") {
			t.Errorf("%s looks like %q, want %q", value, h.Entry, want)
		}
		// What only looks like an asset must not be kept from being blocked.
		if hit, warned := x.Match(o); ok && warned {
			t.Errorf("%s is a look-alike and on a list: %+v", value, hit)
		}
	}
	if _, ok := Compile(Builtin()).LookAlike(pattern.Refang("аpple.com")); ok {
		t.Error("the built-in lists are nobody's own")
	}
}

// TestAgainstNaive holds the tables against the straightforward way, over random lists
// that are large enough for blocks and buckets.
func TestAgainstNaive(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	address := func() netip.Addr { // crowded, so that there are hits
		if rng.IntN(2) == 0 {
			return netip.AddrFrom4([4]byte{203, 0, byte(rng.IntN(4)), byte(rng.IntN(256))})
		}
		b := [16]byte{0x20, 0x01, 0x0d, 0xb8, 14: byte(rng.IntN(4)), 15: byte(rng.IntN(256))}
		return netip.AddrFrom16(b)
	}
	network := func() netip.Prefix {
		a := address()
		p, _ := a.Prefix(a.BitLen() - rng.IntN(12))
		return p
	}
	for round := range 20 {
		var lists []*List
		var nets [][]netip.Prefix
		for i := range 3 {
			l := &List{Name: fmt.Sprint(i), Type: TypeCIDR, Weight: Soft}
			var ns []netip.Prefix
			for range []int{0, 30, 2000}[rng.IntN(3)] {
				p := network()
				if rng.IntN(4) > 0 {
					p = netip.PrefixFrom(p.Addr(), p.Addr().BitLen())
				}
				ns = append(ns, p)
				l.Entries = append(l.Entries, p.String())
			}
			lists, nets = append(lists, l), append(nets, ns)
		}
		x := Compile(lists)
		for range 300 {
			v := network()
			var want []string
			for i, ns := range nets {
				if slices.ContainsFunc(ns, v.Overlaps) {
					want = append(want, fmt.Sprint(i))
				}
			}
			var got []string
			for _, h := range x.All(pattern.Refang(v.String())) {
				got = append(got, h.List)
				if e, err := netip.ParsePrefix(h.Entry); err == nil && !e.Overlaps(v) {
					t.Errorf("%v does not overlap %s", v, h.Entry)
				}
			}
			first, ok := x.Match(pattern.Refang(v.String()))
			if !slices.Equal(got, want) || ok != (len(want) > 0) || ok && first.List != want[0] {
				t.Fatalf("round %d: %v is on %v, first %+v; want %v", round, v, got, first, want)
			}
		}
	}
}

// TestAutomaton holds the automaton against a search for each text.
func TestAutomaton(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	word := func(n int) string {
		b := make([]byte, 1+rng.IntN(n))
		for i := range b {
			b[i] = "ab"[rng.IntN(2)]
		}
		return string(b)
	}
	for range 2000 {
		var texts []string
		for range 1 + rng.IntN(6) {
			texts = append(texts, word(6))
		}
		value := word(20)
		got, ok := newAutomaton(texts).find(value)
		want, end := "", len(value)+1
		for _, s := range texts {
			if i := strings.Index(value, s); i >= 0 && (i+len(s) < end || i+len(s) == end && len(s) > len(want)) {
				want, end = s, i+len(s)
			}
		}
		if got != want || ok != (want != "") {
			t.Fatalf("%q in %q: found %q, want %q", texts, value, got, want)
		}
	}
}

// TestSize: 20 bytes a key, a quarter of a starting place, and the lists of each block.
func TestSize(t *testing.T) {
	var entries []string
	for i := range 50_000 {
		entries = append(entries, fmt.Sprintf("h%d.test", i))
	}
	x := index(TypeHostname, nil, entries...)
	if keys, notes, starts := cap(x.names.keys), cap(x.names.notes), cap(x.names.starts); keys != 50_000 || notes != 50_000 || starts > 50_000 {
		t.Errorf("%d keys, %d notes, %d starting places", keys, notes, starts)
	}
	o := pattern.Refang("www.never-listed.example")
	if n := testing.AllocsPerRun(100, func() { x.Match(o) }); n > 0 {
		t.Errorf("Match makes %v allocations", n)
	}
}

// TestEmpty: an index of nothing names nothing.
func TestEmpty(t *testing.T) {
	x := Compile(nil)
	for _, value := range []string{"203.0.113.7", "0.0.0.0/0", "::/0", "a.test", "http://a.test/", "x@a.test", "text", ""} {
		if got := x.All(pattern.Refang(value)); got != nil {
			t.Errorf("%s: %v", value, got)
		}
	}
	for _, o := range []pattern.Observable{{}, {Type: pattern.IPv4, Value: "junk"}, {Type: pattern.CIDR, Value: "junk"}, {Type: pattern.Email, Value: "junk"},
		{Type: pattern.URL}, {Type: pattern.ObjectRef, Value: "indicator--1"}, {Type: "new", Value: "x"}} {
		if got, ok := Compile(Builtin()).Match(o); ok {
			t.Errorf("%+v: %+v", o, got)
		}
	}
}
