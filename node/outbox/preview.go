package outbox

import (
	"cmp"
	"fmt"

	"tocsin/protocol/stix"
)

// Preview is what a publication would send.
type Preview struct {
	// Result has no records; Objects are those that would go out.
	Result
	// Types counts them by STIX type, Markings by the label that they would go out under.
	Types    map[string]int
	Markings map[stix.TLP]int
	// Values counts the values that receivers could look them up by.
	Values int
}

// Preview says what Publish would send, by the same rules. Nothing is signed, stored or noted. What only shows when a record is
// packed it cannot say: how many there are, and whether one is too large for gossip. Errors are those of Publish.
func (p *Publisher) Preview(req Request) (Preview, error) {
	out := Preview{Types: map[string]int{}, Markings: map[stix.TLP]int{}}
	b, err := p.prepare(req, &out.Result)
	if err != nil {
		return out, err
	}
	for _, g := range b.groups() {
		out.Objects += len(g.pieces)
		out.Markings[g.tlp] = len(g.pieces)
		for _, one := range g.pieces {
			out.Types[one.kind]++
			out.Values += one.values
		}
	}
	return out, nil
}

// prepare is what a publication begins with: may this node sign, is there room, and what can go out.
func (p *Publisher) prepare(req Request, res *Result) (*batch, error) {
	if err := cmp.Or(p.Stopped(), p.store.Room()); err != nil {
		return nil, fmt.Errorf("publish to %s: %w", req.Topic, err)
	}
	b, err := p.sort(req, res)
	if err != nil {
		return nil, fmt.Errorf("publish to %s: %w", req.Topic, err)
	}
	return b, nil
}
