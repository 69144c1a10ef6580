package logs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// secrets are what no report may show, as logs write it.
var secrets = []string{
	"203.0.113.7", "203.0.113[.]7", "198.51.100.0", "2001:db8::1", "2001:db8::", "::ffff:192.0.2.9", "evil.example", "login-secure[.]example",
	"xn--bcher-kva.example", "bücher.example", "https://evil.example/a?b=c", "hxxp://evil[.]example/x", "anna@evil.example",
	"12D3KooWQYhTNQdmr3ArTeUHRYzFg94BKyTkoWBDWez9kSCVe2Xo", "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWKPbdG",
	"sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "sha256:b05bf34a3", "d41d8cd98f00b204e9800998ecf8427e",
	"indicator--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f", "/home/anna/node/keys/record.key", "~/node", "Northland CERT", "northland cert", "北国应急",
	"dGhpcyBpcyBhIHNlY3JldCB0b2tlbiAx",
}

func testRedactor() *Redactor { return NewRedactor("Northland CERT", "北国应急", "", "CERT") }

// None of the secrets is left, wherever it stands in a line.
func TestNothingIsLeft(t *testing.T) {
	for _, secret := range secrets {
		quoted, _ := json.Marshal(secret)
		for _, form := range []string{
			`{"level":"info","logger":"tocsin/p2p","msg":"dialled","addr":%s}`,
			`{"level":"info","msg":"x","peers":[{"at":%s}]}`,
			`{"level":"info","msg":"x","more":{"err":%s}}`,
			`{"level":"info","msg":%s}`,
			`{"level":"info","msg":"x","code":%s}`,
		} {
			got := testRedactor().Line(fmt.Appendf(nil, form, quoted))
			if bytes.Contains(got, []byte(secret)) {
				t.Errorf("%s is left in %s", secret, got)
			}
			if !json.Valid(got) {
				t.Errorf("no JSON: %s", got)
			}
		}
		for _, sentence := range []string{"dial %s: refused", "(%s)", "peer %s, twice %[1]s", "%s", "a=%s;b", `value "%s" is none`, "[%s]:8470"} {
			if got := testRedactor().Text(fmt.Sprintf(sentence, secret)); strings.Contains(got, secret) {
				t.Errorf("%s is left in %q", secret, got)
			}
		}
	}
}

// What helps to understand stays, and one thing has one mark wherever it stands.
func TestWhatStays(t *testing.T) {
	r := testRedactor()
	for _, c := range []struct{ in, want string }{
		{"dial /ip4/203.0.113.7/tcp/8469/p2p/12D3KooWQYhTNQdmr3ArTeUHRYzFg94BKyTkoWBDWez9kSCVe2Xo: connection refused",
			"dial /ip4/<ip-1>/tcp/8469/p2p/<peer-1>: connection refused"},
		{"again 203.0.113[.]7 and 203.0.113.8/24", "again <ip-1> and <ip-2>/24"},
		{"listen on 127.0.0.1:8470 and [::1]:8470, /ip4/0.0.0.0/udp/8469/quic-v1", "listen on 127.0.0.1:8470 and [::1]:8470, /ip4/0.0.0.0/udp/8469/quic-v1"},
		{"refused [sig.invalid] after 12:04:40 in 1.5 s, 12/min, v0.51.0", "refused [sig.invalid] after 12:04:40 in 1.5 s, 12/min, v0.51.0"},
		{`log level "debug", code "sig.invalid", value "x y"`, `log level "debug", code "sig.invalid", value "<text-1>"`},
		{"a <b> c", "a (b) c"},
		{"CERT (XA) has key 1, the TLP (XA) has none", "<name-1> (<country-1>) has key 1, the TLP (XA) has none"},
	} {
		if got := r.Text(c.in); got != c.want {
			t.Errorf("%q\n got %q\nwant %q", c.in, got, c.want)
		}
	}
	line := r.Line([]byte(`{"level":"warn","ts":"2026-01-02T03:04:05.000Z","logger":"tocsin/p2p","caller":"p2p/dial.go:12","msg":"peer refused","peer":"12D3KooWQYhTNQdmr3ArTeUHRYzFg94BKyTkoWBDWez9kSCVe2Xo","code":"sig.invalid","records":3,"took":"1.5s","petname":"our friends","err":"read 203.0.113.7: EOF"}`))
	want := `{"caller":"p2p/dial.go:12","code":"sig.invalid","err":"read <ip-1>: EOF","level":"warn","logger":"tocsin/p2p","msg":"peer refused","peer":"<peer-1>","petname":"<petname-1>","records":3,"took":"1.5s","ts":"2026-01-02T03:04:05.000Z"}`
	if string(line) != want {
		t.Errorf("got  %s\nwant %s", line, want)
	}
	if got := string(r.Lines([]byte("no JSON of evil.example\n[1]\nnull\n"))); strings.Contains(got, "evil") || strings.Count(got, "\n") != 3 {
		t.Errorf("broken lines give %q", got)
	}
	if r.Counts()["ip"] != 2 || r.Counts()["peer"] != 1 {
		t.Errorf("counts %v", r.Counts())
	}
}

// Whatever a line holds, the answer is one line of JSON, and a planted address is gone.
func FuzzLine(f *testing.F) {
	for _, s := range secrets {
		f.Add(s)
	}
	f.Add("<")
	f.Add(`"\`)
	f.Add("a<ip-1")
	f.Fuzz(func(t *testing.T, text string) {
		raw, err := json.Marshal(map[string]any{"msg": text, text: text, "err": text + " 203.0.113.77 " + text, "n": map[string]any{"k": []any{text}}})
		if err != nil {
			t.Skip()
		}
		got := testRedactor().Line(raw)
		if !json.Valid(got) || bytes.ContainsRune(got, '\n') {
			t.Fatalf("%q", got)
		}
		if strings.Contains(string(got), "203.0.113.77") && !strings.Contains(text, "203.0.113.77") {
			t.Fatalf("left in %s", got)
		}
		testRedactor().Line([]byte(text))
	})
}
