package bundle

import (
	"bytes"
	"errors"
	"io"
	"slices"

	"tocsin/protocol"
)

// Inspection is what a look at files finds, without a store.
type Inspection struct {
	Bundles []Listing
	Faults  []*Fault
	// Records counts those of the segments that are sound, by bundle.
	Records map[ID]int

	list List
}

// Inspect reads a stream and checks the signature, hash and form of every segment by the chains that the stream itself carries. It may be called for
// one stream after the other; nothing is kept but what is returned.
func (i *Inspection) Inspect(in io.Reader, network string) error {
	if i.Records == nil {
		i.Records = map[ID]int{}
	}
	none := protocol.NewChains(network)
	r := NewReader(in, network, func() *protocol.Chains { return none })
	for {
		s, err := r.Next()
		if errors.Is(err, io.EOF) {
			i.Bundles = i.list.All()
			return nil
		}
		if err == nil {
			if err = i.look(r, s); err != nil {
				r.refused()
			}
		}
		if fault, ok := errors.AsType[*Fault](err); ok {
			i.Faults = append(i.Faults, fault)
		} else if err != nil {
			return err
		}
	}
}

func (i *Inspection) look(r *Reader, s *Segment) error {
	fault := func(err error) error { return &Fault{Head: &s.Head, Offset: s.Offset, Err: err} }
	if s.Kind == KindManifest {
		m, err := r.Manifest(s)
		if err != nil {
			return fault(err)
		}
		return i.list.Listed(s, m)
	}
	if _, err := r.Content(s); err != nil {
		return fault(err)
	}
	if !i.came(s) {
		i.Records[s.Bundle] += s.Records
	}
	return i.list.Came(s)
}

// came reports whether this segment was seen before.
func (i *Inspection) came(s *Segment) bool {
	at := slices.IndexFunc(i.list.Bundles, func(b Listing) bool { return b.ID == s.Bundle })
	return at >= 0 && i.list.Bundles[at].Chunks[s.Chunk].Places.Has(uint64(s.Place))
}

// NetworkOf says for which network the first segment of a stream whose head is there claims to be, unverified; "" when there is none. The segment
// itself may be damaged or cut short.
func NetworkOf(in io.Reader) string {
	r := NewReader(in, "", nil)
	for range maxFaults {
		if err := r.fill(len(magic)); err != nil || len(r.window) == 0 {
			return ""
		}
		if bytes.HasPrefix(r.window, []byte(magic)) {
			if _, _, h, _, err := r.head(); err == nil {
				return h.Network
			}
		}
		if err := r.resync(1); err != nil {
			return ""
		}
	}
	return ""
}
