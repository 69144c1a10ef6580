package admin

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tocsin/node/admin/api"
	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/storage"
)

// maxCursor bounds a cursor: the longest names a petname and an id.
const maxCursor = 4096

// PageIn asks for one page of a list.
type PageIn struct {
	Cursor string `query:"cursor" maxLength:"4096" doc:"What the page before gave as next; opaque"`
	Limit  int    `query:"limit" default:"100" minimum:"1" maximum:"1000" doc:"How many items the page has at most; it may have fewer while next is there"`
}

// writeCursor makes a cursor of a list. It is opaque, so that its inside may change, and names its
// list, so that it is not taken for one of another.
func writeCursor(list, at string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(list + "\x00" + at))
}

// readCursor gives what writeCursor put in; ok is false for "", the beginning.
func readCursor(list, cursor string) (at string, ok bool, err error) {
	if cursor == "" {
		return "", false, nil
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	at, ours := strings.CutPrefix(string(raw), list+"\x00")
	if err != nil || !ours || len(cursor) > maxCursor {
		return "", false, badCursor(cursor)
	}
	return at, true, nil
}

func badCursor(cursor string) error {
	return reason.New(reason.UsageInvalid, fmt.Sprintf("cursor %.100q: pass on what the page before of the same list gave", cursor))
}

// paged cuts one page out of a list that is short enough to be made whole. The cursor is the key of
// the last item given, so that paging stays in step when items come and go. The list is put
// into the order of the keys, which are different for all items and stay what they are: an item whose key
// changes may be left out or given twice.
func paged[T any](name string, all api.List[T], in PageIn, key func(T) string) (*body[api.List[T]], error) {
	after, going, err := readCursor(name, in.Cursor)
	if err != nil {
		return nil, err
	}
	type keyed struct {
		key  string
		item T
	}
	items := make([]keyed, 0, len(all.Items))
	for _, item := range all.Items {
		if k := key(item); !going || k > after {
			items = append(items, keyed{k, item})
		}
	}
	slices.SortFunc(items, func(a, b keyed) int { return cmp.Compare(a.key, b.key) })
	if len(items) > in.Limit {
		items = items[:in.Limit]
		all.Next = writeCursor(name, items[in.Limit-1].key)
	}
	all.Items = make([]T, len(items))
	for i := range items {
		all.Items[i] = items[i].item
	}
	return answer(all)
}

// refCursor points at an object of a record.
func refCursor(list string, r storage.Ref) string {
	return writeCursor(list, fmt.Sprintf("%s#%d", r.Record, r.Index))
}

func readRefCursor(list, cursor string) (storage.Ref, error) {
	at, going, err := readCursor(list, cursor)
	if err != nil || !going {
		return storage.Ref{}, err
	}
	record, index, _ := strings.Cut(at, "#")
	id, err := protocol.ParseRecordID(record)
	n, err2 := strconv.Atoi(index)
	if err != nil || err2 != nil || n < -1 { // -1 stands before the first
		return storage.Ref{}, badCursor(cursor)
	}
	return storage.Ref{Record: id, Index: n}, nil
}

// arrivalCursor points at an object by the number of the change that brought its record, and its place in that.
func arrivalCursor(list string, seq uint64, index int) string {
	return writeCursor(list, fmt.Sprintf("%d.%d", seq, index))
}

func readArrivalCursor(list, cursor string) (seq uint64, index int, going bool, err error) {
	at, going, err := readCursor(list, cursor)
	if err != nil || !going {
		return 0, 0, false, err
	}
	change, place, _ := strings.Cut(at, ".")
	seq, err = strconv.ParseUint(change, 10, 64)
	index, err2 := strconv.Atoi(place)
	if err != nil || err2 != nil || index < 0 {
		return 0, 0, false, badCursor(cursor)
	}
	return seq, index, true, nil
}

// linkNext names the next page of a list in a Link header (RFC 8288), as an address relative to this one.
func linkNext(ctx huma.Context, _ string, v any) (any, error) {
	page, isPage := v.(interface{ NextPage() string })
	if !isPage || page.NextPage() == "" || ctx.Method() != "GET" {
		return v, nil
	}
	// Two lists are a numbered sequence, on which clients go on by number.
	name := "after"
	if slices.ContainsFunc(ctx.Operation().Parameters, func(p *huma.Param) bool { return p.Name == "cursor" }) {
		name = "cursor"
	}
	u := ctx.URL()
	q := u.Query()
	q.Del("newest")
	q.Set(name, page.NextPage())
	next := url.URL{Path: u.Path, RawQuery: q.Encode()}
	ctx.SetHeader("Link", "<"+next.String()+`>; rel="next"`)
	return v, nil
}

// oldestFirst and newestFirst are keys for paged.
func oldestFirst(t time.Time) string { return fmt.Sprintf("%020d", uint64(t.UnixNano())^1<<63) }

func newestFirst(t time.Time) string { return fmt.Sprintf("%020d", ^(uint64(t.UnixNano()) ^ 1<<63)) }
