package recon

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

const million = 1_000_000

// records makes items as records are: created at random times within days.
func records(r *rand.Rand, n int) []Item {
	items := make([]Item, n)
	for i := range items {
		items[i] = Item{1_700_000_000_000 + r.Uint64N(uint64(n)*100+1), newID(r.Uint64())}
	}
	return items
}

func BenchmarkTree(b *testing.B) {
	r := rand.New(rand.NewPCG(7, 7))
	items := records(r, million)
	tree := NewTree(items)
	b.Run("New", func(b *testing.B) {
		for b.Loop() {
			NewTree(items)
		}
	})
	b.Run("With", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			tree.With(Item{1_700_000_000_000 + r.Uint64N(million*100), ID{31: 1}})
		}
	})
	b.Run("Without", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			tree.Without(items[r.IntN(million)])
		}
	})
	b.Run("Search", func(b *testing.B) {
		for b.Loop() {
			tree.Search(Bound{Item: items[r.IntN(million)]})
		}
	})
	b.Run("At", func(b *testing.B) {
		for b.Loop() {
			tree.At(r.IntN(million))
		}
	})
	b.Run("Fingerprint", func(b *testing.B) {
		for b.Loop() {
			from := r.IntN(million / 2)
			tree.Fingerprint(from, from+r.IntN(million/2))
		}
	})
}

// BenchmarkReconcile is both sides of a whole reconciliation.
func BenchmarkReconcile(b *testing.B) {
	r := rand.New(rand.NewPCG(8, 8))
	for _, shape := range []struct {
		name     string
		n, diffs int
		recent   bool
	}{
		{"equal/1M", million, 0, false},
		{"missing/10k_100", 10_000, 100, false},
		{"recent/1M_10k", million, 10_000, true},
		{"scattered/1M_10k", million, 10_000, false},
	} {
		items := records(r, shape.n)
		all := newSlice(items)
		lacking := map[int]bool{}
		for k := 0; len(lacking) < shape.diffs; k++ {
			if shape.recent {
				lacking[len(all)-1-k] = true
			} else {
				lacking[r.IntN(len(all))] = true
			}
		}
		var here, there []Item
		for i, item := range all {
			// Differences lie on both sides, but for the main figure.
			if !lacking[i] || i%2 == 0 && shape.n == million {
				here = append(here, item)
			}
			if !lacking[i] || i%2 == 1 || shape.n != million {
				there = append(there, item)
			}
		}
		a, c := NewTree(here), NewTree(there)
		for _, limit := range []int{0, 65536} {
			b.Run(fmt.Sprintf("%s/frame=%d", shape.name, limit), func(b *testing.B) {
				var o outcome
				var err error
				for b.Loop() {
					if o, err = run(a, c, limit, limit, 5000); err != nil {
						b.Fatal(err)
					}
				}
				if len(o.have)+len(o.need) != shape.diffs {
					b.Fatalf("%d differences found", len(o.have)+len(o.need))
				}
				b.ReportMetric(float64(o.up+o.down), "bytes/op")
				b.ReportMetric(float64(o.trips), "trips/op")
			})
		}
	}
}
