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
)

// modelRecord is a record as the simplest possible store would keep it.
type modelRecord struct {
	entry Entry
	space space
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
			c.HeldBytes += int64(len(r.entry.Record.Raw()))
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
				switch what := r.IntN(20); {
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
				case what < 19:
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
	e := a.entry(d)
	must(t, s.Accept(t.Context(), e))
	m[e.Record.ID()] = &modelRecord{e, map[State]space{Accepted: spaceAccepted, Held: spaceHeld}[d.state]}
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
		wantCode(t, s.Accept(t.Context(), rec.entry), reason.DupHeld)
		rec.entry.State = Accepted
		must(t, s.Accept(t.Context(), rec.entry))
		rec.space = spaceAccepted
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
}

func modelReject(t *testing.T, r *rand.Rand, s *Store, m model) {
	t.Helper()
	if id, rec := m.pick(r, spaceHeld); rec != nil {
		must(t, s.Reject(t.Context(), id, reason.OperatorRejected))
		rec.space = spaceRejected
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
	for id, rec := range m {
		if !s.Has(id) {
			t.Fatalf("record %s has gone", id)
		}
		h := rec.entry.Record.Header()
		if at, ok := s.At(rec.entry.Record.Key(), h.Topic, h.Sequence); !ok || at != id {
			t.Fatalf("place %d holds %s", h.Sequence, at)
		}
		if rec.space == spaceRejected {
			continue
		}
		for i, l := range rec.entry.Leaves {
			if rec.space == spaceHeld && l.State != Refused || l.State == Held {
				held++
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
