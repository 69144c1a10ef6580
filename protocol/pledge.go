package protocol

import (
	"time"

	"tocsin/protocol/stix"
)

// Vouch is an organisation's word that another one is who it says it is (kind
// vouch, SPEC 4.7). What it is worth is for each receiver's trust list to say. The
// newest of one author about one subject stands (created, then RecordID).
type Vouch struct {
	Subject OrgID
	// Topics it covers, ascending; empty means all.
	Topics []string
	// Until ends it, at most MaxVouchLife after the record's created.
	Until time.Time
	// Reason is for people; at most MaxReasonBytes.
	Reason string
	// Withdrawn takes back what was vouched before.
	Withdrawn bool
}

// Commitment is what an organisation says it will and will not do (kind
// commitment, SPEC 4.8). The newest of one author stands.
type Commitment struct {
	// Onward is the highest TLP level that it passes on to its own constituency.
	Onward stix.TLP
	// Attribution says whether it names the source when it passes on.
	Attribution bool
	// Retraction is the time within which it takes back what proved wrong, whole
	// minutes; Retention how long it keeps what it received, whole days.
	Retraction, Retention time.Duration
	// Will and WillNot are sentences for people, at most MaxPromises each.
	Will, WillNot []string
	Until         time.Time
	Withdrawn     bool
}

// Advisory warns of an organisation (kind advisory, SPEC 4.9). It needs evidence,
// expires, and reaches nothing but a review queue. The newest of one author about
// one subject stands.
type Advisory struct {
	Subject OrgID
	// Text says what happened, at most MaxAdvisoryText bytes.
	Text string
	// Evidence are the records that show it: 1 to MaxEvidence, ascending.
	Evidence []RecordID
	// Until ends it, at most MaxAdvisoryLife after the record's created.
	Until     time.Time
	Withdrawn bool
}

// Encode writes the body of a record of kind vouch. Errors name the limit (usage.invalid).
func (v Vouch) Encode() ([]byte, error) { panic("unwritten") }

// Encode writes the body of a record of kind commitment.
func (c Commitment) Encode() ([]byte, error) { panic("unwritten") }

// Encode writes the body of a record of kind advisory.
func (a Advisory) Encode() ([]byte, error) { panic("unwritten") }

// ReadVouch reads the body of a record of kind vouch; wire.claims and the like
// when it is not one, or ends too long after created.
func ReadVouch(r *Record) (Vouch, error) { panic("unwritten") }

// ReadCommitment reads the body of a record of kind commitment.
func ReadCommitment(r *Record) (Commitment, error) { panic("unwritten") }

// ReadAdvisory reads the body of a record of kind advisory.
func ReadAdvisory(r *Record) (Advisory, error) { panic("unwritten") }

// Body returns the record's body as sent. The caller must not change it.
func (r *Record) Body() []byte { return r.raw[r.headerLength:] }
