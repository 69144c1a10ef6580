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
	"tocsin/protocol/protocoltest"
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

func newAuthor(t testing.TB, name string) *protocoltest.Author {
	t.Helper()
	a, err := protocoltest.Found(network, name, now, rand.Reader)
	must(t, err)
	return a
}

// desk is a desk with a store and a trust list to fill.
type desk struct {
	*Desk
	t    testing.TB
	self *protocoltest.Author
}

func newDesk(t testing.TB) *desk {
	t.Helper()
	s, err := storage.Open("", storage.Options{Memory: true})
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	p, err := policy.Open("", filepath.Join(t.TempDir(), "trust.toml"))
	must(t, err)
	self := newAuthor(t, "self")
	return &desk{Desk: New(Deps{Store: s, Policy: p, Own: self.Org}), t: t, self: self}
}

func (d *desk) list(a *protocoltest.Author, petname string, level trust.Level) {
	d.t.Helper()
	must(d.t, d.Policy.Set(trust.Entry{Org: a.Org, Petname: petname, Level: level, Expires: now.AddDate(0, 0, 300)}))
}

// publish stores one record of the author with these leaves, created at the given time.
func (d *desk) publish(a *protocoltest.Author, state storage.State, created time.Time, leaves ...storage.Leaf) *protocol.Record {
	d.t.Helper()
	return d.publishFrom(a, "", state, created, leaves...)
}

// publishFrom is publish with an upstream label.
func (d *desk) publishFrom(a *protocoltest.Author, upstream string, state storage.State, created time.Time, leaves ...storage.Leaf) *protocol.Record {
	d.t.Helper()
	topic, err := protocol.ParseTopic("malicious-code")
	must(d.t, err)
	draft := protocol.Draft{
		Topic: topic, Kind: protocol.KindObjects, Created: created, Expires: now.AddDate(0, 0, 60), TLP: stix.Green, Upstream: upstream,
	}
	for _, l := range leaves {
		draft.Objects = append(draft.Objects, fmt.Appendf(nil, `{"id":%q,"modified":%q}`, l.Object, l.Modified))
	}
	r, err := a.Record(draft)
	must(d.t, err)
	must(d.t, d.Store.Accept(context.Background(), storage.Entry{
		Record: r, State: state, Leaves: leaves, Received: now, From: storageFrom,
	}))
	return r
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
