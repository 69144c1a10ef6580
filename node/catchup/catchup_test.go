package catchup

//bubble: every test in this file runs inside inBubble, where time is virtual.

import (
	"context"
	"errors"
	"testing"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/protocol/trust"
	"tocsin/storage"
)

// TestThree: an empty node gets 2,000 records of an unknown kind from three peers, each exactly once,
// and all three have a part in it (SYN-01, SYN-05, SYN-15, SYN-16).
func TestThree(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		empty := m.node()
		author := found(t)
		const n = 2000
		records := signed(t, author, n)
		for range 3 {
			full := m.node()
			full.hold(t, author, records...)
			m.connect(empty, full)
		}
		m.run(empty)
		waitFor(t, time.Minute, "all records here", func() bool { return empty.records() == n })
		if d := empty.twice(); d > 0 {
			t.Errorf("%d records came twice", d)
		}
		for p, count := range empty.from {
			if count < n/10 {
				t.Errorf("%s sent %d of %d", p, count, n)
			}
		}
		waitFor(t, time.Minute, "it says so", func() bool { return !empty.Status().CaughtUp.IsZero() })
		st := empty.Status()
		if st.Behind != 0 || st.Repaired != n || st.Last == nil || !st.Last.Done || st.Last.Records != n || len(st.Last.Sources) != 3 {
			t.Errorf("status %+v, gap %+v", st, st.Last)
		}
		if len(st.Peers) != 3 || st.Peers[0].Error != "" || !st.Peers[0].Equal {
			t.Errorf("peers %+v", st.Peers)
		}
		for _, c := range empty.Digests(m.ctx, 3) {
			for _, p := range c.Peers {
				if p.Error != "" || p.Digest != c.Digest || p.Records != c.Records || (c.Topic == drill()) != (c.Records == n) {
					t.Errorf("SYN-20: on %s we have %d %s, peer %+v", c.Topic, c.Records, c.Digest, p)
				}
			}
		}
	})
}

// TestResume: a keeper that stops in the middle, and another that goes on over the same store, bring
// every record, and what was here is not fetched again.
func TestResume(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		empty, full := m.node(), m.node()
		author := found(t)
		const n = 900
		full.hold(t, author, signed(t, author, n)...)
		m.connect(empty, full)
		came := 0
		ctx, kill := context.WithCancel(m.ctx)
		empty.refuseWith(func(*protocol.Record) error {
			empty.mu.Lock()
			defer empty.mu.Unlock()
			if came++; came == n/3 {
				kill()
			}
			return nil
		})
		if err := empty.Now(ctx, ""); !errors.Is(err, context.Canceled) {
			t.Errorf("the visit ended with %v", err)
		}
		before := empty.records()
		if before < n/4 || before > n*3/4 {
			t.Fatalf("%d records here when it was killed, want about a third of %d", before, n)
		}
		empty.Keeper = New(empty.d)
		empty.refuseWith(nil)
		check(t, empty.Now(m.ctx, ""))
		if empty.records() != n {
			t.Errorf("%d records in the end, want %d", empty.records(), n)
		}
		empty.mu.Lock()
		defer empty.mu.Unlock()
		calls := 0
		for _, times := range empty.came {
			calls += times
		}
		if calls > n+roomPlaces {
			t.Errorf("%d records were handed to the way in for %d: what was here came again", calls, n)
		}
	})
}

// TestRefused: what the way in refuses is fetched once, does not count as missing, makes visits rarer,
// and is fetched again once its author is listed (SYN-13, SYN-19).
func TestRefused(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		n, full := m.node(), m.node()
		author := found(t)
		const records = 40
		full.hold(t, author, signed(t, author, records)...)
		n.refuseWith(func(r *protocol.Record) error {
			if n.level(r.Org()) >= trust.Observed {
				return nil
			}
			return reason.New(reason.QuarantineFull, "full")
		})
		m.connect(n, full)
		m.run(n)
		time.Sleep(4 * time.Minute)
		st := n.Status()
		if d := n.twice(); len(n.came) != records || d != 0 || st.Refused != records || st.Behind != 0 {
			t.Errorf("%d records came, %d of them twice; %d refused, %d behind", len(n.came), d, st.Refused, st.Behind)
		}
		if p := st.Peers[0]; p.Error != "" {
			t.Errorf("peer %+v", p)
		}
		n.list(author.Org, trust.Observed)
		waitFor(t, 5*time.Minute, "the records of a listed author", func() bool { return n.records() == records })
	})
}

// TestExpired: what has expired is dropped, what is of the far future not taken, and neither is asked for again and again (SYN-09).
func TestExpired(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		n, full := m.node(), m.node()
		author := found(t)
		old := signed(t, author, 2, func(d *protocol.Draft) { d.Expires = time.Now().Add(12 * time.Second) })
		full.hold(t, author, old...)
		s := n.session("", nil)
		n.learn(author.Statements...)
		time.Sleep(13 * time.Second)
		l := n.inflight.add([]protocol.RecordID{old[0].ID()})
		check(t, s.take(m.ctx, drill(), l, &itemMessage{ID: old[0].ID(), Form: formFull, Bytes: old[0].Raw()}))
		if r, ok := n.refused.find(old[0].ID(), time.Now()); !ok || r.code != reason.TimeExpired || n.records() != 0 {
			t.Errorf("an expired record: %+v, %d records", r, n.records())
		}
		other := found(t)
		n.learn(other.Statements...)
		late := signed(t, other, 1, func(d *protocol.Draft) {
			d.Created = time.Now().Add(11 * time.Minute)
			d.Expires = d.Created.Add(time.Hour)
		})[0]
		l = n.inflight.add([]protocol.RecordID{late.ID()})
		check(t, s.take(m.ctx, drill(), l, &itemMessage{ID: late.ID(), Form: formFull, Bytes: late.Raw()}))
		if n.d.Store.Has(late.ID()) || n.inflight.count() != 0 {
			t.Error("a record of the future was taken")
		}
	})
}

// TestChains: a chain that the peer learned after we met is asked for when its records come (SYN-10).
func TestChains(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		n, full := m.node(), m.node()
		m.connect(n, full)
		const authors = 30 // more than a peer answers at once (NET-17)
		for range authors {
			a := found(t)
			full.hold(t, a, signed(t, a, 1)...)
		}
		check(t, n.Now(m.ctx, full.host.PeerID()))
		if n.records() != authors {
			t.Errorf("%d records, want %d: %+v", n.records(), authors, n.Status().Peers)
		}
	})
}

// TestLarge: a record of almost 1 MiB, which gossip refuses, is with the neighbour soon after its
// author compares (SYN-15, SYN-17): the hint makes the other ask.
func TestLarge(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		a, b := m.node(), m.node()
		m.connect(a, b)
		m.run(a)
		m.run(b)
		time.Sleep(time.Minute)
		author := found(t)
		large := signed(t, author, 1, notes(1, 1_040_000), func(d *protocol.Draft) { d.Created = time.Now() })
		if size := len(large[0].Raw()); size < protocol.MaxGossipBytes || size > protocol.MaxRecordBytes {
			t.Fatalf("the record has %d bytes", size)
		}
		a.hold(t, author, large...)
		a.Poke(drill())
		waitFor(t, 25*time.Second, "the large record", func() bool { return b.form(large[0].ID()) == storage.Full })
	})
}

// TestPoor: pruned records and headers are taken when nobody connected has more, and completed when
// somebody comes who does (SYN-08, SYN-12).
func TestPoor(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		author := found(t)
		records := signed(t, author, 3, notes(3, 200))
		poor, full := m.node(), m.node()
		poor.hold(t, author, records[0], records[2])
		check(t, poor.d.Store.Accept(m.ctx, storage.Entry{Record: records[1], State: storage.Held, Reason: reason.TrustUnknown, Received: time.Now()}))
		full.hold(t, author, records...)
		check(t, poor.d.Store.Erase(m.ctx, records[0].ID(), []int{1}, reason.OperatorRejected))
		check(t, poor.d.Store.Reject(m.ctx, records[1].ID(), reason.OperatorRejected))
		forms := func(n *testNode) (list [3]storage.Form) {
			for i, r := range records {
				list[i] = n.form(r.ID())
			}
			return list
		}
		asBad := [3]storage.Form{storage.Pruned, storage.HeaderOnly, storage.Full}
		asGood := [3]storage.Form{storage.Full, storage.Full, storage.Full}
		both := m.node()
		m.connect(both, poor)
		m.connect(both, full)
		check(t, both.Now(m.ctx, poor.host.PeerID()))
		if got := forms(both); got != asGood {
			t.Errorf("with a peer that has them full we have %v", got)
		}
		one := m.node()
		m.connect(one, poor)
		check(t, one.Now(m.ctx, ""))
		if got := forms(one); got != asBad || one.inflight.count() != 0 {
			t.Errorf("of a peer that has them in part we have %v, %d are wanted", got, one.inflight.count())
		}
		m.connect(one, full)
		check(t, one.Now(m.ctx, full.host.PeerID()))
		if got := forms(one); got != asGood {
			t.Errorf("after a peer came that has them full we have %v", got)
		}
		if got := forms(poor); got != asBad {
			t.Errorf("who erased them has %v", got)
		}
		check(t, poor.Now(m.ctx, "")) // one and full are not its peers' fault: nothing to fill in
		got, err := one.Fetch(m.ctx, drill(), []protocol.RecordID{records[0].ID(), {1}})
		if err != nil || len(got) != 1 || string(got[records[0].ID()]) != string(records[0].Raw()) {
			t.Errorf("fetched %d records, %v", len(got), err)
		}
	})
}

// TestGaps: with a peer whose set we refuse, gaps in logs of listed organisations come first, by place (SYN-06, SYN-19).
func TestGaps(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		n, full := m.node(), m.node()
		author := found(t)
		records := signed(t, author, 50)
		full.hold(t, author, records...)
		n.hold(t, author, records[0], records[49])
		n.list(author.Org, trust.Observed)
		m.connect(n, full)
		stream, err := n.d.Host.Open(m.ctx, full.host.PeerID(), exchange())
		check(t, err)
		s := n.session(full.host.PeerID(), stream)
		check(t, s.gaps(m.ctx, drill(), new(outcome)))
		check(t, stream.Close())
		if n.records() != 50 {
			t.Errorf("%d records, want 50", n.records())
		}
	})
}

// TestUnsupported: a peer of an older version is no error, and noted.
func TestUnsupported(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		n, old := m.node(), m.stranger
		h := old(n)
		m.run(n)
		time.Sleep(2 * time.Minute)
		st := n.Status()
		if len(st.Peers) != 1 || st.Peers[0].ID != h.ID().String() || !st.Peers[0].Unsupported || st.Peers[0].Error != "" || st.Asked != 0 || !st.CaughtUp.IsZero() {
			t.Errorf("status %+v", st)
		}
		if err := n.Now(m.ctx, h.ID().String()); reason.Of(err) != reason.PeerUnsupported {
			t.Errorf("asked by hand: %v", err)
		}
	})
}

// TestNowLeavesOutNothing: a round by hand brings what was made a moment ago, and says that it is caught up to now (SYN-03); with nobody
// there it says so.
func TestNowLeavesOutNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		n, full := m.node(), m.node()
		if err := n.Now(m.ctx, ""); reason.Of(err) != reason.PeerDial {
			t.Errorf("without a peer: %v", err)
		}
		m.connect(n, full)
		author := found(t)
		now := time.Now()
		full.hold(t, author, signed(t, author, 1, func(d *protocol.Draft) { d.Created = now })...)
		check(t, n.Now(m.ctx, ""))
		if st := n.Status(); n.records() != 1 || st.CaughtUp.Before(now.Truncate(time.Millisecond)) || st.CaughtUp.After(time.Now()) {
			t.Errorf("%d records, caught up to %v at %v", n.records(), st.CaughtUp, time.Now())
		}
		if id := full.host.PeerID(); !n.books.begin(id) { // as if its round were under way
			t.Fatal("a visit is under way")
		}
		ctx, cancel := context.WithTimeout(m.ctx, 3*time.Second)
		defer cancel()
		if err := n.Now(ctx, ""); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("while its only peer is being asked: %v", err)
		}
	})
}

// TestCaughtUpTo: the schedule leaves the last seconds out and never says that it is caught up to a time within them. What they
// brought is of one gap with what came before, counted as it came: only objects are objects.
func TestCaughtUpTo(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		n, full := m.node(), m.node()
		author := found(t)
		start := time.Now()
		old := signed(t, author, 5)
		full.hold(t, author, old...)
		fresh := signed(t, author, 1, func(d *protocol.Draft) { d.Created = time.Now() })
		full.hold(t, author, fresh...)
		m.connect(n, full)
		m.run(n)
		waitFor(t, 4*time.Second, "the first part is here", func() bool { return n.records() == 5 && !n.Status().CaughtUp.IsZero() })
		if st := n.Status(); st.CaughtUp.After(time.Now().Add(-settling)) {
			t.Errorf("caught up to %v at %v", st.CaughtUp, time.Now())
		}
		waitFor(t, time.Minute, "all of it is", func() bool { return n.records() == 6 && n.Status().CaughtUp.After(start) })
		st := n.Status()
		if g := st.Last; g == nil || !g.Done || g.Records != 6 || g.Objects != 0 || !g.From.Equal(old[0].Header().Created) || !g.Until.Equal(fresh[0].Header().Created) {
			t.Errorf("gap %+v", st.Last)
		}
	})
}

// TestFaults: when our own store fails, records are neither lost nor refused for good.
func TestFaults(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		n, full := m.node(), m.node()
		author := found(t)
		full.hold(t, author, signed(t, author, 200)...)
		n.refuseWith(func(*protocol.Record) error { return errors.New("the disk is on fire") })
		m.connect(n, full)
		if err := n.Now(m.ctx, ""); err == nil {
			t.Error("a round with a broken store is no error")
		}
		if st := n.Status(); st.Refused != 0 || st.CaughtUp != (time.Time{}) {
			t.Errorf("status %+v", st)
		}
		n.refuseWith(nil)
		time.Sleep(faultLife)
		check(t, n.Now(m.ctx, ""))
		if n.records() != 200 {
			t.Errorf("%d records, want 200", n.records())
		}
	})
}
