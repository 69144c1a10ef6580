package p2p

//bubble: every test in this file but those on bytes alone runs inside inBubble, where time is virtual.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"tocsin/protocol/reason"
	"tocsin/protocol/trust"
)

// echo is an exchange that answers each frame with itself.
func echo() Exchange {
	return Exchange{
		ID: "/tocsin/echo/1", Name: "tocsin/echo", Idle: 5 * time.Second, Deadline: 70 * time.Second,
		MaxFrame: 1 << 20, Memory: 1 << 20, PerPeer: 3, Total: 4,
		Serve: func(_ context.Context, _ peer.ID, s *Stream) error {
			for {
				frame, err := s.Receive()
				if err == io.EOF {
					return nil
				}
				if err == nil && string(frame) == "bad" {
					err = errors.New("bad")
				}
				if err == nil {
					err = s.Send(frame)
				}
				if err != nil {
					return err
				}
			}
		},
	}
}

// pair makes two connected nodes, of which the second answers echoes.
func (m *mesh) pair() (a, b *testNode) {
	a, b = m.node(), m.node()
	b.Host.Serve(echo())
	m.connect(a, b)
	return a, b
}

// TestExchange: many frames both ways, more than one under way, and both ends of the size (NET-26).
func TestExchange(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		a, b := m.pair()
		s := must[*Stream](t)(a.Open(m.ctx, b.PeerID(), echo()))
		var sent [][]byte
		for _, n := range []int{1, 100, 40_000, 1 << 20} {
			sent = append(sent, bytes.Repeat([]byte{byte(n)}, n))
		}
		for _, frame := range sent {
			if err := s.Send(frame); err != nil {
				t.Fatal(err)
			}
		}
		for i, want := range sent {
			if got, err := s.Receive(); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("frame %d of %d bytes came back with %d, %v", i, len(want), len(got), err)
			}
		}
		for _, n := range []int{0, 1<<20 + 1} {
			if err := s.Send(make([]byte, n)); err == nil {
				t.Errorf("a frame of %d bytes was sent", n)
			}
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestExchangeBounds: frames that drip, exchanges that last, too many of them, and those that nobody speaks (NET-27).
func TestExchangeBounds(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		a, b := m.pair()
		if _, err := a.Open(m.ctx, b.PeerID(), Exchange{ID: "/tocsin/none/1", Name: "x", Idle: time.Second, Deadline: time.Second}); reason.Of(err) != reason.PeerUnsupported {
			t.Errorf("a protocol that it does not speak: %v", err)
		}
		if _, err := a.Open(m.ctx, newAuthor(t).Org.String(), echo()); reason.Of(err) != reason.NotFound {
			t.Errorf("no peer id: %v", err)
		}
		start := time.Now()
		s := must[*Stream](t)(a.Open(m.ctx, b.PeerID(), echo()))
		if _, err := s.Receive(); err == nil || time.Since(start) > 6*time.Second {
			t.Errorf("a silent exchange ended after %v with %v", time.Since(start), err)
		}
		s.Reset()

		start = time.Now()
		s = must[*Stream](t)(a.Open(m.ctx, b.PeerID(), echo()))
		var err error
		for err == nil {
			if err = s.Send([]byte("x")); err == nil {
				_, err = s.Receive()
			}
			time.Sleep(time.Second)
		}
		if d := time.Since(start); d < 65*time.Second || d > 80*time.Second {
			t.Errorf("a busy exchange ended after %v", d)
		}
		s.Reset()
		s = must[*Stream](t)(a.Open(m.ctx, b.PeerID(), echo()))
		if err := s.Send([]byte("bad")); err != nil {
			t.Error(err)
		}
		if _, err := s.Receive(); err == nil || err == io.EOF {
			t.Errorf("what the other side refuses ends with %v, want a reset", err)
		}
		s.Reset()
	})
}

// TestExchangeSlots: one peer has its share of the room, and those that are not listed together half of it (NET-27).
func TestExchangeSlots(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		a, b := m.pair()
		talk := func(s *Stream) error {
			if err := s.Send([]byte("x")); err != nil {
				return err
			}
			_, err := s.Receive()
			return err
		}
		begin := func(n *testNode) *Stream { return must[*Stream](t)(n.Open(m.ctx, b.PeerID(), echo())) }
		newcomer := func() *testNode {
			n := m.node()
			m.connect(n, b)
			return n
		}
		var open []*Stream
		for i := range 3 {
			s := begin(a)
			open = append(open, s)
			if err := talk(s); (err == nil) != (i < 2) {
				t.Errorf("exchange %d of one peer: %v", i+1, err)
			}
		}
		// A newcomer takes the second one of who has two, and then nobody's, until they had their turn.
		c, d := newcomer(), newcomer()
		first := begin(c)
		if err := talk(first); err != nil {
			t.Errorf("who has none found no room beside who has two: %v", err)
		}
		if err, other := talk(open[0]), talk(open[1]); err == nil || other != nil {
			t.Errorf("of the two the oldest should have ended: %v, %v", err, other)
		}
		for _, n := range []*testNode{a, d} {
			if s := begin(n); talk(s) == nil {
				t.Error("peers that are not listed got more than half of the room")
			}
		}
		for range 15 {
			time.Sleep(exchangeTurn / 16)
			if err := errors.Join(talk(open[1]), talk(first)); err != nil {
				t.Fatalf("ended before it had its turn: %v", err)
			}
		}
		time.Sleep(exchangeTurn / 15)
		last := begin(d)
		if err := talk(last); err != nil {
			t.Errorf("no room after a turn: %v", err)
		}
		if err, other := talk(open[1]), talk(first); err == nil || other != nil {
			t.Errorf("the oldest should have made room: %v, %v", err, other)
		}
		first.Reset()
		s := last
		s.Reset()
		b.list(c.author, trust.Observed)
		time.Sleep(6 * time.Second)
		s = must[*Stream](t)(c.Open(m.ctx, b.PeerID(), echo()))
		if err := talk(s); err != nil {
			t.Errorf("a listed one found no room: %v", err)
		}
		s.Reset()
		for _, s := range open {
			s.Reset()
		}
		time.Sleep(time.Second)
		s = must[*Stream](t)(a.Open(m.ctx, b.PeerID(), echo()))
		if err := talk(s); err != nil {
			t.Errorf("room was not given back: %v", err)
		}
		s.Reset()
	})
}

// TestBlockedIsNotServed: NET-30. Who is blocked while it is connected is answered nothing from then on, loses its connections, the
// exchange under way with them, and is not dialled or let in, kept or not, until the block ends.
func TestBlockedIsNotServed(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		a, b := m.node(), m.node()
		a.Host.Serve(echo())
		m.connect(a, b) // a keeps b
		s := must[*Stream](t)(b.Open(m.ctx, a.PeerID(), echo()))
		talk := func() error {
			if err := s.Send([]byte("x")); err != nil {
				return err
			}
			_, err := s.Receive()
			return err
		}
		if err := talk(); err != nil {
			t.Fatal(err)
		}
		a.list(b.author, trust.Blocked)
		fresh, err := b.Open(m.ctx, a.PeerID(), echo())
		if err == nil {
			_, err = fresh.Receive()
		}
		if err == nil || err == io.EOF {
			t.Errorf("a new exchange: %v", err)
		}
		from := must[peer.ID](t)(peer.Decode(a.PeerID()))
		if _, err := b.askChains(m.ctx, from, &chainRequest{}); err == nil {
			t.Error("its request was answered")
		}
		time.Sleep(standingTick + time.Second)
		if talk() == nil || a.peer(t, b).Connected {
			t.Error("the connection and what was under way on it goes on")
		}
		if _, err := b.Connect(m.ctx, a.Addrs()[0]); err == nil && a.peer(t, b).Connected {
			t.Error("let in again")
		}
		time.Sleep(2 * maxBackoff)
		if p := a.peer(t, b); p.Connected || p.LastError != "" {
			t.Errorf("dialled: %+v", p)
		}
		a.list(b.author, trust.Observed)
		waitFor(t, 2*maxBackoff, "the end of the block", func() bool { return a.peer(t, b).Connected })
	})
}

// TestSlowLoris: a frame that comes byte by byte has no more time than any other (NET-27), and a length above the limit ends it at once (NET-26).
func TestSlowLoris(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		n := m.node()
		n.Host.Serve(echo())
		to := must[peer.ID](t)(peer.Decode(n.PeerID()))
		h := m.stranger()
		if err := h.Connect(m.ctx, *must[*peer.AddrInfo](t)(peer.AddrInfoFromString(n.Addrs()[0]))); err != nil {
			t.Fatal(err)
		}
		s, err := h.NewStream(m.ctx, to, echo().ID)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		_, err = s.Write([]byte{0, 0, 1, 0})
		for err == nil {
			time.Sleep(time.Second)
			_, err = s.Write([]byte{1})
		}
		if d := time.Since(start); d > 8*time.Second {
			t.Errorf("dripped for %v", d)
		}
		for _, head := range [][]byte{{0, 0, 0, 0}, {0, 0x10, 0, 1}, {0xff, 0xff, 0xff, 0xff}} {
			s, err := h.NewStream(m.ctx, to, echo().ID)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Write(head); err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			if _, err := s.Read(make([]byte, 1)); err == nil || err == io.EOF || time.Since(start) > time.Second {
				t.Errorf("a length of %x: %v after %v", head, err, time.Since(start))
			}
		}
	})
}

// TestExchangePace: who is neither listed nor kept gets 2 MiB/s after a burst of 4 (NET-28), others what the line gives.
func TestExchangePace(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		a, b := m.pair()
		took := func() time.Duration {
			s := must[*Stream](t)(a.Open(m.ctx, b.PeerID(), echo()))
			defer s.Reset()
			start := time.Now()
			for range 6 {
				if err := s.Send(make([]byte, 1<<20)); err != nil {
					t.Fatal(err)
				}
				if _, err := s.Receive(); err != nil {
					t.Fatal(err)
				}
			}
			return time.Since(start)
		}
		if d := took(); d < 900*time.Millisecond || d > 2*time.Second {
			t.Errorf("6 MiB to a stranger took %v, want about 1 s", d)
		}
		b.list(a.author, trust.Observed)
		time.Sleep(6 * time.Second)
		if d := took(); d > 800*time.Millisecond {
			t.Errorf("6 MiB to a listed peer took %v", d)
		}
	})
}

// TestArrivals: every peer that connects is told of once it exchanged chains; companions are ordered by what the operator said.
func TestArrivals(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		a, listed, stranger, blocked := m.node(), m.node(), m.node(), m.node()
		var came []string
		for _, n := range []*testNode{listed, stranger, blocked} {
			m.connect(n, a)
			select {
			case p := <-a.Arrivals():
				came = append(came, p)
			case <-time.After(15 * time.Second):
				t.Fatal("nobody arrived")
			}
			if !a.knows(n.author.Org) {
				t.Error("arrived before its chain")
			}
		}
		if want := []string{listed.PeerID(), stranger.PeerID(), blocked.PeerID()}; !slices.Equal(came, want) {
			t.Errorf("arrived %v, want %v", came, want)
		}
		a.list(listed.author, trust.Observed)
		a.list(blocked.author, trust.Blocked)
		time.Sleep(6 * time.Second)
		kept := m.node()
		m.connect(a, kept)
		var order []string
		for _, c := range a.Companions() {
			order = append(order, fmt.Sprint(c.ID, c.Listed, c.Kept))
		}
		want := []string{
			fmt.Sprint(listed.PeerID(), true, false), fmt.Sprint(kept.PeerID(), false, true), fmt.Sprint(stranger.PeerID(), false, false),
		}
		if !slices.Equal(order, want) {
			t.Errorf("companions %v, want %v", order, want)
		}
	})
}

// FuzzExchangeFrame: what is read is what the length says, within the limit (NET-26).
func FuzzExchangeFrame(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 'x'})
	f.Add([]byte{0, 0, 0, 0})
	f.Add([]byte{0xff, 0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, raw []byte) {
		const limit = 1 << 10
		frame, err := readFrame(bytes.NewReader(raw), nil, limit)
		if err != nil {
			return
		}
		if len(frame) == 0 || len(frame) > limit || !bytes.Equal(frame, raw[4:4+len(frame)]) {
			t.Errorf("%x gave %x", raw, frame)
		}
	})
}
