package main

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"tocsin/node/admin/api"
)

func TestCells(t *testing.T) {
	for text, want := range map[string]int{
		"": 0, "abc": 3, "Zoë": 3, "Zoe\u0308": 3, "日本": 4, "ｆｕｌｌ": 8, "🚨!": 3, "한글": 4, "…": 1,
	} {
		if got := cells(text); got != want {
			t.Errorf("cells(%q) = %d, want %d", text, got, want)
		}
	}
}

func TestCutMiddle(t *testing.T) {
	for _, c := range []struct {
		text  string
		limit int
		want  string
	}{
		{"short", 5, "short"}, {"shorter", 5, "sh…er"}, {"shorter", 6, "sho…er"}, {"日本語日本語", 12, "日本語日本語"},
		{"日本語日本語", 11, "日本…日本語"}, {"abcdefghij", 1, "…"}, {"", 5, ""},
	} {
		if got := cutMiddle(c.text, c.limit); got != c.want {
			t.Errorf("cutMiddle(%q, %d) = %q, want %q", c.text, c.limit, got, c.want)
		}
	}
}

func FuzzCutMiddle(f *testing.F) {
	f.Add("日本語.example", 7)
	f.Fuzz(func(t *testing.T, text string, limit int) {
		if limit < 1 || limit > 200 {
			return
		}
		if got := cutMiddle(text, limit); cells(got) > limit {
			t.Fatalf("cutMiddle(%q, %d) = %q takes %d columns", text, limit, got, cells(got))
		}
	})
}

// The columns of check line up by what a terminal shows, hashes included; no line
// ends in blanks and none is endless.
func TestCheckColumns(t *testing.T) {
	sum := strings.Repeat("a", 64)
	items := []api.CheckItem{
		{Value: sum, Type: "sha256", Normal: sum, Verdict: "unknown", State: "none"},
		{Value: "例え.example", Type: "domain", Normal: "例え.example", Verdict: "known", State: "accepted"},
		{Value: "a.example", Type: "domain", Normal: "a.example", Verdict: "malicious", Score: 88, State: "accepted", Omitted: 12},
	}
	show := func(items []api.CheckItem) []string {
		var out bytes.Buffer
		g := &globals{format: "text", quiet: true, color: "never"}
		g.showCheck(&out, items, map[string]int{})
		return strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	}
	at := -1
	for _, line := range show(items) {
		if strings.TrimRight(line, " ") != line {
			t.Errorf("%q ends in blanks", line)
		}
		for _, verdict := range []string{"UNKNOWN", "KNOWN", "MALICIOUS"} {
			value, _, ok := strings.Cut(line, "  "+verdict)
			if !ok {
				continue
			}
			if at >= 0 && cells(value) != at {
				t.Errorf("the verdict of %q stands at %d, that of others at %d", line, cells(value), at)
			}
			at = cells(value)
			break
		}
	}
	if at != minValueCells {
		t.Errorf("the column of values takes %d cells, want %d", at, minValueCells)
	}
	if all := strings.Join(show(items), "\n"); !strings.Contains(all, "12 more objects of strangers") {
		t.Errorf("what was not looked at is not said:\n%s", all)
	}
	long := strings.Repeat("x", 5000) + ".example"
	lines := show([]api.CheckItem{{Value: long, Type: "domain", Normal: long, Verdict: "unknown", State: "none"}})
	if len(lines) != 1 || cells(lines[0]) > maxValueCells+30 || !strings.Contains(lines[0], "…") || !strings.Contains(lines[0], "[.]example") {
		t.Errorf("a long value: %q", lines)
	}
}

func TestAsTyped(t *testing.T) {
	g := &globals{}
	for _, c := range [][4]string{
		{"domain", "evil.example", "evil.example", ""},
		{"domain", "evil[.]example", "evil.example", ""},
		{"url", "hxxp://evil[.]example/", "http://evil.example/", ""},
		{"domain", "EVIL.example", "evil.example", "EVIL[.]example"},
		{"domain", "EVIL[.]example", "evil.example", "EVIL[.]example"},
		{"ipv4", "0xcb.0.113.7", "203.0.113.7", "0xcb.0.113[.]7"},
		{"text", "a\x1bb", "ab", `a\x1bb`},
	} {
		if got := g.asTyped(api.CheckItem{Type: c[0], Value: c[1], Normal: c[2]}); got != c[3] {
			t.Errorf("asTyped(%q) = %q, want %q", c[1], got, c[3])
		}
	}
}

// A row says whose word it is, how far that counts, and what the object is called.
func TestSearchRow(t *testing.T) {
	var out bytes.Buffer
	g := &globals{format: "text", color: "never"}
	values := []api.Value{{Type: "domain", Value: "evil.example"}}
	g.showFound(&out, &api.List[api.Object]{Items: []api.Object{
		{ID: "malware--1", Type: "malware", Name: "Bad\x1bRAT", Level: "partner", Petname: "CERT-EX", State: "accepted"},
		{ID: "indicator--2", Type: "indicator", Name: "Login page", Values: values, Level: "blocked", Petname: "noisy", State: "accepted"},
		{ID: "indicator--3", Type: "indicator", Name: "evil.example", Values: values, Level: "own", State: "accepted"},
	}}, "evil")
	for _, want := range []string{`"Bad\x1bRAT"  +CERT-EX +partner +`, `evil[.]example "Login page"  noisy +blocked +`, "refused (author blocked)", "evil[.]example               we ourselves"} {
		if parts := strings.Split(want, " +"); !strings.Contains(strings.Join(strings.Fields(out.String()), " "), strings.Join(strings.Fields(strings.Join(parts, " ")), " ")) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}

// Whoever finds nothing by a value is told that it was looked up exactly; by a text everything was looked through.
func TestNothingFound(t *testing.T) {
	for query, told := range map[string]bool{"big.example": true, "big[.]example": true, "192.0.2.0/24": true, "some words": false, "": false} {
		var errs bytes.Buffer
		g := &globals{format: "text", color: "never", streams: streams{err: &errs}}
		g.showFound(io.Discard, &api.List[api.Object]{}, query)
		if strings.Contains(errs.String(), "looked up exactly") != told {
			t.Errorf("%q: %q", query, errs.String())
		}
	}
}

// The node keeps the hour of a token's newest use, and no more is told than that.
func TestTokenUsed(t *testing.T) {
	g := &globals{utc: true}
	now := time.Date(2026, 11, 22, 12, 34, 0, 0, time.UTC)
	for hour, want := range map[int]string{12: "this hour", 11: "1 h ago"} {
		if got := g.whenUsed(time.Date(2026, 11, 22, hour, 0, 0, 0, time.UTC), now); got != want {
			t.Errorf("%d: %q, want %q", hour, got, want)
		}
	}
}
