package pattern

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// show writes values as type:value, with ! for those that stand alone.
func show(values []Value) string {
	var all []string
	for _, v := range values {
		s := string(v.Observable.Type) + ":" + v.Observable.Value
		if v.Alone {
			s += "!"
		}
		all = append(all, s)
	}
	return strings.Join(all, " ")
}

func TestValues(t *testing.T) {
	for _, c := range []struct {
		src, want string
		complete  bool
	}{
		{`[domain-name:value = 'Evil.example']`, "domain:evil.example!", true},
		{`[domain-name:value = '198.51.100.1']`, "ipv4:198.51.100.1!", true},
		{`[file:hashes.sha256 = '` + strings.ToUpper(sha256Hex) + `']`, "sha256:" + sha256Hex + "!", true},
		{`[url:value IN ('evil.example', 'EVIL.example.', 'x')]`, "domain:evil.example! text:x!", true},
		{`[ipv4-addr:value ISSUBSET '198.51.100.7/24']`, "cidr:198.51.100.0/24!", true},
		{`[ipv4-addr:value ISSUBSET 'x']`, "", false},
		{`[ipv4-addr:value ISSUPERSET '198.51.100.7']`, "", false},
		{`[autonomous-system:number = 64496]`, "asn:AS64496!", true},
		{`[autonomous-system:number = -1]`, "", false},
		{`[file:size = 5]`, "", false},
		{`[file:name = 'a' OR file:name = 'b']`, "text:a! text:b!", true},
		{`[file:name = 'a' AND file:name = 'b']`, "text:a text:b", true},
		{`[file:name = 'a' OR file:name = 'b' AND file:name = 'c']`, "text:a! text:b text:c", true},
		{`[file:name = 'a' AND file:name = 'b' OR file:name = 'a']`, "text:a! text:b", true},
		{`[file:name = 'a' AND file:size > 5]`, "text:a", false},
		{`[file:name = 'a' AND url:value = 'b']`, "text:a text:b", false},
		{`[file:name = 'a' OR url:value = 'b']`, "text:a! text:b!", true},
		{`[file:name != 'a']`, "", false},
		{`[file:name NOT = 'a' OR file:name = 'b']`, "text:b!", false},
		{`[file:name NOT IN ('a')]`, "", false},
		{`[file:name LIKE 'a%' OR file:name = 'b']`, "text:b!", false},
		{`[file:name MATCHES 'a']`, "", false},
		{`[EXISTS file:name]`, "", false},
		{`[file:name = 'a'] OR [file:name = 'b']`, "text:a! text:b!", true},
		{`[file:name = 'a'] AND [file:name = 'b']`, "text:a text:b", false},
		{`[file:name = 'a'] FOLLOWEDBY [file:name = 'b']`, "text:a text:b", false},
		{`[file:name = 'a'] REPEATS 2 TIMES`, "text:a", false},
		{`[file:name = 'a'] OR [file:name = 'b'] WITHIN 5 SECONDS`, "text:a! text:b", false},
		{`[network-traffic:dst_ref.type = 'domain-name' AND network-traffic:dst_ref.value = 'evil.example']`, "domain:evil.example", false},
		{`[file:hashes.MD5 = h'00' OR file:ctime = t'2026-01-01T00:00:00Z' OR file:x = true OR file:name = '']`, "", false},
		{`[file:name IN ()]`, "", true},
	} {
		p, err := Parse(c.src)
		if err != nil {
			t.Errorf("%s: %v", c.src, err)
			continue
		}
		values, complete := p.Values()
		if got := show(values); got != c.want || complete != c.complete {
			t.Errorf("%s: %q, %v, want %q, %v", c.src, got, complete, c.want, c.complete)
		}
	}
}

// TestValuesMany passes from the linear search to the map.
func TestValuesMany(t *testing.T) {
	for _, n := range []int{linearSearch, linearSearch + 1, 700} {
		var set []string
		for i := range n {
			set = append(set, fmt.Sprintf("'v%d'", i))
		}
		src := `[a:b IN (` + strings.Join(slices.Concat(set, set[:n/2]), ",") + `)]`
		p, err := Parse(src)
		if err != nil {
			t.Fatal(err)
		}
		values, complete := p.Values()
		if len(values) != n || !complete || values[n-1].Observable.Value != fmt.Sprintf("v%d", n-1) {
			t.Errorf("%d values in a set gave %d", n, len(values))
		}
	}
}

// TestValuesSatisfy: a value that stands alone matches the pattern when it is
// all that was observed.
func TestValuesSatisfy(t *testing.T) {
	for _, src := range []string{
		`[sensor:n = 'a' OR sensor:n IN ('b', 'c') AND sensor:n = 'c']`,
		`[sensor:n = 'a'] OR [sensor:n = 'b'] AND [sensor:n = 'c']`,
		`[sensor:n ISSUBSET '198.51.100.0/24' OR sensor:n LIKE 'x%' AND sensor:n = 'xy']`,
	} {
		p, err := Parse(src)
		if err != nil {
			t.Fatal(err)
		}
		values, _ := p.Values()
		if len(values) < 2 {
			t.Fatalf("%s: only %s", src, show(values))
		}
		for _, v := range values {
			one, err := json.Marshal(v.Observable.Value)
			if err != nil {
				t.Fatal(err)
			}
			r, why := p.Match(raw(at(0, sensor("n", string(one)))))
			if v.Alone && r != Match {
				t.Errorf("%s: %v stands alone but gives %v %s", src, v.Observable, r, why)
			}
		}
	}
}

// TestRealPatterns parses every pattern of the shared real bundles.
func TestRealPatterns(t *testing.T) {
	const root = "../../../shared/data/stix"
	files, err := filepath.Glob(root + "/amnesty/*.stix2")
	if err != nil {
		t.Fatal(err)
	}
	older, err := filepath.Glob(root + "/unit42-stix20/*.json")
	if err != nil {
		t.Fatal(err)
	}
	if files = append(files, older...); len(files) == 0 {
		t.Skip("NO REAL PATTERNS WERE READ: " + root + " is absent")
	}
	total, whole, kinds := 0, 0, map[Type]int{}
	for _, file := range files {
		for _, src := range patternsOf(t, file) {
			p, err := Parse(src)
			if err != nil {
				t.Errorf("%s: %s: %v", file, src, err)
				continue
			}
			values, complete := p.Values()
			total++
			if complete {
				whole++
			}
			for _, v := range values {
				kinds[v.Observable.Type]++
				if !v.Alone {
					t.Errorf("%s: %s: %v does not stand alone", file, src, v.Observable)
				}
			}
			if found := p.Findings(); len(found) > 0 {
				t.Logf("%s: %s: %q", file, src, found)
			}
		}
	}
	t.Logf("%d patterns, %d with complete values, %v", total, whole, kinds)
	if total < 6000 || whole != total {
		t.Errorf("%d of %d patterns have complete values", whole, total)
	}
}

func patternsOf(t *testing.T, file string) (all []string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var bundle struct {
		Objects []struct {
			Type    string `json:"type"`
			Pattern string `json:"pattern"`
		} `json:"objects"`
	}
	if err := json.Unmarshal(b, &bundle); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	for _, o := range bundle.Objects {
		if o.Type == "indicator" {
			all = append(all, o.Pattern)
		}
	}
	return all
}

// BenchmarkValues is the ingest hot path: parse a pattern, take its values.
func BenchmarkValues(b *testing.B) {
	for _, src := range []string{
		`[domain-name:value='www.evil.example']`,
		`[file:hashes.'SHA-256' = '` + sha256Hex + `']`,
		`[ipv4-addr:value = '198.51.100.1']`,
	} {
		b.Run(src[1:strings.IndexByte(src, ':')], func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p, err := Parse(src)
				if err != nil {
					b.Fatal(err)
				}
				p.Values()
			}
		})
	}
}

func TestSeveral(t *testing.T) {
	value := func(kind Type, text string, alone bool) Value {
		return Value{Observable: Observable{kind, text}, Alone: alone}
	}
	domain, other := value(Domain, "a.example", true), value(Domain, "b.example", true)
	md5, sha := value(MD5, "00", true), value(SHA256, "11", true)
	for name, test := range map[string]struct {
		values []Value
		want   bool
	}{
		"none":                   {nil, false},
		"one":                    {[]Value{domain}, false},
		"two names":              {[]Value{domain, other}, true},
		"hashes of one file":     {[]Value{md5, sha}, false},
		"a hash and a name":      {[]Value{md5, domain}, true},
		"one and a part of both": {[]Value{domain, value(Domain, "b.example", false)}, false},
	} {
		if got := Several(test.values); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
