package api

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// NextPage is the cursor of the next page, "" on the last.
func (l List[T]) NextPage() string { return l.Next }

// NextPage is the cursor of the next page, "" on the last.
func (l WarningLists) NextPage() string { return l.Next }

// NextPage is the cursor of the next page, "" on the last.
func (a Arrivals) NextPage() string { return a.Next }

// fillFor is how long filled asks for more before it gives what there is, with where to go on.
const fillFor = 3 * time.Second

// filled asks on when a page is shorter than it might be, since the node gives what it found so far rather than let anybody wait.
func filled[T any](ctx context.Context, c *Client, path string, q url.Values, limit int) (*List[T], error) {
	if limit <= 0 {
		limit = DefaultPage
	}
	out := &List[T]{Items: []T{}}
	for began := time.Now(); ; {
		q.Set("limit", strconv.Itoa(limit-len(out.Items)))
		page, err := call[List[T]](ctx, c, http.MethodGet, path, q, nil)
		if err != nil {
			return nil, err
		}
		out.Items, out.Unreadable, out.Next = append(out.Items, page.Items...), out.Unreadable+page.Unreadable, page.Next
		if page.Next == "" || len(out.Items) >= limit || time.Since(began) >= fillFor {
			return out, nil
		}
		q.Set("cursor", page.Next)
	}
}

// pages reads a list page by page until its end, or until there are limit items (0: no limit).
func pages[T any](ctx context.Context, c *Client, path string, query url.Values, limit int) (*List[T], error) {
	q := maps.Clone(query)
	if q == nil {
		q = url.Values{}
	}
	out := &List[T]{Items: []T{}}
	for {
		want := MaxPage
		if limit > 0 {
			want = min(MaxPage, limit-len(out.Items))
		}
		q.Set("limit", strconv.Itoa(want))
		page, err := call[List[T]](ctx, c, http.MethodGet, path, q, nil)
		if err != nil {
			return nil, err
		}
		out.Items, out.Unreadable = append(out.Items, page.Items...), max(out.Unreadable, page.Unreadable)
		if page.Next == "" || limit > 0 && len(out.Items) >= limit {
			return out, nil
		}
		q.Set("cursor", page.Next)
	}
}
