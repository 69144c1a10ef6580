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
	"tocsin/protocol/reason"
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
	// came is when records come in.
	came time.Time
}

func newDesk(t testing.TB) *desk {
	t.Helper()
	s, err := storage.Open("", storage.Options{Memory: true})
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	p, err := policy.Open("", filepath.Join(t.TempDir(), "trust.toml"))
	must(t, err)
	self := newAuthor(t, "self")
	return &desk{Desk: New(Deps{Store: s, Policy: p, Own: self.Org}), t: t, self: self, came: now}
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
	why := reason.Code("")
	if state == storage.Held {
		why = reason.TrustUnknown
	}
	must(d.t, d.Store.Accept(context.Background(), storage.Entry{
		Record: r, State: state, Reason: why, Leaves: leaves, Received: d.came, From: storageFrom,
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

// answerID makes the id of the n-th opinion.
func answerID(n int) string { return fmt.Sprintf("opinion--%08x-0000-4000-8000-000000000000", n) }

// saying makes the leaf of an opinion or sighting about objects.
func saying(n int, voice storage.Voice, confidence int, about ...string) storage.Leaf {
	l := storage.Leaf{
		Object: answerID(n), Type: "opinion", Modified: now.AddDate(0, 0, -40), State: storage.Accepted, Voice: voice, Confidence: confidence,
	}
	for _, a := range about {
		l.Values = append(l.Values, pattern.Value{Observable: pattern.Observable{Type: pattern.ObjectRef, Value: a}, Alone: true})
	}
	return l
}

// explain explains one value.
func (d *desk) explain(value string) *api.Explanation {
	d.t.Helper()
	e, err := d.Explain(value, now)
	must(d.t, err)
	return e
}
