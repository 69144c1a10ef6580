package admin

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin/node/admin/api"
	"tocsin/protocol/reason"
)

// Quarantine pages through everything once, and a decision takes effect.
func TestQuarantine(t *testing.T) {
	b := newBench(t)
	first := b.other.record(t, "fraud", indicator(1, "a.example"), indicator(2, "b.example"))
	second := b.other.record(t, "fraud", indicator(3, "c.example"))
	b.receive(first)
	b.receive(second)
	var names []string
	cursor := ""
	for range 10 {
		page, err := b.client.Quarantine(t.Context(), api.HeldParams{Cursor: cursor, Limit: 1})
		ok(t, err)
		for _, h := range page.Items {
			names = append(names, h.Object)
			if !h.Whole || h.Reason != string(reason.TrustUnknown) || h.From != "12D3KooWPeer" || h.Org != b.other.Org.String() || len(h.Values) != 1 {
				t.Errorf("held %+v", h)
			}
		}
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	slices.Sort(names)
	if want := []string{"indicator--" + uuid(1), "indicator--" + uuid(2), "indicator--" + uuid(3)}; !slices.Equal(names, want) {
		t.Fatalf("held %v", names)
	}
	d, err := b.client.Decide(t.Context(), api.Decision{Subject: first.ID().String()[:len("sha256:")+16], Accept: true, Reason: "seen here too"})
	ok(t, err)
	if !d.Accepted || len(d.Items) != 1 || d.Items[0] != (api.Ref{Record: first.ID().String(), Index: -1}) {
		t.Errorf("decided %+v", d)
	}
	// One object of a record that is held as a whole cannot be decided on alone.
	for _, subject := range []string{"indicator--" + uuid(3), second.ID().String() + "#0"} {
		for verb, accept := range map[string]bool{"accept": true, "reject": false} {
			_, err = b.client.Decide(t.Context(), api.Decision{Subject: subject, Accept: accept})
			refused(t, err, reason.Conflict)
			if fix := api.ProblemOf(err).Fix; !strings.Contains(fix, "'tocsin quarantine "+verb+" "+second.ID().String()+"'") {
				t.Errorf("%s %s: fix %q", verb, subject, fix)
			}
		}
	}
	if c := b.deps.Store.Counts(); c.Held != 1 {
		t.Errorf("a refused decision changed something: %+v", c)
	}
	d, err = b.client.Decide(t.Context(), api.Decision{Subject: second.ID().String()})
	ok(t, err)
	if d.Accepted || len(d.Items) != 1 {
		t.Errorf("decided %+v", d)
	}
	if c := b.deps.Store.Counts(); c.Objects != 2 || c.Held != 0 {
		t.Errorf("counts %+v", c)
	}
	_, err = b.client.Decide(t.Context(), api.Decision{Subject: first.ID().String(), Accept: true})
	refused(t, err, reason.NotFound)
	_, err = b.client.Decide(t.Context(), api.Decision{Subject: "indicator--" + uuid(8), Accept: true})
	refused(t, err, reason.NotFound)
}

// Events begin where the reader stands, come in order without gaps, and go on
// as things happen.
func TestEvents(t *testing.T) {
	b := newBench(t)
	b.publish(indicator(1, "a.example"))
	page, err := b.client.Changes(t.Context(), 0, 0, api.EventFilter{})
	ok(t, err)
	if len(page.Items) == 0 || page.Items[0].Seq != 1 || page.Items[0].Kind != "accepted" || page.Items[0].Petname != "Own CERT" {
		t.Fatalf("changes %+v", page.Items)
	}
	enough := errors.New("enough")
	var seen []uint64
	after := uint64(0)
	err = b.client.Events(t.Context(), &after, func(e api.Event) error {
		seen = append(seen, e.Seq)
		switch len(seen) {
		case 1:
			b.publish(indicator(2, "b.example"))
		case 2:
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || !slices.Equal(seen, []uint64{1, 2}) {
		t.Errorf("events %v, %v", seen, err)
	}
	page, err = b.client.Changes(t.Context(), 1, 1, api.EventFilter{})
	ok(t, err)
	if len(page.Items) != 1 || page.Items[0].Seq != 2 || page.Next != "2" {
		t.Errorf("page %+v", page)
	}
	page, err = b.client.Changes(t.Context(), 2, 10, api.EventFilter{})
	ok(t, err)
	if len(page.Items) != 0 || page.Next != "2" {
		t.Errorf("the end %+v", page)
	}
}

// The number of followers has a limit, and the next one is told.
func TestFollowerLimit(t *testing.T) {
	b := newBench(t)
	e := newEventResource(names{b.deps.Policy, b.deps.Identity, b.deps.Self}, &b.deps)
	e.places = newShares(1, 1)
	in := &eventsIn{}
	_, err := e.follow(t.Context(), in)
	ok(t, err)
	_, err = e.follow(t.Context(), in)
	refused(t, err, reason.RequestRate)
	in.LastID = "99999999999999999999999"
	_, err = e.follow(t.Context(), in)
	refused(t, err, reason.UsageInvalid)
}

// Search pages through everything exactly once, newest record first, and filters.
func TestSearch(t *testing.T) {
	b := newBench(t)
	const records, each = 4, 3
	for i := range records {
		var objects []string
		for j := range each {
			n := i*each + j
			objects = append(objects, indicator(n, fmt.Sprintf("host-%d.example", n)))
		}
		b.publish(objects...)
	}
	b.receive(b.other.record(t, "phishing", indicator(100, "stranger.example")))
	all := func(p api.SearchParams) (ids []string) {
		t.Helper()
		for range 50 {
			page, err := b.client.Search(t.Context(), p)
			ok(t, err)
			if p.Limit > 0 && len(page.Items) > p.Limit {
				t.Fatalf("a page of %d, limit %d", len(page.Items), p.Limit)
			}
			for _, o := range page.Items {
				ids = append(ids, o.ID)
			}
			if p.Cursor = page.Next; p.Cursor == "" {
				return ids
			}
		}
		t.Fatal("the pages do not end")
		return nil
	}
	full := all(api.SearchParams{})
	if len(full) != records*each+1 || full[0] != "indicator--"+uuid(100) || full[1] != "indicator--"+uuid(9) {
		t.Errorf("everything: %v", full)
	}
	for limit := 1; limit <= 5; limit++ {
		if got := all(api.SearchParams{Limit: limit}); !slices.Equal(got, full) {
			t.Errorf("in pages of %d: %v", limit, got)
		}
	}
	future := time.Now().Add(time.Hour)
	for name, c := range map[string]struct {
		p    api.SearchParams
		want int
	}{
		"a value":        {api.SearchParams{Query: "HOST-3[.]example"}, 1},
		"text, any case": {api.SearchParams{Query: "nAME 1"}, 4}, // Name 1, 10, 11, 100
		"no hit":         {api.SearchParams{Query: "nothing like it"}, 0},
		"organisation":   {api.SearchParams{Org: b.other.Org.String()}, 1},
		"topic":          {api.SearchParams{Topic: "fraud"}, records * each},
		"held":           {api.SearchParams{State: "held"}, 1},
		"type":           {api.SearchParams{Type: "malware"}, 0},
		"since":          {api.SearchParams{Since: future}, 0},
		"until":          {api.SearchParams{Until: future}, records*each + 1},
		"value and org":  {api.SearchParams{Query: "host-3.example", Org: b.other.Org.String()}, 0},
	} {
		if got := all(c.p); len(got) != c.want {
			t.Errorf("%s: %d hits %v, want %d", name, len(got), got, c.want)
		}
	}
	for _, p := range []api.SearchParams{{Cursor: "odd"}, {Topic: "No Topic"}} {
		_, err := b.client.Search(t.Context(), p)
		refused(t, err, reason.UsageInvalid)
	}
	if _, err := b.client.Search(t.Context(), api.SearchParams{Org: strings.Repeat("0", 10)}); err == nil {
		t.Error("an unknown organisation was searched")
	}
}
