// Package node composes the parts of one tocsin node and runs them. It holds no
// behaviour of its own: reading New from top to bottom shows the whole program.
package node

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/gofrs/flock"
	logging "github.com/ipfs/go-log/v2"
	"github.com/libp2p/go-libp2p"
	"golang.org/x/sync/errgroup"

	"tocsin/node/access"
	"tocsin/node/admin"
	"tocsin/node/audit"
	"tocsin/node/backup"
	"tocsin/node/belief"
	"tocsin/node/breaker"
	"tocsin/node/catchup"
	"tocsin/node/custody"
	"tocsin/node/feed"
	"tocsin/node/intake"
	"tocsin/node/invite"
	"tocsin/node/logs"
	"tocsin/node/metrics"
	"tocsin/node/outbox"
	"tocsin/node/p2p"
	"tocsin/node/pledges"
	"tocsin/node/policy"
	"tocsin/node/review"
	"tocsin/node/scores"
	"tocsin/node/scrub"
	"tocsin/node/settings"
	"tocsin/node/standing"
	"tocsin/node/upkeep"
	"tocsin/node/warnings"
	"tocsin/protocol"
	"tocsin/storage"
)

var log = logging.Logger("tocsin/node")

// Options are for tests and demonstrations.
type Options struct {
	// Memory keeps the record store in memory.
	Memory bool
	// NoAdmin leaves the admin socket out (virtual time cannot wait for sockets).
	NoAdmin bool
	// Version is the program's version, as the admin port shows it.
	Version string
	// Origins says where each key of the configuration comes from, for who asks the node; nil where nobody knows.
	Origins map[string]string
	// P2P is appended to the host's libp2p options.
	P2P []libp2p.Option
	// Logs is the process's book of log levels; nil leaves its resources out.
	Logs *logs.Book
}

// Node is a wired node. New starts nothing; Run works; Close releases.
type Node struct {
	// Desk answers questions, Outbox publishes, Host is the mesh: what tests and
	// demonstrations use directly.
	Desk   *belief.Desk
	Outbox *outbox.Publisher
	Host   *p2p.Host
	Store  *storage.Store
	Policy *policy.Book
	// Standing says whose word stands.
	Standing *standing.Book
	// Audit is where is written who did what; it is opened before and closed after whatever writes to it.
	Audit *audit.Log
	// Keys is the custody of the node's keys.
	Keys *custody.Office

	own     protocol.OrgID
	lock    *flock.Flock
	running atomic.Bool // set once the listeners are bound and the parts work
	parts
}

// parts are what nobody outside uses directly.
type parts struct {
	started  time.Time
	intake   *intake.Pipeline
	admin    *admin.Server
	breakers *breaker.Book
	warnings *warnings.Book
	scores   *scores.Book
	review   *review.Queue
	pledges  *pledges.Book
	invites  *invite.Desk
	disk     disk
	// seconds are second records at one place of a key log, on their way to become proofs.
	seconds chan *protocol.Record
	duties
}

// duties are the parts that work by themselves.
type duties struct {
	keeper  *upkeep.Keeper
	catchup *catchup.Keeper
	scrub   *scrub.Keeper
	backups *backup.Runner
	proofs
	watching
}

// watching is what shows how the node fares.
type watching struct {
	metrics *metrics.Metrics
	feed    *feed.Hub
	// examiner examines the node now and then, for the feed.
	examiner *examiner
	clock    *clockWatch
	access   *access.Book // nil where its file is damaged
}

// New opens what the node needs in paths and wires it: node.running when
// another process holds the lock, node.absent when there is no identity yet.
// What it opened is closed again when it fails.
func New(paths Paths, cfg Config, o Options) (n *Node, err error) {
	n = &Node{parts: parts{started: time.Now(), duties: duties{watching: watching{clock: newClockWatch(time.Now())}}, seconds: make(chan *protocol.Record, maxSeconds)}}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.Close())
			n = nil
		}
	}()
	n.metrics = n.newMetrics(o)
	cfg = cfg.WithDefaults()
	if err := cfg.Validate(); err != nil {
		return n, err
	}
	if n.lock, err = lock(paths); err != nil {
		return n, err
	}
	if err = n.openSpace(paths, cfg, o); err != nil {
		return n, err
	}
	if n.Audit, err = openAudit(paths); err != nil {
		return n, err
	}
	keys, chains, err := n.openIdentity(paths, cfg)
	if err != nil {
		return n, err
	}
	set, err := settings.Open(paths.State())
	if err != nil {
		return n, err
	}
	if n.Policy, err = policy.OpenAudited(paths.TrustFile(), paths.TrustState(), n.Audit); err != nil {
		return n, err
	}
	if err = n.openStore(paths, cfg, o); err != nil {
		return n, err
	}
	if err = n.openIntake(paths, cfg, chains); err != nil {
		return n, err
	}
	if err = n.protect(chains); err != nil {
		return n, err
	}
	if err = n.openDesk(paths); err != nil {
		return n, err
	}
	if err = n.openInvites(paths, cfg, keys, chains); err != nil {
		return n, err
	}
	if err = n.openProofs(paths, cfg, o, keys, chains); err != nil {
		return n, err
	}
	if n.Host, err = n.host(cfg, o, set, keys, chains); err != nil {
		return n, err
	}
	n.Outbox = outbox.New(n.Store, n.intake, chains, n.own, keys.Record, announcer{n})
	n.catchup = n.newCatchup(chains)
	n.scrub = n.newScrub(chains.Chains)
	if n.Keys, err = n.openCustody(paths, o, keys, chains); err != nil {
		return n, err
	}
	n.keeper = n.newKeeper(cfg, chains)
	if err = errors.Join(n.openBackups(paths, cfg, chains, o), n.watchMetrics()); err != nil {
		return n, err
	}
	if !o.NoAdmin {
		err = n.openAdmin(paths, cfg, o, set, keys, chains)
	}
	return n, err
}

// Own is the node's organisation.
func (n *Node) Own() protocol.OrgID { return n.own }

// Run serves until ctx ends (nil) or a part fails. A node that had no room to open its store runs without it, and Run
// returns ErrReopen once there is: close it then, and open it anew. ready is called once the
// listeners and the admin socket are bound; it may be nil.
func (n *Node) Run(ctx context.Context, ready func()) (err error) {
	n.note("node.start", nil)
	defer func() { n.stopped(err) }()
	if n.disk.lack != nil {
		return n.runDegraded(ctx, ready)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return n.watchSpace(ctx) })
	g.Go(func() error { return n.clock.run(ctx) })
	g.Go(func() error { return n.Host.Run(ctx) })
	n.takeLeft(ctx)
	// The mesh runs first: before anything is signed, peers are asked what they hold of us.
	if err := n.Keys.Prepare(ctx); err != nil {
		g.Go(func() error { return err })
		return g.Wait()
	}
	g.Go(func() error { return n.Keys.Run(ctx) })
	g.Go(func() error { return n.keeper.Run(ctx) })
	g.Go(func() error { return n.catchup.Run(ctx) })
	g.Go(func() error { return n.scrub.Run(ctx) })
	g.Go(func() error { return n.proveForks(ctx) })
	g.Go(func() error { return n.Policy.Watch(ctx) })
	g.Go(func() error { return n.warnings.Watch(ctx) })
	g.Go(func() error { return n.noteWarnings(ctx) })
	g.Go(func() error { return n.scores.Run(ctx) })
	g.Go(func() error { return n.Desk.Run(ctx) })
	g.Go(func() error { return n.runProofs(ctx) })
	g.Go(func() error { return n.backups.Run(ctx) })
	if n.admin != nil {
		g.Go(func() error { return n.feed.Run(ctx) })
		g.Go(func() error { return n.examiner.run(ctx) })
		g.Go(func() error { return n.admin.Run(ctx) })
	}
	n.running.Store(true)
	log.Infow("node runs", "org", n.own, "peer", n.Host.PeerID())
	if ready != nil {
		ready()
	}
	return g.Wait()
}

// Close releases sockets, host, store, audit log and lock, in that order. It may be called
// after Run returned, and more than once.
func (n *Node) Close() error {
	var errs []error
	if n.admin != nil {
		errs = append(errs, n.admin.Close())
	}
	if n.Host != nil {
		errs = append(errs, n.Host.Close())
	}
	if n.Store != nil {
		if n.Outbox != nil {
			errs = append(errs, n.Outbox.Settle())
		}
		errs = append(errs, n.Store.Close())
	}
	if n.facts != nil {
		errs = append(errs, n.facts.Close())
	}
	if n.Audit != nil {
		errs = append(errs, n.Audit.Close())
	}
	if n.lock != nil {
		errs = append(errs, n.lock.Unlock())
	}
	n.admin, n.Host, n.Store, n.Audit, n.lock = nil, nil, nil, nil, nil
	return errors.Join(errs...)
}
