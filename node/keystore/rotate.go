package keystore

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"tocsin/node/durable"
	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// Role is what a key of the keys folder is for, as far as it can be exchanged
// while the organisation stays the same.
type Role string

// The roles of keys that rotate. A retired key is of no more use to anybody but a
// thief, so it is not kept: its successor takes its place in one rename.
const (
	RoleRecord     Role = "record"
	RoleOperations Role = "operations"
)

// pendingSuffix marks a key that nobody has certified yet.
const pendingSuffix = ".next.key"

func (r Role) path(dir string) string { return filepath.Join(dir, keysFolder, string(r)+".key") }
func (r Role) pendingPath(dir string) string {
	return filepath.Join(dir, keysFolder, string(r)+pendingSuffix)
}

// MakePending makes a new key beside the active one, durably. It signs nothing until
// Promote. One that was pending before was never certified and is replaced.
func MakePending(dir string, role Role) (protocol.Signer, error) {
	if err := Discard(dir, role); err != nil {
		return nil, err
	}
	key, err := WriteSigner(role.pendingPath(dir), string(role)+" key that is not certified yet")
	if err != nil {
		return nil, fmt.Errorf("make a new %s key: %w", role, err)
	}
	return key, nil
}

// Pending returns the key that waits to take the active one's place, nil when there is none.
func Pending(dir string, role Role) (protocol.Signer, error) {
	key, err := readSigner(role.pendingPath(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err // not a nil key in a Signer
	}
	return key, nil
}

// Promote puts the pending key in the place of the active one: before it returns, a
// start finds the old key; after, the new one, and the old one is gone.
func Promote(dir string, role Role) error {
	if err := os.Rename(role.pendingPath(dir), role.path(dir)); err != nil {
		return fmt.Errorf("put the new %s key in place: %w", role, err)
	}
	return durable.SyncFolder(filepath.Join(dir, keysFolder))
}

// Discard removes a pending key, if there is one.
func Discard(dir string, role Role) error {
	err := os.Remove(role.pendingPath(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("discard the pending %s key: %w", role, err)
	}
	return durable.SyncFolder(filepath.Join(dir, keysFolder))
}

// WriteSigner makes a new signing key in a new file, mode 0600. It overwrites nothing (conflict).
func WriteSigner(path, note string) (protocol.Signer, error) {
	key, err := protocol.GenerateKey(protocol.EdDSA, rand.Reader)
	if err != nil {
		return nil, err
	}
	err = writeKey(path, note+"\nid "+key.Public().ID().String(), algEd25519, key.Seed())
	if errors.Is(err, fs.ErrExist) {
		return nil, reason.New(reason.Conflict, "write key "+path+": the file exists already; choose another name")
	}
	if err != nil {
		return nil, fmt.Errorf("write key: %w", err)
	}
	return key, durable.SyncFolder(filepath.Dir(path))
}

// ReadSigner reads a signing key from a file that only its owner can read, such as
// a root key that is brought for a ceremony. Errors carry key.file.
func ReadSigner(path string) (protocol.Signer, error) {
	key, err := readSigner(path)
	if err != nil {
		return nil, err // not a nil key in a Signer
	}
	return key, nil
}

// revocationPrefix begins the names of pre-signed revocations.
const revocationPrefix = "revoke-"

// WriteRevocation puts the emergency revocation of a key into the recovery folder:
// the statement as a file, and text to print beside it. It returns both paths. Writing the same
// again changes nothing.
func WriteRevocation(dir string, key protocol.KeyID, statement, text []byte) ([]string, error) {
	folder := filepath.Join(dir, recoveryFolder)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("write the emergency revocation of %s: %w", key, err)
	}
	base := filepath.Join(folder, revocationPrefix+hex.EncodeToString(key[:4]))
	paths := []string{base + ".cbor", base + ".txt"}
	for i, raw := range [][]byte{statement, text} {
		if err := durable.Write(paths[i], raw, 0o600); err != nil {
			return nil, fmt.Errorf("write the emergency revocation of %s: %w", key, err)
		}
	}
	return paths, nil
}

// RevocationsOn lists the pre-signed revocations that are still on this machine
// under dir: whoever takes one can end a key, though not use it.
func RevocationsOn(dir string) []string {
	entries, err := os.ReadDir(filepath.Join(dir, recoveryFolder))
	if err != nil {
		return nil
	}
	var found []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), revocationPrefix) {
			found = append(found, filepath.Join(dir, recoveryFolder, e.Name()))
		}
	}
	slices.Sort(found)
	return found
}

// DropRevocation removes the pre-signed revocation of a key that never came into use.
func DropRevocation(dir string, key protocol.KeyID) error {
	base := filepath.Join(dir, recoveryFolder, revocationPrefix+hex.EncodeToString(key[:4]))
	var errs []error
	for _, path := range []string{base + ".cbor", base + ".txt"} {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
