package node

import (
	"time"

	"tocsin/node/admin"
	"tocsin/node/bundle"
	"tocsin/node/identity"
	"tocsin/protocol"
	"tocsin/protocol/trust"
)

// openBundles wires what bundles are written from and read into.
func (n *Node) openBundles(paths Paths, chains *identity.Book) (*admin.Bundles, error) {
	list, err := bundle.Open(paths.Bundles())
	if err != nil {
		return nil, err
	}
	blocked := func(org protocol.OrgID) bool { return n.level(org) == trust.Blocked }
	return &admin.Bundles{
		List: list,
		Source: bundle.Source{
			Store:   n.Store,
			Chains:  chains.Chains,
			Blocked: blocked,
			Seen:    n.firstSeen,
			Signer: func() (bundle.Signer, error) {
				cert, key, err := n.Outbox.Certified()
				return bundle.Signer{Chain: chains.Chains().Chain(n.own), Certificate: cert, Key: key}, err
			},
		},
		Sink: bundle.Sink{
			Chains:  chains.Chains,
			Learn:   n.intake.Learn,
			Held:    func(id protocol.RecordID) bool { return n.Store.Has(id) && !n.Store.Lacks(id) },
			Blocked: blocked,
			List:    list,
			Receive: n.intake.Receive,
			Told:    n.facts.Told,
		},
	}, nil
}

// firstSeen is when and from whom this node first saw a record, by its own kept facts.
func (n *Node) firstSeen(id protocol.RecordID) (at time.Time, from string, ok bool) {
	for _, f := range n.facts.Facts(id) {
		if f.By == (protocol.OrgID{}) {
			return f.Seen, f.From, true
		}
	}
	return time.Time{}, "", false
}

// Bundles is the list of bundles that were written and read.
func (p Paths) Bundles() string { return p.State() + "/bundles.json" }
