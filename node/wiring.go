package node

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"

	"tocsin/node/admin"
	"tocsin/node/admin/api"
	"tocsin/node/audit"
	"tocsin/node/identity"
	"tocsin/node/keystore"
	"tocsin/node/once"
	"tocsin/node/p2p"
	"tocsin/node/settings"
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
		Metrics: n.registry(o),
	}, p2p.Deps{
		Chains:        chains.Chains,
		AddStatements: n.intake.Learn,
		Level:         n.level,
		Known:         n.known,
		Second:        n.second,
		Receive:       n.receive,
		Announcement:  func() *protocol.Record { return n.Keys.Announcement() },
		Heads:         n.heads,
		RecordAt:      n.recordAt,
		Invited:       n.invited,
		Witness:       n.cosign,
		Refused:       n.notTaken,
	})
}

func (n *Node) level(org protocol.OrgID) trust.Level {
	if org == n.own {
		return trust.Own
	}
	return n.Policy.List().Level(org, "", "", time.Now())
}

// adminServer binds the admin socket; the mesh reaches it as plain functions.
func (n *Node) adminServer(paths Paths, cfg Config, o Options, set *settings.Book, keys *keystore.Keys, chains *identity.Book) (*admin.Server, error) {
	if err := os.MkdirAll(paths.Runtime, 0o750); err != nil {
		return nil, fmt.Errorf("make the folder of the admin socket: %w", err)
	}
	org, _ := chains.Chains().Org(n.own)
	bundles, err := n.openBundles(paths, chains)
	if err != nil {
		return nil, err
	}
	answers, err := once.Open(paths.Answers())
	if err != nil {
		return nil, err
	}
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
		Audit:    n.Audit,
		Books: admin.Books{Keys: n.Keys, Warnings: n.warnings, Review: n.review, Invites: n.invites, Standing: n.Standing, Scrub: n.scrub, Bundles: bundles, Backups: n.backups,
			CatchUp: &admin.CatchUp{Status: n.catchup.Status, Now: n.catchup.Now, Digests: n.catchup.Digests},
			Proofs:  &admin.Proofs{Desk: n.evidence, Checkpoints: n.checkpoints, Cosigner: n.cosigner, Witness: n.witness}},
		Actions: admin.Actions{
			Watching:   admin.Watching{Access: n.access, Logs: o.Logs, Checks: n.examiner.checks, Port: cfg.adminPort(paths), Feed: n.feed, Metrics: n.metrics.Handler(), Requested: n.metrics.Requested, Streaming: n.metrics.Streaming},
			Once:       answers,
			Configured: func() []api.Setting { return settingsOf(cfg, o.Origins) },
			Publish:    n.Outbox.Publish,
			Preview:    n.Outbox.Preview,
			Pledge:     n.Outbox.Pledge,
			Sweep:      n.keeper.Sweep,
			Space:      n.spaceLeft,
			Commitment: func(org protocol.OrgID) (protocol.Commitment, bool) {
				c, ok := n.pledges.Commitment(org, time.Now())
				return c.Commitment, ok
			},
		},
		Running: n.running.Load,
	})
}

func (n *Node) mesh() admin.Mesh {
	return admin.Mesh{
		Addrs: n.Host.Addrs,
		Peers: func() []admin.PeerInfo {
			peers := n.Host.Peers()
			out := make([]admin.PeerInfo, len(peers))
			for i, p := range peers {
				if !p.Connected {
					p.LastError = absence(p)
				}
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
		Readers:     n.Host.Readers,
		Connect:     n.Host.Connect,
		Disconnect:  n.Host.Disconnect,
		InviteAddrs: n.Host.InviteAddrs,
		AddrTexts:   p2p.AddrTexts,
		Join:        n.Host.Join,
		Leave:       n.Host.Leave,
		Waiting:     n.Host.Waiting,
	}
}

// openAudit opens the audit log. A damaged one is said to be so, and goes on: a node that
// does not start could not be put in order.
func openAudit(paths Paths) (*audit.Log, error) {
	l, err := audit.Open(paths.Audit())
	if reason.Of(err) == reason.AuditDamaged {
		log.Errorw("audit log is damaged; see tocsin audit verify", "err", err)
		return l, nil
	}
	return l, err
}

// note writes down that the node starts or stops, which nobody can refuse any more.
func (n *Node) note(action string, err error) {
	e := audit.Event{Action: action, Target: n.own.String(), Detail: map[string]string{"peer": n.Host.PeerID()}}
	if err != nil {
		e.Detail["error"] = err.Error()
	}
	if _, err := n.Audit.Append(context.Background(), e); err != nil {
		log.Errorw("not in the audit log", "action", action, "err", err)
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
