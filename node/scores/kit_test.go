package scores

import (
	"context"
	"crypto/rand"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"tocsin/node/policy"
	"tocsin/protocol"
	"tocsin/protocol/pattern"
	"tocsin/protocol/protocoltest"
	"tocsin/protocol/stix"
	"tocsin/protocol/trust"
	"tocsin/storage"
)

const (
	network = "test"
	topic   = "malicious-code"
	bad     = "bad.example"
)

// now is the present of the tests; records come in at times around it.
var now = time.Now().UTC().Truncate(time.Second)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// kit is a store with a trust list and a book that follows it.
type kit struct {
	*Book
	t     testing.TB
	dir   string
	hooks Hooks
	by    map[string]*protocoltest.Author
}

func newKit(t testing.TB) *kit {
	t.Helper()
	s, err := storage.Open("", storage.Options{Memory: true})
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	p, err := policy.Open("", filepath.Join(t.TempDir(), "trust.toml"))
	must(t, err)
	k := &kit{t: t, dir: t.TempDir(), by: map[string]*protocoltest.Author{}}
	own := k.author("own", trust.Unknown, nil)
	k.Book = &Book{Deps: Deps{Store: s, Policy: p, Own: own.Org}}
	k.reopen()
	return k
}

// reopen opens the book anew, as a restart does.
func (k *kit) reopen() {
	k.t.Helper()
	d := k.Deps
	d.Hooks = k.hooks
	b, err := Open(filepath.Join(k.dir, "scores.json"), d)
	must(k.t, err)
	k.Book = b
}

// author founds an organisation and lists it.
func (k *kit) author(name string, level trust.Level, list *policy.Book) *protocoltest.Author {
	k.t.Helper()
	a, err := protocoltest.Found(network, name, now, rand.Reader)
	must(k.t, err)
	k.by[name] = a
	if list != nil {
		must(k.t, list.Set(trust.Entry{Org: a.Org, Petname: name, Level: level, Expires: time.Now().AddDate(0, 0, 300)}))
	}
	return a
}

func (k *kit) list(name string, level trust.Level) { k.t.Helper(); k.author(name, level, k.Policy) }

// relist changes a level.
func (k *kit) relist(name string, level trust.Level) {
	k.t.Helper()
	must(k.t, k.Policy.Set(trust.Entry{Org: k.by[name].Org, Petname: name, Level: level, Expires: time.Now().AddDate(0, 0, 300)}))
}

// send stores a record of leaves that came some minutes after now.
func (k *kit) send(name string, minute int, leaves ...storage.Leaf) protocol.RecordID {
	k.t.Helper()
	return k.sendFrom(name, "", minute, leaves...)
}

func (k *kit) sendFrom(name, upstream string, minute int, leaves ...storage.Leaf) protocol.RecordID {
	k.t.Helper()
	where, err := protocol.ParseTopic(topic)
	must(k.t, err)
	d := protocol.Draft{
		Topic: where, Kind: protocol.KindObjects, Created: now.Add(time.Duration(minute) * time.Minute), Expires: now.AddDate(0, 0, 60), TLP: stix.Green, Upstream: upstream,
	}
	for _, l := range leaves {
		d.Objects = append(d.Objects, fmt.Appendf(nil, `{"id":%q}`, l.Object))
	}
	r, err := k.by[name].Record(d)
	must(k.t, err)
	state := storage.Accepted
	if name != "own" && !k.Policy.List().Listed(k.by[name].Org) {
		state = storage.Held
	}
	must(k.t, k.Store.Accept(context.Background(), storage.Entry{
		Record: r, State: state, Leaves: leaves, Received: now.Add(time.Duration(minute) * time.Minute), From: "peer",
	}))
	return r.ID()
}

// catchUp looks at all that is new.
func (k *kit) catchUp() {
	k.t.Helper()
	for {
		n, err := k.step(now)
		must(k.t, err)
		if n == 0 {
			return
		}
	}
}

// card is one organisation's card.
func (k *kit) card(name string) Card {
	k.t.Helper()
	cards := k.Cards(k.by[name].Org, now)
	if len(cards) == 0 {
		return Card{}
	}
	if len(cards) > 1 {
		k.t.Fatalf("%d cards of %s", len(cards), name)
	}
	return cards[0]
}

// marks writes a card's counts: objects, unique, confirmed, refuted, withdrawn.
func (k *kit) marks(name string) string {
	k.t.Helper()
	c := k.card(name)
	return fmt.Sprintf("%d/%d +%d -%d w%d", c.Work.Objects, c.Work.Unique, c.Ledger.Confirmed, c.Ledger.Refuted, c.Ledger.Withdrawn)
}

// id makes the n-th indicator id.
func id(n int) string { return fmt.Sprintf("indicator--%08x-0000-4000-8000-000000000000", n) }

// claim makes the leaf of an indicator that names values.
func claim(n int, values ...string) storage.Leaf {
	l := storage.Leaf{
		Object: id(n), Type: "indicator", Modified: now.AddDate(0, 0, -40), State: storage.Accepted, Claim: true, Confidence: 80,
	}
	for _, v := range values {
		l.Values = append(l.Values, pattern.Value{Observable: pattern.Refang(v), Alone: true})
	}
	return l
}

// opinion makes the leaf of an opinion about objects.
func opinion(n int, voice storage.Voice, about ...string) storage.Leaf {
	l := storage.Leaf{
		Object: fmt.Sprintf("opinion--%08x-0000-4000-8000-000000000000", n), Type: "opinion", Modified: now.AddDate(0, 0, -1),
		State: storage.Accepted, Voice: voice, Confidence: -1,
	}
	for _, a := range about {
		l.Values = append(l.Values, pattern.Value{Observable: pattern.Observable{Type: pattern.ObjectRef, Value: a}, Alone: true})
	}
	return l
}

// version makes a newer version of a leaf.
func version(l storage.Leaf, minute int) storage.Leaf {
	l.Modified = now.Add(time.Duration(minute) * time.Minute)
	return l
}

// revoked makes the version that takes a leaf back.
func revoked(l storage.Leaf, minute int) storage.Leaf {
	l = version(l, minute)
	l.Revoked = true
	return l
}
