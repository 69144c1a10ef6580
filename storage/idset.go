package storage

import (
	"bytes"
	"iter"
	"slices"
	"sort"

	"tocsin/protocol"
)

// idSet is a set of record ids that is walked in their order from anywhere. It is
// cut into chunks, so that a change moves a few kilobytes however large it is.
type idSet struct {
	chunks [][]protocol.RecordID // none is empty
}

// chunkIDs is the most that one chunk holds.
const chunkIDs = 256

// chunkOf returns the chunk that holds id or, if none does, the one to put it in.
func (o *idSet) chunkOf(id protocol.RecordID) int {
	n := sort.Search(len(o.chunks), func(i int) bool { return bytes.Compare(o.chunks[i][0][:], id[:]) > 0 })
	return max(n-1, 0)
}

func search(chunk []protocol.RecordID, id protocol.RecordID) (at int, found bool) {
	return slices.BinarySearchFunc(chunk, id, func(a, b protocol.RecordID) int { return bytes.Compare(a[:], b[:]) })
}

func (o *idSet) add(id protocol.RecordID) {
	if len(o.chunks) == 0 {
		o.chunks = [][]protocol.RecordID{{id}}
		return
	}
	n := o.chunkOf(id)
	at, found := search(o.chunks[n], id)
	if found {
		return
	}
	if chunk := o.chunks[n]; len(chunk) == chunkIDs {
		cut := chunkIDs / 2
		if n == len(o.chunks)-1 && at == len(chunk) {
			cut = chunkIDs // ids that come in order, as at a start, leave full chunks behind
		}
		o.chunks = slices.Insert(o.chunks, n+1, slices.Clone(chunk[cut:]))
		o.chunks[n] = chunk[:cut]
		if at >= cut {
			n, at = n+1, at-cut
		}
	}
	o.chunks[n] = slices.Insert(o.chunks[n], at, id)
}

func (o *idSet) remove(id protocol.RecordID) {
	if len(o.chunks) == 0 {
		return
	}
	n := o.chunkOf(id)
	at, found := search(o.chunks[n], id)
	if !found {
		return
	}
	o.chunks[n] = slices.Delete(o.chunks[n], at, at+1)
	if len(o.chunks[n]) == 0 {
		o.chunks = slices.Delete(o.chunks, n, n+1)
	}
}

func (o *idSet) empty() bool { return len(o.chunks) == 0 }

// from walks the ids that are not below first, in order.
func (o *idSet) from(first protocol.RecordID) iter.Seq[protocol.RecordID] {
	return func(yield func(protocol.RecordID) bool) {
		if len(o.chunks) == 0 {
			return
		}
		n := o.chunkOf(first)
		at, _ := search(o.chunks[n], first)
		for ; n < len(o.chunks); n, at = n+1, 0 {
			for _, id := range o.chunks[n][at:] {
				if !yield(id) {
					return
				}
			}
		}
	}
}
