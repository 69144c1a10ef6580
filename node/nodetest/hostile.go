package nodetest

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	libp2pproto "github.com/libp2p/go-libp2p/core/protocol"

	"tocsin/protocol"
	"tocsin/protocol/protocoltest"
)

// Hostile is a peer that speaks the mesh's protocols as SPEC 10 says, has an
// organisation of its own, and sends whatever it is told. Each way to misbehave is
// one file of this package.
type Hostile struct {
	name    string
	fleet   *Fleet
	host    host.Host
	stop    context.CancelFunc
	topics  map[string]*pubsub.Topic
	pubsub  map[string]*pubsub.PubSub // by topic
	author  *protocoltest.Author
	invalid []protocol.RecordID // what it sent that nobody may take
	skew    time.Duration       // how far its clock is ahead
}

// Hostile starts a hostile peer that takes part in topics and connects to targets.
func (f *Fleet) Hostile(name string, topics []string, targets ...int) *Hostile {
	f.t.Helper()
	addr, option := f.net.endpoint()
	raw, err := libp2p.New(libp2p.ListenAddrStrings(addr), option, libp2p.DisableRelay(), libp2p.DisableMetrics())
	if err != nil {
		f.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(f.ctx)
	h := &Hostile{name: name, fleet: f, host: raw, stop: stop, topics: make(map[string]*pubsub.Topic), pubsub: make(map[string]*pubsub.PubSub)}
	f.hostile = append(f.hostile, h)
	h.found()
	h.join(ctx, "/tocsin/mesh/control/1.2.0", protocol.TopicControl.String())
	h.join(ctx, "/tocsin/mesh/data/1.2.0", topics...)
	for _, i := range targets {
		info, err := peer.AddrInfoFromString(f.Members[i].addr)
		if err != nil {
			f.t.Fatal(err)
		}
		if err := raw.Connect(ctx, *info); err != nil {
			f.t.Fatalf("%s connects to node %d: %v", name, i, err)
		}
	}
	f.Settle(3 * time.Second) // two heartbeats: it is in the mesh
	h.Send(protocol.TopicControl.String(), h.identity().Raw())
	f.Settle(time.Second)
	return h
}

// ID is the peer id in text form.
func (h *Hostile) ID() string { return h.host.ID().String() }

// Send publishes bytes on a topic to every neighbour.
func (h *Hostile) Send(topic string, raw []byte) {
	h.fleet.t.Helper()
	if err := h.topics[topic].Publish(h.fleet.ctx, raw); err != nil {
		h.fleet.t.Fatalf("%s sends on %s: %v", h.name, topic, err)
	}
	h.fleet.Settle(50 * time.Millisecond)
}

func (h *Hostile) close() {
	h.stop()
	if err := h.host.Close(); err != nil {
		h.fleet.t.Errorf("close %s: %v", h.name, err)
	}
}

// join enters topics on a gossip instance that validates nothing.
func (h *Hostile) join(ctx context.Context, id libp2pproto.ID, topics ...string) {
	ps, err := pubsub.NewGossipSub(ctx, h.host,
		pubsub.WithGossipSubProtocols([]libp2pproto.ID{id}, func(f pubsub.GossipSubFeature, _ libp2pproto.ID) bool {
			return f != pubsub.GossipSubFeatureExtensions
		}),
		pubsub.WithFloodPublish(true),          // to every neighbour, in the mesh or not
		pubsub.WithPeerOutboundQueueSize(1024), // what it sends at once must not be lost on the way out
		pubsub.WithMessageSignaturePolicy(pubsub.StrictNoSign), pubsub.WithNoAuthor(),
		pubsub.WithMessageIdFn(messageID))
	if err != nil {
		h.fleet.t.Fatal(err)
	}
	for _, name := range topics {
		t, err := ps.Join("/tocsin/1/" + Federation + "/" + name)
		if err != nil {
			h.fleet.t.Fatal(err)
		}
		if _, err := t.Subscribe(); err != nil {
			h.fleet.t.Fatal(err)
		}
		h.topics[name], h.pubsub[name] = t, ps
	}
}

// messageID is SPEC NET-04, written from the text.
func messageID(m *pb.Message) string {
	text := binary.BigEndian.AppendUint16([]byte("tocsin-mid-1"), uint16(len(m.GetTopic())))
	text = append(append(text, m.GetTopic()...), m.GetData()...)
	sum := sha256.Sum256(text)
	return string(sum[:20])
}

// found makes the hostile organisation: its chain is as good as any.
func (h *Hostile) found() {
	a, err := protocoltest.Found(Federation, h.name, time.Now(), rand.Reader, func(c *protocol.Certificate) {
		c.PeerIDs = [][]byte{[]byte(h.host.ID())}
	})
	if err != nil {
		h.fleet.t.Fatal(err)
	}
	h.author = a
}

func (h *Hostile) identity() *protocol.Record {
	return h.sign(protocol.Draft{Topic: protocol.TopicControl, Kind: protocol.KindIdentity, Statements: h.author.Statements})
}

// record makes a good record with one object of n bytes.
func (h *Hostile) record(topic string, n int) *protocol.Record {
	on, err := protocol.ParseTopic(topic)
	if err != nil {
		h.fleet.t.Fatal(err)
	}
	noise := make([]byte, n/2)
	_, _ = rand.Read(noise)
	return h.sign(protocol.Draft{Topic: on, Kind: protocol.KindObjects, Objects: [][]byte{
		fmt.Appendf(nil, `{"type":"note","id":"note--00000000-0000-4000-8000-000000000000","content":"%x"}`, noise),
	}})
}

// sign puts a draft at the end of its key log.
func (h *Hostile) sign(d protocol.Draft) *protocol.Record {
	h.fleet.t.Helper()
	d.Created = time.Now().Add(h.skew)
	d.Expires = d.Created.Add(24 * time.Hour)
	r, err := h.author.Record(d)
	if err != nil {
		h.fleet.t.Fatalf("%s signs: %v", h.name, err)
	}
	return r
}
