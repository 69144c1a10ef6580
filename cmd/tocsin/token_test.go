package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tocsin/node/admin/api"
	"tocsin/protocol/reason"
)

// No token is made whose secret has no file to go to, no file that was there is written over, and none is left of a token that was
// not made.
func TestTokenFile(t *testing.T) {
	made, refuse := 0, false
	dir := fakeNode(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method != http.MethodPost:
			writeStatus(w, api.StateRunning)
		case refuse:
			w.WriteHeader(http.StatusConflict)
			_ = json.NewEncoder(w).Encode(api.NewProblem(reason.Conflict, "the name is taken"))
		default:
			made++
			_ = json.NewEncoder(w).Encode(api.TokenCreated{Token: api.Token{Name: "a", Role: "viewer"}, Secret: "s3cret"})
		}
	})
	create := func(out string) (int, string) {
		exit, stdout, errs := capture(t, strings.NewReader(""), "token", "create", "a", "--role", "viewer", "--out", out, "--data", dir)
		return exit, string(stdout) + errs
	}
	there := filepath.Join(dir, "there")
	if err := os.WriteFile(there, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	for out, want := range map[string]int{filepath.Join(dir, "no", "such", "t"): exitNotFound, there: exitConflict} {
		if exit, said := create(out); exit != want || made != 0 {
			t.Errorf("%s: exit %d, %d made, %s", out, exit, made, said)
		}
	}
	if raw, err := os.ReadFile(there); string(raw) != "mine" {
		t.Errorf("%q, %v", raw, err)
	}
	file := filepath.Join(dir, "t")
	refuse = true
	if exit, said := create(file); exit != exitConflict || exists(file) {
		t.Errorf("exit %d, %s", exit, said)
	}
	refuse = false
	exit, said := create(file)
	raw, err := os.ReadFile(file)
	if exit != exitDone || string(raw) != "s3cret\n" || strings.Contains(said, "s3cret") {
		t.Errorf("exit %d, %q, %v, %s", exit, raw, err, said)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
}
