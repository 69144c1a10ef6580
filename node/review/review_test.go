package review

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
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

// A file that makes no sense is kept and does not keep the node from starting.
func TestBrokenFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "review.json")
	for _, raw := range []string{"", "{", `{"items":[{"org":"sha256:00"}]}`, "[]", strings.Repeat(" ", maxFile+1)} {
		if err := os.WriteFile(path, []byte(raw), 0o600); err != nil {
			t.Fatal(err)
		}
		q := open(t, path)
		if kept, err := os.ReadFile(q.Aside()); err != nil || string(kept) != raw {
			t.Errorf("%.20q is not kept: %v", raw, err)
		}
		if _, added, err := q.Add(item(Promotion, "new")); !added || err != nil {
			t.Errorf("after %.20q: %v %v", raw, added, err)
		}
		if q = open(t, path); q.Aside() != "" || len(q.List(day)) != 1 {
			t.Errorf("after %.20q and a restart: %v", raw, q.List(day))
		}
	}
}

// advisory is the n-th of an author, a minute after the one before.
func advisory(author byte, n int) Item {
	i := item(Advisory, fmt.Sprint(author, " ", n))
	i.Author, i.Created = protocol.OrgID{author}, day.Add(time.Duration(n)*time.Minute)
	i.Detail = []string{strings.Repeat("<", 4000)}
	return i
}

// One author that warns without end fills neither the queue nor the disk, and pushes out nothing but
// its own older words. Told the same again, in any order, the queue does not write again.
func TestOneAuthorFloods(t *testing.T) {
	path := filepath.Join(t.TempDir(), "review.json")
	q := open(t, path)
	for _, other := range []Item{item(Promotion, "a"), advisory(2, 0)} {
		if _, added, err := q.Add(other); !added || err != nil {
			t.Fatal(added, err)
		}
	}
	const many = 3*MaxAdvisories + 1
	for n := range many {
		if _, added, err := q.Add(advisory(1, n)); !added || err != nil {
			t.Fatal(n, added, err)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Size() > 2*(MaxAdvisories+2)*4000 {
		t.Errorf("the file has %d bytes (%v)", info.Size(), err)
	}
	if n := len(q.List(day)); n != MaxAdvisories+2 {
		t.Errorf("%d items wait, want %d", n, MaxAdvisories+2)
	}
	for n := range many {
		if _, added, err := q.Add(advisory(1, n)); added || err != nil {
			t.Fatalf("advisory %d came again: %v %v", n, added, err)
		}
	}
	if again, err := os.Stat(path); err != nil || !again.ModTime().Equal(info.ModTime()) {
		t.Errorf("the file was written again: %v", err)
	}
	open(t, path)
}

// What Open refuses is never written: the node would not find its queue again. Advisories
// with characters that JSON may escape once did that.
func TestNeverTooLargeToOpen(t *testing.T) {
	const limit, size = 1 << 20, 50_000
	path := filepath.Join(t.TempDir(), "review.json")
	q := &Queue{path: path, limit: limit}
	for n := range limit/size - 1 {
		i := advisory(byte(n), n)
		i.Detail = []string{strings.Repeat("<", size)}
		i.ID = i.id()
		q.Items = append(q.Items, i)
	}
	waiting := len(q.Items)
	large := func(n int) Item {
		i := item(Anchor, fmt.Sprint(n))
		i.Created, i.Expires = day.Add(time.Hour), day.Add(48*time.Hour)
		i.Payload = json.RawMessage(`"` + strings.Repeat("<", size) + `"`)
		return i
	}
	for n := range 4 {
		if _, added, err := q.Add(large(n)); !added || err != nil {
			t.Fatal(n, added, err)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Size() > limit || info.Size() < limit-2*size {
		t.Errorf("the file has %d bytes of %d: %v", info.Size(), limit, err)
	}
	if again := open(t, path); again.Aside() != "" || len(again.Items) < waiting {
		t.Fatalf("%d items of %d and 4 more; moved aside: %q", len(again.Items), waiting, again.Aside())
	}
	q.Items = slices.DeleteFunc(q.Items, func(i Item) bool { return i.Kind == Advisory })
	for n := 4; len(q.Items) < limit/size; n++ {
		i := large(n)
		i.ID = i.id()
		q.Items = append(q.Items, i)
	}
	before := len(q.Items)
	if _, added, err := q.Add(large(999)); added || reason.Of(err) != reason.Conflict {
		t.Errorf("a file over its bound: %v %v", added, err)
	}
	if len(q.Items) != before {
		t.Errorf("a refused item changed the queue: %d of %d", len(q.Items), before)
	}
}

// One at a time decides on an item; the other is told.
func TestClaim(t *testing.T) {
	q := open(t, filepath.Join(t.TempDir(), "review.json"))
	id, _, err := q.Add(item(Promotion, "up"))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // it can be had again
		i, release, err := q.Claim(id, day)
		if err != nil || i.ID != id {
			t.Fatal(i, err)
		}
		if _, _, err := q.Claim(id[:len(id)-1], day); reason.Of(err) != reason.Conflict {
			t.Errorf("claimed twice: %v", err)
		}
		release()
	}
	_, release, err := q.Claim(id, day)
	if err != nil {
		t.Fatal(err)
	}
	if err := q.Close(id, true, day); err != nil {
		t.Fatal(err)
	}
	release()
	if _, _, err := q.Claim(id, day); reason.Of(err) != reason.NotFound {
		t.Errorf("claimed what was decided: %v", err)
	}
}
