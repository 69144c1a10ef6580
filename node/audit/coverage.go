package audit

import (
	"fmt"

	"tocsin/node/tlog"
	"tocsin/protocol"
)

// coverage looks for checkpoints in a file that is read line by line. EVD-10: whoever holds a checkpoint of a log
// finds out when the entries that it covers are gone, from the end too.
type coverage struct {
	tree   tree
	wanted map[wantedHead][]tlog.Checkpoint
	list   []tlog.Checkpoint
	found  map[tlog.Checkpoint]bool
	ended  map[protocol.Digest]uint64 // trees behind which another one began, and how large they were
}

// wantedHead is where a root is looked at.
type wantedHead struct {
	id   protocol.Digest
	size uint64
}

func newCoverage(list []tlog.Checkpoint) *coverage {
	c := &coverage{wanted: map[wantedHead][]tlog.Checkpoint{}, found: map[tlog.Checkpoint]bool{}, ended: map[protocol.Digest]uint64{}, list: list}
	for _, cp := range list {
		if _, _, id, err := tlog.OrgOf(cp.Origin); err == nil {
			at := wantedHead{id, cp.Size}
			c.wanted[at] = append(c.wanted[at], cp)
		}
	}
	return c
}

// add takes up a sound line.
func (c *coverage) add(f frame, begins bool) {
	if len(c.wanted) == 0 {
		return
	}
	if begins && c.tree.Size() > 0 {
		c.ended[c.tree.id] = c.tree.Size()
	}
	c.tree.add(f.seq, f.hash, begins)
	for _, cp := range c.wanted[wantedHead{c.tree.id, c.tree.Size()}] {
		if cp.Root == c.tree.Root() {
			c.found[cp] = true
		}
	}
}

// missing says of each checkpoint that was not found what that means.
func (c *coverage) missing() (problems []string) {
	for _, cp := range c.list {
		if c.found[cp] {
			continue
		}
		_, _, id, _ := tlog.OrgOf(cp.Origin)
		if id == c.tree.id && cp.Size > c.tree.Size() {
			problems = append(problems, fmt.Sprintf("a checkpoint covers %d entries, the file holds %d of them: its end was cut off", cp.Size, c.tree.Size()))
			continue
		}
		if size, ok := c.ended[id]; ok && cp.Size > size {
			problems = append(problems, fmt.Sprintf("a checkpoint covers %d entries, the file holds %d of them and then begins anew: the others were lost by damage or a restore, or cut off", cp.Size, size))
			continue
		}
		problems = append(problems, fmt.Sprintf("a checkpoint covers %d entries (root %s) which are not the first %d of the file: they were changed, or it is another log", cp.Size, cp.Root, cp.Size))
	}
	return problems
}
