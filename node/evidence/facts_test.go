package evidence

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tocsin/node/audit"
	"tocsin/node/tlog"
	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/storage"
)

var when = time.Date(2026, 5, 4, 10, 11, 12, 13_000_000, time.UTC)

// EVD-01: a fact says when and from whom, whatever form the source has; one that is too long is cut.
func TestFactForms(t *testing.T) {
	org := protocol.OrgID{1, 2, 3}
	for from, want := range map[string]string{
		"local": "local",
		"":      "",
		"12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN": "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN",
		"bundle:" + org.String():                               "bundle:" + org.String(),
		org.String():                                           org.String(),
		strings.Repeat("p", factPrefix) + org.String():         strings.Repeat("p", factPrefix) + org.String(),
		strings.Repeat("p", factPrefix+1) + org.String():       strings.Repeat("p", factPrefix+1) + org.String()[:factSource-factPrefix-1-len(cutMark)] + cutMark,
		strings.Repeat("x", factSource):                        strings.Repeat("x", factSource),
		strings.Repeat("x", factSource+1):                      strings.Repeat("x", factSource-len(cutMark)) + cutMark,
		strings.Repeat("ü", factSource):                        strings.Repeat("ü", (factSource-len(cutMark))/2) + cutMark,
		"bundle:" + strings.ToUpper(org.String()):              strings.ToUpper("") + ("bundle:" + strings.ToUpper(org.String()))[:factSource-len(cutMark)] + cutMark,
		"a\xffb": "a?b",
	} {
		for _, by := range []protocol.OrgID{{}, {9}} {
			f := Fact{Record: protocol.RecordID{5}, Seen: when, From: from, By: by}
			raw := encodeFact(f, by != (protocol.OrgID{}))
			got, err := decodeFact(raw)
			f.From = want
			if err != nil || got != f {
				t.Errorf("%q by %v: %+v, %v", from, by, got, err)
			}
		}
	}
}

func TestMalformedFacts(t *testing.T) {
	good := encodeFact(Fact{Record: protocol.RecordID{5}, Seen: when, From: "local"}, false)
	for name, change := range map[string]func([]byte) []byte{
		"short":                     func(b []byte) []byte { return b[:factBytes-1] },
		"between own and told":      func(b []byte) []byte { return append(b, 0) },
		"beyond all times":          func(b []byte) []byte { b[33] = 1; return b },
		"an unknown form":           func(b []byte) []byte { b[40] = 2; return b },
		"longer than there is":      func(b []byte) []byte { b[41] = factSource + 1; return b },
		"something behind the end":  func(b []byte) []byte { b[factBytes-1] = 1; return b },
		"no text":                   func(b []byte) []byte { b[42] = 0xff; return b },
		"a digest with a long head": func(b []byte) []byte { b[40], b[41] = formDigest, factPrefix+1; return b },
	} {
		if f, err := decodeFact(change(bytes.Clone(good))); err == nil {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

func FuzzFact(f *testing.F) {
	f.Add(encodeFact(Fact{From: "local", Seen: when}, false))
	f.Add(encodeFact(Fact{From: "bundle:" + protocol.OrgID{1}.String(), Seen: when, By: protocol.OrgID{1}}, true))
	f.Fuzz(func(t *testing.T, raw []byte) {
		fact, err := decodeFact(raw)
		if err == nil && !bytes.Equal(encodeFact(fact, len(raw) == toldBytes), raw) {
			t.Fatalf("%x is written as %x", raw, encodeFact(fact, len(raw) == toldBytes))
		}
	})
}

// The index finds every place of every id, through growth and shared hashes.
func TestIndex(t *testing.T) {
	x := newIndex()
	want := map[protocol.RecordID][]uint64{}
	r := rand.New(rand.NewPCG(1, 2))
	for place := range uint64(20_000) {
		id := protocol.RecordID{byte(r.IntN(256)), byte(r.IntN(40))}
		want[id] = append(want[id], place)
		x.add(id, place)
	}
	if len(x.slots) > 2*20_000*4/3 {
		t.Errorf("%d slots for 20,000 places", len(x.slots))
	}
	for id, places := range want {
		found := map[uint64]bool{}
		for _, p := range x.find(id) {
			found[p] = true
		}
		for _, p := range places {
			if !found[p] {
				t.Fatalf("%x: place %d is not found", id[:2], p)
			}
		}
	}
}

// What the store says later never replaces the oldest fact: after a rebuild and in a restored store everything seems new.
func TestOldestFactStands(t *testing.T) {
	w := newWorld(t)
	ids := w.publish(3, when, "peer-a")
	w.follow()
	fresh, err := storage.Open("", storage.Options{Memory: true, Network: network})
	ok(t, err)
	t.Cleanup(func() { ok(t, fresh.Close()) })
	for _, id := range ids {
		raw, _, err := w.store.Record(id)
		ok(t, err)
		r, err := protocol.VerifyOffline(raw, w.chains)
		ok(t, err)
		ok(t, fresh.Accept(t.Context(), storage.Entry{Record: r, State: storage.Accepted, Received: when.Add(time.Hour), From: "peer-b"}))
	}
	old := w.store
	w.store = fresh
	w.reopen(func() {})
	w.follow()
	w.store = old
	for _, id := range ids {
		if got := w.book.Facts(id); len(got) != 1 || got[0] != (Fact{Record: id, Seen: when, From: "peer-a"}) {
			t.Errorf("facts of %s: %+v", id, got)
		}
	}
	if own, told, _ := w.book.Counts(); own != 3 || told != 0 {
		t.Errorf("%d and %d facts", own, told)
	}
}

// EVD-02: of each organisation the oldest word is kept, this node's own comes first, and there is an end to it.
func TestTold(t *testing.T) {
	w := newWorld(t)
	id := w.publish(1, when, "local")[0]
	w.follow()
	a, b := protocol.OrgID{1}, protocol.OrgID{2}
	tell := func(facts ...Fact) { t.Helper(); ok(t, w.book.Told(t.Context(), facts)) }
	tell(Fact{id, when.Add(time.Hour), "x", a}, Fact{id, when, "y", a}, Fact{id, when.Add(time.Minute), "z", b}, Fact{Record: id, Seen: when})
	tell(Fact{id, when.Add(2 * time.Hour), "later", a}, Fact{id, when.Add(-time.Hour), "earlier", b})
	w.reopen(func() {})
	want := []Fact{{id, when, "local", protocol.OrgID{}}, {id, when, "y", a}, {id, when.Add(-time.Hour), "earlier", b}}
	if got := w.book.Facts(id); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("facts %v, want %v", got, want)
	}
	for i := range maxTold + 5 {
		tell(Fact{id, when, "", protocol.OrgID{3, byte(i)}})
	}
	if got := w.book.Facts(id); len(got) != 1+maxTold {
		t.Errorf("%d facts of one record", len(got))
	}
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.book.Told(stopped, []Fact{{id, when, "", protocol.OrgID{200}}}); err == nil {
		t.Error("nobody waits, and it was kept")
	}
}

// What a power cut leaves is cut back wherever it tore; all before it stays.
func TestTornFacts(t *testing.T) {
	w := newWorld(t)
	ids := w.publish(4, when, "local")
	w.follow()
	whole, err := os.ReadFile(w.path(ownFile))
	ok(t, err)
	entry := factBytes + hashBytes
	for _, n := range []int{0, 1, 60, entry - 1, entry, entry + 1, 2*entry - 1, 2 * entry, 4*entry + 17, 5*entry - 1} {
		for _, zeros := range []int{0, 100, 4096} {
			path := w.path("torn")
			left := append(bytes.Clone(whole[:n]), make([]byte, zeros)...)
			ok(t, os.WriteFile(path, left, 0o600))
			// A hash may end in zeros: what the zeros put back is not torn.
			sound := 0
			for sound < min(len(left), len(whole)) && left[sound] == whole[sound] {
				sound++
			}
			l, err := openLedger(path, factBytes)
			if sound > 0 && sound < entry && zeros > 0 {
				ok(t, err)
				ok(t, l.close())
				continue
			}
			ok(t, err)
			want := uint64(max(sound/entry-1, 0))
			if l.n != want || sound >= entry && (l.damage() == nil) != (len(left)%entry == 0 && sound == len(left)) {
				t.Errorf("%d bytes and %d zeros: %d entries, want %d; %v", n, zeros, l.n, want, l.damage())
			}
			ok(t, l.append([][]byte{encodeFact(Fact{Record: ids[3], Seen: when}, false)}))
			ok(t, l.close())
			l, err = openLedger(path, factBytes)
			ok(t, err)
			if l.n != want+1 || l.damage() != nil {
				t.Errorf("%d bytes and %d zeros, then one more: %d entries, %v", n, zeros, l.n, l.damage())
			}
			ok(t, l.close())
		}
	}
}

// A flipped bit costs its own fact and no other: what was committed to stays provable.
func TestDamagedFacts(t *testing.T) {
	w := newWorld(t)
	ids := w.publish(5, when, "local")
	w.follow()
	_, err := w.book.Commit(t.Context())
	ok(t, err)
	root := w.book.own.snapshot()
	w.reopen(func() { flip(t, w.path(ownFile), (factBytes+hashBytes)*2+50) })
	after := w.book.own.snapshot()
	if after.Root() != root.Root() || after.Size() != 5 {
		t.Error("the tree is another one")
	}
	if err := w.book.Damage(); reason.Of(err) != reason.StateDamaged || !strings.Contains(err.Error(), "1 facts are damaged") {
		t.Errorf("damage: %v", err)
	}
	for i, id := range ids {
		if got := w.book.Facts(id); len(got) != 1 && i != 1 || i == 1 && len(got) != 0 {
			t.Errorf("facts of record %d: %v", i, got)
		}
	}
	if _, _, committed := w.book.Counts(); committed != 5 {
		t.Errorf("%d are committed to", committed)
	}
	if _, err := w.desk.Pack(t.Context(), w.refs[3]); err != nil {
		t.Errorf("a pack beside the damage: %v", err)
	}
}

func flip(t testing.TB, path string, at int64) {
	t.Helper()
	raw, err := os.ReadFile(path)
	ok(t, err)
	raw[at] ^= 4
	ok(t, os.WriteFile(path, raw, 0o600))
}

// EVD-03: the audit log commits after five minutes, and to the tree that the facts make.
func TestRunCommits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- w.book.Run(ctx) }()
		id := w.publish(2, when, "local")[1]
		time.Sleep(2 * time.Second)
		if own, _, committed := w.book.Counts(); own != 2 || committed != 0 {
			t.Errorf("%d facts, %d committed to", own, committed)
		}
		time.Sleep(commitEvery)
		entries, err := w.log.Last(10, audit.Filter{Action: ActionCommit})
		ok(t, err)
		if len(entries) != 1 {
			t.Fatalf("%d commitments", len(entries))
		}
		size, root, err := readCommit(entries[0])
		ok(t, err)
		fact := tlog.LeafHash(encodeFact(w.book.Facts(id)[0], false))
		tree := w.book.own.snapshot()
		path, err := tree.Inclusion(1, 2, w.book.own.leaves)
		ok(t, err)
		if size != 2 || !tlog.Included(fact, 1, 2, path, root) {
			t.Errorf("committed to %d facts, root %s", size, root)
		}
		time.Sleep(time.Hour) // nothing new, nothing to commit to
		w.publish(commitFacts, when, "local")
		time.Sleep(5 * time.Second)
		entries, err = w.log.Last(10, audit.Filter{Action: ActionCommit})
		ok(t, err)
		if len(entries) != 2 {
			t.Errorf("%d commitments after 1,000 more facts", len(entries))
		}
		cancel()
		ok(t, <-done)
		if at := w.book.loadCursor(); at.Seq != w.store.Sequence() {
			t.Errorf("the cursor is at %d of %d", at.Seq, w.store.Sequence())
		}
	})
}

// The commitments that an audit log makes can be read by hand.
func TestCommitByHand(t *testing.T) {
	w := newWorld(t)
	w.publish(1, when, "local")
	w.follow()
	e, err := w.book.Commit(t.Context())
	ok(t, err)
	raw, err := os.ReadFile(w.path(ownFile))
	ok(t, err)
	leaf := tlog.LeafHash(raw[factBytes+hashBytes : 2*factBytes+hashBytes])
	if e.Detail["size"] != "1" || e.Detail["root"] != "sha256:"+hex.EncodeToString(leaf[:]) {
		t.Errorf("%v", e.Detail)
	}
	for _, bad := range []map[string]string{{}, {"size": "-1", "root": protocol.Digest{}.String()}, {"size": "1", "root": "x"}} {
		if _, _, err := readCommit(audit.Entry{Event: audit.Event{Action: ActionCommit, Detail: bad}}); err == nil {
			t.Errorf("%v is a commitment", bad)
		}
	}
}
