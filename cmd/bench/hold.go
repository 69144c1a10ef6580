package main

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/pattern"
	"tocsin/protocol/reason"
	"tocsin/storage"
)

// reportSurvey walks all values, as a change of the trust list makes a node do.
func reportSurvey(ctx context.Context, store *storage.Store) error {
	before, most := heapMiB(), 0.0
	s, err := measure(func() (n int, err error) {
		err = store.Survey(ctx, time.Time{}, func(pattern.Observable) error {
			if n++; n%50000 == 0 {
				most = max(most, heapMiB())
			}
			return nil
		})
		return n, err
	})
	if err != nil {
		return err
	}
	fmt.Printf("  survey: %d values in %v wall, %v CPU; heap %.0f MiB above %.0f, garbage included\n",
		s.units, s.wall.Round(time.Millisecond), s.cpu.Round(time.Millisecond), max(most-before, 0), before)
	return nil
}

// reportHold puts every record of the store in quarantine, as the rollback of a key does.
func reportHold(ctx context.Context, store *storage.Store) error {
	var ids []protocol.RecordID
	for _, l := range store.Logs() {
		ids = append(ids, store.Range(l.Org, l.Key, l.Topic, 1, l.Head)...)
	}
	s, err := measure(func() (int, error) {
		moved, err := store.Hold(ctx, ids, reason.KeyRolledBack)
		return len(moved), err
	})
	if err != nil {
		return err
	}
	rate := float64(s.units) / s.wall.Seconds()
	fmt.Printf("  hold: %d records in %v wall, %v CPU, synced: 100,000 take %.1f s (aim 30 s)\n",
		s.units, s.wall.Round(time.Millisecond), s.cpu.Round(time.Millisecond), 100000/rate)
	s, err = measure(func() (int, error) {
		_, _, err := store.Quarantine(storage.Ref{}, 100)
		return 1, err
	})
	if err != nil {
		return err
	}
	fmt.Printf("  a page of 100 lines of %d held objects: %v\n", store.Counts().Held, s.wall.Round(time.Microsecond))
	return nil
}

func heapMiB() float64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc) / (1 << 20)
}
