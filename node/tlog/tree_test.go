package tlog

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"testing"

	"github.com/transparency-dev/merkle/rfc6962"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

func entry(n int) []byte { return binary.BigEndian.AppendUint64([]byte("entry"), uint64(n)) }

// grown is a tree with its leaves, and how to read them back.
func grown(n int) (*Tree, []protocol.Digest, Leaves) {
	var t Tree
	var all []protocol.Digest
	for i := range n {
		all = append(all, LeafHash(entry(i)))
		t.Append(all[i])
	}
	return &t, all, func(chunk uint64) ([]protocol.Digest, error) {
		return all[chunk*ChunkLeaves : (chunk+1)*ChunkLeaves], nil
	}
}

// reference is the tree hash as RFC 6962 writes it down, by a library's hasher.
func reference(leaves []protocol.Digest) []byte {
	switch len(leaves) {
	case 0:
		return rfc6962.DefaultHasher.EmptyRoot()
	case 1:
		return leaves[0][:]
	}
	k := 1
	for k*2 < len(leaves) {
		k *= 2
	}
	return rfc6962.DefaultHasher.HashChildren(reference(leaves[:k]), reference(leaves[k:]))
}

// sizes lie around whole chunks.
func sizes() []int {
	return []int{1, 2, 3, 7, 8, 1023, 1024, 1025, 2047, 2048, 2049, 3000, 4096, 4097, 5 * ChunkLeaves}
}

// EVD-04: the head is that of RFC 6962, now and for every size before.
func TestRoots(t *testing.T) {
	tree, leaves, read := grown(5*ChunkLeaves + 7)
	if leaf := LeafHash(entry(3)); !slices.Equal(leaf[:], rfc6962.DefaultHasher.HashLeaf(entry(3))) {
		t.Error("a leaf hash is another one")
	}
	for _, n := range append(sizes(), 0, len(leaves)) {
		got, err := tree.RootAt(uint64(n), read)
		if err != nil || !slices.Equal(got[:], reference(leaves[:n])) {
			t.Errorf("root of %d: %x, %v", n, got, err)
		}
	}
	if root := tree.Root(); !slices.Equal(root[:], reference(leaves)) || tree.Size() != uint64(len(leaves)) {
		t.Errorf("root %x of %d", root, tree.Size())
	}
	if _, err := tree.RootAt(tree.Size()+1, read); reason.Of(err) != reason.NotFound {
		t.Errorf("a root beyond the end: %v", err)
	}
	before := tree.Snapshot()
	root := before.Root()
	tree.Append(protocol.Digest{1})
	if before.Root() != root || tree.Root() == root {
		t.Error("a snapshot grew with its tree")
	}
}

// EVD-05: paths lead to the root and nowhere else; a tree shows that it continues each smaller one.
func TestProofs(t *testing.T) {
	tree, leaves, read := grown(5 * ChunkLeaves)
	for _, n := range sizes() {
		root, err := tree.RootAt(uint64(n), read)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range []int{0, 1, n / 2, n - 2, n - 1} {
			if i < 0 || i >= n {
				continue
			}
			path, err := tree.Inclusion(uint64(i), uint64(n), read)
			if err != nil || !Included(leaves[i], uint64(i), uint64(n), path, root) {
				t.Fatalf("leaf %d of %d: %v", i, n, err)
			}
			if Included(leaves[i], uint64(i)+1, uint64(n), path, root) || Included(protocol.Digest{}, uint64(i), uint64(n), path, root) ||
				n > 1 && Included(leaves[i], uint64(i), uint64(n), path[1:], root) || Included(leaves[i], uint64(n), uint64(n), path, root) {
				t.Errorf("leaf %d of %d stands elsewhere, too", i, n)
			}
		}
		for _, m := range append(sizes(), 0) {
			if m > n {
				continue
			}
			before, _ := tree.RootAt(uint64(m), read)
			path, err := tree.Consistency(uint64(m), uint64(n), read)
			if err != nil || !Continues(uint64(m), uint64(n), path, before, root) {
				t.Fatalf("%d does not continue %d: %v", n, m, err)
			}
			if m > 0 && Continues(uint64(m), uint64(n), path, protocol.Digest{1}, root) {
				t.Errorf("%d continues another tree of %d", n, m)
			}
		}
	}
	if _, err := tree.Inclusion(5, 5, read); err == nil {
		t.Error("a path for a leaf that is not in the tree")
	}
	if _, err := tree.Consistency(6, 5, read); err == nil {
		t.Error("a smaller tree continues a larger one")
	}
}

// Limits of what is read from others, at N and N+1, and nonsense.
func TestProofBounds(t *testing.T) {
	digests := func(n int) [][]byte { return slices.Repeat([][]byte{make([]byte, sha256.Size)}, n) }
	for name, ok := range map[string]bool{
		"a proof for the empty tree": Continues(0, 4, digests(1), protocol.Digest{}, protocol.Digest{}),
		"backwards":                  Continues(5, 4, nil, protocol.Digest{}, protocol.Digest{}),
		"two roots of one size":      Continues(4, 4, nil, protocol.Digest{1}, protocol.Digest{2}),
		"a proof where none is due":  Continues(4, 4, digests(1), protocol.Digest{1}, protocol.Digest{1}),
		"63 digests of nothing":      Continues(1, 1<<62, digests(MaxPath), protocol.Digest{}, protocol.Digest{}),
		"64 digests":                 Continues(1, 1<<62, digests(MaxPath+1), protocol.Digest{}, protocol.Digest{}),
		"a digest of 31 bytes":       Continues(1, 2, [][]byte{make([]byte, 31)}, protocol.Digest{}, protocol.Digest{}),
		"64 digests of a path":       Included(protocol.Digest{}, 0, 1<<62, digests(MaxPath+1), protocol.Digest{}),
	} {
		if ok {
			t.Errorf("%s holds", name)
		}
	}
	if !Continues(0, 4, nil, protocol.Digest{}, protocol.Digest{9}) || !Continues(4, 4, nil, protocol.Digest{9}, protocol.Digest{9}) {
		t.Error("a tree does not continue the empty one, or itself")
	}
}

// What was read back and is not what was written is damage, not a wrong proof.
func TestReadBackDamaged(t *testing.T) {
	tree, leaves, read := grown(3 * ChunkLeaves)
	leaves[ChunkLeaves+5][0] ^= 1
	if _, err := tree.Inclusion(ChunkLeaves, 3*ChunkLeaves, read); reason.Of(err) != reason.AuditDamaged {
		t.Errorf("a path through damage: %v", err)
	}
	if _, err := tree.Inclusion(7, 3*ChunkLeaves, read); err != nil {
		t.Errorf("a path beside damage: %v", err)
	}
}
