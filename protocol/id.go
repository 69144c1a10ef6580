package protocol

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// OrgID names an organisation for ever: the digest of its genesis statement
// (SPEC ID-01).
type OrgID [32]byte

// KeyID names a key: SHA-256 over its canonical encoding (SPEC ID-02).
type KeyID [32]byte

// RecordID names a record: SHA-256 over its Sig_structure, the signature not
// included (SPEC ID-03).
type RecordID [32]byte

// Digest is a SHA-256 digest of a statement, certificate, body or object.
type Digest [32]byte

const digestPrefix = "sha256:"

// String gives "sha256:" and 64 lower-case hex digits.
func (id OrgID) String() string { return digestPrefix + hex.EncodeToString(id[:]) }

// String gives "sha256:" and 64 lower-case hex digits.
func (id KeyID) String() string { return digestPrefix + hex.EncodeToString(id[:]) }

// String gives "sha256:" and 64 lower-case hex digits.
func (id RecordID) String() string { return digestPrefix + hex.EncodeToString(id[:]) }

// String gives "sha256:" and 64 lower-case hex digits.
func (d Digest) String() string { return digestPrefix + hex.EncodeToString(d[:]) }

// ParseOrgID reads what OrgID.String writes; nothing shorter is taken.
func ParseOrgID(s string) (OrgID, error) {
	b, err := parseDigest(s)
	return OrgID(b), err
}

// ParseRecordID reads what RecordID.String writes; nothing shorter is taken.
func ParseRecordID(s string) (RecordID, error) {
	b, err := parseDigest(s)
	return RecordID(b), err
}

// ParseKeyID reads what KeyID.String writes; nothing shorter is taken.
func ParseKeyID(s string) (KeyID, error) {
	b, err := parseDigest(s)
	return KeyID(b), err
}

// ParseDigest reads what Digest.String writes; nothing shorter is taken.
func ParseDigest(s string) (Digest, error) {
	b, err := parseDigest(s)
	return Digest(b), err
}

// MarshalText writes what String gives, so that files and answers name ids as people see them.
func (id OrgID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// MarshalText writes what String gives.
func (id KeyID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// MarshalText writes what String gives.
func (id RecordID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// MarshalText writes what String gives.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what MarshalText writes; nothing shorter is taken.
func (id *OrgID) UnmarshalText(text []byte) error { return unmarshalText((*[32]byte)(id), text) }

// UnmarshalText reads what MarshalText writes; nothing shorter is taken.
func (id *KeyID) UnmarshalText(text []byte) error { return unmarshalText((*[32]byte)(id), text) }

// UnmarshalText reads what MarshalText writes; nothing shorter is taken.
func (id *RecordID) UnmarshalText(text []byte) error { return unmarshalText((*[32]byte)(id), text) }

// UnmarshalText reads what MarshalText writes; nothing shorter is taken.
func (d *Digest) UnmarshalText(text []byte) error { return unmarshalText((*[32]byte)(d), text) }

func unmarshalText(into *[32]byte, text []byte) error {
	d, err := parseDigest(string(text))
	if err != nil {
		return err
	}
	*into = d
	return nil
}

func parseDigest(s string) (d [32]byte, err error) {
	text, ok := strings.CutPrefix(s, digestPrefix)
	if !ok || len(text) != 64 {
		return d, fmt.Errorf("id %q: want %q and 64 hex digits", s, digestPrefix)
	}
	if strings.ToLower(text) != text {
		return d, fmt.Errorf("id %q: hex digits are lower case", s)
	}
	if _, err := hex.Decode(d[:], []byte(text)); err != nil {
		return d, fmt.Errorf("id %q: %w", s, err)
	}
	return d, nil
}
