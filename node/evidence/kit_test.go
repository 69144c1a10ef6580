package evidence

import (
	"context"
	"crypto/rand"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"tocsin/node/audit"
	"tocsin/node/p2p"
	"tocsin/protocol"
	"tocsin/protocol/protocoltest"
	"tocsin/protocol/stix"
	"tocsin/storage"
)

const network = "main"

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// world is a node with all that packs need, an author whose objects it holds, and a witness with its own log.
type world struct {
	t                     testing.TB
	dir                   string
	author, maker, friend *protocoltest.Author
	chains                *protocol.Chains
	store                 *storage.Store
	log                   *audit.Log
	book                  *Book
	checkpoints           *audit.Checkpoints
	cosigner              *Cosigner
	witness               *Witness
	desk                  *Desk
	reachable             bool // the witness
	asked                 int
	refs                  []storage.Ref
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

const friendPeer = "friend"

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), reachable: true}
	found := func(name string) *protocoltest.Author {
		a, err := protocoltest.Found(network, name, time.Now(), rand.Reader, func(c *protocol.Certificate) { c.PeerIDs = [][]byte{[]byte("peer of " + name)} })
		ok(t, err)
		return a
	}
	w.author, w.maker, w.friend = found("Author"), found("Maker"), found("Friend")
	var errs []error
	w.chains, _, errs = w.author.Chains.With(append(append([]*protocol.Statement(nil), w.maker.Statements...), w.friend.Statements...)...)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	var err error
	w.store, err = storage.Open("", storage.Options{Memory: true, Network: network})
	ok(t, err)
	w.log, err = audit.Open(w.path("audit.log"))
	ok(t, err)
	t.Cleanup(w.shut)
	w.open()
	return w
}

func (w *world) know() *protocol.Chains { return w.chains }

// open opens what stands on files, again after a close.
func (w *world) open() {
	t := w.t
	t.Helper()
	var err error
	w.book, err = Open(w.dir, w.store, w.log)
	ok(t, err)
	w.checkpoints, err = audit.OpenCheckpoints(w.path("checkpoints"), w.log, audit.CheckpointDeps{
		Network: network, Org: w.maker.Org, Chains: w.know, Signer: func() protocol.Signer { return w.maker.Key },
	})
	ok(t, err)
	w.witness = w.openWitness()
	w.cosigner = NewCosigner(w.checkpoints, w.log, CosignerDeps{
		Chains: w.know,
		Witnesses: func() map[protocol.OrgID]string {
			if !w.reachable {
				return nil
			}
			return map[protocol.OrgID]string{w.friend.Org: friendPeer}
		},
		Ask: func(ctx context.Context, peer string, q p2p.WitnessRequest) (p2p.WitnessAnswer, error) {
			w.asked++
			return w.witness.Answer(ctx, []byte("peer of Maker"), q)
		},
	})
	w.desk = NewDesk(DeskDeps{
		Network: network, Own: w.maker.Org, Version: "1.2.3", Store: w.store, Book: w.book, Audit: w.log,
		Checkpoints: w.checkpoints, Cosigner: w.cosigner, Chains: w.know, Signer: func() protocol.Signer { return w.maker.Key },
		Lists: func() (a, b protocol.Digest) { return protocol.Digest{1}, protocol.Digest{2} },
	})
}

func (w *world) openWitness() *Witness {
	w.t.Helper()
	v, err := OpenWitness(w.path("witness.json"), WitnessDeps{
		Network: network, Own: w.friend.Org, Chains: w.know, Listed: func(o protocol.OrgID) bool { return o == w.maker.Org },
		Signer: func() protocol.Signer { return w.friend.Key }, Audit: w.log,
	})
	ok(w.t, err)
	return v
}

// shut ends the world; what runs in the background of a store would mislead a fuzzer.
func (w *world) shut() {
	if w.store != nil {
		w.close()
		ok(w.t, w.store.Close())
		w.store = nil
	}
}

func (w *world) close() {
	ok(w.t, w.book.Close())
	ok(w.t, w.log.Close())
}

// reopen is a restart of the node; between runs on the closed files.
func (w *world) reopen(between func()) {
	w.t.Helper()
	w.close()
	between()
	var err error
	w.log, err = audit.Open(w.path("audit.log"))
	ok(w.t, err)
	w.open()
}

// publish puts records of one object into the store, as they come from a peer.
func (w *world) publish(n int, seen time.Time, from string) []protocol.RecordID {
	w.t.Helper()
	var ids []protocol.RecordID
	topic, err := protocol.ParseTopic("fraud")
	ok(w.t, err)
	for range n {
		object := fmt.Sprintf(`{"type":"indicator","spec_version":"2.1","id":"indicator--00000000-0000-4000-8000-%012d","created":"2026-01-01T00:00:00.000Z","modified":"2026-01-01T00:00:00.000Z","pattern":"[domain-name:value = 'x.example']","pattern_type":"stix","valid_from":"2026-01-01T00:00:00Z"}`, len(w.refs))
		r, err := w.author.Record(protocol.Draft{Topic: topic, Kind: protocol.KindObjects, TLP: stix.Green, Created: time.Now(), Expires: time.Now().Add(24 * time.Hour), Objects: [][]byte{[]byte(object)}})
		ok(w.t, err)
		ok(w.t, w.store.Accept(w.t.Context(), storage.Entry{Record: r, State: storage.Accepted, Received: seen, From: from,
			Leaves: []storage.Leaf{{Object: fmt.Sprintf("indicator--00000000-0000-4000-8000-%012d", len(w.refs)), Type: "indicator", State: storage.Accepted, Confidence: -1}}}))
		w.refs = append(w.refs, storage.Ref{Record: r.ID()})
		ids = append(ids, r.ID())
	}
	return ids
}

// follow takes up all that happened in the store.
func (w *world) follow() {
	w.t.Helper()
	for at, more := w.book.loadCursor(), true; more; {
		var err error
		at, more, err = w.book.follow(at)
		ok(w.t, err)
		w.book.saveCursor(at)
	}
}
