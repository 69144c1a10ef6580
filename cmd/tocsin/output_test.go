package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"tocsin/node/admin/api"
)

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"plain":                  "plain",
		"tab\tline\nesc\x1b[31m": `tab\tline\nesc\x1b[31m`,
		"c1\u009b31m":            `c1\u009b31m`,
		"del\x7f":                `del\x7f`,
		"bidi\u202egpj.exe":      `bidi\u202egpj.exe`,
		"isolate\u2066x":         `isolate\u2066x`,
		"zero\u200bwidth":        `zero\u200bwidth`,
		"line\u2028sep":          `line\u2028sep`,
		"tag\U000e0041":          `tag\U000e0041`,
		"bom\ufeff":              `bom\ufeff`,
		"broken\xff\xfe":         `broken\xff\xfe`,
		"Zoë 日本 🚨":               "Zoë 日本 🚨",
		"it's \"fine\"":          "it's \"fine\"",
	} {
		if got := clean(in); got != want {
			t.Errorf("clean(%q) = %q, want %q", in, got, want)
		}
	}
}

// Whatever comes in, what goes to the terminal is text without control over it.
func FuzzClean(f *testing.F) {
	f.Add("a\x1b]0;title\x07b\u202e")
	f.Fuzz(func(t *testing.T, s string) {
		out := clean(s)
		if !utf8.ValidString(out) {
			t.Fatalf("clean(%q) is no UTF-8: %q", s, out)
		}
		for _, r := range out {
			if !showable(r) {
				t.Fatalf("clean(%q) lets %U through", s, r)
			}
		}
		if clean(out) != out {
			t.Fatalf("clean(%q) is not stable", s)
		}
	})
}

func TestDefang(t *testing.T) {
	g := &globals{}
	for _, c := range [][3]string{
		{"ipv4", "203.0.113.7", "203.0.113[.]7"},
		{"cidr", "203.0.113.0/24", "203.0.113[.]0/24"},
		{"ipv6", "2001:db8::7", "2001:db8:[:]7"},
		{"domain", "evil.example", "evil[.]example"},
		{"domain", "localhost", "localhost"},
		{"email", "a.b@evil.example", "a.b[@]evil[.]example"},
		{"url", "https://evil.example/a.b?c=d.e", "hxxps://evil[.]example/a.b?c=d.e"},
		{"url", "ftp://evil.example", "fxp://evil[.]example"},
		{"url", "HTTP://evil.example#x.y", "hxxp://evil[.]example#x.y"},
		{"md5", "d41d8cd98f00b204e9800998ecf8427e", "d41d8cd98f00b204e9800998ecf8427e"},
		{"domain", "evil\x1b[2J.example", `evil\x1b[2J[.]example`},
	} {
		if got := g.defang(c[0], c[1]); got != c[2] {
			t.Errorf("defang(%s, %q) = %q, want %q", c[0], c[1], got, c[2])
		}
	}
	g.fang = true
	if got := g.defang("url", "https://evil.example/"); got != "https://evil.example/" {
		t.Errorf("--fang gave %q", got)
	}
}

// Columns line up by characters, not bytes, and strangers' text cannot break a row.
func TestTable(t *testing.T) {
	g := &globals{color: "never"}
	var out bytes.Buffer
	g.table(&out, []string{"A", "B"}, [][]cell{plain("Zoë", "x"), plain("a\nb", "y"), {{"red", colorBad}, {"z", ""}}})
	want := "A     B\nZoë   x\na\\nb  y\nred   z\n"
	if out.String() != want {
		t.Errorf("table\n%swant\n%s", out.String(), want)
	}
	g.color = "always"
	out.Reset()
	g.table(&out, []string{"A"}, [][]cell{{{"red", colorBad}}})
	if !strings.Contains(out.String(), "\x1b[1;31mred\x1b[0m") {
		t.Errorf("no colour in %q", out.String())
	}
}

// Colours need a terminal, and NO_COLOR takes them away; a buffer is no terminal.
func TestColoursNeedATerminal(t *testing.T) {
	g := &globals{color: "auto", streams: streams{out: new(bytes.Buffer)}}
	if g.paint("x", colorBad) != "x" {
		t.Error("colours without a terminal")
	}
	update, done := g.progress("work")
	done()
	if update != nil {
		t.Error("progress without a terminal")
	}
}

func TestActorText(t *testing.T) {
	for want, a := range map[string]api.AuditActor{
		"the node": {UID: -1, Via: "node"}, "uid 1000": {UID: 1000, Via: "socket"}, "anna": {UID: 1000, User: "anna", Via: "socket"},
		"token siem": {UID: 1000, User: "siem", Via: "token"},
	} {
		if got := actorText(a); got != want {
			t.Errorf("%+v: got %q, want %q", a, got, want)
		}
	}
}

func TestEmitList(t *testing.T) {
	list := api.List[api.Topic]{Items: []api.Topic{{Name: "a<b>"}, {Name: "b"}}, Next: "n"}
	for format, want := range map[string]int{"json": 1, "jsonl": 2} {
		var out bytes.Buffer
		g := &globals{format: format, streams: streams{out: &out}}
		if err := emitList(g, list, nil); err != nil {
			t.Fatal(err)
		}
		if got := countJSON(t, out.Bytes()); got != want {
			t.Errorf("%s: %d values, want %d", format, got, want)
		}
		if !strings.Contains(out.String(), "a<b>") {
			t.Errorf("%s: escaped for HTML: %s", format, out.String())
		}
	}
	var out bytes.Buffer
	g := &globals{format: "json", streams: streams{out: &out}}
	if err := emitList(g, api.List[api.Topic]{}, nil); err != nil || out.String() != `{"items":[]}`+"\n" {
		t.Errorf("an empty list: %q, %v", out.String(), err)
	}
}

// What was left out of a search is said on stdout, also to those who want no hints.
func TestShowFoundCountsUnreadable(t *testing.T) {
	for n, want := range map[int]string{0: "Nothing found.\n", 1: "1 record could not be opened", 2: "2 records could not be opened"} {
		var out bytes.Buffer
		g := &globals{format: "text", quiet: true}
		if g.showFound(&out, &api.List[api.Object]{Unreadable: n}, ""); !strings.Contains(out.String(), want) || n == 0 && out.String() != want {
			t.Errorf("%d: %q", n, out.String())
		}
	}
}

// Of many skipped objects people see the first ones and how many more there are.
func TestShowPublishedIsShort(t *testing.T) {
	for n, more := range map[int]string{showSkipped: "", showSkipped + 1: "and 1 more (-o json lists all)", 100_000: "and 99980 more (-o json lists all)"} {
		var out bytes.Buffer
		res := &api.PublishResult{Skipped: make([]api.Skipped, n)}
		(&globals{format: "text"}).showPublished(&out, api.PublishParams{}, res)
		lines := strings.Count(out.String(), "\n")
		if want := 2 + min(n, showSkipped+1); lines != want || !strings.Contains(out.String(), more) || more == "" && strings.Contains(out.String(), "more") {
			t.Errorf("%d skipped: %d lines, want %d: %.300s", n, lines, want, out.String())
		}
	}
}

func TestWantsJSON(t *testing.T) {
	for line, want := range map[string]bool{
		"status -o json": true, "-o jsonl x": true, "x --output=json": true, "x -ojson": true, "x -o=json": true,
		"status": false, "x -o text": false, "x -- -o json": false, "x -o": false, "check json": false, "x --outputjson": false,
	} {
		if got := wantsJSON(strings.Fields(line)); got != want {
			t.Errorf("wantsJSON(%q) = %v", line, got)
		}
	}
}

func TestExpiryDayAndMoment(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	if got, err := expiryDay("30d", now); err != nil || got != "2026-03-31" {
		t.Errorf("30d: %q, %v", got, err)
	}
	if got, err := expiryDay("2027-01-01", now); err != nil || got != "2027-01-01" {
		t.Errorf("a day: %q, %v", got, err)
	}
	if _, err := expiryDay("2027-02-30", now); err == nil {
		t.Error("30 February was taken")
	}
	if got, err := parseMoment("--since", "7d", now); err != nil || !got.Equal(now.Add(-7*24*time.Hour)) {
		t.Errorf("7d: %v, %v", got, err)
	}
	if _, err := parseMoment("--since", "yesterday", now); err == nil {
		t.Error("yesterday was taken")
	}
}

func TestWhen(t *testing.T) {
	g := &globals{}
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for d, want := range map[time.Duration]string{
		0: "now", -3 * time.Second: "3 s ago", -4 * time.Minute: "4 min ago", -5 * time.Hour: "5 h ago", -72 * time.Hour: "3 d ago", 12 * 24 * time.Hour: "in 12 d",
	} {
		if got := g.when(now.Add(d), now); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
	if got := g.when(time.Time{}, now); got != "-" {
		t.Errorf("no time: %q", got)
	}
}

func TestReadValues(t *testing.T) {
	got, err := readValues(strings.NewReader("\ufeffa.example\r\n\n# note\n  b.example  \nc d\n"), "x")
	if err != nil || !slices.Equal(got, []string{"a.example", "b.example", "c d"}) {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := readValues(strings.NewReader("ok\n"+strings.Repeat("x", maxLine+1)), "list.txt"); err == nil || !strings.Contains(err.Error(), "list.txt line 2") {
		t.Errorf("a line over the limit: %v", err)
	}
}

func TestQuoteArg(t *testing.T) {
	for in, want := range map[string]string{
		"evil.example": "evil.example", "a b": "'a b'", "x'y": `'x'\''y'`, "$(rm)": "'$(rm)'", "evil[.]example": "'evil[.]example'",
	} {
		if got := quoteArg(in); got != want {
			t.Errorf("quoteArg(%q) = %s, want %s", in, got, want)
		}
	}
}

// Exit codes of publish: 7 before 3, and 0 when only doubles were skipped.
func TestPublishExit(t *testing.T) {
	for _, c := range []struct {
		res  api.PublishResult
		exit int
	}{
		{api.PublishResult{Objects: 3}, exitDone},
		{api.PublishResult{Skipped: []api.Skipped{{Code: "stix.duplicate"}}}, exitDone},
		{api.PublishResult{Objects: 3, Invalid: 1}, exitPartly},
		{api.PublishResult{Objects: 3, Invalid: 1, Denied: 1}, exitRefused},
	} {
		if exit, _ := codeOf(publishExit(&c.res)); exit != c.exit {
			t.Errorf("%+v: exit %d, want %d", c.res, exit, c.exit)
		}
	}
}
