package settings

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

const (
	peerA = "12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5"
	peerB = "12D3KooWJWoaqZhDaoEFshF7Rh1bpY9ohihFhzcW6d69Lr2NASuq"
	addrA = "/ip4/192.0.2.1/udp/8469/quic-v1/p2p/" + peerA
	tcpA  = "/ip4/192.0.2.1/tcp/8469/p2p/" + peerA
	addrB = "/ip4/192.0.2.2/udp/8469/quic-v1/p2p/" + peerB
)

func mustOpen(t *testing.T, dir string) *Book {
	t.Helper()
	b, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// What commands changed survives a restart and is laid over the configuration.
func TestPeersLayOverConfiguration(t *testing.T) {
	dir := t.TempDir()
	b := mustOpen(t, dir)
	must(t, b.AddPeer(addrB))
	must(t, b.AddPeer(addrB)) // twice is once
	must(t, b.RemovePeer(peerA))

	b = mustOpen(t, dir)
	if got, want := b.Peers([]string{addrA, tcpA}), []string{addrB}; !slices.Equal(got, want) {
		t.Errorf("peers %v, want %v", got, want)
	}
	must(t, b.AddPeer(tcpA)) // taking one address back undoes the removal
	if got, want := b.Peers([]string{addrA, tcpA}), []string{addrA, tcpA, addrB}; !slices.Equal(got, want) {
		t.Errorf("peers %v, want %v", got, want)
	}
	must(t, b.RemovePeer(peerB))
	if got, want := mustOpen(t, dir).Peers(nil), []string{tcpA}; !slices.Equal(got, want) {
		t.Errorf("peers %v, want %v", got, want)
	}
}

func TestTopicsLayOverConfiguration(t *testing.T) {
	dir := t.TempDir()
	b := mustOpen(t, dir)
	fraud, err := protocol.ParseTopic("fraud")
	must(t, err)
	must(t, b.LeaveTopic(protocol.TopicDrill))
	must(t, b.JoinTopic(fraud))
	got := mustOpen(t, dir).Topics([]string{"drill", "experience"})
	if want := []protocol.Topic{protocol.TopicExperience, fraud}; !slices.Equal(got, want) {
		t.Errorf("topics %v, want %v", got, want)
	}
}

// What is no full address is not kept.
func TestAddPeerRefuses(t *testing.T) {
	dir := t.TempDir()
	b := mustOpen(t, dir)
	for _, addr := range []string{"", peerA, "/p2p/" + peerA, "/ip4/192.0.2.1/tcp/8469", "192.0.2.1:8469", "/ip4/192.0.2.1/tcp/8469/p2p/nobody"} {
		err := b.AddPeer(addr)
		if reason.Of(err) != reason.UsageInvalid || !strings.Contains(err.Error(), "/p2p/ID") {
			t.Errorf("add %q: %v, want usage.invalid that says what is wanted", addr, err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "peers.toml")); err == nil {
		t.Error("a file was written")
	}
}

// A peer in the file that is no address is left out; the others stand, and so does
// what was removed.
func TestOpenLeavesOutBadPeers(t *testing.T) {
	dir := t.TempDir()
	text := "added = ['" + peerA + "', '" + addrB + "', '']\nremoved = ['" + peerA + "']\n"
	must(t, os.WriteFile(filepath.Join(dir, "peers.toml"), []byte(text), 0o600))
	if got, want := mustOpen(t, dir).Peers([]string{addrA}), []string{addrB}; !slices.Equal(got, want) {
		t.Errorf("peers %v, want %v", got, want)
	}
}

// A file that cannot be read is named.
func TestOpenNamesFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "peers.toml")
	must(t, os.Mkdir(path, 0o700))
	if _, err := Open(dir); reason.Of(err) != reason.ConfigInvalid || !strings.Contains(err.Error(), path) {
		t.Errorf("error %v, want config.invalid that names %s", err, path)
	}
}

// A damaged state file names file and place, and is left as it is.
func TestOpenRefusesDamage(t *testing.T) {
	for name, c := range map[string]struct{ file, text, want string }{
		"unknown key": {"peers.toml", "added = []\nadd = ['x']\n", "line 2 column 1"},
		"wrong type":  {"peers.toml", "added = 3\n", "line 1"},
		"no TOML":     {"topics.toml", "added = [", "topics.toml line"},
		"no topic":    {"topics.toml", "added = ['No Topic']", "topics.toml"},
		"too large":   {"peers.toml", "#" + strings.Repeat("x", maxFile), "at most"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, c.file)
			must(t, os.WriteFile(path, []byte(c.text), 0o600))
			_, err := Open(dir)
			if reason.Of(err) != reason.ConfigInvalid || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want config.invalid with %q", err, c.want)
			}
			if raw, _ := os.ReadFile(path); string(raw) != c.text {
				t.Error("the file was changed")
			}
		})
	}
}

// A change that cannot be written is not in force either.
func TestFailedWriteChangesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	must(t, os.Mkdir(dir, 0o700))
	b := mustOpen(t, dir)
	must(t, os.Remove(dir))
	if err := b.AddPeer(addrA); err == nil {
		t.Fatal("a peer was kept without a folder to keep it in")
	}
	if got := b.Peers(nil); len(got) != 0 {
		t.Errorf("peers %v after a failed write", got)
	}
}
