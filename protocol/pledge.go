package protocol

import (
	"fmt"
	"strings"
	"time"

	"tocsin/protocol/reason"
)

// A pledge is a statement of one organisation about itself or another that stands for a time:
// a vouch, a commitment or an advisory (SPEC 4.7 to 4.9). Relays do not open them: what a
// pledge is worth is for each receiver to say, and so is what to do with one that cannot be read.

// pledgeForm is what the body of a kind of pledge may hold.
type pledgeForm struct {
	kind Kind
	last uint64        // the highest claim that this version knows
	life time.Duration // from created of the record to its end, at most
}

// readPledge opens the body of a record of a kind of pledge.
func readPledge(r *Record, form pledgeForm) (*claimReader, error) {
	if r.header.Kind != form.kind {
		return nil, reason.New(reason.WireClaims, fmt.Sprintf("record %s of kind %s is no %s", r.id, r.header.Kind, form.kind))
	}
	c, err := readPledgeClaims(r.Body(), form)
	if err != nil {
		return nil, fmt.Errorf("read %s %s: %w", form.kind, r.id, err)
	}
	return c, nil
}

// readPledgeClaims reads the claims and refuses what only a later version can read.
func readPledgeClaims(body []byte, form pledgeForm) (*claimReader, error) {
	// PLG-01
	c, err := decodeClaims(body)
	if err != nil {
		return nil, wireError("read the claims", err, reason.WireClaims)
	}
	// PLG-02
	for key := range c {
		if key > form.last && key < firstOptionalClaim {
			return nil, reason.New(reason.ClaimUnknown, fmt.Sprintf("claim %d is not of this version", key))
		}
	}
	if _, ok := c[0]; ok {
		return nil, badClaim(0)
	}
	return &claimReader{claims: c}, nil
}

// checkLife holds the end of a pledge against the time of its record.
func (f pledgeForm) checkLife(r *Record, until time.Time) error {
	// PLG-03
	if life := until.Sub(r.header.Created); life <= 0 || life > f.life {
		return reason.New(reason.WireClaims,
			fmt.Sprintf("%s %s ends %s after it was created, want more than 0 and at most %s", f.kind, r.id, life, f.life))
	}
	return nil
}

// absent fails when a claim is there: what is taken back states nothing else (PLG-04).
func (r *claimReader) absent(keys ...uint64) {
	for _, key := range keys {
		if r.has(key) {
			r.fail(key)
		}
	}
}

// isText is IsLabel for longer text: it may have several lines.
func isText(s string) bool { return IsLabel(strings.ReplaceAll(s, "\n", "")) }

// bound is a length or number of a pledge and what it may be.
type bound struct {
	what             string
	got, least, most int
}

// encodePledge writes a body. Errors name the limit; whatever else a reader would refuse is
// found by reading back what was written.
func encodePledge(form pledgeForm, c claims, until time.Time, read func(*claimReader) error, bounds ...bound) ([]byte, error) {
	refuse := func(text string) error {
		return reason.New(reason.UsageInvalid, fmt.Sprintf("write %s: %s", form.kind, text))
	}
	for _, b := range bounds {
		if b.got < b.least || b.got > b.most {
			return nil, refuse(fmt.Sprintf("%s: %d, want %d to %d", b.what, b.got, b.least, b.most))
		}
	}
	if ms := until.UnixMilli(); ms < 0 || ms > MaxTime {
		return nil, refuse("it has no end that can be written")
	}
	body, err := encode(c)
	if err != nil {
		return nil, refuse(err.Error())
	}
	back, err := readPledgeClaims(body, form)
	if err == nil {
		err = read(back)
	}
	if err != nil {
		return nil, reason.Wrap(reason.UsageInvalid, fmt.Sprintf("write %s", form.kind), err)
	}
	return body, nil
}

// longest is the length of the longest text.
func longest(texts []string) int {
	n := 0
	for _, t := range texts {
		n = max(n, len(t))
	}
	return n
}

// Body returns the record's body as sent. The caller must not change it.
func (r *Record) Body() []byte { return r.bodyBytes() }
