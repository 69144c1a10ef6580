package main

import (
	"testing"

	"tocsin/protocol/recon"
)

// Both sets of the bench hold the same: the same differences in as many bytes.
func TestReconContenders(t *testing.T) {
	for _, shape := range reconShapes(20_000) {
		here, there := shape.sets()
		for _, limit := range []int{0, 4096} {
			tree, err := reconcile(recon.NewTree(here), recon.NewTree(there), limit)
			if err != nil {
				t.Fatal(err)
			}
			list, err := reconcile(sortedList(here), sortedList(there), limit)
			if err != nil {
				t.Fatal(err)
			}
			if tree != list || tree.diffs < len(here)-len(there) || shape.diffs > 0 && tree.diffs == 0 {
				t.Errorf("%s, frames of %d: tree %+v, list %+v", shape.name, limit, tree, list)
			}
		}
	}
}
