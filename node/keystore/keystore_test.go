package keystore

import (
	"bytes"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

func create(t *testing.T) (dir string, keys *Keys, founder *Founder) {
	t.Helper()
	dir = t.TempDir()
	keys, founder, err := Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	return dir, keys, founder
}

var allFiles = []string{
	"keys/host.key", "keys/record.key", "keys/operations.key", "keys/encryption.key", "recovery/root.key", "recovery/next.key",
}

func TestCreateAndLoad(t *testing.T) {
	dir, keys, founder := create(t)
	again, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if !keys.Host.Equals(again.Host) || keys.Record.Public() != again.Record.Public() ||
		keys.Operations.Public() != again.Operations.Public() || !bytes.Equal(keys.EncryptionPublic, again.EncryptionPublic) {
		t.Error("loaded keys are not the ones created")
	}
	if len(keys.EncryptionPublic) != 32 {
		t.Errorf("encryption key of %d bytes", len(keys.EncryptionPublic))
	}
	id, err := keys.PeerID()
	if err != nil || id.Validate() != nil || !strings.HasPrefix(id.String(), "12D3Koo") {
		t.Errorf("peer id %s: %v", id, err)
	}
	if want, _ := peer.IDFromPrivateKey(again.Host); want != id {
		t.Errorf("peer id %s and %s", id, want)
	}
	seen := map[protocol.PublicKey]bool{}
	for _, s := range []protocol.Signer{keys.Record, keys.Operations, founder.Root, founder.Next} {
		if seen[s.Public()] {
			t.Error("one key for two purposes")
		}
		seen[s.Public()] = true
		sig, err := s.Sign([]byte("x"))
		if err != nil || !s.Public().Verify([]byte("x"), sig) {
			t.Errorf("a key does not sign: %v", err)
		}
	}
	for name, want := range map[string]protocol.Signer{"root.key": founder.Root, "next.key": founder.Next} {
		got, err := readSigner(filepath.Join(dir, "recovery", name))
		if err != nil || got.Public() != want.Public() {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := RecoveryOn(dir); len(got) != 2 || got[0] != filepath.Join(dir, "recovery", "root.key") {
		t.Errorf("recovery keys on the machine: %v", got)
	}
	if got := RecoveryOn(t.TempDir()); got != nil {
		t.Errorf("recovery keys in an empty folder: %v", got)
	}
}

func TestModesAndFormat(t *testing.T) {
	dir, _, _ := create(t)
	for _, folder := range []string{"keys", "recovery"} {
		info, err := os.Lstat(filepath.Join(dir, folder))
		if err != nil || info.Mode() != os.ModeDir|0o700 {
			t.Errorf("%s: %v, %v", folder, info.Mode(), err)
		}
	}
	for _, name := range allFiles {
		path := filepath.Join(dir, name)
		info, err := os.Lstat(path)
		if err != nil || info.Mode() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
		raw, _ := os.ReadFile(path)
		if !strings.HasPrefix(string(raw), "# ") || strings.Count(string(raw), "\ntocsin-key-1 ") != 1 || !strings.HasSuffix(string(raw), "=\n") {
			t.Errorf("%s:\n%s", name, raw)
		}
	}
	entries, _ := os.ReadDir(dir)
	if len(entries) != 2 {
		t.Errorf("left beside the keys: %v", entries)
	}
}

func TestCreateRefusesWhatIsThere(t *testing.T) {
	for _, name := range []string{"keys", "recovery"} {
		dir := t.TempDir()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
		_, _, err := Create(dir)
		if reason.Of(err) != reason.NodeExists || !strings.Contains(err.Error(), path) {
			t.Errorf("%s is there: %v", name, err)
		}
		if raw, _ := os.ReadFile(path); string(raw) != "mine" {
			t.Errorf("%s was changed", name)
		}
		if entries, _ := os.ReadDir(dir); len(entries) != 1 {
			t.Errorf("left behind: %v", entries)
		}
	}
	dir, keys, _ := create(t)
	if _, _, err := Create(dir); reason.Of(err) != reason.NodeExists {
		t.Errorf("a second time: %v", err)
	}
	if again, err := Load(dir); err != nil || again.Record.Public() != keys.Record.Public() {
		t.Errorf("the first keys are gone: %v", err)
	}
	if _, _, err := Create(filepath.Join(dir, "absent")); err == nil {
		t.Error("a folder that is not there")
	}
}

// A move that fails leaves neither keys nor recovery behind.
func TestMoveInLeavesNothingHalf(t *testing.T) {
	dir := t.TempDir()
	aside := filepath.Join(dir, "aside")
	if err := os.MkdirAll(filepath.Join(aside, "recovery"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := moveIn(aside, dir); err == nil { // there is no aside/keys
		t.Fatal("moved what is not there")
	}
	if _, err := os.Lstat(filepath.Join(dir, "recovery")); err == nil {
		t.Error("recovery/ was left without keys/")
	}
}

func TestLoadRefuses(t *testing.T) {
	if _, err := Load(t.TempDir()); reason.Of(err) != reason.NodeNotFound {
		t.Errorf("no keys: %v", err)
	}
	put := func(text string) func(t *testing.T, path string) {
		return func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	chmod := func(mode os.FileMode) func(t *testing.T, path string) {
		return func(t *testing.T, path string) {
			if err := os.Chmod(path, mode); err != nil {
				t.Fatal(err)
			}
		}
	}
	line := func(alg string, n int) string {
		return "tocsin-key-1 " + alg + " " + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, n)) + "\n"
	}
	secret := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32))
	tests := map[string]struct {
		file  string
		spoil func(t *testing.T, path string)
		says  string
	}{
		"readable by the group": {"keys/record.key", chmod(0o640), "chmod 600"},
		"readable by all":       {"keys/host.key", chmod(0o604), "chmod 600"},
		"writable by all":       {"keys/operations.key", chmod(0o602), "chmod 600"},
		"folder open to others": {"keys", chmod(0o770), "chmod 700"},
		"record key absent":     {"keys/record.key", remove, "backup"},
		"host key absent":       {"keys/host.key", remove, "backup"},
		"encryption key absent": {"keys/encryption.key", remove, "backup"},
		"symlink":               {"keys/record.key", link, "no plain file"},
		"folder in its place":   {"keys/record.key", folder, "no plain file"},
		"empty":                 {"keys/record.key", put(""), "no line of the form"},
		"comments only":         {"keys/record.key", put("# nothing\n"), "no line of the form"},
		"other format":          {"keys/record.key", put("-----BEGIN PRIVATE KEY-----\n" + secret + "\n"), "more than one"},
		"two keys":              {"keys/record.key", put(line("ed25519", 32) + line("ed25519", 32)), "more than one"},
		"later format":          {"keys/record.key", put("tocsin-key-2 ed25519 " + secret), "no line of the form"},
		"unknown algorithm":     {"keys/record.key", put("tocsin-key-1 rsa " + secret), "unknown algorithm"},
		"31 bytes":              {"keys/record.key", put(line("ed25519", 31)), "32 bytes"},
		"33 bytes":              {"keys/record.key", put(line("ed25519", 33)), "32 bytes"},
		"no base64":             {"keys/record.key", put("tocsin-key-1 ed25519 " + strings.Repeat("!", 44)), "32 bytes"},
		"too large":             {"keys/record.key", put(line("ed25519", 32) + strings.Repeat("#\n", maxFileBytes)), "no key file"},
		"wrong kind of key":     {"keys/record.key", put(line("x25519", 32)), "want ed25519 or p256"},
		"host of another kind":  {"keys/host.key", put(line("x25519", 32)), "want ed25519"},
		"encryption of another": {"keys/encryption.key", put(line("ed25519", 32)), "want x25519"},
		"p256 out of range":     {"keys/operations.key", put("tocsin-key-1 p256 " + base64.StdEncoding.EncodeToString(make([]byte, 32))), "operations.key"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			dir, _, _ := create(t)
			path := filepath.Join(dir, test.file)
			test.spoil(t, path)
			keys, err := Load(dir)
			if keys != nil || reason.Of(err) != reason.KeyFile {
				t.Fatalf("loaded %v: %v", keys, err)
			}
			if text := err.Error(); !strings.Contains(text, test.says) || !strings.Contains(text, path) || strings.Contains(text, secret) {
				t.Errorf("says %q, want %q and the file, never the key", text, test.says)
			}
		})
	}
}

func remove(t *testing.T, path string) {
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

func link(t *testing.T, path string) {
	if err := os.Rename(path, path+".real"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(path+".real", path); err != nil {
		t.Fatal(err)
	}
}

func folder(t *testing.T, path string) {
	remove(t, path)
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
}

func TestNodeWithoutOperationsKey(t *testing.T) {
	dir, _, _ := create(t)
	remove(t, filepath.Join(dir, "keys/operations.key"))
	keys, err := Load(dir)
	if err != nil || keys.Operations != nil || keys.Record == nil {
		t.Errorf("keys %+v: %v", keys, err)
	}
}

// A P-256 key that was put in place by hand signs too; blank lines do no harm.
func TestP256KeyPutInPlace(t *testing.T) {
	dir, _, _ := create(t)
	text := "\n# of the safe\r\n\ntocsin-key-1 p256 " + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32)) + "\r\n\n"
	if err := os.WriteFile(filepath.Join(dir, "keys/record.key"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	keys, err := Load(dir)
	if err != nil || keys.Record.Public().Alg() != protocol.ES256 {
		t.Errorf("%v", err)
	}
}

func FuzzParseKey(f *testing.F) {
	f.Add("tocsin-key-1 ed25519 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n")
	f.Add("# a\n\ntocsin-key-1 x25519 BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=")
	f.Fuzz(func(t *testing.T, text string) {
		alg, secret, err := parseKey(text)
		if err != nil {
			return
		}
		path := filepath.Join(t.TempDir(), "x.key")
		if err := writeKey(path, "fuzz", alg, secret); err != nil {
			t.Fatal(err)
		}
		again, same, err := readFile(path)
		if err != nil || again != alg || !bytes.Equal(same, secret) {
			t.Fatalf("%s %x, then %s %x: %v", alg, secret, again, same, err)
		}
	})
}
