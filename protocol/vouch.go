package protocol

import (
	"cmp"
	"fmt"
	"time"

	"tocsin/protocol/reason"
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
	// Withdrawn takes back what was vouched before; it has no topics.
	Withdrawn bool
}

// The claims of a vouch (SPEC 4.7).
const (
	vouchSubject = iota + 1
	vouchTopics
	vouchUntil
	vouchReason
	vouchWithdrawn
	lastVouch = vouchWithdrawn
)

func vouchForm() pledgeForm { return pledgeForm{KindVouch, lastVouch, MaxVouchLife} }

// Encode writes the body of a record of kind vouch. The order of topics does not
// matter; times are cut to milliseconds. Errors name the limit (usage.invalid).
func (v Vouch) Encode() ([]byte, error) {
	c := claims{vouchSubject: v.Subject[:], vouchUntil: millis(v.Until)}
	setList(c, vouchTopics, sorted(v.Topics, cmp.Compare[string]), func(s string) any { return s })
	if v.Reason != "" {
		c[vouchReason] = v.Reason
	}
	if v.Withdrawn {
		c[vouchWithdrawn] = true
	}
	read := func(r *claimReader) error { return new(Vouch).read(r) }
	return encodePledge(vouchForm(), c, v.Until, read,
		bound{"topics", len(v.Topics), 0, MaxScopes}, bound{"bytes of reason", len(v.Reason), 0, MaxReasonBytes})
}

// ReadVouch reads the body of a record of kind vouch; wire.claims and the like
// when it is not one, or ends too long after created.
func ReadVouch(r *Record) (Vouch, error) {
	c, err := readPledge(r, vouchForm())
	if err != nil {
		return Vouch{}, err
	}
	var v Vouch
	if err := v.read(c); err != nil {
		return Vouch{}, fmt.Errorf("read vouch %s: %w", r.id, err)
	}
	// PLG-06
	if v.Subject == r.Org() {
		return Vouch{}, reason.New(reason.WireClaims, fmt.Sprintf("vouch %s is of an organisation for itself", r.id))
	}
	return v, vouchForm().checkLife(r, v.Until)
}

func (v *Vouch) read(r *claimReader) error {
	// PLG-05
	*v = Vouch{
		Subject:   OrgID(r.digest(vouchSubject)),
		Topics:    r.topics(vouchTopics),
		Until:     r.time(vouchUntil),
		Withdrawn: r.flag(vouchWithdrawn),
	}
	if r.has(vouchReason) {
		v.Reason = r.label(vouchReason, MaxReasonBytes)
	}
	if v.Withdrawn { // PLG-04
		r.absent(vouchTopics)
	}
	return r.err
}
