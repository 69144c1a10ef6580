package api

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
)

// WarningList is one warning list in force.
type WarningList struct {
	// Name is the list's name.
	Name string `json:"name"`
	// File is its file in the folder of warning lists; absent for a built-in one.
	File string `json:"file,omitempty"`
	// Type is how its entries match: cidr, hostname, substring, string or regex; suffix for the built-in list of public suffixes.
	Type string `json:"type"`
	// Hard is true for a list of what must never be blocked.
	Hard bool `json:"hard"`
	// Entries counts the entries in use.
	Entries int `json:"entries"`
	// Skipped counts entries that cannot be used; "tocsin warnings lint" names them.
	Skipped int `json:"skipped"`
}

// WarningLists are the warning lists in force.
type WarningLists struct {
	// Items are the page's lists.
	Items []WarningList `json:"items"`
	// Folder is where the lists' files are, on the node's machine.
	Folder string `json:"folder"`
	// Version counts the changes of the lists since the node started.
	Version uint64 `json:"version"`
	// Next is the cursor of the next page; absent on the last.
	Next string `json:"next,omitempty"`
}

// WarningItem says which lists name a value.
type WarningItem struct {
	// Value is the value as it was asked.
	Value string `json:"value"`
	// Type is the kind of observable that it was taken for; text for what is none.
	Type string `json:"type"`
	// Normal is the value's normal form.
	Normal string `json:"normal"`
	// Lists are the lists that name it, with the entry that does.
	Lists []Warning `json:"lists"`
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
