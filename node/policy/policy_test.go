package policy

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/pattern"
	"tocsin/protocol/reason"
	"tocsin/protocol/trust"
)

func orgID(n byte) protocol.OrgID { return protocol.OrgID{n, n, n, n, n, n} }

// in is a day that many days ahead, by the clock that policy looks at.
func in(days int) time.Time { return time.Now().UTC().AddDate(0, 0, days).Truncate(24 * time.Hour) }

func entry(n byte, petname string, level trust.Level) trust.Entry {
	return trust.Entry{Org: orgID(n), Petname: petname, Level: level, Expires: in(100)}
}

func text(n byte, petname string, expires time.Time) string {
	return fmt.Sprintf("[[org]]\nid = %q\npetname = %q\nlevel = \"partner\"\nexpires = %s\n", orgID(n), petname, expires.Format(time.DateOnly))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantCode(t testing.TB, err error, code reason.Code, says string) {
	t.Helper()
	if reason.Of(err) != code || !strings.Contains(fmt.Sprint(err), says) {
		t.Errorf("error %v, want %s with %q", err, code, says)
	}
}

// folder is a node's two files.
type folder struct{ operator, state string }

func newFolder(t testing.TB) folder {
	dir := t.TempDir()
	return folder{filepath.Join(dir, "config", "trust.toml"), filepath.Join(dir, "state", "trust.toml")}
}

func (f folder) open(t testing.TB) *Book {
	t.Helper()
	b, err := Open(f.operator, f.state)
	must(t, err)
	return b
}

func put(t testing.TB, path, content string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o700))
	must(t, os.WriteFile(path, []byte(content), 0o600))
}

func TestNothingThere(t *testing.T) {
	f := newFolder(t)
	b := f.open(t)
	if len(b.List().Entries()) != 0 || b.Version() != 0 {
		t.Errorf("entries %v version %d", b.List().Entries(), b.Version())
	}
	if _, err := os.Stat(f.state); !errors.Is(err, os.ErrNotExist) {
		t.Error("opening writes a file")
	}
	if _, err := Open("", f.state); err != nil {
		t.Errorf("no operator file at all: %v", err)
	}
}

func TestSetSurvives(t *testing.T) {
	f := newFolder(t)
	put(t, f.operator, text(1, "one", in(50))+text(2, "two", in(50)))
	before, err := os.ReadFile(f.operator)
	must(t, err)
	b := f.open(t)
	must(t, b.Set(entry(2, "two", trust.Anchor))) // overlays the operator's entry
	must(t, b.Set(entry(3, "three", trust.Observed)))
	must(t, b.Set(entry(3, "drei", trust.Observed)))
	if b.Version() != 3 {
		t.Errorf("version %d after three changes", b.Version())
	}
	for name, book := range map[string]*Book{"running": b, "reopened": f.open(t)} {
		var got []string
		for _, e := range book.List().Entries() {
			got = append(got, e.Petname+" "+e.Level.String())
		}
		if want := "one partner, two anchor, drei observed"; strings.Join(got, ", ") != want {
			t.Errorf("%s: %v, want %s", name, got, want)
		}
	}
	after, err := os.ReadFile(f.operator)
	must(t, err)
	if string(after) != string(before) {
		t.Error("the operator's file was rewritten")
	}
	info, err := os.Stat(f.state)
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("state file has mode %o: the list is nobody else's business", info.Mode().Perm())
	}
	raw, err := os.ReadFile(f.state)
	must(t, err)
	if !strings.HasPrefix(string(raw), "# Written by tocsin") || strings.Contains(string(raw), "one") {
		t.Errorf("state file:\n%s", raw)
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(f.state), ".*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestSetRefuses(t *testing.T) {
	f := newFolder(t)
	put(t, f.operator, text(1, "one", in(50)))
	b := f.open(t)
	must(t, b.Set(entry(2, "two", trust.Anchor)))
	on := func(e trust.Entry, day time.Time) trust.Entry { e.Expires = day; return e }
	tests := []struct {
		name  string
		entry trust.Entry
		code  reason.Code
		says  string
	}{
		{"level unknown", entry(3, "three", trust.Unknown), reason.UsageInvalid, "level"},
		{"no expiry", trust.Entry{Org: orgID(3), Level: trust.Partner}, reason.UsageInvalid, "expires: missing"},
		{"over", on(entry(3, "three", trust.Partner), in(-1)), reason.UsageInvalid, "is over"},
		{"366 days", on(entry(3, "three", trust.Partner), in(366)), reason.UsageInvalid, "more than 365 days ahead: write " + in(365).Format(time.DateOnly)},
		{"petname of an operator's entry", entry(3, "one", trust.Partner), reason.Conflict, "is taken by " + orgID(1).String()},
		{"petname of a command's entry", entry(3, "two", trust.Partner), reason.Conflict, "is taken"},
		{"no organisation", trust.Entry{Level: trust.Partner, Expires: in(9)}, reason.UsageInvalid, "id: missing"},
	}
	raw, err := os.ReadFile(f.state)
	must(t, err)
	digest, version := b.List().Digest(), b.Version()
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { wantCode(t, b.Set(test.entry), test.code, test.says) })
	}
	after, err := os.ReadFile(f.state)
	must(t, err)
	if b.List().Digest() != digest || b.Version() != version || string(after) != string(raw) {
		t.Error("a refused entry changed something")
	}
	must(t, b.Set(on(entry(3, "today", trust.Partner), in(0))))
	must(t, b.Set(on(entry(3, "365 days", trust.Partner), in(365))))
}

func TestLoweringIsOneStep(t *testing.T) {
	b := newFolder(t).open(t)
	full := entry(1, "one", trust.Anchor)
	full.DirectPeer = true
	full.Scopes = []trust.Scope{{Topics: []string{"fraud"}}}
	full.Automation = trust.Automation{Allow: []pattern.Type{pattern.URL}, MaxPerDay: 9}
	full.Vouch = &trust.Vouch{Depth: 1, MaxOrgs: 1, LevelCap: trust.Observed, Scopes: []string{"*"}}
	for _, level := range []trust.Level{trust.Partner, trust.Observed, trust.Blocked} {
		must(t, b.Set(full))
		e, _ := b.List().Entry(orgID(1))
		e.Level = level
		must(t, b.Set(e))
		got, _ := b.List().Entry(orgID(1))
		if got.Level != level || got.Vouch != nil || (got.Automation.MaxPerDay > 0) != (level == trust.Partner) ||
			got.DirectPeer != (level != trust.Blocked) || (len(got.Scopes) > 0) != (level != trust.Blocked) {
			t.Errorf("lowered to %s: %+v", level, got)
		}
	}
	// what the request brings anew is refused, not dropped
	must(t, b.Set(full))
	e := full
	e.Level, e.Scopes = trust.Blocked, []trust.Scope{{Topics: []string{"other"}}}
	wantCode(t, b.Set(e), reason.UsageInvalid, "blocked everywhere")
}

func TestRemove(t *testing.T) {
	f := newFolder(t)
	put(t, f.operator, text(1, "one", in(50)))
	b := f.open(t)
	must(t, b.Set(entry(2, "two", trust.Anchor)))
	wantCode(t, b.Remove(t.Context(), orgID(3), "left"), reason.NotFound, orgID(3).String())
	wantCode(t, b.Remove(t.Context(), orgID(1), "left"), reason.Conflict, f.operator)
	if b.Version() != 1 {
		t.Errorf("version %d: a refusal is no change", b.Version())
	}
	must(t, b.Remove(t.Context(), orgID(2), "left"))
	wantCode(t, b.Remove(t.Context(), orgID(2), "left"), reason.NotFound, "no such entry")
	for name, book := range map[string]*Book{"running": b, "reopened": f.open(t)} {
		if got := book.List().Entries(); len(got) != 1 || got[0].Petname != "one" {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	tests := []struct{ name, operator, state, says string }{
		{"operator's file", "[[org]]\nid = 3\n", "", "config/trust.toml:2:1: id: write a text in quotes"},
		{"state file", "", "nonsense\n", "state/trust.toml:1:"},
		{"too far ahead", text(1, "one", in(367)), "", "config/trust.toml:1:3: expires"},
		{"one petname in two files", text(1, "one", in(9)), text(2, "one", in(9)), "also borne"},
		{"too long", strings.Repeat("#", maxRead+1), "", "limit"},
	}
	for _, test := range tests {
		f := newFolder(t)
		put(t, f.operator, test.operator)
		put(t, f.state, test.state)
		_, err := Open(f.operator, f.state)
		if reason.Of(err) != reason.TrustFile || !strings.Contains(filepath.ToSlash(err.Error()), test.says) {
			t.Errorf("%s: %.300v, want trust.file with %q", test.name, err, test.says)
		}
	}
	dir := t.TempDir()
	_, err := Open(dir, filepath.Join(dir, "state.toml"))
	wantCode(t, err, reason.TrustFile, dir)
}

func TestReload(t *testing.T) {
	f := newFolder(t)
	put(t, f.operator, text(1, "one", in(50)))
	b := f.open(t)
	must(t, b.Set(entry(2, "two", trust.Anchor)))
	must(t, b.Reload(t.Context()))
	if b.Version() != 1 {
		t.Errorf("version %d: nothing changed", b.Version())
	}
	put(t, f.operator, text(1, "uno", in(50))+text(3, "three", in(50)))
	must(t, b.Reload(t.Context()))
	if got := b.List().Petname(orgID(1)) + b.List().Petname(orgID(2)) + b.List().Petname(orgID(3)); got != "unotwothree" || b.Version() != 2 {
		t.Errorf("after reload %q, version %d", got, b.Version())
	}
	for _, broken := range []string{"[[org]]\n", text(1, "one", in(400)), text(1, "two", in(9))} {
		put(t, f.operator, broken)
		wantCode(t, b.Reload(t.Context()), reason.TrustFile, "")
		if got := b.List().Petname(orgID(1)) + b.List().Petname(orgID(3)); got != "unothree" || b.Version() != 2 {
			t.Errorf("a refused file changed the list: %q, version %d", got, b.Version())
		}
	}
	// the list stays whole: a command works on what was last read
	must(t, b.Set(entry(4, "four", trust.Partner)))
	if b.List().Petname(orgID(1)) != "uno" {
		t.Error("a command after a refused reload lost the operator's entries")
	}
	must(t, os.Remove(f.operator))
	must(t, b.Reload(t.Context()))
	if len(b.List().Entries()) != 2 {
		t.Errorf("file gone: %+v", b.List().Entries())
	}
}

// TestWriteFails covers both halves of a failed change: nothing written, and
// nothing in force.
func TestWriteFails(t *testing.T) {
	f := newFolder(t)
	b := f.open(t)
	put(t, filepath.Dir(f.state), "a file where the folder should be")
	if err := b.Set(entry(1, "one", trust.Partner)); err == nil || !strings.Contains(err.Error(), f.state) {
		t.Errorf("error %v, want one that names the file", err)
	}
	if len(b.List().Entries()) != 0 || b.Version() != 0 {
		t.Error("in force, but not on disk")
	}
	must(t, os.Remove(filepath.Dir(f.state)))
	must(t, b.Set(entry(1, "one", trust.Partner)))
}

func TestWait(t *testing.T) {
	f := newFolder(t)
	synctest.Test(t, func(t *testing.T) {
		b := f.open(t)
		woken := make(chan error, 2)
		for range 2 {
			go func() { woken <- b.Wait(t.Context(), 0) }()
		}
		synctest.Wait()
		if len(woken) != 0 {
			t.Fatal("woken before any change")
		}
		must(t, b.Set(entry(1, "one", trust.Partner)))
		for range 2 {
			must(t, <-woken)
		}
		must(t, b.Wait(t.Context(), 0)) // changed already
		ctx, cancel := context.WithCancel(t.Context())
		go func() { woken <- b.Wait(ctx, b.Version()) }()
		synctest.Wait()
		cancel()
		if err := <-woken; !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
	})
}

// TestConcurrent changes and reads the book from many goroutines; every change
// must be in the list, in the file and in the count.
func TestConcurrent(t *testing.T) {
	f := newFolder(t)
	b := f.open(t)
	var wg sync.WaitGroup
	const writers = 20
	for n := range byte(writers) {
		wg.Go(func() {
			if err := b.Set(entry(n+1, fmt.Sprint("org-", n), trust.Partner)); err != nil {
				t.Error(err)
			}
			if b.List().Level(orgID(n+1), "", "", time.Now()) != trust.Partner {
				t.Error("not in force after Set")
			}
		})
	}
	wg.Wait()
	if b.Version() != writers || len(b.List().Entries()) != writers || f.open(t).List().Digest() != b.List().Digest() {
		t.Errorf("version %d, %d entries", b.Version(), len(b.List().Entries()))
	}
}

func TestResolve(t *testing.T) {
	twin := orgID(0xab)
	twin[31] = 1
	known := []protocol.OrgID{orgID(0xab), twin, orgID(0xcd), orgID(0xcd)}
	full := orgID(0xef).String()
	tests := []struct {
		in   string
		want protocol.OrgID
		code reason.Code
		says string
	}{
		{full, orgID(0xef), "", ""}, // whole ids need not be known
		{full[len("sha256:"):], orgID(0xef), "", ""},
		{strings.ToUpper(full[len("sha256:"):]), orgID(0xef), "", ""},
		{"sha256:cdcdcdcd", orgID(0xcd), "", ""},
		{" cdcdcdcdc ", orgID(0xcd), "", ""},
		{"CDCDCDCD", orgID(0xcd), "", ""},
		{"cdcdcdc", protocol.OrgID{}, reason.UsageInvalid, "the first 8 or more"},
		{"sha256:", protocol.OrgID{}, reason.UsageInvalid, ""},
		{"", protocol.OrgID{}, reason.UsageInvalid, ""},
		{"CERT-EX-01", protocol.OrgID{}, reason.UsageInvalid, ""},
		{full + "0", protocol.OrgID{}, reason.UsageInvalid, ""},
		{"efefefef", protocol.OrgID{}, reason.NotFound, "none known begins like this"},
		{"abababab", protocol.OrgID{}, reason.Ambiguous, orgID(0xab).String() + ", " + twin.String() + " begin like this"},
		{twin.String()[:len("sha256:")+63], protocol.OrgID{}, reason.Ambiguous, ""},
	}
	for _, test := range tests {
		got, err := Resolve(test.in, known)
		if got != test.want || reason.Of(err) != test.code || err != nil && !strings.Contains(err.Error(), test.says) {
			t.Errorf("Resolve(%q) = %s, %v", test.in, got, err)
		}
	}
	var many []protocol.OrgID
	for n := range byte(9) {
		o := orgID(0xab)
		o[30] = n
		many = append(many, o)
	}
	_, err := Resolve("abababab", many)
	wantCode(t, err, reason.Ambiguous, "and 4 more begin like this")
}
