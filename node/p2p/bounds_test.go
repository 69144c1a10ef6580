package p2p

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"tocsin/protocol"
	"tocsin/protocol/trust"
)

// The bounds on what peers can make us remember or do.

// TestBuckets: bounded in number, the least recently used goes; a changed limit starts anew.
func TestBuckets(t *testing.T) {
	b := newBuckets[int]()
	l, now := limit{1, 2}, time.Now()
	for i := range maxBuckets {
		if !b.take(i, l, 2, now) {
			t.Fatal("a fresh bucket is empty")
		}
	}
	if b.take(0, l, 1, now) {
		t.Error("a drained bucket gave")
	}
	b.take(maxBuckets, l, 1, now) // pushes 1 out, since 0 was just used
	if b.take(0, l, 1, now) {
		t.Error("a bucket in use was forgotten")
	}
	if !b.take(1, l, 1, now) {
		t.Error("the least recently used bucket was kept")
	}
	if len(b.entries) != maxBuckets || b.order.Len() != maxBuckets {
		t.Errorf("%d entries and %d in order, want %d", len(b.entries), b.order.Len(), maxBuckets)
	}
	if b.take(0, limit{1, 3}, 4, now) || !b.take(0, limit{1, 3}, 3, now) {
		t.Error("a changed limit did not start anew")
	}
	if !b.take(0, limit{1, 3}, 1, now.Add(time.Second)) {
		t.Error("a bucket did not refill")
	}
}

// TestRecentSet against a plain list of the last keys.
func TestRecentSet(t *testing.T) {
	const size = 8
	s := newRecentSet[int, int](size)
	var model []int
	for i := range 1000 {
		k := rand.IntN(20)
		at := -1
		for m, have := range model {
			if have == k {
				at = m
			}
		}
		old, added := s.add(k, i)
		if added != (at < 0) {
			t.Fatalf("step %d: key %d added %v, model %v", i, k, added, model)
		}
		if added && old != i {
			t.Fatalf("step %d: fresh value %d", i, old)
		}
		if added {
			if model = append(model, k); len(model) > size {
				model = model[1:]
			}
		}
		if len(s.items) != len(model) {
			t.Fatalf("step %d: %d items, model %d", i, len(s.items), len(model))
		}
	}
}

// TestSubscriptionFilter: topics of this network and instance, at most maxPeerTopics per peer
// over any number of messages.
func TestSubscriptionFilter(t *testing.T) {
	data, control := newSubscriptionFilter(testNetwork, false), newSubscriptionFilter(testNetwork, true)
	for path, want := range map[string][2]bool{
		"/tocsin/1/test/control": {false, true}, "/tocsin/1/test/fraud": {true, false},
		"/tocsin/1/main/fraud": {}, "/tocsin/1/test/": {}, "/tocsin/1/test/Fraud": {}, "fraud": {}, "": {},
		"/tocsin/2/test/fraud": {}, "/tocsin/1/test/fraud/x": {},
	} {
		if got := [2]bool{data.CanSubscribe(path), control.CanSubscribe(path)}; got != want {
			t.Errorf("%q: data %v, control %v, want %v", path, got[0], got[1], want)
		}
	}
	sub := func(name string, on bool) *pb.RPC_SubOpts {
		path := "/tocsin/1/test/" + name
		return &pb.RPC_SubOpts{Topicid: &path, Subscribe: &on}
	}
	kept := 0
	for i := range maxPeerTopics + 10 {
		list, err := data.FilterIncomingSubscriptions("p", []*pb.RPC_SubOpts{sub(fmt.Sprintf("t%d", i), true), sub("NO", true)})
		if err != nil {
			t.Fatal(err)
		}
		kept += len(list)
	}
	if kept != maxPeerTopics {
		t.Errorf("%d topics kept, want %d", kept, maxPeerTopics)
	}
	if list, _ := data.FilterIncomingSubscriptions("p", []*pb.RPC_SubOpts{sub("t0", false)}); len(list) != 1 {
		t.Error("leaving a topic was not heard")
	}
	if list, _ := data.FilterIncomingSubscriptions("p", []*pb.RPC_SubOpts{sub("new", true)}); len(list) != 1 {
		t.Error("no room after leaving a topic")
	}
	if _, err := data.FilterIncomingSubscriptions("p", make([]*pb.RPC_SubOpts, maxPeerTopics+1)); !errors.Is(err, pubsub.ErrTooManySubscriptions) {
		t.Errorf("too many in one message: %v", err)
	}
	data.forget("p")
	if len(data.peers) != 0 {
		t.Error("a peer that left is remembered")
	}
}

// TestInspector drops a flood of RPCs of one peer and nobody else's.
func TestInspector(t *testing.T) {
	i := newInspector()
	n := 0
	for ; n < 2*rpcPeer.burst && i.inspect("evil", nil) == nil; n++ {
	}
	if n < rpcPeer.burst || n == 2*rpcPeer.burst {
		t.Errorf("%d messages passed, want about %d", n, rpcPeer.burst)
	}
	if err := i.inspect("good", nil); err != nil {
		t.Error(err)
	}
}

// TestSlots: inbound slots by who calls (NET-20).
func TestSlots(t *testing.T) {
	_, self := newTransportKey(t)
	n := newNode(t, self)
	deps := n.deps()
	table := newPeerTable(&deps)
	g := &gater{peers: table}
	in := func(p peer.ID) bool { return g.InterceptSecured(network.DirInbound, p, nil) }
	for i := range newcomerSlots {
		p := peer.ID(fmt.Sprintf("newcomer%d", i))
		if !in(p) {
			t.Fatalf("newcomer %d has no slot", i)
		}
		table.arrived(p)
	}
	if in("one more") {
		t.Error("a newcomer above the share has a slot")
	}
	if !g.InterceptSecured(network.DirOutbound, "one more", nil) {
		t.Error("an outbound connection was refused")
	}
	certified := func(l trust.Level) peer.ID {
		_, p := newTransportKey(t)
		a := newAuthor(t, p)
		n.deps().AddStatements(a.Statements...)
		n.list(a, l)
		return p
	}
	if p := certified(trust.Blocked); in(p) {
		t.Error("a blocked organisation's peer has a slot")
	}
	members := 0
	for ; members < inboundConns; members++ {
		p := certified(trust.Unknown)
		if !in(p) {
			break
		}
		table.arrived(p)
	}
	if members != unlistedSlots-newcomerSlots {
		t.Errorf("%d members have slots, want %d", members, unlistedSlots-newcomerSlots)
	}
	if p := certified(trust.Observed); !in(p) {
		t.Error("a listed organisation's peer has no slot")
	}
	table.keep(peer.AddrInfo{ID: "kept"})
	if !in("kept") {
		t.Error("a configured peer has no slot")
	}
	if !in("newcomer0") {
		t.Error("a second connection of a connected peer was refused")
	}
	if l := table.loiterers(time.Now().Add(newcomerPatience + time.Second)); len(l) != newcomerSlots {
		t.Errorf("%d loiterers, want %d", len(l), newcomerSlots)
	}
	for i := range newcomerSlots / 2 {
		table.departed(peer.ID(fmt.Sprintf("newcomer%d", i)))
	}
	if l := table.loiterers(time.Now().Add(time.Hour)); len(l) != newcomerSlots-newcomerSlots/2 && len(l) != 0 {
		t.Errorf("%d loiterers with slots free", len(l))
	}
}

// TestClaimedPeer: a stranger that certifies somebody else's peer takes nothing from it.
func TestClaimedPeer(t *testing.T) {
	_, p := newTransportKey(t)
	_, self := newTransportKey(t)
	n := newNode(t, self)
	friend, thief := newAuthor(t, p), newAuthor(t, p)
	n.deps().AddStatements(friend.Statements...)
	n.deps().AddStatements(thief.Statements...)
	n.list(friend, trust.Partner)
	n.list(thief, trust.Blocked)
	deps := n.deps()
	if s := newPeerTable(&deps).lookup(p); s.org != friend.Org || s.level != trust.Partner {
		t.Errorf("standing %+v", s)
	}
}

// TestPeerTableBound: what is remembered of peers that left is bounded; kept and connected ones stay.
func TestPeerTableBound(t *testing.T) {
	_, self := newTransportKey(t)
	deps := newNode(t, self).deps()
	table := newPeerTable(&deps)
	table.keep(peer.AddrInfo{ID: "kept"})
	table.arrived("here")
	for i := range 2 * maxPeerEntries {
		table.reject(peer.ID(fmt.Sprintf("gone%d", i)))
	}
	if len(table.peers) != maxPeerEntries {
		t.Errorf("%d entries, want %d", len(table.peers), maxPeerEntries)
	}
	if len(table.snapshot()) != 2 {
		t.Errorf("snapshot: %+v", table.snapshot())
	}
}

// TestBackoff grows, is bounded, and is never zero.
func TestBackoff(t *testing.T) {
	last := time.Duration(0)
	for f := 1; f < 100; f++ {
		d := backoff(f, "p")
		if d < last || d < firstBackoff || d > maxBackoff*5/4 {
			t.Fatalf("backoff after %d failures: %v, before %v", f, d, last)
		}
		last = d
	}
}

// TestTraceQueue: full as long as a peer that still takes messages has too many waiting.
func TestTraceQueue(t *testing.T) {
	tr := newTrace(func(string, peer.ID, bool) {}, func(peer.ID) {}, func(peer.ID) {})
	tr.SendRPC(nil, "p") // no stream yet
	tr.OnNewOutboundStream("p", dataProtocol)
	for range 3 {
		tr.SendRPC(nil, "p")
	}
	full := func(window int, stall time.Duration) bool { return len(tr.full(window, stall)) == 1 }
	if full(3, time.Minute) || !full(2, time.Minute) {
		t.Error("three waiting are not counted as three")
	}
	if full(2, 0) {
		t.Error("a stalled peer is waited for")
	}
	tr.written("p")
	if full(2, time.Minute) {
		t.Error("a written message still waits")
	}
	tr.Graft("p", "t")
	if in, n := tr.meshed("t", "p"); !in || n != 1 {
		t.Error("a grafted peer is not in the mesh")
	}
	tr.OnClosedOutboundStream("p")
	if in, n := tr.meshed("t", "p"); in || n != 0 {
		t.Error("a peer that left is in the mesh")
	}
	tr.DropRPC(&pubsub.RPC{RPC: pb.RPC{Publish: make([]*pb.Message, 2)}}, "p")
	tr.UndeliverableMessage(nil)
	if tr.drops() != 3 {
		t.Errorf("%d drops counted, want 3", tr.drops())
	}
}

func sampleRequest() *chainRequest {
	return &chainRequest{
		Wanted: []protocol.Digest{{1}, {2}},
		Known:  []knownChain{{Org: protocol.OrgID{3}, Summary: [8]byte{4}}},
	}
}

// TestChainRequest: round trip, limits at N and N+1, and what is not canonical (NET-16).
func TestChainRequest(t *testing.T) {
	for name, q := range map[string]*chainRequest{
		"sample": sampleRequest(), "nothing": {}, "empty lists": {Wanted: []protocol.Digest{}, Known: []knownChain{}},
		"full": {Wanted: make([]protocol.Digest, maxWanted), Known: make([]knownChain, maxKnown)},
	} {
		raw := must[[]byte](t)(EncodeMessage(q))
		got, err := decodeChainRequest(raw)
		if err != nil {
			t.Errorf("%s (%d bytes): %v", name, len(raw), err)
			continue
		}
		if again := must[[]byte](t)(EncodeMessage(got)); !bytes.Equal(again, raw) {
			t.Errorf("%s does not come back the same", name)
		}
		if (got.Known == nil) != (q.Known == nil) {
			t.Errorf("%s: nothing known and not asked are confused", name)
		}
	}
	good := must[[]byte](t)(EncodeMessage(sampleRequest()))
	bad := map[string][]byte{
		"empty": {}, "trailing byte": append(bytes.Clone(good), 0), "cut": good[:len(good)-1],
		"too many wanted": must[[]byte](t)(EncodeMessage(&chainRequest{Wanted: make([]protocol.Digest, maxWanted+1)})),
		"too many known":  must[[]byte](t)(EncodeMessage(&chainRequest{Known: make([]knownChain, maxKnown+1)})),
		"one element":     {0x81, 0x80}, "three elements": {0x83, 0x80, 0xf6, 0xf6}, "map": {0xa0},
		"short digest":     {0x82, 0x81, 0x41, 0x01, 0xf6},
		"long form length": append([]byte{0x98, 0x02}, good[1:]...),
		"indefinite":       append(append([]byte{0x9f}, good[1:]...), 0xff),
		"tagged":           append([]byte{0xc0}, good...),
		"too large":        make([]byte, maxChainRequest+1),
	}
	for name, raw := range bad {
		if _, err := decodeChainRequest(raw); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

// TestSplitStatements: what is unknown or broken is left out, the rest counts.
func TestSplitStatements(t *testing.T) {
	a := newAuthor(t)
	var raw []byte
	for i, s := range a.Statements {
		raw = append(raw, s.Raw()...)
		raw = append(raw, []byte{0x01, 0xf6, 0x62, 'h', 'i'}[i]) // small foreign items between
		if i == 2 {
			raw = append(raw, 'h', 'i')
		}
	}
	got, err := splitStatements(testNetwork, raw)
	if err != nil || len(got) != 3 {
		t.Errorf("%d statements, %v", len(got), err)
	}
	if got, err := splitStatements(testNetwork, raw[:len(a.Statements[0].Raw())+5]); err == nil || len(got) != 1 {
		t.Errorf("cut answer: %d statements, %v", len(got), err)
	}
}

func FuzzChainRequest(f *testing.F) {
	good, err := EncodeMessage(sampleRequest())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte{0x82, 0x80, 0xf6})
	f.Add([]byte{0x82, 0xf6, 0x80})
	f.Fuzz(func(t *testing.T, raw []byte) {
		q, err := decodeChainRequest(raw)
		if err != nil {
			return
		}
		again, err := EncodeMessage(q)
		if err != nil || !bytes.Equal(again, raw) {
			t.Errorf("decoded %x, encoded %x, %v", raw, again, err)
		}
	})
}

func FuzzSplitStatements(f *testing.F) {
	a := newAuthor(f)
	f.Add(a.Statements[0].Raw())
	f.Add(append(bytes.Clone(a.Statements[1].Raw()), a.Statements[2].Raw()...))
	f.Fuzz(func(t *testing.T, raw []byte) {
		list, _ := splitStatements(testNetwork, raw)
		n := 0
		for _, s := range list {
			n += len(s.Raw())
		}
		if n > len(raw) {
			t.Errorf("%d bytes of statements out of %d", n, len(raw))
		}
	})
}

// TestResourceLimits: connections of one peer and inbound ones in all (NET-20).
func TestResourceLimits(t *testing.T) {
	rm := must[network.ResourceManager](t)(newResourceManager(false))
	defer func() { _ = rm.Close() }()
	open := func(p peer.ID, i int) bool {
		addr := must[multiaddr.Multiaddr](t)(multiaddr.NewMultiaddr(fmt.Sprintf("/ip4/10.%d.%d.1/tcp/1", i/250, i%250)))
		scope, err := rm.OpenConnection(network.DirInbound, false, addr)
		if err != nil {
			return false
		}
		if scope.SetPeer(p) != nil {
			scope.Done()
			return false
		}
		return true
	}
	n := 0
	for ; n < 100 && open("greedy", n); n++ {
	}
	if n != peerConnsIn {
		t.Errorf("one peer has %d connections, want %d", n, peerConnsIn)
	}
	for ; n < 1000 && open(peer.ID(fmt.Sprint(n)), n); n++ {
	}
	if n != inboundConns {
		t.Errorf("%d inbound connections, want %d", n, inboundConns)
	}
}
