// Command bench measures the product beside a limit and a reference in one
// program and one run. The limit is what the machine allows (hashing, bare
// pubsub, raw fsync); the reference is the straightforward way (an object at a time,
// standard library verification per object, default badger, encoding/json);
// the product is the node's real code. Contenders are interleaved round by round and
// judged on CPU time, because wall time depends on what else the machine does.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"slices"
	"strings"
	"time"

	logging "github.com/ipfs/go-log/v2"

	"tocsin/node/cputime"
)

func main() {
	rounds := flag.Int("rounds", 7, "rounds; each runs every contender once")
	objects := flag.Int("objects", 20000, "objects per contender and round")
	million := flag.Int("store", 1000000, "objects in the store for memory, rebuild and check; 0 leaves that part out")
	child := flag.String("fill", "", "fill a store in this folder and report memory (used by the program itself)")
	restore := flag.String("restore", "", "back up the store in this folder, or restore it (used by the program itself)")
	receive := flag.String("catchup", "", "catch up in this folder with whoever connects until there are -store records (used by the program itself)")
	idle := flag.String("idle", "", "run an idle node of the shape that the argument names in this folder (used by the program itself)")
	followed := flag.String("follow", "", "follow the events of the node with this socket (used by the program itself)")
	part := flag.String("part", "", "only this: admin, catchup, events, recon or store; with -store for the scale")
	profile := flag.String("profile", "", "write a CPU profile of the whole run to this file")
	flag.Parse()
	debug.SetGCPercent(50) // as the node runs; for every contender
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	logging.SetupLogging(logging.Config{Level: logging.LevelError, Stderr: true})
	endProfile, err := startProfile(*profile)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	switch {
	case *child != "":
		err = fillStore(ctx, *child, *million)
	case *restore != "":
		err = backupOrRestore(ctx, *restore)
	case *receive != "":
		err = catchUp(ctx, *receive, *million)
	case *idle != "":
		err = runIdle(ctx, *idle, flag.Arg(0))
	case *followed != "":
		err = follow(ctx, *followed, flag.Arg(0))
	case *part == "admin":
		err = withStore(ctx, *million, reportAdmin)
	case *part == "catchup":
		err = withStore(ctx, *million, reportCatchup)
	case *part == "recon":
		err = reportRecon(*rounds, *million)
	case *part == "events":
		err = reportEvents(ctx, min(*rounds, 3))
	case *part == "store":
		err = withStore(ctx, *million, reportStore)
	case *part != "":
		err = fmt.Errorf("there is no part %q: admin, catchup, events, recon or store", *part)
	default:
		err = report(ctx, *rounds, *objects, *million)
	}
	endProfile()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// startProfile profiles until the function it returns is called; "" does nothing.
func startProfile(path string) (end func(), err error) {
	if path == "" {
		return func() {}, nil
	}
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() {
		pprof.StopCPUProfile()
		_ = f.Close() // a profile is looked at by a person, who sees it cut short
	}, nil
}

// report runs all parts and prints one table each.
func report(ctx context.Context, rounds, objects, million int) error {
	fmt.Printf("hardware: %s\n", hardware())
	if err := reportIngest(ctx, rounds, objects); err != nil {
		return fmt.Errorf("ingest: %w", err)
	}
	if err := reportGossip(ctx, rounds); err != nil {
		return fmt.Errorf("gossip: %w", err)
	}
	if million == 0 {
		return nil
	}
	if err := reportWarnings(min(rounds, 3)); err != nil {
		return fmt.Errorf("warning lists: %w", err)
	}
	if err := reportRecon(min(rounds, 3), 1_000_000); err != nil {
		return fmt.Errorf("reconciliation: %w", err)
	}
	return withStore(ctx, million, reportRestore, reportCatchup, reportStore)
}

// hardware names what this ran on.
func hardware() string {
	model := "unknown processor"
	if raw, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(raw)) {
			if name, ok := strings.CutPrefix(line, "model name\t: "); ok {
				model = strings.TrimSpace(name)
				break
			}
		}
	}
	return fmt.Sprintf("%s, %d cores, %s, %s/%s", model, runtime.NumCPU(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// sample is one slice of work: what it cost.
type sample struct {
	cpu, wall time.Duration
	units     int
}

// perUnit is CPU time for one unit of work.
func (s sample) perUnit() time.Duration { return s.cpu / time.Duration(max(s.units, 1)) }

// measure runs f, which returns how many units it did.
func measure(f func() (int, error)) (sample, error) {
	runtime.GC()
	cpu, wall := cputime.Used(), time.Now()
	n, err := f()
	return sample{cputime.Used() - cpu, time.Since(wall), n}, err
}

// spread is median, minimum and maximum.
type spread struct{ median, low, high time.Duration }

func spreadOf(ds []time.Duration) spread {
	s := slices.Sorted(slices.Values(ds))
	return spread{s[len(s)/2], s[0], s[len(s)-1]}
}

// String gives microseconds.
func (s spread) String() string {
	us := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }
	return fmt.Sprintf("%8.2f us (%.2f..%.2f)", us(s.median), us(s.low), us(s.high))
}
