package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/libp2p/go-libp2p"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/sync/errgroup"

	"tocsin/node"
	"tocsin/node/p2p"
	"tocsin/protocol"
)

// hostile is an attacker with two faces: a proper node of an organisation that
// nobody lists, which signs a slander; and a bare host that speaks the mesh
// protocol and sends what no node would send.
type hostile struct {
	node   *node.Node
	stop   context.CancelFunc
	group  *errgroup.Group
	host   host.Host
	topic  *pubsub.Topic
	wrong  *pubsub.Topic
	peerID string
}

// newHostile founds the attacker and connects both faces to two victims.
func newHostile(ctx context.Context, dir string, victims ...*node.Node) (*hostile, error) {
	ctx, stop := context.WithCancel(ctx)
	h := &hostile{stop: stop, group: &errgroup.Group{}}
	err := errors.Join(h.openNode(ctx, filepath.Join(dir, "hostile"), victims[0]), h.openHost(ctx, victims))
	if err != nil {
		h.close()
		return nil, fmt.Errorf("start the hostile node: %w", err)
	}
	return h, nil
}

func (h *hostile) openNode(ctx context.Context, dir string, victim *node.Node) error {
	paths := node.Paths{Config: dir, Data: dir, Runtime: dir}
	cfg := node.Config{Network: "demo", Listen: []string{"/ip4/127.0.0.1/tcp/0"}}
	if _, err := node.Init(paths, cfg, node.Profile{Name: "Northland CERT", Country: "XA"}); err != nil {
		return err // the name is stolen on purpose: names are no identity
	}
	n, err := node.New(paths, cfg, node.Options{NoAdmin: true, Memory: true})
	if err != nil {
		return err
	}
	h.node = n
	ready := make(chan struct{})
	h.group.Go(func() error { return n.Run(ctx, func() { close(ready) }) })
	select {
	case <-ready:
	case <-ctx.Done():
		return ctx.Err()
	}
	_, err = n.Host.Connect(ctx, loopbackTCP(victim))
	return err
}

// openHost makes the bare host: none of the node's checks stand in its way.
func (h *hostile) openHost(ctx context.Context, victims []*node.Node) (err error) {
	if h.host, err = libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"), libp2p.DisableRelay()); err != nil {
		return err
	}
	h.peerID = h.host.ID().String()
	ps, err := pubsub.NewGossipSub(ctx, h.host, append(p2p.Dialect(), pubsub.WithFloodPublish(true))...)
	if err != nil {
		return err
	}
	if h.topic, err = ps.Join("/tocsin/1/demo/malicious-code"); err != nil {
		return err
	}
	if h.wrong, err = ps.Join("/tocsin/1/demo/fraud"); err != nil {
		return err
	}
	for _, v := range victims {
		info, err := peer.AddrInfoFromString(loopbackTCP(v))
		if err != nil {
			return err
		}
		if err := h.host.Connect(ctx, *info); err != nil {
			return err
		}
	}
	return h.wait(ctx, len(victims))
}

// wait returns when so many victims listen to both topics.
func (h *hostile) wait(ctx context.Context, victims int) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for len(h.topic.ListPeers()) < victims || len(h.wrong.ListPeers()) < victims {
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the victims' subscriptions: %w", ctx.Err())
		case <-tick.C:
		}
	}
	return nil
}

// attack slanders through the proper face and forges through the other.
func (h *hostile) attack(ctx context.Context) error {
	if err := publish(ctx, h.node, "malicious-code", 100, valueSlander); err != nil {
		return err
	}
	head, err := h.genuine()
	if err != nil {
		return err
	}
	errs := []error{
		h.wrong.Publish(ctx, head),                                       // on another topic than it was signed for
		h.topic.Publish(ctx, make([]byte, protocol.MaxGossipBytes+1)),    // too large
		h.topic.Publish(ctx, []byte(`{"type":"bundle"}`)),                // no record at all
		h.topic.Publish(ctx, append(append([]byte(nil), head...), 0x00)), // trailing junk
	}
	pause := time.NewTicker(forgeInterval)
	defer pause.Stop()
	for i := range forgeries { // one flipped bit each, all over header, signature and body
		forged := append([]byte(nil), head...)
		forged[(i+1)*len(forged)/(forgeries+1)] ^= 1 << (i % 8)
		errs = append(errs, h.topic.Publish(ctx, forged))
		<-pause.C
	}
	return errors.Join(errs...)
}

// The forgeries come over a while: a neighbour keeps no score of what arrives in
// the first milliseconds of a connection.
const (
	forgeries     = 12
	forgeInterval = 25 * time.Millisecond
)

// genuine returns a valid record of the attacker's own, to forge from.
func (h *hostile) genuine() ([]byte, error) {
	changes, err := h.node.Store.Changes(0, 100)
	if err != nil {
		return nil, err
	}
	for _, c := range changes {
		if c.Topic != protocol.TopicControl {
			raw, _, err := h.node.Store.Record(c.Record)
			return raw, err
		}
	}
	return nil, errors.New("the hostile node published nothing")
}

func (h *hostile) close() {
	h.stop()
	_ = h.group.Wait() // an attacker's end is nobody's fault
	if h.node != nil {
		_ = h.node.Close()
	}
	if h.host != nil {
		_ = h.host.Close()
	}
}
