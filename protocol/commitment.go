package protocol

import (
	"fmt"
	"time"

	"tocsin/protocol/stix"
)

// Commitment is what an organisation says it will and will not do (kind
// commitment, SPEC 4.8). The newest of one author stands.
type Commitment struct {
	// Onward is the highest TLP level that it passes on to its own constituency.
	Onward stix.TLP
	// Attribution says whether it names the source when it passes on.
	Attribution bool
	// Retraction is the time within which it takes back what proved wrong, whole
	// minutes; Retention how long it keeps what it received, whole days. 0 says nothing.
	Retraction, Retention time.Duration
	// Will and WillNot are sentences for people, at most MaxPromises each, of at most MaxPromiseBytes.
	Will, WillNot []string
	// Until ends it, at most MaxCommitmentLife after the record's created.
	Until time.Time
	// Withdrawn takes back what was committed before and states nothing else.
	Withdrawn bool
}

// The claims of a commitment (SPEC 4.8).
const (
	commitmentOnward = iota + 1
	commitmentAttribution
	commitmentRetraction
	commitmentRetention
	commitmentWill
	commitmentWillNot
	commitmentUntil
	commitmentWithdrawn
	lastCommitment = commitmentWithdrawn
)

// dayLong is the unit of Retention.
const dayLong = 24 * time.Hour

func commitmentForm() pledgeForm {
	return pledgeForm{KindCommitment, lastCommitment, MaxCommitmentLife}
}

// Encode writes the body of a record of kind commitment. Times are cut to
// milliseconds. Errors name the limit (usage.invalid).
func (c Commitment) Encode() ([]byte, error) {
	out := claims{commitmentUntil: millis(c.Until)}
	if c.Withdrawn {
		out[commitmentWithdrawn] = true
	}
	if !c.Withdrawn || c.Onward != 0 {
		out[commitmentOnward] = uint64(c.Onward)
	}
	if c.Attribution {
		out[commitmentAttribution] = true
	}
	if c.Retraction != 0 {
		out[commitmentRetraction] = uint64(c.Retraction / time.Minute)
	}
	if c.Retention != 0 {
		out[commitmentRetention] = uint64(c.Retention / dayLong)
	}
	text := func(s string) any { return s }
	setList(out, commitmentWill, c.Will, text)
	setList(out, commitmentWillNot, c.WillNot, text)
	read := func(r *claimReader) error { return new(Commitment).read(r) }
	return encodePledge(commitmentForm(), out, c.Until, read,
		bound{"TLP level to pass on", int(c.Onward), 0, int(stix.Red)},
		bound{"nanoseconds over whole minutes of retraction", int(c.Retraction % time.Minute), 0, 0},
		bound{"nanoseconds over whole days of retention", int(c.Retention % dayLong), 0, 0},
		bound{"minutes of retraction", int(c.Retraction / time.Minute), 0, int(MaxRetraction / time.Minute)},
		bound{"days of retention", int(c.Retention / dayLong), 0, int(MaxRetention / dayLong)},
		bound{"promises", len(c.Will), 0, MaxPromises}, bound{"bytes of a promise", longest(c.Will), 0, MaxPromiseBytes},
		bound{"promises of what it will not do", len(c.WillNot), 0, MaxPromises},
		bound{"bytes of a promise of what it will not do", longest(c.WillNot), 0, MaxPromiseBytes})
}

// ReadCommitment reads the body of a record of kind commitment; wire.claims and the like
// when it is not one, or ends too long after created.
func ReadCommitment(r *Record) (Commitment, error) {
	claims, err := readPledge(r, commitmentForm())
	if err != nil {
		return Commitment{}, err
	}
	var c Commitment
	if err := c.read(claims); err != nil {
		return Commitment{}, fmt.Errorf("read commitment %s: %w", r.id, err)
	}
	return c, commitmentForm().checkLife(r, c.Until)
}

func (c *Commitment) read(r *claimReader) error {
	*c = Commitment{Until: r.time(commitmentUntil), Withdrawn: r.flag(commitmentWithdrawn)}
	if c.Withdrawn { // PLG-04
		r.absent(commitmentOnward, commitmentAttribution, commitmentRetraction, commitmentRetention, commitmentWill, commitmentWillNot)
		return r.err
	}
	// PLG-07
	c.Onward = stix.TLP(r.number(commitmentOnward, 0, uint64(stix.Red)))
	c.Attribution = r.flag(commitmentAttribution)
	if r.has(commitmentRetraction) {
		c.Retraction = time.Duration(r.number(commitmentRetraction, 1, uint64(MaxRetraction/time.Minute))) * time.Minute
	}
	if r.has(commitmentRetention) {
		c.Retention = time.Duration(r.number(commitmentRetention, 1, uint64(MaxRetention/dayLong))) * dayLong
	}
	c.Will = r.labels(commitmentWill, MaxPromises, MaxPromiseBytes)
	c.WillNot = r.labels(commitmentWillNot, MaxPromises, MaxPromiseBytes)
	return r.err
}
