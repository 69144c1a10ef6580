package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"tocsin/node/belief"
	"tocsin/node/policy"
	"tocsin/node/scores"
	"tocsin/protocol/trust"
	"tocsin/storage"
)

// reportRejudge lowers the publisher of everything stored by a level and waits until all is judged
// again, and follows the change sequence from its beginning for the scorecards.
func reportRejudge(ctx context.Context, store *storage.Store, dir string) error {
	book, err := policy.Open(filepath.Join(dir, "none.toml"), filepath.Join(dir, "trust.toml"))
	if err != nil {
		return err
	}
	entries := book.List().Entries()
	if len(entries) != 1 {
		return fmt.Errorf("%d organisations are listed, want the publisher alone", len(entries))
	}
	cards, err := scores.Open(filepath.Join(dir, "scores.json"), scores.Deps{Store: store, Policy: book})
	if err != nil {
		return err
	}
	behind := cards.Behind()
	s, err := runUntil(ctx, cards.Run, func() bool { return cards.Behind() == 0 })
	if err != nil {
		return err
	}
	objects := 0
	for _, c := range cards.Cards(entries[0].Org, time.Now()) {
		objects += c.Work.Objects
	}
	fmt.Printf("  scorecards from a backlog of %d changes: %d objects in %v wall, %v CPU: %.0f objects/s\n",
		behind, objects, s.wall.Round(time.Millisecond), s.cpu.Round(time.Millisecond), float64(objects)/s.wall.Seconds())
	desk := belief.New(belief.Deps{Store: store, Policy: book, Scores: cards})
	lower := entries[0]
	lower.Level = trust.Observed
	changed := false
	s, err = runUntil(ctx, desk.Run, func() bool {
		if !changed { // Run has begun, and knows what it judged by
			changed = true
			err = book.Set(lower)
		}
		p := desk.Progress()
		return err != nil || !p.Running && p.Values > 0
	})
	if err != nil {
		return err
	}
	p := desk.Progress()
	fmt.Printf("  judge again after a change of the trust list: %d values, %d of them change, %d records noted, in %v wall, %v CPU: %d objects/s\n",
		p.Values, p.Changed, p.Records, p.Took.Round(time.Millisecond), s.cpu.Round(time.Millisecond), p.PerSecond())
	return nil
}

// runUntil runs a part of the node until it has done what is asked, looked at every few milliseconds.
func runUntil(ctx context.Context, run func(context.Context) error, done func() bool) (sample, error) {
	return measure(func() (int, error) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		ended := make(chan error, 1)
		go func() { ended <- run(ctx) }()
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case err := <-ended:
				return 0, err
			case <-tick.C:
				if done() {
					cancel()
					return 1, <-ended
				}
			}
		}
	})
}
