package protocol

import (
	"fmt"
	"maps"
	"slices"

	"tocsin/protocol/reason"
)

// ending is what ended an operations key: the root that dropped it, revocations, or both.
type ending struct {
	root        *Root
	revocations []*Revocation
}

// stands reports whether a place under the key still counts: it is at or below
// the heads of everything that ended the key.
func (e ending) stands(at Head, status *Status) bool {
	if e.root != nil && !reaches(e.root.Heads, at) {
		return false
	}
	return !slices.ContainsFunc(e.revocations, func(r *Revocation) bool { return !reaches(r.lastHeads(status), at) })
}

// names reports whether any log of a record key is named by what ended the key.
func (e ending) names(record KeyID, status *Status) bool {
	if e.root != nil && namesKey(e.root.Heads, record) {
		return true
	}
	return slices.ContainsFunc(e.revocations, func(r *Revocation) bool { return namesKey(r.lastHeads(status), record) })
}

// lastHeads are the last good places: those of the newest status for an emergency (STM-19).
func (r *Revocation) lastHeads(status *Status) []Head {
	switch {
	case !r.Emergency:
		return r.Heads
	case status == nil:
		return nil
	}
	return status.Heads
}

// orgStanding is what voids records of an organisation, worked out once for a
// snapshot. It is nil for most organisations, and immutable.
type orgStanding struct {
	// revoked holds the revocations of each key, record or operations key, by digest.
	revoked map[KeyID][]*Revocation
	// ended are the operations keys that no longer count.
	ended map[KeyID]ending
	// certifiers are the operations keys that certified each record key.
	certifiers map[KeyID][]KeyID
	status     *Status
}

// standing works it out of what is kept.
func (c *chainChoice) standing() *orgStanding {
	if len(c.ends) == 0 && len(c.kept[StatementRevocation]) == 0 {
		return nil
	}
	out := &orgStanding{revoked: map[KeyID][]*Revocation{}, ended: c.ends, certifiers: map[KeyID][]KeyID{}, status: c.status()}
	for _, s := range c.kept[StatementRevocation] {
		r := s.claims.(*Revocation)
		out.revoked[r.Key] = append(out.revoked[r.Key], r)
	}
	for _, s := range c.kept[StatementCertificate] {
		record, signer := s.claims.(*Certificate).RecordKey.ID(), s.env.signatures[0].signer
		if !slices.Contains(out.certifiers[record], signer) {
			out.certifiers[record] = append(out.certifiers[record], signer)
		}
	}
	return out
}

// check says whether a place of a key log stands (STM-22).
func (o *orgStanding) check(at Head) error {
	for _, r := range o.revoked[at.Key] {
		if !reaches(r.lastHeads(o.status), at) {
			return voided(at, "its key is revoked")
		}
	}
	certifiers := o.certifiers[at.Key]
	if len(certifiers) == 0 {
		return nil
	}
	for _, id := range certifiers {
		end, ended := o.ended[id]
		if !ended || end.stands(at, o.status) {
			return nil
		}
	}
	return voided(at, "the operations key that certified its key ended")
}

func voided(at Head, why string) error {
	return reason.New(reason.KeyRevoked,
		fmt.Sprintf("record %s at %d of topic %s by key %s: %s, and no head reaches so far", at.ID, at.Sequence, at.Topic, at.Key, why))
}

// Standing says whether a record at a place of a key log stands by the chains alone:
// nil, or key.revoked when a revocation or a root statement voids it. Position decides, never time.
func (c *Chains) Standing(org OrgID, key KeyID, topic Topic, sequence uint64, id RecordID) error {
	state := c.orgs[org]
	if state == nil || state.org.standing == nil {
		return nil
	}
	return state.org.standing.check(Head{Key: key, Topic: topic, Sequence: sequence, ID: id})
}

// standing is Standing for a header that a known certificate signed. For most
// organisations it is one look into a map.
func (c *Chains) standing(cert *Certificate, h *Header, id RecordID) error {
	state := c.orgs[cert.Org]
	if state == nil || state.org.standing == nil {
		return nil
	}
	return state.org.standing.check(Head{Key: cert.RecordKey.ID(), Topic: h.Topic, Sequence: h.Sequence, ID: id})
}

// Revoked returns the revocation that covers a key, if any: its own or, for a record key
// that nobody else certified, that of its operations key.
func (o *Org) Revoked(key KeyID) (Revocation, bool) {
	if o.standing == nil {
		return Revocation{}, false
	}
	if own := o.standing.revoked[key]; len(own) > 0 {
		return *own[0], true
	}
	var found *Revocation
	for _, id := range o.standing.certifiers[key] {
		end := o.standing.ended[id]
		if len(end.revocations) == 0 {
			return Revocation{}, false
		}
		found = end.revocations[0]
	}
	if found == nil {
		return Revocation{}, false
	}
	return *found, true
}

// Over reports whether a record key no longer signs for its organisation: it is revoked, or
// every operations key that certified it ended. Of what it signed only that stands
// which the heads reach (STM-22), whatever else is said of the key.
func (o *Org) Over(key KeyID) bool { return o.standing.over(key) }

func (o *orgStanding) over(key KeyID) bool {
	if o == nil {
		return false
	}
	if len(o.revoked[key]) > 0 {
		return true
	}
	certifiers := o.certifiers[key]
	return len(certifiers) > 0 && !slices.ContainsFunc(certifiers, func(id KeyID) bool { _, ended := o.ended[id]; return !ended })
}

// Certified reports whether a certificate of a record key is known, of an operations key that
// ended too.
func (o *Org) Certified(key KeyID) bool {
	return slices.ContainsFunc(o.Certificates, func(c *Certificate) bool { return c.RecordKey.ID() == key })
}

// SameStanding reports whether two snapshots of an organisation void the same of what a node
// may have accepted, and leave it as disputed. New certificates, operations keys and
// signs of life change nothing of that. nil is an organisation of which nothing is known.
func (o *Org) SameStanding(p *Org) bool {
	a, b := o.voids(), p.voids()
	if (o != nil && o.Disputed) != (p != nil && p.Disputed) {
		return false
	}
	same := len(a.revoked) == len(b.revoked)
	for key, r := range a.revoked { // a status names heads of other keys too
		same = same && sameHeads(r, a.status, b.revoked[key], b.status, func(h Head) bool { return h.Key == key })
	}
	same = same && maps.EqualFunc(a.ended, b.ended, func(e, f ending) bool {
		return (e.root == nil) == (f.root == nil) && (e.root == nil || slices.Equal(e.root.Heads, f.root.Heads)) &&
			sameHeads(e.revocations, a.status, f.revocations, b.status, func(Head) bool { return true })
	})
	for key := range a.certifiers {
		// A key that came with its certificate, or went with it, had nothing accepted that now changes.
		same = same && (len(b.certifiers[key]) == 0 || a.over(key) == b.over(key))
	}
	return same
}

// voids is never nil.
func (o *Org) voids() *orgStanding {
	if o == nil || o.standing == nil {
		return &orgStanding{}
	}
	return o.standing
}

// sameHeads reports whether revocations, each with the status of its time, name the same places
// among those that matter.
func sameHeads(a []*Revocation, at *Status, b []*Revocation, bt *Status, matter func(Head) bool) bool {
	named := func(r *Revocation, status *Status) []Head {
		return slices.DeleteFunc(slices.Clone(r.lastHeads(status)), func(h Head) bool { return !matter(h) })
	}
	return slices.EqualFunc(a, b, func(r, s *Revocation) bool { return slices.Equal(named(r, at), named(s, bt)) })
}

// Ended reports whether an operations key no longer counts: a later root dropped
// it, or roots revoked it. Its certificates are kept for the records that heads reach.
func (o *Org) Ended(operations KeyID) bool {
	if o.standing == nil {
		return false
	}
	_, ok := o.standing.ended[operations]
	return ok
}
