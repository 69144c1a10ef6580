package p2p

//bubble: every test in this file that sleeps runs inside inBubble, where time is virtual.

import (
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"tocsin/protocol"
	"tocsin/protocol/trust"
)

// What a node reads of chains, and what it answers (NET-17, NET-18, NET-22).

// TestAnswerOrgs: wanted first, then the server's own, then what differs, listed ones first;
// nothing twice (NET-17).
func TestAnswerOrgs(t *testing.T) {
	a, b, c := newAuthor(t), newAuthor(t), newAuthor(t)
	chains := protocol.NewChains(testNetwork)
	for _, x := range []*author{a, b, c} {
		chains, _, _ = chains.With(x.Statements...)
	}
	has := func(orgs []protocol.OrgID, want ...protocol.OrgID) bool {
		return fmt.Sprint(orgs) == fmt.Sprint(want)
	}
	level := func(id protocol.OrgID) trust.Level {
		if id == a.Org {
			return trust.Observed
		}
		return trust.Unknown
	}
	if got := answerOrgs(&chainRequest{}, chains, a.Org, level); len(got) != 0 {
		t.Errorf("asked for nothing: %v", got)
	}
	if got := answerOrgs(&chainRequest{Wanted: []protocol.Digest{c.Certificate.Digest(), {9}, c.Certificate.Digest()}}, chains, a.Org, level); !has(got, c.Org) {
		t.Errorf("wanted: %v", got)
	}
	got := answerOrgs(&chainRequest{Wanted: []protocol.Digest{c.Certificate.Digest()}, Known: []knownChain{}}, chains, b.Org, level)
	if !has(got, c.Org, b.Org, a.Org) {
		t.Errorf("all: %v", got)
	}
	if got := answerOrgs(&chainRequest{Known: knownChains(chains)}, chains, a.Org, level); len(got) != 0 {
		t.Errorf("equal sides: %v", got)
	}
	partial, _, _ := protocol.NewChains(testNetwork).With(a.Statements[:2]...)
	if got := answerOrgs(&chainRequest{Known: knownChains(partial)}, chains, a.Org, level); len(got) != 3 || got[0] != a.Org {
		t.Errorf("a chain that grew: %v", got)
	}
}

// TestAnswerByChance: who is neither own nor listed comes in another order each time, so that
// ids made for the purpose crowd nobody out of an answer that is cut off (NET-17).
func TestAnswerByChance(t *testing.T) {
	chains := protocol.NewChains(testNetwork)
	for range 12 {
		chains, _, _ = chains.With(newAuthor(t).Statements...)
	}
	unknown := func(protocol.OrgID) trust.Level { return trust.Unknown }
	last := make(map[protocol.OrgID]bool)
	for range 200 {
		got := answerOrgs(&chainRequest{Known: []knownChain{}}, chains, protocol.OrgID{}, unknown)
		if len(got) != 12 {
			t.Fatalf("%d organisations in the answer", len(got))
		}
		last[got[11]] = true
	}
	if len(last) < 6 {
		t.Errorf("only %d of 12 organisations ever came last", len(last))
	}
}

// talker is a host that answers every request for chains with so much junk and then a chain.
func talker(t *testing.T, m *mesh, junk int, then *author) (h host.Host, asked *atomic.Int32) {
	h, asked = m.stranger(), new(atomic.Int32)
	item := append([]byte{0x59, 0x03, 0xfd}, make([]byte, 1021)...) // a byte string, 1 KiB with its head
	h.SetStreamHandler(identityProtocol, func(s network.Stream) {
		asked.Add(1)
		_, _ = io.ReadAll(s)
		for range junk / len(item) {
			if _, err := s.Write(item); err != nil {
				return
			}
		}
		for _, st := range then.Statements {
			_, _ = s.Write(st.Raw())
		}
		_ = s.Close()
	})
	return h, asked
}

// TestReconnectIsMetered: a stranger that connects again and again does not make us read and
// verify its chains each time (NET-22).
func TestReconnectIsMetered(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		n, far := m.node(), newAuthor(t)
		h, asked := talker(t, m, maxChainUnlisted, far)
		info := must[*peer.AddrInfo](t)(peer.AddrInfoFromString(n.Addrs()[0]))
		for range 20 {
			if err := h.Connect(m.ctx, *info); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			_ = h.Network().ClosePeer(info.ID)
			time.Sleep(100 * time.Millisecond)
		}
		if got, want := int(asked.Load()), learnPeer.burst/maxChainUnlisted; got < 1 || got > want {
			t.Errorf("20 connections made us ask %d times, want at most %d", got, want)
		}
		if n.knows(far.Org) {
			t.Error("more than 256 KiB of a stranger were read")
		}
		// A small honest answer is read as soon as there is room again.
		time.Sleep(time.Minute)
		before := asked.Load()
		if err := h.Connect(m.ctx, *info); err != nil {
			t.Fatal(err)
		}
		waitFor(t, 2*standingTick, "another request", func() bool { return asked.Load() > before })
	})
}

// TestLearnFromKept: of a peer that the operator named all is read (NET-22).
func TestLearnFromKept(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		n, far := m.node(), newAuthor(t)
		h, _ := talker(t, m, 2*maxChainUnlisted, far)
		n.keep(peer.AddrInfo{ID: h.ID(), Addrs: h.Addrs()})
		waitFor(t, 20*time.Second, "the chain behind much else", func() bool { return n.knows(far.Org) })
		if got := n.readable(h.ID(), time.Now()); got != maxChainResponse {
			t.Errorf("a kept peer has %d bytes left", got)
		}
	})
}

// TestLearnByAddress: another peer id at the same address has the address's budget (NET-22).
func TestLearnByAddress(t *testing.T) {
	meter, now := newLearnMeter(), time.Now()
	source := func(ip string) string {
		p, ok := sourceOf(net.ParseIP(ip))
		return fmt.Sprint(p, ok)
	}
	for a, b := range map[string]string{"192.0.2.1": "::ffff:192.0.2.1", "2001:db8::1": "2001:db8::ffff:0:0:1"} {
		if x, y := source(a), source(b); x != y {
			t.Errorf("%s and %s are two sources: %s, %s", a, b, x, y)
		}
	}
	if source("192.0.2.1") == source("192.0.2.2") || source("2001:db8::1") == source("2001:db8:0:1::1") {
		t.Error("two parties are one source")
	}
	prefix, _ := sourceOf(net.ParseIP("192.0.2.1"))
	n := 0
	for ; meter.addresses.left(prefix, learnAddress, now) >= maxChainUnlisted; n++ {
		meter.addresses.spend(prefix, learnAddress, maxChainUnlisted, now)
	}
	if want := learnAddress.burst / maxChainUnlisted; n != want {
		t.Errorf("%d full answers of one address, want %d", n, want)
	}
	// What was read at once with others is a debt.
	meter.addresses.spend(prefix, learnAddress, maxChainUnlisted, now)
	if left := meter.addresses.left(prefix, learnAddress, now); left != -maxChainUnlisted {
		t.Errorf("%d left, want a debt of a full answer", left)
	}
}
