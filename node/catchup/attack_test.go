package catchup

//bubble: every test that uses inBubble runs in virtual time.

import (
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"

	"tocsin/protocol"
	"tocsin/protocol/protocoltest"
	"tocsin/protocol/reason"
	"tocsin/protocol/trust"
	"tocsin/storage"
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

// silent is a peer that keeps an exchange open and says nothing of use: fingerprints that never agree, every 15 s.
func (m *mesh) silent(n *testNode) {
	h := m.stranger(n)
	h.SetStreamHandler(syncProtocol, func(s network.Stream) {
		defer s.Close()
		for {
			raw, err := readFrame(s)
			if err != nil {
				return
			}
			select {
			case <-m.ctx.Done():
				return
			case <-time.After(15 * time.Second):
			}
			message := append([]byte{0x61, 0, 0, 1}, make([]byte, 16)...)
			_, _ = rand.Read(message[4:])
			out, err := encode(kind(raw[0]), nextMessage{Message: message})
			if err != nil || writeFrame(s, out) != nil {
				return
			}
		}
	})
}

// TestSilentStrangersStopNothing: more silent peers than there are places for such cannot keep us from an honest stranger, and each is left
// after a minute (SYN-29).
func TestSilentStrangersStopNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		n, full := m.node(), m.node()
		author := found(t)
		m.run(n)
		for range maxCallers + 1 {
			m.silent(n)
		}
		time.Sleep(20 * time.Second)
		m.connect(n, full)
		records := signed(t, author, 50)
		full.hold(t, author, records...)
		waitFor(t, 2*time.Minute, "the records of the honest peer", func() bool { return n.records() == len(records) })
		waitFor(t, 2*time.Minute, "the silent are left", func() bool {
			left := 0
			for _, p := range n.Status().Peers {
				if strings.Contains(p.Error, errStalls.Error()) {
					left++
				}
			}
			return left >= maxCallers
		})
	})
}

// TestPlaces: the others have half of the places, those out of turn a third; an operator needs none.
func TestPlaces(t *testing.T) {
	p := new(places)
	count := func(r rank) (n int) {
		for n < 2*maxVisits && p.take(r) {
			n++
		}
		return n
	}
	if got := [3]int{count(caller), count(other), count(trusted)}; got != [3]int{maxCallers, maxOthers - maxCallers, maxVisits - maxOthers} {
		t.Errorf("%v places", got)
	}
	if !p.take(byHand) {
		t.Error("an operator waits")
	}
	p.give(byHand)
	p.give(other)
	if p.take(caller) || !p.take(other) || p.take(trusted) {
		t.Error("a place that was given back is not the one that was taken")
	}
}

// TestDebt: who drips runs out of patience, who is slow but brings something does not.
func TestDebt(t *testing.T) {
	var d debt
	for range 100 {
		check(t, d.add(10*time.Second))
		d.pay(0, 10*slowest)
		check(t, d.add(5*time.Second))
		d.pay(5, 0)
	}
	if err := errors.Join(d.add(patience), d.add(time.Nanosecond)); !errors.Is(err, errStalls) {
		t.Errorf("after a minute: %v", err)
	}
}

// TestHintFlood: a stranger's hints count once a round, a listed peer's once in ten seconds (SYN-17).
func TestHintFlood(t *testing.T) {
	b := newBooks()
	now := time.Unix(1000, 0)
	heard := map[bool]int{}
	for i := range 60 {
		for who, trusted := range map[string]bool{"stranger": false, "listed": true} {
			if b.hinted(who, hintRest(trusted), now.Add(time.Duration(i)*time.Second)) {
				heard[trusted]++
			}
		}
	}
	if heard[false] != 2 || heard[true] != 6 {
		t.Errorf("in a minute a stranger was heard %d times, a listed one %d", heard[false], heard[true])
	}
}

// TestLiarHoldsNoRoom: who sends records of organisations whose chains it does not give holds no room that others need,
// and is left (SYN-10).
func TestLiarHoldsNoRoom(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		n, full := m.node(), m.node()
		author := found(t)
		records := signed(t, author, 400)
		full.hold(t, author, records...)
		n.learn(author.Statements...)
		junk := signed(t, found(t), 2*roomPlaces)
		v := m.liar(n, itemsOf(junk...), give(junk))
		v.host.SetStreamHandler("/tocsin/identity/1", func(s network.Stream) { // says nothing
			<-m.ctx.Done()
			_ = s.Reset()
		})
		ended := make(chan error, 1)
		m.wg.Go(func() { ended <- n.Now(m.ctx, v.host.ID().String()) })
		time.Sleep(2 * time.Second) // it has sent all that fits
		if free := roomPlaces - len(n.room.places); free < roomPlaces {
			t.Errorf("%d of %d places are free", free, roomPlaces)
		}
		m.connect(n, full)
		start := time.Now()
		check(t, n.Now(m.ctx, full.host.PeerID()))
		if took := time.Since(start); n.records() != len(records) || took > 10*time.Second {
			t.Errorf("%d of %d records after %v", n.records(), len(records), took)
		}
		if err := <-ended; !errors.Is(err, errNoChains) {
			t.Errorf("the visit to the liar ended with %v", err)
		}
	})
}

// TestUncompletableHeadersStopNothing: more headers that nobody has in full than a visit asks for do not keep others from
// being completed; those of listed organisations come first (SYN-12).
func TestUncompletableHeadersStopNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		author, sybil, listed := found(t), found(t), found(t)
		n, full := m.node(), m.node()
		headers := func(a *protocoltest.Author, count int) []*protocol.Record {
			n.learn(a.Statements...)
			list := signed(t, a, count, notes(1, 100))
			for _, r := range list {
				raw, err := protocol.HeaderOf(r.Raw())
				check(t, err)
				h, err := protocol.VerifyHeader(raw, n.known())
				check(t, err)
				check(t, n.put(m.ctx, h, "liar"))
			}
			return list
		}
		headers(sybil, maxLacking)
		victims, first := headers(author, 3), headers(listed, 3)
		n.list(listed.Org, trust.Observed)
		full.hold(t, author, victims...)
		full.hold(t, listed, first...)
		m.connect(n, full)
		whole := func(list []*protocol.Record) bool {
			return !slices.ContainsFunc(list, func(r *protocol.Record) bool { return n.form(r.ID()) != storage.Full })
		}
		check(t, n.Now(m.ctx, ""))
		if !whole(first) {
			t.Error("those of a listed organisation do not come first")
		}
		check(t, n.Now(m.ctx, ""))
		if !whole(victims) {
			t.Error("those behind the ones that nobody has are not completed")
		}
	})
}

// TestGatheredOneAtATime: what others have in full goes to the store as it comes, however much of it there is (SYN-12).
func TestGatheredOneAtATime(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		n := m.node()
		author := found(t)
		n.learn(author.Statements...)
		records := signed(t, author, 20, notes(1, 20_000))
		whole := give(records)
		heads := m.liar(n, itemsOf(records...), func(id protocol.RecordID) *itemMessage {
			raw, err := protocol.HeaderOf(whole(id).Bytes)
			check(t, err)
			return &itemMessage{ID: id, Form: formHeader, Bytes: raw}
		})
		given, stored := 0, 0
		m.liar(n, nil, func(id protocol.RecordID) *itemMessage {
			if given++; given > 1 {
				time.Sleep(time.Second) // slower than a record is stored
			}
			return whole(id)
		})
		n.refuseWith(func(*protocol.Record) error {
			if stored++; given > stored+1 {
				t.Errorf("%d records were given before the %dth is stored", given, stored)
			}
			return nil
		})
		check(t, n.Now(m.ctx, heads.host.ID().String()))
		if n.records() != len(records) || len(n.room.places) > 0 {
			t.Errorf("%d records came in full, %d places are still taken", n.records(), len(n.room.places))
		}
	})
}
