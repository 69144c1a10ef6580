package custody

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"tocsin/node/audit"
	"tocsin/node/breaker"
	"tocsin/node/identity"
	"tocsin/node/intake"
	"tocsin/node/keystore"
	"tocsin/node/outbox"
	"tocsin/node/policy"
	"tocsin/node/standing"
	"tocsin/protocol"
	"tocsin/protocol/stix"
	"tocsin/storage"
)

const testNetwork = "test"

// house is an office with what it works with.
type house struct {
	*Office
	t       *testing.T
	dir     string
	founder *keystore.Founder
	intake  *intake.Pipeline

	mu        sync.Mutex // guards what follows while Run runs
	announced []*protocol.Record
	noted     []audit.Event
	deny      error // what the audit log answers
	objects   int   // published so far, so that no two are alike
}

// Announce is the mesh's part.
func (h *house) Announce(_ context.Context, r *protocol.Record) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.announced = append(h.announced, r)
	return nil
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{t: t, dir: t.TempDir()}
	keys, founder, err := keystore.Create(h.dir)
	check(t, err)
	h.founder = founder
	peer, err := keys.PeerID()
	check(t, err)
	statements, err := identity.Found(testNetwork, identity.Profile{Name: "Custodian", Country: "FI"}, keys, founder, []byte(peer), time.Now())
	check(t, err)
	state := filepath.Join(h.dir, "state")
	check(t, os.Mkdir(state, 0o700))
	check(t, identity.WriteOwn(state, statements))
	h.open(keys, statements[0].Org())
	return h
}

// open wires everything over an empty store in memory, as a start does.
func (h *house) open(keys *keystore.Keys, own protocol.OrgID) {
	h.t.Helper()
	chains, err := identity.Open(filepath.Join(h.dir, "state", "identity.cbor"), testNetwork)
	check(h.t, err)
	book, err := policy.Open("", filepath.Join(h.dir, "trust.toml"))
	check(h.t, err)
	store, err := storage.Open("", storage.Options{Memory: true, Network: testNetwork})
	check(h.t, err)
	h.t.Cleanup(func() { check(h.t, store.Close()) })
	stands, err := standing.Open(filepath.Join(h.dir, "standing.json"), chains.Chains)
	check(h.t, err)
	stands.Attach(standing.Surroundings{Own: own})
	in := intake.New(intake.Deps{
		Store: store, Policy: book, Identity: chains, Standing: stands, Own: own,
		Breakers: breaker.Open(filepath.Join(h.dir, "breakers.json"), stands, func(standing.Trip) {}),
	})
	h.intake = in
	out := outbox.New(store, in, chains, own, keys.Record, h)
	h.Office, err = New(Deps{
		Data: h.dir, Store: store, Identity: chains, Outbox: out, Keys: keys, Own: own, Announce: h.Announce,
		Note: func(_ context.Context, e audit.Event) error {
			h.mu.Lock()
			defer h.mu.Unlock()
			if h.deny == nil {
				h.noted = append(h.noted, e)
			}
			return h.deny
		},
	})
	check(h.t, err)
	out.Guard(outbox.Safety{Replace: h.Replace, Ends: h.Ends})
}

// restart is the outbox of another run, with the notes that the last one left.
func (h *house) restart(notes *outbox.Reservations) *outbox.Publisher {
	out := outbox.New(h.d.Store, h.intake, h.d.Identity, h.d.Own, h.keys.Record, h)
	out.Guard(outbox.Safety{Reservations: notes, Replace: h.Replace, Ends: h.Ends})
	return out
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (h *house) prepare() {
	h.t.Helper()
	check(h.t, h.Prepare(context.Background()))
}

// publish puts one object on a topic.
func (h *house) publish(topic protocol.Topic) error {
	h.objects++
	res, err := h.d.Outbox.Publish(context.Background(), outbox.Request{Topic: topic, TLP: stix.Green, Confidence: -1, Data: fmt.Appendf(nil,
		`{"type":"indicator","spec_version":"2.1","id":"indicator--00000000-0000-4000-8000-%012d","created":"2026-01-01T00:00:00.000Z","modified":"2026-01-01T00:00:00.000Z","pattern":"[domain-name:value = 'h%d.example']","pattern_type":"stix","valid_from":"2026-01-01T00:00:00Z"}`,
		h.objects, h.objects)})
	if err == nil && res.Objects != 1 {
		h.t.Errorf("%d objects went out: %+v", res.Objects, res.Skipped)
	}
	return err
}

func (h *house) org() *protocol.Org {
	h.t.Helper()
	org, _, err := h.Own()
	check(h.t, err)
	return org
}

// actions lists what was noted.
func (h *house) actions() (list []string) {
	for _, e := range h.noted {
		list = append(list, e.Action)
	}
	return list
}
