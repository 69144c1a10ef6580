package storage

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/dgraph-io/badger/v4"

	"tocsin/protocol"
	"tocsin/protocol/pattern"
	"tocsin/protocol/reason"
)

// Most of what strangers may add to one look-up, so that a flood of records held
// as a whole costs nobody else their answer: how many of their leaves under the value
// are read, and how many other versions of these.
const (
	maxStrangers        = 100
	maxStrangerVersions = 1000
)

// Lookup returns the objects that name a value, newest first: of each
// organisation and STIX id only the newest version, revoked ones included. For
// an address, objects that name a network around it are found as well.
//
// What is held or refused never hides what is accepted: beside the newest
// accepted version, a newer held and a newer refused one are returned when they
// name the value, so that a stolen key whose records are held cannot make an
// object vanish. Versions are ordered by Modified; the same version in several records
// is taken from the newest of them (Created, then RecordID), and its First
// from the oldest. With an error what could be read is returned too.
//
// Of records held as a whole, those of organisations that are not listed (nil: none is)
// are read up to a bound, in the order of their ids; omitted says how many objects under the
// value were left out. Nothing accepted and nothing of a listed organisation ever is.
func (s *Store) Lookup(o pattern.Observable, listed func(protocol.OrgID) bool) (hits []Hit, omitted int, err error) {
	hash := hashObservable(o)
	s.mu.RLock()
	found := s.tables.named(o, hash)
	s.mu.RUnlock()
	if len(found) == 0 {
		return nil, 0, nil
	}
	slices.SortFunc(found, inOrder)
	found = slices.CompactFunc(found, func(a, b mention) bool { return inOrder(a, b) == 0 })
	found, omitted = bounded(found, maxStrangers, listed)
	naming, failed := s.read(found, func(h *Hit) bool {
		named, _ := names(h.Values, o)
		return named
	})
	versions, err := s.versions(naming, listed)
	hits = versions[:0] // current gives no more than it gets, and only of what has been passed
	for of := range eachVoice(versions) {
		for _, c := range current(of) {
			named, alone := names(c.Values, o)
			if c.Alone = alone; named {
				hits = append(hits, c)
			}
		}
	}
	slices.SortFunc(hits, newestFirst)
	if err = cmp.Or(failed, err); err != nil {
		err = fmt.Errorf("look up %s %q: %w", o.Type, o.Value, err)
	}
	return hits, omitted, err
}

// bounded drops mentions in records of unlisted organisations that are held as
// a whole, beyond the first most, and says how many it dropped. It works in place.
func bounded(m []mention, most int, listed func(protocol.OrgID) bool) (kept []mention, dropped int) {
	kept = m[:0]
	strangers := 0
	for _, at := range m {
		if at.whole && (listed == nil || !listed(at.org)) {
			if strangers++; strangers > most {
				continue
			}
		}
		kept = append(kept, at)
	}
	return kept, max(strangers-most, 0)
}

// names reports whether one of the values is the observable or, for an address,
// a network around it, and whether that value alone satisfies the pattern.
func names(values []pattern.Value, o pattern.Observable) (named, alone bool) {
	addr := netip.Addr{}
	if o.Type == pattern.IPv4 || o.Type == pattern.IPv6 {
		addr, _ = netip.ParseAddr(o.Value)
	}
	for _, v := range values {
		if v.Observable != o {
			prefix, ok := networkOf(v.Observable)
			if !ok || !prefix.Contains(addr) {
				continue
			}
		}
		named, alone = true, alone || v.Alone
	}
	return named, alone
}

// current picks from the versions of one voice, newest first, those that count.
func current(versions []Hit) []Hit {
	if len(versions) == 1 {
		return versions
	}
	var out []Hit
	var taken [NotEvaluated + 1]bool
	for _, h := range versions {
		class := h.class()
		if !taken[class] {
			taken[class] = true
			out = append(out, h)
		}
		if class == Accepted {
			break
		}
	}
	return out
}

// class is Held, Refused or, for all that counts, Accepted.
func (h *Hit) class() State {
	switch {
	case h.State == Refused:
		return Refused
	case h.RecordHeld || h.State == Held:
		return Held
	}
	return Accepted
}

func newestFirst(a, b Hit) int {
	return cmp.Or(b.Modified.Compare(a.Modified), b.Created.Compare(a.Created),
		bytes.Compare(b.Record[:], a.Record[:]), cmp.Compare(b.Index, a.Index))
}

// hit reads one object. Its First is what its own record knows.
func (s *Store) hit(at spot) (Hit, error) {
	ix, err := s.load(&at)
	if err != nil {
		return Hit{}, err
	}
	return ix.hit(at)
}

// hit decodes leaf at.index.
func (ix indexed) hit(at spot) (Hit, error) {
	if at.index < 0 || at.index >= ix.leaves() {
		return Hit{}, reason.New(reason.NotFound, fmt.Sprintf("object %d of record %s, which has %d", at.index, at.id, ix.leaves()))
	}
	l, err := ix.leafAt(at.index)
	if err != nil {
		return Hit{}, reason.Wrap(reason.StoreDamaged, fmt.Sprintf("read record %s", at.id), err)
	}
	h := Hit{
		Ref: Ref{at.id, at.index}, Leaf: l.Leaf,
		Org: ix.info.org, Topic: ix.info.topic, TLP: ix.info.tlp, Upstream: ix.info.upstream,
		Created: ix.info.created, First: ix.info.created, Expires: ix.info.expires,
		RecordHeld: at.whole, RecordReason: ix.info.fate.why,
	}
	if !l.first.IsZero() {
		h.First = l.first
	}
	return h, nil
}

// minPrefix is the shortest abbreviation that Complete takes: shorter ones match too much.
const minPrefix = 8

// Complete finds the full forms of an abbreviated STIX id or record id, at most
// limit, in ascending order. Of "type--" or "sha256:" at least 8 more
// characters must be there; a prefix with neither is looked for behind both. It
// reads the whole index: for people, not for programs.
func (s *Store) Complete(prefix string, limit int) ([]string, error) {
	typ, rest, isObject := strings.Cut(prefix, "--")
	digest, isRecord := strings.CutPrefix(prefix, "sha256:")
	switch {
	case isObject:
	case isRecord:
		rest = digest
	default:
		typ, rest = "", prefix
	}
	if len(rest) < minPrefix {
		return nil, reason.New(reason.UsageInvalid, fmt.Sprintf("complete %q: at least %d characters are needed", prefix, minPrefix))
	}
	found := map[string]bool{}
	if !isObject {
		s.completeRecords(rest, found)
	}
	if !isRecord {
		if err := s.completeObjects(typ, rest, found); err != nil {
			return nil, fmt.Errorf("complete %q: %w", prefix, err)
		}
	}
	out := make([]string, 0, len(found))
	for id := range found {
		out = append(out, id)
	}
	slices.Sort(out)
	return out[:min(len(out), max(limit, 0))], nil
}

func (s *Store) completeRecords(digits string, found map[string]bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var buf [64]byte
	for i := range s.tables.records {
		r := &s.tables.records[i]
		hex.Encode(buf[:], r.id[:])
		if r.live && bytes.HasPrefix(buf[:], []byte(digits)) {
			found[r.id.String()] = true
		}
	}
}

// completeObjects adds the STIX ids of any type, or of one, whose second half begins with rest.
func (s *Store) completeObjects(typ, rest string, found map[string]bool) error {
	return s.view(func(txn *badger.Txn) error {
		for _, sp := range []space{spaceAccepted, spaceHeld} {
			err := eachPacked(txn, sp, nil, func(id protocol.RecordID, p packed, err error) error {
				if err != nil {
					return reason.Wrap(reason.StoreDamaged, fmt.Sprintf("read record %s", id), err)
				}
				for i := range p.leaves() {
					object := p.object(i)
					t, half, ok := strings.Cut(object, "--")
					if ok && strings.HasPrefix(half, rest) && (typ == "" || t == typ) {
						found[object] = true
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}
