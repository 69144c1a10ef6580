package protocol

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"time"

	"tocsin/protocol/reason"
)

// Reading and writing the claims of statements (SPEC 3): every list that is a
// set has one order, and what is empty is absent, so that one meaning has one
// encoding (STM-07).

// maxSequence bounds counters, serials and places: what a signed integer holds.
const maxSequence = 1<<63 - 1

// checkGenesisVersion lets only the version pass that this text describes.
func checkGenesisVersion(r *claimReader, key uint64) error {
	version := r.number(key, 1, maxSequence)
	if r.err != nil {
		return r.err
	}
	if version != rootVersion {
		return reason.New(reason.VersionUnknown, fmt.Sprintf("a genesis of version %d", version))
	}
	return nil
}

// label reads text that is shown to people: no control characters, none that
// turn the direction of writing.
func (r *claimReader) label(key uint64, limit int) string {
	s := r.text(key, limit)
	if !IsLabel(s) {
		r.fail(key)
	}
	return s
}

// IsLabel reports whether text may stand where people will read it: no control
// characters, line separators or marks of direction (STM-07). It names what it
// refuses one by one: the tables of the standard library grow from release to
// release, and all nodes must agree.
func IsLabel(s string) bool {
	for _, c := range s {
		switch {
		case c < 0x20, c >= 0x7f && c <= 0x9f,
			c >= 0x2028 && c <= 0x202e, c >= 0x2066 && c <= 0x2069,
			c == 0x061c, c == 0x200e, c == 0x200f:
			return false
		}
	}
	return true
}

func (r *claimReader) country(key uint64) string {
	s := r.text(key, 2)
	if len(s) != 2 || s[0] < 'A' || s[0] > 'Z' || s[1] < 'A' || s[1] > 'Z' {
		r.fail(key)
	}
	return s
}

func (r *claimReader) time(key uint64) time.Time {
	return time.UnixMilli(int64(r.number(key, 0, MaxTime))).UTC()
}

// window reads a stretch of time that is neither empty nor longer than limit.
func (r *claimReader) window(from, to uint64, limit time.Duration) (notBefore, notAfter time.Time) {
	notBefore, notAfter = r.time(from), r.time(to)
	if life := notAfter.Sub(notBefore); life <= 0 || life > limit {
		r.fail(to)
	}
	return notBefore, notAfter
}

// list reads an array of 1 to limit elements; nil when optional and absent.
func (r *claimReader) list(key uint64, limit int, optional bool) []any {
	if optional && !r.has(key) {
		return nil
	}
	l, ok := r.claims[key].([]any)
	if !ok || len(l) == 0 || len(l) > limit {
		r.fail(key)
		return nil
	}
	return l
}

// ascending fails unless a strict order holds: sorted, nothing twice.
func ascending[T any](r *claimReader, key uint64, l []T, compare func(a, b T) int) {
	for i := 1; i < len(l); i++ {
		if compare(l[i-1], l[i]) >= 0 {
			r.fail(key)
			return
		}
	}
}

// labels reads an optional list of texts in the order its author gave it.
func (r *claimReader) labels(key uint64, limit, bytesEach int) []string {
	var out []string
	for _, e := range r.list(key, limit, true) {
		s, ok := e.(string)
		if !ok || s == "" || len(s) > bytesEach || !IsLabel(s) {
			r.fail(key)
		}
		out = append(out, s)
	}
	return out
}

func (r *claimReader) topics(key uint64) []string {
	var out []string
	for _, e := range r.list(key, MaxScopes, true) {
		s, _ := e.(string)
		if _, err := ParseTopic(s); err != nil {
			r.fail(key)
		}
		out = append(out, s)
	}
	ascending(r, key, out, cmp.Compare[string])
	return out
}

func (r *claimReader) kinds(key uint64) []Kind {
	var out []Kind
	for _, e := range r.list(key, MaxScopes, true) {
		n, ok := e.(uint64)
		if !ok || n == 0 || n >= MaxKind {
			r.fail(key)
		}
		out = append(out, Kind(n))
	}
	ascending(r, key, out, cmp.Compare[Kind])
	return out
}

func (r *claimReader) optionalBytes(key uint64, limit int) []byte {
	if !r.has(key) {
		return nil
	}
	b, ok := r.claims[key].([]byte)
	if !ok || len(b) == 0 || len(b) > limit {
		r.fail(key)
		return nil
	}
	return b
}

func (r *claimReader) peerIDs(key uint64) [][]byte {
	var out [][]byte
	for _, e := range r.list(key, MaxPeerIDs, true) {
		b, ok := e.([]byte)
		if !ok || len(b) == 0 || len(b) > MaxPeerIDBytes {
			r.fail(key)
		}
		out = append(out, b)
	}
	ascending(r, key, out, bytes.Compare)
	return out
}

func (r *claimReader) keyIDs(key uint64, limit int, optional bool) []KeyID {
	var out []KeyID
	for _, e := range r.list(key, limit, optional) {
		b, ok := e.([]byte)
		if !ok || len(b) != len(KeyID{}) {
			r.fail(key)
			return nil
		}
		out = append(out, KeyID(b))
	}
	ascending(r, key, out, compareKeyIDs)
	return out
}

func (r *claimReader) publicKey(key uint64) PublicKey { return r.readKey(key, r.claims[key]) }

func (r *claimReader) keys(key uint64) []PublicKey {
	var out []PublicKey
	for _, e := range r.list(key, MaxRoots, false) {
		out = append(out, r.readKey(key, e))
	}
	ascending(r, key, out, comparePublicKeys)
	return out
}

// readKey reads [alg, bytes]; its error is the key's own, such as alg.unknown.
func (r *claimReader) readKey(key uint64, v any) PublicKey {
	pair, ok := v.([]any)
	if !ok || len(pair) != 2 {
		r.fail(key)
		return PublicKey{}
	}
	raw, ok := pair[1].([]byte)
	if !ok {
		r.fail(key)
		return PublicKey{}
	}
	var alg Alg
	switch n := pair[0].(type) {
	case int64:
		alg = Alg(n)
	case uint64:
		alg = Alg(min(n, 1<<31-1)) // none of ours: unknown, whatever it is
	default:
		r.fail(key)
		return PublicKey{}
	}
	k, err := NewPublicKey(alg, raw)
	if err != nil && r.err == nil {
		r.err = err
	}
	return k
}

func compareKeyIDs(a, b KeyID) int { return bytes.Compare(a[:], b[:]) }

func comparePublicKeys(a, b PublicKey) int { return compareKeyIDs(a.ID(), b.ID()) }

func millis(t time.Time) uint64 { return uint64(t.UnixMilli()) }

// list turns a typed list into the one that CBOR writes.
func list[T any](in []T, element func(T) any) []any {
	out := make([]any, len(in))
	for i, e := range in {
		out[i] = element(e)
	}
	return out
}

// setList adds a list under key; an empty one is absent.
func setList[T any](c claims, key uint64, in []T, element func(T) any) {
	if len(in) > 0 {
		c[key] = list(in, element)
	}
}

func sorted[T any](in []T, compare func(a, b T) int) []T {
	return slices.SortedFunc(slices.Values(in), compare)
}

func (g *Genesis) claims() claims {
	c := claims{
		claimType:            uint64(numberGenesis),
		genesisVersion:       uint64(rootVersion),
		genesisName:          g.Name,
		genesisCountry:       g.Country,
		genesisRoots:         list(sorted(g.Roots, comparePublicKeys), func(k PublicKey) any { return k.array() }),
		genesisThreshold:     uint64(g.Threshold),
		genesisNext:          list(sorted(g.Next, compareKeyIDs), func(id KeyID) any { return id[:] }),
		genesisNextThreshold: uint64(g.NextThreshold),
		genesisCreated:       millis(g.Created),
	}
	if g.Sector != "" {
		c[genesisSector] = g.Sector
	}
	setList(c, genesisContacts, g.Contacts, func(s string) any { return s })
	return c
}

func (o *Operations) claims() claims {
	return claims{
		claimType:             uint64(numberOperations),
		operationsOrg:         o.Org[:],
		operationsRootVersion: o.RootVersion,
		operationsSerial:      o.Serial,
		operationsKey:         o.Key.array(),
		operationsNotBefore:   millis(o.NotBefore),
		operationsNotAfter:    millis(o.NotAfter),
	}
}

func (c *Certificate) claims() claims {
	out := claims{
		claimType:            uint64(numberCertificate),
		certificateOrg:       c.Org[:],
		certificateSerial:    c.Serial,
		certificateRecordKey: c.RecordKey.array(),
		certificateMaxTLP:    uint64(c.MaxTLP),
		certificateNotBefore: millis(c.NotBefore),
		certificateNotAfter:  millis(c.NotAfter),
	}
	if len(c.EncryptionKey) > 0 {
		out[certificateEncryptionKey] = c.EncryptionKey
	}
	setList(out, certificatePeerIDs, sorted(c.PeerIDs, bytes.Compare), func(b []byte) any { return b })
	setList(out, certificateTopics, sorted(c.Topics, cmp.Compare[string]), func(s string) any { return s })
	setList(out, certificateKinds, sorted(c.Kinds, cmp.Compare[Kind]), func(k Kind) any { return uint64(k) })
	return out
}
