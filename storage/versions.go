package storage

import (
	"bytes"
	"cmp"
	"fmt"
	"iter"
	"slices"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// voice is what one organisation says under one STIX id.
type voice struct {
	org    protocol.OrgID
	object string
}

func (h *Hit) voice() voice { return voice{h.Org, h.Object} }

// inOrder sorts mentions by record and leaf.
func inOrder(a, b mention) int {
	return cmp.Or(bytes.Compare(a.id[:], b.id[:]), cmp.Compare(a.index, b.index))
}

// read decodes the leaves at m, which is in order, and returns those to keep. Each
// record is loaded once, however many of its leaves are wanted: a packed value may have
// many megabytes and is then in no cache. What has gone meanwhile is left out;
// with an error what could be read is returned too.
func (s *Store) read(m []mention, keep func(*Hit) bool) ([]Hit, error) {
	var out []Hit
	var failed error
	for len(m) > 0 {
		n := 1
		for n < len(m) && m[n].id == m[0].id {
			n++
		}
		at := m[0].spot
		ix, err := s.load(&at)
		for i := 0; err == nil && i < n; i++ {
			at.index = m[i].index
			var h Hit
			if h, err = ix.hit(at); err == nil && keep(&h) {
				out = append(out, h)
			}
		}
		if err != nil && reason.Of(err) != reason.NotFound {
			failed = cmp.Or(failed, err)
		}
		m = m[n:]
	}
	return out, failed
}

// siblings returns all versions of a STIX id, or those of one organisation.
func (s *Store) siblings(object string, whose func(protocol.OrgID) bool) []mention {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.tables.mentions(s.tables.objects.find(s.tables.mix(hashObject(object))), whose)
}

// versions returns the voices of some hits whole: with the other versions that
// their organisations published, voice by voice, newest first, First settled.
// What other organisations say under the same STIX id is not even loaded: else
// strangers who repeat one id would make each other's look-ups dear. What has no id has
// no versions. Of unlisted organisations whose records are held not all versions are read.
func (s *Store) versions(hits []Hit, listed func(protocol.OrgID) bool) ([]Hit, error) {
	var more []mention
	wanted, have, asked := map[voice]bool{}, map[Ref]bool{}, map[string]bool{}
	for i := range hits {
		if h := &hits[i]; h.Object != "" && s.shared(hashObject(h.Object)) {
			wanted[h.voice()], have[h.Ref] = true, true
			asked[h.Object] = true
		}
	}
	for object := range asked {
		more = append(more, s.siblings(object, func(org protocol.OrgID) bool { return wanted[voice{org, object}] })...)
	}
	more = slices.DeleteFunc(more, func(m mention) bool { return have[Ref{m.id, m.index}] })
	slices.SortFunc(more, inOrder)
	more, _ = bounded(more, maxStrangerVersions, listed)
	others, err := s.read(more, func(h *Hit) bool { return wanted[h.voice()] })
	hits = append(hits, others...)
	settle(hits)
	return hits, err
}

// settle orders hits by voice, newest first, and sets First of each version to
// the earliest among the records that carry it.
func settle(hits []Hit) {
	slices.SortFunc(hits, func(a, b Hit) int {
		return cmp.Or(bytes.Compare(a.Org[:], b.Org[:]), cmp.Compare(a.Object, b.Object), newestFirst(a, b))
	})
	for of := range eachVoice(hits) {
		for len(of) > 0 {
			n, first := 0, of[0].First
			for ; n < len(of) && of[n].Modified.Equal(of[0].Modified); n++ {
				if of[n].First.Before(first) {
					first = of[n].First
				}
			}
			for i := range n {
				of[i].First = first
			}
			of = of[n:]
		}
	}
}

// eachVoice cuts settled hits into voices. Each hit without an id is one of its own.
func eachVoice(hits []Hit) iter.Seq[[]Hit] {
	return func(yield func([]Hit) bool) {
		for len(hits) > 0 {
			n := 1
			for n < len(hits) && hits[0].Object != "" && hits[n].Object == hits[0].Object && hits[n].Org == hits[0].Org {
				n++
			}
			if !yield(hits[:n:n]) {
				return
			}
			hits = hits[n:]
		}
	}
}

// Versions returns every version of a STIX id by every organisation, newest first.
func (s *Store) Versions(object string) ([]Hit, error) {
	all := s.siblings(object, anybody)
	slices.SortFunc(all, inOrder)
	out, err := s.read(all, func(h *Hit) bool { return h.Object == object })
	settle(out)
	slices.SortFunc(out, newestFirst)
	if err != nil {
		return out, fmt.Errorf("versions of %s: %w", object, err)
	}
	return out, nil
}

func anybody(protocol.OrgID) bool { return true }

// Leaves returns what the index keeps of a record, in leaf order; nothing of a rejected one.
func (s *Store) Leaves(id protocol.RecordID) ([]Hit, error) {
	at, ok := s.where(id)
	if !ok {
		return nil, notFound(id)
	}
	ix, err := s.load(&at)
	if err != nil {
		return nil, err
	}
	out := make([]Hit, ix.leaves())
	for i := range out {
		at.index = i
		if out[i], err = ix.hit(at); err != nil {
			return nil, err
		}
	}
	all, err := s.versions(slices.Clone(out), anybody)
	if err != nil {
		return nil, err
	}
	for _, h := range all {
		if h.Record == id {
			out[h.Index].First = h.First
		}
	}
	return out, nil
}
