// Package belief answers what this node believes about a value and why: it
// joins what the store holds with the trust list, the warning lists, the ledger and the
// standing in force, now. A verdict rests on these and nothing else, and there is no memory
// between two questions. It writes nothing but the notes that a verdict changed (see Run). (It is a
// package of its own because the admin port and every output ask the same question.)
package belief

import (
	"fmt"
	"sync"
	"time"

	logging "github.com/ipfs/go-log/v2"

	"tocsin/node/admin/api"
	"tocsin/node/policy"
	"tocsin/node/scores"
	"tocsin/node/standing"
	"tocsin/node/warnings"
	"tocsin/protocol"
	"tocsin/protocol/pattern"
	"tocsin/protocol/reason"
	"tocsin/protocol/trust"
	"tocsin/protocol/warn"
	"tocsin/storage"
)

var log = logging.Logger("tocsin/belief")

// Deps are what a desk works with. Store and Policy are required; of the others nil means
// that there are no warning lists, no ledger, and nothing against anybody's standing.
type Deps struct {
	Store    *storage.Store
	Policy   *policy.Book
	Warnings *warnings.Book
	Standing *standing.Book
	Scores   *scores.Book
	// Own is the node's organisation.
	Own protocol.OrgID
}

// Desk answers questions. All methods may be called concurrently.
type Desk struct {
	Deps
	// mu guards progress, which Run alone writes.
	mu       sync.Mutex
	progress Progress
}

// New returns a desk.
func New(d Deps) *Desk { return &Desk{Deps: d} }

// Inputs are what a verdict rests on beside the records and the time. A nil field means none.
type Inputs struct {
	List     *trust.List
	Warnings *warn.Index
	// Q is the ledger factor of an organisation on a topic in 1/10,000, 0 for no ledger.
	Q func(org protocol.OrgID, topic string, now time.Time) int
	// Barred says why an organisation is out of automation on a topic, or "".
	Barred func(org protocol.OrgID, topic protocol.Topic, now time.Time) reason.Code
}

// Inputs are what verdicts rest on now. List and warning lists are fixed in them; ledger
// and standing are asked when a verdict is made.
func (d *Desk) Inputs() Inputs {
	in := Inputs{List: d.Policy.List()}
	if d.Warnings != nil {
		in.Warnings = d.Warnings.Index()
	}
	if d.Scores != nil {
		in.Q = d.Scores.Q
	}
	if d.Standing != nil {
		in.Barred = d.Standing.Org
	}
	return in
}

// Check judges each value as typed (defanged input is fine), in order. All are
// judged by one trust list. An error means that an answer could not be read; it
// is never passed off as "nothing known".
func (d *Desk) Check(values []string, now time.Time) ([]api.CheckItem, error) {
	s := d.session(d.Inputs(), now)
	items := make([]api.CheckItem, len(values))
	for i, value := range values {
		o := pattern.Refang(value)
		items[i] = api.CheckItem{
			Value: value, Type: string(o.Type), Normal: o.Value,
			Verdict: unknown, State: none, Sources: []api.Source{},
		}
		hits, omitted, err := s.Store.Lookup(o, s.known)
		items[i].Omitted = omitted
		if err == nil && len(hits) > 0 { // nearly always there is none, and then nothing is made
			err = s.answer(&items[i], o, hits)
		}
		if err != nil {
			return nil, fmt.Errorf("check %q: %w", value, err)
		}
	}
	return items, nil
}

// answer fills in an item about a value that somebody names.
func (s *session) answer(item *api.CheckItem, o pattern.Observable, hits []storage.Hit) error {
	h := s.consider(o, hits)
	if err := s.answers(h); err != nil {
		return err
	}
	item.Omitted += h.omitted
	a := s.in.List.Score(h.claims, h.warning.Weight, s.now)
	item.Verdict, item.State = h.judge(&a)
	item.Score = trust.Points(a.Shown)
	item.Sources = h.sources()
	item.Opinions = h.opinions()
	if h.warned {
		item.Warning = warning(h.warning)
	}
	var err error
	item.Automation, err = s.automation(h, &a)
	return err
}

// Judge gives the verdict on one value, with all that it rests on.
func (d *Desk) Judge(o pattern.Observable, now time.Time) (*Verdict, error) {
	s := d.session(d.Inputs(), now)
	h, err := s.hear(o)
	if err != nil {
		return nil, fmt.Errorf("judge %s %q: %w", o.Type, o.Value, err)
	}
	return s.verdict(h)
}
