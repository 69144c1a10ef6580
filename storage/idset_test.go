package storage

import (
	"math/rand/v2"
	"slices"
	"testing"

	"tocsin/protocol"
)

// TestIDSet holds the set against a map, in random order and in rising order.
func TestIDSet(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	for _, rising := range []bool{false, true} {
		var set idSet
		want := map[protocol.RecordID]bool{}
		for i := range 20_000 {
			id := protocol.RecordID{byte(r.IntN(40)), byte(r.IntN(256))}
			if rising {
				id = protocol.RecordID{byte(i >> 8), byte(i)}
			}
			if !rising && r.IntN(5) < 2 {
				set.remove(id)
				delete(want, id)
			} else {
				set.add(id)
				want[id] = true
			}
			if i%1999 != 0 {
				continue
			}
			from := protocol.RecordID{byte(r.IntN(42)), byte(r.IntN(256))}
			var ids []protocol.RecordID
			for id := range want {
				if slices.Compare(id[:], from[:]) >= 0 {
					ids = append(ids, id)
				}
			}
			slices.SortFunc(ids, byID)
			if got := slices.Collect(set.from(from)); !slices.Equal(got, ids) {
				t.Fatalf("after %d steps, from %x: %d ids, want %d", i, from[:2], len(got), len(ids))
			}
		}
		full := 0
		for _, c := range set.chunks {
			if len(c) == 0 || len(c) > chunkIDs {
				t.Errorf("a chunk of %d", len(c))
			}
			if len(c) == chunkIDs {
				full++
			}
		}
		if rising && full < len(set.chunks)-1 {
			t.Errorf("%d of %d chunks are full", full, len(set.chunks))
		}
		for id := range want {
			set.remove(id)
		}
		if !set.empty() || len(slices.Collect(set.from(protocol.RecordID{}))) != 0 {
			t.Error("something is left")
		}
	}
}
