// Package keystore keeps a node's private keys on disk, one file per key, mode
// 0600, and hands them out as operations only. It refuses files that others
// may read. It knows nothing of chains beyond the keys.
package keystore

import (
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"

	"tocsin/node/durable"
	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// The folders under a node's data folder, and the files in them.
const (
	keysFolder     = "keys"
	recoveryFolder = "recovery"

	hostFile       = "host.key"
	recordFile     = "record.key"
	operationsFile = "operations.key"
	encryptionFile = "encryption.key"
	rootFile       = "root.key"
	nextFile       = "next.key"
)

// Keys are a node's keys.
type Keys struct {
	// Host is the transport key: replaceable, without authority.
	Host crypto.PrivKey
	// Record signs records.
	Record protocol.Signer
	// Operations certifies node keys; nil on a node that does not hold it.
	Operations protocol.Signer
	// EncryptionPublic is the public encryption key (X25519 until sealed records come).
	EncryptionPublic []byte
}

// PeerID is the libp2p peer id of the host key.
func (k *Keys) PeerID() (peer.ID, error) { return peer.IDFromPrivateKey(k.Host) }

// Founder are the root keys made at founding, to be taken off the node.
type Founder struct {
	Root protocol.Signer
	// Next is the root's successor; nil when Offline are.
	Next protocol.Signer
	// Offline are successors that were made on other machines, Threshold of which must sign.
	Offline   []protocol.PublicKey
	Threshold int
}

// Create makes all keys of a new one-of-one organisation under dir: keys/ for
// daily use, recovery/root.key and recovery/next.key. It refuses (node.exists)
// when any is there and leaves nothing half made: everything is written and
// synced aside and then moved into place, keys/ last.
func Create(dir string) (*Keys, *Founder, error) {
	return makeAll(dir, recoveryNote, nextFile)
}

// CreateFor is Create for an organisation whose next roots are the given keys, made on
// machines that are not this one: there is no recovery/next.key then.
func CreateFor(dir string, offline []protocol.PublicKey, threshold int) (*Keys, *Founder, error) {
	keys, founder, err := makeAll(dir, foundingNote)
	if err != nil {
		return nil, nil, err
	}
	founder.Offline, founder.Threshold = offline, threshold
	return keys, founder, nil
}

// What stands in the files of root keys.
const (
	recoveryNote = "root key: TAKE IT OFF THIS MACHINE, apart from next.key"
	foundingNote = "founding root key: TAKE IT OFF THIS MACHINE; destroy it once the offline roots took over"
)

// makeAll makes the keys; more names further root keys besides root.key.
func makeAll(dir, rootNote string, more ...string) (*Keys, *Founder, error) {
	for _, name := range []string{recoveryFolder, keysFolder} {
		path := filepath.Join(dir, name)
		if _, err := os.Lstat(path); err == nil {
			return nil, nil, reason.New(reason.NodeExists, "make keys: "+path+" exists already")
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, nil, fmt.Errorf("make keys: %w", err)
		}
	}
	aside, err := os.MkdirTemp(dir, ".keys-*")
	if err != nil {
		return nil, nil, fmt.Errorf("make keys: %w", err)
	}
	defer os.RemoveAll(aside)
	secrets, err := writeAll(aside, rootNote, more)
	if err != nil {
		return nil, nil, fmt.Errorf("make keys: %w", err)
	}
	if err := moveIn(aside, dir); err != nil {
		return nil, nil, fmt.Errorf("make keys: %w", err)
	}
	keys, err := secrets.keys()
	if err != nil {
		return nil, nil, err
	}
	founder := &Founder{Root: secrets.signers[rootFile]}
	if next := secrets.signers[nextFile]; next != nil {
		founder.Next = next
	}
	return keys, founder, nil
}

// moveIn puts recovery/ and then keys/ in their place. If we stop between the
// two, there is no keys/, so no node can start from what is there.
func moveIn(aside, dir string) error {
	recovery := filepath.Join(dir, recoveryFolder)
	if err := os.Rename(filepath.Join(aside, recoveryFolder), recovery); err != nil {
		return err
	}
	err := os.Rename(filepath.Join(aside, keysFolder), filepath.Join(dir, keysFolder))
	if err != nil {
		return errors.Join(err, os.RemoveAll(recovery))
	}
	return durable.SyncFolder(dir)
}

// secrets are keys as they go to disk and come from it.
type secrets struct {
	signers    map[string]*protocol.PrivateKey // by file name
	host       ed25519.PrivateKey
	encryption *ecdh.PrivateKey
}

// writeAll makes the keys and writes their files under dir.
func writeAll(dir, rootNote string, more []string) (*secrets, error) {
	for _, folder := range []string{keysFolder, recoveryFolder} {
		if err := os.Mkdir(filepath.Join(dir, folder), 0o700); err != nil {
			return nil, err
		}
	}
	s := &secrets{signers: map[string]*protocol.PrivateKey{}}
	var err error
	if _, s.host, err = ed25519.GenerateKey(rand.Reader); err != nil {
		return nil, err
	}
	if s.encryption, err = ecdh.X25519().GenerateKey(rand.Reader); err != nil {
		return nil, err
	}
	keys, recovery := filepath.Join(dir, keysFolder), filepath.Join(dir, recoveryFolder)
	type file struct{ folder, name, note string }
	files := []file{
		{keys, recordFile, "record key: signs this node's records"},
		{keys, operationsFile, "operations key: certifies the organisation's nodes"},
		{recovery, rootFile, rootNote},
	}
	for _, name := range more {
		files = append(files, file{recovery, name, "next root key: TAKE IT OFF THIS MACHINE, apart from root.key"})
	}
	for _, f := range files {
		key, err := protocol.GenerateKey(protocol.EdDSA, rand.Reader)
		if err != nil {
			return nil, err
		}
		s.signers[f.name] = key
		id := key.Public().ID()
		if err := writeKey(filepath.Join(f.folder, f.name), f.note+"\nid "+id.String(), algEd25519, key.Seed()); err != nil {
			return nil, err
		}
	}
	err = errors.Join(
		writeKey(filepath.Join(keys, hostFile), "transport key: replaceable, signs no records", algEd25519, s.host.Seed()),
		writeKey(filepath.Join(keys, encryptionFile), "encryption key", algX25519, s.encryption.Bytes()),
		durable.SyncFolder(keys), durable.SyncFolder(recovery))
	return s, err
}

func (s *secrets) keys() (*Keys, error) {
	host, err := crypto.UnmarshalEd25519PrivateKey(s.host)
	if err != nil {
		return nil, reason.Wrap(reason.KeyFile, "use "+hostFile, err)
	}
	k := &Keys{Host: host, Record: s.signers[recordFile], EncryptionPublic: s.encryption.PublicKey().Bytes()}
	if operations := s.signers[operationsFile]; operations != nil {
		k.Operations = operations
	}
	return k, nil
}

// Load reads the keys under dir. Errors name the file and what to do:
// node.absent when there are no keys at all, key.file when one is missing, broken
// or open to others. Only the operations key may be absent.
func Load(dir string) (*Keys, error) {
	folder := filepath.Join(dir, keysFolder)
	if err := checkFolder(folder); err != nil {
		return nil, err
	}
	s := &secrets{signers: map[string]*protocol.PrivateKey{}}
	for _, name := range []string{recordFile, operationsFile} {
		key, err := readSigner(filepath.Join(folder, name))
		if name == operationsFile && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		s.signers[name] = key
	}
	seed, err := readKey(filepath.Join(folder, hostFile), algEd25519)
	if err != nil {
		return nil, err
	}
	s.host = ed25519.NewKeyFromSeed(seed)
	secret, err := readKey(filepath.Join(folder, encryptionFile), algX25519)
	if err != nil {
		return nil, err
	}
	if s.encryption, err = ecdh.X25519().NewPrivateKey(secret); err != nil {
		return nil, reason.Wrap(reason.KeyFile, "read key "+filepath.Join(folder, encryptionFile), err)
	}
	return s.keys()
}

// RecoveryOn lists the root keys that are still on this machine under dir.
func RecoveryOn(dir string) []string {
	var found []string
	for _, name := range []string{rootFile, nextFile} {
		path := filepath.Join(dir, recoveryFolder, name)
		if _, err := os.Lstat(path); err == nil {
			found = append(found, path)
		}
	}
	return found
}
