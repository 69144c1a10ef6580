package storage

import (
	"bytes"
	"context"
	"fmt"
	"reflect"
	"testing"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/pattern"
	"tocsin/protocol/reason"
)

func TestAcceptAndReadBack(t *testing.T) {
	s := openMemory(t)
	a := newAuthor(t, "A")
	leaves := indicators(0, 3)
	leaves[1].Revoked, leaves[1].Confidence = true, -1
	leaves[2].Values = append(leaves[2].Values, pattern.Value{Observable: pattern.Observable{Type: pattern.URL, Value: "http://x.example/"}})
	e := a.entry(draft{leaves: leaves, from: "peer-1"})
	id := accept(t, s, e)

	if !s.Has(id) || s.Has(protocol.RecordID{1}) {
		t.Error("Has is wrong")
	}
	raw, state, err := s.Record(id)
	must(t, err)
	if !bytes.Equal(raw, e.Record.Raw()) || state != Accepted {
		t.Error("the record is not what was accepted")
	}
	received, from, err := s.Source(id)
	must(t, err)
	if !received.Equal(e.Received) || from != "peer-1" {
		t.Errorf("source %s %s", received, from)
	}
	if org, err := s.Signer(id); err != nil || org != e.Record.Org() {
		t.Errorf("signer %s, %v", org, err)
	}
	hits, err := s.Leaves(id)
	must(t, err)
	for i, h := range hits {
		if !reflect.DeepEqual(h.Leaf, leaves[i]) {
			t.Errorf("leaf %d is\n%+v, want\n%+v", i, h.Leaf, leaves[i])
		}
		hd := e.Record.Header()
		if h.Ref != (Ref{id, i}) || h.Org != e.Record.Org() || h.Topic != hd.Topic || h.TLP != hd.TLP || h.Upstream != "feed" ||
			!h.Created.Equal(hd.Created) || !h.First.Equal(hd.Created) || !h.Expires.Equal(hd.Expires) || h.RecordHeld || h.Alone {
			t.Errorf("hit %d is %+v", i, h)
		}
		object, err := s.Object(h.Ref)
		must(t, err)
		if !bytes.Equal(object, objectOf(leaves[i])) {
			t.Errorf("object %d is %s", i, object)
		}
	}
	if got := s.Counts(); got != (Counts{Records: 1, Objects: 3}) {
		t.Errorf("counts %+v", got)
	}
	got := lookup(t, s, domain(2))
	if len(got) != 1 || got[0].Ref != (Ref{id, 2}) || !got[0].Alone {
		t.Errorf("lookup gives %+v", got)
	}
	got = lookup(t, s, leaves[2].Values[1].Observable)
	if len(got) != 1 || got[0].Alone {
		t.Errorf("lookup of a value that is not alone gives %+v", got)
	}
	if got := lookup(t, s, domain(99)); got != nil {
		t.Errorf("lookup of an unknown value gives %+v", got)
	}
}

func TestNotFound(t *testing.T) {
	s := openMemory(t)
	id := accept(t, s, newAuthor(t, "A").entry(draft{leaves: indicators(0, 2)}))
	absent := protocol.RecordID{1}
	_, _, err := s.Record(absent)
	wantCode(t, err, reason.NotFound)
	_, err = s.Object(Ref{absent, 0})
	wantCode(t, err, reason.NotFound)
	_, err = s.Object(Ref{id, 2})
	wantCode(t, err, reason.NotFound)
	_, err = s.Object(Ref{id, -1})
	wantCode(t, err, reason.NotFound)
	_, err = s.Leaves(absent)
	wantCode(t, err, reason.NotFound)
	_, _, err = s.Source(absent)
	wantCode(t, err, reason.NotFound)
	_, err = s.Signer(absent)
	wantCode(t, err, reason.NotFound)
	wantCode(t, s.Decide(t.Context(), Ref{id, 2}, Accepted, ""), reason.NotFound)
	wantCode(t, s.Decide(t.Context(), Ref{absent, 0}, Accepted, ""), reason.NotFound)
	wantCode(t, s.Reject(t.Context(), absent, ""), reason.NotFound)
	versions, err := s.Versions("indicator--none")
	if err != nil || len(versions) != 0 {
		t.Errorf("versions of nothing: %v, %v", versions, err)
	}
	wantCode(t, s.Accept(t.Context(), Entry{Record: newAuthor(t, "B").entry(draft{leaves: indicators(0, 1)}).Record}), reason.Internal)
}

func TestDuplicateAndFork(t *testing.T) {
	s := openMemory(t)
	a := newAuthor(t, "A")
	for _, state := range []State{Accepted, Held} {
		topic := topicOf(t, map[State]string{Accepted: "fraud", Held: "drill"}[state])
		e := a.entry(draft{leaves: indicators(0, 1), state: state, topic: topic})
		id := accept(t, s, e)
		before, seq := s.Counts(), s.Sequence()
		wantCode(t, s.Accept(t.Context(), e), reason.DupHeld)
		fork := a.entry(draft{leaves: indicators(1, 1), sequence: 1, topic: topic})
		for _, forkState := range []State{Accepted, Held} {
			fork.State = forkState
			wantCode(t, s.Accept(t.Context(), fork), reason.LogFork)
		}
		if s.Has(fork.Record.ID()) || s.Counts() != before || s.Sequence() != seq || lookup(t, s, domain(1)) != nil {
			t.Error("a fork left something behind")
		}
		got, ok := s.At(e.Record.Org(), e.Record.Key(), topic, 1)
		if !ok || got != id {
			t.Errorf("place 1 holds %s", got)
		}
	}
	// The same place of another topic or another key is another place.
	accept(t, s, a.entry(draft{leaves: indicators(2, 1), topic: topicOf(t, "other")}))
	accept(t, s, newAuthor(t, "B").entry(draft{leaves: indicators(3, 1), topic: topicOf(t, "fraud")}))
}

func TestHeads(t *testing.T) {
	s := openMemory(t)
	a := newAuthor(t, "A")
	topic := topicOf(t, "malicious-code")
	if _, ok := s.Head(a.Org, a.Key.Public().ID(), topic); ok {
		t.Error("an empty log has a head")
	}
	type want struct{ head, count uint64 }
	for i, c := range []struct {
		seq  uint64
		want want
	}{{3, want{3, 1}}, {1, want{3, 2}}, {1 << 62, want{1 << 62, 3}}, {2, want{1 << 62, 4}}} {
		e := a.entry(draft{leaves: indicators(i, 1), sequence: c.seq, created: testNow.Add(time.Duration(i) * time.Minute)})
		id := accept(t, s, e)
		l, ok := s.Head(e.Record.Org(), e.Record.Key(), topic)
		if !ok || l.Head != c.want.head || l.Count != c.want.count || l.Org != e.Record.Org() {
			t.Fatalf("after sequence %d the log is %+v", c.seq, l)
		}
		if l.Head == c.seq && (l.HeadID != id || !l.HeadCreated.Equal(e.Record.Header().Created)) {
			t.Errorf("head %+v is not record %s", l, id)
		}
		if got, ok := s.At(e.Record.Org(), e.Record.Key(), topic, c.seq); !ok || got != id {
			t.Errorf("place %d holds %s", c.seq, got)
		}
	}
	if _, ok := s.At(a.Org, a.Key.Public().ID(), topic, 4); ok {
		t.Error("place 4 is taken")
	}
	accept(t, s, newAuthor(t, "B").entry(draft{leaves: indicators(9, 1)}))
	if logs := s.Logs(); len(logs) != 2 || bytes.Compare(logs[0].Org[:], logs[1].Org[:]) > 0 {
		t.Errorf("logs %+v", logs)
	}
}

// TestReopen holds everything that can be asked for against its answer after a restart.
func TestReopen(t *testing.T) {
	dir := t.TempDir()
	s := openDisk(t, dir)
	a, b := newAuthor(t, "A"), newAuthor(t, "B")
	mixed := indicators(10, 4)
	mixed[1].State, mixed[1].Reason = Held, reason.TLPHeader
	mixed[2].State, mixed[2].Reason = Refused, reason.STIXRule
	mixed[3].State = NotEvaluated
	mixed[0].Values = append(mixed[0].Values, pattern.Value{Observable: pattern.Observable{Type: pattern.CIDR, Value: "192.0.2.0/24"}})
	var ids []protocol.RecordID
	for _, e := range []Entry{
		a.entry(draft{leaves: indicators(0, 10)}),
		a.entry(draft{leaves: mixed}),
		b.entry(draft{leaves: indicators(20, 5), state: Held, reason: reason.TrustUnknown}),
		b.entry(draft{leaves: indicators(30, 5), state: Held, reason: reason.LogFork}),
		b.entry(draft{leaves: indicators(40, 5), expires: testNow.AddDate(0, 0, 1)}),
	} {
		ids = append(ids, accept(t, s, e))
	}
	must(t, s.Decide(t.Context(), Ref{ids[1], 1}, Refused, reason.OperatorRejected))
	must(t, s.Reject(t.Context(), ids[3], reason.OperatorRejected))
	n, err := s.Expire(t.Context(), testNow.AddDate(0, 0, 2))
	if n != 1 || err != nil {
		t.Fatalf("expired %d, %v", n, err)
	}
	before := answers(t, s, ids)
	raw, _, err := s.Record(ids[2])
	must(t, err)
	if want := (Counts{Records: 2, Objects: 12, Held: 5, HeldRecords: 1, HeldBytes: int64(len(raw))}); s.Counts() != want {
		t.Errorf("counts %+v, want %+v", s.Counts(), want)
	}
	must(t, s.Close())
	s = openDisk(t, dir)
	if s.Damage() != nil {
		t.Error(s.Damage())
	}
	after := answers(t, s, ids)
	for question, answer := range before {
		if after[question] != answer {
			t.Errorf("%s was\n%s\nand after a restart is\n%s", question, answer, after[question])
		}
	}
	report, err := checkClosed(t, s, dir)
	must(t, err)
	if len(report.Problems) > 0 {
		t.Errorf("problems: %q", report.Problems)
	}
}

// answers asks everything there is to ask.
func answers(t *testing.T, s *Store, ids []protocol.RecordID) map[string]string {
	t.Helper()
	out := map[string]string{}
	put := func(question string, answer ...any) { out[question] = fmt.Sprintf("%+v", answer) }
	put("counts", s.Counts())
	put("logs", s.Logs())
	put("sequence", s.Sequence())
	changes, err := s.Changes(0, 1000)
	put("changes", changes, err)
	items, next, err := s.Quarantine(Ref{}, 1000)
	put("quarantine", items, next, err)
	held, err := s.HeldRecords("")
	put("held records", held, err)
	for i, id := range ids {
		put(fmt.Sprint("has ", i), s.Has(id))
		raw, state, err := s.Record(id)
		put(fmt.Sprint("record ", i), raw, state, err)
		received, from, err := s.Source(id)
		put(fmt.Sprint("source ", i), received, from, err)
		leaves, err := s.Leaves(id)
		put(fmt.Sprint("leaves ", i), leaves, err)
	}
	for n := range 50 {
		hits, _, err := s.Lookup(domain(n), nil)
		put(fmt.Sprint("look up ", n), hits, err)
		versions, err := s.Versions(stixID(n))
		put(fmt.Sprint("versions ", n), versions, err)
	}
	hits, _, err := s.Lookup(pattern.Observable{Type: pattern.IPv4, Value: "192.0.2.77"}, nil)
	put("look up address", hits, err)
	return out
}

func TestSecondOpener(t *testing.T) {
	dir := t.TempDir()
	openDisk(t, dir)
	_, err := Open(dir, Options{})
	wantCode(t, err, reason.NodeRunning)
}

func TestNetwork(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		network string
		code    reason.Code
	}{{"", ""}, {"test", ""}, {"test", ""}, {"", ""}, {"main", reason.Conflict}} {
		s, err := Open(dir, Options{Network: c.network})
		wantCode(t, err, c.code)
		if err == nil {
			must(t, s.Close())
		}
	}
}

func TestClosed(t *testing.T) {
	s, err := Open("", Options{Memory: true})
	must(t, err)
	a := newAuthor(t, "A")
	id := accept(t, s, a.entry(draft{leaves: indicators(0, 1)}))
	s.caches.packed = newCache[spot, indexed](packedCacheBytes)
	must(t, s.Close())
	must(t, s.Close())
	wantCode(t, s.Accept(t.Context(), a.entry(draft{leaves: indicators(1, 1)})), reason.Internal)
	_, _, err = s.Record(id)
	wantCode(t, err, reason.Internal)
	_, err = s.Changes(0, 1)
	wantCode(t, err, reason.Internal)
	wantCode(t, s.Wait(t.Context(), 1), reason.Internal)
}

func TestCancelled(t *testing.T) {
	s := openMemory(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	e := newAuthor(t, "A").entry(draft{leaves: indicators(0, 1)})
	if err := s.Accept(ctx, e); err != context.Canceled {
		t.Errorf("accept with an ended context: %v", err)
	}
	if s.Has(e.Record.ID()) {
		t.Error("it was stored")
	}
}
