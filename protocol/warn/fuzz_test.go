package warn

import (
	"slices"
	"strings"
	"testing"

	"tocsin/protocol/pattern"
	"tocsin/protocol/reason"
)

// FuzzParse: no file panics; what is refused is refused with its code; what is taken keeps the
// limits, reads the same again, and compiles without losing an entry.
func FuzzParse(f *testing.F) {
	for _, typ := range []string{TypeCIDR, TypeHostname, TypeString, TypeSubstring, TypeRegex} {
		f.Add("a.json", file(f, typ, []string{"domain|ip", "md5"}, "203.0.113.0/24", ".a.test", "/^x+$/i", 7, "d41d8cd98f00b204e9800998ecf8427e", "https://a.test/x"))
	}
	f.Add("a.txt", []byte("# ours\r\nbank.test\n203.0.113.7\n"))
	f.Add("a.json", []byte(`{"type":"string","version":"3","list":["a\u0041\"" , null,true , {} ]}`))
	f.Add("a.json", []byte(`{"type":"string","list":["`))
	f.Fuzz(func(t *testing.T, name string, raw []byte) {
		l, err := Parse(name, raw, Hard)
		if err != nil {
			if l != nil || reason.Of(err) != reason.WarnFile {
				t.Fatalf("refused with %v", err)
			}
			return
		}
		if len(l.Entries) > MaxEntries || len(l.Name) > maxTitle && !strings.HasSuffix(strings.ToLower(name), ".txt") {
			t.Fatalf("%d entries, name %q", len(l.Entries), l.Name)
		}
		skipped := len(l.Skipped)
		Compile([]*List{l})
		if len(l.Skipped) != skipped {
			t.Fatalf("taken and not compiled: %q", l.Skipped[skipped:])
		}
		if again, err := Parse(name, raw, Hard); err != nil || !slices.Equal(again.Entries, l.Entries) {
			t.Fatalf("read again: %v", err)
		}
	})
}

// FuzzMatch: no value panics, Match is the first of All, and a value that stands on a
// list of its own is found there.
func FuzzMatch(f *testing.F) {
	for _, v := range []string{"8.8.8.8", "2002:808:808::1", "0.0.0.0/0", "::/0", "*.com", "bücher.test", "http://user@[::1]:80/x", "x@a.test", "a.test:80",
		"d41d8cd98f00b204e9800998ecf8427e", "AS1", "00:00:5e:00:53:01", "any text", "http:///x", "file:///x", "%41.test", "xn--.test"} {
		f.Add("", v, v)
		f.Add("domain-name:value", v, "a.test")
		f.Add("url:value", v, "203.0.113.0/24")
	}
	builtin := Compile(Builtin())
	f.Fuzz(func(t *testing.T, path, value, entry string) {
		var lists []*List
		for _, typ := range []string{TypeCIDR, TypeHostname, TypeString, TypeSubstring, TypeRegex} {
			lists = append(lists, &List{Name: typ, Type: typ, Weight: Soft, Own: true, Entries: []string{entry}})
		}
		x := Compile(lists)
		for _, o := range []pattern.Observable{pattern.Normalize(path, value), pattern.Refang(value), {Type: pattern.Type(path), Value: value}, {Type: pattern.URL, Value: value}} {
			for _, x := range []*Index{x, builtin} {
				all := x.All(o)
				first, ok := x.Match(o)
				if ok != (len(all) > 0) || ok && first != all[0] || len(all) > maxHits {
					t.Fatalf("%+v: Match %+v, All %+v", o, first, all)
				}
			}
			x.LookAlike(o)
		}
		o := pattern.Refang(entry)
		itself := &List{Name: "itself", Type: TypeString, Weight: Soft, Entries: []string{o.Value}}
		if _, ok := Compile([]*List{itself}).Match(o); !ok && len(itself.Skipped) == 0 {
			t.Fatalf("%+v is on a list and not found", o)
		}
	})
}
