package storage

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"

	"tocsin/protocol"
	"tocsin/protocol/pattern"
	"tocsin/protocol/reason"
)

// holdOne holds one record and reports whether it moved.
func holdOne(t testing.TB, s *Store, id protocol.RecordID, why reason.Code) bool {
	t.Helper()
	moved, err := s.Hold(t.Context(), []protocol.RecordID{id}, why)
	must(t, err)
	return len(moved) == 1 && moved[0] == id
}

// TestHold takes a record that has everything through hold and back, with a restart after each step.
func TestHold(t *testing.T) {
	dir := t.TempDir()
	s := openDisk(t, dir)
	a := newAuthor(t, "A")
	leaves := indicators(0, 5)
	leaves[1].State, leaves[1].Reason = Held, reason.WarnHard
	leaves[2].State, leaves[2].Reason = Refused, reason.STIXRule
	leaves[3].State, leaves[3].Reason = Held, reason.TLPHeader
	leaves[4].State, leaves[4].Reason = Held, reason.TLPHeader
	e := a.entry(draft{leaves: leaves, from: "peer"})
	id, raw := accept(t, s, e), e.Record.Raw()
	must(t, s.Decide(t.Context(), Ref{id, 3}, Refused, reason.OperatorRejected))
	must(t, s.Decide(t.Context(), Ref{id, 4}, Accepted, ""))
	before := answers(t, s, []protocol.RecordID{id})
	reopen := func() {
		t.Helper()
		must(t, s.Close())
		report, err := Check(dir)
		must(t, err)
		if len(report.Problems) > 0 {
			t.Fatalf("problems %q", report.Problems)
		}
		if s = openDisk(t, dir); s.Damage() != nil {
			t.Fatal(s.Damage())
		}
	}
	started := time.Now().Add(-time.Millisecond)
	if !holdOne(t, s, id, reason.KeyRevoked) || holdOne(t, s, id, reason.LogFork) {
		t.Fatal("it moves once")
	}
	for range 2 {
		checkOnHold(t, s, e, started)
		if u := (Usage{1, int64(len(raw))}); s.Held(a.Org) != u || s.HeldTotal() != u {
			t.Errorf("usage %+v and %+v", s.Held(a.Org), s.HeldTotal())
		}
		reopen()
	}
	// Judged anew in another way, it comes back: what somebody decided stays.
	again := e
	again.Leaves, again.Received, again.From = indicators(0, 5), e.Received.Add(time.Hour), "local"
	again.Leaves[1].State, again.Leaves[1].Reason = Held, reason.WarnHard
	again.Leaves[2].State, again.Leaves[2].Reason = Refused, reason.STIXRule
	again.Leaves[4].State, again.Leaves[4].Reason = Held, reason.TLPHeader
	must(t, s.Accept(t.Context(), again))
	for range 2 {
		after := answers(t, s, []protocol.RecordID{id})
		for question, answer := range before {
			if after[question] != answer && question != "changes" && question != "sequence" {
				t.Errorf("%s was\n%s\nand after a hold is\n%s", question, answer, after[question])
			}
		}
		reopen()
	}
	if !holdOne(t, s, id, reason.KeyRolledBack) {
		t.Error("it is not held a second time")
	}
	must(t, s.Reject(t.Context(), id, reason.OperatorRejected))
	for range 2 {
		if s.Counts() != (Counts{}) || s.HeldTotal() != (Usage{}) || !s.Has(id) {
			t.Errorf("after its rejection: counts %+v, usage %+v", s.Counts(), s.HeldTotal())
		}
		_, _, err := s.Record(id)
		wantCode(t, err, reason.NotFound)
		if holdOne(t, s, id, reason.KeyRevoked) {
			t.Error("a rejected record is held")
		}
		reopen()
	}
	changes, err := s.Changes(0, 100)
	must(t, err)
	var got []string
	for _, c := range changes {
		got = append(got, fmt.Sprint(c.Kind, " ", c.Objects, " ", c.Reason))
		if c.Record != id || c.Org != a.Org || c.Topic.String() != "malicious-code" {
			t.Errorf("change %+v", c)
		}
	}
	want := []string{
		"accepted 1 ", "held 3 warn.hard", "rejected 1 operator.rejected", "released 1 ", "held 3 key.revoked",
		"released 2 ", "held 1 warn.hard", "held 3 key.rolledback", "rejected 3 operator.rejected",
	}
	if !slices.Equal(got, want) {
		t.Errorf("changes\n%q, want\n%q", got, want)
	}
}

// checkOnHold asks about the record of TestHold while it is on hold.
func checkOnHold(t *testing.T, s *Store, e Entry, since time.Time) {
	t.Helper()
	id := e.Record.ID()
	if want := (Counts{Held: 3, HeldRecords: 1, HeldBytes: int64(len(e.Record.Raw()))}); s.Counts() != want {
		t.Errorf("counts %+v, want %+v", s.Counts(), want)
	}
	got, state, err := s.Record(id)
	if err != nil || state != Held || !bytes.Equal(got, e.Record.Raw()) {
		t.Errorf("record of %d bytes is %s, %v", len(got), state, err)
	}
	if object, err := s.Object(Ref{id, 0}); err != nil || !bytes.Equal(object, objectOf(e.Leaves[0])) {
		t.Errorf("object %s, %v", object, err)
	}
	hits := lookup(t, s, domain(0))
	if len(hits) != 1 || !hits[0].RecordHeld || hits[0].RecordReason != reason.KeyRevoked || hits[0].State != Accepted || hits[0].class() != Held {
		t.Errorf("look-up gives %+v", hits)
	}
	if hits := lookup(t, s, domain(3)); len(hits) != 1 || hits[0].State != Refused || hits[0].Reason != reason.OperatorRejected {
		t.Errorf("what was rejected is %+v", hits)
	}
	items, next, err := s.Quarantine(Ref{}, 10)
	must(t, err)
	if len(items) != 3 || next != (Ref{}) || items[0].Index != 0 || items[1].Index != 1 || items[2].Index != 4 {
		t.Fatalf("quarantine %+v", items)
	}
	for _, i := range items {
		if i.From != "peer" || i.Since.Before(since) || i.Since.After(time.Now()) {
			t.Errorf("held since %s, from %s", i.Since, i.From)
		}
	}
	received, from, err := s.Source(id)
	if err != nil || !received.Equal(e.Received) || from != "peer" {
		t.Errorf("came %s from %s, %v", received, from, err)
	}
	if held, _ := s.HeldRecords(reason.KeyRevoked); !slices.Equal(held, []protocol.RecordID{id}) {
		t.Errorf("held records %v", held)
	}
	wantCode(t, s.Decide(t.Context(), Ref{id, 1}, Accepted, ""), reason.Conflict)
	held := e
	held.State = Held
	wantCode(t, s.Accept(t.Context(), held), reason.DupHeld)
	if l, ok := s.Head(e.Record.Org(), e.Record.Key(), e.Record.Header().Topic); !ok || l.Count != 1 || l.HeadID != id {
		t.Errorf("log %+v", l)
	}
	if at, ok := s.At(e.Record.Org(), e.Record.Key(), e.Record.Header().Topic, 1); !ok || at != id {
		t.Errorf("place 1 holds %s", at)
	}
}

// TestHoldMany: around the limits of a batch everything moves, once, and what
// cannot move stops nothing.
func TestHoldMany(t *testing.T) {
	for _, n := range []int{0, 1, holdBatch - 1, holdBatch, holdBatch + 1, 2*holdBatch + 7} {
		s := openMemory(t)
		ids := acceptMany(t, s, n)
		var asked []protocol.RecordID
		for i, id := range ids {
			asked = append(asked, protocol.RecordID{0xff, byte(i), byte(i >> 8)}, id, id)
		}
		moved, err := s.Hold(t.Context(), asked, reason.KeyRevoked)
		must(t, err)
		if !slices.Equal(moved, ids) {
			t.Errorf("%d of %d records moved", len(moved), n)
		}
		if c := s.Counts(); c.Records != 0 || c.HeldRecords != n || c.Objects != 0 || c.Held != n || s.Sequence() != uint64(2*n) {
			t.Errorf("counts %+v, sequence %d", c, s.Sequence())
		}
		if moved, err := s.Hold(t.Context(), asked, reason.KeyRevoked); len(moved) != 0 || err != nil || s.Sequence() != uint64(2*n) {
			t.Errorf("%d moved again, %v", len(moved), err)
		}
		changes, err := s.Changes(uint64(n), 10_000)
		must(t, err)
		for i, c := range changes {
			if c.Kind != "held" || c.Reason != reason.KeyRevoked || c.Objects != 1 || c.Record != ids[i] {
				t.Fatalf("change %+v", c)
			}
		}
	}
}

// acceptMany stores n records of one object, made by hand: signing would take most of the time.
func acceptMany(t testing.TB, s *Store, n int) (ids []protocol.RecordID) {
	t.Helper()
	topic := topicOf(t, "malicious-code")
	var plans []func() (step, error)
	for i := range n {
		id := protocol.RecordID{0: 1, 1: byte(i), 2: byte(i >> 8), 3: byte(i >> 16)}
		ids = append(ids, id)
		info := recordInfo{
			org: protocol.OrgID{byte(i % 3)}, topic: topic, sequence: uint64(i + 1), kind: protocol.KindObjects, created: testNow, expires: testNow.AddDate(1, 0, 0),
			fate: fate{state: Accepted}, stored: stored{rawLength: 100, bodyLength: 50}, source: source{received: testNow},
		}
		leaves := []packedLeaf{{Leaf: indicator(stixID(i), testNow, domain(i))}}
		p := pack(info, leaves, 0)
		plans = append(plans, func() (step, error) {
			return s.planAccept(arrival{id: id, info: info, leaves: leaves, packed: p, raw: make([]byte, 100)})
		})
	}
	done, err := s.doAll(t.Context(), plans)
	must(t, err)
	if done != n {
		t.Fatalf("%d of %d stored", done, n)
	}
	return ids
}

func TestHoldCancelled(t *testing.T) {
	s := openMemory(t)
	ids := acceptMany(t, s, 3)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if moved, err := s.Hold(ctx, ids, reason.KeyRevoked); err == nil || len(moved) != 0 || s.Counts().HeldRecords != 0 {
		t.Errorf("%d moved under an ended context, %v", len(moved), err)
	}
	if err := s.Judged(ctx, ids, ""); err == nil || s.Sequence() != 3 {
		t.Errorf("told under an ended context, %v", err)
	}
}

// TestHoldKeepsAge: an object that lives on in a later record keeps its age through hold and release.
func TestHoldKeepsAge(t *testing.T) {
	s := openMemory(t)
	a := newAuthor(t, "A")
	leaf := []Leaf{indicator(stixID(1), testNow, domain(1))}
	accept(t, s, a.entry(draft{leaves: leaf, expires: testNow.AddDate(0, 0, 1)}))
	later := a.entry(draft{leaves: leaf, created: testNow.Add(time.Hour), expires: testNow.AddDate(0, 0, 9)})
	id := accept(t, s, later)
	if n, err := s.Expire(t.Context(), testNow.AddDate(0, 0, 2)); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	holdOne(t, s, id, reason.KeyRevoked)
	must(t, s.Accept(t.Context(), later))
	if hits := lookup(t, s, domain(1)); len(hits) != 1 || !hits[0].First.Equal(testNow) {
		t.Errorf("after a release the age starts at %v, want %s", hits, testNow)
	}
}

// TestHeldNeverHides: a newer version of a stolen key, held in its place, uncovers the older one.
func TestHeldNeverHides(t *testing.T) {
	s := openMemory(t)
	a := newAuthor(t, "A")
	older := accept(t, s, a.entry(draft{leaves: []Leaf{indicator(stixID(1), testNow, domain(1))}}))
	gone := indicator(stixID(1), testNow.Add(time.Hour), domain(1))
	gone.Revoked = true
	newer := accept(t, s, a.entry(draft{leaves: []Leaf{gone}}))
	if hits := lookup(t, s, domain(1)); len(hits) != 1 || hits[0].Record != newer {
		t.Fatalf("before: %+v", hits)
	}
	holdOne(t, s, newer, reason.KeyRevoked)
	hits := lookup(t, s, domain(1))
	if len(hits) != 2 || hits[0].Record != newer || !hits[0].RecordHeld || hits[1].Record != older || hits[1].RecordHeld {
		t.Errorf("after: %+v", hits)
	}
}

// TestLargeOnHold stops a release between what may be written ahead and what makes it
// count: the record is on hold as before, and goes through in the end.
func TestLargeOnHold(t *testing.T) {
	dir := t.TempDir()
	s := openDisk(t, dir)
	leaves := indicators(0, 2)
	for n := range 20_000 {
		o := pattern.Observable{Type: pattern.URL, Value: fmt.Sprintf("http://%d.example/%040d", n, n)}
		leaves[1].Values = append(leaves[1].Values, pattern.Value{Observable: o})
	}
	e := newAuthor(t, "A").entry(draft{leaves: leaves})
	id := accept(t, s, e)
	holdOne(t, s, id, reason.KeyRevoked)
	for i := range 2 {
		again := make([]packedLeaf, len(leaves))
		for j, l := range leaves {
			again[j].Leaf = l
		}
		info := infoOf(e)
		st, err := s.planAccept(arrival{id: id, info: info, leaves: again, packed: pack(info, again, 0), raw: e.Record.Raw()})
		must(t, err)
		if len(st.body) < 4 {
			t.Fatalf("%d parts go ahead", len(st.body))
		}
		must(t, s.db.Update(func(txn *badger.Txn) error {
			for _, w := range st.body[:len(st.body)-i] {
				must(t, txn.Set(w.key, w.value))
			}
			return nil
		}))
		must(t, s.Close())
		report, err := Check(dir)
		must(t, err)
		if s = openDisk(t, dir); s.Damage() != nil || len(report.Problems) > 0 || s.Counts().HeldRecords != 1 {
			t.Fatalf("problems %q, %v, counts %+v", report.Problems, s.Damage(), s.Counts())
		}
		if hits := lookup(t, s, domain(0)); len(hits) != 1 || !hits[0].RecordHeld {
			t.Errorf("half released: %+v", hits)
		}
	}
	must(t, s.Accept(t.Context(), e))
	if hits := lookup(t, s, leaves[1].Values[19_999].Observable); len(hits) != 1 || hits[0].RecordHeld {
		t.Errorf("released: %d hits", len(hits))
	}
	report, err := checkClosed(t, s, dir)
	must(t, err)
	if len(report.Problems) > 0 {
		t.Errorf("problems %q", report.Problems)
	}
}

// TestHoldRecovered: a hold that the database has lost is put back from the change
// sequence, as it was; of records that were released nothing is.
func TestHoldRecovered(t *testing.T) {
	dir := t.TempDir()
	s := openDisk(t, dir)
	a := newAuthor(t, "A")
	var ids []protocol.RecordID
	var entries []Entry
	for i := range 5 {
		entries = append(entries, a.entry(draft{leaves: indicators(i*10, 2)}))
		ids = append(ids, accept(t, s, entries[i]))
	}
	_, err := s.Hold(t.Context(), ids[:4], reason.KeyRevoked)
	must(t, err)
	must(t, s.Judged(t.Context(), ids, reason.WarnHard))
	must(t, s.Accept(t.Context(), entries[1]))
	must(t, s.Reject(t.Context(), ids[2], ""))
	before := answers(t, s, ids)
	must(t, s.Close())
	tamper(t, dir, holdKey(ids[0]), func([]byte) []byte { return nil })
	tamper(t, dir, holdKey(ids[3]), func(b []byte) []byte { return b[:9] })
	for range 2 {
		s = openDisk(t, dir)
		if s.Damage() != nil {
			t.Error(s.Damage())
		}
		for question, answer := range answers(t, s, ids) {
			if before[question] != answer && question != "quarantine" { // since when is told from the change, a moment later
				t.Errorf("%s was\n%s\nand is\n%s", question, before[question], answer)
			}
		}
		report, err := checkClosed(t, s, dir)
		must(t, err)
		if len(report.Problems) > 0 {
			t.Errorf("problems %q", report.Problems)
		}
	}
}

// TestHoldWhileRead: whoever looks while records go in and out of quarantine sees each wholly
// in one state; what was rejected is never shown again.
func TestHoldWhileRead(t *testing.T) {
	s := openMemory(t)
	a := newAuthor(t, "A")
	e := a.entry(draft{leaves: indicators(0, 2)})
	id := accept(t, s, e)
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 2 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				hits, _, err := s.Lookup(domain(1), nil)
				if err != nil || len(hits) != 1 || hits[0].RecordHeld != (hits[0].RecordReason == reason.KeyRevoked) {
					t.Errorf("look-up gives %+v, %v", hits, err)
					return
				}
				if _, _, err := s.Quarantine(Ref{}, 10); err != nil {
					t.Error(err)
					return
				}
				s.Held(a.Org)
			}
		})
	}
	for range 200 {
		if !holdOne(t, s, id, reason.KeyRevoked) {
			t.Error("it does not move")
		}
		must(t, s.Accept(t.Context(), e))
	}
	close(stop)
	wg.Wait()
	holdOne(t, s, id, reason.KeyRevoked)
	at, _ := s.where(id)
	must(t, s.Reject(t.Context(), id, ""))
	_, err := s.load(&at)
	wantCode(t, err, reason.NotFound)
}

// TestJudged: one change a record that is there and counts, durable.
func TestJudged(t *testing.T) {
	dir := t.TempDir()
	s := openDisk(t, dir)
	a := newAuthor(t, "A")
	mixed := indicators(0, 4)
	mixed[0].State, mixed[1].State = Held, Refused
	accepted := accept(t, s, a.entry(draft{leaves: mixed}))
	held := accept(t, s, a.entry(draft{leaves: indicators(10, 2), state: Held}))
	rejected := accept(t, s, a.entry(draft{leaves: indicators(20, 2), state: Held}))
	must(t, s.Reject(t.Context(), rejected, ""))
	seq, counts := s.Sequence(), s.Counts()
	must(t, s.Judged(t.Context(), []protocol.RecordID{accepted, {9}, rejected, held, accepted}, reason.WarnHard))
	must(t, s.Judged(t.Context(), nil, reason.WarnHard))
	must(t, s.Judged(t.Context(), []protocol.RecordID{{9}}, reason.WarnHard))
	must(t, s.Wait(t.Context(), seq))
	for range 2 {
		changes, err := s.Changes(seq, 10)
		must(t, err)
		if len(changes) != 2 || s.Counts() != counts {
			t.Fatalf("changes %+v", changes)
		}
		for i, want := range []struct {
			id      protocol.RecordID
			objects int
		}{{accepted, 3}, {held, 2}} {
			if c := changes[i]; c.Kind != "judged" || c.Record != want.id || c.Objects != want.objects || c.Reason != reason.WarnHard || c.Org != a.Org {
				t.Errorf("change %+v, want %+v", c, want)
			}
		}
		report, err := checkClosed(t, s, dir)
		must(t, err)
		if len(report.Problems) > 0 {
			t.Errorf("problems %q", report.Problems)
		}
		s = openDisk(t, dir)
	}
}

// FuzzHold: any bytes are read without a panic, and what is a hold packs to the same bytes.
func FuzzHold(f *testing.F) {
	f.Add(packHold(hold{testNow.UnixMilli(), reason.KeyRevoked}))
	f.Add(packHold(hold{}))
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7, 8, 0x81, 0, 'x'})
	f.Fuzz(func(t *testing.T, b []byte) {
		line, err := unpackHold(b)
		if err != nil {
			return
		}
		if again, err := unpackHold(packHold(line)); err != nil || again != line {
			t.Errorf("%+v became %+v, %v", line, again, err)
		}
	})
}
