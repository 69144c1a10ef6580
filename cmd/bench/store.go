package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"tocsin/node/belief"
	"tocsin/node/cputime"
	"tocsin/node/policy"
	"tocsin/storage"
)

// withStore fills a store in a process of its own, whose memory is then not
// this one's, hands its folder to the parts, and removes it.
func withStore(ctx context.Context, objects int, parts ...func(ctx context.Context, dir string) error) error {
	dir, err := os.MkdirTemp("", "tocsin-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	fmt.Printf("\nstore: %d objects in records of %d\n", objects, perRecord)
	fill := exec.CommandContext(ctx, os.Args[0], "-fill", dir, "-store", strconv.Itoa(objects))
	fill.Stdout, fill.Stderr = os.Stdout, os.Stderr
	if err := fill.Run(); err != nil {
		return fmt.Errorf("fill: %w", err)
	}
	for _, part := range parts {
		if err := part(ctx, dir); err != nil {
			return err
		}
	}
	return nil
}

// coldStarts opens the store five times, reports each, and leaves the last one open.
func coldStarts(dir string) (*storage.Store, error) {
	const rounds = 5
	var wall, cpu [rounds]time.Duration
	var store *storage.Store
	for n := range rounds {
		if store != nil {
			if err := store.Close(); err != nil {
				return nil, err
			}
		}
		runtime.GC() // of the round before
		began, used := time.Now(), cputime.Used()
		var err error
		if store, err = storage.Open(filepath.Join(dir, "store"), storage.Options{}); err != nil {
			return nil, err
		}
		wall[n], cpu[n] = time.Since(began).Round(time.Millisecond), (cputime.Used() - used).Round(time.Millisecond)
	}
	fmt.Printf("  open and rebuild indexes, %d times: %v wall, %v CPU (aim 500 ms)\n", rounds, wall, cpu)
	return store, nil
}

// reportStore measures opening a store and asking it.
func reportStore(ctx context.Context, dir string) error {
	store, err := coldStarts(dir)
	if err != nil {
		return err
	}
	err = reportCheck(store, dir)
	if err == nil {
		err = reportSurvey(ctx, store)
	}
	if err == nil {
		err = reportRejudge(ctx, store, dir)
	}
	if err == nil {
		err = reportHold(ctx, store)
	}
	return errors.Join(err, store.Close())
}

// reportCheck asks for values that the store holds and for values it does not.
func reportCheck(store *storage.Store, dir string) error {
	book, err := policy.Open(filepath.Join(dir, "none.toml"), filepath.Join(dir, "trust.toml"))
	if err != nil {
		return err
	}
	desk := belief.New(belief.Deps{Store: store, Policy: book})
	for _, part := range []struct {
		name   string
		values []string
	}{{"not held", absentValues(10000)}, {"held", heldValues(store, 10000)}} {
		known := 0
		s, err := measure(func() (int, error) {
			items, err := desk.Check(part.values, time.Now())
			for _, it := range items {
				if it.State != "none" {
					known++
				}
			}
			return len(items), err
		})
		if err != nil {
			return err
		}
		fmt.Printf("  check %d values %s (%d known): %.0f values/s/core\n", len(part.values), part.name, known, float64(time.Second)/float64(s.perUnit()))
	}
	return nil
}

func absentValues(n int) []string {
	values := make([]string, n)
	for i := range values {
		values[i] = fmt.Sprintf("h%d.never-published.example", i)
	}
	return values
}

// heldValues reads values back from the store, spread over it.
func heldValues(store *storage.Store, n int) []string {
	var values []string
	for after := uint64(0); len(values) < n; {
		changes, err := store.Changes(after, 100)
		if err != nil || len(changes) == 0 {
			return values
		}
		for _, c := range changes {
			after = c.Seq
			hits, err := store.Leaves(c.Record)
			if err != nil {
				return values
			}
			for _, h := range hits[:min(2, len(hits))] {
				for _, v := range h.Values {
					values = append(values, v.Observable.Value)
				}
			}
		}
	}
	return values[:n]
}

// fillStore runs in the child: it fills a store and reports this process's
// anonymous memory at its highest and at the end.
func fillStore(ctx context.Context, dir string, objects int) error {
	p, err := newPublisher(200)
	if err != nil {
		return err
	}
	in, store, err := newPipeline(p.Chains, p.Org, dir)
	if err != nil {
		return err
	}
	var peak int
	began, cpu := time.Now(), cputime.Used()
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for i := 0; i < objects; i += perRecord {
		batch := make([][]byte, min(perRecord, objects-i))
		for j := range batch {
			batch[j] = indicator(p.rand, i+j)
		}
		r, err := p.record(batch)
		if err != nil {
			return errors.Join(err, g.Wait(), store.Close())
		}
		g.Go(func() error {
			_, err := in.Receive(ctx, r, "bench")
			return err
		})
		if i%10000 == 0 {
			peak = max(peak, anonymousKiB())
		}
	}
	if err := g.Wait(); err != nil {
		return errors.Join(err, store.Close())
	}
	fmt.Printf("  fill, making the records included: %v wall, %v CPU\n", time.Since(began).Round(time.Millisecond), (cputime.Used() - cpu).Round(time.Millisecond))
	fmt.Printf("  anonymous memory: %d MB at most, %d MB at the end (aim 160)\n", max(peak, anonymousKiB())>>10, anonymousKiB()>>10)
	return store.Close()
}

// anonymousKiB is RssAnon of this process, or 0 where the kernel does not say.
func anonymousKiB() int {
	raw, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(raw)) {
		if rest, ok := strings.CutPrefix(line, "RssAnon:"); ok {
			n, _ := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")))
			return n
		}
	}
	return 0
}
