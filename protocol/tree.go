package protocol

import "crypto/sha256"

// leafHash is the leaf hash of RFC 6962 over salt || object (SPEC REC-13).
func leafHash(salt, object []byte) Digest {
	h := sha256.New()
	h.Write([]byte{0})
	h.Write(salt)
	h.Write(object)
	var d Digest
	h.Sum(d[:0])
	return d
}

func nodeHash(left, right Digest) Digest {
	var b [1 + 2*sha256.Size]byte
	b[0] = 1
	copy(b[1:], left[:])
	copy(b[1+sha256.Size:], right[:])
	return sha256.Sum256(b[:])
}

// treeHash is the Merkle tree hash of RFC 6962 over leaf hashes (SPEC REC-14).
func treeHash(leaves []Digest) Digest {
	switch len(leaves) {
	case 0:
		return sha256.Sum256(nil)
	case 1:
		return leaves[0]
	}
	k := splitPoint(len(leaves))
	return nodeHash(treeHash(leaves[:k]), treeHash(leaves[k:]))
}

// auditPath is the inclusion path of RFC 6962 for one leaf, from the leaf up.
func auditPath(leaves []Digest, index int) []Digest {
	if len(leaves) < 2 {
		return nil
	}
	k := splitPoint(len(leaves))
	if index < k {
		return append(auditPath(leaves[:k], index), treeHash(leaves[k:]))
	}
	return append(auditPath(leaves[k:], index-k), treeHash(leaves[:k]))
}

// splitPoint is the largest power of two below n, n > 1.
func splitPoint(n int) int {
	k := 1
	for k*2 < n {
		k *= 2
	}
	return k
}
