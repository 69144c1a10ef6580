package api

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
)

// WarningList is one warning list in force.
type WarningList struct {
	Name string `json:"name"`
	// File is its file in the folder of warning lists; absent for a built-in one.
	File    string `json:"file,omitempty"`
	Type    string `json:"type"`
	Hard    bool   `json:"hard"`
	Entries int    `json:"entries"`
	// Skipped counts entries that cannot be used; "tocsin warnings lint" names them.
	Skipped int `json:"skipped"`
}

// WarningLists are the lists in force. Version counts changes since the node started.
type WarningLists struct {
	Items   []WarningList `json:"items"`
	Folder  string        `json:"folder"`
	Version uint64        `json:"version"`
	// Next is the cursor of the next page.
	Next string `json:"next,omitempty"`
}

// WarningItem says which lists name a value.
type WarningItem struct {
	Value  string    `json:"value"` // as asked
	Type   string    `json:"type"`
	Normal string    `json:"normal"`
	Lists  []Warning `json:"lists"`
	// LooksLike is an own name that the value only looks like; that protects it from nothing.
	LooksLike *Warning `json:"looks_like,omitempty"`
}

// Warnings lists the warning lists in force.
func (c *Client) Warnings(ctx context.Context) (*WarningLists, error) {
	q := url.Values{"limit": {strconv.Itoa(MaxPage)}}
	out := &WarningLists{Items: []WarningList{}}
	for {
		page, err := call[WarningLists](ctx, c, http.MethodGet, "/warnings", q, nil)
		if err != nil {
			return nil, err
		}
		items := append(out.Items, page.Items...)
		*out = *page
		out.Items = items
		if page.Next == "" {
			return out, nil
		}
		q.Set("cursor", page.Next)
	}
}

// CheckWarnings asks which lists name values, in order.
func (c *Client) CheckWarnings(ctx context.Context, values []string) (*List[WarningItem], error) {
	return call[List[WarningItem]](ctx, c, http.MethodPost, "/warnings/check", nil, CheckRequest{Values: values})
}

// ReloadWarnings reads the folder of warning lists again; when a file is refused, what is
// in force stays.
func (c *Client) ReloadWarnings(ctx context.Context) (*WarningLists, error) {
	return call[WarningLists](ctx, c, http.MethodPost, "/warnings/reload", nil, nil)
}
