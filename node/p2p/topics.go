package p2p

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/sync/errgroup"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// TopicInfo is a plain snapshot of one joined topic.
type TopicInfo struct {
	Topic      protocol.Topic
	Peers      int // subscribed peers that we see
	Mesh       int // of them, in our mesh
	Received   uint64
	Rejected   uint64
	Ignored    uint64
	LastRecord time.Time
}

// joined is a topic that this node takes part in.
type joined struct {
	topic  protocol.Topic
	path   string
	router *router
	handle *pubsub.Topic
	sub    *pubsub.Subscription

	received, rejected, ignored atomic.Uint64
	last                        atomic.Int64 // unix nanoseconds of the last record received
}

// topicTable holds the joined topics.
type topicTable struct {
	change sync.Mutex // held over a whole Join or Leave, which talk to pubsub

	mu     sync.Mutex // guards all below
	byName map[protocol.Topic]*joined
	unread []*joined // joined, no reader yet

	wake chan struct{} // capacity 1: unread is not empty
}

func newTopicTable() *topicTable {
	return &topicTable{byName: make(map[protocol.Topic]*joined), wake: make(chan struct{}, 1)}
}

func (t *topicTable) get(topic protocol.Topic) (*joined, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	j, ok := t.byName[topic]
	return j, ok
}

func (t *topicTable) all() []*joined {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := make([]*joined, 0, len(t.byName))
	for _, j := range t.byName {
		list = append(list, j)
	}
	slices.SortFunc(list, func(a, b *joined) int { return strings.Compare(a.path, b.path) })
	return list
}

func (t *topicTable) add(j *joined) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.byName[j.topic] = j
	t.unread = append(t.unread, j)
	signal(t.wake)
}

func (t *topicTable) takeUnread() []*joined {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := t.unread
	t.unread = nil
	return list
}

// byPath finds a joined topic by its gossip path.
func (t *topicTable) byPath(path string) (*joined, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, j := range t.byName {
		if j.path == path {
			return j, true
		}
	}
	return nil, false
}

// Join joins a topic; joining twice is no error. After a Leave the mesh may take
// ten seconds to form again: the peers back off that long.
func (h *Host) Join(t protocol.Topic) error {
	h.topics.change.Lock()
	defer h.topics.change.Unlock()
	if _, ok := h.topics.get(t); ok {
		return nil
	}
	if len(h.topics.all()) >= maxTopics {
		return reason.New(reason.Conflict, fmt.Sprintf("join topic %s: a node takes part in at most %d topics", t, maxTopics))
	}
	j := &joined{topic: t, path: t.Path(h.network), router: h.data}
	if t == protocol.TopicControl {
		j.router = h.control
	}
	if err := h.subscribe(j); err != nil {
		return fmt.Errorf("join topic %s: %w", t, err)
	}
	h.topics.add(j)
	return nil
}

// subscribe enters j with its validator in place before the first message.
func (h *Host) subscribe(j *joined) error {
	ps := j.router.ps
	handle, err := ps.Join(j.path)
	if err != nil {
		return err
	}
	j.handle = handle
	if err := handle.SetScoreParams(topicScoreParams()); err != nil {
		return errors.Join(err, handle.Close())
	}
	if err := ps.RegisterTopicValidator(j.path, h.validator(j.topic), pubsub.WithValidatorInline(true)); err != nil {
		return errors.Join(err, handle.Close())
	}
	sub, err := handle.Subscribe(pubsub.WithBufferSize(subscriptionBuffer))
	if err != nil {
		return errors.Join(err, ps.UnregisterTopicValidator(j.path), handle.Close())
	}
	j.sub = sub
	return nil
}

// Leave leaves a topic; control cannot be left (conflict). A topic that is not joined is no error.
func (h *Host) Leave(t protocol.Topic) error {
	if t == protocol.TopicControl {
		return reason.New(reason.Conflict, "leave topic control: every node takes part in it")
	}
	h.topics.change.Lock()
	defer h.topics.change.Unlock()
	j, ok := h.topics.get(t)
	if !ok {
		return nil
	}
	h.topics.mu.Lock()
	delete(h.topics.byName, t)
	h.topics.mu.Unlock()
	j.sub.Cancel() // ends the reader
	if err := errors.Join(j.router.ps.UnregisterTopicValidator(j.path), j.handle.Close()); err != nil {
		return fmt.Errorf("leave topic %s: %w", t, err)
	}
	return nil
}

// Topics returns a snapshot of joined topics in name order.
func (h *Host) Topics() []TopicInfo {
	var list []TopicInfo
	for _, j := range h.topics.all() {
		_, mesh := j.router.trace.meshed(j.path, "")
		info := TopicInfo{
			Topic:    j.topic,
			Peers:    len(j.handle.ListPeers()),
			Mesh:     mesh,
			Received: j.received.Load(),
			Rejected: j.rejected.Load(),
			Ignored:  j.ignored.Load(),
		}
		if ns := j.last.Load(); ns != 0 {
			info.LastRecord = time.Unix(0, ns)
		}
		list = append(list, info)
	}
	return list
}

// Readers are the ids of the connected peers that take part in a topic; none of one that is not joined.
func (h *Host) Readers(t protocol.Topic) []string {
	j, ok := h.topics.get(t)
	if !ok {
		return nil
	}
	var ids []string
	for _, p := range j.handle.ListPeers() {
		ids = append(ids, p.String())
	}
	return ids
}

// runTopics owns one reader per joined topic and the workers that hand records on.
func (h *Host) runTopics(ctx context.Context) error {
	readers, ctx := errgroup.WithContext(ctx)
	var data, control errgroup.Group
	data.SetLimit(receivers)
	control.SetLimit(controlReceive)
	readers.Go(func() error {
		for {
			for _, j := range h.topics.takeUnread() {
				workers := &data
				if j.router == h.control {
					workers = &control
				}
				readers.Go(func() error { return h.read(ctx, j, workers) })
			}
			select {
			case <-ctx.Done():
				return nil
			case <-h.topics.wake:
			}
		}
	})
	err := readers.Wait()
	return errors.Join(err, data.Wait(), control.Wait())
}

// read hands what arrives on a topic to workers until the topic is left or ctx
// ends. Records wait in the subscription while all workers wait for commits.
func (h *Host) read(ctx context.Context, j *joined, workers *errgroup.Group) error {
	for {
		m, err := j.sub.Next(ctx)
		if errors.Is(err, pubsub.ErrSubscriptionCancelled) || ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read topic %s: %w", j.topic, err)
		}
		r, ok := m.ValidatorData.(*protocol.Record)
		if m.ReceivedFrom == h.host.ID() || !ok {
			continue // own messages: whoever announced them has them
		}
		workers.Go(func() error {
			h.receive(ctx, j, r, m.ReceivedFrom)
			return nil
		})
	}
}

// receive hands a verified record on.
func (h *Host) receive(ctx context.Context, j *joined, r *protocol.Record, from peer.ID) {
	j.received.Add(1)
	j.last.Store(time.Now().UnixNano())
	h.peers.holes.came(r.ID(), r.Header().Created, from, j.router.trace.drops(), time.Now())
	if statements := r.Statements(); len(statements) > 0 {
		h.learn(statements)
	}
	h.deps.Receive(ctx, Incoming{Record: r, From: from.String()})
}

// refused counts what pubsub did not take, for the topic and for the peer.
func (h *Host) refused(path string, from peer.ID, invalid bool) {
	if invalid {
		h.peers.reject(from)
	}
	j, ok := h.topics.byPath(path)
	switch {
	case !ok:
	case invalid:
		j.rejected.Add(1)
	default:
		j.ignored.Add(1)
	}
}

// subscriptionFilter says which of a peer's subscriptions are remembered:
// topics of this network and this instance, and not more than maxPeerTopics
// per peer (the library's own limit is per message only).
type subscriptionFilter struct {
	network string
	control bool

	mu    sync.Mutex // guards peers
	peers map[peer.ID]map[string]struct{}
}

func newSubscriptionFilter(network string, control bool) *subscriptionFilter {
	return &subscriptionFilter{network: network, control: control, peers: make(map[peer.ID]map[string]struct{})}
}

// CanSubscribe implements pubsub.SubscriptionFilter.
func (f *subscriptionFilter) CanSubscribe(path string) bool {
	name, ok := strings.CutPrefix(path, "/tocsin/1/"+f.network+"/")
	if !ok {
		return false
	}
	t, err := protocol.ParseTopic(name)
	return err == nil && (t == protocol.TopicControl) == f.control
}

// FilterIncomingSubscriptions implements pubsub.SubscriptionFilter.
func (f *subscriptionFilter) FilterIncomingSubscriptions(p peer.ID, subs []*pb.RPC_SubOpts) ([]*pb.RPC_SubOpts, error) {
	if len(subs) > maxPeerTopics {
		return nil, pubsub.ErrTooManySubscriptions
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	topics, ok := f.peers[p]
	if !ok {
		if len(f.peers) >= maxPeerEntries {
			return nil, pubsub.ErrTooManySubscriptions
		}
		topics = make(map[string]struct{})
		f.peers[p] = topics
	}
	allowed := pubsub.FilterSubscriptions(subs, f.CanSubscribe)
	return slices.DeleteFunc(allowed, func(s *pb.RPC_SubOpts) bool {
		if !s.GetSubscribe() {
			delete(topics, s.GetTopicid())
			return false
		}
		if _, ok := topics[s.GetTopicid()]; !ok && len(topics) >= maxPeerTopics {
			return true
		}
		topics[s.GetTopicid()] = struct{}{}
		return false
	}), nil
}

// forget drops what is remembered of a peer that has gone.
func (f *subscriptionFilter) forget(p peer.ID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.peers, p)
}

// inspector drops RPCs of peers that send too many.
type inspector struct {
	buckets *buckets[peer.ID]
}

func newInspector() *inspector { return &inspector{buckets: newBuckets[peer.ID]()} }

func (i *inspector) inspect(p peer.ID, _ *pubsub.RPC) error {
	if !i.buckets.take(p, rpcPeer, 1, time.Now()) {
		return reason.New(reason.RateForwarder, "peer "+p.String()+" sends too many messages")
	}
	return nil
}

// signal wakes whoever listens on ch, once.
func signal(ch chan<- struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
