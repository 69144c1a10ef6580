package storage

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/pattern"
	"tocsin/protocol/protocoltest"
	"tocsin/protocol/reason"
	"tocsin/protocol/stix"
)

const testNetwork = "test"

// testNow is the present of the tests; the store never asks what time a record has.
var testNow = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// author is an organisation with one node that signs records.
type author struct {
	*protocoltest.Author
	t testing.TB
}

func newAuthor(t testing.TB, name string) *author {
	t.Helper()
	a, err := protocoltest.Found(testNetwork, name, testNow, rand.Reader)
	must(t, err)
	return &author{a, t}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantCode(t testing.TB, err error, code reason.Code) {
	t.Helper()
	if reason.Of(err) != code {
		t.Fatalf("error %v, want code %q", err, code)
	}
}

func topicOf(t testing.TB, name string) protocol.Topic {
	t.Helper()
	topic, err := protocol.ParseTopic(name)
	must(t, err)
	return topic
}

// draft says what differs between the records of a test; zero values have defaults.
type draft struct {
	topic    protocol.Topic
	sequence uint64
	created  time.Time
	expires  time.Time
	objects  [][]byte
	leaves   []Leaf
	state    State
	reason   reason.Code
	from     string
}

// record signs the next record of a log, or the one at d.sequence.
func (a *author) record(d draft) *protocol.Record {
	a.t.Helper()
	if d.topic == (protocol.Topic{}) {
		d.topic = topicOf(a.t, "malicious-code")
	}
	r, err := a.Record(protocol.Draft{
		Topic: d.topic, Kind: protocol.KindObjects, Sequence: d.sequence, Created: d.created, Expires: d.expires,
		TLP: stix.Green, Upstream: "feed", Objects: d.objects,
	})
	must(a.t, err)
	return r
}

// entry signs a record of the draft's leaves.
func (a *author) entry(d draft) Entry {
	a.t.Helper()
	for _, l := range d.leaves[len(d.objects):] {
		d.objects = append(d.objects, objectOf(l))
	}
	e := Entry{Record: a.record(d), State: d.state, Reason: d.reason, Leaves: d.leaves, Received: testNow.Add(time.Second), From: d.from}
	if e.State == 0 {
		e.State = Accepted
	}
	if e.From == "" {
		e.From = "local"
	}
	return e
}

func objectOf(l Leaf) []byte {
	return fmt.Appendf(nil, `{"type":%q,"id":%q,"modified":%q}`, l.Type, l.Object, l.Modified.Format(time.RFC3339Nano))
}

// stixID makes the n-th indicator id.
func stixID(n int) string {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64([]byte("object"), uint64(n)))
	return fmt.Sprintf("indicator--%x-%x-4%x-8%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}

// indicator makes a leaf that names values, each alone.
func indicator(object string, modified time.Time, values ...pattern.Observable) Leaf {
	l := Leaf{
		Object: object, Type: "indicator", Modified: modified, State: Accepted, Claim: true, Confidence: 80,
		ValidFrom: modified, ValidUntil: modified.AddDate(0, 1, 0),
	}
	for _, v := range values {
		l.Values = append(l.Values, pattern.Value{Observable: v, Alone: true})
	}
	return l
}

func domain(n int) pattern.Observable {
	return pattern.Observable{Type: pattern.Domain, Value: fmt.Sprintf("bad-%d.example", n)}
}

// indicators makes n leaves from number first on.
func indicators(first, n int) []Leaf {
	out := make([]Leaf, n)
	for i := range out {
		out[i] = indicator(stixID(first+i), testNow, domain(first+i))
	}
	return out
}

func openMemory(t testing.TB) *Store {
	t.Helper()
	s, err := Open("", Options{Memory: true})
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	return s
}

func openDisk(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(dir, Options{Network: testNetwork})
	must(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

func accept(t testing.TB, s *Store, e Entry) protocol.RecordID {
	t.Helper()
	must(t, s.Accept(t.Context(), e))
	return e.Record.ID()
}

func lookup(t testing.TB, s *Store, o pattern.Observable) []Hit {
	t.Helper()
	hits, _, err := s.Lookup(o, nil)
	must(t, err)
	return hits
}

// checkClosed closes a store and checks it.
func checkClosed(t testing.TB, s *Store, dir string) (Report, error) {
	t.Helper()
	must(t, s.Close())
	return Check(dir)
}
