package trust

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/pattern"
)

// VouchFact is one vouch as a record states it, the newest of its author about its subject.
type VouchFact struct {
	Voucher, Subject protocol.OrgID
	// Topics it covers; empty means all.
	Topics      []string
	Made, Until time.Time
}

// VouchedAbuse is how many false positives a confirmed abuse by an organisation that
// somebody vouched for is on the voucher's ledger: who introduces somebody answers for it.
const VouchedAbuse = 5

// introduction is one vouch for an organisation, as far as the list gives it effect.
type introduction struct {
	voucher int // index of the voucher's entry
	place   int // in the voucher's queue
	topics  []string
	until   int64 // Unix seconds
}

// WithVouches returns a list that also applies vouches, in place of those it applied before: a subject
// that neither an entry nor a group rule of the list names gets the level that the voucher's entry
// grants (vouch.level_cap) but never more than the voucher itself has there, on the
// topics that both the vouch and the entry's vouch.scopes cover, while the voucher is an anchor with
// vouch.depth 1, for the first vouch.max_orgs subjects by (Made, Subject) whose vouch has not
// ended. A vouched organisation counts as one voice with its voucher. Depth is 1: the vouched cannot
// vouch. The order of facts does not matter; of several of one voucher about one subject the
// newest stands. Ends count in whole seconds. The caller leaves out vouches that were withdrawn or whose author's word does not stand.
func (l *List) WithVouches(facts []VouchFact) *List {
	out := *l
	out.facts = orderFacts(facts)
	out.vouched, out.queues = map[protocol.OrgID][]introduction{}, map[int][]int64{}
	for _, f := range out.facts {
		at := l.position(&f.Voucher)
		if at < 0 || l.entries[at].Vouch == nil || l.names(&f.Subject) {
			continue
		}
		v := l.entries[at].Vouch
		topics, any := common(f.Topics, v.Scopes)
		if !any {
			continue
		}
		in := introduction{voucher: at, place: len(out.queues[at]), topics: topics, until: f.Until.Unix()}
		out.queues[at] = append(out.queues[at], in.until)
		out.vouched[f.Subject] = append(out.vouched[f.Subject], in)
	}
	for _, in := range out.vouched {
		slices.SortFunc(in, func(a, b introduction) int { return cmp.Compare(a.voucher, b.voucher) })
	}
	return &out
}

// orderFacts copies facts, orders them by (Made, Subject, Voucher) and leaves of each voucher and
// subject the newest.
func orderFacts(facts []VouchFact) []VouchFact {
	type pair struct{ voucher, subject protocol.OrgID }
	newest := map[pair]VouchFact{}
	for _, f := range facts {
		f.Topics = copied(f.Topics)
		slices.Sort(f.Topics)
		at := pair{f.Voucher, f.Subject}
		if have, ok := newest[at]; !ok || compareFacts(have, f) < 0 {
			newest[at] = f
		}
	}
	out := make([]VouchFact, 0, len(newest))
	for _, f := range newest {
		out = append(out, f)
	}
	slices.SortFunc(out, compareFacts)
	return out
}

func compareFacts(a, b VouchFact) int {
	return cmp.Or(
		a.Made.Compare(b.Made),
		bytes.Compare(a.Subject[:], b.Subject[:]),
		bytes.Compare(a.Voucher[:], b.Voucher[:]),
		a.Until.Compare(b.Until),
		slices.Compare(a.Topics, b.Topics),
	)
}

// names reports whether the list says anything of an organisation; then no vouch changes it.
func (l *List) names(org *protocol.OrgID) bool {
	if l.position(org) >= 0 {
		return true
	}
	_, ok := l.byOrg[*org]
	return ok
}

// common is what a vouch's topics (none means all) and an entry's scopes both
// cover; topics nil means all, any is false when nothing is left.
func common(stated, scopes []string) (topics []string, any bool) {
	if slices.Contains(scopes, "*") {
		return stated, true
	}
	if len(stated) == 0 {
		return scopes, true
	}
	for _, s := range stated {
		if slices.Contains(scopes, s) {
			topics = append(topics, s)
		}
	}
	return topics, len(topics) > 0
}

// introduced is the level that vouches give an organisation without an entry, and the index of
// the entry of the voucher through whom: the strongest, then the lowest id.
func (l *List) introduced(org protocol.OrgID, topic string, kind pattern.Type, now time.Time) (level Level, voucher int) {
	voucher = -1
	second := now.Unix()
	for _, in := range l.vouched[org] {
		e := &l.entries[in.voucher]
		if topic != "" && in.topics != nil && !slices.Contains(in.topics, topic) {
			continue
		}
		if got := min(e.Vouch.LevelCap, e.level(topic, kind, now)); got > level && now.Before(e.end()) && l.inForce(in, second) {
			level, voucher = got, in.voucher
		}
	}
	return level, voucher
}

// inForce reports whether a vouch has not ended and is among the first that its voucher may
// make; ended ones before it leave their places to it.
func (l *List) inForce(in introduction, second int64) bool {
	if second >= in.until {
		return false
	}
	free := l.entries[in.voucher].Vouch.MaxOrgs
	if in.place < free {
		return true
	}
	for _, until := range l.queues[in.voucher][:in.place] {
		if second < until {
			if free--; free == 0 {
				return false
			}
		}
	}
	return true
}

// mayRise reports whether a vouch could bring a claim's voice into the gate score some time.
func (l *List) mayRise(c *Claim) bool {
	return len(l.vouched) > 0 && !c.Own && c.Barred == "" && slices.ContainsFunc(l.vouched[c.Org], func(in introduction) bool {
		return l.entries[in.voucher].Vouch.LevelCap >= Partner
	})
}

// changes gives the times at which vouches may change the level of org: the end of a
// vouch, of the voucher's entry, and of each vouch whose place could become free.
func (l *List) changes(org protocol.OrgID, now time.Time, add func(time.Time)) {
	for _, in := range l.vouched[org] {
		add(time.Unix(in.until, 0))
		add(l.entries[in.voucher].end())
		if l.inForce(in, now.Unix()) {
			continue
		}
		for _, until := range l.queues[in.voucher][:in.place] {
			add(time.Unix(until, 0))
		}
	}
}

// Voucher says through whom an unlisted organisation has a level now; the strongest, then the lowest
// id. topic "" means any.
func (l *List) Voucher(org protocol.OrgID, topic string, now time.Time) (protocol.OrgID, bool) {
	if l.find(org) != nil {
		return protocol.OrgID{}, false
	}
	if _, at := l.introduced(org, topic, "", now); at >= 0 {
		return l.entries[at].Org, true
	}
	return protocol.OrgID{}, false
}

// Known reports whether org is no stranger at now: an entry names it, other than to
// block it, or a vouch gives it a level on some topic. It is what must be asked wherever strangers
// are kept apart from others (the bounds of look-ups and of the quarantine). Own is not known to a list.
func (l *List) Known(org protocol.OrgID, now time.Time) bool {
	if e := l.find(org); e != nil {
		return e.Level != Blocked
	}
	_, ok := l.Voucher(org, "", now)
	return ok
}
