package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"strings"
	"testing"
	"time"

	"tocsin/node/admin/api"
)

// Who may not read the log hears what the node says of it, and that it is the node who says so.
func TestAuditVerifiedByTheNode(t *testing.T) {
	var answer any = api.AuditVerification{OK: true, Entries: 3, Head: "sha256:11", Checkpoints: 1, Problems: []string{}}
	dir := fakeNode(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == api.Prefix+"/audit/verify" {
			_ = json.NewEncoder(w).Encode(answer)
			return
		}
		writeStatus(w, api.StateRunning)
	})
	check := func(data string) (string, error) {
		var out bytes.Buffer
		g := &globals{data: data, format: "text", color: "never", timeout: 5 * time.Second, streams: streams{out: &out, err: &out}}
		err := g.verifyByNode(t.Context(), auditReport{File: "/there/audit.log"}, fs.ErrPermission)
		return out.String(), err
	}
	if said, err := check(dir); err != nil || !strings.Contains(said, "sound: 3 entries") || !strings.Contains(said, "The node says so") {
		t.Errorf("%q, %v", said, err)
	}
	answer = api.AuditVerification{Head: "sha256:11", Problems: []string{"line 2 was changed"}}
	var exit *exitError
	if said, err := check(dir); !errors.As(err, &exit) || exit.code != exitInvalid || !strings.Contains(said, "line 2 was changed") {
		t.Errorf("%q, %v", said, err)
	}
	if _, err := check(t.TempDir()); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("without a node: %v", err)
	}
}
