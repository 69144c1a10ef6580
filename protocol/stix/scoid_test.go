package stix

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/gowebpki/jcs"

	"tocsin/protocol/reason"
)

// TestDeterministicID holds the ids against values that other implementations
// and the standard itself give, and against the definition. OBJ-22
func TestDeterministicID(t *testing.T) {
	md5, sha1, sha256 := strings.Repeat("a", 32), strings.Repeat("b", 40), strings.Repeat("c", 64)
	for _, c := range []struct {
		in   string
		want string // an id, or the canonical text of what contributes
	}{
		{`{"type":"ipv4-addr","value":"198.51.100.3"}`, "ipv4-addr--28bb3599-77cd-5a82-a950-b5bc3caf07c4"},
		{`{"type":"domain-name","value":"example.com"}`, "domain-name--bedb4899-d24b-5401-bc86-8f6b4cc18ec7"},
		{`{"type":"ipv6-addr","value":"2001:db8::1"}`, "ipv6-addr--6469e3a9-b053-5e34-a025-9396ae051d26"},
		{`{"type":"autonomous-system","number":15139,"name":"x"}`, "autonomous-system--3aa27478-50b5-5ab8-9da9-cdc12b657fff"},
		{`{"value" : "\u0065xample.com", "id":"domain-name--0", "type":"domain-name","x":null}`, "domain-name--bedb4899-d24b-5401-bc86-8f6b4cc18ec7"},
		{`{"type":"domain-name","value":"EXAMPLE.com"}`, `{"value":"EXAMPLE.com"}`},
		{`{"type":"file","hashes":{"SHA-256":"` + sha256 + `","MD5":"` + md5 + `","SHA-1":"` + sha1 + `"},"size":3}`, `{"hashes":{"MD5":"` + md5 + `"}}`},
		{`{"type":"file","hashes":{"SHA-256":"` + sha256 + `","SHA-1":"` + sha1 + `"},"name":"n"}`, `{"hashes":{"SHA-1":"` + sha1 + `"},"name":"n"}`},
		{`{"type":"file","hashes":{"SHA3-256":"` + sha256 + `","SSDEEP":"x","SHA-512":"y"}}`, `{"hashes":{"SHA-512":"y"}}`},
		{`{"type":"file","hashes":{"SSDEEP":"x","SHA3-256":"y"}}`, `{"hashes":{"SSDEEP":"x"}}`},
		{`{"type":"network-traffic","protocols":["tcp"],"dst_port":4.43e2,"src_ref":"a","is_active":true}`, `{"dst_port":443,"protocols":["tcp"],"src_ref":"a"}`},
		{`{"type":"email-message","is_multipart":false,"subject":"s \u00e9","body":"b"}`, `{"body":"b","subject":"s é"}`},
		{`{"type":"file","name":"n","extensions":{"b-ext":{"z":1,"a":[1.0]},"a-ext":{"k":true}}}`, `{"extensions":{"a-ext":{"k":true},"b-ext":{"a":[1],"z":1}},"name":"n"}`},
		{`{"type":"windows-registry-key","values":[{"name":"n","data":"d"}],"key":"k"}`, `{"key":"k","values":[{"data":"d","name":"n"}]}`},
	} {
		got, err := DeterministicID([]byte(c.in))
		want := c.want
		if want[0] == '{' {
			typ, _, _ := strings.Cut(got, "--")
			want = typ + "--" + uuid5(scoNamespace, []byte(want))
		}
		if err != nil || got != want {
			t.Errorf("%s: %s, %v, want %s", c.in, got, err, want)
		}
		if !isID([]byte(got)) || uuidVersion([]byte(got)) != 5 {
			t.Errorf("%s is no id with a UUID of version 5", got)
		}
	}
	for in, code := range map[string]reason.Code{
		`{"type":"process","pid":1}`:                 reason.STIXRule,
		`{"type":"user-account","display_name":"d"}`: reason.STIXRule,
		`{"type":"indicator","name":"n"}`:            reason.STIXRule,
		`{"name":"n"}`:                               reason.STIXRule,
		`[1]`:                                        reason.STIXFormat,
		`{"type":"url","value":"a","value":"b"}`:     reason.JSONDuplicate,
	} {
		if id, err := DeterministicID([]byte(in)); reason.Of(err) != code {
			t.Errorf("%s: %s, %v, want %s", in, id, err, code)
		}
	}
	if len(contributing) != len(scoTypes) {
		t.Errorf("%d types contribute, there are %d", len(contributing), len(scoTypes))
	}
	for typ, names := range contributing {
		for _, name := range names {
			if rules[typ] == nil || rules[typ].props[name] == nil {
				t.Errorf("%s has no %s", typ, name)
			}
		}
	}
}

// OBJ-28
func TestCanonical(t *testing.T) {
	for in, want := range map[string]string{
		" {\"b\":1.0, \"a\" : \"\\u20ac\\/\"}\n": `{"a":"€/","b":1}`,
		`[1e21,1E-7,-0,333333333.33333329,4.50]`: `[1e+21,1e-7,0,333333333.3333333,4.5]`,
		`{"\ud83d\ude00":1,"\ufb33":2}`:          "{\"\U0001f600\":1,\"\ufb33\":2}",
		`"x"`:                                    `"x"`,
	} {
		got, err := Canonical([]byte(in))
		if err != nil || string(got) != want {
			t.Errorf("Canonical(%s) = %s, %v, want %s", in, got, err, want)
			continue
		}
		if again, err := Canonical(got); err != nil || string(again) != want {
			t.Errorf("Canonical(%s) = %s, %v, not itself", got, again, err)
		}
	}
	for in, code := range map[string]reason.Code{
		`{"a":1,"a":1}`:          reason.JSONDuplicate,
		`12345678901234567890`:   reason.JSONNumber,
		`"\ud800"`:               reason.JSONSurrogate,
		`{} {}`:                  reason.JSONSyntax,
		nest("[", "1", "]", 33):  reason.JSONDepth,
		"[\"" + "\xff" + "\"]":   reason.JSONUTF8,
		`{"a":9007199254740993}`: reason.JSONNumber,
	} {
		if got, err := Canonical([]byte(in)); reason.Of(err) != code {
			t.Errorf("Canonical(%s) = %s, %v, want %s", in, got, err, code)
		}
	}
}

// FuzzCanonical: every document that passes the gate has a canonical form,
// which is its own canonical form and decodes to the same.
func FuzzCanonical(f *testing.F) {
	f.Add([]byte(`{"b":1.0,"a":"\u20ac"}`))
	f.Add([]byte(sampleIndicator))
	f.Add([]byte(`[1e-400,-0.0,1.7976931348623157e308]`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if Scan(raw) != nil {
			return
		}
		once, err := Canonical(raw)
		if err != nil {
			t.Fatal(err)
		}
		if !json.Valid(once) {
			t.Fatalf("%q is no JSON", once)
		}
		twice, err := jcs.Transform(once)
		if err != nil || string(twice) != string(once) {
			t.Fatalf("%q has the canonical form %q, %v", once, twice, err)
		}
	})
}
