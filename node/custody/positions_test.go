package custody

import (
	"crypto/rand"
	"testing"
	"time"

	"tocsin/node/outbox"
	"tocsin/protocol"
	"tocsin/protocol/protocoltest"
)

// TestPositions: where a lost key's logs end. Letters are branches, numbers places.
func TestPositions(t *testing.T) {
	author, err := protocoltest.Found(testNetwork, "Author", time.Now().Truncate(time.Millisecond), rand.Reader)
	check(t, err)
	key := author.Key.Public().ID()
	topic := protocol.TopicDrill
	next := func(sequence uint64, previous protocol.RecordID) *protocol.Record {
		r, err := author.Record(protocol.Draft{Topic: topic, Kind: protocol.KindObjects, Sequence: sequence, Previous: previous,
			Objects: [][]byte{[]byte(`{"type":"note","id":"note--00000000-0000-4000-8000-000000000000"}`)}})
		check(t, err)
		return r
	}
	branch := func(from uint64, previous protocol.RecordID, n int) (list []*protocol.Record) {
		for i := range n {
			r := next(from+uint64(i), previous)
			list, previous = append(list, r), r.ID()
		}
		return list
	}
	a := branch(1, protocol.RecordID{}, 5)
	b := branch(3, a[1].ID(), 4)           // b[0] is place 3 after a's place 2
	c := branch(1, protocol.RecordID{}, 2) // another beginning altogether
	head := func(r *protocol.Record) protocol.Head {
		return protocol.Head{Key: key, Topic: topic, Sequence: r.Header().Sequence, ID: r.ID()}
	}
	for _, test := range []struct {
		name   string
		held   []*protocol.Record
		loss   outbox.Loss
		want   protocol.Head // zero for none
		proven bool
	}{
		{"nothing elsewhere is proven", a[:2], outbox.Loss{}, head(a[1]), false},
		{"restored by one", a[:2], outbox.Loss{Records: a[2:3]}, head(a[2]), true},
		{"restored by many: first and last are known", a[:2], outbox.Loss{Records: []*protocol.Record{a[2], a[4]}}, head(a[4]), true},
		{"restored to nothing", nil, outbox.Loss{Records: []*protocol.Record{a[0], a[4]}}, head(a[4]), true},
		{"both went on, the place where they part is known", a[:3], outbox.Loss{Records: b}, head(a[1]), true},
		{"both went on, and come in another order", a[:3], outbox.Loss{Records: []*protocol.Record{b[3], b[0]}}, head(a[1]), true},
		{"both went on, where they part is not known", a[:5], outbox.Loss{Records: b[2:]}, head(b[3]), true},
		{"they part at the very beginning", c, outbox.Loss{Records: a[:1]}, protocol.Head{}, true},
		{"a status names more than we hold", a[:2], outbox.Loss{Named: []protocol.Head{head(a[4])}}, head(a[4]), true},
		{"a stolen key went on, and the store is whole", a[:3], outbox.Loss{Records: a[3:], Whole: true}, head(a[2]), true},
		{"a stolen key went on, and a status names it", a[:3], outbox.Loss{Named: []protocol.Head{head(a[4])}, Whole: true}, head(a[2]), true},
		{"a stolen key began a log of its own", nil, outbox.Loss{Records: a[:2], Whole: true}, protocol.Head{}, true},
		{"both went on, and the store is whole", a[:3], outbox.Loss{Records: b, Whole: true}, head(a[1]), true},
		{"a fork is proven", a[:4], outbox.Loss{Fork: &protocol.ForkProof{Key: key, Topic: topic, Sequence: 3}}, head(a[1]), true},
		{"a fork of the first record", a[:1], outbox.Loss{Fork: &protocol.ForkProof{Key: key, Topic: topic, Sequence: 1}}, protocol.Head{}, true},
		{"a fork where we hold nothing", a[:1], outbox.Loss{Fork: &protocol.ForkProof{Key: key, Topic: topic, Sequence: 9}}, head(a[0]), true},
	} {
		test.loss.Key = key
		places := map[uint64]protocol.RecordID{}
		for _, r := range test.held {
			places[r.Header().Sequence] = r.ID()
			test.loss.Held = []protocol.Head{head(r)}
		}
		ends := positions(test.loss, func(_ protocol.Topic, n uint64) (protocol.RecordID, bool) {
			id, ok := places[n]
			return id, ok
		})
		heads, proven := ends.Heads, ends.Proven
		if test.want == (protocol.Head{}) {
			if len(heads) != 0 || proven != test.proven {
				t.Errorf("%s: %v, proven %v; want none", test.name, heads, proven)
			}
			continue
		}
		if len(heads) != 1 || heads[0] != test.want || proven != test.proven {
			t.Errorf("%s: %v, proven %v; want %v", test.name, heads, proven, test.want)
		}
	}
}
