package backup

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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

// restoreKeys puts keys into a new folder. org is whose they must be.
func restoreKeys(path string, access Access, org, dir string) error {
	b, err := openKeys(path, access)
	if err == nil && b.Org != org {
		err = reason.New(reason.Conflict, fmt.Sprintf("they are of organisation %s, and the backup of %s", b.Org, org))
	}
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	for _, k := range b.Keys {
		if err == nil {
			err = durable.Write(filepath.Join(dir, k.Name), k.Text, 0o600)
		}
	}
	if err != nil {
		return fmt.Errorf("restore the keys from %s: %w", path, err)
	}
	return nil
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
