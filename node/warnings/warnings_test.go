package warnings

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

	"tocsin/protocol/pattern"
	"tocsin/protocol/reason"
	"tocsin/protocol/warn"
)

// put writes a file of the folder.
func put(t *testing.T, dir, name, content string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func misp(name, entry string) string {
	return fmt.Sprintf(`{"name": %q, "version": 3, "type": "hostname", "matching_attributes": ["domain"], "list": [%q]}`, name, entry)
}

// listOf names the list that holds a value, and its weight.
func listOf(b *Book, value string) string {
	h, ok := b.Index().Match(pattern.Refang(value))
	if !ok {
		return ""
	}
	return fmt.Sprintf("%s %d", h.List, h.Weight)
}

func open(t *testing.T, dir string) *Book {
	t.Helper()
	b, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestAbsentFolder(t *testing.T) {
	b := open(t, filepath.Join(t.TempDir(), "none"))
	if got := listOf(b, "8.8.8.8"); got != "builtin/public-resolvers 9500" {
		t.Errorf("8.8.8.8 is on %q", got)
	}
	for _, l := range b.Lists() {
		if l.File != "" || l.Entries == 0 || l.Skipped != 0 || l.Weight != warn.Hard {
			t.Errorf("built-in list %+v", l)
		}
	}
	if b.Version() != 0 {
		t.Errorf("version %d after Open", b.Version())
	}
}

// TestLayout: where a file lies says how much its list weighs.
func TestLayout(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "hard/a.json", misp("Hard list", "a.test"))
	put(t, dir, "hard/deep/lists/b.json", misp("Deep list", "b.test"))
	put(t, dir, "soft/c.txt", "c.test\n")
	put(t, dir, "soft/hard/d.txt", "d.test\n")
	put(t, dir, "e.json", misp("Loose list", "e.test"))
	put(t, dir, "assets.txt", "# ours\nbank.test # main site\n")
	put(t, dir, "soft/assets.txt", "f.test\n")
	put(t, dir, "README.md", "no list")
	put(t, dir, "_schema.json", "no list")
	put(t, dir, ".hidden/g.txt", "g.test\n")
	put(t, dir, "soft/bad entries.txt", "h.test\nnot a host\n")
	b := open(t, dir)
	for value, want := range map[string]string{
		"x.a.test": "Hard list 9500", "b.test": "Deep list 9500", "c.test": "c 5000", "d.test": "d 5000", "e.test": "Loose list 5000",
		"www.bank.test": "assets 9500", "f.test": "assets 5000", "g.test": "", "h.test": "bad entries 5000",
	} {
		if got := listOf(b, value); got != want {
			t.Errorf("%s is on %q, want %q", value, got, want)
		}
	}
	for _, l := range b.Lists() {
		if l.File == "soft/bad entries.txt" && (l.Entries != 1 || l.Skipped != 1 || l.Type != warn.TypeHostname) {
			t.Errorf("%+v", l)
		}
	}
	if _, like := b.Index().LookAlike(pattern.Refang("bаnk.test")); !like {
		t.Error("assets.txt is not the operator's own")
	}
	if _, like := b.Index().LookAlike(pattern.Refang("с.test")); like {
		t.Error("another list counts as the operator's own")
	}
}

// TestLinks: configuration that is mounted into containers is all links.
func TestLinks(t *testing.T) {
	real, dir := t.TempDir(), filepath.Join(t.TempDir(), "linked")
	put(t, real, "..2026/assets.txt", "bank.test\n")
	for from, to := range map[string]string{"..data": "..2026", "assets.txt": "..data/assets.txt"} {
		if err := os.Symlink(to, filepath.Join(real, from)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(real, dir); err != nil {
		t.Fatal(err)
	}
	if got := listOf(open(t, dir), "bank.test"); got != "assets 9500" {
		t.Errorf("bank.test is on %q", got)
	}
}

// TestRefused: a file that cannot be read is named, and never taken for an empty list.
func TestRefused(t *testing.T) {
	for name, f := range map[string]struct{ file, content, says string }{
		"syntax":   {"hard/a.json", "{\"name\": \"x\",\n \"list\": [", "line 2"},
		"type":     {"a.json", `{"name": "x", "type": "strings", "list": []}`, `type "strings"`},
		"useless":  {"assets.txt", "not a host\nnor this one\n", "none of 2 entries"},
		"encoding": {"assets.txt", "b\xe4nk.test\n", "line 1 is not UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			put(t, dir, "soft/good.txt", "good.test\n")
			put(t, dir, f.file, f.content)
			_, err := Open(dir)
			if reason.Of(err) != reason.WarnFile || !strings.Contains(err.Error(), f.says) || !strings.Contains(err.Error(), filepath.Join(dir, f.file)) {
				t.Errorf("Open: %v", err)
			}
		})
	}
	t.Run("links to nothing", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.Symlink("absent", filepath.Join(dir, "assets.txt")); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir); reason.Of(err) != reason.WarnFile {
			t.Errorf("Open: %v", err)
		}
	})
	t.Run("file in place of the folder", func(t *testing.T) {
		dir := t.TempDir()
		put(t, dir, "plain", "")
		if _, err := Open(filepath.Join(dir, "plain")); reason.Of(err) != reason.WarnFile {
			t.Errorf("Open: %v", err)
		}
	})
	t.Run("too many files", func(t *testing.T) {
		dir := t.TempDir()
		for i := range maxFiles {
			put(t, dir, fmt.Sprintf("%d.txt", i), "")
		}
		open(t, dir)
		put(t, dir, "more.txt", "")
		if _, err := Open(dir); reason.Of(err) != reason.WarnFile {
			t.Errorf("%d files: %v", maxFiles+1, err)
		}
	})
}

// TestReload: what is refused leaves what is in force, and what did not change is no change.
func TestReload(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "assets.txt", "bank.test\n")
	b := open(t, dir)
	first := b.Index()
	if err := b.Reload(); err != nil || b.Version() != 0 || b.Index() != first {
		t.Errorf("a reload without change: version %d, %v", b.Version(), err)
	}
	put(t, dir, "assets.txt", "bank.test\nmail.test\n")
	put(t, dir, "soft/broken.json", "{")
	if err := b.Reload(); reason.Of(err) != reason.WarnFile {
		t.Errorf("broken file: %v", err)
	}
	if b.Version() != 0 || b.Index() != first {
		t.Error("a refused reload changed what is in force")
	}
	if err := os.Remove(filepath.Join(dir, "soft/broken.json")); err != nil {
		t.Fatal(err)
	}
	if err := b.Reload(); err != nil || b.Version() != 1 || listOf(b, "mail.test") != "assets 9500" {
		t.Errorf("mended: version %d, %v", b.Version(), err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := b.Reload(); reason.Of(err) != reason.WarnFile || listOf(b, "mail.test") == "" {
		t.Errorf("the folder went away: %v", err)
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := b.Reload(); err != nil || b.Version() != 2 || listOf(b, "mail.test") != "" {
		t.Errorf("emptied on purpose: version %d, %v", b.Version(), err)
	}
}

// TestWatch: a change is in force within 10 s, whoever waits hears of it, and a file that
// is refused is tried again when it changes.
func TestWatch(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "assets.txt", "bank.test\n")
	synctest.Test(t, func(t *testing.T) {
		b := open(t, dir)
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		var parts sync.WaitGroup
		var heard uint64
		parts.Go(func() {
			if err := b.Watch(ctx); err != nil {
				t.Errorf("Watch: %v", err)
			}
		})
		parts.Go(func() {
			for b.Wait(ctx, heard) == nil {
				heard = b.Version()
			}
		})
		later := func(wantVersion uint64, value, want string) {
			t.Helper()
			time.Sleep(watchInterval)
			synctest.Wait()
			if got := listOf(b, value); got != want || b.Version() != wantVersion || heard != wantVersion {
				t.Errorf("%s is on %q, version %d, heard %d; want %q, %d", value, got, b.Version(), heard, want, wantVersion)
			}
		}
		later(0, "bank.test", "assets 9500")
		put(t, dir, "soft/more.txt", "more.test\n")
		later(1, "more.test", "more 5000")
		put(t, dir, "soft/more.txt", "not a host\n")
		later(1, "more.test", "more 5000")
		later(1, "more.test", "more 5000")
		put(t, dir, "soft/more.txt", "other.test\n")
		later(2, "more.test", "")
		touched := time.Now().Add(time.Hour)
		if err := os.Chtimes(filepath.Join(dir, "soft/more.txt"), touched, touched); err != nil {
			t.Fatal(err)
		}
		later(2, "other.test", "more 5000")
		cancel()
		parts.Wait()
	})
}

func TestWaitEnds(t *testing.T) {
	b := open(t, t.TempDir())
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := b.Wait(ctx, b.Version()); !errors.Is(err, context.Canceled) {
		t.Errorf("Wait: %v", err)
	}
}

// TestConcurrent: readers never see half a change.
func TestConcurrent(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "assets.txt", "bank.test\n")
	b := open(t, dir)
	var parts sync.WaitGroup
	for range 2 {
		parts.Go(func() {
			for range 200 {
				if listOf(b, "bank.test") == "" || len(b.Lists()) < 2 {
					t.Error("the operator's own list went away")
				}
			}
		})
	}
	for i := range 20 {
		put(t, dir, "soft/n.txt", fmt.Sprintf("n%d.test\n", i))
		if err := b.Reload(); err != nil {
			t.Fatal(err)
		}
	}
	parts.Wait()
	if b.Version() != 20 {
		t.Errorf("version %d after 20 changes", b.Version())
	}
}

// TestRealFolder: the folder as MISP's users have it is taken as it is.
func TestRealFolder(t *testing.T) {
	const dir = "../../../shared/data/misp/warninglists"
	if _, err := os.Stat(dir); err != nil {
		t.Skip("NOT TESTED: the real warning lists are not at " + dir)
	}
	b := open(t, dir)
	if n := len(b.Lists()); n < 40 {
		t.Errorf("%d lists", n)
	}
	if got := listOf(b, "https://www.bmw.de/x"); !strings.HasSuffix(got, " 5000") {
		t.Errorf("www.bmw.de is on %q", got)
	}
}
