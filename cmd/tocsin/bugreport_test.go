package main

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"tocsin/node/admin/api"
	"tocsin/protocol/reason"
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

// reportOf makes a report of a fake node: its parts by name, and what the command printed.
func reportOf(t *testing.T, dir string, more ...string) (parts map[string]string, printed string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "r.zip")
	exit, out, errs := capture(t, strings.NewReader(""), append([]string{"debug", "bugreport", "--yes", "--out", file, "--data", dir}, more...)...)
	if exit != exitDone {
		t.Fatalf("exit %d, %s%s", exit, out, errs)
	}
	z, err := zip.OpenReader(file)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	parts = map[string]string{}
	for _, f := range z.File {
		raw, err := fs.ReadFile(z, f.Name)
		if err != nil {
			t.Fatal(err)
		}
		parts[filepath.Base(f.Name)] = string(raw)
	}
	return parts, string(out)
}

// busyNode answers as a node would that knows the Ministry of Truth; what it says of some resources is not an answer.
func busyNode(t *testing.T, instead map[string]http.HandlerFunc) string {
	const ministry = "Ministry of Truth"
	return fakeNode(t, func(w http.ResponseWriter, r *http.Request) {
		resource := strings.TrimPrefix(r.URL.Path, api.Prefix)
		if other := instead[resource]; other != nil {
			other(w, r)
			return
		}
		answer := map[string]any{
			"/status": api.Status{State: api.StateRunning, Name: ministry},
			"/trust":  api.List[api.TrustEntry]{Items: []api.TrustEntry{{Petname: "the <ministry>", Name: ministry}}},
			"/peers":  api.List[api.Peer]{Items: []api.Peer{}},
			"/doctor": api.Examination{State: "ok", Checks: []api.Checked{
				{Name: "identity", State: "ok", Text: ministry + " (XA) runs"}, {Name: "tokens", State: "ok", Text: "ending soon: winston"}}},
			"/diagnostics/log": map[string]string{"msg": "refused", "err": "the <ministry> and " + ministry + " say no"},
		}[resource]
		_ = json.NewEncoder(w).Encode(answer)
	})
}

// A report in which names cannot be found has no sentence in which they may stand, and says so.
func TestReportWithoutNames(t *testing.T) {
	full, _ := reportOf(t, busyNode(t, nil))
	for name, text := range full {
		if strings.Contains(text, "inistry") || strings.Contains(text, "XA") || strings.Contains(text, "winston") {
			t.Errorf("%s names somebody: %s", name, text)
		}
	}
	if !strings.Contains(full["doctor.json"], "<name-1> (<country-1>) runs") || !strings.Contains(full["log.jsonl"], "<name-2> and <name-1> say no") {
		t.Errorf("%s%s", full["doctor.json"], full["log.jsonl"])
	}
	refuse := func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusTooManyRequests)
		_ = json.NewEncoder(w).Encode(api.NewProblem(reason.RequestRate, "not so fast, Ministry of Truth"))
	}
	for _, resource := range []string{"/trust", "/peers"} {
		parts, printed := reportOf(t, busyNode(t, map[string]http.HandlerFunc{resource: refuse}))
		for name, text := range parts {
			if strings.Contains(text, "inistry") || strings.Contains(text, "XA") {
				t.Errorf("without %s, %s names somebody: %s", resource, name, text)
			}
		}
		for _, name := range []string{"status.json", "peers.json", "sync.json", "log.jsonl"} {
			if parts[name] != "" {
				t.Errorf("without %s there is %s", resource, name)
			}
		}
		if !strings.Contains(parts["doctor.json"], `"check": "identity"`) || !strings.Contains(printed, "names that must not be told are not known [request.rate]") {
			t.Errorf("%s%s", parts["doctor.json"], printed)
		}
	}
}

// A node that hangs is not waited for part by part, and its files are examined.
func TestReportOfAHungNode(t *testing.T) {
	asked := atomic.Int32{}
	hang := func(_ http.ResponseWriter, r *http.Request) { asked.Add(1); <-r.Context().Done() }
	dir := busyNode(t, map[string]http.HandlerFunc{"/status": hang})
	parts, printed := reportOf(t, dir, "--timeout", "100ms")
	if !strings.Contains(parts["doctor.json"], `"check": "disk"`) || !strings.Contains(printed, "did not answer in time") || asked.Load() > 2 {
		t.Errorf("asked %d times\n%s\n%s", asked.Load(), parts["doctor.json"], printed)
	}
	// One that hangs on the way is given up as well.
	var hangs atomic.Bool
	later := func(w http.ResponseWriter, r *http.Request) {
		if hangs.Load() {
			hang(w, r)
			return
		}
		writeStatus(w, api.StateRunning)
	}
	asked.Store(0)
	parts, _ = reportOf(t, busyNode(t, map[string]http.HandlerFunc{"/status": later, "/sync": func(w http.ResponseWriter, r *http.Request) { hangs.Store(true); hang(w, r) }, "/diagnostics/log": hang}), "--timeout", "100ms")
	if parts["peers.json"] == "" || parts["log.jsonl"] != "" || asked.Load() > 3 {
		t.Errorf("asked %d times for %v", asked.Load(), parts)
	}
}

// An interruption ends a report, and nothing is written.
func TestReportInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	dir := busyNode(t, map[string]http.HandlerFunc{"/sync": func(_ http.ResponseWriter, r *http.Request) { cancel(); <-r.Context().Done() }})
	var out, errs bytes.Buffer
	exit := run(ctx, []string{"debug", "bugreport", "--yes", "--out", "r.zip", "--data", dir}, streams{in: strings.NewReader(""), out: &out, err: &errs})
	if exit != exitInterrupted || exists("r.zip") {
		t.Errorf("exit %d, %s%s", exit, &out, &errs)
	}
}

// A trace that names the folders of whoever built the program is left out.
func TestTrimmedTrace(t *testing.T) {
	if raw, err := trimmedTrace([]byte("x\x0fruntime/proc.go"), nil); err != nil || len(raw) == 0 {
		t.Error(err)
	}
	if raw, err := trimmedTrace([]byte("x\x20/home/anna/go/src/runtime/proc.go"), nil); err == nil || raw != nil {
		t.Errorf("%q", raw)
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
