package review

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tocsin/node/audit"
	"tocsin/protocol"
	"tocsin/protocol/reason"
)

var day = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func open(t *testing.T, path string) *Queue {
	t.Helper()
	q, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func item(kind, title string) Item {
	return Item{Kind: kind, Org: protocol.OrgID{1}, Title: title, By: audit.Node(), Created: day, Expires: day.Add(24 * time.Hour)}
}

func TestQueue(t *testing.T) {
	path := filepath.Join(t.TempDir(), "review.json")
	q := open(t, path)
	if items := q.List(day); len(items) != 0 {
		t.Fatalf("a new queue holds %v", items)
	}
	for _, title := range []string{"raise a", "raise b"} {
		if id, added, err := q.Add(item(Promotion, title)); !added || err != nil || len(id) != len("promotion-12345678") {
			t.Fatal(id, added, err)
		}
	}
	if _, added, err := q.Add(item(Promotion, "raise a")); added || err != nil {
		t.Errorf("the same matter was queued twice: %v %v", added, err)
	}
	q = open(t, path) // as after a restart
	items := q.List(day)
	if len(items) != 2 || items[0].Title != "raise a" || items[0].Org != (protocol.OrgID{1}) || items[0].By.UID != -1 {
		t.Fatalf("after a restart: %+v", items)
	}
	for _, id := range []string{items[1].ID, items[1].ID[:12], items[1].ID[len("promotion-"):][:6]} {
		if got, err := q.Find(id, day); err != nil || got.Title != "raise b" {
			t.Errorf("find %q: %+v, %v", id, got, err)
		}
	}
	if _, err := q.Find("promotion", day); reason.Of(err) != reason.Ambiguous {
		t.Errorf("an id of two items: %v", err)
	}
	for _, id := range []string{"", "advisory-00000000"} {
		if _, err := q.Find(id, day); reason.Of(err) != reason.NotFound {
			t.Errorf("find %q: %v", id, err)
		}
	}
}

func TestCloseRemembersRejection(t *testing.T) {
	q := open(t, filepath.Join(t.TempDir(), "review.json"))
	for _, rejected := range []bool{true, false} {
		i := item(Promotion, fmt.Sprint(rejected))
		if _, _, err := q.Add(i); err != nil {
			t.Fatal(err)
		}
		id := q.List(day)[0].ID
		if err := q.Close(id, rejected, day); err != nil {
			t.Fatal(err)
		}
		if err := q.Close(id, rejected, day); reason.Of(err) != reason.NotFound {
			t.Errorf("closed twice: %v", err)
		}
		for _, later := range []time.Duration{0, RejectedFor - time.Second, RejectedFor} {
			i.Created, i.Expires = day.Add(later), day.Add(later+time.Hour)
			_, added, err := q.Add(i)
			// What was not rejected comes back at once, and again when that is over.
			want := rejected == (later == RejectedFor)
			if err != nil || added != want {
				t.Errorf("rejected %v, again after %s: added %v (%v), want %v", rejected, later, added, err, want)
			}
		}
		for _, left := range q.List(day) {
			if err := q.Close(left.ID, false, day); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestItemsEnd(t *testing.T) {
	q := open(t, filepath.Join(t.TempDir(), "review.json"))
	if _, _, err := q.Add(item(Advisory, "x")); err != nil {
		t.Fatal(err)
	}
	if n := len(q.List(day.Add(24*time.Hour - time.Nanosecond))); n != 1 {
		t.Errorf("%d items just before the end", n)
	}
	if n := len(q.List(day.Add(24 * time.Hour))); n != 0 {
		t.Errorf("%d items at the end", n)
	}
}

// A full queue takes what matters more: advisories come from others, the rest from here.
func TestFull(t *testing.T) {
	path := filepath.Join(t.TempDir(), "review.json")
	s := state{}
	for n := range MaxItems {
		i := item(Promotion, fmt.Sprint(n))
		if n == 17 {
			i.Kind = Advisory
		}
		i.ID = i.id()
		s.Items = append(s.Items, i)
	}
	raw, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	q := open(t, path)
	if _, added, err := q.Add(item(Anchor, "new")); !added || err != nil {
		t.Fatalf("the advisory did not give way: %v %v", added, err)
	}
	if _, _, err := q.Add(item(Anchor, "one more")); reason.Of(err) != reason.Conflict {
		t.Errorf("a queue full of own matters: %v", err)
	}
	if n := len(q.List(day)); n != MaxItems {
		t.Errorf("%d items, want %d", n, MaxItems)
	}
}

func TestBounds(t *testing.T) {
	q := open(t, filepath.Join(t.TempDir(), "review.json"))
	i := item(Import, "large")
	i.Payload = json.RawMessage(`"` + string(make([]byte, MaxPayload)) + `"`)
	if _, _, err := q.Add(i); reason.Of(err) != reason.UsageInvalid {
		t.Errorf("payload above the limit: %v", err)
	}
	i.Payload = nil
	for n := range MaxDetail + 1 {
		i.Detail = append(i.Detail, fmt.Sprint(n))
	}
	if _, _, err := q.Add(i); err != nil {
		t.Fatal(err)
	}
	d := q.List(day)[0].Detail
	if len(d) != MaxDetail || d[MaxDetail-1] != "and 2 more" {
		t.Errorf("%d lines, the last %q", len(d), d[len(d)-1])
	}
}

func TestBrokenFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "review.json")
	for _, raw := range []string{"", "{", `{"items":[{"org":"sha256:00"}]}`, "[]"} {
		if err := os.WriteFile(path, []byte(raw), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path); reason.Of(err) != reason.ConfigInvalid {
			t.Errorf("%q: %v", raw, err)
		}
	}
}
