package node

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin/node/access"
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
	found(t, "left", peerFinding([]p2p.PeerInfo{up, {ID: "12D3KooWleft", Since: time.Now().Add(-3 * time.Second)}}), doctor.Warn, "12D3KooWleft: its connection ended 3 s ago")
	found(t, "new", peerFinding([]p2p.PeerInfo{up, {ID: "12D3KooWnew"}}), doctor.Warn, "12D3KooWnew: not tried yet")
	for _, cause := range []string{p2p.ItselfThere, p2p.AnotherThere} {
		gone := p2p.PeerInfo{ID: "12D3KooWgone", LastError: cause + ": /ip4/192.0.2.1/tcp/1"}
		if f := peerFinding([]p2p.PeerInfo{up, gone}); !strings.Contains(f.Fix, "address of today") {
			t.Errorf("%s: %+v", cause, f)
		}
		if f := peerFinding([]p2p.PeerInfo{down, gone}); strings.Contains(f.Fix, "address of today") {
			t.Errorf("%s and one that is silent: %+v", cause, f)
		}
	}
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
	found(t, "keys", none["keys"], doctor.Fail, "keys")
	for _, name := range []string{"identity", "certificate", "listeners", "udp-buffers", "admin-port"} {
		found(t, name+" of a configuration that was not read", none[name], doctor.Skip, "not read: see config")
	}
	for path, raw := range map[string]string{paths.Audit(): "{no entry\n", filepath.Join(paths.State(), "access.json"): "{"} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(raw), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	bad := by(nil)
	found(t, "config", bad["config"], doctor.OK, "defaults")
	found(t, "identity", bad["identity"], doctor.Fail, "look for a node")
	found(t, "listeners", bad["listeners"], doctor.OK, "free")
	found(t, "udp", bad["udp-buffers"], doctor.Skip, "UDP")
	found(t, "audit", bad["audit"], doctor.Fail, "1 problem; the first")
	found(t, "tokens", bad["tokens"], doctor.Fail, "access.json")
}

// A node of a network of its own whose configuration cannot be read is no forgery: what the configuration says is not guessed.
func TestOfflineChecksGuessNoConfiguration(t *testing.T) {
	dir := t.TempDir()
	paths := Paths{Config: dir, Data: dir, Runtime: dir}
	cfg := Config{Network: "test2", Listen: []string{"/ip4/127.0.0.1/tcp/0"}, Admin: []string{"off"}}
	if _, err := Init(paths, cfg, Profile{Name: "Own", Country: "XA"}); err != nil {
		t.Fatal(err)
	}
	results := doctor.Examine(t.Context(), OfflineChecks(paths, cfg, nil))
	for _, r := range results {
		if r.State == doctor.Fail {
			t.Errorf("a sound node: %+v", r)
		}
	}
	for _, r := range doctor.Examine(t.Context(), OfflineChecks(paths, Config{}, reason.New(reason.ConfigInvalid, "listn = 3"))) {
		if (r.State == doctor.Fail) != (r.Name == "config") {
			t.Errorf("with a typo in tocsin.toml: %+v", r)
		}
	}
}

// Tokens that end soon or ended lately are named; one that was made anew under its name is in force, and what ended long ago is no matter.
func TestTokensFinding(t *testing.T) {
	now := time.Now()
	token := func(name string, end time.Duration) access.Token {
		return access.Token{Name: name, Expires: now.Add(end)}
	}
	const day = 24 * time.Hour
	for name, c := range map[string]struct {
		all, over []access.Token
		state     doctor.State
		part      string
	}{
		"none":              {nil, nil, doctor.Skip, "no tokens were made"},
		"good":              {[]access.Token{token("a", 90*day)}, nil, doctor.OK, "1 token, none ends within a week"},
		"soon":              {[]access.Token{token("a", 90*day), token("b", 6*day)}, nil, doctor.Warn, "ending soon: b (in "},
		"over":              {nil, []access.Token{token("scrape", -day)}, doctor.Warn, "over: scrape (24 h ago)"},
		"over goes first":   {[]access.Token{token("b", 6*day)}, []access.Token{token("scrape", -day)}, doctor.Warn, "over: scrape"},
		"made anew":         {[]access.Token{token("scrape", 90*day)}, []access.Token{token("scrape", -day)}, doctor.OK, "1 token"},
		"over long ago":     {nil, []access.Token{token("scrape", -8*day)}, doctor.Skip, "no token is in force"},
		"one over for long": {[]access.Token{token("a", 90*day)}, []access.Token{token("scrape", -8*day)}, doctor.OK, "1 token"},
	} {
		found(t, name, tokensFinding(c.all, c.over, now), c.state, c.part)
	}
}

// All checks of a node that does not run are also those of one that does, so a name means the same to both.
func TestCheckNames(t *testing.T) {
	for _, c := range OfflineChecks(Paths{}, Config{}, nil) {
		if !slices.Contains(CheckNames(), c.Name) {
			t.Errorf("a running node has no check %s", c.Name)
		}
	}
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
