package admin

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tocsin/node/admin/api"
	"tocsin/node/identity"
	"tocsin/node/intake"
	"tocsin/node/standing"
	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/protocol/stix"
	"tocsin/storage"
)

// forget serves the same store with a book that knows nobody any more.
func (b *bench) forget() {
	b.t.Helper()
	book, err := identity.Open(filepath.Join(b.t.TempDir(), "identity.cbor"), network)
	ok(b.t, err)
	b.deps.Identity = book
	stands, err := standing.Open(filepath.Join(b.t.TempDir(), "standing.json"), book.Chains)
	ok(b.t, err)
	b.deps.Intake = intake.New(intake.Deps{Store: b.deps.Store, Policy: b.deps.Policy, Identity: book, Standing: stands, Own: b.deps.Self.Org})
	b.client = serve(b.t, b.deps)
}

// What was verified once can be found and shown for as long as it is held, also
// when the certificate that signed it is forgotten; only a proof needs it.
func TestForgottenCertificate(t *testing.T) {
	b := newBench(t)
	raw := indicator(1, "stranger.example")
	r := b.other.record(t, "fraud", raw)
	b.receive(r)
	b.publish(indicator(2, "own.example"))
	b.forget()
	list, err := b.client.Search(t.Context(), api.SearchParams{Query: "name"})
	ok(t, err)
	if len(list.Items) != 2 || list.Unreadable != 0 {
		t.Errorf("found %+v", list)
	}
	id, record := "indicator--"+uuid(1), r.ID().String()
	o, err := b.client.Object(t.Context(), id)
	ok(t, err)
	shown, err := b.client.Record(t.Context(), record)
	ok(t, err)
	org := b.other.Org.String()
	if o.Org != org || shown.Org != org || shown.State != "held" || shown.Reason != string(reason.TrustUnknown) || len(shown.Objects) != 1 || shown.Bytes != len(r.Raw()) {
		t.Errorf("object %+v, record %+v", o, shown)
	}
	got, err := b.client.RawObject(t.Context(), id)
	ok(t, err)
	sent, err := b.client.RawRecord(t.Context(), record)
	ok(t, err)
	if string(got) != raw || !bytes.Equal(sent, r.Raw()) {
		t.Error("the bytes are others")
	}
	for name, get := range map[string]func(context.Context, string) ([]byte, error){id: b.client.Proof, record: b.client.RecordFile} {
		_, err := get(t.Context(), name)
		refused(t, err, reason.CertUnknown)
		if p := api.ProblemOf(err); !strings.Contains(p.Fix, "trust add") || !strings.Contains(p.Detail, b.other.Certificate.Digest().String()) {
			t.Errorf("%s: %q, %q", name, p.Detail, p.Fix)
		}
	}
}

// A held record whose certificate is forgotten can be dropped; to accept it says
// what is missing and leaves it where it is.
func TestDecideWithoutCertificate(t *testing.T) {
	b := newBench(t)
	r := b.other.record(t, "fraud", indicator(1, "stranger.example"))
	b.receive(r)
	b.forget()
	id := r.ID().String()
	_, err := b.client.Decide(t.Context(), api.Decision{Subject: id, Accept: true})
	refused(t, err, reason.CertUnknown)
	if p := api.ProblemOf(err); !strings.Contains(p.Fix, "quarantine reject") || !strings.Contains(p.Detail, b.other.Certificate.Digest().String()) {
		t.Errorf("%q, %q", p.Detail, p.Fix)
	}
	if c := b.deps.Store.Counts(); c.HeldRecords != 1 {
		t.Fatalf("counts %+v", c)
	}
	out, err := b.client.Decide(t.Context(), api.Decision{Subject: id})
	ok(t, err)
	if c := b.deps.Store.Counts(); len(out.Items) != 1 || c.HeldRecords != 0 || c.Objects != 0 {
		t.Errorf("decided %+v, counts %+v", out, c)
	}
	_, err = b.client.Decide(t.Context(), api.Decision{Subject: id, Accept: true})
	refused(t, err, reason.NotFound)
}

// The author of a record without objects is known too.
func TestRecordWithoutObjects(t *testing.T) {
	b := newBench(t)
	r := b.other.identityRecord(t)
	b.receive(r)
	b.forget()
	shown, err := b.client.Record(t.Context(), r.ID().String())
	ok(t, err)
	if shown.Org != b.other.Org.String() || shown.Kind != int(protocol.KindIdentity) || len(shown.Objects) != 0 || shown.Objects == nil {
		t.Errorf("record %+v", shown)
	}
}

// identityRecord signs a record of the member's own chain, which holds no objects.
func (m member) identityRecord(t *testing.T) *protocol.Record {
	t.Helper()
	r, err := m.Record(protocol.Draft{
		Topic: protocol.TopicControl, Kind: protocol.KindIdentity, TLP: stix.Clear,
		Created: time.Now(), Expires: time.Now().Add(24 * time.Hour), Statements: m.Statements,
	})
	ok(t, err)
	return r
}

// A record that cannot be opened takes nothing from the search but itself, and is counted.
func TestSearchLeavesOutWhatItCannotOpen(t *testing.T) {
	b := newBench(t)
	b.publish(indicator(1, "a.example"))
	// The index says that there is an object, the bytes have none.
	leaf := storage.Leaf{Object: "indicator--" + uuid(9), Type: "indicator", Modified: time.Now(), State: storage.Accepted}
	ok(t, b.deps.Store.Accept(t.Context(), storage.Entry{
		Record: b.other.identityRecord(t), State: storage.Accepted, Received: time.Now(), From: "test", Leaves: []storage.Leaf{leaf},
	}))
	b.publish(indicator(2, "b.example"))
	list, err := b.client.Search(t.Context(), api.SearchParams{Query: "name"})
	ok(t, err)
	if len(list.Items) != 2 || list.Unreadable != 1 || list.Next != "" {
		t.Errorf("found %+v", list)
	}
	list, err = b.client.Search(t.Context(), api.SearchParams{Query: "name", Limit: 1})
	ok(t, err)
	next, err := b.client.Search(t.Context(), api.SearchParams{Query: "name", Limit: 1, Cursor: list.Next})
	ok(t, err)
	if len(list.Items) != 1 || len(next.Items) != 1 || list.Unreadable+next.Unreadable != 1 {
		t.Errorf("in pages: %+v, %+v", list, next)
	}
}
