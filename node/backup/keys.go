package backup

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"filippo.io/age"

	"tocsin/node/durable"
	"tocsin/protocol/reason"
)

const (
	keysFormat = "tocsin-keys-backup-1"
	// maxKeyFile bounds one key file: they have about 200 bytes.
	maxKeyFile = 4 << 10
	maxKeys    = 16
)

// keysBackup is the sealed content of a file of private keys.
type keysBackup struct {
	Format  string    `json:"format"`
	Created time.Time `json:"created"`
	Org     string    `json:"org"`
	Keys    []keyCopy `json:"keys"`
}

type keyCopy struct {
	Name string `json:"name"`
	Text []byte `json:"text"`
}

// CreateKeys writes the node's private keys to a new file, sealed; the organisation's root keys, which
// belong elsewhere, are not among them. It returns their names.
func CreateKeys(data, org, path string, s Sealing) ([]string, error) {
	names, err := createKeys(data, org, path, s)
	if err != nil {
		return nil, fmt.Errorf("back up the keys to %s: %w", path, err)
	}
	return names, nil
}

func createKeys(data, org, path string, s Sealing) ([]string, error) {
	if s.Plain {
		return nil, reason.New(reason.UsageInvalid, "keys are always sealed: give a recipient or a passphrase")
	}
	to, err := s.operators()
	if err != nil {
		return nil, err
	}
	if _, err := os.Lstat(path); err == nil {
		return nil, reason.New(reason.Conflict, "the file exists already")
	}
	paths, err := filepath.Glob(filepath.Join(data, keysFolder, "*.key"))
	if err != nil {
		return nil, err
	}
	b := keysBackup{Format: keysFormat, Created: time.Now().UTC().Truncate(time.Second), Org: org, Keys: []keyCopy{}}
	var names []string
	for _, p := range paths {
		if p == filepath.Join(data, filepath.FromSlash(nodeIdentity)) {
			continue
		}
		raw, err := readSmall(p)
		if err != nil {
			return nil, err
		}
		b.Keys = append(b.Keys, keyCopy{filepath.Base(p), raw})
		names = append(names, filepath.Base(p))
	}
	if len(names) == 0 {
		return nil, reason.New(reason.NotFound, "there are no keys in "+filepath.Join(data, keysFolder))
	}
	raw, err := json.Marshal(b)
	if err != nil {
		return nil, err
	}
	return names, writeSealed(path, raw, to...)
}

// decodeKeys reads what CreateKeys sealed. Errors show nothing of the content.
func decodeKeys(raw []byte) (b keysBackup, err error) {
	if strictJSON(raw, &b) != nil || b.Format != keysFormat {
		return b, errors.New("it is no backup of keys")
	}
	if len(b.Keys) > maxKeys {
		return b, fmt.Errorf("it holds %d keys, at most %d", len(b.Keys), maxKeys)
	}
	var names []string
	for _, k := range b.Keys {
		if name := k.Name; name != filepath.Base(name) || !strings.HasSuffix(name, ".key") || strings.HasPrefix(name, ".") ||
			strings.ContainsAny(name, "/\\") || slices.Contains(names, name) || len(k.Text) > maxKeyFile {
			return b, fmt.Errorf("it holds a key %q, which has no place", name)
		}
		names = append(names, k.Name)
	}
	return b, nil
}

// RestoreKeys puts the keys of a file into the data folder of a node that was restored without them, and returns their names. org is
// whose they must be. If we stop in between, the next call goes on: a key that is there is passed over, and another one in its place
// is a conflict before anything is written.
func RestoreKeys(path string, access Access, org, data string) ([]string, error) {
	return restoreKeys(path, access, org, filepath.Join(data, keysFolder))
}

func restoreKeys(path string, access Access, org, dir string) (names []string, err error) {
	b, err := openKeys(path, access)
	if err == nil && b.Org != org {
		err = reason.New(reason.Conflict, fmt.Sprintf("they are of organisation %s, and the node of %s", b.Org, org))
	}
	if err == nil {
		names, err = b.put(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("restore the keys from %s: %w", path, err)
	}
	return names, nil
}

// put writes the keys that are not in a folder yet.
func (b keysBackup) put(dir string) (names []string, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	var lacking []keyCopy
	for _, k := range b.Keys {
		to := filepath.Join(dir, k.Name)
		there, err := readSmall(to)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			lacking = append(lacking, k)
		case err != nil:
			return nil, err
		case !bytes.Equal(there, k.Text):
			return nil, reason.New(reason.Conflict, to+" is another key; move it away first")
		}
		names = append(names, k.Name)
	}
	for _, k := range lacking {
		if err := durable.Write(filepath.Join(dir, k.Name), k.Text, 0o600); err != nil {
			return nil, err
		}
	}
	return names, nil
}

func openKeys(path string, access Access) (b keysBackup, err error) {
	ids, err := access.identities()
	if err != nil {
		return b, err
	}
	if len(ids) == 0 {
		return b, reason.New(reason.BackupKey, "no identity and no passphrase was given")
	}
	sealed, err := readSmall(path)
	if err != nil {
		return b, err
	}
	plain, err := age.Decrypt(bytes.NewReader(sealed), ids...)
	if err != nil {
		return b, reason.Wrap(reason.BackupKey, "open them", err)
	}
	raw, err := io.ReadAll(io.LimitReader(plain, maxAboutBytes+1))
	if err == nil {
		b, err = decodeKeys(raw)
	}
	if err != nil {
		return b, reason.Wrap(reason.BackupDamaged, "read them", err)
	}
	return b, nil
}
