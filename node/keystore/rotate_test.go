package keystore

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// TestRotate follows a key of either role from its making to its place, and looks at
// what a start finds at every step.
func TestRotate(t *testing.T) {
	for _, role := range []Role{RoleRecord, RoleOperations} {
		dir, keys, _ := create(t)
		active := func() protocol.PublicKey {
			t.Helper()
			k, err := Load(dir)
			if err != nil {
				t.Fatal(err)
			}
			if role == RoleRecord {
				return k.Record.Public()
			}
			return k.Operations.Public()
		}
		before := active()
		if key, err := Pending(dir, role); key != nil || err != nil {
			t.Errorf("%s: pending %v, %v", role, key, err)
		}
		first, err := MakePending(dir, role)
		if err != nil {
			t.Fatal(err)
		}
		second, err := MakePending(dir, role)
		if err != nil || first.Public() == second.Public() {
			t.Fatalf("%s: a second new key: %v", role, err)
		}
		if key, err := Pending(dir, role); err != nil || key.Public() != second.Public() || active() != before {
			t.Errorf("%s: pending %v, %v", role, key, err)
		}
		if info, err := os.Lstat(role.pendingPath(dir)); err != nil || info.Mode() != 0o600 {
			t.Errorf("%s: %v, %v", role, info, err)
		}
		if err := Promote(dir, role); err != nil || active() != second.Public() {
			t.Errorf("%s: promoted: %v", role, err)
		}
		if key, err := Pending(dir, role); key != nil || err != nil {
			t.Errorf("%s: still pending %v, %v", role, key, err)
		}
		if err := Promote(dir, role); err == nil || active() != second.Public() {
			t.Errorf("%s: nothing was promoted: %v", role, err)
		}
		if _, err := MakePending(dir, role); err != nil {
			t.Fatal(err)
		}
		if err := Discard(dir, role); err != nil || active() != second.Public() {
			t.Errorf("%s: discard: %v", role, err)
		}
		if err := Discard(dir, role); err != nil {
			t.Errorf("%s: discard nothing: %v", role, err)
		}
		// The old key is nowhere on the disk.
		sig, err := keys.Record.Sign([]byte("x"))
		if err != nil || role == RoleRecord && second.Public().Verify([]byte("x"), sig) {
			t.Errorf("%s: %v", role, err)
		}
		if err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
			if err == nil && !d.IsDir() && strings.Contains(read(t, path), before.ID().String()) {
				t.Errorf("%s: %s still names the old key", role, path)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestPendingRefusesWhatOthersRead(t *testing.T) {
	dir, _, _ := create(t)
	if _, err := MakePending(dir, RoleRecord); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(RoleRecord.pendingPath(dir), 0o644); err != nil {
		t.Fatal(err)
	}
	if key, err := Pending(dir, RoleRecord); key != nil || reason.Of(err) != reason.KeyFile {
		t.Errorf("a key that others read: %v, %v", key, err)
	}
}

func TestWriteAndReadSigner(t *testing.T) {
	path := filepath.Join(t.TempDir(), "root.key")
	key, err := WriteSigner(path, "root key for the safe")
	if err != nil {
		t.Fatal(err)
	}
	again, err := ReadSigner(path)
	if err != nil || again.Public() != key.Public() {
		t.Errorf("read back: %v", err)
	}
	if _, err := WriteSigner(path, "another"); reason.Of(err) != reason.Conflict {
		t.Errorf("overwritten: %v", err)
	}
	if _, err := ReadSigner(path + ".no"); reason.Of(err) != reason.KeyFile {
		t.Errorf("absent: %v", err)
	}
}

func TestRevocationFiles(t *testing.T) {
	dir, _, _ := create(t)
	if got := RevocationsOn(dir); got != nil {
		t.Errorf("revocations %v", got)
	}
	if err := os.RemoveAll(filepath.Join(dir, "recovery")); err != nil {
		t.Fatal(err) // taken away, as they should be
	}
	for range 2 {
		paths, err := WriteRevocation(dir, protocol.KeyID{0xab, 0xcd, 0xef, 0x01}, []byte("statement"), []byte("text"))
		want := []string{filepath.Join(dir, "recovery", "revoke-abcdef01.cbor"), filepath.Join(dir, "recovery", "revoke-abcdef01.txt")}
		if err != nil || !slices.Equal(paths, want) || !slices.Equal(RevocationsOn(dir), want) {
			t.Errorf("wrote %v, on disk %v: %v", paths, RevocationsOn(dir), err)
		}
		if read(t, want[0]) != "statement" || read(t, want[1]) != "text" {
			t.Error("other content")
		}
	}
	if got := RecoveryOn(dir); got != nil {
		t.Errorf("root keys %v", got)
	}
}

func TestPublicText(t *testing.T) {
	dir, keys, _ := create(t)
	text := PublicText(keys.Record.Public())
	if got, err := ParsePublic("# a note\n" + text + "\n"); err != nil || got != keys.Record.Public() {
		t.Errorf("%q: %v", text, err)
	}
	path := filepath.Join(dir, "key.pub")
	if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := ReadPublic(path); err != nil || got != keys.Record.Public() {
		t.Errorf("from a file: %v", err)
	}
	for name, bad := range map[string]string{
		"nothing": "", "comment": "# x", "two": text + "\n" + text, "cut": text[:len(text)-3], "other name": "x" + text,
		"private": read(t, filepath.Join(dir, "keys", "record.key")),
		"alg":     strings.Replace(text, "ed25519", "x25519", 1), "short": publicName + " ed25519 AAAA",
		"p256": strings.Replace(text, "ed25519", "p256", 1),
	} {
		if key, err := ParsePublic(bad); err == nil {
			t.Errorf("%s: read as %v", name, key)
		} else if strings.Contains(err.Error(), "tocsin-key-1 ed25519") {
			t.Errorf("%s: the error shows a secret: %v", name, err)
		}
	}
	if err := os.WriteFile(path, []byte(strings.Repeat("#\n", maxFileBytes)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{path, path + ".no"} {
		if _, err := ReadPublic(p); reason.Of(err) != reason.KeyFile {
			t.Errorf("%s: %v", p, err)
		}
	}
}
