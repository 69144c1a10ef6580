package main

import (
	"archive/zip"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// zipped FILE.zip unpacks a bug report into the folder FILE, and puts all of its texts into FILE/all.txt.
func zipped(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: zipped FILE.zip")
	}
	name := ts.MkAbs(args[0])
	info, err := os.Stat(name)
	ts.Check(err)
	if info.Mode().Perm() != 0o600 {
		ts.Fatalf("%s has mode %v", args[0], info.Mode())
	}
	z, err := zip.OpenReader(name)
	ts.Check(err)
	defer z.Close()
	dir := strings.TrimSuffix(name, ".zip")
	ts.Check(os.MkdirAll(dir, 0o700))
	var all strings.Builder
	for _, f := range z.File {
		in, err := f.Open()
		ts.Check(err)
		raw, err := io.ReadAll(in)
		ts.Check(err)
		base := filepath.Base(f.Name)
		ts.Check(os.WriteFile(filepath.Join(dir, base), raw, 0o600))
		if base != "trace.out" && base != "versions.json" {
			all.Write(raw)
		}
	}
	ts.Check(os.WriteFile(filepath.Join(dir, "all.txt"), []byte(all.String()), 0o600))
}

// Only yes is yes, and no answer is none.
func TestSaid(t *testing.T) {
	for answer, want := range map[string]bool{"y\n": true, "YES\n": true, " yes \n": true, "n\n": false, "\n": false, "": false, "y": false, "yess\n": false} {
		var out strings.Builder
		g := &globals{streams: streams{in: strings.NewReader(answer), out: &out, err: &out}, format: "text"}
		if got := g.said("? "); got != want || out.String() != "? " {
			t.Errorf("%q: %v, asked %q", answer, got, out.String())
		}
	}
}

// Stacks do not say where the program was built.
func TestShortPaths(t *testing.T) {
	in := "goroutine 1 [running]:\nmain.f(0x1)\n\t/home/anna/tocsin/node/node.go:12 +0x1d\n\t/usr/lib/go/src/runtime/asm_amd64.s:3\n"
	want := "goroutine 1 [running]:\nmain.f(0x1)\n\tnode/node.go:12 +0x1d\n\truntime/asm_amd64.s:3\n"
	if got := string(shortPaths([]byte(in))); got != want {
		t.Errorf("got %q", got)
	}
}

// Check names of the doctor are told although names are not.
func TestRename(t *testing.T) {
	got := rename(map[string]any{"items": []any{map[string]any{"name": "clock", "text": "x"}}}, "name", "check").(map[string]any)
	item := got["items"].([]any)[0].(map[string]any)
	if item["check"] != "clock" || item["name"] != nil || item["text"] != "x" {
		t.Errorf("%v", got)
	}
}
