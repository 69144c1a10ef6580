package belief

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/pattern"
	"tocsin/protocol/reason"
	"tocsin/protocol/trust"
	"tocsin/protocol/warn"
	"tocsin/storage"
)

// compare asks what another list would change in the last 30 days.
func (d *desk) compare(list *trust.List) Comparison {
	d.t.Helper()
	from := d.Inputs()
	to := from
	to.List = list
	c, err := d.Compare(context.Background(), from, to, now.AddDate(0, 0, -30), now)
	must(d.t, err)
	return c
}

func (d *desk) with(e trust.Entry) *trust.List {
	d.t.Helper()
	l, err := d.Policy.List().With(e)
	must(d.t, err)
	return l
}

func TestCompare(t *testing.T) {
	d := newDesk(t)
	c := newCast(t, d)
	// waiting is listed by the compared list only; what it said waits in quarantine.
	waiting := newAuthor(t, "waiting")
	d.publish(c.anchor, storage.Accepted, now, claim(1, 90, "a.example"), claim(2, 90, "b.example"), claim(3, 20, "c.example"))
	d.publish(c.partner, storage.Accepted, now, claim(4, 80, "a.example"))
	d.publish(waiting, storage.Held, now, claim(5, 95, "b.example"), claim(6, 95, "w.example"))
	d.came = now.AddDate(0, 0, -31)
	d.publish(c.anchor, storage.Accepted, now, claim(7, 90, "long-ago.example"))

	same := d.compare(d.Policy.List())
	if same.Values != 3 || same.Changed != 0 || len(same.Examples) != 0 {
		t.Errorf("the same list: %+v", same)
	}
	// The anchor becomes a partner: a 83.2 -> 67, b 72 -> 45, c stays below all lines.
	got := d.compare(d.with(trust.Entry{Org: c.anchor.Org, Petname: "anchor", Level: trust.Partner, Expires: now.AddDate(0, 0, 300)}))
	if want := map[string]int{"malicious -> suspicious": 1, "suspicious -> known": 1}; !maps.Equal(got.Kinds, want) || got.Values != 3 || got.Changed != 2 {
		t.Errorf("anchor to partner: %+v", got)
	}
	want := Example{
		pattern.Refang("a.example"), Standing{"malicious", "accepted", 83, 83, "actionable"}, Standing{"suspicious", "accepted", 67, 67, "alert"},
	}
	if len(got.Examples) != 2 || got.Examples[0] != want {
		t.Errorf("examples %+v, want first %+v", got.Examples, want)
	}
	// Listing whoever waits lets his records count, and finds values that only he names.
	got = d.compare(d.with(trust.Entry{Org: waiting.Org, Petname: "waiting", Level: trust.Partner, Expires: now.AddDate(0, 0, 300)}))
	if want := map[string]int{"suspicious -> malicious": 1, "unknown -> known": 1}; !maps.Equal(got.Kinds, want) || got.Values != 4 {
		t.Errorf("whoever waits is listed: %+v", got)
	}
	if d.ask("w.example").State != "held" {
		t.Error("the comparison let something out of quarantine")
	}
	// Other inputs than the list.
	from := d.Inputs()
	to := from
	to.Warnings = warn.Compile([]*warn.List{{Name: "mine", Type: "string", Weight: warn.Hard, Entries: []string{"a.example"}}})
	warned, err := d.Compare(t.Context(), from, to, now.AddDate(0, 0, -30), now)
	must(t, err)
	if want := map[string]int{"malicious -> allowed": 1}; !maps.Equal(warned.Kinds, want) {
		t.Errorf("a warning list more: %+v", warned)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.Compare(ctx, from, to, now.AddDate(0, 0, -30), now); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestExamplesAreBounded(t *testing.T) {
	c := Comparison{Kinds: map[string]int{}}
	for i := range MaxExamples + 20 {
		c.note(Example{Value: pattern.Observable{Type: pattern.Domain, Value: fmt.Sprintf("%03d", (i*37)%(MaxExamples+20))}})
	}
	if len(c.Examples) != MaxExamples || c.Changed != MaxExamples+20 || c.Examples[0].Value.Value != "000" || c.Examples[MaxExamples-1].Value.Value != fmt.Sprintf("%03d", MaxExamples-1) {
		t.Errorf("%d examples of %d, from %s", len(c.Examples), c.Changed, c.Examples[0].Value.Value)
	}
}

// judged lists the records that were noted, after a place in the change sequence.
func (d *desk) judged(after uint64) (out []protocol.RecordID) {
	d.t.Helper()
	changes, err := d.Store.Changes(after, 100_000)
	must(d.t, err)
	for _, c := range changes {
		if c.Kind == "judged" {
			out = append(out, c.Record)
		}
	}
	return out
}

// TestRun: after a change of the trust list the records whose verdicts changed are noted,
// and no others.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		a, b := newAuthor(t, "a"), newAuthor(t, "b")
		expires := time.Now().AddDate(0, 0, 300)
		set := func(e trust.Entry) { e.Expires = expires; must(t, d.Policy.Set(e)) }
		set(trust.Entry{Org: a.Org, Petname: "a", Level: trust.Anchor})
		set(trust.Entry{Org: b.Org, Petname: "b", Level: trust.Partner})
		fresh := func(l storage.Leaf) storage.Leaf { l.ValidFrom = time.Time{}; return l }
		one := d.publish(a, storage.Accepted, now, fresh(claim(1, 90, "a.example")))
		d.publish(a, storage.Accepted, now, fresh(claim(2, 10, "b.example")))
		three := d.publish(b, storage.Accepted, now, fresh(claim(3, 80, "a.example")))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- d.Run(ctx) }()
		synctest.Wait()
		at := d.Store.Sequence()
		set(trust.Entry{Org: a.Org, Petname: "a", Level: trust.Partner})
		synctest.Wait()
		time.Sleep(time.Second)
		synctest.Wait()
		got := d.judged(at)
		if len(got) != 2 || !slices.Contains(got, one.ID()) || !slices.Contains(got, three.ID()) {
			t.Errorf("noted %v, want %s and %s", got, one.ID(), three.ID())
		}
		p := d.Progress()
		if p.Running || p.Why != "trust list" || p.Values != 2 || p.Changed != 1 || p.Records != 2 {
			t.Errorf("progress %+v", p)
		}
		at = d.Store.Sequence()
		set(trust.Entry{Org: a.Org, Petname: "a", Level: trust.Partner, Reason: "nothing that counts"})
		time.Sleep(time.Second)
		synctest.Wait()
		if got := d.judged(at); len(got) != 0 {
			t.Errorf("noted %v after a change that changes nothing", got)
		}
		cancel()
		must(t, <-done)
	})
}

// TestChangesDuringARun: a run goes to its end whatever changes meanwhile, and however much did is one more run.
func TestChangesDuringARun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		a := newAuthor(t, "a")
		list := func(level trust.Level) {
			must(t, d.Policy.Set(trust.Entry{Org: a.Org, Petname: "a", Level: level, Expires: time.Now().AddDate(0, 0, 300)}))
		}
		list(trust.Anchor)
		for i := range 5 {
			d.publish(a, storage.Accepted, now, claim(i, 90, fmt.Sprintf("v%d.example", i)))
		}
		from, _ := d.freeze(now)
		j := judgement{Desk: d.Desk, from: from, pending: map[protocol.RecordID]struct{}{}}
		w := newWatch()
		began := time.Now()
		w.tell("first")
		w.tell("second")
		if why := w.next(t.Context()); why != "second" || time.Since(began) < settleFor {
			t.Errorf("the newest change is %q, after %s", why, time.Since(began))
		}
		list(trust.Observed)
		for range 10 {
			w.tell("third") // while the run goes
		}
		must(t, j.run(t.Context(), "second"))
		if p := d.Progress(); p.Values != 5 || len(j.pending) != 0 {
			t.Errorf("the run ended after %d values, %d pending", p.Values, len(j.pending))
		}
		if why := w.next(t.Context()); why != "third" {
			t.Errorf("next is %q", why)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if why := w.next(ctx); why != "" {
			t.Errorf("ten changes make a second run: %q", why)
		}
	})
}

// TestBrokenOff: what a run noted that did not come to its end is noted again by the next, since what it judged by
// is gone.
func TestBrokenOff(t *testing.T) {
	d := newDesk(t)
	a := newAuthor(t, "a")
	d.list(a, "a", trust.Anchor)
	for i := range 5 {
		d.publish(a, storage.Accepted, now, claim(i, 90, fmt.Sprintf("v%d.example", i)))
	}
	from, _ := d.freeze(now)
	j := judgement{Desk: d.Desk, from: from, pending: map[protocol.RecordID]struct{}{}}
	at := d.Store.Sequence()
	changes, err := d.Store.Changes(0, 2)
	must(t, err)
	must(t, j.note(t.Context(), []protocol.RecordID{changes[0].Record, changes[1].Record, changes[0].Record}))
	must(t, j.run(t.Context(), "nothing to note by itself"))
	if got := d.judged(at); len(got) != 2 {
		t.Errorf("noted %d records, want the 2 of the run that was broken off", len(got))
	}
	if len(j.pending) != 0 || d.Progress().Changed != 0 {
		t.Errorf("pending %d, progress %+v", len(j.pending), d.Progress())
	}
}

// TestFreeze: what a run judged by stays as it was, for those who were listed.
func TestFreeze(t *testing.T) {
	d := newDesk(t)
	c := newCast(t, d)
	d.publish(c.anchor, storage.Accepted, now, claim(1, 90, bad))
	code, q := reason.OrgStale, 4000
	in := Inputs{List: d.Policy.List()}
	in.Q = func(protocol.OrgID, string, time.Time) int { return q }
	in.Barred = func(protocol.OrgID, protocol.Topic, time.Time) reason.Code { return code }
	frozen, bearings := d.freezeOf(in, now)
	topic, err := protocol.ParseTopic("malicious-code")
	must(t, err)
	code, q = "", 9000
	if frozen.Barred(c.anchor.Org, topic, now) != reason.OrgStale || frozen.Q(c.anchor.Org, topic.String(), now) != 4000 || len(bearings) != 1 {
		t.Errorf("frozen: %q, %d, %d bearings", frozen.Barred(c.anchor.Org, topic, now), frozen.Q(c.anchor.Org, topic.String(), now), len(bearings))
	}
	_, later := d.freezeOf(in, now)
	if maps.EqualFunc(bearings, later, near) {
		t.Error("a changed ledger is not seen")
	}
	q = 9050
	if _, again := d.freezeOf(in, now); !maps.EqualFunc(later, again, near) {
		t.Error("half a per cent is taken for a change")
	}
}

func TestKinds(t *testing.T) {
	a, b := Standing{Verdict: "known", Band: "context"}, Standing{Verdict: "known", Band: "stored"}
	if a.same(b) || a.kind(b) != "known: context -> stored" || a.kind(Standing{Verdict: "expired"}) != "known -> expired" || !a.same(a) {
		t.Errorf("kinds %q %q", a.kind(b), a.kind(Standing{Verdict: "expired"}))
	}
	var bands []string
	for _, gate := range []int{10_000, 8000, 7999, 5000, 4999, 2000, 1999, 0} {
		bands = append(bands, band(gate))
	}
	if got := strings.Join(bands, " "); got != "actionable actionable alert alert context context stored stored" {
		t.Errorf("bands %s", got)
	}
}
