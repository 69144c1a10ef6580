package api

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"strconv"
)

// NextPage is the cursor of the next page, "" on the last.
func (l List[T]) NextPage() string { return l.Next }

// NextPage is the cursor of the next page, "" on the last.
func (l WarningLists) NextPage() string { return l.Next }

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
