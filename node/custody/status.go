package custody

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/storage"
)

// status makes a status when one is due; the lock is held. A node without a good
// operations key makes none: the organisation is stale by intent then.
func (o *Office) status(now time.Time) (made bool, err error) {
	org, ok := o.d.Identity.Chains().Org(o.d.Own)
	if !ok || !o.operates(org, now) || !o.counter.Due(org, o.changed, now) {
		return false, nil
	}
	network := o.d.Identity.Chains().Network()
	heads := o.orgHeads(org, now)
	for {
		s, err := o.counter.Next(network, org, heads, o.keys.Operations, now)
		if reason.Of(err) == reason.WireSize && len(heads) > 0 {
			// What has been silent longest goes first: its certificates live, or its records end.
			heads = heads[:len(heads)*3/4]
			continue
		}
		if err != nil {
			return false, err
		}
		if err := o.add(s); err != nil {
			return false, fmt.Errorf("keep status: %w", err)
		}
		o.changed = false
		return true, nil
	}
}

// operates reports whether this node holds an operations key that counts now.
func (o *Office) operates(org *protocol.Org, now time.Time) bool {
	if o.keys.Operations == nil || org.Ended(o.keys.Operations.Public().ID()) {
		return false
	}
	return slices.ContainsFunc(org.Operations, func(d protocol.Operations) bool {
		return d.Key == o.keys.Operations.Public() && !now.Before(d.NotBefore) && !now.After(d.NotAfter)
	})
}

// orgHeads are the ends of all key logs of the organisation that this node holds, as far
// as they stand, the ones that spoke last first.
func (o *Office) orgHeads(org *protocol.Org, now time.Time) []protocol.Head {
	logs := slices.DeleteFunc(o.d.Store.Logs(), func(l storage.Log) bool {
		return l.Org != org.ID || now.Sub(l.HeadCreated) > protocol.MaxStorage ||
			o.d.Identity.Chains().Standing(org.ID, l.Key, l.Topic, l.Head, l.HeadID) != nil
	})
	slices.SortFunc(logs, func(a, b storage.Log) int {
		return cmp.Or(b.HeadCreated.Compare(a.HeadCreated), cmp.Compare(a.Topic.String(), b.Topic.String()))
	})
	var heads []protocol.Head
	for _, l := range logs[:min(len(logs), protocol.MaxHeads)] {
		if h, ok := o.inTime(org, l, now); ok {
			heads = append(heads, h)
		}
	}
	return heads
}

// inTime is the end of a log or, when that came after the last certificate of its key had ended, what the last status named: a status
// that named it would make stand everywhere what a thief of an old key brought (VER-18).
func (o *Office) inTime(org *protocol.Org, l storage.Log, now time.Time) (h protocol.Head, ok bool) {
	h = protocol.Head{Key: l.Key, Topic: l.Topic, Sequence: l.Head, ID: l.HeadID}
	came, _, err := o.d.Store.Source(l.HeadID)
	if err != nil {
		came = now // it has expired
	}
	if o.d.Identity.Chains().Late(org.ID, h, came) == nil {
		return h, true
	}
	if org.Status == nil {
		return h, false
	}
	i := slices.IndexFunc(org.Status.Heads, func(o protocol.Head) bool { return o.Key == l.Key && o.Topic == l.Topic })
	if i < 0 {
		return h, false
	}
	return org.Status.Heads[i], true
}

// keyHeads are the ends of one key's logs.
func (o *Office) keyHeads(key protocol.KeyID) []protocol.Head {
	var heads []protocol.Head
	for _, l := range o.d.Store.Logs() {
		if l.Key == key && l.Org == o.d.Own {
			heads = append(heads, protocol.Head{Key: key, Topic: l.Topic, Sequence: l.Head, ID: l.HeadID})
		}
	}
	return heads
}
