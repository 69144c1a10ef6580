// Package belief answers what this node believes about a value and why: it
// joins what the store holds with the trust list in force, now. It writes
// nothing. (It is a package of its own because the admin port and every output ask the
// same question.)
package belief

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"tocsin/node/admin/api"
	"tocsin/node/policy"
	"tocsin/protocol"
	"tocsin/protocol/pattern"
	"tocsin/protocol/trust"
	"tocsin/storage"
)

// The verdicts of a check; docs/trust-list.md says when each is given.
const (
	malicious  = "malicious"
	suspicious = "suspicious"
	expired    = "expired" // also a source's state
	known      = "known"
	unknown    = "unknown"
)

// The states of a check. A source has one of them too, or expired; disputed and
// none are of items alone.
const (
	disputed     = "disputed"
	accepted     = "accepted"
	notEvaluated = "not-evaluated"
	withdrawn    = "withdrawn"
	held         = "held"
	refused      = "refused"
	none         = "none"
)

// Desk answers questions. All methods may be called concurrently.
type Desk struct {
	store  *storage.Store
	policy *policy.Book
	own    protocol.OrgID
}

// New returns a desk for the node of organisation own.
func New(store *storage.Store, p *policy.Book, own protocol.OrgID) *Desk {
	return &Desk{store: store, policy: p, own: own}
}

// Check judges each value as typed (defanged input is fine), in order. All are
// judged by one trust list. An error means that an answer could not be read; it
// is never passed off as "nothing known".
func (d *Desk) Check(values []string, now time.Time) ([]api.CheckItem, error) {
	list := d.policy.List()
	items := make([]api.CheckItem, len(values))
	for i, value := range values {
		o := pattern.Refang(value)
		items[i] = api.CheckItem{
			Value: value, Type: string(o.Type), Normal: o.Value,
			Verdict: unknown, State: none, Sources: []api.Source{},
		}
		hits, omitted, err := d.store.Lookup(o, list.Listed)
		if err != nil {
			return nil, fmt.Errorf("check %q: %w", value, err)
		}
		items[i].Omitted = omitted
		if len(hits) == 0 {
			continue
		}
		c := d.hear(list, o, hits, now)
		a := list.Score(c.claims, 0, now)
		items[i].Verdict, items[i].State = c.judge(&a)
		items[i].Score = trust.Points(a.Shown)
		items[i].Sources = c.sources()
	}
	return items, nil
}

// hearing is what all hits together say about one value.
type hearing struct {
	value  pattern.Observable
	voices []voice
	claims []trust.Claim
	// omitted counts the strangers' objects that were not looked at.
	omitted int
	list    *trust.List // in force when they were heard
}

// voice is one hit with what this node makes of it.
type voice struct {
	*storage.Hit
	level   trust.Level
	petname string
	state   string
	// inQuarantine is true for held content, whatever its state.
	inQuarantine bool
}

// hear settles the state of each hit and turns those that claim something
// about the value into claims. The store has already picked the version that counts
// of each organisation and object.
func (d *Desk) hear(list *trust.List, o pattern.Observable, hits []storage.Hit, now time.Time) *hearing {
	c := &hearing{value: o, voices: make([]voice, len(hits)), list: list}
	for i := range hits {
		h := &hits[i]
		v := &c.voices[i]
		own := h.Org == d.own
		kind := matched(o, h)
		*v = voice{Hit: h, level: trust.Own, petname: list.Petname(h.Org), inQuarantine: h.RecordHeld || h.State == storage.Held}
		if !own {
			v.level = list.Level(h.Org, h.Topic.String(), kind, now)
		}
		v.state = v.settle(now)
		if !v.claiming() {
			continue
		}
		c.claims = append(c.claims, trust.Claim{
			Org: h.Org, Topic: h.Topic.String(), Upstream: h.Upstream, Kind: kind,
			Own: own, Held: v.inQuarantine, Claimed: h.Confidence,
			Since: h.First, ValidFrom: h.ValidFrom, ValidUntil: h.ValidUntil,
			Object: h.Object, Record: h.Record,
		})
	}
	slices.SortStableFunc(c.voices, func(a, b voice) int {
		return cmp.Or(rank(&a)-rank(&b), int(b.level)-int(a.level)) // then newest first, as they came
	})
	return c
}

// matched is the kind of observable that a hit names: for an address found
// through a network around it, the network.
func matched(o pattern.Observable, h *storage.Hit) pattern.Type {
	if o.Type != pattern.IPv4 && o.Type != pattern.IPv6 {
		return o.Type
	}
	if slices.ContainsFunc(h.Values, func(v pattern.Value) bool { return v.Observable == o }) {
		return o.Type
	}
	return pattern.CIDR
}

// settle gives a hit's state. What an organisation said before it was blocked
// counts as refused.
func (v *voice) settle(now time.Time) string {
	switch {
	case v.State == storage.Refused || v.level == trust.Blocked:
		return refused
	case v.Revoked:
		return withdrawn
	case v.inQuarantine:
		return held
	case !v.judged():
		return notEvaluated
	case v.Claim && !v.ValidUntil.IsZero() && !now.Before(v.ValidUntil):
		return expired
	}
	return accepted
}

// judged reports whether the value alone satisfies what the object says. An
// object that claims nothing is only found by the value.
func (v *voice) judged() bool { return !v.Claim || v.Alone }

// claiming reports whether a hit is a voice for badness. A blocked one is, so
// that the explanation can show that it weighs nothing.
func (v *voice) claiming() bool {
	return v.Claim && v.Alone && !v.Revoked && v.State != storage.Refused
}

// rank orders states from the one that decides to the one that matters least. A
// withdrawal that is itself in quarantine decides less than what else is held:
// else a stranger could make a value look withdrawn.
func rank(v *voice) int {
	switch v.state {
	case accepted:
		return 1
	case expired:
		return 2
	case notEvaluated:
		return 3
	case withdrawn:
		if v.inQuarantine {
			return 6
		}
		return 4
	case held:
		return 5
	}
	return 7
}

// judge gives verdict and state. The verdict follows the gate score alone, the
// state the first voice in order of rank.
func (c *hearing) judge(a *trust.Assessment) (verdict, state string) {
	state = c.voices[0].state
	if state == expired {
		state = accepted
	}
	if a.Disputed && a.Support > 0 {
		state = disputed
	}
	switch {
	case a.Gate >= trust.Actionable:
		return malicious, state
	case a.Gate >= trust.Alert:
		return suspicious, state
	case a.Expired:
		return expired, state
	case state == disputed || state == accepted || state == notEvaluated:
		return known, state
	}
	return unknown, state
}

// sources lists the voices: those that decide the state first, of these the
// highest level first.
func (c *hearing) sources() []api.Source {
	out := make([]api.Source, len(c.voices))
	for i, v := range c.voices {
		out[i] = api.Source{
			Org: v.Org.String(), Petname: v.petname, Level: v.level.String(),
			Object: v.Object, Record: v.Record.String(), Created: v.Created,
			Confidence: v.Confidence, State: v.state, ValidUntil: v.ValidUntil,
			Topic: v.Topic.String(), TLP: v.TLP.String(),
		}
	}
	return out
}
