package p2p

import (
	"container/list"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/network"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
	"golang.org/x/time/rate"

	"tocsin/protocol/trust"
)

// The limits on connections.
const (
	connLow   = 96               // the connection manager trims down to it
	connHigh  = 160              // and starts above it
	connGrace = 20 * time.Second // a new connection has this long to show its worth

	inboundConns = 192 // in all
	// NET-20: of the inbound slots, 40 % are for the unlisted and 10 % for those whose
	// certificate is not known yet; so 60 % stay for listed and configured peers.
	unlistedSlots = inboundConns * 40 / 100
	newcomerSlots = inboundConns * 10 / 100
	// newcomerPatience is how long a peer may stay without showing a certificate
	// once half of the newcomers' slots are taken.
	newcomerPatience = 10 * time.Second
	// pendingSlot is how long a slot is held for a connection that was let in and has not
	// arrived: the handshake is over then, or has failed.
	pendingSlot = 15 * time.Second

	transientConns  = 64        // before the handshake is done
	peerConnsIn     = 3         // per peer; QUIC, TCP and one that is just closing
	peerConns       = 8         // with outbound: the dialler tries addresses in parallel
	peerStreams     = 48        // per peer; we use four lasting ones
	resourceMemory  = 256 << 20 // what the network stack may hold
	fileDescriptors = 512

	maxTopics     = 64  // that a node may join
	maxPeerTopics = 128 // that one peer may subscribe to: what it makes us remember
)

// limit is a token bucket's size.
type limit struct {
	rate  rate.Limit // per second
	burst int
}

// NET-10: the budgets in bytes as sent, a record counting at least minCharge.
const minCharge = 1 << 10

var (
	// forwarder buckets are charged before the signature, so they bound what a
	// neighbour can make us verify: 1,024 small records a second for the unlisted.
	forwarderUnlisted = limit{1 << 20, 32 << 20}
	forwarderListed   = limit{8 << 20, 256 << 20}
	// on control the forwarder is bounded in records: they are small.
	forwarderControl = limit{50, 1000}
	// an identity record may cost 8 ms to verify, so it is paid for by the record, and
	// before; the bursts take a fleet that starts at once. Those that claim a listed
	// organisation's certificate have a bucket apart: what an honest neighbour relays of
	// strangers must not silence them.
	identityUnlisted = limit{1, 64}
	identityListed   = limit{8, 256}
	identityClaimed  = limit{4, 128}

	publisherUnknown  = limit{4 << 10, 2 << 20}
	publisherObserved = limit{64 << 10, 16 << 20}
	publisherPartner  = limit{256 << 10, 64 << 20}
	publisherAnchor   = limit{1 << 20, 256 << 20}
	// unknown publishers are minted free, so the pool of all of them is the real limit.
	strangersPool = limit{256 << 10, 16 << 20}
	// one forwarder can drain a quarter of it: fair to those behind others.
	strangersForwarder = limit{64 << 10, 4 << 20}
	// on control each listed organisation has its own bucket, outside every total:
	// withdrawals must pass during a flood. Strangers share one.
	controlListed    = limit{1, 60}
	controlStrangers = limit{20, 200}
	// one forwarder can drain a quarter of it, as on data.
	controlForwarder = limit{5, 50}

	// learnPeer and learnAddress bound the bytes of chains that we read, and so verify,
	// because peers that are not listed answered: one full answer a minute of one
	// peer, more of one address, behind which there may be many.
	learnPeer    = limit{4 << 10, 512 << 10}
	learnAddress = limit{16 << 10, 4 << 20}

	// identityServe bounds what one peer may ask of the identity stream.
	identityServe = limit{1, 20}
	// headsServe bounds what one peer may ask of the heads stream: two exchanges for each start of a node.
	headsServe = limit{1, 8}
	// inviteServe bounds how often one peer may say that it was invited: people do so once or twice.
	inviteServe = limit{0.2, 10}
	// witnessServe bounds how often one peer may have a checkpoint cosigned: it asks every five minutes, and twice when it
	// does not know what the witness saw last.
	witnessServe = limit{1.0 / 30, 8}
	// exchangePace bounds what one peer that is not listed is sent in exchanges.
	exchangePace = limit{2 << 20, 4 << 20}
	// rpcPeer bounds RPCs of one peer: heartbeat control and full bulk speed fit.
	rpcPeer = limit{4000, 20000}
	// announcePace is how fast Announce feeds the mesh: a burst of a thousand full
	// records takes a second, and neighbours that verify on one core keep up.
	announcePace = limit{16 << 20, 4 << 20}
)

// announceCharge is the least a record counts in announcePace, since small ones cost as much to relay.
const announceCharge = 4 << 10

// The bounds on tables that peers can fill.
const (
	maxBuckets     = 4096    // buckets of one kind; the least recently used goes
	maxRecent      = 16384   // accepted records remembered until the store knows them
	maxPeerEntries = 1024    // peers remembered after they left
	maxWaiting     = 4 << 20 // bytes of records that wait for their signer's chain
	maxWaitingPeer = 1 << 20 // of them from one forwarder; half of that when it is not listed
	// of them from forwarders that are not listed: peer ids are free, so what they
	// fill is kept apart from the room of the others.
	maxWaitingUnlisted = maxWaiting / 2
	waitingTTL         = time.Minute
	receivers          = 64 // records handed to intake at once: enough to fill a group commit
	controlReceive     = 8  // the same for control, so that bulk never delays it
)

// publisherLimit is an organisation's budget on topics other than control.
func publisherLimit(l trust.Level) limit {
	switch l {
	case trust.Observed:
		return publisherObserved
	case trust.Partner:
		return publisherPartner
	case trust.Anchor, trust.Own:
		return publisherAnchor
	default:
		return publisherUnknown
	}
}

// buckets are token buckets by key, at most maxBuckets of them: the least
// recently used is forgotten, which refills it. Methods may be called concurrently.
type buckets[K comparable] struct {
	mu      sync.Mutex // guards both fields
	entries map[K]*list.Element
	order   *list.List // of *bucket[K], most recently used first
}

type bucket[K comparable] struct {
	key     K
	limit   limit
	limiter *rate.Limiter
}

func newBuckets[K comparable]() *buckets[K] {
	return &buckets[K]{entries: make(map[K]*list.Element), order: list.New()}
}

// take charges n to key's bucket and reports whether it was there.
func (b *buckets[K]) take(key K, l limit, n int, now time.Time) bool {
	return b.limiter(key, l).AllowN(now, n)
}

// hold is take with a way back: refund puts n in again.
func (b *buckets[K]) hold(key K, l limit, n int, now time.Time) (refund func(), ok bool) {
	r := b.limiter(key, l).ReserveN(now, n)
	if !r.OK() {
		return nil, false
	}
	// At the moment of the reservation itself: a reservation that has begun is not given back.
	refund = func() { r.CancelAt(now) }
	if r.DelayFrom(now) > 0 {
		refund()
		return nil, false
	}
	return refund, true
}

// left is how much is in key's bucket, negative when it has a debt.
func (b *buckets[K]) left(key K, l limit, now time.Time) int {
	return int(b.limiter(key, l).TokensAt(now))
}

// spend charges what was used already, at most a whole bucket at once, if need be as a debt.
func (b *buckets[K]) spend(key K, l limit, n int, now time.Time) {
	b.limiter(key, l).ReserveN(now, min(n, l.burst))
}

// limiter finds key's bucket. A key whose limit changed starts anew.
func (b *buckets[K]) limiter(key K, l limit) *rate.Limiter {
	b.mu.Lock()
	defer b.mu.Unlock()
	e, ok := b.entries[key]
	if ok && e.Value.(*bucket[K]).limit == l {
		b.order.MoveToFront(e)
		return e.Value.(*bucket[K]).limiter
	}
	if ok {
		b.order.Remove(e)
	}
	fresh := &bucket[K]{key: key, limit: l, limiter: rate.NewLimiter(l.rate, l.burst)}
	b.entries[key] = b.order.PushFront(fresh)
	if b.order.Len() > maxBuckets {
		last := b.order.Back()
		b.order.Remove(last)
		delete(b.entries, last.Value.(*bucket[K]).key)
	}
	return fresh.limiter
}

// recentSet remembers the last maxRecent keys with a value. Methods may be
// called concurrently.
type recentSet[K, V comparable] struct {
	mu    sync.Mutex // guards all fields
	items map[K]V
	ring  []K
	next  int
}

func newRecentSet[K, V comparable](size int) *recentSet[K, V] {
	return &recentSet[K, V]{items: make(map[K]V, size), ring: make([]K, 0, size)}
}

// add puts (k, v) in when k is not there; else it returns what stands there.
func (s *recentSet[K, V]) add(k K, v V) (old V, added bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old, ok := s.items[k]; ok {
		return old, false
	}
	if len(s.ring) < cap(s.ring) {
		s.ring = append(s.ring, k)
	} else {
		delete(s.items, s.ring[s.next])
		s.ring[s.next] = k
		s.next = (s.next + 1) % len(s.ring)
	}
	s.items[k] = v
	return v, true
}

// resourceLimits are the network stack's own limits, with the library's rules per address kept.
func newResourceManager(measured bool) (network.ResourceManager, error) {
	base := rcmgr.DefaultLimits
	libp2p.SetDefaultServiceLimits(&base)
	limits := rcmgr.PartialLimitConfig{
		System: rcmgr.ResourceLimits{
			Conns: connHigh + inboundConns, ConnsInbound: inboundConns, ConnsOutbound: connHigh,
			Memory: resourceMemory, FD: fileDescriptors,
		},
		Transient: rcmgr.ResourceLimits{Conns: 2 * transientConns, ConnsInbound: transientConns, ConnsOutbound: transientConns},
		PeerDefault: rcmgr.ResourceLimits{
			Conns: peerConns, ConnsInbound: peerConnsIn, ConnsOutbound: peerConns,
			Streams: peerStreams, StreamsInbound: peerStreams, StreamsOutbound: peerStreams,
		},
	}.Build(base.Scale(resourceMemory, fileDescriptors))
	if !measured {
		return rcmgr.NewResourceManager(rcmgr.NewFixedLimiter(limits), rcmgr.WithMetricsDisabled())
	}
	return rcmgr.NewResourceManager(rcmgr.NewFixedLimiter(limits))
}
