package backup

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"filippo.io/age"

	"tocsin/node/durable"
	"tocsin/protocol/reason"
)

// sealer wraps what is written into a file; closing the result does not close w. opener undoes it.
type (
	sealer func(w io.Writer) (io.WriteCloser, error)
	opener func(r io.Reader) (io.Reader, error)
)

// nodeIdentity is, under the data folder, the node's own key to the backups that it wrote: with it
// they are rehearsed without a person. It opens nothing that does not stand in the open beside it,
// but for what was erased since. It never goes into a backup.
const nodeIdentity = "keys/backup.key"

// operatorIdentity is, under the data folder, where an identity is put that was made for the operator.
const operatorIdentity = "recovery/backup-identity.txt"

// Sealing says how a new backup is sealed: to recipients, by a passphrase, or not at all.
type Sealing struct {
	Recipients []string
	Passphrase string
	Plain      bool

	work int // of scrypt, for tests; 0 means age's own
}

func (s Sealing) word() string {
	switch {
	case s.Plain:
		return SealedNone
	case s.Passphrase != "":
		return SealedPassphrase
	}
	return SealedAge
}

// CheckRecipients refuses what age does not know as a recipient.
func CheckRecipients(texts []string) error {
	_, err := recipients(texts)
	return err
}

func recipients(texts []string) ([]age.Recipient, error) {
	var out []age.Recipient
	for _, text := range texts {
		if strings.Contains(strings.ToUpper(text), identityLine) {
			// It is not repeated: what is said here ends up in logs and reports.
			return nil, reason.New(reason.UsageInvalid, "a recipient is a private key: name the public one that stands beside it (age1...), and make a new pair if others could read this")
		}
		r, err := age.ParseRecipients(strings.NewReader(text))
		if err != nil {
			return nil, reason.Wrap(reason.UsageInvalid, fmt.Sprintf("recipient %q", text), err)
		}
		out = append(out, r...)
	}
	return out, nil
}

// complete names recipients where nothing else is said: those that were made before, or a new one, whose
// identity goes into a file that is to be taken away.
func (s *Sealing) complete(data string, known *memory) (identity string, err error) {
	if s.Plain || s.Passphrase != "" || len(s.Recipients) > 0 {
		return "", nil
	}
	if len(known.Recipients) == 0 {
		if data == "" {
			return "", reason.New(reason.UsageInvalid, "seal a backup: name a recipient")
		}
		identity = filepath.Join(data, filepath.FromSlash(operatorIdentity))
		recipient, err := NewIdentity(identity)
		if err != nil {
			return "", err
		}
		known.Recipients = []string{recipient}
		// At once: a key that nobody remembers is in the way of the next one.
		if err := known.write(data); err != nil {
			return "", err
		}
	}
	s.Recipients = known.Recipients
	return identity, nil
}

// operators are who can open what is sealed so, besides the node.
func (s Sealing) operators() ([]age.Recipient, error) {
	if s.Passphrase != "" {
		r, err := age.NewScryptRecipient(s.Passphrase)
		if err == nil && s.work > 0 {
			r.SetWorkFactor(s.work)
		}
		return []age.Recipient{r}, err
	}
	out, err := recipients(s.Recipients)
	if err == nil && len(out) == 0 {
		err = reason.New(reason.UsageInvalid, "seal a backup: nobody could open it; name a recipient")
	}
	return out, err
}

// plainly seals and opens nothing.
func plainly(w io.Writer) (io.WriteCloser, error) { return keepOpen{w}, nil }

func openPlain(r io.Reader) (io.Reader, error) { return r, nil }

type keepOpen struct{ io.Writer }

func (keepOpen) Close() error { return nil }

// newKey makes the key of one backup and puts it into the backup's folder, for the operator and,
// where the node has a data folder, for the node.
func (s Sealing) newKey(dir, data string) (sealer, error) {
	if s.Plain {
		return plainly, nil
	}
	key, err := age.GenerateX25519Identity()
	if err != nil {
		return nil, err
	}
	people, err := s.operators()
	if err != nil {
		return nil, err
	}
	if err := writeSealed(filepath.Join(dir, keyFile), []byte(key.String()), people...); err != nil {
		return nil, err
	}
	if data != "" {
		own, err := ensureNodeIdentity(data)
		if err == nil {
			err = writeSealed(filepath.Join(dir, nodeKeyFile), []byte(key.String()), own.Recipient())
		}
		if err != nil {
			return nil, err
		}
	}
	to := key.Recipient()
	return func(w io.Writer) (io.WriteCloser, error) { return age.Encrypt(w, to) }, nil
}

// writeSealed writes a small new file that the recipients can open.
func writeSealed(path string, raw []byte, to ...age.Recipient) error {
	var b bytes.Buffer
	w, err := age.Encrypt(&b, to...)
	if err != nil {
		return err
	}
	_, err = w.Write(raw)
	if err := errors.Join(err, w.Close()); err != nil {
		return err
	}
	return durable.Write(path, b.Bytes(), 0o600)
}

// ensureNodeIdentity reads the node's own key to its backups, and makes one when there is none.
func ensureNodeIdentity(data string) (*age.X25519Identity, error) {
	path := filepath.Join(data, filepath.FromSlash(nodeIdentity))
	raw, err := readSmall(path)
	if err == nil {
		for line := range strings.Lines(string(raw)) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
				return age.ParseX25519Identity(line)
			}
		}
		err = errors.New("it holds no key")
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, reason.Wrap(reason.KeyFile, "read key "+path, err)
	}
	id, err := age.GenerateX25519Identity()
	if err != nil {
		return nil, err
	}
	text := "# The node's own key to the backups that it writes: it rehearses them. It never goes into one.\n" + id.String() + "\n"
	return id, durable.Write(path, []byte(text), 0o600)
}

// NewIdentity makes an identity for the operator and writes it to a new file, which is
// to be taken away. It returns the recipient.
func NewIdentity(path string) (recipient string, err error) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		return "", err
	}
	if _, err := os.Lstat(path); err == nil {
		return "", reason.New(reason.Conflict, "make a key to the backups: "+path+" exists already; take it away first")
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", err
	}
	text := "# tocsin backup identity. Whoever has it can read the backups; without it nobody can. TAKE IT OFF THIS MACHINE.\n" +
		"# recipient: " + id.Recipient().String() + "\n" + id.String() + "\n"
	return id.Recipient().String(), durable.Write(path, []byte(text), 0o600)
}

// Access is with what backups are opened.
type Access struct {
	// Identities is the text of an age identity file.
	Identities string
	Passphrase string
	// Data is the data folder of the node that wrote them: its own key is tried, and what it remembers of its last backup.
	Data string
	// Org is the organisation whose backups they must be, "" for whoever signed them.
	Org string
	// Plain takes backups that are not sealed, Unsigned those that nobody signed.
	Plain, Unsigned bool
}

func (a Access) identities() (out []age.Identity, err error) {
	if a.Identities != "" {
		if out, err = age.ParseIdentities(strings.NewReader(a.Identities)); err != nil {
			// The cause may show a part of the identity.
			return nil, reason.New(reason.BackupKey, "read the identity: it is no age identity file")
		}
	}
	if a.Passphrase != "" {
		id, err := age.NewScryptIdentity(a.Passphrase)
		if err != nil {
			return nil, err
		}
		out = append(out, id)
	}
	return out, nil
}

// open finds the key of a backup.
func (a Access) open(dir string, about About) (opener, error) {
	if about.Sealed == SealedNone {
		return openPlain, nil
	}
	ids, err := a.identities()
	if err != nil {
		return nil, err
	}
	var key age.Identity
	if len(ids) > 0 {
		key, err = readSealedKey(filepath.Join(dir, keyFile), ids)
	}
	if key == nil && a.Data != "" {
		if own, e := ownIdentity(a.Data); e == nil {
			key, err = readSealedKey(filepath.Join(dir, nodeKeyFile), []age.Identity{own})
		}
	}
	if key == nil {
		if err == nil {
			err = errors.New("no identity was given")
		}
		return nil, reason.Wrap(reason.BackupKey, "open backup "+about.ID, err)
	}
	return func(r io.Reader) (io.Reader, error) { return age.Decrypt(r, key) }, nil
}

// ownIdentity is ensureNodeIdentity for reading only.
func ownIdentity(data string) (*age.X25519Identity, error) {
	if _, err := os.Lstat(filepath.Join(data, filepath.FromSlash(nodeIdentity))); err != nil {
		return nil, err
	}
	return ensureNodeIdentity(data)
}

func readSealedKey(path string, ids []age.Identity) (age.Identity, error) {
	raw, err := readSealed(path, ids)
	if err != nil {
		return nil, err
	}
	return age.ParseX25519Identity(string(raw))
}

// readSealed opens a small file.
func readSealed(path string, ids []age.Identity) ([]byte, error) {
	sealed, err := readSmall(path)
	if err != nil {
		return nil, err
	}
	plain, err := age.Decrypt(bytes.NewReader(sealed), ids...)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(plain)
}
