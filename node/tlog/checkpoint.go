package tlog

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// What bounds a note (EVD-08).
const (
	MaxNoteBytes  = 8 << 10
	maxSignatures = 16
)

// What the names of this project's notes begin with. A text that is signed begins with one of them, or with the
// header of a cosignature; no record and no statement does (EVD-07).
const (
	auditPrefix   = "tocsin/audit/1/"
	witnessPrefix = "tocsin/witness/1/"
	packPrefix    = "tocsin/evidence/1/"
)

// errName refuses what no function here writes.
var errName = errors.New("this is no name of a log, witness or pack")

// AuditOrigin names a node's audit log: its network, its organisation, the hash of its first entry.
func AuditOrigin(network string, org protocol.OrgID, first protocol.Digest) string {
	return auditPrefix + network + "/" + hex.EncodeToString(org[:]) + "/" + hex.EncodeToString(first[:])
}

// WitnessName is the name under which an organisation cosigns.
func WitnessName(network string, org protocol.OrgID) string {
	return witnessPrefix + network + "/" + hex.EncodeToString(org[:])
}

// PackOrigin is the name under which an organisation signs evidence packs.
func PackOrigin(network string, org protocol.OrgID) string {
	return packPrefix + network + "/" + hex.EncodeToString(org[:])
}

// name is a name taken apart.
type name struct {
	prefix, network string
	org             protocol.OrgID
	first           protocol.Digest // of audit logs
}

func parseName(text string) (n name, err error) {
	for _, n.prefix = range []string{auditPrefix, witnessPrefix, packPrefix} {
		rest, ok := strings.CutPrefix(text, n.prefix)
		if !ok {
			continue
		}
		parts := strings.Split(rest, "/")
		want := 2
		if n.prefix == auditPrefix {
			want = 3
		}
		if len(parts) != want || !regexp.MustCompile(`^[a-z0-9-]{1,40}$`).MatchString(parts[0]) {
			return n, errName
		}
		n.network = parts[0]
		if n.org, err = protocol.ParseOrgID("sha256:" + parts[1]); err != nil {
			return n, errName
		}
		if want == 3 {
			if n.first, err = protocol.ParseDigest("sha256:" + parts[2]); err != nil {
				return n, errName
			}
		}
		return n, nil
	}
	return n, errName
}

// OrgOf reads which organisation and network the origin of an audit log names, and the hash of its first entry.
func OrgOf(origin string) (network string, org protocol.OrgID, first protocol.Digest, err error) {
	n, err := parseName(origin)
	if err == nil && n.prefix != auditPrefix {
		err = errName
	}
	return n.network, n.org, n.first, err
}

// Checkpoint is the head of a log's tree (C2SP tlog-checkpoint, without extensions).
type Checkpoint struct {
	Origin string
	Size   uint64
	Root   protocol.Digest
}

// Text is what is signed.
func (c Checkpoint) Text() string {
	return c.Origin + "\n" + strconv.FormatUint(c.Size, 10) + "\n" + base64.StdEncoding.EncodeToString(c.Root[:]) + "\n"
}

func parseCheckpoint(text string) (c Checkpoint, err error) {
	lines := strings.Split(text, "\n")
	if len(lines) != 4 {
		return c, errors.New("a checkpoint has three lines")
	}
	c.Origin = lines[0]
	if _, _, _, err := OrgOf(c.Origin); err != nil {
		return c, err
	}
	if c.Size, err = strconv.ParseUint(lines[1], 10, 63); err != nil || c.Size == 0 {
		return c, errors.New("the second line is no number of entries")
	}
	root, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil || len(root) != len(c.Root) {
		return c, errors.New("the third line is no digest")
	}
	copy(c.Root[:], root)
	if c.Text() != text {
		return c, errors.New("it is not written as checkpoints are")
	}
	return c, nil
}

// Signed is a checkpoint whose signatures hold.
type Signed struct {
	Checkpoint
	Org protocol.OrgID
	Key protocol.KeyID
	// Cosignatures are those of witnesses, in the order of their lines.
	Cosignatures []Cosignature
	// Note is the signed note with all its lines.
	Note []byte
}

// Cosignature is a witness's word: at that time this was the longest tree of that log that it had seen, and it
// continued every earlier one.
type Cosignature struct {
	Org protocol.OrgID
	Key protocol.KeyID
	At  time.Time
}

// Sign signs a checkpoint with a record key.
func Sign(c Checkpoint, key protocol.Signer) ([]byte, error) {
	if _, err := parseCheckpoint(c.Text()); err != nil {
		return nil, fmt.Errorf("sign a checkpoint: %w", err)
	}
	return SignNote(c.Text(), c.Origin, key)
}

// Open reads a checkpoint whose every signature holds by the chains: that of the log and those of witnesses. Errors carry
// sig.invalid, cert.unknown or wire.framing.
func Open(raw []byte, chains *protocol.Chains) (*Signed, error) {
	c, err := Peek(raw)
	if err != nil {
		return nil, err
	}
	network, org, _, err := OrgOf(c.Origin)
	if err != nil {
		return nil, err
	}
	if network != chains.Network() {
		return nil, reason.New(reason.SigInvalid, fmt.Sprintf("read a checkpoint: it is of network %q, not %q", network, chains.Network()))
	}
	s := &Signed{Checkpoint: c, Org: org, Note: raw}
	sigs, err := openNote(raw, chains)
	if err != nil {
		return nil, fmt.Errorf("read the checkpoint of %s: %w", c.Origin, err)
	}
	for _, sig := range sigs {
		switch {
		case sig.name == c.Origin:
			s.Key = sig.key
		case sig.cosigned:
			s.Cosignatures = append(s.Cosignatures, Cosignature{Org: sig.org, Key: sig.key, At: sig.at})
		default:
			return nil, reason.New(reason.SigInvalid, "read a checkpoint: signed as "+strconv.Quote(sig.name))
		}
	}
	if s.Key == (protocol.KeyID{}) {
		return nil, reason.New(reason.SigInvalid, "read a checkpoint: its own log did not sign it")
	}
	return s, nil
}

// Peek reads what a checkpoint says and checks no signature.
func Peek(raw []byte) (Checkpoint, error) {
	text, _, err := splitNote(raw)
	if err != nil {
		return Checkpoint{}, reason.Wrap(reason.WireFraming, "read a checkpoint", err)
	}
	c, err := parseCheckpoint(text)
	if err != nil {
		return Checkpoint{}, reason.Wrap(reason.WireFraming, "read a checkpoint", err)
	}
	return c, nil
}

// Cosign makes a witness's signature line for a checkpoint.
func Cosign(c Checkpoint, org protocol.OrgID, network string, key protocol.Signer, at time.Time) ([]byte, error) {
	raw, err := note.Sign(&note.Note{Text: c.Text()}, &signer{name: WitnessName(network, org), key: key, at: at.Unix(), cosigns: true})
	if err != nil {
		return nil, fmt.Errorf("cosign the checkpoint of %s: %w", c.Origin, err)
	}
	return raw[len(c.Text())+1:], nil
}

// With adds a witness's line to a checkpoint; it must verify. One of an organisation that cosigned already changes nothing.
func (s *Signed) With(line []byte, chains *protocol.Chains) (*Signed, error) {
	alone, err := Open(append(append([]byte(nil), s.Note...), line...), chains)
	if err != nil {
		return nil, err
	}
	if len(alone.Cosignatures) != len(s.Cosignatures)+1 {
		return nil, reason.New(reason.SigInvalid, "cosign a checkpoint: this is not one cosignature")
	}
	fresh := alone.Cosignatures[len(alone.Cosignatures)-1]
	for _, c := range s.Cosignatures {
		if c.Org == fresh.Org {
			return s, nil
		}
	}
	return alone, nil
}
