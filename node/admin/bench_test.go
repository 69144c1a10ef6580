package admin

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tocsin/node/access"
	"tocsin/node/admin/api"
	"tocsin/node/audit"
	"tocsin/node/belief"
	"tocsin/node/identity"
	"tocsin/node/intake"
	"tocsin/node/outbox"
	"tocsin/node/policy"
	"tocsin/node/settings"
	"tocsin/node/standing"
	"tocsin/node/warnings"
	"tocsin/protocol"
	"tocsin/protocol/protocoltest"
	"tocsin/protocol/reason"
	"tocsin/protocol/stix"
	"tocsin/storage"
)

const network = "test"

// Two peers, alike in the first eight characters of their ids.
const (
	peerA = "12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5"
	peerB = "12D3KooWJWoaqZhDaoEFshF7Rh1bpY9ohihFhzcW6d69Lr2NASuq"
)

// bench is a node without a network: real store, intake, trust list, outbox and
// desk behind the admin port, a mesh of plain values, and another organisation.
type bench struct {
	t      *testing.T
	deps   Deps
	mesh   *fakeMesh
	client *api.Client
	other  member
}

// member is an organisation that can sign.
type member struct{ *protocoltest.Author }

func newMember(t *testing.T, name string) member {
	t.Helper()
	a, err := protocoltest.Found(network, name, time.Now(), rand.Reader)
	ok(t, err)
	return member{a}
}

// record signs objects for a topic.
func (m member) record(t *testing.T, topic string, objects ...string) *protocol.Record {
	t.Helper()
	where, err := protocol.ParseTopic(topic)
	ok(t, err)
	d := protocol.Draft{Topic: where, Kind: protocol.KindObjects, TLP: stix.Green, Created: time.Now(), Expires: time.Now().Add(24 * time.Hour)}
	for _, o := range objects {
		d.Objects = append(d.Objects, []byte(o))
	}
	r, err := m.Record(d)
	ok(t, err)
	return r
}

// newBench serves a node of its own on a socket until the test ends.
func newBench(t *testing.T) *bench {
	t.Helper()
	dir := t.TempDir()
	own, other := newMember(t, "Own CERT"), newMember(t, "Other CERT")
	ok(t, identity.WriteOwn(dir, own.Statements))
	book, err := identity.Open(filepath.Join(dir, "identity.cbor"), network)
	ok(t, err)
	if _, errs := book.Add(other.Statements...); len(errs) > 0 {
		t.Fatal(errs)
	}
	store, err := storage.Open("", storage.Options{Memory: true})
	ok(t, err)
	written, err := audit.Open(filepath.Join(dir, "audit.log"))
	ok(t, err)
	list, err := policy.OpenAudited(filepath.Join(dir, "operator.toml"), filepath.Join(dir, "trust.toml"), written)
	ok(t, err)
	set, err := settings.Open(dir)
	ok(t, err)
	stands, err := standing.Open(filepath.Join(dir, "standing.json"), book.Chains)
	ok(t, err)
	in := intake.New(intake.Deps{Store: store, Policy: list, Identity: book, Standing: stands, Own: own.Org})
	lists, err := warnings.Open(filepath.Join(dir, "warninglists"))
	ok(t, err)
	b := &bench{t: t, mesh: newFakeMesh(), other: other}
	out := outbox.New(store, in, book, own.Org, own.Key, b.mesh)
	b.deps = Deps{
		Self: Self{
			Org: own.Org, Node: own.Key.Public().ID().String(), PeerID: "12D3KooWOwn", Name: "Own CERT",
			Country: "PT", Network: network, Version: "test", Started: time.Now(),
		},
		Store: store, Policy: list, Identity: book, Settings: set, Intake: in, Mesh: b.mesh.functions(),
		Desk:    belief.New(belief.Deps{Store: store, Policy: list, Own: own.Org}),
		Actions: Actions{Publish: out.Publish, Preview: out.Preview},
		Running: func() bool { return true },
		Audit:   written,
		Books:   Books{Warnings: lists},
	}
	b.client = serve(t, b.deps)
	t.Cleanup(func() { ok(t, errors.Join(store.Close(), written.Close())) })
	return b
}

// serve runs the admin port on a short path and returns a client for it.
func serve(t *testing.T, d Deps) *api.Client {
	t.Helper()
	dir, err := os.MkdirTemp("", "adm")
	ok(t, err)
	socket := filepath.Join(dir, "admin.sock")
	s, err := New(socket, d)
	ok(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	c := api.NewClient(socket)
	t.Cleanup(func() {
		c.Close()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
		ok(t, s.Close())
		ok(t, os.RemoveAll(dir))
	})
	return c
}

// receive puts a foreign record through intake, as gossip would.
func (b *bench) receive(r *protocol.Record) {
	b.t.Helper()
	_, err := b.deps.Intake.Receive(b.t.Context(), r, "12D3KooWPeer")
	ok(b.t, err)
}

// publish sends a bundle of objects through the port.
func (b *bench) publish(objects ...string) *api.PublishResult {
	b.t.Helper()
	res, err := b.client.Publish(b.t.Context(), api.PublishParams{Topic: "fraud", Confidence: -1}, strings.NewReader(feedIn(objects...)), -1, nil)
	ok(b.t, err)
	return res
}

func feedIn(objects ...string) string {
	return `{"type":"bundle","id":"bundle--` + uuid(0) + `","objects":[` + strings.Join(objects, ",") + `]}`
}

// uuid gives ids that differ in their first eight digits.
func uuid(n int) string { return fmt.Sprintf("%08x-58d2-4f0f-8a53-1e8f5c1b0a00", n) }

// indicator is a valid indicator; spaces in it must survive untouched.
func indicator(n int, value string) string {
	return fmt.Sprintf(`{"type": "indicator","spec_version":"2.1","id":"indicator--%s","created":"2026-01-01T00:00:00.000Z",`+
		`"modified":"2026-01-01T00:00:00.000Z","pattern":"[domain-name:value = '%s']","pattern_type":"stix","valid_from":"2026-01-01T00:00:00Z","name":"Name %d"}`,
		uuid(n), value, n)
}

// fakeMesh is a mesh of plain values. It implements outbox.Announcer.
type fakeMesh struct {
	mu        sync.Mutex // guards all fields
	peers     []PeerInfo
	topics    map[protocol.Topic]bool
	announced []protocol.RecordID
	fail      error // of Connect
}

func newFakeMesh() *fakeMesh {
	m := &fakeMesh{topics: map[protocol.Topic]bool{}}
	for _, t := range protocol.DefaultTopics() {
		if s := t.String(); s == "control" || s == "drill" || s == "fraud" || s == "malicious-code" {
			m.topics[t] = true
		}
	}
	return m
}

func (m *fakeMesh) Announce(_ context.Context, r *protocol.Record) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.announced = append(m.announced, r.ID())
	return nil
}

func (m *fakeMesh) functions() Mesh {
	return Mesh{
		Addrs:      func() []string { return []string{"/ip4/192.0.2.1/tcp/8469/p2p/12D3KooWOwn"} },
		Peers:      m.list,
		Topics:     m.joined,
		Readers:    m.reading,
		Connect:    m.connect,
		Disconnect: m.disconnect,
		Join:       func(t protocol.Topic) error { return m.set(t, true) },
		Leave:      func(t protocol.Topic) error { return m.set(t, false) },
		Waiting:    func() int { return 3 },
	}
}

func (m *fakeMesh) list() []PeerInfo {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.peers)
}

// reading are all connected peers.
func (m *fakeMesh) reading(protocol.Topic) (ids []string) {
	for _, p := range m.list() {
		if p.Connected {
			ids = append(ids, p.ID)
		}
	}
	return ids
}

func (m *fakeMesh) joined() (out []TopicInfo) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for t := range m.topics {
		out = append(out, TopicInfo{Topic: t, Peers: 1})
	}
	slices.SortFunc(out, func(a, b TopicInfo) int { return strings.Compare(a.Topic.String(), b.Topic.String()) })
	return out
}

func (m *fakeMesh) connect(_ context.Context, addr string) (string, error) {
	by, id, _ := strings.Cut(addr, "/p2p/")
	m.mu.Lock()
	defer m.mu.Unlock()
	if slices.ContainsFunc(m.peers, func(p PeerInfo) bool { return p.ID == id && p.Connected }) {
		return id, nil
	}
	m.peers = append(m.peers, PeerInfo{ID: id, Addrs: []string{by}, Kept: true, Connected: m.fail == nil})
	if m.fail != nil {
		return "", m.fail
	}
	return id, nil
}

func (m *fakeMesh) disconnect(id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	before := len(m.peers)
	m.peers = slices.DeleteFunc(m.peers, func(p PeerInfo) bool { return p.ID == id })
	if len(m.peers) == before {
		return reason.New(reason.NotFound, "no peer "+id)
	}
	return nil
}

func (m *fakeMesh) set(t protocol.Topic, joined bool) error {
	if t == protocol.TopicControl && !joined {
		return reason.New(reason.Conflict, "control cannot be left")
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.topics, t)
	if joined {
		m.topics[t] = true
	}
	return nil
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// refused holds an error against the code it must carry.
func refused(t *testing.T, err error, code reason.Code) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %s", code)
	}
	if p := api.ProblemOf(err); p.Code != string(code) || p.Detail == "" {
		raw, _ := json.Marshal(p)
		t.Fatalf("problem %s, want code %s", raw, code)
	}
}

// asOwner has a handler believe that whoever asks is the owner.
func asOwner(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r.WithContext(access.With(r.Context(), access.Principal{Role: access.Owner})))
	})
}
