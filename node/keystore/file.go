package keystore

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// A key file is text: lines that start with # say what it is, and one line
// holds the key: "tocsin-key-1", the algorithm, the 32-byte secret in base64.
const (
	formatName = "tocsin-key-1"
	algEd25519 = "ed25519"
	algP256    = "p256" // a signing key only: made elsewhere, put in place by hand
	algX25519  = "x25519"

	secretBytes  = 32
	maxFileBytes = 4 << 10 // a key file has about 200
)

// writeKey makes a new file, mode 0600, and syncs it. It never overwrites.
func writeKey(path, note, alg string, secret []byte) (err error) {
	var text strings.Builder
	text.WriteString("# tocsin private key. Whoever reads it can act in its name.\n")
	for line := range strings.SplitSeq(note, "\n") {
		text.WriteString("# " + line + "\n")
	}
	fmt.Fprintf(&text, "%s %s %s\n", formatName, alg, base64.StdEncoding.EncodeToString(secret))

	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := f.WriteString(text.String()); err != nil {
		return err
	}
	return f.Sync()
}

// readSigner reads a signing key of either algorithm.
func readSigner(path string) (*protocol.PrivateKey, error) {
	alg, secret, err := readFile(path)
	if err != nil {
		return nil, err
	}
	algs := map[string]protocol.Alg{algEd25519: protocol.EdDSA, algP256: protocol.ES256}
	if algs[alg] == 0 {
		return nil, reason.New(reason.KeyFile, fmt.Sprintf("read key %s: it is of %s, want %s or %s", path, alg, algEd25519, algP256))
	}
	key, err := protocol.NewPrivateKey(algs[alg], secret)
	if err != nil {
		return nil, reason.Wrap(reason.KeyFile, "read key "+path, err)
	}
	return key, nil
}

// readKey reads a key that must be of one algorithm.
func readKey(path, alg string) ([]byte, error) {
	got, secret, err := readFile(path)
	if err != nil {
		return nil, err
	}
	if got != alg {
		return nil, reason.New(reason.KeyFile, fmt.Sprintf("read key %s: it is of %s, want %s", path, got, alg))
	}
	return secret, nil
}

func readFile(path string) (alg string, secret []byte, err error) {
	f, err := openPrivate(path)
	if err != nil {
		return "", nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err != nil {
		return "", nil, reason.Wrap(reason.KeyFile, "read key "+path, err)
	}
	if len(raw) > maxFileBytes {
		return "", nil, reason.New(reason.KeyFile, fmt.Sprintf("read key %s: larger than %d bytes, so no key file", path, maxFileBytes))
	}
	alg, secret, err = parseKey(string(raw))
	if err != nil {
		return "", nil, reason.Wrap(reason.KeyFile, "read key "+path+" (restore it from a backup)", err)
	}
	return alg, secret, nil
}

// parseKey never puts any part of a file into an error: it may be the secret.
func parseKey(text string) (alg string, secret []byte, err error) {
	var line string
	for l := range strings.Lines(text) {
		l = strings.TrimSpace(l)
		if l == "" || strings.HasPrefix(l, "#") {
			continue
		}
		if line != "" {
			return "", nil, errors.New("more than one key in the file")
		}
		line = l
	}
	fields := strings.Fields(line)
	if len(fields) != 3 || fields[0] != formatName {
		return "", nil, errors.New("no line of the form: " + formatName + " ALGORITHM BASE64")
	}
	switch fields[1] {
	case algEd25519, algP256, algX25519:
	default:
		return "", nil, errors.New("unknown algorithm")
	}
	secret, err = base64.StdEncoding.Strict().DecodeString(fields[2])
	if err != nil || len(secret) != secretBytes {
		return "", nil, fmt.Errorf("the key is not %d bytes of base64", secretBytes)
	}
	return fields[1], secret, nil
}

// openPrivate opens a file that is what it seems, a plain file that only its
// owner can read, and stays so between the look and the opening.
func openPrivate(path string) (*os.File, error) {
	seen, err := os.Lstat(path)
	if err != nil {
		return nil, reason.Wrap(reason.KeyFile, "read key "+path+" (restore it from a backup)", err)
	}
	if !seen.Mode().IsRegular() {
		return nil, reason.New(reason.KeyFile,
			fmt.Sprintf("read key %s: it is no plain file (%s); put the key itself there", path, seen.Mode().Type()))
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, reason.Wrap(reason.KeyFile, "read key "+path, err)
	}
	info, err := f.Stat()
	if err == nil && !os.SameFile(seen, info) {
		err = errors.New("it was exchanged while it was opened")
	}
	if err == nil && info.Mode().Perm()&0o077 != 0 {
		err = fmt.Errorf("mode %04o lets others at it; run: chmod 600 %s", info.Mode().Perm(), path)
	}
	if err != nil {
		f.Close()
		return nil, reason.Wrap(reason.KeyFile, "read key "+path, err)
	}
	return f, nil
}

// checkFolder refuses a folder in which others could exchange the keys.
func checkFolder(path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return reason.New(reason.NodeNotFound, "no keys in "+path)
	}
	if err != nil {
		return reason.Wrap(reason.KeyFile, "read keys", err)
	}
	if !info.IsDir() {
		return reason.New(reason.KeyFile, "read keys: "+path+" is no folder")
	}
	if info.Mode().Perm()&0o022 != 0 {
		return reason.New(reason.KeyFile,
			fmt.Sprintf("read keys: mode %04o of %s lets others exchange keys; run: chmod 700 %s", info.Mode().Perm(), path, path))
	}
	return nil
}
