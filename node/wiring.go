package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"

	"tocsin/node/admin"
	"tocsin/node/identity"
	"tocsin/node/intake"
	"tocsin/node/keystore"
	"tocsin/node/p2p"
	"tocsin/node/settings"
	"tocsin/node/standing"
	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/protocol/trust"
)

// host builds the p2p host; what it asks of the node goes through these functions only.
func (n *Node) host(cfg Config, o Options, set *settings.Book, keys *keystore.Keys, chains *identity.Book) (*p2p.Host, error) {
	return p2p.New(p2p.Config{
		Listen:  cfg.Listen,
		Key:     keys.Host,
		Topics:  set.Topics(cfg.Topics),
		Peers:   set.Peers(cfg.Peers),
		MDNS:    cfg.MDNS,
		Options: o.P2P,
	}, p2p.Deps{
		Chains:        chains.Chains,
		AddStatements: func(s ...*protocol.Statement) { addStatements(chains, s) },
		Level:         n.level,
		Known:         n.known,
		Receive:       n.receive,
		Announcement:  func() *protocol.Record { return n.keeper.Announcement() },
	})
}

func addStatements(chains *identity.Book, s []*protocol.Statement) {
	if _, errs := chains.Add(s...); len(errs) > 0 {
		log.Debugw("statements left out", "err", errors.Join(errs...))
	}
}

func (n *Node) level(org protocol.OrgID) trust.Level {
	if org == n.own {
		return trust.Own
	}
	return n.Policy.List().Level(org, "", "", time.Now())
}

// known is the validator's memory: no I/O.
func (n *Node) known(r *protocol.Record) error {
	if n.Store.Has(r.ID()) {
		return reason.New(reason.DupHeld, "record "+r.ID().String()+" is already held")
	}
	h := r.Header()
	if other, ok := n.Store.At(r.Key(), h.Topic, h.Sequence); ok && other != r.ID() {
		return reason.New(reason.LogFork, fmt.Sprintf("record %s: %s stands at %s %d of its key log", r.ID(), other, h.Topic, h.Sequence))
	}
	return nil
}

func (n *Node) receive(ctx context.Context, in p2p.Incoming) {
	_, err := n.intake.Receive(ctx, in.Record, in.From)
	switch {
	case err == nil, reason.Of(err) == reason.DupHeld, ctx.Err() != nil:
	case reason.Of(err) == reason.LogFork:
		log.Warnw("key log forks: its key signed two records for one place", "record", in.Record.ID(), "org", in.Record.Org(), "err", err)
	default:
		log.Errorw("record was not stored", "record", in.Record.ID(), "err", err)
	}
}

// openStanding opens what is known of whose word stands, and tells it of the node around it.
func (n *Node) openStanding(paths Paths, chains *identity.Book) (*standing.Book, error) {
	b, err := standing.Open(paths.State()+"/standing.json", chains.Chains)
	if err != nil {
		return nil, err
	}
	b.Attach(standing.Surroundings{
		Own:    n.own,
		Listed: func(org protocol.OrgID) bool { return org == n.own || n.Policy.List().Listed(org) },
		Heads: func(key protocol.KeyID) []protocol.Head {
			var heads []protocol.Head
			for _, l := range n.Store.Logs() {
				if l.Key == key {
					heads = append(heads, protocol.Head{Key: key, Topic: l.Topic, Sequence: l.Head, ID: l.HeadID})
				}
			}
			return heads
		},
	})
	return b, nil
}

// told passes on what the way in finds; the keeper does it when it gets to it.
func (n *Node) told() intake.Told {
	return intake.Told{}
}

// tripped says that a breaker opened.
func (n *Node) tripped(standing.Trip) {}

// adminServer binds the admin socket; the mesh reaches it as plain functions.
func (n *Node) adminServer(paths Paths, cfg Config, o Options, set *settings.Book, keys *keystore.Keys, chains *identity.Book) (*admin.Server, error) {
	if err := os.MkdirAll(paths.Runtime, 0o750); err != nil {
		return nil, fmt.Errorf("make the folder of the admin socket: %w", err)
	}
	org, _ := chains.Chains().Org(n.own)
	return admin.New(paths.Socket(), admin.Deps{
		Self: admin.Self{
			Org:     n.own,
			Node:    keys.Record.Public().ID().String(),
			PeerID:  n.Host.PeerID(),
			Name:    org.Genesis.Name,
			Country: org.Genesis.Country,
			Network: cfg.Network,
			Version: o.Version,
			Started: n.started,
		},
		Store:    n.Store,
		Policy:   n.Policy,
		Identity: chains,
		Settings: set,
		Desk:     n.Desk,
		Intake:   n.intake,
		Mesh:     n.mesh(),
		Publish:  n.Outbox.Publish,
		Running:  n.running.Load,
	})
}

func (n *Node) mesh() admin.Mesh {
	return admin.Mesh{
		Addrs: n.Host.Addrs,
		Peers: func() []admin.PeerInfo {
			peers := n.Host.Peers()
			out := make([]admin.PeerInfo, len(peers))
			for i, p := range peers {
				out[i] = admin.PeerInfo(p)
			}
			return out
		},
		Topics: func() []admin.TopicInfo {
			topics := n.Host.Topics()
			out := make([]admin.TopicInfo, len(topics))
			for i, t := range topics {
				out[i] = admin.TopicInfo(t)
			}
			return out
		},
		Connect:    n.Host.Connect,
		Disconnect: n.Host.Disconnect,
		Join:       n.Host.Join,
		Leave:      n.Host.Leave,
		Waiting:    n.Host.Waiting,
	}
}

// owner is the organisation of the identity file, which must have certified this
// node's record key.
func owner(chains *identity.Book, keys *keystore.Keys) (protocol.OrgID, error) {
	own, ok := chains.Own()
	if !ok {
		return own, reason.New(reason.NodeNotFound, "the identity file names no own organisation")
	}
	if _, ok := identity.Certificate(chains.Chains(), own, keys.Record.Public()); !ok {
		return own, reason.New(reason.NodeNotFound, "no certificate of "+own.String()+" for this node's record key "+keys.Record.Public().ID().String())
	}
	return own, nil
}

// lock takes the folder for this process. A lock file that a killed process left
// behind is no lock: the kernel released it.
func lock(paths Paths) (*flock.Flock, error) {
	if _, err := os.Stat(filepath.Join(paths.State(), "own.cbor")); err != nil {
		return nil, reason.Wrap(reason.NodeNotFound, "open node in "+paths.Data, err)
	}
	l := flock.New(paths.Lock())
	ok, err := l.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", paths.Lock(), err)
	}
	if !ok {
		return nil, reason.New(reason.NodeRunning, "another process runs the node in "+paths.Data)
	}
	return l, nil
}
