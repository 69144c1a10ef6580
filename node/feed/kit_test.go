package feed

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"tocsin/node/audit"
	"tocsin/protocol"
	"tocsin/protocol/protocoltest"
	"tocsin/protocol/reason"
	"tocsin/protocol/stix"
	"tocsin/storage"
)

// kit is a hub on a store and an audit log of its own.
type kit struct {
	t      testing.TB
	store  *storage.Store
	log    *audit.Log
	author *protocoltest.Author
	topic  protocol.Topic
	made   int
}

func newKit(t testing.TB) *kit {
	t.Helper()
	store, err := storage.Open("", storage.Options{Memory: true})
	must(t, err)
	log, err := audit.Open(filepath.Join(t.TempDir(), "audit.log"))
	must(t, err)
	t.Cleanup(func() { must(t, errors.Join(store.Close(), log.Close())) })
	author, err := protocoltest.Found("test", "Some CERT", time.Now(), rand.Reader)
	must(t, err)
	topic, err := protocol.ParseTopic("fraud")
	must(t, err)
	return &kit{t: t, store: store, log: log, author: author, topic: topic}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (k *kit) hub() *Hub { return New(Sources{Store: k.store, Audit: k.log}) }

// change makes n changes.
func (k *kit) change(n int) {
	k.t.Helper()
	for range n {
		k.made++
		r, err := k.author.Record(protocol.Draft{
			Topic: k.topic, Kind: protocol.KindObjects, TLP: stix.Green, Created: time.Now(), Expires: time.Now().Add(time.Hour),
			Objects: [][]byte{fmt.Appendf(nil, `{"type":"x-test","id":"x-test--%08d-0000-4000-8000-000000000000"}`, k.made)},
		})
		must(k.t, err)
		must(k.t, k.store.Accept(context.Background(), storage.Entry{Record: r, Leaves: make([]storage.Leaf, 1), State: storage.Accepted, Received: time.Now()}))
	}
}

// write makes n audit entries.
func (k *kit) write(n int) {
	k.t.Helper()
	for range n {
		_, err := k.log.Append(context.Background(), audit.Event{Action: "test.done", Target: "it"})
		must(k.t, err)
	}
}

func (k *kit) follow(h *Hub, cursor string, kinds ...string) *Reader {
	k.t.Helper()
	r, err := h.Follow(cursor, kinds...)
	must(k.t, err)
	return r
}

// next reads what is there.
func (k *kit) next(r *Reader) []Event {
	k.t.Helper()
	events, err := r.Next(context.Background(), time.Millisecond)
	must(k.t, err)
	return events
}

// all reads until nothing comes.
func (k *kit) all(r *Reader) (out []Event) {
	k.t.Helper()
	for {
		events := k.next(r)
		if len(events) == 0 {
			return out
		}
		out = append(out, events...)
	}
}

// gapOf is the gap that an event is.
func (k *kit) gapOf(e Event) Gap {
	k.t.Helper()
	g, ok := e.Data.(Gap)
	if !ok || e.Kind != KindGap {
		k.t.Fatalf("event %+v is no gap", e)
	}
	return g
}

// turn makes moments of a kind happen.
func turn(h *Hub, n int, kind string, at time.Time) {
	all := make([]moment, n)
	for i := range all {
		all[i] = moment{at: at, kind: kind, turn: Turn{Name: fmt.Sprint(i), Now: i}}
	}
	h.live.add(all, at)
}

func refused(t testing.TB, err error, code reason.Code) {
	t.Helper()
	if reason.Of(err) != code {
		t.Errorf("error %v, want %s", err, code)
	}
}
