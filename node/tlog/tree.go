// Package tlog holds what is signed about logs that only grow: the Merkle tree of RFC 6962
// over their entries, checkpoints as signed notes, and the cosignatures of witnesses, in the formats of
// C2SP (signed-note, tlog-checkpoint, tlog-cosignature). It knows no file, clock or network.
package tlog

import (
	"crypto/sha256"
	"fmt"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// chunkLevel is the height of the subtrees that a Tree keeps in memory: 32 bytes for every ChunkLeaves entries. What
// lies below is read back when a proof is asked for.
const chunkLevel = 10

// ChunkLeaves is how many leaves Leaves reads back at once.
const ChunkLeaves = 1 << chunkLevel

// MaxPath bounds the digests of a proof (EVD-05): no tree is higher.
const MaxPath = 63

// Leaves gives the leaf hashes of a whole chunk, ChunkLeaves of them.
type Leaves func(chunk uint64) ([]protocol.Digest, error)

// Tree is a Merkle tree that only grows. The zero value is the empty tree. It does nothing for concurrency.
type Tree struct {
	whole []protocol.Digest // roots of whole chunks
	rest  []protocol.Digest // leaf hashes of the last chunk, while it is not whole
}

// LeafHash is the hash of an entry as a leaf (EVD-04).
func LeafHash(entry []byte) protocol.Digest {
	h := sha256.New()
	h.Write([]byte{0})
	h.Write(entry)
	var d protocol.Digest
	h.Sum(d[:0])
	return d
}

// Append adds a leaf.
func (t *Tree) Append(leaf protocol.Digest) {
	t.rest = append(t.rest, leaf)
	if len(t.rest) == ChunkLeaves {
		t.whole, t.rest = append(t.whole, rootOf(t.rest)), t.rest[:0]
	}
}

// Size counts the leaves.
func (t *Tree) Size() uint64 { return uint64(len(t.whole))<<chunkLevel + uint64(len(t.rest)) }

// Snapshot is the tree as it stands, for who uses it while this one grows.
func (t *Tree) Snapshot() Tree {
	return Tree{whole: t.whole[:len(t.whole):len(t.whole)], rest: append([]protocol.Digest(nil), t.rest...)}
}

// Root is the tree's head.
func (t *Tree) Root() protocol.Digest { return join(t.whole, t.rest) }

// RootAt is the head that the tree had when it had size leaves.
func (t *Tree) RootAt(size uint64, read Leaves) (protocol.Digest, error) {
	if size > t.Size() {
		return protocol.Digest{}, t.beyond(size)
	}
	chunk, n := size>>chunkLevel, size%ChunkLeaves
	var rest []protocol.Digest
	if n > 0 {
		leaves, err := t.chunk(chunk, read)
		if err != nil {
			return protocol.Digest{}, err
		}
		rest = leaves[:n]
	}
	return join(t.whole[:chunk], rest), nil
}

// Inclusion is the audit path of a leaf in the tree of size leaves.
func (t *Tree) Inclusion(index, size uint64, read Leaves) ([][]byte, error) {
	if size > t.Size() || index >= size {
		return nil, t.beyond(max(size, index+1))
	}
	nodes, err := proof.Inclusion(index, size)
	if err != nil {
		return nil, err
	}
	return t.path(nodes, read)
}

// Consistency shows that the tree of to leaves begins with that of from leaves.
func (t *Tree) Consistency(from, to uint64, read Leaves) ([][]byte, error) {
	if to > t.Size() || from > to {
		return nil, t.beyond(max(from, to))
	}
	if from == 0 || from == to {
		return [][]byte{}, nil
	}
	nodes, err := proof.Consistency(from, to)
	if err != nil {
		return nil, err
	}
	return t.path(nodes, read)
}

func (t *Tree) beyond(size uint64) error {
	return reason.New(reason.NotFound, fmt.Sprintf("a tree of %d entries has none of %d", t.Size(), size))
}

func (t *Tree) path(nodes proof.Nodes, read Leaves) ([][]byte, error) {
	hashes := make([][]byte, 0, len(nodes.IDs))
	for _, id := range nodes.IDs {
		h, err := t.node(id, read)
		if err != nil {
			return nil, err
		}
		hashes = append(hashes, h[:])
	}
	return nodes.Rehash(hashes, rfc6962.DefaultHasher.HashChildren)
}

// node is the root of a perfect subtree.
func (t *Tree) node(id compact.NodeID, read Leaves) (protocol.Digest, error) {
	if id.Level >= chunkLevel {
		width := uint64(1) << (id.Level - chunkLevel)
		return rootOf(t.whole[id.Index*width : (id.Index+1)*width]), nil
	}
	begin, end := id.Coverage()
	leaves, err := t.chunk(begin>>chunkLevel, read)
	if err != nil {
		return protocol.Digest{}, err
	}
	n := begin % ChunkLeaves
	return rootOf(leaves[n : n+end-begin]), nil
}

// chunk gives a chunk's leaves and holds what was read back against what is remembered of them.
func (t *Tree) chunk(n uint64, read Leaves) ([]protocol.Digest, error) {
	if n == uint64(len(t.whole)) {
		return t.rest, nil
	}
	leaves, err := read(n)
	if err != nil {
		return nil, err
	}
	if len(leaves) != ChunkLeaves || rootOf(leaves) != t.whole[n] {
		return nil, reason.New(reason.AuditDamaged, fmt.Sprintf("entries %d to %d of the tree are not what they were when they were written", n<<chunkLevel, (n+1)<<chunkLevel-1))
	}
	return leaves, nil
}

// join is the root over whole chunks and the leaves behind them. RFC 6962 splits at powers of two, and so at whole chunks.
func join(whole, rest []protocol.Digest) protocol.Digest {
	if len(rest) == 0 {
		return rootOf(whole)
	}
	return rootOf(append(whole[:len(whole):len(whole)], rootOf(rest)))
}

// rootOf is the tree hash of RFC 6962 over hashes of one level.
func rootOf(hashes []protocol.Digest) protocol.Digest {
	switch len(hashes) {
	case 0:
		return sha256.Sum256(nil)
	case 1:
		return hashes[0]
	}
	k := 1
	for k*2 < len(hashes) {
		k *= 2
	}
	left, right := rootOf(hashes[:k]), rootOf(hashes[k:])
	var b [1 + 2*sha256.Size]byte
	b[0] = 1
	copy(b[1:], left[:])
	copy(b[1+sha256.Size:], right[:])
	return sha256.Sum256(b[:])
}

// Included reports whether a leaf stands at a place of a tree, by its path.
func Included(leaf protocol.Digest, index, size uint64, path [][]byte, root protocol.Digest) bool {
	return index < size && len(path) <= MaxPath && proof.VerifyInclusion(rfc6962.DefaultHasher, index, size, leaf[:], path, root[:]) == nil
}

// Continues reports whether a tree continues another one, by a consistency proof. Every tree continues the empty one.
func Continues(from, to uint64, path [][]byte, before, after protocol.Digest) bool {
	switch {
	case from > to || len(path) > MaxPath:
		return false
	case from == 0:
		return len(path) == 0
	case from == to:
		return len(path) == 0 && before == after
	}
	for _, d := range path {
		if len(d) != sha256.Size {
			return false
		}
	}
	return proof.VerifyConsistency(rfc6962.DefaultHasher, from, to, path, before[:], after[:]) == nil
}
