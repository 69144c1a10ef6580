package admin

import (
	"fmt"
	"slices"
	"testing"

	"tocsin/node/admin/api"
	"tocsin/protocol/reason"
	"tocsin/storage"
)

// A call that has no time left looks at a few changes and gives a cursor: whoever follows it finds everything once, in the
// same order as whoever waits, and a text that stands nowhere ends as well.
func TestPagesThatEndEarly(t *testing.T) {
	b := newBench(t)
	const records = 5 * searchAtLeast
	for i := range records {
		b.publish(indicator(2*i, fmt.Sprintf("h%d.example", 2*i)), indicator(2*i+1, fmt.Sprintf("h%d.example", 2*i+1)))
	}
	n := names{b.deps.Policy, b.deps.Identity, b.deps.Self}
	hasty, patient := &searchResource{n, b.deps.Store, 0}, &searchResource{n, b.deps.Store, searchFor}
	type call func(s *searchResource, cursor string) (*body[api.List[api.Object]], error)
	search := func(q, typ string) call {
		return func(s *searchResource, cursor string) (*body[api.List[api.Object]], error) {
			return s.get(t.Context(), &searchIn{PageIn: PageIn{Cursor: cursor, Limit: 3 * searchAtLeast}, Query: q, Type: typ})
		}
	}
	arrivals := func(typ string) call {
		return func(s *searchResource, cursor string) (*body[api.List[api.Object]], error) {
			page, err := s.arrivals(t.Context(), &arrivalsIn{PageIn: PageIn{Cursor: cursor, Limit: 3 * searchAtLeast}, Type: typ})
			ok(t, err)
			return answer(api.List[api.Object]{Items: page.Body.Items, Next: page.Body.Next})
		}
	}
	for name, c := range map[string]struct {
		ask  call
		want int
	}{
		"search":          {search("", ""), 2 * records},
		"a text":          {search("name", ""), 2 * records},
		"no such text":    {search("nobody says this", ""), 0},
		"no such type":    {search("", "tool"), 0},
		"arrivals":        {arrivals(""), 2 * records},
		"arrivals, none":  {arrivals("tool"), 0},
		"arrivals, typed": {arrivals("indicator"), 2 * records},
	} {
		follow := func(s *searchResource) (ids []string, pages int) {
			for cursor := ""; ; {
				page, err := c.ask(s, cursor)
				ok(t, err)
				pages++
				for _, o := range page.Body.Items {
					ids = append(ids, o.ID)
				}
				if cursor = page.Body.Next; cursor == "" || pages > 100 {
					return ids, pages
				}
			}
		}
		short, pages := follow(hasty)
		full, _ := follow(patient)
		if len(short) != c.want || !slices.Equal(short, full) {
			t.Errorf("%s: %d objects in a hurry, %d with time, want %d", name, len(short), len(full), c.want)
		}
		if least := records / searchAtLeast; pages < least {
			t.Errorf("%s: %d pages in a hurry, want at least %d: one call looked at more than it may", name, pages, least)
		}
	}
}

// A cursor may stand before the first object of a record, but not before that.
func TestRefCursorBeforeTheFirst(t *testing.T) {
	for index, good := range map[int]bool{-2: false, -1: true, 0: true} {
		want := storage.Ref{Index: index}
		want.Record[0] = 1
		got, err := readRefCursor("quarantine", refCursor("quarantine", want))
		switch {
		case !good:
			refused(t, err, reason.UsageInvalid)
		case err != nil || got != want:
			t.Errorf("index %d: %+v, %v", index, got, err)
		}
	}
}

// The client asks on while pages are short, and gives where to go on.
func TestClientFillsPages(t *testing.T) {
	b := newBench(t)
	for i := range 3 {
		b.receive(b.other.record(t, "fraud", indicator(i, fmt.Sprintf("h%d.example", i))))
	}
	page, err := b.client.Quarantine(t.Context(), api.HeldParams{Limit: 2})
	ok(t, err)
	rest, err := b.client.Quarantine(t.Context(), api.HeldParams{Limit: 2, Cursor: page.Next})
	ok(t, err)
	if len(page.Items) != 2 || page.Next == "" || len(rest.Items) != 1 || rest.Next != "" {
		t.Errorf("pages of %d and %d", len(page.Items), len(rest.Items))
	}
}
