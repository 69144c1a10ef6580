// Package keystore keeps a node's private keys on disk, one file per key, mode
// 0600, and hands them out as operations only. It refuses files that others
// may read. It knows nothing of chains beyond the keys.
package keystore

import (
	"github.com/libp2p/go-libp2p/core/crypto"

	"tocsin/protocol"
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

// Founder are the root keys made at founding, to be taken off the node.
type Founder struct {
	Root, Next protocol.Signer
}

// Create makes all keys of a new one-of-one organisation under dir: keys/ for
// daily use, recovery/root and recovery/next. It refuses (node.exists) when
// any is there and leaves nothing half made.
func Create(dir string) (*Keys, *Founder, error) { panic("unwritten") }

// Load reads the keys under dir. Errors name the file and what to do.
func Load(dir string) (*Keys, error) { panic("unwritten") }
