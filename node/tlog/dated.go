package tlog

import (
	"bytes"
	"fmt"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// InWindow refuses a time at which no certificate of the key was in force, with cert.window. Notes give times in
// seconds, certificates in milliseconds.
func InWindow(chains *protocol.Chains, org protocol.OrgID, key protocol.KeyID, at time.Time) error {
	if o, ok := chains.Org(org); ok {
		for _, c := range o.Certificates {
			if c.RecordKey.ID() == key && !at.Before(c.NotBefore.Truncate(time.Second)) && !at.After(c.NotAfter) {
				return nil
			}
		}
	}
	return reason.New(reason.CertWindow, fmt.Sprintf("it is dated %s, and no certificate of key %s of %s is for that time", at.UTC().Format(time.RFC3339), key, org))
}

// Dated refuses a cosignature whose time cannot be: outside the certificate of its key, or earlier than what it is
// about by more than clocks may differ. EVD-20
func (c Cosignature) Dated(chains *protocol.Chains, about time.Time) error {
	if c.At.Before(about.Add(-protocol.ClockSkew)) {
		return reason.New(reason.SigInvalid, fmt.Sprintf("it is dated %s, before what it is about (%s)", c.At.UTC().Format(time.RFC3339), about.UTC().Format(time.RFC3339)))
	}
	return InWindow(chains, c.Org, c.Key, c.At)
}

// Counts reports whether a cosignature still says something: not when its key was revoked, since whoever has it may
// date it as they like. EVD-20
func (c Cosignature) Counts(chains *protocol.Chains) bool {
	o, ok := chains.Org(c.Org)
	return ok && !o.Over(c.Key)
}

// Sound leaves out the cosignatures that have no possible time, or do not count.
func (s *Signed) Sound(chains *protocol.Chains, about time.Time) (*Signed, error) {
	alone, err := s.Alone()
	if err != nil {
		return nil, err
	}
	out, err := Open(alone, chains)
	if err != nil {
		return nil, err
	}
	for line := range bytes.Lines(s.Note[len(s.Text())+1:]) {
		more, err := out.With(line, chains)
		if err != nil || len(more.Cosignatures) == len(out.Cosignatures) {
			continue
		}
		if fresh := more.Cosignatures[len(more.Cosignatures)-1]; fresh.Counts(chains) && fresh.Dated(chains, about) == nil {
			out = more
		}
	}
	return out, nil
}
