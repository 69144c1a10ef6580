package outbox

import (
	"cmp"
	"fmt"

	"tocsin/node/intake"
	"tocsin/protocol/pattern"
	"tocsin/protocol/stix"
)

// Preview is what a publication would send.
type Preview struct {
	// Result has no records; Objects are those that would go out.
	Result
	// Types counts them by STIX type, Markings by the label that they would go out under.
	Types    map[string]int
	Markings map[stix.TLP]int
	// Values counts the different values that receivers could look them up by.
	Values int
}

// Preview says what Publish would send, by the same rules. Nothing is signed, stored or noted. Errors are those of Publish as far as
// they show without asking peers and without replacing a key: of a key against which something speaks it says key.stopped, even if
// another one could take its place. What only shows when a record is packed it cannot say: how many there are, and whether one is
// too large for gossip.
func (p *Publisher) Preview(req Request) (Preview, error) {
	out := Preview{Types: map[string]int{}, Markings: map[stix.TLP]int{}}
	values := map[pattern.Observable]bool{}
	_, err := p.prepare(req, &out.Result, func(tlp stix.TLP, o *stix.Object) {
		out.Objects++
		out.Markings[tlp]++
		out.Types[o.Type]++
		for _, v := range intake.Values(o) {
			values[v] = true
		}
	})
	if err != nil {
		return out, err
	}
	if err := p.signs(); err != nil {
		return out, fmt.Errorf("publish to %s: %w", req.Topic, err)
	}
	out.Values = len(values)
	return out, nil
}

// signs says why the node would not sign now, as far as it knows by itself.
func (p *Publisher) signs() error {
	if _, _, err := p.Certified(); err != nil {
		return err
	}
	p.pen.mu.Lock()
	defer p.pen.mu.Unlock()
	key := *p.pen.id.Load()
	l := p.pen.suspect.Load()
	if l == nil {
		l = p.chainLoss(key)
	}
	if l != nil {
		return stoppedBy(key, l.Why)
	}
	return nil
}

// prepare is what a publication begins with: may this node sign, is there room, and what can go out. goes is called for each object
// that can; nil is not.
func (p *Publisher) prepare(req Request, res *Result, goes func(stix.TLP, *stix.Object)) (*batch, error) {
	if err := cmp.Or(p.Stopped(), p.store.Room()); err != nil {
		return nil, fmt.Errorf("publish to %s: %w", req.Topic, err)
	}
	b, err := p.sort(req, res, goes)
	if err != nil {
		return nil, fmt.Errorf("publish to %s: %w", req.Topic, err)
	}
	return b, nil
}
