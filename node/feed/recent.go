package feed

import (
	"slices"
	"sync"
)

const (
	// batch is how many entries of one source are given at a time.
	batch = 256
	// maxRecent is how many of a source are kept for readers that are about at its end: they all
	// want the same, and reading costs.
	maxRecent = 1024
)

// recent keeps the newest entries of a numbered sequence, as its readers come to them.
type recent[T any] struct {
	read func(after uint64, limit int) ([]T, error)
	seq  func(T) uint64

	mu    sync.Mutex // guards items; held while the source is read, so that one reads for all
	items []T        // without a hole; elements are never changed, so readers may hold on to them
}

// after gives up to batch entries behind a number. What came before an error is given with it.
func (r *recent[T]) after(seq uint64) ([]T, error) {
	r.mu.Lock()
	if n := len(r.items); n > 0 && seq+1 < r.seq(r.items[0]) {
		r.mu.Unlock()
		return r.read(seq, batch) // far behind: alone, and past what the others want
	} else if n > 0 && seq > r.seq(r.items[n-1]) {
		r.items = nil
	}
	defer r.mu.Unlock()
	from := r.behind(seq)
	if from < len(r.items) {
		to := min(len(r.items), from+batch)
		return r.items[from:to:to], nil
	}
	found, err := r.read(seq, batch)
	r.items = append(r.items, found...)
	if over := len(r.items) - maxRecent; over > 0 {
		r.items = r.items[over:]
	}
	return found, err
}

// behind is the place of the first kept entry behind a number.
func (r *recent[T]) behind(seq uint64) int {
	i, _ := slices.BinarySearchFunc(r.items, seq, func(v T, want uint64) int {
		if r.seq(v) <= want {
			return -1
		}
		return 1
	})
	return i
}
