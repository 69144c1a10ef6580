package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// asRig makes the test binary behave as the program: a rig must be a process of its own.
const asRig = "RUN_AS_RIG"

func TestMain(m *testing.M) {
	if os.Getenv(asRig) != "" {
		os.Exit(command(os.Args[1:], os.Stdout))
	}
	os.Exit(m.Run())
}

// TestRigs runs the short form of every rig against the program of this tree, built once.
func TestRigs(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "tocsin")
	if out, err := exec.Command("go", "build", "-o", bin, "tocsin/cmd/tocsin").CombinedOutput(); err != nil {
		t.Fatalf("build the program: %v\n%s", err, out)
	}
	dependOnSources(t)
	for _, g := range rigs() {
		t.Run(g.name, func(t *testing.T) {
			t.Parallel() // they wait more than they work
			c := exec.CommandContext(t.Context(), os.Args[0], "--bin", bin, g.name)
			c.Env = append(os.Environ(), asRig+"=1")
			out, err := c.CombinedOutput()
			t.Logf("%s", out)
			switch {
			case err != nil:
				t.Errorf("rig %s: %v", g.name, err)
			case bytes.Contains(out, []byte(notRun)):
				t.Skip(notRun + string(out[bytes.LastIndex(out, []byte(notRun))+len(notRun):]))
			}
			leftOver(t)
		})
	}
}

// dependOnSources looks at every source file: a test that passed is not run again until something changed that it looked
// at, and it does not see what a build looks at.
func dependOnSources(t *testing.T) {
	t.Helper()
	files := 0
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := d.Name(); d.IsDir() && (name == "bin" || strings.HasPrefix(name, ".") && name != "..") {
			return fs.SkipDir
		}
		if strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
			files++
			_, err = os.Stat(path)
		}
		return err
	})
	if err != nil || files < 100 {
		t.Fatalf("%d source files: %v", files, err)
	}
}

// leftOver fails when a mount of a rig is still there.
func leftOver(t *testing.T) {
	t.Helper()
	raw, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Skip("NOT RUN: the look at mounts; this system does not list them")
	}
	for line := range strings.Lines(string(raw)) {
		if strings.Contains(line, filepath.Join(os.TempDir(), scratch)) {
			t.Errorf("left mounted: %s", line)
		}
	}
}

// TestCommand is what happens before any rig runs.
func TestCommand(t *testing.T) {
	for _, args := range [][]string{{}, {"nothing"}, {"--cycles", "x", "kill"}, {"--bin", "/nonexistent", "kill"}} {
		if code := command(args, &bytes.Buffer{}); code != 2 {
			t.Errorf("%q ended with %d, want 2", args, code)
		}
	}
}

// TestSummary: whatever went wrong in a rig makes the whole fail and is told with the seed.
func TestSummary(t *testing.T) {
	fine := result{name: "fine", seed: 7, figures: []string{"3 kills"}}
	for want, results := range map[int][]result{
		0: {fine, {name: "absent", skipped: "needs root"}},
		1: {fine, {name: "bad", seed: 8, breach: []string{"lost"}}},
	} {
		var out bytes.Buffer
		if code := summarise(&out, results); code != want {
			t.Errorf("%d, want %d:\n%s", code, want, &out)
		}
		for _, r := range results {
			if !strings.Contains(out.String(), r.name) || r.seed != 0 && !strings.Contains(out.String(), fmt.Sprintf("seed %d", r.seed)) {
				t.Errorf("nothing of %s in\n%s", r.name, &out)
			}
		}
	}
	if code := summarise(&bytes.Buffer{}, []result{{err: os.ErrNotExist}}); code != 1 {
		t.Errorf("a rig with an error: %d, want 1", code)
	}
}

// TestRun: what a run was given to undo is undone, the newest first and all of it; breaches beyond
// the limit are counted.
func TestRun(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	r, err := newRun(options{}, 1, "bin", &bytes.Buffer{})
	if err != nil {
		t.Fatal(err)
	}
	var order []int
	r.atEnd(func() error { order = append(order, 1); return nil })
	r.atEnd(func() error { order = append(order, 2); return os.ErrClosed })
	for range maxBreaches + 3 {
		r.breach("lost")
	}
	if err := r.undo(); err == nil {
		t.Error("what could not be undone was not told")
	}
	if fmt.Sprint(order) != "[2 1]" {
		t.Errorf("undone in the order %v", order)
	}
	if len(r.breaches) != maxBreaches+1 || r.breaches[maxBreaches] != "and 3 more" {
		t.Errorf("%d breaches, the last is %q", len(r.breaches), r.breaches[len(r.breaches)-1])
	}
	if _, err := os.Stat(r.dir); !os.IsNotExist(err) {
		t.Errorf("the scratch folder is still there: %v", err)
	}
}
