package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"golang.org/x/sync/errgroup"

	"tocsin/node/breaker"
	"tocsin/node/catchup"
	"tocsin/node/cputime"
	"tocsin/node/identity"
	"tocsin/node/intake"
	"tocsin/node/p2p"
	"tocsin/node/policy"
	"tocsin/node/standing"
	"tocsin/node/warnings"
	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/protocol/trust"
	"tocsin/storage"
)

// site is the node's own parts over the files of a folder: store, way in, host and catch-up.
type site struct {
	store  *storage.Store
	in     *intake.Pipeline
	host   *p2p.Host
	keeper *catchup.Keeper
	run    errgroup.Group
	stop   context.CancelFunc
}

// openSite opens the folder of a store, or an empty one to which founders was copied, and listens on loopback.
func openSite(ctx context.Context, dir string) (s *site, err error) {
	id, err := identity.Open(filepath.Join(dir, "identity.cbor"), network)
	if err != nil {
		return nil, err
	}
	book, err := policy.Open(filepath.Join(dir, "none.toml"), filepath.Join(dir, "trust.toml"))
	if err != nil {
		return nil, err
	}
	stands, err := standing.Open(filepath.Join(dir, "standing.json"), id.Chains)
	if err != nil {
		return nil, err
	}
	lists, err := warnings.Open(filepath.Join(dir, "warninglists"))
	if err != nil {
		return nil, err
	}
	s = &site{}
	if s.store, err = storage.Open(filepath.Join(dir, "store"), storage.Options{}); err != nil {
		return nil, err
	}
	s.in = intake.New(intake.Deps{
		Store: s.store, Policy: book, Identity: id, Standing: stands, Warnings: lists,
		Breakers: breaker.Open(filepath.Join(dir, "breakers.json"), stands, nil),
	})
	topic, err := protocol.ParseTopic("malicious-code")
	if err != nil {
		return nil, errors.Join(err, s.store.Close())
	}
	key, _, err := crypto.GenerateEd25519Key(nil)
	if err != nil {
		return nil, errors.Join(err, s.store.Close())
	}
	s.host, err = p2p.New(p2p.Config{Listen: []string{"/ip4/127.0.0.1/tcp/0"}, Key: key, Topics: []protocol.Topic{topic}}, p2p.Deps{
		Chains: id.Chains, AddStatements: func(...*protocol.Statement) {}, Level: func(protocol.OrgID) trust.Level { return trust.Anchor },
		Known: func(*protocol.Record) error { return nil }, Receive: func(context.Context, p2p.Incoming) {},
		Announcement: func() *protocol.Record { return nil },
	})
	if err != nil {
		return nil, errors.Join(err, s.store.Close())
	}
	s.keeper = catchup.New(catchup.Deps{
		Host: s.host, Store: s.store, Chains: id.Chains, Topics: func() []protocol.Topic { return []protocol.Topic{topic} },
		Receive: func(ctx context.Context, r *protocol.Record, from string) error {
			_, err := s.in.Receive(ctx, r, from)
			return err
		},
		Listed: func(protocol.OrgID) bool { return true },
	})
	ctx, s.stop = context.WithCancel(ctx)
	s.run.Go(func() error { return s.host.Run(ctx) })
	return s, nil
}

func (s *site) close() error {
	s.stop()
	return errors.Join(s.run.Wait(), s.host.Close(), s.store.Close())
}

// founders copies who signs and who is trusted into an empty folder.
func founders(to, from string) error {
	for _, name := range []string{"identity.cbor", "trust.toml"} {
		raw, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(to, name), raw, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// reportCatchup fills an empty node from one that has everything, over loopback TCP, beside the same records taken from
// memory; then again with a kill in the middle. Sender and receiver share the machine's cores.
func reportCatchup(ctx context.Context, full string) error {
	server, err := openSite(ctx, full)
	if err != nil {
		return err
	}
	err = compareCatchup(ctx, server, full)
	return errors.Join(err, server.close())
}

func compareCatchup(ctx context.Context, server *site, full string) error {
	want := server.store.Counts()
	fmt.Printf("\ncatch-up: %d objects in %d records into an empty node, loopback TCP, two processes\n", want.Objects, want.Records)
	local, err := localIngest(ctx, server, full)
	if err != nil {
		return fmt.Errorf("local ingest: %w", err)
	}
	rate := func(s sample) float64 { return float64(s.units) / s.wall.Seconds() }
	fmt.Printf("  %-44s %6.1f s wall, %6.1f s CPU  %9.0f objects/s\n", "limit: the same records from here, 32 at a time", local.wall.Seconds(), local.cpu.Seconds(), rate(local))
	dir, err := os.MkdirTemp("", "tocsin-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	select { // a record of the last five seconds is gossip's
	case <-time.After(6 * time.Second):
	case <-ctx.Done():
		return ctx.Err()
	}
	serving := cputime.Used()
	got, err := fetch(ctx, server, full, filepath.Join(dir, "whole"), want.Records, 0)
	if err != nil {
		return err
	}
	serving = cputime.Used() - serving
	fmt.Printf("  %-44s %6.1f s wall, %6.1f s CPU  %9.0f objects/s, %s; %.1f s CPU to serve it (aim 15 s)\n", "product: catch-up", got.wall.Seconds(), got.cpu.Seconds(), rate(got.sample), got.note, serving.Seconds())
	fmt.Printf("  catch-up reaches %.0f %% of local ingest by wall time (aim 70), %.0f %% by CPU of the receiver\n", 100*rate(got.sample)/rate(local), 100*local.cpu.Seconds()/got.cpu.Seconds())
	began := time.Now()
	cut, err := fetch(ctx, server, full, filepath.Join(dir, "cut"), want.Records, want.Records/2)
	if err != nil {
		return err
	}
	fmt.Printf("  killed at half and started again: %.1f s in all, the second time %d records were fetched of %d\n", time.Since(began).Seconds(), cut.records, want.Records)
	return nil
}

// localIngest verifies and takes the records that are here, as many at a time as one group commit may hold.
func localIngest(ctx context.Context, from *site, full string) (sample, error) {
	dir, err := os.MkdirTemp("", "tocsin-bench-")
	if err != nil {
		return sample{}, err
	}
	defer os.RemoveAll(dir)
	if err := founders(dir, full); err != nil {
		return sample{}, err
	}
	to, err := openSite(ctx, dir)
	if err != nil {
		return sample{}, err
	}
	var objects atomic.Int64
	chains, err := identity.Open(filepath.Join(dir, "identity.cbor"), network)
	if err != nil {
		return sample{}, err
	}
	s, err := measure(func() (int, error) {
		g, ctx := errgroup.WithContext(ctx)
		g.SetLimit(32)
		_, places := from.store.Inventory()
		for _, p := range places {
			g.Go(func() error {
				raw, _, err := from.store.Record(p.ID)
				if err != nil {
					return err
				}
				r, err := protocol.Verify(raw, chains.Chains(), time.Now())
				if err != nil {
					return err
				}
				out, err := to.in.Receive(ctx, r, "bench")
				objects.Add(int64(out.Accepted))
				return err
			})
		}
		err := g.Wait()
		return int(objects.Load()), err
	})
	return s, errors.Join(err, to.close())
}

// fetched is what a receiver tells at its end.
type fetched struct {
	sample
	records int
	note    string
}

// fetch runs a receiver in a process of its own until it has all; killAt of the records it is killed once and started again.
func fetch(ctx context.Context, server *site, full, dir string, records, killAt int) (f fetched, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return f, err
	}
	if err := founders(dir, full); err != nil {
		return f, err
	}
	for {
		c := exec.CommandContext(ctx, os.Args[0], "-catchup", dir, "-store", strconv.Itoa(records))
		c.Stderr = os.Stderr
		out, err := c.StdoutPipe()
		if err != nil {
			return f, err
		}
		if err := c.Start(); err != nil {
			return f, err
		}
		killed := false
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var wall, cpu int64
			if n, _ := fmt.Sscanf(lines.Text(), "done %d %d %d %d", &f.units, &f.records, &wall, &cpu); n == 4 {
				f.wall, f.cpu = time.Duration(wall), time.Duration(cpu)
				_, f.note, _ = strings.Cut(lines.Text(), "; ")
			}
			if addr, ok := strings.CutPrefix(lines.Text(), "at "); ok {
				if _, err := server.host.Connect(ctx, addr); err != nil { // as a peer that is configured: strangers are served slowly
					_ = c.Process.Kill()
					return f, errors.Join(err, c.Wait())
				}
			}
			var have int
			if n, _ := fmt.Sscanf(lines.Text(), "have %d", &have); n == 1 && killAt > 0 && have >= killAt {
				killed, killAt = true, 0
				_ = c.Process.Kill() // Wait says so
			}
		}
		if err := c.Wait(); err != nil && !killed {
			return f, fmt.Errorf("catch up in a process of its own: %w", err)
		}
		if !killed {
			return f, nil
		}
	}
}

// catchUp is the receiver: it fetches until it holds so many records.
func catchUp(ctx context.Context, dir string, records int) error {
	s, err := openSite(ctx, dir)
	if err != nil {
		return err
	}
	fmt.Println("at", s.host.Addrs()[0])
	if err := waitFor(ctx, func() bool { return len(s.host.Companions()) > 0 }); err != nil {
		return errors.Join(err, s.close())
	}
	before := s.store.Counts()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	ended := make(chan struct{})
	var telling errgroup.Group
	peak := 0
	telling.Go(func() error {
		for {
			select {
			case <-ended:
				return nil
			case <-tick.C:
				fmt.Println("have", s.store.Counts().Records)
				peak = max(peak, anonymousKiB())
			}
		}
	})
	got, err := measure(func() (int, error) {
		for s.store.Counts().Records < records {
			if err := s.keeper.Now(ctx, ""); err != nil && reason.Of(err) != reason.PeerDial {
				return 0, err
			}
		}
		return s.store.Counts().Objects - before.Objects, nil
	})
	close(ended)
	err = errors.Join(err, telling.Wait())
	if err == nil {
		fmt.Printf("done %d %d %d %d; %d MB of memory at most\n", got.units, s.store.Counts().Records-before.Records, got.wall, got.cpu, peak>>10)
	}
	return errors.Join(err, s.close())
}
