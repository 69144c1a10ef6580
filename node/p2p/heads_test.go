package p2p

//bubble: every test in this file runs inside inBubble, where time is virtual.

import (
	"bytes"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"tocsin/protocol"
)

// mine gives what OwnHeads wants to know of a node's own logs.
func (n *testNode) mine() ([]protocol.Head, func(protocol.Topic, uint64) (protocol.RecordID, bool)) {
	key := n.author.Key.Public().ID()
	return n.heads(n.author.Org, key), func(on protocol.Topic, sequence uint64) (protocol.RecordID, bool) {
		for _, in := range n.held {
			if h := in.Record.Header(); in.Record.Key() == key && h.Topic == on && h.Sequence == sequence {
				return in.Record.ID(), true
			}
		}
		return protocol.RecordID{}, false
	}
}

// ask asks for the node's own heads and says how long it took.
func (n *testNode) ask(t *testing.T, m *mesh) (Elsewhere, time.Duration) {
	t.Helper()
	heads, at := n.mine()
	began := time.Now()
	found := n.OwnHeads(m.ctx, n.author.Org, n.author.Key.Public().ID(), heads, at)
	return found, time.Since(began)
}

// TestOwnHeads: a node hears from its peers what they hold of its key beyond what it
// holds itself, with the records that prove it (NET-23, NET-25).
func TestOwnHeads(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		fraud := topic(t, "fraud")
		nodes := m.line(2, fraud)
		author, other := nodes[0], nodes[1]
		var all []*protocol.Record
		for range 4 {
			r := author.publish(t, fraud, 500)
			all = append(all, r)
			waitFor(t, 2*time.Second, "the record at the peer", func() bool { return other.has(r.ID()) })
		}
		found, took := author.ask(t, m)
		if found.Asked != 1 || len(found.Records) != 0 || took > time.Second {
			t.Errorf("nothing is elsewhere: %+v after %v", found, took)
		}
		// The store of two records ago.
		author.mu.Lock()
		for _, r := range all[2:] {
			delete(author.held, r.ID())
		}
		author.mu.Unlock()
		found, _ = author.ask(t, m)
		if len(found.Records) != 2 || found.Records[0].ID() != all[2].ID() || found.Records[1].ID() != all[3].ID() {
			t.Errorf("two records are elsewhere: %+v", found)
		}
		// A store that lost everything.
		author.mu.Lock()
		author.held = map[protocol.RecordID]Incoming{}
		author.mu.Unlock()
		found, _ = author.ask(t, m)
		if len(found.Records) != 2 || found.Records[1].ID() != all[3].ID() {
			t.Errorf("first and last are asked for: %+v", found)
		}
	})
}

// TestOwnHeadsFork: where both went on, the peer's record at our own place comes too.
func TestOwnHeadsFork(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		fraud := topic(t, "fraud")
		nodes := m.line(2, fraud)
		author, other := nodes[0], nodes[1]
		first := author.publish(t, fraud, 500)
		waitFor(t, 2*time.Second, "the record at the peer", func() bool { return other.has(first.ID()) })
		twin := func() *protocol.Record {
			return author.author.append(t, protocol.Draft{
				Topic: fraud, Kind: protocol.KindObjects, Sequence: 2, Previous: first.ID(),
				Objects: [][]byte{[]byte(`{"type":"note","id":"note--00000000-0000-4000-8000-000000000000"}`)},
			})
		}
		ours, theirs := twin(), twin()
		author.held[ours.ID()] = Incoming{Record: ours}
		other.mu.Lock()
		other.held[theirs.ID()] = Incoming{Record: theirs}
		other.mu.Unlock()
		found, _ := author.ask(t, m)
		if len(found.Records) != 1 || found.Records[0].ID() != theirs.ID() || found.Records[0].Header().Previous != first.ID() {
			t.Errorf("the twin is at the peer: %+v", found)
		}
	})
}

// TestOwnHeadsManyTopics: the tips of every topic are proven, however many differ.
func TestOwnHeadsManyTopics(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		nodes := m.line(2)
		author, other := nodes[0], nodes[1]
		const topics, each = 20, 3
		tips := map[protocol.RecordID]bool{}
		for i := range topics {
			var last *protocol.Record
			for range each {
				last = author.author.sign(t, topic(t, "drill-"+string(rune('a'+i))), 100)
				other.mu.Lock()
				other.held[last.ID()] = Incoming{Record: last}
				other.mu.Unlock()
			}
			tips[last.ID()] = true
		}
		found, took := author.ask(t, m)
		for _, r := range found.Records {
			delete(tips, r.ID())
		}
		if len(tips) != 0 || took > headsDeadline {
			t.Errorf("%d of %d tips were not proven, in %v", len(tips), topics, took)
		}
	})
}

// TestOwnHeadsLie: a head without a record that proves it is nobody's head (NET-25).
func TestOwnHeadsLie(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		fraud := topic(t, "fraud")
		nodes := m.line(2, fraud)
		author, other := nodes[0], nodes[1]
		author.publish(t, fraud, 500)
		key := author.author.Key.Public().ID()
		lie := func(protocol.OrgID, protocol.KeyID) []protocol.Head {
			return []protocol.Head{{Key: key, Topic: fraud, Sequence: 1 << 40, ID: protocol.RecordID{9}}}
		}
		forged := other.author.sign(t, fraud, 500)
		for name, at := range map[string]func(protocol.OrgID, protocol.KeyID, protocol.Topic, uint64) []byte{
			"no record":     func(protocol.OrgID, protocol.KeyID, protocol.Topic, uint64) []byte { return nil },
			"another key's": func(protocol.OrgID, protocol.KeyID, protocol.Topic, uint64) []byte { return forged.Raw() },
			"spoiled record": func(protocol.OrgID, protocol.KeyID, protocol.Topic, uint64) []byte {
				return append(forged.Raw()[:40:40], 1)
			},
		} {
			other.Host.deps.Heads, other.Host.deps.RecordAt = lie, at
			if found, _ := author.ask(t, m); len(found.Records) != 0 {
				t.Errorf("%s: %+v", name, found)
			}
		}
	})
}

// TestOwnHeadsAlone: nobody to ask costs nothing; a kept peer that does not come, two seconds (NET-23).
func TestOwnHeadsAlone(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		alone := m.node()
		if found, took := alone.ask(t, m); found.Asked != 0 || took > 100*time.Millisecond {
			t.Errorf("%+v after %v", found, took)
		}
		_, id := newTransportKey(t)
		alone.keep(peer.AddrInfo{ID: id, Addrs: []multiaddr.Multiaddr{must[multiaddr.Multiaddr](t)(multiaddr.NewMultiaddr("/ip4/192.0.2.1/udp/1/quic-v1"))}})
		if found, took := alone.ask(t, m); found.Asked != 0 || took < headsDeadline || took > headsDeadline+100*time.Millisecond {
			t.Errorf("%+v after %v", found, took)
		}
	})
}

// TestHeadsLimits holds the bounds of NET-24 at N and N+1.
func TestHeadsLimits(t *testing.T) {
	places := make([]headPlace, maxHeadPlaces+1)
	for i := range places {
		places[i] = headPlace{Topic: "fraud", Sequence: uint64(i + 1)}
	}
	raw := must[[]byte](t)(EncodeMessage(&headsRequest{Places: places[:maxHeadPlaces]}))
	if _, err := decodeHeadsRequest(raw); err != nil {
		t.Errorf("%d places: %v", maxHeadPlaces, err)
	}
	if _, err := decodeHeadsRequest(must[[]byte](t)(EncodeMessage(&headsRequest{Places: places}))); err == nil {
		t.Errorf("%d places are taken", len(places))
	}
	longest := make([]headPlace, maxHeadPlaces)
	for i := range longest {
		longest[i] = headPlace{Topic: string(bytes.Repeat([]byte{'a'}, 40)), Sequence: 1<<64 - 1}
	}
	if n := len(must[[]byte](t)(EncodeMessage(&headsRequest{Places: longest}))); n > maxHeadsRequest {
		t.Errorf("the longest request has %d bytes, the limit is %d", n, maxHeadsRequest)
	}
	tips := make([]headTip, maxHeads+1)
	for i := range tips {
		tips[i] = headTip{Topic: longest[0].Topic, Sequence: 1<<64 - 1}
	}
	full := &headsAnswer{Heads: tips[:maxHeads], Records: make([][]byte, maxHeadPlaces)}
	for i := range full.Records {
		full.Records[i] = make([]byte, protocol.MaxGossipBytes)
	}
	raw = must[[]byte](t)(EncodeMessage(full))
	if _, err := decodeHeadsAnswer(raw); err != nil || len(raw) > maxHeadsAnswer {
		t.Errorf("the longest answer: %d bytes, %v", len(raw), err)
	}
	if _, err := decodeHeadsAnswer(must[[]byte](t)(EncodeMessage(&headsAnswer{Heads: tips}))); err == nil {
		t.Errorf("%d heads are taken", len(tips))
	}
	if _, err := decodeHeadsAnswer(must[[]byte](t)(EncodeMessage(&headsAnswer{Records: make([][]byte, maxHeadPlaces+1)}))); err == nil {
		t.Errorf("%d records are taken", maxHeadPlaces+1)
	}
}

// FuzzHeads: what decodes re-encodes to the same bytes.
func FuzzHeads(f *testing.F) {
	f.Add(must[[]byte](f)(EncodeMessage(&headsRequest{Places: []headPlace{{Topic: "fraud", Sequence: 7}}})))
	f.Add(must[[]byte](f)(EncodeMessage(&headsAnswer{Heads: []headTip{{Topic: "fraud", Sequence: 7}}, Records: [][]byte{{1}}})))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if q, err := decodeHeadsRequest(raw); err == nil && !bytes.Equal(must[[]byte](t)(EncodeMessage(q)), raw) {
			t.Errorf("request %x is not canonical", raw)
		}
		if a, err := decodeHeadsAnswer(raw); err == nil && !bytes.Equal(must[[]byte](t)(EncodeMessage(a)), raw) {
			t.Errorf("answer %x is not canonical", raw)
		}
	})
}
