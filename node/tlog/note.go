package tlog

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// The types of signatures (EVD-08). Ed25519 keys use those of C2SP, so that other programs can check them. For ES256 it
// has no type that fits keys of 33 bytes and s <= n/2, so theirs are named here.
func signatureType(alg protocol.Alg, cosigns bool) []byte {
	switch {
	case alg == protocol.EdDSA && cosigns:
		return []byte{0x04}
	case alg == protocol.EdDSA:
		return []byte{0x01}
	case cosigns:
		return []byte("\xfftocsin/es256-cosignature/1")
	}
	return []byte("\xfftocsin/es256/1")
}

// keyHash is the key ID of C2SP signed-note.
func keyHash(name string, key protocol.PublicKey, cosigns bool) uint32 {
	h := sha256.New()
	h.Write([]byte(name + "\n"))
	h.Write(signatureType(key.Alg(), cosigns))
	h.Write(key.Bytes())
	return binary.BigEndian.Uint32(h.Sum(nil))
}

// cosigned is what a witness signs (C2SP tlog-cosignature).
func cosigned(text []byte, at uint64) []byte {
	return append([]byte("cosignature/v1\ntime "+strconv.FormatUint(at, 10)+"\n"), text...)
}

// signer lets a record key sign notes.
type signer struct {
	name    string
	key     protocol.Signer
	at      int64 // of a cosignature
	cosigns bool
}

func (s *signer) Name() string    { return s.name }
func (s *signer) KeyHash() uint32 { return keyHash(s.name, s.key.Public(), s.cosigns) }

func (s *signer) Sign(text []byte) ([]byte, error) {
	if !s.cosigns {
		return s.key.Sign(text)
	}
	sig, err := s.key.Sign(cosigned(text, uint64(s.at)))
	return append(binary.BigEndian.AppendUint64(nil, uint64(s.at)), sig...), err
}

// SignNote signs a text that begins with a name of this package's.
func SignNote(text, name string, key protocol.Signer) ([]byte, error) {
	raw, err := note.Sign(&note.Note{Text: text}, &signer{name: name, key: key})
	if err != nil {
		return nil, fmt.Errorf("sign as %s: %w", name, err)
	}
	return raw, nil
}

// signature is a signature that holds.
type signature struct {
	name     string
	org      protocol.OrgID
	key      protocol.KeyID
	cosigned bool
	at       time.Time
}

// verifier checks the signatures of one key under one name and remembers what it found.
type verifier struct {
	name    string
	hash    uint32
	key     protocol.PublicKey
	cosigns bool
	at      time.Time
}

func (v *verifier) Name() string    { return v.name }
func (v *verifier) KeyHash() uint32 { return v.hash }

func (v *verifier) Verify(text, sig []byte) bool {
	if !v.cosigns {
		return v.key.Verify(text, sig)
	}
	if len(sig) != 8+protocol.SignatureBytes {
		return false
	}
	at := binary.BigEndian.Uint64(sig)
	if at >= 1<<40 { // tens of thousands of years: what dates can be shown
		return false
	}
	v.at = time.Unix(int64(at), 0).UTC()
	return v.key.Verify(cosigned(text, at), sig[8:])
}

// certified finds verifiers among the certified record keys of the organisation that a name names.
type certified struct {
	chains *protocol.Chains
	found  []*verifier
}

func (c *certified) Verifier(text string, hash uint32) (note.Verifier, error) {
	unknown := &note.UnknownVerifierError{Name: text, KeyHash: hash}
	n, err := parseName(text)
	if err != nil || n.network != c.chains.Network() {
		return nil, unknown
	}
	org, ok := c.chains.Org(n.org)
	if !ok {
		return nil, unknown
	}
	cosigns := n.prefix == witnessPrefix
	for _, cert := range org.Certificates {
		if keyHash(text, cert.RecordKey, cosigns) == hash {
			v := &verifier{name: text, hash: hash, key: cert.RecordKey, cosigns: cosigns}
			c.found = append(c.found, v)
			return v, nil
		}
	}
	return nil, unknown
}

// openNote verifies every signature of a note. One by a key that the chains do not know is cert.unknown.
func openNote(raw []byte, chains *protocol.Chains) ([]signature, error) {
	_, lines, err := splitNote(raw)
	if err != nil {
		return nil, reason.Wrap(reason.WireFraming, "read a signed note", err)
	}
	keys := &certified{chains: chains}
	n, err := note.Open(raw, keys)
	if unverified, ok := errors.AsType[*note.UnverifiedNoteError](err); ok && len(unverified.Note.UnverifiedSigs) > 0 {
		return nil, reason.New(reason.CertUnknown, "no known certificate fits the key of "+strconv.Quote(unverified.Note.UnverifiedSigs[0].Name))
	}
	if err != nil {
		return nil, reason.Wrap(reason.SigInvalid, "check a signed note", err)
	}
	if len(n.UnverifiedSigs) > 0 {
		return nil, reason.New(reason.CertUnknown, "no known certificate fits the key of "+strconv.Quote(n.UnverifiedSigs[0].Name))
	}
	if len(n.Sigs) != lines {
		return nil, reason.New(reason.SigInvalid, "two signatures of one key stand under a note")
	}
	var out []signature
	for _, v := range keys.found {
		parsed, err := parseName(v.name)
		if err != nil {
			return nil, err
		}
		out = append(out, signature{name: v.name, org: parsed.org, key: v.key.ID(), cosigned: v.cosigns, at: v.at})
	}
	return out, nil
}

// OpenNote verifies a note that was signed under one name alone, and gives its text and the key.
func OpenNote(raw []byte, name string, chains *protocol.Chains) (text string, key protocol.KeyID, err error) {
	sigs, err := openNote(raw, chains)
	if err != nil {
		return "", key, err
	}
	if len(sigs) != 1 || sigs[0].name != name {
		return "", key, reason.New(reason.SigInvalid, "a note is not signed as "+strconv.Quote(name))
	}
	text, _, err = splitNote(raw)
	return text, sigs[0].key, err
}

// NoteText is the text of a note, of which no signature is checked.
func NoteText(raw []byte) (string, error) {
	text, _, err := splitNote(raw)
	return text, err
}

// splitNote takes a note apart and holds it to one spelling: x/mod reads base64 whose last bits are not zero, too.
func splitNote(raw []byte) (text string, signatures int, err error) {
	if len(raw) > MaxNoteBytes {
		return "", 0, fmt.Errorf("a note of %d bytes, the limit is %d", len(raw), MaxNoteBytes)
	}
	i := bytes.LastIndex(raw, []byte("\n\n"))
	if i < 0 {
		return "", 0, errors.New("it is no signed note")
	}
	text = string(raw[:i+1])
	lines := strings.SplitAfter(string(raw[i+2:]), "\n")
	if lines[len(lines)-1] != "" || len(lines) < 2 || len(lines) > maxSignatures+1 {
		return "", 0, fmt.Errorf("it has not 1 to %d signature lines", maxSignatures)
	}
	for _, line := range lines[:len(lines)-1] {
		name, sig, ok := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(line, "— "), "\n"), " ")
		blob, err := base64.StdEncoding.Strict().DecodeString(sig)
		if !ok || err != nil || "— "+name+" "+base64.StdEncoding.EncodeToString(blob)+"\n" != line {
			return "", 0, errors.New("a signature line of it is malformed")
		}
	}
	return text, len(lines) - 1, nil
}
