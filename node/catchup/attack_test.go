package catchup

//bubble: every test that uses inBubble runs in virtual time.

import (
	"testing"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// give answers with the records as they are.
func give(records []*protocol.Record) func(protocol.RecordID) *itemMessage {
	byID := map[protocol.RecordID][]byte{}
	for _, r := range records {
		byID[r.ID()] = r.Raw()
	}
	return func(id protocol.RecordID) *itemMessage { return &itemMessage{ID: id, Form: formFull, Bytes: byID[id]} }
}

// TestRefusedFloodHidesNothing: more refused ids than a session takes and than are remembered stand before a genuine record in
// the order of created: it is found all the same, since each session goes on where the last one was cut (SYN-14).
func TestRefusedFloodHidesNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		n := m.node()
		sybil, author := found(t), found(t)
		n.learn(sybil.Statements...)
		n.learn(author.Statements...)
		flood := signed(t, sybil, 700)
		genuine := signed(t, author, 1, func(d *protocol.Draft) { d.Created = time.Now().Add(-time.Minute) })
		all := append(flood, genuine...)
		n.bounds.needed, n.bounds.shown = 100, 400
		n.refused = newRefusals[protocol.RecordID](50)
		n.refuseWith(func(r *protocol.Record) error {
			if r.Org() == sybil.Org {
				return reason.New(reason.QuarantineFull, "full")
			}
			return nil
		})
		v := m.liar(n, itemsOf(all...), give(all))
		v.frame = 4096
		for range 12 {
			check(t, n.Now(m.ctx, v.host.ID().String()))
			if n.d.Store.Has(genuine[0].ID()) {
				break
			}
			if n.Status().Peers[0].Equal {
				t.Error("a session that was cut counts as equal")
			}
		}
		if !n.d.Store.Has(genuine[0].ID()) {
			t.Fatal("the genuine record never came")
		}
		if from := n.books.reached(v.host.ID().String(), drill()); from.Timestamp != 0 {
			t.Errorf("the next session begins at %+v, not at the beginning", from)
		}
	})
}

// TestRefusedCountAsShown: what is remembered as refused does not count as missing, so that one session gets past it.
func TestRefusedCountAsShown(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		n := m.node()
		author := found(t)
		n.learn(author.Statements...)
		all := signed(t, author, 600)
		n.bounds.needed = 100
		for _, r := range all[:599] {
			n.refused.add(r.ID(), refusal{code: reason.QuarantineFull, org: author.Org, until: time.Now().Add(time.Hour)})
		}
		v := m.liar(n, itemsOf(all...), give(all))
		v.frame = 4096
		check(t, n.Now(m.ctx, v.host.ID().String()))
		if !n.d.Store.Has(all[599].ID()) {
			t.Error("the genuine record was cut off")
		}
	})
}
