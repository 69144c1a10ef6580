package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"time"

	logging "github.com/ipfs/go-log/v2"
	"github.com/spf13/cobra"

	"tocsin/node"
	"tocsin/node/audit"
	"tocsin/node/logs"
)

var log = logging.Logger("tocsin/cmd")

// leaveTime is how long a node may take to stop. What was acknowledged is synced
// already, so leaving late would gain nothing.
const leaveTime = 4 * time.Second

// gcPercent trades a little processor time for a node that stays small: the
// store's tables are long-lived and need no headroom of their own size.
const gcPercent = 50

func newRunCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "run",
		Short: "Run the node until it is told to stop (SIGTERM or Ctrl-C)",
		Long: `Run the node that "tocsin init" founded. It prints one ready line when its
listeners are bound, logs to stderr, and leaves within 5 seconds of SIGTERM. At
SIGHUP it reads the operator's trust.toml anew.

Exit codes: 0 stopped as told, 2 configuration error, 4 no node in the folder,
9 another process runs this node or has an address of its admin port, 1 a part
of the node failed.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return g.runNode(cmd.Context()) },
	}
}

func (g *globals) runNode(ctx context.Context) error {
	paths, err := g.paths()
	if err != nil {
		return err
	}
	cfg, from, err := loadConfig(g)
	if err != nil {
		return err
	}
	if err := setupLogging(cfg.WithDefaults().LogLevel); err != nil {
		return err
	}
	debug.SetGCPercent(gcPercent)
	book := logs.New(cfg.WithDefaults().LogLevel)
	var remembering sync.WaitGroup
	defer remembering.Wait()
	watched, done := context.WithCancel(context.WithoutCancel(ctx)) // what the node says while it stops is kept, too
	defer done()
	remembering.Go(func() { _ = book.Run(watched) }) // it ends when it is told to
	var said sync.Once
	for {
		// A node without room for its store ends its run when there is room: the process goes on with a new one.
		err := g.runOnce(ctx, paths, cfg, node.Options{Version: readBuildInfo().Version, Logs: book, Origins: from}, &said)
		if !errors.Is(err, node.ErrReopen) || ctx.Err() != nil {
			return err
		}
		log.Infow("the node opens its store", "why", err)
	}
}

// runOnce opens a node and serves it; the ready line is said once in the life of the process.
func (g *globals) runOnce(ctx context.Context, paths node.Paths, cfg node.Config, o node.Options, said *sync.Once) error {
	n, err := node.New(paths, cfg, o)
	if err != nil {
		return err
	}
	ctx, leave := context.WithCancel(ctx)
	var reloads sync.WaitGroup
	defer reloads.Wait()
	defer leave()
	reloads.Go(func() { reloadOnHangup(ctx, n) })
	return serve(ctx, n, func() { said.Do(func() { g.ready(n) }) })
}

// reloadOnHangup reads the operator's trust list anew at each SIGHUP until ctx
// ends. A refused file leaves the list before it in force and says why.
func reloadOnHangup(ctx context.Context, n *node.Node) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
			if err := n.Policy.Reload(audit.WithActor(ctx, audit.Actor{UID: os.Getuid(), Via: "command"})); err != nil {
				log.Errorw("trust list was not reloaded", "err", err)
			} else {
				log.Infow("trust list reloaded", "digest", n.Policy.List().Digest())
			}
		}
	}
}

// serve runs a node until ctx ends and then gives it leaveTime to stop.
func serve(ctx context.Context, n *node.Node, ready func()) error {
	return leaveInTime(ctx, func() error { return errors.Join(n.Run(ctx, ready), n.Close()) })
}

// leaveInTime waits for work, but no longer than leaveTime after ctx has ended:
// when a part does not stop in time, the process leaves without it.
func leaveInTime(ctx context.Context, work func() error) error {
	done := make(chan error, 1)
	go func() { done <- work() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-done:
		return err
	case <-time.After(leaveTime):
		return fmt.Errorf("stop the node: some part still works after %v", leaveTime)
	}
}

// ready prints the line that scripts wait for.
func (g *globals) ready(n *node.Node) {
	line := struct {
		Ready  bool     `json:"ready"`
		Org    string   `json:"org"`
		PeerID string   `json:"peer_id"`
		Addrs  []string `json:"addrs"`
	}{true, n.Own().String(), n.Host.PeerID(), n.Host.Addrs()}
	_ = g.emit(line, func(w io.Writer) { // a closed stdout does not stop a node
		fmt.Fprintf(w, "ready org=%s peer=%s addrs=%s\n", line.Org, line.PeerID, strings.Join(line.Addrs, ","))
	})
}

// setupLogging sends every package's log, libp2p's included, to stderr. libp2p
// itself is kept to warnings unless the operator asks for debug.
func setupLogging(level string) error {
	l, err := logging.LevelFromString(level)
	if err != nil {
		return fmt.Errorf("log level %q: %w", level, err)
	}
	logging.SetupLogging(logging.Config{Format: logging.PlaintextOutput, Stderr: true, Level: logging.LevelError})
	if l == logging.LevelDebug {
		return logging.SetLogLevelRegex(".*", level)
	}
	return logging.SetLogLevelRegex("^tocsin/", level)
}
