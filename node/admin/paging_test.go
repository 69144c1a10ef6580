package admin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin/node/access"
	"tocsin/node/admin/api"
	"tocsin/node/bundle"
	"tocsin/node/invite"
	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// amber is the marking TLP:AMBER.
const amber = "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82"

// pageOf is one page of a list: what names its items, and where to go on.
func pageOf(t *testing.T, h http.Handler, path, cursor, key string) (names []string, next, resume string) {
	t.Helper()
	at, err := url.Parse(api.Prefix + path)
	ok(t, err)
	q := at.Query()
	q.Set("cursor", cursor)
	at.RawQuery = q.Encode()
	w := as(t, h, access.Operator, "token", httptest.NewRequest("GET", at.String(), nil))
	var page struct {
		Items        []map[string]any
		Next, Resume string
	}
	if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil || w.Code != http.StatusOK {
		t.Fatalf("GET %s: %d %s, %v", at, w.Code, w.Body, err)
	}
	if link := w.Header().Get("Link"); (link != "") != (page.Next != "") {
		t.Errorf("GET %s: next is %q, Link %q", at, page.Next, link)
	}
	for _, item := range page.Items {
		names = append(names, fmt.Sprint(item[key]))
	}
	return names, page.Next, page.Resume
}

// restOf reads a list from a cursor to its end.
func restOf(t *testing.T, h http.Handler, path, cursor, key string) (names []string) {
	t.Helper()
	for range 50 {
		page, next, _ := pageOf(t, h, path, cursor, key)
		names = append(names, page...)
		if cursor = next; cursor == "" {
			return names
		}
	}
	t.Fatalf("%s does not end", path)
	return nil
}

// A record of which some objects are held, and one that is held later, stand in the lists once. ADM-32
func TestObjectsOnce(t *testing.T) {
	b := newBench(t)
	_, err := b.client.AddTrust(t.Context(), api.TrustEntry{Org: b.other.Org.String(), Petname: "other", Level: "partner", Expires: time.Now().AddDate(0, 1, 0).Format(time.DateOnly), Reason: "met"})
	ok(t, err)
	secret := strings.Replace(indicator(2, "b.example"), `"name":`, `"object_marking_refs":["`+amber+`"],"name":`, 1)
	partly, later := b.other.record(t, "fraud", indicator(1, "a.example"), secret), b.other.record(t, "fraud", indicator(3, "c.example"))
	b.receive(partly)
	b.receive(later)
	b.publish(indicator(4, "d.example"))
	if c := b.deps.Store.Counts(); c.Objects != 3 || c.Held != 1 {
		t.Fatalf("the first record is not held in part: %+v", c)
	}
	_, err = b.deps.Store.Hold(t.Context(), []protocol.RecordID{later.ID()}, reason.TrustUnknown)
	ok(t, err)
	h := NewHandler(b.deps)
	var want []string
	for n := 1; n <= 4; n++ {
		want = append(want, "indicator--"+uuid(n))
	}
	for _, path := range []string{"/objects", "/search"} {
		for _, limit := range []int{1, 2, 3, 100} {
			got := restOf(t, h, fmt.Sprintf("%s?limit=%d", path, limit), "", "id")
			if slices.Sort(got); !slices.Equal(got, want) {
				t.Errorf("%s in pages of %d: %q", path, limit, got)
			}
		}
	}
}

// Whoever goes on with resume gets what came since, once, and next is only there where there is more. ADM-32
func TestObjectsResume(t *testing.T) {
	b := newBench(t)
	h := NewHandler(b.deps)
	var got, want []string
	cursor := ""
	for n := range 4 {
		for i := range n { // none, then one more each time
			b.publish(indicator(10*n+i, "a.example"))
			want = append(want, "indicator--"+uuid(10*n+i))
		}
		for range 50 {
			page, next, resume := pageOf(t, h, "/objects?limit=2", cursor, "id")
			if got, cursor = append(got, page...), resume; resume == "" || next != "" && next != resume {
				t.Fatalf("next %q, resume %q", next, resume)
			}
			if next == "" {
				break
			}
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// What names a value is given in pages, newest first. ADM-32
func TestSearchValuePages(t *testing.T) {
	b := newBench(t)
	for n := range 5 {
		b.publish(indicator(n, "a.example"), indicator(10+n, "b.example"))
	}
	h := NewHandler(b.deps)
	all := restOf(t, h, "/search?q=a.example", "", "id")
	for limit := 1; limit <= 3; limit++ {
		if got := restOf(t, h, fmt.Sprintf("/search?q=a.example&limit=%d", limit), "", "id"); !slices.Equal(got, all) || len(all) != 5 {
			t.Errorf("in pages of %d: %q, want %q", limit, got, all)
		}
	}
	list, err := b.client.Search(t.Context(), api.SearchParams{Query: "a.example", Limit: 2})
	ok(t, err)
	if len(list.Items) != 2 || list.Next == "" {
		t.Errorf("page %+v", list)
	}
	_, err = b.client.Search(t.Context(), api.SearchParams{Query: "a.example", Cursor: arrivalCursor("search", 3, 0)})
	refused(t, err, reason.UsageInvalid)
}

// What changes while a list is read is left out of no page. ADM-32
func TestChangedWhileRead(t *testing.T) {
	b := newBench(t)
	file := filepath.Join(t.TempDir(), "bundles.json")
	bundles, err := bundle.Open(file)
	ok(t, err)
	b.deps.Invites, err = invite.New(filepath.Join(t.TempDir(), "invites.json"), invite.Deps{Network: network, Own: b.deps.Self.Org})
	ok(t, err)
	came := func(n int) {
		t.Helper()
		s := &bundle.Segment{Exporter: b.other.Org, Head: bundle.Head{Bundle: bundle.ID{byte(n)}, Chunk: 1, Place: 1, Last: true, Created: time.Unix(int64(n), 0)}}
		s.Series, s.Increment = bundle.ID{0xff, byte(n)}, 1
		ok(t, bundles.Came(s))
		ok(t, bundles.Listed(s, &bundle.Manifest{Chunks: []bundle.ChunkInfo{{Segments: 1}}}))
	}
	var handles []string
	expires := time.Now().AddDate(0, 1, 0).Format(time.DateOnly)
	for n := range 3 {
		came(n + 1)
		p, err := b.deps.Invites.Create("", [][]byte{{4, 127, 0, 0, 1}}, time.Hour)
		ok(t, err)
		handles = append(handles, p.Handle)
		_, err = b.client.AddTrust(t.Context(), api.TrustEntry{Org: fmt.Sprintf("sha256:%064x", n+1), Petname: fmt.Sprintf("org-%d", n), Level: "observed", Expires: expires})
		ok(t, err)
	}
	raw, err := os.ReadFile(file)
	ok(t, err)
	at := int64(0) // the list has whole seconds: the parts came long ago, each at another time
	raw = regexp.MustCompile(`"at":"[^"]*"`).ReplaceAllFunc(raw, func([]byte) []byte {
		at++
		return fmt.Appendf(nil, `"at":%q`, time.Unix(at, 0).UTC().Format(time.RFC3339))
	})
	ok(t, os.WriteFile(file, raw, 0o600))
	bundles, err = bundle.Open(file)
	ok(t, err)
	b.deps.Bundles = &Bundles{List: bundles}
	b.deps.Mesh.AddrTexts = func([][]byte) []string { return nil }
	h := NewHandler(b.deps)
	for path, c := range map[string]struct {
		key    string
		change func(name string)
	}{
		"/bundles":        {"id", func(string) { came(1) }},
		"/bundles/series": {"series", func(string) { came(1); came(2) }},
		"/invites": {"handle", func(string) {
			_, err := b.deps.Invites.Cancel(handles[0])
			ok(t, err)
		}},
		"/trust": {"org", func(name string) {
			_, err := b.client.SetTrust(t.Context(), api.TrustEntry{Org: name, Petname: "aaa"})
			ok(t, err)
		}},
	} {
		all := restOf(t, h, path, "", c.key)
		got, next, _ := pageOf(t, h, path+"?limit=1", "", c.key)
		c.change(all[len(all)-1])
		got = append(got, restOf(t, h, path+"?limit=1", next, c.key)...)
		if len(all) != 3 || !slices.Equal(got, all) {
			t.Errorf("%s: %q, before %q", path, got, all)
		}
	}
}
