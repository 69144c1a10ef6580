package protocol

import (
	"fmt"
	"time"

	"tocsin/protocol/reason"
)

// A record key whose last certificate ended speaks no more, but a thief of it may write any time into what he signs. So of
// what comes after the end only that stands which a status of the organisation names.

// until is the end of the last certificate of a record key; zero when none is known.
func (o *Org) until(key KeyID) (end time.Time) {
	for _, c := range o.Certificates {
		if c.NotAfter.After(end) && c.RecordKey.ID() == key {
			end = c.NotAfter
		}
	}
	return end
}

// Lapsed reports whether the last certificate known of a record key had ended at a moment, as VER-11 asks it of one certificate.
func (o *Org) Lapsed(key KeyID, at time.Time) bool {
	end := o.until(key)
	return !end.IsZero() && at.After(end.Add(ClockSkew))
}

// Named is the last place of a key log that the newest status names; 0 for none.
func (o *Org) Named(key KeyID, topic Topic) uint64 {
	if o.Status == nil {
		return 0
	}
	for _, h := range o.Status.Heads {
		if h.Key == key && h.Topic == topic {
			return h.Sequence
		}
	}
	return 0
}

// Late says (cert.expired) why a record does not stand that came at a moment: VER-18. Of a key that is over the heads decide that
// ended it, which Standing asks.
func (c *Chains) Late(org OrgID, at Head, came time.Time) error {
	state := c.orgs[org]
	if state == nil || !state.org.Lapsed(at.Key, came) || state.org.Over(at.Key) {
		return nil
	}
	if s := state.org.Status; s != nil && reaches(s.Heads, at) {
		return nil
	}
	return reason.New(reason.CertExpired, fmt.Sprintf("record %s at %d of topic %s came after the last certificate of its key %s ended at %s, and no status names it",
		at.ID, at.Sequence, at.Topic, at.Key, state.org.until(at.Key).Format(time.RFC3339)))
}

// SameLapses reports whether two snapshots of an organisation let the same stand of what comes late at a moment: nothing that
// came late before is to be judged again. nil is an organisation of which nothing is known.
func (o *Org) SameLapses(p *Org, at time.Time) bool {
	if p == nil {
		p = &Org{}
	}
	for _, q := range []*Org{p, o} {
		if q == nil {
			continue
		}
		for _, c := range q.Certificates {
			key := c.RecordKey.ID()
			if !q.Lapsed(key, at) {
				continue
			}
			if o == nil || o.Lapsed(key, at) != p.Lapsed(key, at) || !sameNamed(o.Status, p.Status, key) {
				return false
			}
		}
	}
	return true
}

// sameNamed reports whether two statuses, nil for none, name the same places of a key.
func sameNamed(a, b *Status, key KeyID) bool {
	named := func(s *Status) (out []Head) {
		if s == nil {
			return nil
		}
		for _, h := range s.Heads {
			if h.Key == key {
				out = append(out, h)
			}
		}
		return out
	}
	x, y := named(a), named(b)
	if len(x) != len(y) {
		return false
	}
	for i := range x {
		if x[i] != y[i] {
			return false
		}
	}
	return true
}
