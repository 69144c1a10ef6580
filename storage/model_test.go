package storage

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/pattern"
	"tocsin/protocol/reason"
	"tocsin/protocol/recon"
)

// modelRecord is a record as the simplest possible store would keep it: where it counts, why and
// since when (Unix ms) it is held as a whole, and which objects somebody decided on.
type modelRecord struct {
	entry   Entry
	space   space
	why     reason.Code
	since   int64
	decided map[int]State
	stored  int // bytes that are kept of it
	chains  *protocol.Chains
}

// model is that store: a map and loops.
type model map[protocol.RecordID]*modelRecord

func (m model) counts() (c Counts) {
	for _, r := range m {
		switch r.space {
		case spaceAccepted:
			c.Records++
		case spaceHeld:
			c.HeldRecords++
			c.HeldBytes += int64(r.stored)
		case spaceRejected:
			continue
		}
		for _, l := range r.entry.Leaves {
			switch {
			case l.State == Refused:
			case r.space == spaceHeld || l.State == Held:
				c.Held++
			default:
				c.Objects++
			}
		}
	}
	return c
}

// named lists the live objects whose values hold o, whatever their version.
func (m model) named(o pattern.Observable) map[Ref]bool {
	out := map[Ref]bool{}
	for id, r := range m {
		for i, l := range r.entry.Leaves {
			if r.space != spaceRejected && slices.ContainsFunc(l.Values, func(v pattern.Value) bool { return v.Observable == o }) {
				out[Ref{id, i}] = true
			}
		}
	}
	return out
}

// TestModel does random things to a store and to the model, with restarts and
// compactions in between, and compares their answers.
func TestModel(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(seed, 9))
			dir := t.TempDir()
			s := openDisk(t, dir)
			m := model{}
			authors := []*author{newAuthor(t, "A"), newAuthor(t, "B")}
			now := testNow
			for range 120 {
				switch what := r.IntN(27); {
				case what < 9:
					modelAccept(t, r, s, m, authors[r.IntN(2)], now)
				case what < 12:
					modelRelease(t, r, s, m)
				case what < 15:
					modelDecide(t, r, s, m)
				case what < 16:
					modelReject(t, r, s, m)
				case what < 18:
					now = now.Add(time.Duration(r.IntN(30)) * time.Hour)
					modelExpire(t, s, m, now)
				case what < 20:
					modelHold(t, r, s, m)
				case what < 21:
					modelExpireHeld(t, r, s, m)
				case what < 24:
					modelErase(t, r, s, m)
				case what < 25:
					s.mu.Lock()
					s.tables.compact()
					s.mu.Unlock()
				default:
					must(t, s.Close())
					s = openDisk(t, dir)
					if s.Damage() != nil {
						t.Fatal(s.Damage())
					}
				}
				compareModel(t, s, m)
				compareSets(t, s, m, now)
			}
			want := m.counts()
			report, err := checkClosed(t, s, dir)
			must(t, err)
			if len(report.Problems) > 0 || report.Records != want.Records || report.Objects != want.Objects || report.Held != want.Held {
				t.Errorf("report %+v, want %+v", report, want)
			}
		})
	}
}

func modelAccept(t *testing.T, r *rand.Rand, s *Store, m model, a *author, now time.Time) {
	t.Helper()
	leaves := make([]Leaf, r.IntN(6)+1)
	for i := range leaves {
		leaves[i] = indicator(stixID(r.IntN(30)), now.Add(-time.Duration(r.IntN(5))*time.Hour), domain(r.IntN(40)), domain(r.IntN(40)))
		leaves[i].State = []State{Accepted, Accepted, Held, Refused, NotEvaluated}[r.IntN(5)]
	}
	d := draft{leaves: leaves, state: []State{Accepted, Held}[r.IntN(2)], created: testNow, expires: now.Add(time.Duration(r.IntN(72)+1) * time.Hour)}
	d.reason = []reason.Code{reason.TrustUnknown, reason.LogFork}[r.IntN(2)]
	e := a.entry(d)
	e.Received = testNow.Add(time.Duration(r.IntN(100)) * time.Hour)
	must(t, s.Accept(t.Context(), e))
	m[e.Record.ID()] = &modelRecord{
		e, map[State]space{Accepted: spaceAccepted, Held: spaceHeld}[d.state], d.reason, e.Received.UnixMilli(), map[int]State{}, len(e.Record.Raw()), a.Chains,
	}
}

// pick returns a random record of a space.
func (m model) pick(r *rand.Rand, sp space) (protocol.RecordID, *modelRecord) {
	var ids []protocol.RecordID
	for id, rec := range m {
		if rec.space == sp {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return protocol.RecordID{}, nil
	}
	slices.SortFunc(ids, func(a, b protocol.RecordID) int { return slices.Compare(a[:], b[:]) })
	id := ids[r.IntN(len(ids))]
	return id, m[id]
}

func modelRelease(t *testing.T, r *rand.Rand, s *Store, m model) {
	t.Helper()
	if _, rec := m.pick(r, spaceHeld); rec != nil {
		again := rec.entry
		again.State = Held
		wantCode(t, s.Accept(t.Context(), again), reason.DupHeld)
		rec.entry.State = Accepted
		rec.entry.Leaves = slices.Clone(rec.entry.Leaves)
		for i := range rec.entry.Leaves { // judged anew
			rec.entry.Leaves[i].State = []State{Accepted, Held, Refused}[r.IntN(3)]
		}
		must(t, s.Accept(t.Context(), rec.entry))
		for i, state := range rec.decided {
			rec.entry.Leaves[i].State = state
		}
		rec.space = spaceAccepted
	}
}

func modelHold(t *testing.T, r *rand.Rand, s *Store, m model) {
	t.Helper()
	ids, want := []protocol.RecordID{{1}}, map[protocol.RecordID]bool{}
	for id, rec := range m {
		if r.IntN(3) == 0 {
			ids = append(ids, id, id)
			want[id] = rec.space == spaceAccepted
		}
	}
	before := time.Now().UnixMilli()
	moved, err := s.Hold(t.Context(), ids, reason.KeyRevoked)
	must(t, err)
	for _, id := range moved {
		if !want[id] {
			t.Fatalf("record %s was moved", id)
		}
		delete(want, id)
		m[id].space, m[id].why, m[id].since = spaceHeld, reason.KeyRevoked, before
	}
	for id, left := range want {
		if left {
			t.Fatalf("record %s was not moved", id)
		}
	}
}

func modelExpireHeld(t *testing.T, r *rand.Rand, s *Store, m model) {
	t.Helper()
	before := testNow.Add(time.Duration(r.IntN(60)) * time.Hour)
	if r.IntN(4) == 0 {
		before = time.Now().Add(time.Second)
	}
	want := 0
	for _, rec := range m {
		if rec.space == spaceHeld && rec.since < before.UnixMilli() {
			rec.space = spaceRejected
			want++
		}
	}
	if n, err := s.ExpireHeld(t.Context(), before); n != want || err != nil {
		t.Fatalf("%d expired in quarantine, %v; want %d", n, err, want)
	}
}

func modelDecide(t *testing.T, r *rand.Rand, s *Store, m model) {
	t.Helper()
	id, rec := m.pick(r, spaceAccepted)
	if rec == nil {
		return
	}
	i := r.IntN(len(rec.entry.Leaves))
	state := []State{Accepted, Refused, NotEvaluated, Held}[r.IntN(4)]
	err := s.Decide(t.Context(), Ref{id, i}, state, reason.OperatorRejected)
	if rec.entry.Leaves[i].State != Held {
		wantCode(t, err, reason.Conflict)
		return
	}
	must(t, err)
	rec.entry.Leaves = slices.Clone(rec.entry.Leaves)
	rec.entry.Leaves[i].State = state
	if state != Held {
		rec.decided[i] = state
	}
}

func modelReject(t *testing.T, r *rand.Rand, s *Store, m model) {
	t.Helper()
	if id, rec := m.pick(r, spaceHeld); rec != nil {
		must(t, s.Reject(t.Context(), id, reason.OperatorRejected))
		rec.space = spaceRejected
	}
}

// modelErase erases a few objects of a record, or all; the record as sent, which comes again, fills nothing in.
func modelErase(t *testing.T, r *rand.Rand, s *Store, m model) {
	t.Helper()
	id, rec := m.pick(r, []space{spaceAccepted, spaceHeld}[r.IntN(2)])
	if rec == nil {
		return
	}
	var drop []int // none means all
	for i := range rec.entry.Leaves {
		if r.IntN(2) == 0 {
			drop = append(drop, i)
		}
	}
	must(t, s.Erase(t.Context(), id, drop, reason.OperatorRejected))
	again := rec.entry
	rec.entry.Leaves = slices.Clone(rec.entry.Leaves)
	for i := range rec.entry.Leaves {
		if drop == nil || slices.Contains(drop, i) {
			rec.entry.Leaves[i] = Leaf{State: Refused, Reason: reason.ObjectErased, Modified: rec.entry.Record.Header().Created, Confidence: -1}
			rec.decided[i] = Refused
			_, err := s.Object(Ref{id, i})
			wantCode(t, err, reason.NotFound)
		}
	}
	again.State = Held
	wantCode(t, s.Accept(t.Context(), again), reason.DupHeld)
	form, raw, err := s.Fetch(id)
	must(t, err)
	rec.entry.Record, err = protocol.VerifyPruned(raw, rec.chains)
	must(t, err)
	if rec.stored = len(raw); form != Pruned || s.Lacks(id) {
		t.Fatalf("form %d; lacks %v", form, s.Lacks(id))
	}
}

// compareSets holds the sets against those computed from the model at a time, and at an earlier one.
func compareSets(t *testing.T, s *Store, m model, now time.Time) {
	t.Helper()
	topic := topicOf(t, "malicious-code")
	for _, now := range []time.Time{now, now.Add(-20 * time.Hour), now} {
		var items []recon.Item
		for id, rec := range m {
			if h := rec.entry.Record.Header(); h.Expires.After(now) {
				items = append(items, recon.Item{Timestamp: uint64(h.Created.UnixMilli()), ID: id})
			}
		}
		got, want := s.setAt(topic, now), recon.NewTree(items)
		if got.Len() != want.Len() || got.Fingerprint(0, got.Len()) != want.Fingerprint(0, want.Len()) {
			t.Fatalf("the set has %d records, want %d", got.Len(), want.Len())
		}
	}
	if s.setAt(topicOf(t, "fraud"), now).Len() != 0 || len(s.Gaps(9, nil)) != 0 {
		t.Fatal("a topic of which nothing is held has a set, or a log without gaps has some")
	}
}

func modelExpire(t *testing.T, s *Store, m model, now time.Time) {
	t.Helper()
	before := len(m)
	maps.DeleteFunc(m, func(_ protocol.RecordID, rec *modelRecord) bool { return rec.entry.Record.Header().Expires.Before(now) })
	n, err := s.Expire(t.Context(), now)
	must(t, err)
	if n != before-len(m) {
		t.Fatalf("%d expired, want %d", n, before-len(m))
	}
}

func compareModel(t *testing.T, s *Store, m model) {
	t.Helper()
	if got, want := s.Counts(), m.counts(); got != want {
		t.Fatalf("counts %+v, want %+v", got, want)
	}
	held := 0
	compareQuarantine(t, s, m)
	compareSurvey(t, s, m)
	for id, rec := range m {
		if !s.Has(id) {
			t.Fatalf("record %s has gone", id)
		}
		h := rec.entry.Record.Header()
		if at, ok := s.At(rec.entry.Record.Org(), rec.entry.Record.Key(), h.Topic, h.Sequence); !ok || at != id {
			t.Fatalf("place %d holds %s", h.Sequence, at)
		}
		if rec.space == spaceRejected {
			continue
		}
		for i, l := range rec.entry.Leaves {
			if rec.space == spaceHeld && l.State != Refused || l.State == Held {
				held++
			}
			if l.Object == "" {
				continue // erased
			}
			hits, err := s.Versions(l.Object)
			must(t, err)
			if !slices.ContainsFunc(hits, func(hit Hit) bool { return hit.Ref == Ref{id, i} && hit.State == l.State }) {
				t.Fatalf("object %d of record %s is no version of %s", i, id, l.Object)
			}
		}
	}
	if got := heldRefs(t, s, 7); len(got) != held {
		t.Fatalf("%d held objects are listed, want %d", len(got), held)
	}
	for n := range 40 {
		want := m.named(domain(n))
		hits := lookup(t, s, domain(n))
		for _, h := range hits {
			if !want[h.Ref] {
				t.Fatalf("look up %d gives %+v, which does not name it", n, h.Ref)
			}
		}
		// Of each voice the newest accepted version, if it names the value, must be among them.
		if len(hits) == 0 && len(want) > 0 {
			for ref := range want {
				h, err := s.Leaves(ref.Record)
				must(t, err)
				versions, err := s.versions(h[ref.Index:ref.Index+1], nil)
				must(t, err)
				if slices.ContainsFunc(current(versions), func(v Hit) bool { return v.Ref == ref }) {
					t.Fatalf("look up %d misses %+v", n, ref)
				}
			}
		}
	}
	for _, l := range s.Logs() {
		if l.Count != l.Head {
			t.Fatalf("log %+v has gaps, though nothing was left out", l)
		}
	}
}

// compareQuarantine holds usage, the list of held records and pages under filters against the model.
func compareQuarantine(t *testing.T, s *Store, m model) {
	t.Helper()
	usage, total, whole := map[protocol.OrgID]Usage{}, Usage{}, map[reason.Code]int{}
	filters := map[HeldFilter]int{{}: 0, {Text: "BAD-7."}: 0, {Text: "no such text"}: 0, {Reason: reason.WarnHard}: 0}
	for id, rec := range m {
		org := rec.entry.Record.Org()
		if _, ok := usage[org]; !ok {
			usage[org] = Usage{} // the organisation is asked about, whatever it has
		}
		if rec.space == spaceHeld {
			u := usage[org]
			u.Records, u.Bytes = u.Records+1, u.Bytes+int64(rec.stored)
			usage[org] = u
			total.Records, total.Bytes = total.Records+1, total.Bytes+int64(rec.stored)
			whole[rec.why]++
		}
		for _, l := range rec.entry.Leaves {
			if l.State == Refused || rec.space == spaceRejected || rec.space == spaceAccepted && l.State != Held {
				continue
			}
			why := l.Reason
			if rec.space == spaceHeld {
				why = rec.why
			}
			filters[HeldFilter{}]++
			filters[HeldFilter{Org: org}]++
			filters[HeldFilter{Record: id}]++
			filters[HeldFilter{Org: org, Record: id}]++
			if why != "" {
				filters[HeldFilter{Reason: why}]++
				filters[HeldFilter{Reason: why, Org: org}]++
			}
			if slices.ContainsFunc(l.Values, func(v pattern.Value) bool { return v.Observable == domain(7) }) {
				filters[HeldFilter{Text: "BAD-7."}]++
			}
		}
	}
	for org, want := range usage {
		if got := s.Held(org); got != want {
			t.Fatalf("usage %+v, want %+v", got, want)
		}
	}
	if got := s.HeldTotal(); got != total || s.Held(protocol.OrgID{1}) != (Usage{}) {
		t.Fatalf("usage of all %+v, want %+v", got, total)
	}
	for _, why := range []reason.Code{reason.TrustUnknown, reason.LogFork, reason.KeyRevoked, reason.WarnHard} {
		if ids, err := s.HeldRecords(why); err != nil || len(ids) != whole[why] || !slices.IsSortedFunc(ids, byID) {
			t.Fatalf("%d records held for %s, %v; want %d", len(ids), why, err, whole[why])
		}
	}
	for f, want := range filters {
		if got := heldWhere(t, s, f, 3); len(got) != want {
			t.Fatalf("filter %+v gives %d objects, want %d", f, len(got), want)
		}
	}
}

func byID(a, b protocol.RecordID) int { return slices.Compare(a[:], b[:]) }

// compareSurvey holds the distinct values of accepted claims against the model.
func compareSurvey(t *testing.T, s *Store, m model) {
	t.Helper()
	since := testNow.Add(50 * time.Hour)
	want := map[pattern.Observable]bool{}
	for _, rec := range m {
		if rec.space != spaceAccepted || rec.entry.Received.Before(since) {
			continue
		}
		for _, l := range rec.entry.Leaves {
			for _, v := range l.Values {
				if l.State == Accepted || l.State == NotEvaluated {
					want[v.Observable] = true
				}
			}
		}
	}
	must(t, s.Survey(t.Context(), since, func(o pattern.Observable) error {
		if !want[o] {
			t.Errorf("value %v is visited twice or for nothing", o)
		}
		delete(want, o)
		return nil
	}))
	if len(want) > 0 {
		t.Fatalf("values %v are not visited", want)
	}
}
