package admin

import (
	"fmt"
	"strconv"
	"strings"

	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/storage"
)

// finder turns ids as people type them into what the store holds.
type finder struct{ store *storage.Store }

// isSTIX reports whether an id is a STIX id (or the start of one) rather than a record's.
func isSTIX(id string) bool { return strings.Contains(id, "--") }

// record resolves a record id or its unique prefix.
func (f finder) record(text string) (protocol.RecordID, error) {
	if id, err := protocol.ParseRecordID(text); err == nil {
		if !f.store.Has(id) {
			return id, reason.New(reason.NotFound, "record "+text+" is not held")
		}
		return id, nil
	}
	prefix, ok := digestPrefix(text)
	if !ok {
		return protocol.RecordID{}, reason.New(reason.NotFound,
			fmt.Sprintf("%q is neither a STIX id nor sha256:HEX nor at least %d of its hex digits", text, minPrefix))
	}
	full, err := f.complete(prefix)
	if err != nil {
		return protocol.RecordID{}, err
	}
	return protocol.ParseRecordID(full)
}

// complete finds the one id that a prefix stands for.
func (f finder) complete(prefix string) (string, error) {
	const show = 4
	found, err := f.store.Complete(prefix, show+1)
	if err != nil {
		return "", err
	}
	switch {
	case len(found) == 0:
		return "", reason.New(reason.NotFound, fmt.Sprintf("nothing is held whose id begins with %s", prefix))
	case len(found) > show:
		return "", reason.New(reason.Ambiguous, fmt.Sprintf("more than %d ids begin with %s; give more of it", show, prefix))
	case len(found) > 1:
		return "", reason.New(reason.Ambiguous, fmt.Sprintf("%s is the start of %s", prefix, strings.Join(found, ", ")))
	}
	return found[0], nil
}

// versions resolves a STIX id or its unique prefix to all that is held under it, newest first.
func (f finder) versions(text string) ([]storage.Hit, error) {
	hits, err := f.store.Versions(text)
	if err != nil && reason.Of(err) != reason.NotFound {
		return nil, err
	}
	if len(hits) > 0 {
		return hits, nil
	}
	_, unique, _ := strings.Cut(text, "--")
	if len(unique) < minPrefix {
		return nil, reason.New(reason.NotFound, fmt.Sprintf("%.100q is too short for the beginning of an id: at least %d digits stand behind the two hyphens", text, minPrefix))
	}
	if len(unique) >= 36 {
		return nil, reason.New(reason.NotFound, fmt.Sprintf("object %s is not held", text))
	}
	full, err := f.complete(text)
	if err != nil {
		return nil, err
	}
	return f.store.Versions(full)
}

// object resolves an object: a STIX id (what is believed before what is held,
// then the newest), RECORD#INDEX, or a record that holds one object only. count is
// how many versions and voices there are under the id.
func (f finder) object(text string) (hit storage.Hit, count int, err error) {
	if isSTIX(text) {
		hits, err := f.versions(text)
		if err != nil {
			return hit, 0, err
		}
		for _, h := range hits {
			if !h.RecordHeld && h.State != storage.Held && h.State != storage.Refused {
				return h, len(hits), nil
			}
		}
		return hits[0], len(hits), nil
	}
	name, index, hasIndex := strings.Cut(text, "#")
	id, err := f.record(name)
	if err != nil {
		return hit, 0, err
	}
	leaves, err := f.store.Leaves(id)
	if err != nil {
		return hit, 0, err
	}
	n := 0
	if hasIndex {
		if n, err = strconv.Atoi(index); err != nil || n < 0 {
			return hit, 0, reason.New(reason.UsageInvalid, fmt.Sprintf("%q: want RECORD#INDEX", text))
		}
	} else if len(leaves) != 1 {
		return hit, 0, reason.New(reason.Ambiguous, fmt.Sprintf("record %s holds %d objects; name one as RECORD#INDEX", id, len(leaves)))
	}
	for _, h := range leaves {
		if h.Index == n {
			all, err := f.store.Versions(h.Object)
			return h, len(all), err
		}
	}
	return hit, 0, reason.New(reason.NotFound, fmt.Sprintf("record %s has no object %d", id, n))
}
