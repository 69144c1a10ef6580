package bundle

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"tocsin/node/evidence"
	"tocsin/node/intake"
	"tocsin/protocol"
	"tocsin/protocol/protocoltest"
	"tocsin/protocol/reason"
	"tocsin/protocol/stix"
	"tocsin/storage"
)

const network = "test"

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantCode(t testing.TB, err error, code reason.Code) {
	t.Helper()
	if reason.Of(err) != code {
		t.Fatalf("error %v, want code %s", err, code)
	}
}

func topicOf(t testing.TB, name string) protocol.Topic {
	t.Helper()
	topic, err := protocol.ParseTopic(name)
	must(t, err)
	return topic
}

func newAuthor(t testing.TB, name string) *protocoltest.Author {
	t.Helper()
	a, err := protocoltest.Found(network, name, time.Now().Truncate(time.Millisecond), rand.Reader)
	must(t, err)
	return a
}

// house is a node without a network: a store, what it knows, and whom it blocks.
type house struct {
	t       testing.TB
	author  *protocoltest.Author
	store   *storage.Store
	list    *List
	mu      sync.Mutex // guards what follows
	chains  *protocol.Chains
	told    []evidence.Fact
	held    map[protocol.OrgID]bool // whose records are held
	blocked map[protocol.OrgID]bool
	from    map[string]bool
	fail    error // what Receive fails with
}

func newHouse(t testing.TB) *house {
	t.Helper()
	s, err := storage.Open("", storage.Options{Memory: true, Network: network})
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	list, err := Open(filepath.Join(t.TempDir(), "bundles.json"))
	must(t, err)
	h := &house{
		t: t, author: newAuthor(t, "House"), store: s, list: list, chains: protocol.NewChains(network),
		held: map[protocol.OrgID]bool{}, blocked: map[protocol.OrgID]bool{}, from: map[string]bool{},
	}
	h.learn(h.author.Statements...)
	return h
}

func (h *house) learn(statements ...*protocol.Statement) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.chains, _, _ = h.chains.With(statements...)
}

func (h *house) known() *protocol.Chains {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.chains
}

// take stores a record that came from somewhere.
func (h *house) take(ctx context.Context, r *protocol.Record, from string) (intake.Outcome, error) {
	h.mu.Lock()
	fail, state := h.fail, storage.Accepted
	if h.held[r.Org()] {
		state = storage.Held
	}
	h.from[from] = true
	h.mu.Unlock()
	if fail != nil {
		return intake.Outcome{}, fail
	}
	e := storage.Entry{Record: r, State: state, Received: time.Now(), From: from}
	for i := range objectsIn(r) {
		e.Leaves = append(e.Leaves, storage.Leaf{Object: fmt.Sprintf("indicator--%d", i), Type: "indicator", State: state, Confidence: -1})
		if slices.Contains(r.Missing(), i) {
			e.Leaves[i] = storage.Leaf{State: storage.Refused, Reason: reason.ObjectMissing, Confidence: -1}
		}
	}
	if state == storage.Held {
		e.Reason = reason.TrustUnknown
	}
	if r.HeaderOnly() {
		e.State, e.Reason, e.Leaves = storage.Refused, reason.ObjectMissing, nil
	}
	return intake.Outcome{State: state}, h.store.Accept(ctx, e)
}

// publish stores n records of an author on a topic; change may edit each draft.
func (h *house) publish(a *protocoltest.Author, topic string, n int, change ...func(*protocol.Draft)) []*protocol.Record {
	h.t.Helper()
	h.learn(a.Statements...)
	var out []*protocol.Record
	for i := range n {
		d := protocol.Draft{Topic: topicOf(h.t, topic), Kind: protocol.KindObjects, TLP: stix.Green, Rand: rand.Reader}
		d.Objects = [][]byte{fmt.Appendf(nil, `{"id":"indicator--%08x-0000-4000-8000-000000000000","n":%d}`, i, i)}
		for _, edit := range change {
			edit(&d)
		}
		r, err := a.Record(d)
		must(h.t, err)
		_, err = h.take(context.Background(), r, "12D3Koo")
		must(h.t, err)
		out = append(out, r)
	}
	return out
}

func (h *house) source() Source {
	return Source{
		Store: h.store, Chains: h.known,
		Signer: func() (Signer, error) {
			return Signer{Chain: h.known().Chain(h.author.Org), Certificate: h.author.Certificate, Key: h.author.Key}, nil
		},
		Blocked: func(o protocol.OrgID) bool { return h.blocked[o] },
	}
}

func (h *house) sink() Sink {
	return Sink{
		Chains: h.known, Learn: h.learn, Held: func(id protocol.RecordID) bool { return h.store.Has(id) && !h.store.Lacks(id) }, Receive: h.take, List: h.list,
		Blocked: func(o protocol.OrgID) bool { return h.blocked[o] },
		Told: func(_ context.Context, facts []evidence.Fact) error {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.told = append(h.told, facts...)
			return nil
		},
	}
}

// export writes a bundle of everything up to GREEN.
func (h *house) export(change ...func(*Selection)) ([]byte, *Exported) {
	h.t.Helper()
	sel := Selection{MaxTLP: stix.Green}
	for _, edit := range change {
		edit(&sel)
	}
	var b bytes.Buffer
	e, err := Export(context.Background(), h.source(), sel, &b, nil)
	must(h.t, err)
	return b.Bytes(), e
}

func (h *house) read(raw []byte) *Imported {
	h.t.Helper()
	out, err := Import(context.Background(), h.sink(), bytes.NewReader(raw))
	must(h.t, err)
	return out
}

// part is one segment of a bundle as it stands.
type part struct {
	Head
	raw []byte
}

// split takes a bundle apart.
func split(t testing.TB, raw []byte) (out []part) {
	t.Helper()
	s := NewSplitter(bytes.NewReader(raw))
	for total := 0; total < len(raw); {
		h, one, err := s.Next()
		must(t, err)
		total += len(one)
		out = append(out, part{h, one})
	}
	return out
}

func join(parts ...part) (raw []byte) {
	for _, p := range parts {
		raw = append(raw, p.raw...)
	}
	return raw
}

// objectsIn is how many objects a record has.
func objectsIn(r *protocol.Record) int {
	if r.Header().Kind != protocol.KindObjects {
		return 0
	}
	return r.Header().Count
}
