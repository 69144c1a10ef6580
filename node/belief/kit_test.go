package belief

import (
	"context"
	"crypto/rand"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"tocsin/node/admin/api"
	"tocsin/node/policy"
	"tocsin/protocol"
	"tocsin/protocol/pattern"
	"tocsin/protocol/stix"
	"tocsin/protocol/trust"
	"tocsin/storage"
)

const network = "test"

// now is the present of the tests. Entries of the trust list hold by the real
// clock too, which policy looks at; belief gets the time it is told.
var now = time.Now().UTC().Truncate(time.Second)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// author is an organisation with one node that signs records.
type author struct {
	org  protocol.OrgID
	cert *protocol.Certificate
	key  *protocol.PrivateKey
	head *protocol.Record
}

func newAuthor(t testing.TB, name string) *author {
	t.Helper()
	gen := func() *protocol.PrivateKey {
		k, err := protocol.GenerateKey(protocol.EdDSA, rand.Reader)
		must(t, err)
		return k
	}
	root, next, operations, key := gen(), gen(), gen(), gen()
	genesis, err := protocol.SignGenesis(network, protocol.Genesis{
		Name: name, Country: "FI", Sector: "national-cert", Contacts: []string{"mailto:cert@example.org"},
		Roots: []protocol.PublicKey{root.Public()}, Threshold: 1,
		Next: []protocol.KeyID{next.Public().ID()}, NextThreshold: 1, Created: now.AddDate(0, -6, 0),
	}, root)
	must(t, err)
	delegation, err := protocol.SignOperations(network, protocol.Operations{
		Org: genesis.Org(), RootVersion: 1, Serial: 1, Key: operations.Public(),
		NotBefore: now.AddDate(0, -6, 0), NotAfter: now.AddDate(0, 6, 0),
	}, root)
	must(t, err)
	statement, err := protocol.SignCertificate(network, protocol.Certificate{
		Org: genesis.Org(), Serial: 1, RecordKey: key.Public(), PeerIDs: [][]byte{[]byte("peer of " + name)},
		MaxTLP: stix.Red, NotBefore: now.AddDate(0, 0, -80), NotAfter: now.AddDate(0, 0, 9),
	}, operations)
	must(t, err)
	chains, _, errs := protocol.NewChains(network).With(genesis, delegation, statement)
	if len(errs) > 0 {
		t.Fatalf("chain of %s: %v", name, errs)
	}
	cert, ok := chains.Certificate(statement.Digest())
	if !ok {
		t.Fatalf("the chain of %s lacks its certificate", name)
	}
	return &author{org: genesis.Org(), cert: cert, key: key}
}

// desk is a desk with a store and a trust list to fill.
type desk struct {
	*Desk
	t    testing.TB
	self *author
}

func newDesk(t testing.TB) *desk {
	t.Helper()
	s, err := storage.Open("", storage.Options{Memory: true})
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	p, err := policy.Open("", filepath.Join(t.TempDir(), "trust.toml"))
	must(t, err)
	self := newAuthor(t, "self")
	return &desk{Desk: New(s, p, self.org), t: t, self: self}
}

func (d *desk) list(a *author, petname string, level trust.Level) {
	d.t.Helper()
	must(d.t, d.policy.Set(trust.Entry{Org: a.org, Petname: petname, Level: level, Expires: now.AddDate(0, 0, 300)}))
}

// publish stores one record of the author with these leaves, created at the given time.
func (d *desk) publish(a *author, state storage.State, created time.Time, leaves ...storage.Leaf) {
	d.t.Helper()
	topic, err := protocol.ParseTopic("malicious-code")
	must(d.t, err)
	draft := protocol.Draft{
		Topic: topic, Kind: protocol.KindObjects, Sequence: 1, Created: created, Expires: now.AddDate(0, 0, 60),
		TLP: stix.Green, Rand: rand.Reader,
	}
	if a.head != nil {
		draft.Sequence, draft.Previous = a.head.Header().Sequence+1, a.head.ID()
	}
	for _, l := range leaves {
		draft.Objects = append(draft.Objects, fmt.Appendf(nil, `{"id":%q,"modified":%q}`, l.Object, l.Modified))
	}
	r, err := protocol.Sign(network, draft, a.cert, a.key)
	must(d.t, err)
	a.head = r
	must(d.t, d.store.Accept(context.Background(), storage.Entry{
		Record: r, State: state, Leaves: leaves, Received: now, From: storageFrom,
	}))
}

const storageFrom = "local"

// id makes the n-th indicator id.
func id(n int) string { return fmt.Sprintf("indicator--%08x-0000-4000-8000-000000000000", n) }

// claim makes the leaf of an indicator that names the values, each alone.
func claim(n int, confidence int, values ...string) storage.Leaf {
	l := storage.Leaf{
		Object: id(n), Type: "indicator", Modified: now.AddDate(0, 0, -40), State: storage.Accepted,
		Claim: true, Confidence: confidence, ValidFrom: now.AddDate(0, 0, -40),
	}
	for _, v := range values {
		l.Values = append(l.Values, pattern.Value{Observable: pattern.Refang(v), Alone: true})
	}
	return l
}

func changed(l storage.Leaf, change func(*storage.Leaf)) storage.Leaf {
	change(&l)
	return l
}

// ask checks one value.
func (d *desk) ask(value string) api.CheckItem {
	d.t.Helper()
	items, err := d.Check([]string{value}, now)
	must(d.t, err)
	if len(items) != 1 {
		d.t.Fatalf("%d answers to one question", len(items))
	}
	return items[0]
}
