package storage

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/dgraph-io/badger/v4"

	"tocsin/protocol"
	"tocsin/protocol/pattern"
	"tocsin/protocol/reason"
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
func (s *Store) Lookup(o pattern.Observable) ([]Hit, error) {
	hash := hashObservable(o)
	s.mu.RLock()
	spots := s.tables.named(o, hash)
	s.mu.RUnlock()
	if len(spots) == 0 {
		return nil, nil
	}
	var out []Hit
	var failed error
	seen := map[voice]bool{}
	for _, at := range spots {
		h, err := s.hit(at)
		if reason.Of(err) == reason.NotFound {
			continue // expired just now
		}
		if err != nil {
			failed = cmp.Or(failed, fmt.Errorf("look up %s %q: %w", o.Type, o.Value, err))
			continue
		}
		v := voice{h.Org, h.Object}
		if named, _ := names(h.Values, o); !named || seen[v] {
			continue
		}
		seen[v] = h.Object != ""
		versions, err := s.versionsOf(h)
		if err != nil {
			failed = cmp.Or(failed, fmt.Errorf("look up %s %q: %w", o.Type, o.Value, err))
		}
		for _, c := range current(versions) {
			named, alone := names(c.Values, o)
			if c.Alone = alone; named {
				out = append(out, c)
			}
		}
	}
	slices.SortFunc(out, newestFirst)
	return out, failed
}

// voice is what one organisation says under one STIX id.
type voice struct {
	org    protocol.OrgID
	object string
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
	var out []Hit
	taken := map[State]bool{}
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
		RecordHeld: at.space == spaceHeld, RecordReason: ix.info.fate.why,
	}
	if !l.first.IsZero() {
		h.First = l.first
	}
	return h, nil
}

// siblings returns the spots of all versions of a STIX id.
func (s *Store) siblings(object string) []spot {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.tables.spots(s.tables.objects.find(s.tables.mix(hashObject(object))))
}

// versionsOf returns the versions of the voice that h is one of. What has no id
// has no versions.
func (s *Store) versionsOf(h Hit) ([]Hit, error) {
	spots := s.siblings(h.Object)
	if h.Object == "" || len(spots) == 1 && spots[0].id == h.Record && spots[0].index == h.Index {
		return []Hit{h}, nil
	}
	all, err := s.history(h.Object, spots)
	return slices.DeleteFunc(all, func(o Hit) bool { return o.Org != h.Org }), err
}

// history reads the versions of a STIX id at spots, newest first, and settles
// First of each.
func (s *Store) history(object string, spots []spot) ([]Hit, error) {
	type version struct {
		org      protocol.OrgID
		modified int64
		nanos    int
	}
	var failed error
	out := make([]Hit, 0, len(spots))
	first := map[version]time.Time{}
	key := func(h Hit) version { return version{h.Org, h.Modified.Unix(), h.Modified.Nanosecond()} }
	for _, at := range spots {
		h, err := s.hit(at)
		if err != nil || h.Object != object {
			if err != nil && reason.Of(err) != reason.NotFound {
				failed = cmp.Or(failed, err)
			}
			continue
		}
		if f, ok := first[key(h)]; !ok || h.First.Before(f) {
			first[key(h)] = h.First
		}
		out = append(out, h)
	}
	for i := range out {
		out[i].First = first[key(out[i])]
	}
	slices.SortFunc(out, newestFirst)
	return out, failed
}

// Versions returns every version of a STIX id by every organisation, newest first.
func (s *Store) Versions(object string) ([]Hit, error) {
	out, err := s.history(object, s.siblings(object))
	if err != nil {
		return out, fmt.Errorf("versions of %s: %w", object, err)
	}
	return out, nil
}

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
		versions, err := s.versionsOf(out[i])
		if err != nil {
			return nil, err
		}
		for _, v := range versions {
			if v.Ref == out[i].Ref {
				out[i].First = v.First
			}
		}
	}
	return out, nil
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
			err := eachPacked(txn, sp, func(id protocol.RecordID, p packed, err error) error {
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
