package protocol

import (
	"fmt"
	"io"
	"time"

	"tocsin/protocol/reason"
	"tocsin/protocol/stix"
)

// Header is a record's signed header, decoded (SPEC 4.2).
type Header struct {
	Topic       Topic
	Kind        Kind
	Sequence    uint64   // 1, 2, 3 ... per (record key, topic)
	Previous    RecordID // zero at sequence 1
	Created     time.Time
	Expires     time.Time
	TLP         stix.TLP
	Upstream    string // label of the source this was taken from, or ""
	Defaults    Defaults
	Count       int
	Root        Digest
	RawLength   int
	BodyLength  int
	BodyHash    Digest
	Certificate Digest
}

// Defaults are what the importing operator states where an object is silent;
// signed, applied by every receiver in the same way (SPEC REC-20).
type Defaults struct {
	Producer   string        // "" when not stated
	Confidence int           // -1 when not stated
	ValidFor   time.Duration // whole seconds, 0 when not stated
}

// Record is a record whose header, signature, body hash and sizes were checked.
// Only Sign and the functions that verify make one. Signed content: everything Header and Open
// give. Nothing local is in it. It is immutable and safe for concurrent use.
type Record struct {
	raw          []byte
	header       Header
	id           RecordID
	cert         *Certificate
	headerLength int
	statements   []*Statement
	fork         *ForkProof
	form         form  // as sent, but for what VerifyPruned and VerifyHeader give
	missing      []int // leaves that are not there
}

// Draft is what the publisher decides of a record.
type Draft struct {
	Topic    Topic
	Kind     Kind
	Sequence uint64
	Previous RecordID
	Created  time.Time
	Expires  time.Time
	TLP      stix.TLP
	Upstream string
	// Defaults: the zero value states nothing.
	Defaults Defaults
	// Objects are the leaves in order: STIX objects exactly as they will be read.
	Objects [][]byte
	// Statements is the body of an identity record instead of Objects.
	Statements []*Statement
	// Body is the body of a record of any other kind, as it is sent.
	Body []byte
	// Rand gives the salts, 16 bytes a leaf.
	Rand io.Reader
}

// CheckTopic reports (topic.mismatch) when the record came on another topic than its own.
func (r *Record) CheckTopic(t Topic) error {
	// VER-14
	if r.header.Topic == t {
		return nil
	}
	return reason.New(reason.TopicMismatch,
		fmt.Sprintf("record %s of topic %s came on topic %s", r.id, r.header.Topic, t))
}

// ID names the record.
func (r *Record) ID() RecordID { return r.id }

// Raw returns the record as sent, or what there is of it. The caller must not change it.
func (r *Record) Raw() []byte { return r.raw }

// Header returns the signed header.
func (r *Record) Header() Header { return r.header }

// Org is the organisation whose certificate signed the record.
func (r *Record) Org() OrgID { return r.cert.Org }

// Key is the record key that signed: with the topic, it names the key log.
func (r *Record) Key() KeyID { return r.cert.RecordKey.ID() }

// Certificate returns the signer's certificate.
func (r *Record) Certificate() *Certificate { return r.cert }

// Statements returns the chain that an identity record carries, else nil.
func (r *Record) Statements() []*Statement { return r.statements }

// Open decompresses the body within the limits and holds the leaves against
// the signed root. Errors: body.framing, body.size, body.root: the
// publisher's doing, since the signature covers the body hash. The leaves
// share one buffer that the caller owns. A record of another kind than
// objects has no leaves. Of a pruned record the missing leaves are zero; a header
// alone gives not.found.
func (r *Record) Open() ([]Leaf, error) {
	var o Opener
	return o.Open(r)
}
