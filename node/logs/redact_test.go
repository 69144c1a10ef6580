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
	"dc-berlin.corp1", "login-secure[.]example1", "nas.7eleven", "mail.northland cert.example",
	"/tocsin/acme-client/keys", "/tcp/acme-client", "/dns/acme-client/keys", "/p2p/acme/1", "/unix/home/jane/x", "/libp2p/acme/1.0.0", "/acme",
	"clients/acme/report", "acme/x", "/srv/acme:1/y", "/var/acme,2026/x", "/opt/plan(acme)/x",
	"00:1a:2b:3c:4d:5e", "00-1A-2B-3C-4D-5E", "001a.2b3c.4d5e", `C:\Users\jane`, `c:\Jane Doe\x.txt`, `\\fileserver\jane`, "fe80::1%eth0",
	"<acme & sons>", "ö", "x+",
}

// phrases hold secrets that no rule finds but by the words around them.
var phrases = []struct{ text, secret string }{
	{"dial tcp: lookup fileserver7: no such host", "fileserver7"},
	{"lookup fileserver7 on 192.0.2.53:53: i/o timeout", "fileserver7"},
	{"dial tcp intranet:8470: connect: connection refused", "intranet"},
	{"open /home/Jane Doe/secret plan/x.txt: permission denied", "Doe"},
	{"open /home/Jane Doe/secret plan/x.txt: permission denied", "plan"},
	{"open /home/jane/secret plan: permission denied", "plan"},
	{"open /var/lib/Jane Doe/x y/z.txt: permission denied", "Doe"},
	{"the folder /data of/secret plan is full", "plan"},
	{"copied to ~/secret plan", "plan"},
	{"see https://northland cert.example/secret", "secret"},
	{"read https://CERT.example/secret: EOF", "example"},
	{"dial /dns4/a.CERT.example/tcp/8469", "example"},
	{"cut `value \"secret and more", "secret"},
	{"they call it “secret plan”", "plan"},
}

func testRedactor() *Redactor {
	r := NewRedactor("Northland CERT", "北国应急", "", "CERT", "<acme & sons>", "ö", "x+")
	r.KnowPaths("/data of/secret plan", "/", "/data")
	return r
}

// None of the secrets is left, wherever it stands in a line.
func TestNothingIsLeft(t *testing.T) {
	r := testRedactor()
	for _, secret := range secrets {
		quoted, _ := json.Marshal(secret)
		for _, form := range []string{
			`{"level":"info","logger":"tocsin/p2p","msg":"dialled","addr":%s}`,
			`{"level":"info","msg":"x","peers":[{"at":%s}]}`,
			`{"level":"info","msg":"x","more":{"err":%s}}`,
			`{"level":"info","msg":%s}`,
			`{"level":"info","msg":"x","code":%s}`,
		} {
			got := r.Line(fmt.Appendf(nil, form, quoted))
			if bytes.Contains(got, []byte(secret)) {
				t.Errorf("%s is left in %s", secret, got)
			}
			if !json.Valid(got) {
				t.Errorf("no JSON: %s", got)
			}
		}
		for _, sentence := range []string{"dial %s: refused", "(%s)", "peer %s, twice %[1]s", "%s", "a=%s;b", `value "%s" is none`, "[%s]:8470"} {
			if got := r.Text(fmt.Sprintf(sentence, secret)); strings.Contains(got, secret) {
				t.Errorf("%s is left in %q", secret, got)
			}
		}
	}
	for _, p := range phrases {
		for _, form := range []string{"%s", "first\n%s", "x failed: %s; then it went on", "(%s)"} {
			if got := r.Text(fmt.Sprintf(form, p.text)); strings.Contains(got, p.secret) {
				t.Errorf("%s is left in %q", p.secret, got)
			}
		}
	}
}

// However many names there are, the last is found as well; short ones are found as words only.
func TestNames(t *testing.T) {
	var names []string
	for i := range 2*maxNames + 10 {
		names = append(names, fmt.Sprintf("Org %d!", i))
	}
	for _, name := range []string{names[0], names[len(names)-1]} {
		if got := NewRedactor(names...).Text("of " + name); strings.Contains(got, name) {
			t.Errorf("%q", got)
		}
	}
	if got := NewRedactor("a", "io").Text("a certificate; I/O, IO and a."); got != "<name-1> certificate; I/O, <name-2> and <name-1>." {
		t.Errorf("%q", got)
	}
}

// What bounds a bucket is a number, however long; other labels are texts.
func TestMetrics(t *testing.T) {
	in := `x_bucket{le="2.147483648e+09",peer="intranet:8470"} 1` + "\n" + `y{quantile="0.99",topic="control",route="GET /api/v1/trust/{org}"} 2` + "\n"
	want := `x_bucket{le="2.147483648e+09",peer="<host-1>:8470"} 1` + "\n" + `y{quantile="0.99",topic="control",route="GET /api/v1/trust/{org}"} 2` + "\n"
	if got := string(testRedactor().Metrics([]byte(in))); got != want {
		t.Errorf("got %q", got)
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
		{"no /tocsin/sync/1, [/meshsub/1.3.0 /ipfs/id/1.0.0], /tocsin/1/main/control", "no /tocsin/sync/1, [/meshsub/1.3.0 /ipfs/id/1.0.0], /tocsin/1/main/control"},
		{"dial /dns4/evil.example/tcp/8469/p2p-circuit: i/o timeout", "dial /dns4/<host-1>/tcp/8469/p2p-circuit: i/o timeout"},
		{"at 2026-01-02T03:04:05.678Z, go1.26.1, 1m3.2s, 7.1 MiB, 2.5x, v0.51.0.", "at 2026-01-02T03:04:05.678Z, go1.26.1, 1m3.2s, 7.1 MiB, 2.5x, v0.51.0."},
		{"open /var/lib/tocsin/own.cbor:12: permission denied (docs/keys.md)", "open <path-1>:12: permission denied (docs/keys.md)"},
		{"listen on localhost:8470: address already in use", "listen on localhost:8470: address already in use"},
		{`"CERT" of x`, `"<name-1>" of x`},
		{"set backup_to in tocsin.toml, not in old.toml", "set backup_to in tocsin.toml, not in <file-1>"},
		{"CERT (XA) has key 1, the TLP (XA) has none", "<name-1> (<country-1>) has key 1, the TLP (XA) has none"},
	} {
		if got := r.Text(c.in); got != c.want {
			t.Errorf("%q\n got %q\nwant %q", c.in, got, c.want)
		}
	}
	line := r.Line([]byte(`{"level":"warn","ts":"2026-01-02T03:04:05.000Z","logger":"tocsin/p2p","caller":"p2p/dial.go:12","msg":"peer refused","peer":"12D3KooWQYhTNQdmr3ArTeUHRYzFg94BKyTkoWBDWez9kSCVe2Xo","code":"sig.invalid","records":3,"took":"1.5s","petname":"our friends","err":"read 203.0.113.7: EOF","addrs":["/ip4/203.0.113.7/tcp/8469"]}`))
	want := `{"addrs":["/ip4/<ip-1>/tcp/8469"],"caller":"p2p/dial.go:12","code":"sig.invalid","err":"read <ip-1>: EOF","level":"warn","logger":"tocsin/p2p","msg":"peer refused","peer":"<peer-1>","petname":"<petname-1>","records":3,"took":"1.5s","ts":"2026-01-02T03:04:05.000Z"}`
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

// planted are secrets that go wherever they stand.
var planted = []struct{ text, secret string }{
	{"203.0.113.77", "203.0.113.77"}, {"lookup fileserver77", "fileserver77"}, {"intranet77:8470", "intranet77"}, {"00:1a:2b:3c:4d:77", "4d:77"},
	{"/home/Jane77 Doe77/plan77 x/y.txt", "77"}, {"dc-berlin.corp77", "corp77"}, {"/dns4/acme77/tcp/1", "acme77"}, {"/tocsin/acme77/keys", "acme77"},
}

// texts are all names and values of a line.
func texts(v any) (all []string) {
	switch v := v.(type) {
	case map[string]any:
		for name, inner := range v {
			all = append(append(all, name), texts(inner)...)
		}
	case []any:
		for _, inner := range v {
			all = append(all, texts(inner)...)
		}
	default:
		all = []string{fmt.Sprint(v)}
	}
	return all
}

// Whatever a line holds, the answer is one line of JSON without a letter of those that stand for marks, and a planted secret is gone.
func FuzzLine(f *testing.F) {
	for _, s := range secrets {
		f.Add(s)
	}
	for _, p := range phrases {
		f.Add(p.text)
	}
	for _, s := range []string{"<", `"\`, "a<ip-1", "lookup", "\U000f0000 \U0010ffff", "/home/", "/a b/", `C:\`, "“", "\a7"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r := testRedactor()
		for _, p := range planted {
			raw, err := json.Marshal(map[string]any{"msg": text, text: text, "err": text + " " + p.text + " " + text, "n": map[string]any{"k": []any{text}}})
			if err != nil {
				t.Skip()
			}
			got := r.Line(raw)
			if !json.Valid(got) || bytes.ContainsRune(got, '\n') || bytes.ContainsFunc(got, isHeld) {
				t.Fatalf("%q", got)
			}
			var line any
			if err := json.Unmarshal(got, &line); err != nil {
				t.Fatalf("%q: %v", got, err)
			}
			// As a reader sees it: in its escaped form "\a7" is \u00077, which looks like a number that was planted.
			for _, left := range texts(line) {
				if strings.Contains(left, p.secret) && !strings.Contains(text, p.secret) {
					t.Fatalf("%s is left in %s", p.secret, got)
				}
			}
		}
		r.Line([]byte(text))
	})
}
