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
	"tocsin/protocol/reason"
	"tocsin/protocol/stix"
)

const testNetwork = "test"

// testNow is the present of the tests; the store never asks what time a record has.
var testNow = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// author is an organisation with one node that signs records.
type author struct {
	t     testing.TB
	cert  *protocol.Certificate
	key   *protocol.PrivateKey
	heads map[protocol.Topic]*protocol.Record
}

func newAuthor(t testing.TB, name string) *author {
	t.Helper()
	gen := func() *protocol.PrivateKey {
		k, err := protocol.GenerateKey(protocol.EdDSA, rand.Reader)
		must(t, err)
		return k
	}
	root, next, operations, key := gen(), gen(), gen(), gen()
	genesis, err := protocol.SignGenesis(testNetwork, protocol.Genesis{
		Name: name, Country: "FI", Sector: "national-cert", Contacts: []string{"mailto:cert@example.org"},
		Roots: []protocol.PublicKey{root.Public()}, Threshold: 1,
		Next: []protocol.KeyID{next.Public().ID()}, NextThreshold: 1, Created: testNow.AddDate(0, -1, 0),
	}, root)
	must(t, err)
	delegation, err := protocol.SignOperations(testNetwork, protocol.Operations{
		Org: genesis.Org(), RootVersion: 1, Serial: 1, Key: operations.Public(),
		NotBefore: testNow.AddDate(0, -1, 0), NotAfter: testNow.AddDate(0, 6, 0),
	}, root)
	must(t, err)
	statement, err := protocol.SignCertificate(testNetwork, protocol.Certificate{
		Org: genesis.Org(), Serial: 1, RecordKey: key.Public(), PeerIDs: [][]byte{[]byte("peer of " + name)},
		MaxTLP: stix.Red, NotBefore: testNow.AddDate(0, 0, -20), NotAfter: testNow.AddDate(0, 1, 0),
	}, operations)
	must(t, err)
	chains, _, errs := protocol.NewChains(testNetwork).With(genesis, delegation, statement)
	if len(errs) > 0 {
		t.Fatalf("chain of %s: %v", name, errs)
	}
	cert, ok := chains.Certificate(statement.Digest())
	if !ok {
		t.Fatalf("the chain of %s lacks its certificate", name)
	}
	return &author{t: t, cert: cert, key: key, heads: map[protocol.Topic]*protocol.Record{}}
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
	p := protocol.Draft{
		Topic: d.topic, Kind: protocol.KindObjects, Sequence: d.sequence, Created: d.created, Expires: d.expires,
		TLP: stix.Green, Upstream: "feed", Objects: d.objects, Rand: rand.Reader,
	}
	head := a.heads[d.topic]
	if d.sequence == 0 {
		p.Sequence = 1
		if head != nil {
			p.Sequence = head.Header().Sequence + 1
		}
	}
	if p.Sequence > 1 {
		p.Previous = protocol.RecordID(sha256.Sum256([]byte("unknown")))
		if head != nil && head.Header().Sequence == p.Sequence-1 {
			p.Previous = head.ID()
		}
	}
	if p.Created.IsZero() {
		p.Created = testNow
	}
	if p.Expires.IsZero() {
		p.Expires = p.Created.AddDate(0, 0, 30)
	}
	r, err := protocol.Sign(testNetwork, p, a.cert, a.key)
	must(a.t, err)
	if head == nil || p.Sequence > head.Header().Sequence {
		a.heads[d.topic] = r
	}
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
	hits, err := s.Lookup(o)
	must(t, err)
	return hits
}

// checkClosed closes a store and checks it.
func checkClosed(t testing.TB, s *Store, dir string) (Report, error) {
	t.Helper()
	must(t, s.Close())
	return Check(dir)
}
