package protocol

import (
	"bytes"
	"fmt"
	"time"
)

// Advisory warns of an organisation (kind advisory, SPEC 4.9). It needs evidence,
// expires, and reaches nothing but a review queue. The newest of one author about
// one subject stands.
type Advisory struct {
	Subject OrgID
	// Text says what happened, at most MaxAdvisoryText bytes; it may have several lines.
	Text string
	// Evidence are the records that show it: 1 to MaxEvidence, ascending.
	Evidence []RecordID
	// Until ends it, at most MaxAdvisoryLife after the record's created.
	Until time.Time
	// Withdrawn takes back what was said before. It has no evidence; Text may say why.
	Withdrawn bool
}

// The claims of an advisory (SPEC 4.9).
const (
	advisorySubject = iota + 1
	advisoryText
	advisoryEvidence
	advisoryUntil
	advisoryWithdrawn
	lastAdvisory = advisoryWithdrawn
)

func advisoryForm() pledgeForm { return pledgeForm{KindAdvisory, lastAdvisory, MaxAdvisoryLife} }

// Encode writes the body of a record of kind advisory. The order of evidence does not
// matter; times are cut to milliseconds. Errors name the limit (usage.invalid).
func (a Advisory) Encode() ([]byte, error) {
	c := claims{advisorySubject: a.Subject[:], advisoryUntil: millis(a.Until)}
	least := 1
	if a.Withdrawn {
		c[advisoryWithdrawn], least = true, 0
	}
	if a.Text != "" {
		c[advisoryText] = a.Text
	}
	setList(c, advisoryEvidence, sorted(a.Evidence, compareRecordIDs), func(id RecordID) any { return id[:] })
	read := func(r *claimReader) error { return new(Advisory).read(r) }
	return encodePledge(advisoryForm(), c, a.Until, read,
		bound{"bytes of text", len(a.Text), least, MaxAdvisoryText}, bound{"records of evidence", len(a.Evidence), least, least * MaxEvidence})
}

// ReadAdvisory reads the body of a record of kind advisory; wire.claims and the like
// when it is not one, or ends too long after created.
func ReadAdvisory(r *Record) (Advisory, error) {
	c, err := readPledge(r, advisoryForm())
	if err != nil {
		return Advisory{}, err
	}
	var a Advisory
	if err := a.read(c); err != nil {
		return Advisory{}, fmt.Errorf("read advisory %s: %w", r.id, err)
	}
	return a, advisoryForm().checkLife(r, a.Until)
}

func (a *Advisory) read(r *claimReader) error {
	*a = Advisory{Subject: OrgID(r.digest(advisorySubject)), Until: r.time(advisoryUntil), Withdrawn: r.flag(advisoryWithdrawn)}
	if !a.Withdrawn || r.has(advisoryText) {
		a.Text = r.text(advisoryText, MaxAdvisoryText)
		if !isText(a.Text) {
			r.fail(advisoryText)
		}
	}
	if a.Withdrawn { // PLG-04
		r.absent(advisoryEvidence)
		return r.err
	}
	// PLG-08
	for _, e := range r.list(advisoryEvidence, MaxEvidence, false) {
		b, ok := e.([]byte)
		if !ok || len(b) != len(RecordID{}) {
			r.fail(advisoryEvidence)
			return r.err
		}
		a.Evidence = append(a.Evidence, RecordID(b))
	}
	ascending(r, advisoryEvidence, a.Evidence, compareRecordIDs)
	return r.err
}

func compareRecordIDs(a, b RecordID) int { return bytes.Compare(a[:], b[:]) }
