package main

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
	"time"

	"tocsin/protocol/recon"
)

// reconFrame is the limit that catch-up sets (SPEC SYN-04).
const reconFrame = 65536

// reconShape is two sets and what the reference implementation needs for them: the C++ of
// github.com/hoytech/negentropy, run once over the same sets without a frame limit and with ours. It is not part of this
// program; its messages are the same where there is no limit.
type reconShape struct {
	name string
	// items is the size of the union, diffs how many one side lacks.
	items, diffs int
	// side says who has an item.
	side func(n int, id recon.ID) (here, there bool)
	// bytes and trips of the reference, without a limit and with ours.
	bytes, trips [2]int
}

// reconShapes are the sets of the figures. Scattered means chosen by the id.
func reconShapes(items int) []reconShape {
	small := items / 100
	scattered := func(share uint64) func(int, recon.ID) (bool, bool) {
		return func(n int, id recon.ID) (bool, bool) {
			differs := binary.LittleEndian.Uint64(id[:])%share == 0
			return !differs || n%2 == 0, !differs || n%2 == 1
		}
	}
	return []reconShape{
		{"equal", items, 0, func(int, recon.ID) (bool, bool) { return true, true }, [2]int{353, 353}, [2]int{1, 1}},
		{"a hundredth as many, 93 missing here", small, 93, func(_ int, id recon.ID) (bool, bool) {
			return binary.LittleEndian.Uint64(id[:])%100 != 0, true
		}, [2]int{42018, 42018}, [2]int{2, 2}},
		{"10,000 missing on each side, the newest", items, items / 50, func(n int, _ recon.ID) (bool, bool) {
			old := n < items-items/50
			return old || n%2 == 0, old || n%2 == 1
		}, [2]int{662572, 577451}, [2]int{3, 9}},
		{"10,000 missing on each side, scattered", items, 19681, scattered(50), [2]int{18227023, 19914017}, [2]int{3, 224}},
	}
}

// sets makes the two sides.
func (s reconShape) sets() (here, there []recon.Item) {
	for n := range s.items {
		var seed [8]byte
		binary.BigEndian.PutUint64(seed[:], uint64(n))
		item := recon.Item{Timestamp: 1_700_000_000_000 + uint64(n)*100, ID: sha256.Sum256(seed[:])}
		inHere, inThere := s.side(n, item.ID)
		if inHere {
			here = append(here, item)
		}
		if inThere {
			there = append(there, item)
		}
	}
	return here, there
}

// reconRun is one whole reconciliation, both sides.
type reconRun struct{ diffs, bytes, trips int }

func reconcile(a, b recon.Set, limit int) (r reconRun, err error) {
	i, err := recon.NewInitiator(a, limit)
	if err != nil {
		return r, err
	}
	answerer, err := recon.NewResponder(b, limit)
	if err != nil {
		return r, err
	}
	message, err := i.Initiate()
	for err == nil && message != nil {
		var answer []byte
		if answer, err = answerer.Answer(message); err != nil {
			break
		}
		r.trips++
		r.bytes += len(message) + len(answer)
		var have, need []recon.ID
		message, have, need, err = i.Reconcile(answer)
		r.diffs += len(have) + len(need)
	}
	return r, err
}

// sortedList is the set that one would write first: a sorted list that is added up for each fingerprint.
type sortedList []recon.Item

// Len implements recon.Set.
func (s sortedList) Len() int { return len(s) }

// At implements recon.Set.
func (s sortedList) At(i int) recon.Item { return s[i] }

// Search implements recon.Set.
func (s sortedList) Search(b recon.Bound) int {
	at, _ := slices.BinarySearchFunc(s, b.Item, func(a, b recon.Item) int {
		return cmp.Or(cmp.Compare(a.Timestamp, b.Timestamp), bytes.Compare(a.ID[:], b.ID[:]))
	})
	return at
}

// Fingerprint implements recon.Set.
func (s sortedList) Fingerprint(from, to int) recon.Fingerprint {
	var sum [4]uint64
	for i := range s[from:to] {
		id := &s[from+i].ID
		var carry uint64
		for w := range sum {
			sum[w], carry = bits.Add64(sum[w], binary.LittleEndian.Uint64(id[8*w:]), carry)
		}
	}
	var buf []byte
	for _, w := range sum {
		buf = binary.LittleEndian.AppendUint64(buf, w)
	}
	n := uint64(to - from)
	for shift := max(bits.Len64(n)-1, 0) / 7 * 7; shift > 0; shift -= 7 {
		buf = append(buf, byte(n>>shift)|0x80)
	}
	hash := sha256.Sum256(append(buf, byte(n&0x7f)))
	return recon.Fingerprint(hash[:16])
}

// reportRecon prints bytes, trips and CPU time of both sides for each pair of sets.
func reportRecon(rounds, items int) error {
	fmt.Printf("\nreconciliation of sets of %d ids, both sides, %d rounds, CPU time\n", items, rounds)
	for _, shape := range reconShapes(items) {
		here, there := shape.sets()
		a, b := recon.NewTree(here), recon.NewTree(there)
		fmt.Printf("  %s\n", shape.name)
		repeats := 1
		if shape.diffs < 1000 { // shorter than the runtime's own work in between
			repeats = 100
		}
		for l, limit := range []int{0, reconFrame} {
			var cpu []time.Duration
			var r reconRun
			for range rounds {
				s, err := measure(func() (_ int, err error) {
					for n := 0; n < repeats && err == nil; n++ {
						r, err = reconcile(a, b, limit)
					}
					return repeats, err
				})
				if err != nil {
					return fmt.Errorf("%s: %w", shape.name, err)
				}
				cpu = append(cpu, s.cpu/time.Duration(repeats))
			}
			note := ""
			if items == 1_000_000 {
				if r.diffs != shape.diffs {
					return fmt.Errorf("%s: %d differences found, want %d", shape.name, r.diffs, shape.diffs)
				}
				note = fmt.Sprintf("; %.3f times the reference implementation's bytes (%d, %d trips)", float64(r.bytes)/float64(shape.bytes[l]), shape.bytes[l], shape.trips[l])
			}
			fmt.Printf("    product, frames of %-6d %3d trips, %9d bytes, %s%s\n", limit, r.trips, r.bytes, spreadOf(cpu), note)
		}
		plain, err := measure(func() (int, error) {
			_, err := reconcile(sortedList(here), sortedList(there), 0)
			return 1, err
		})
		if err != nil {
			return fmt.Errorf("%s: sorted list: %w", shape.name, err)
		}
		fmt.Printf("    reference: sorted lists, added up %12s %s\n", "", spreadOf([]time.Duration{plain.cpu}))
		fmt.Printf("    limit: all ids, once              %9d bytes\n", 32*len(here))
	}
	fmt.Printf("  (aim: equal in one trip, below 1 kB and 1 ms; elsewhere at most 1.1 times the reference implementation's bytes)\n")
	return nil
}
