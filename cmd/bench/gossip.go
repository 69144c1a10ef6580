package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/sync/errgroup"

	"tocsin/node/p2p"
	"tocsin/protocol"
	"tocsin/protocol/trust"
)

const (
	gossipRecords  = 100
	gossipInterval = 10 * time.Millisecond
)

// reportGossip compares the time from publish to delivery between two hosts on
// loopback TCP: bare pubsub, and the product, which verifies signature, chain and body hash.
func reportGossip(ctx context.Context, rounds int) error {
	var bare, product []time.Duration
	for round := range rounds {
		c, err := newCorpus(byte(100+round), gossipRecords*perRecord)
		if err != nil {
			return err
		}
		b, err := gossipBare(ctx, c)
		if err != nil {
			return fmt.Errorf("bare: %w", err)
		}
		p, err := gossipProduct(ctx, c)
		if err != nil {
			return fmt.Errorf("product: %w", err)
		}
		bare, product = append(bare, spreadOf(b).median), append(product, spreadOf(p).median)
	}
	b, p := spreadOf(bare), spreadOf(product)
	fmt.Printf("\ngossip: p50 from publish to delivery, 2 hosts, loopback TCP, %d records a round at %v, %d rounds\n", gossipRecords, gossipInterval, rounds)
	fmt.Printf("  %-40s %s\n  %-40s %s\n", "limit: bare pubsub, no validation", b, "product: verified, handed to intake", p)
	fmt.Printf("  product is %.2f times bare (aim 1.5)\n", float64(p.median)/float64(b.median))
	return nil
}

// latencies publishes each record at its time and collects when it arrives.
// arrived must carry one value for each delivery, in order.
func latencies(ctx context.Context, n int, publish func(i int) error, arrived <-chan time.Time) ([]time.Duration, error) {
	tick := time.NewTicker(gossipInterval)
	defer tick.Stop()
	var took []time.Duration
	for i := range n {
		<-tick.C
		sent := time.Now()
		if err := publish(i); err != nil {
			return nil, err
		}
		select {
		case at := <-arrived:
			took = append(took, at.Sub(sent))
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(10 * time.Second):
			return nil, fmt.Errorf("message %d did not arrive", i)
		}
	}
	return took, nil
}

// gossipBare is pubsub and nothing else.
func gossipBare(ctx context.Context, c *corpus) (took []time.Duration, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var topics [2]*pubsub.Topic
	var info [2]peer.AddrInfo
	var sub *pubsub.Subscription
	for i := range topics {
		h, err := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"), libp2p.DisableRelay())
		if err != nil {
			return nil, err
		}
		defer h.Close()
		info[i] = peer.AddrInfo{ID: h.ID(), Addrs: h.Addrs()}
		ps, err := pubsub.NewGossipSub(ctx, h, pubsub.WithMessageSignaturePolicy(pubsub.StrictNoSign), pubsub.WithNoAuthor(),
			pubsub.WithMessageIdFn(contentID), pubsub.WithPeerOutboundQueueSize(512), pubsub.WithValidateQueueSize(512))
		if err != nil {
			return nil, err
		}
		if topics[i], err = ps.Join("bench"); err != nil {
			return nil, err
		}
		s, err := topics[i].Subscribe(pubsub.WithBufferSize(512))
		if err != nil {
			return nil, err
		}
		if i == 1 {
			sub = s
			if err := h.Connect(ctx, info[0]); err != nil {
				return nil, err
			}
		}
	}
	if err := waitFor(ctx, func() bool { return len(topics[0].ListPeers()) > 0 }); err != nil {
		return nil, err
	}
	arrived := make(chan time.Time, 1)
	var g errgroup.Group
	g.Go(func() error { return deliver(ctx, sub, arrived) })
	took, err = latencies(ctx, len(c.records), func(i int) error { return topics[0].Publish(ctx, c.records[i]) }, arrived)
	cancel()
	return took, errors.Join(err, g.Wait())
}

// contentID stands in for pubsub's own id, which needs its signatures.
func contentID(m *pb.Message) string {
	sum := sha256.Sum256(m.GetData())
	return string(sum[:20])
}

func deliver(ctx context.Context, sub *pubsub.Subscription, arrived chan<- time.Time) error {
	for {
		if _, err := sub.Next(ctx); err != nil {
			return nil // ctx ended
		}
		arrived <- time.Now()
	}
}

// waitFor asks every few milliseconds until ok, and a second longer so that the
// mesh is grafted, or until 10 s have gone.
func waitFor(ctx context.Context, ok func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(2 * time.Second):
		return nil
	}
}

// gossipProduct is the node's own host on both sides.
func gossipProduct(ctx context.Context, c *corpus) (took []time.Duration, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	topic, err := protocol.ParseTopic("malicious-code")
	if err != nil {
		return nil, err
	}
	arrived := make(chan time.Time, 1)
	var hosts [2]*p2p.Host
	var g errgroup.Group
	for i := range hosts {
		key, _, err := crypto.GenerateEd25519Key(nil)
		if err != nil {
			return nil, err
		}
		hosts[i], err = p2p.New(p2p.Config{Listen: []string{"/ip4/127.0.0.1/tcp/0"}, Key: key, Topics: []protocol.Topic{topic}}, p2p.Deps{
			Chains:        func() *protocol.Chains { return c.chains },
			AddStatements: func(...*protocol.Statement) {},
			Level:         func(protocol.OrgID) trust.Level { return trust.Anchor },
			Known:         func(*protocol.Record) error { return nil },
			Receive:       func(context.Context, p2p.Incoming) { arrived <- time.Now() },
			Announcement:  func() *protocol.Record { return nil },
		})
		if err != nil {
			return nil, err
		}
		defer hosts[i].Close()
		g.Go(func() error { return hosts[i].Run(ctx) })
	}
	if _, err := hosts[1].Connect(ctx, hosts[0].Addrs()[0]); err != nil {
		return nil, err
	}
	if err := waitFor(ctx, func() bool { return meshed(hosts[0], topic) }); err != nil {
		return nil, err
	}
	// A publisher holds its records verified already.
	records := make([]*protocol.Record, len(c.records))
	for i, raw := range c.records {
		if records[i], err = protocol.Verify(raw, c.chains, time.Now()); err != nil {
			return nil, err
		}
	}
	took, err = latencies(ctx, len(records), func(i int) error { return hosts[0].Announce(ctx, records[i]) }, arrived)
	cancel()
	return took, errors.Join(err, g.Wait())
}

func meshed(h *p2p.Host, topic protocol.Topic) bool {
	for _, t := range h.Topics() {
		if t.Topic == topic && t.Mesh > 0 {
			return true
		}
	}
	return false
}
