package protocol

import (
	"bytes"
	"cmp"
	"slices"
)

// Head is a place of a key log: one record key, one topic.
type Head struct {
	Key      KeyID
	Topic    Topic
	Sequence uint64
	ID       RecordID
}

// reaches reports whether a place lies at or below the head that heads name for
// its log. Without one nothing of that log does (STM-22).
func reaches(heads []Head, at Head) bool {
	i := slices.IndexFunc(heads, func(h Head) bool { return h.Key == at.Key && h.Topic == at.Topic })
	if i < 0 {
		return false
	}
	return at.Sequence < heads[i].Sequence || at.Sequence == heads[i].Sequence && at.ID == heads[i].ID
}

// namesKey reports whether heads name any log of a record key.
func namesKey(heads []Head, key KeyID) bool {
	return slices.ContainsFunc(heads, func(h Head) bool { return h.Key == key })
}

func compareHeads(a, b Head) int {
	if n := compareKeyIDs(a.Key, b.Key); n != 0 {
		return n
	}
	return cmp.Compare(a.Topic.name, b.Topic.name)
}

// setHeads adds heads under key (STM-27), grouped by record key so that a key is written
// once: [[key, [[topic, sequence, id], …]], …], absent when there are none.
func setHeads(c claims, key uint64, heads []Head) {
	var groups []any
	for rest := sorted(heads, compareHeads); len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].Key == rest[0].Key {
			n++
		}
		places := list(rest[:n], func(h Head) any { return []any{h.Topic.name, h.Sequence, bytes.Clone(h.ID[:])} })
		groups = append(groups, []any{bytes.Clone(rest[0].Key[:]), places})
		rest = rest[n:]
	}
	if len(groups) > 0 {
		c[key] = groups
	}
}

// heads reads what setHeads writes.
func (r *claimReader) heads(key uint64) []Head {
	var out []Head
	for _, group := range r.list(key, MaxHeads, true) {
		pair := r.array(key, group, 2)
		if pair == nil {
			return nil
		}
		id, ok := pair[0].([]byte)
		places, isList := pair[1].([]any)
		if !ok || len(id) != len(KeyID{}) || !isList || len(places) == 0 || len(out)+len(places) > MaxHeads {
			r.fail(key)
			return nil
		}
		for _, place := range places {
			out = append(out, r.place(key, KeyID(id), place))
		}
	}
	ascending(r, key, out, compareHeads)
	// Two groups of one key next to each other are another spelling of one.
	if groups, _ := r.claims[key].([]any); r.err == nil && len(groups) != countKeys(out) {
		r.fail(key)
	}
	return out
}

// place reads [topic, sequence, id].
func (r *claimReader) place(key uint64, log KeyID, v any) Head {
	triple := r.array(key, v, 3)
	if triple == nil {
		return Head{}
	}
	name, _ := triple[0].(string)
	topic, err := ParseTopic(name)
	sequence, isNumber := triple[1].(uint64)
	id, isBytes := triple[2].([]byte)
	if err != nil || !isNumber || sequence == 0 || sequence > maxSequence || !isBytes || len(id) != len(RecordID{}) {
		r.fail(key)
		return Head{}
	}
	return Head{Key: log, Topic: topic, Sequence: sequence, ID: RecordID(id)}
}

// array is v as an array of n elements, else nil.
func (r *claimReader) array(key uint64, v any, n int) []any {
	l, ok := v.([]any)
	if !ok || len(l) != n {
		r.fail(key)
		return nil
	}
	return l
}

// countKeys counts the record keys in ascending heads.
func countKeys(heads []Head) int {
	n := 0
	for i := range heads {
		if i == 0 || heads[i].Key != heads[i-1].Key {
			n++
		}
	}
	return n
}
