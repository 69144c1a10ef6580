package warn

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"tocsin/protocol/pattern"
	"tocsin/protocol/reason"
)

// file writes a list as MISP does.
func file(t testing.TB, typ string, matching []string, entries ...any) []byte {
	t.Helper()
	raw, err := json.Marshal(map[string]any{"name": "test", "version": 1, "description": "d", "type": typ, "matching_attributes": matching, "list": entries})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func parse(t testing.TB, name string, raw []byte) *List {
	t.Helper()
	l, err := Parse(name, raw, Soft)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestParse(t *testing.T) {
	raw := []byte("\ufeff" + `{"category": "False positive", "name": " Some list ", "version": "7", "description": "what it is",
		"type": "hostname", "extra": {"deep": [1, 2]}, "matching_attributes": ["domain", "url"], "list": ["a.test", " b.test ", "", 7, null, "no host"]}`)
	l := parse(t, "x/some.json", raw)
	if l.Name != "Some list" || l.Description != "what it is" || l.Version != 7 || l.Type != TypeHostname || l.Weight != Soft {
		t.Errorf("%+v", l)
	}
	if want := []string{"a.test", "b.test"}; !slices.Equal(l.Entries, want) {
		t.Errorf("entries %q, want %q", l.Entries, want)
	}
	want := []string{`entry 3: "": empty`, `entry 4: "7": no text`, `entry 5: "null": no text`, `entry 6: "no host": no host name, address or network`}
	if !slices.Equal(l.Skipped, want) {
		t.Errorf("skipped %q\nwant %q", l.Skipped, want)
	}
	if l := parse(t, "nameless.json", []byte(`{"type": "cidr", "list": []}`)); l.Name != "nameless" {
		t.Errorf("a list without a name is called %q", l.Name)
	}
}

func TestParseText(t *testing.T) {
	for name, c := range map[string]struct {
		raw, typ string
		entries  []string
		skipped  int
	}{
		"hosts":     {"# ours\r\n\r\nbank.test\r\n  mail.bank.test # mail\r\n", TypeHostname, []string{"bank.test", "mail.bank.test"}, 0},
		"addresses": {"\ufeff203.0.113.7\n2001:db8::/32\n10.1.0.0/16", TypeCIDR, []string{"203.0.113.7", "2001:db8::/32", "10.1.0.0/16"}, 0},
		"both":      {"bank.test\n203.0.113.0/24\n", TypeHostname, []string{"bank.test", "203.0.113.0/24"}, 0},
		"junk":      {"bank.test\nhttp://bank.test/login\n*\n", TypeHostname, []string{"bank.test"}, 2},
		"empty":     {"# nothing yet\n", TypeCIDR, nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			l := parse(t, "dir/Assets.TXT", []byte(c.raw))
			if l.Name != "Assets" || l.Type != c.typ || !slices.Equal(l.Entries, c.entries) || len(l.Skipped) != c.skipped {
				t.Errorf("%+v", l)
			}
		})
	}
}

// TestParseRefuses: the structure is strict, and each error names the place and what to do.
func TestParseRefuses(t *testing.T) {
	many := func(n int, entry string) string {
		return `{"name":"x","type":"string","list":[` + strings.TrimSuffix(strings.Repeat(`"`+entry+`",`, n), ",") + `]}`
	}
	for name, c := range map[string]struct{ file, raw, says string }{
		"no object":      {"a.json", "8.8.8.8\n", "name the file .txt"},
		"array":          {"a.json", `["8.8.8.8"]`, "line 1"},
		"cut off":        {"a.json", "{\"name\": \"x\",\n\"list\": [\"a\"", "line 2: the file ends too early"},
		"empty":          {"a.json", "", "the file ends too early"},
		"syntax":         {"a.json", "{\"name\": \"x\",\n\n\"list\": [}", "line 3"},
		"two lists":      {"a.json", `{"type":"string","list":[]}{}`, "one list in a file"},
		"twice":          {"a.json", `{"type":"string","list":[],"list":["a"]}`, `"list" stands twice`},
		"no list":        {"a.json", `{"type":"string"}`, "list: want an array"},
		"list of lists":  {"a.json", `{"type":"string","list":["a",["b"]]}`, "entry 2 is no text"},
		"list is text":   {"a.json", `{"type":"string","list":"a"}`, "list: want an array"},
		"unknown type":   {"a.json", `{"type":"glob","list":[]}`, `type "glob": want cidr`},
		"own type":       {"a.json", `{"type":"suffix","list":[]}`, `type "suffix"`},
		"no type":        {"a.json", `{"list":[]}`, `type ""`},
		"name":           {"a.json", `{"name":7,"type":"string","list":[]}`, "name: "},
		"long name":      {"a.json", `{"name":"` + strings.Repeat("n", maxTitle+1) + `","type":"string","list":[]}`, "name has 201 bytes, at most 200"},
		"version":        {"a.json", `{"version":"new","type":"string","list":[]}`, "version"},
		"matching":       {"a.json", `{"matching_attributes":"md5","type":"string","list":[]}`, "matching_attributes"},
		"not UTF-8":      {"a.txt", "a.test\nb\xff.test\n", "line 2 is not UTF-8"},
		"long line":      {"a.txt", "a.test\n" + strings.Repeat("a", maxEntry+1), "line 2 has more than 4096 bytes"},
		"nothing useful": {"a.json", `{"type":"cidr","list":["a.test","b.test"]}`, `none of 2 entries can be used, as the first: entry 1: "a.test": no address or network`},
		"mostly junk":    {"a.json", many(maxSkipped+1, ""), "more than 100000 entries cannot be used"},
		"too large":      {"a.txt", strings.Repeat("#", MaxFile+1), "split the list"},
		"substrings":     {"a.json", `{"type":"substring","list":["` + strings.Repeat(strings.Repeat("a", 4000)+`","`, maxSubstrings/4000) + strings.Repeat("b", 4000) + `"]}`, "substrings of more than"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse(c.file, []byte(c.raw), Soft)
			if reason.Of(err) != reason.WarnFile || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), c.file) {
				t.Errorf("%v; want %q", err, c.says)
			}
		})
	}
}

// TestParseLimits: what is just within each limit is taken.
func TestParseLimits(t *testing.T) {
	entry := strings.Repeat("a", maxEntry)
	l := parse(t, "a.json", file(t, TypeString, nil, entry, entry+"a"))
	if len(l.Entries) != 1 || len(l.Skipped) != 1 || !strings.Contains(l.Skipped[0], "longer than 4096") || len(l.Skipped[0]) > 200 {
		t.Errorf("%d entries, skipped %q", len(l.Entries), l.Skipped)
	}
	if l := parse(t, "a.txt", []byte(strings.Repeat("a", 62)+".test #"+strings.Repeat("x", maxEntry-69))); len(l.Entries) != 1 {
		t.Errorf("a line of %d bytes: %+v", maxEntry, l)
	}
	var junk []any
	for range maxSkipped {
		junk = append(junk, 1)
	}
	if l := parse(t, "a.json", file(t, TypeString, nil, append(junk, "x")...)); len(l.Skipped) != maxSkipped {
		t.Errorf("%d skipped", len(l.Skipped))
	}
	var expressions []any
	for i := range maxExpressions + 1 {
		expressions = append(expressions, fmt.Sprintf("^n%d$", i))
	}
	if l := parse(t, "a.json", file(t, TypeRegex, nil, expressions...)); len(l.Entries) != maxExpressions || len(l.Skipped) != 1 {
		t.Errorf("%d expressions, skipped %q", len(l.Entries), l.Skipped)
	}
	r := reader{list: &List{Type: TypeString, Entries: make([]string, MaxEntries-2), Skipped: []string{"one"}}, scope: scopeAll}
	if err := r.add("entry", 1, "x"); err != nil {
		t.Errorf("entry %d: %v", MaxEntries, err)
	}
	if err := r.add("entry", 1, "x"); err == nil || !strings.Contains(err.Error(), "more than 2000000 entries") {
		t.Errorf("entry %d: %v", MaxEntries+1, err)
	}
	large := []byte(`{"type":"string","list":[]}` + strings.Repeat(" ", MaxFile))
	if _, err := Parse("a.json", large[:MaxFile], Soft); err != nil {
		t.Errorf("%d bytes: %v", MaxFile, err)
	}
}

// TestSkipped: what cannot be used is named with its reason, type by type.
func TestSkipped(t *testing.T) {
	for typ, cases := range map[string]map[string]string{
		TypeCIDR: {"0.0.0.0/0": "every address", "::/0": "every address", "a.test": "no address", "1.2.3.4-1.2.3.9": "no address",
			"1.2.3.0/33": "no address", "1.2.3": "no address"},
		TypeHostname:  {"a.test/path": "no host", "a b.test": "no host", "x@a.test": "no host", "": "empty", ".": "no host", "*": "no host", "0.0.0.0/0": "every address"},
		TypeSubstring: {"ab": "shorter than 3", "": "empty"},
		TypeRegex: {"(": "RE2", "(?=a)b": "RE2", `(a)\1`: "RE2", "//": "empty", "/a/x": `flag 'x'`, "((a{10}){10}){10}": "multiply", "a{1001}": "RE2",
			strings.Repeat("a", maxExpression+1): "longer than 512"},
	} {
		for text, why := range cases {
			l, err := Parse("a.json", file(t, typ, nil, text, "192.0.2.1"), Soft) // the second is good everywhere
			if err != nil {
				t.Errorf("%s %q: %v", typ, text, err)
				continue
			}
			if len(l.Entries) != 1 || len(l.Skipped) != 1 || !strings.Contains(l.Skipped[0], why) {
				t.Errorf("%s %q: entries %q, skipped %q, want %q", typ, text, l.Entries, l.Skipped, why)
			}
		}
	}
}

// TestCompileSkips: lists that nobody parsed are held against the same rules.
func TestCompileSkips(t *testing.T) {
	long := strings.Repeat("x", 4000)
	for _, l := range []*List{
		{Name: "regex", Type: TypeRegex, Entries: []string{"(", "good"}},
		{Name: "substring", Type: TypeSubstring, Entries: append(slices.Repeat([]string{long}, maxSubstrings/4000), long)},
		{Name: "none", Type: "glob", Entries: []string{"a"}},
	} {
		Compile([]*List{l})
		if len(l.Skipped) != 1 {
			t.Errorf("%s: skipped %.200q", l.Name, l.Skipped)
		}
	}
}

// TestScopes maps MISP's attribute types.
func TestScopes(t *testing.T) {
	for attributes, want := range map[string]scope{
		"":                          scopeAll,
		"ip-src ip-dst ip-src|port": scopeAddress,
		"domain|ip":                 scopeName | scopeAddress,
		"hostname hostname|port":    scopeName,
		"uri url":                   scopeURL,
		"md5 filename|sha1":         scopeMD5 | scopeSHA1,
		"sha256 sha512":             scopeSHA256 | scopeSHA512,
		"email-src whois-registrant-email dns-soa-email": scopeEmail,
		"AS mac-address":     scopeASN | scopeMAC,
		"sha224 ssdeep":      scopeText,
		"filename":           scopeText,
		"btc no-such-type":   scopeText,
		"malware-sample MD5": scopeMD5,
	} {
		if got := scopeOf(strings.Fields(attributes)); got != want {
			t.Errorf("%q: %b, want %b", attributes, got, want)
		}
	}
	for _, typ := range []pattern.Type{pattern.IPv4, pattern.IPv6, pattern.CIDR, pattern.Domain, pattern.URL, pattern.Email, pattern.MD5,
		pattern.SHA1, pattern.SHA256, pattern.SHA512, pattern.MAC, pattern.ASN, pattern.Text} {
		if s := scopeOfType(typ); s == 0 || s&scopeAll != s || s&(s-1) != 0 {
			t.Errorf("type %s has scope %b", typ, s)
		}
	}
	if scopeOfType(pattern.ObjectRef) != 0 {
		t.Error("the id of an object is no value to warn of")
	}
}
