package upkeep

import (
	"context"
	"crypto/rand"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"tocsin/node/audit"
	"tocsin/node/breaker"
	"tocsin/node/identity"
	"tocsin/node/intake"
	"tocsin/node/keystore"
	"tocsin/node/outbox"
	"tocsin/node/pledges"
	"tocsin/node/policy"
	"tocsin/node/review"
	"tocsin/node/standing"
	"tocsin/protocol"
	"tocsin/protocol/protocoltest"
	"tocsin/protocol/stix"
	"tocsin/protocol/trust"
	"tocsin/storage"
)

const testNetwork = "test"

// silence is a mesh that takes everything.
type silence struct{}

func (silence) Announce(context.Context, *protocol.Record) error { return nil }

// household is a keeper with what it keeps.
type household struct {
	*Keeper
}

func newHousehold(t *testing.T) *household {
	t.Helper()
	dir := t.TempDir()
	keys, founder, err := keystore.Create(dir)
	check(t, err)
	peer, err := keys.PeerID()
	check(t, err)
	statements, err := identity.Found(testNetwork, identity.Profile{Name: "Keeper", Country: "FI"}, keys, founder, []byte(peer), time.Now())
	check(t, err)
	check(t, identity.WriteOwn(dir, statements))
	chains, err := identity.Open(filepath.Join(dir, "identity.cbor"), testNetwork)
	check(t, err)
	book, err := policy.Open("", filepath.Join(dir, "trust.toml"))
	check(t, err)
	store, err := storage.Open("", storage.Options{Memory: true, Network: testNetwork})
	check(t, err)
	t.Cleanup(func() { check(t, store.Close()) })
	own := statements[0].Org()
	stands, err := standing.Open(filepath.Join(dir, "standing.json"), chains.Chains)
	check(t, err)
	stands.Attach(standing.Surroundings{Own: own})
	chains.Notify(stands.Learned)
	h := &household{}
	books := Books{Policy: book, Identity: chains, Standing: stands, Pledges: pledges.New(store, chains.Chains)}
	books.Audit, err = audit.Open(filepath.Join(dir, "audit.log"))
	check(t, err)
	t.Cleanup(func() { check(t, books.Audit.Close()) })
	books.Review, err = review.Open(filepath.Join(dir, "review.json"))
	check(t, err)
	books.Breakers = breaker.Open(filepath.Join(dir, "breakers.json"), stands, func(trip standing.Trip) { h.Tripped(trip) })
	in := intake.New(intake.Deps{
		Store: store, Policy: book, Identity: chains, Standing: stands, Breakers: books.Breakers, Own: own,
		Told: intake.Told{
			Equivocated: func(f *protocol.ForkProof, body []byte) { h.Equivocated(f, body) },
			Forked:      func(f *protocol.ForkProof) { h.Forked(f) },
			Pledged:     func() { h.Pledged() },
		},
	})
	out := outbox.New(store, in, chains, own, keys.Record, silence{})
	h.Keeper = New(Deps{Store: store, Intake: in, Outbox: out, Own: own, Books: books})
	return h
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// run lets the keeper work for some virtual time.
func (h *household) run(t *testing.T, d time.Duration, during func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	time.Sleep(d / 2)
	if during != nil {
		during()
	}
	time.Sleep(d / 2)
	cancel()
	check(t, <-done)
}

// TestTrustChange: held records come out when their author is listed, without
// anybody asking; and what has expired goes within the hour.
func TestTrustChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHousehold(t)
		author, err := protocoltest.Found(testNetwork, "Author", time.Now().Truncate(time.Millisecond), rand.Reader)
		check(t, err)
		if _, errs := h.d.Identity.Add(author.Statements...); len(errs) > 0 {
			t.Fatal(errs)
		}
		r, err := author.Record(protocol.Draft{Topic: protocol.TopicDrill, Kind: protocol.KindObjects, TLP: stix.Green, Expires: time.Now().Add(3 * time.Hour),
			Objects: [][]byte{[]byte(`{"type":"ipv4-addr","spec_version":"2.1","id":"ipv4-addr--ff26c055-6336-5bc5-b98d-13d6226742dd","value":"198.51.100.3"}`)}})
		check(t, err)
		_, err = h.d.Intake.Receive(context.Background(), r, "peer")
		check(t, err)
		h.run(t, time.Minute, func() {
			if c := h.d.Store.Counts(); c.Held != 1 {
				t.Errorf("before: %+v", c)
			}
			check(t, h.d.Policy.Set(trust.Entry{Org: author.Org, Petname: "Author", Level: trust.Partner, Expires: time.Now().AddDate(0, 6, 0)}))
		})
		if c := h.d.Store.Counts(); c.Held != 0 || c.Objects != 1 {
			t.Errorf("after listing: %+v", c)
		}
		h.run(t, 5*time.Hour, nil)
		if c := h.d.Store.Counts(); c.Objects != 0 || h.d.Store.Has(r.ID()) {
			t.Errorf("two hours after its end: %+v, still there: %v", c, h.d.Store.Has(r.ID()))
		}
	})
}
