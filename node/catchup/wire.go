package catchup

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"tocsin/node/p2p"
	"tocsin/protocol"
	"tocsin/protocol/recon"
)

// The bounds of SPEC 12.
const (
	syncProtocol = "/tocsin/sync/1" // SYN-02
	syncService  = "tocsin/sync"

	maxMessage = 64 << 10    // SYN-04: of Negentropy
	maxFetch   = 256         // SYN-05: ids in one question
	maxPlaces  = 1024        // SYN-06: places in one question
	maxBytes   = 17<<16 - 64 // of a record in an answer: what the rest of the frame leaves of it
	maxAnswer  = 17 << 16    // SYN-02: a whole frame, 1,114,112 bytes
	maxNeed    = 128 << 10   // SYN-14: ids that one session may leave us to fetch
	// settling is how long gossip has before a record counts as missing (SYN-03).
	settling = 5 * time.Second

	frameIdle     = 20 * time.Second // NET-27
	frameDeadline = 30 * time.Minute
	// exchangeMemory is what an exchange may hold: the frame being read, the one being built and the stream's buffers.
	exchangeMemory = maxAnswer + maxMessage + 128<<10
	exchangesPeer  = 4
	exchangesTotal = 24
)

// kind is the type of a frame (SYN-02).
type kind byte

const (
	kindOpen kind = iota + 1
	kindNext
	kindFetch
	kindRange
	kindHint
	kindDigest
	kindRefusal
)

// form is how much of a record an answer holds (SYN-08).
type form uint64

const (
	formAbsent form = iota
	formFull
	formPruned
	formHeader
)

// The codes of a refusal.
const (
	refusedTopic = 1
	refusedNow   = 2
)

// openMessage begins the session of a topic.
type openMessage struct {
	_       struct{} `cbor:",toarray"`
	Topic   string
	Until   uint64
	Message []byte
}

// nextMessage is a message of Negentropy, either way.
type nextMessage struct {
	_       struct{} `cbor:",toarray"`
	Message []byte
}

// idsMessage asks for records, or answers which there are at places.
type idsMessage struct {
	_   struct{} `cbor:",toarray"`
	IDs []protocol.RecordID
}

// itemMessage answers with one record.
type itemMessage struct {
	_     struct{} `cbor:",toarray"`
	ID    protocol.RecordID
	Form  form
	Bytes []byte
}

// rangeMessage asks which records stand at places of a key log.
type rangeMessage struct {
	_        struct{} `cbor:",toarray"`
	Topic    string
	Org      protocol.OrgID
	Key      protocol.KeyID
	From, To uint64
}

// hintMessage says that the answerer lacks records.
type hintMessage struct {
	_     struct{} `cbor:",toarray"`
	Topic string
	N     uint64
}

// digestMessage asks for the digest of a topic.
type digestMessage struct {
	_     struct{} `cbor:",toarray"`
	Topic string
	Until uint64
}

// digestAnswer has it.
type digestAnswer struct {
	_      struct{} `cbor:",toarray"`
	N      uint64
	Digest protocol.Digest
}

// refusalMessage says why there is no answer.
type refusalMessage struct {
	_    struct{} `cbor:",toarray"`
	Code uint64
}

var errMessage = errors.New("sync message is malformed")

// encode makes a frame.
func encode(k kind, v any) ([]byte, error) {
	body, err := p2p.EncodeMessage(v)
	if err != nil {
		return nil, err
	}
	return append([]byte{byte(k)}, body...), nil
}

// decode reads the body of a frame into v, holding every limit that can be read from bytes alone.
func decode(body []byte, v any, check func() error) error {
	if err := p2p.DecodeMessage(body, v, maxPlaces, errMessage); err != nil {
		return err
	}
	return check()
}

func malformed(format string, a ...any) error {
	return fmt.Errorf("%w: %s", errMessage, fmt.Sprintf(format, a...))
}

func checkTopic(name string) error {
	if _, err := protocol.ParseTopic(name); err != nil {
		return fmt.Errorf("%w: %w", errMessage, err)
	}
	return nil
}

func checkMessage(raw []byte) error {
	// SYN-04
	if len(raw) == 0 || len(raw) > maxMessage {
		return malformed("a message of %d bytes, at most %d", len(raw), maxMessage)
	}
	return nil
}

func (m *openMessage) check() error { return errors.Join(checkTopic(m.Topic), checkMessage(m.Message)) }

func (m *nextMessage) check() error { return checkMessage(m.Message) }

// check takes what answers a range; a fetch is narrower, as checkFetch says.
func (m *idsMessage) check() error {
	seen := make(map[protocol.RecordID]bool, len(m.IDs))
	for _, id := range m.IDs {
		if seen[id] {
			return malformed("an id twice")
		}
		seen[id] = true
	}
	return nil
}

// checkFetch: SYN-05.
func (m *idsMessage) checkFetch() error {
	if len(m.IDs) == 0 || len(m.IDs) > maxFetch {
		return malformed("%d ids, from 1 to %d", len(m.IDs), maxFetch)
	}
	return nil
}

func (m *itemMessage) check() error {
	// SYN-08
	if m.Form > formHeader || (m.Form == formAbsent) != (len(m.Bytes) == 0) {
		return malformed("form %d with %d bytes", m.Form, len(m.Bytes))
	}
	return nil
}

func (m *rangeMessage) check() error {
	// SYN-06
	if m.From == 0 || m.To < m.From || m.To-m.From >= maxPlaces {
		return malformed("places %d to %d", m.From, m.To)
	}
	return checkTopic(m.Topic)
}

func (m *hintMessage) check() error { return checkTopic(m.Topic) }

func (m *digestMessage) check() error { return checkTopic(m.Topic) }

func anything() error { return nil }

// digestOf is the digest of a set (SYN-20).
func digestOf(topic protocol.Topic, s recon.Set) (protocol.Digest, error) {
	f := s.Fingerprint(0, s.Len())
	raw, err := p2p.EncodeMessage([]any{"tocsin/1", "digest", topic.String(), s.Len(), bytes.Clone(f[:])})
	if err != nil {
		return protocol.Digest{}, err
	}
	return sha256.Sum256(raw), nil
}

// bounded is the part of a topic's set that a session is about (SYN-03).
func bounded(s recon.Set, until uint64) recon.Set { return recon.Between(s, 0, until) }

// settled is the bound that an asker sets now.
func settled(now time.Time) time.Time { return now.Add(-settling).Truncate(time.Millisecond) }

// bound is t as it stands in a message.
func bound(t time.Time) uint64 { return uint64(t.UnixMilli()) }
