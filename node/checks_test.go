package node

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin/node/backup"
	"tocsin/node/doctor"
	"tocsin/node/p2p"
	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/protocol/trust"
)

// found holds a finding against a state and a part of its text, and that it says what to do exactly when something is to be done.
func found(t *testing.T, what string, f doctor.Finding, state doctor.State, part string) {
	t.Helper()
	if f.State != state || !strings.Contains(f.Text, part) {
		t.Errorf("%s: %+v, want %s with %q", what, f, state, part)
	}
	if (f.State == doctor.Warn || f.State == doctor.Fail) != (f.Fix != "") {
		t.Errorf("%s: %s with the fix %q", what, f.State, f.Fix)
	}
}

func TestPeerFinding(t *testing.T) {
	up, down := p2p.PeerInfo{ID: "12D3KooWup", Connected: true}, p2p.PeerInfo{ID: "12D3KooWdown", LastError: "connection\nrefused"}
	found(t, "alone", peerFinding(nil), doctor.Warn, "alone")
	found(t, "up", peerFinding([]p2p.PeerInfo{up}), doctor.OK, "1 connected")
	found(t, "one down", peerFinding([]p2p.PeerInfo{up, down}), doctor.Warn, "12D3KooWdown: connection refused")
	found(t, "all down", peerFinding([]p2p.PeerInfo{down, down, down, down, down}), doctor.Fail, "and 2 more")
}

func TestMeshFinding(t *testing.T) {
	topics := protocol.DefaultTopics()
	found(t, "no peer", meshFinding(nil, 0), doctor.Skip, "no peer")
	found(t, "thin", meshFinding([]p2p.TopicInfo{{Topic: topics[0], Peers: 3, Mesh: 2}}, 3), doctor.Warn, "(2 of 3)")
	found(t, "few but all", meshFinding([]p2p.TopicInfo{{Topic: topics[0], Peers: 2, Mesh: 2}}, 2), doctor.OK, "1 topic")
	found(t, "not in the mesh", meshFinding([]p2p.TopicInfo{{Topic: topics[0], Peers: 1}}, 1), doctor.Warn, "(0 of 1)")
	found(t, "lonely", meshFinding([]p2p.TopicInfo{{Topic: topics[0]}}, 1), doctor.Warn, "no connected peer")
	found(t, "one lonely", meshFinding([]p2p.TopicInfo{{Topic: topics[0]}, {Topic: topics[1], Peers: 1, Mesh: 1}}, 1), doctor.OK, "nobody else")
}

func TestBackupFinding(t *testing.T) {
	now := time.Now()
	old, fresh := now.Add(-10*24*time.Hour), now.Add(-time.Minute)
	found(t, "none", backupFinding(backup.Status{}, old), doctor.Warn, "no backups")
	found(t, "bad", backupFinding(backup.Status{Folder: "/b", Made: fresh, Unsound: fresh, UnsoundWhy: "torn"}, old), doctor.Fail, "torn")
	found(t, "failed", backupFinding(backup.Status{Folder: "/b", Made: fresh, Failed: fresh, Why: "no room"}, old), doctor.Fail, "no room")
	found(t, "first", backupFinding(backup.Status{Folder: "/b"}, fresh), doctor.OK, "none yet")
	found(t, "never", backupFinding(backup.Status{Folder: "/b"}, old), doctor.Warn, "never")
	found(t, "late", backupFinding(backup.Status{Folder: "/b", Made: old}, old), doctor.Warn, "10 d ago")
	found(t, "untried", backupFinding(backup.Status{Folder: "/b", Made: fresh, Drilled: old}, old), doctor.Warn, "tried out")
	found(t, "good", backupFinding(backup.Status{Folder: "/b", Made: fresh, Drilled: fresh}, old), doctor.OK, "1 min ago")
}

func TestTrustFinding(t *testing.T) {
	now := time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	day := func(d int) time.Time { return time.Date(2026, 3, d, 0, 0, 0, 0, time.UTC) }
	list := func(expires time.Time) *trust.List {
		l, err := trust.Empty().With(trust.Entry{Org: protocol.OrgID{1}, Petname: "partner-a", Level: trust.Partner, Expires: expires})
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	found(t, "empty", checkEntries(trust.Empty(), now), doctor.Warn, "nobody")
	found(t, "yesterday", checkEntries(list(day(9)), now), doctor.Warn, "entries that ended count for nothing: partner-a (1 of 1 entry)")
	found(t, "today", checkEntries(list(day(10)), now), doctor.Warn, "ending soon: partner-a (2026-03-10)")
	found(t, "in 13 days", checkEntries(list(day(23)), now), doctor.Warn, "ending soon")
	found(t, "in 14 days", checkEntries(list(day(24)), now), doctor.OK, "1 organisation,")
}

// What a stopped node's files say, whole and damaged.
func TestOfflineChecks(t *testing.T) {
	dir := t.TempDir()
	paths := Paths{Config: dir, Data: dir, Runtime: dir}
	cfg := Config{Listen: []string{"/ip4/127.0.0.1/tcp/0"}, Admin: []string{"off"}}
	by := func(unread error) map[string]doctor.Finding {
		out := map[string]doctor.Finding{}
		for _, r := range doctor.Examine(t.Context(), OfflineChecks(paths, cfg, unread)) {
			out[r.Name] = r.Finding
		}
		return out
	}
	none := by(reason.New(reason.ConfigInvalid, "line 3"))
	found(t, "config", none["config"], doctor.Fail, "line 3")
	found(t, "identity", none["identity"], doctor.Fail, "look for a node")
	found(t, "keys", none["keys"], doctor.Fail, "keys")
	found(t, "listeners", none["listeners"], doctor.OK, "free")
	found(t, "udp", none["udp-buffers"], doctor.Skip, "UDP")
	for path, raw := range map[string]string{paths.Audit(): "{no entry\n", filepath.Join(paths.State(), "access.json"): "{"} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(raw), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	bad := by(nil)
	found(t, "config", bad["config"], doctor.OK, "defaults")
	found(t, "audit", bad["audit"], doctor.Fail, "1 problem; the first")
	found(t, "tokens", bad["tokens"], doctor.Fail, "access.json")
}

// docs/doctor.md explains each check under its name: alerts and runbooks point there.
func TestDoctorIsDocumented(t *testing.T) {
	text, err := os.ReadFile("../docs/doctor.md")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for line := range strings.Lines(string(text)) {
		if name, is := strings.CutPrefix(line, "## "); is {
			names = append(names, strings.TrimSpace(name))
		}
	}
	slices.Sort(names)
	if want := append(CheckNames(), "node"); !slices.Equal(names, slices.Sorted(slices.Values(want))) {
		t.Errorf("docs/doctor.md explains %q, the checks are %q", names, want)
	}
}
