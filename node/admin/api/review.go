package api

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// ReviewItem is one thing that waits for a person.
type ReviewItem struct {
	ID string `json:"id"`
	// Kind is promotion, advisory, import, anchor or dispute.
	Kind    string    `json:"kind"`
	Org     string    `json:"org,omitempty"`
	Petname string    `json:"petname,omitempty"`
	Title   string    `json:"title"`
	Detail  []string  `json:"detail,omitempty"`
	By      string    `json:"by"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires,omitzero"`
}

// ReviewDecision is a person's word on an item.
type ReviewDecision struct {
	Accept bool   `json:"accept"`
	Reason string `json:"reason" minLength:"1" maxLength:"1000"`
}

// Reviewed says what became of an item.
type Reviewed struct {
	ID       string `json:"id"`
	Accepted bool   `json:"accepted"`
	// Effect is what changed, in a sentence.
	Effect string `json:"effect"`
}

// Review lists what waits, oldest first.
func (c *Client) Review(ctx context.Context) (*List[ReviewItem], error) {
	return pages[ReviewItem](ctx, c, "/review", nil, 0)
}

// ReviewItem shows one item (its id or a unique part at its beginning).
func (c *Client) ReviewItem(ctx context.Context, id string) (*ReviewItem, error) {
	return call[ReviewItem](ctx, c, http.MethodGet, "/review/"+url.PathEscape(id), nil, nil)
}

// DecideReview accepts or rejects an item.
func (c *Client) DecideReview(ctx context.Context, id string, d ReviewDecision) (*Reviewed, error) {
	return call[Reviewed](ctx, c, http.MethodPost, "/review/"+url.PathEscape(id), nil, d)
}

// TrustText is a trust list as a file.
type TrustText struct {
	// Name is the file's name, for messages.
	Name string `json:"name" maxLength:"4096"`
	TOML string `json:"toml" maxLength:"4194304"`
	// Overlaid are the entries of the operator's file that commands changed since: what the commands said stands.
	Overlaid []string `json:"overlaid,omitempty"`
	// Reason is kept with an import.
	Reason string `json:"reason,omitempty" maxLength:"1000"`
}

// TrustDifference is one thing that differs between two lists.
type TrustDifference struct {
	Org    string `json:"org,omitempty"`
	Name   string `json:"name"`
	Field  string `json:"field"`
	Before string `json:"before"`
	After  string `json:"after"`
}

// TrustChange is one change of the trust list, as the audit log has it.
type TrustChange struct {
	Seq    uint64            `json:"seq"`
	At     time.Time         `json:"at"`
	By     string            `json:"by"`
	Action string            `json:"action"`
	Target string            `json:"target,omitempty"`
	Name   string            `json:"name,omitempty"`
	Reason string            `json:"reason,omitempty"`
	Detail map[string]string `json:"detail,omitempty"`
}

// ExportTrust gives the trust list in force as a file.
func (c *Client) ExportTrust(ctx context.Context) (*TrustText, error) {
	return call[TrustText](ctx, c, http.MethodGet, "/trust-file", nil, nil)
}

// ReloadTrust has the node read the operator's own file again and gives the list in force then.
func (c *Client) ReloadTrust(ctx context.Context) (*TrustText, error) {
	return call[TrustText](ctx, c, http.MethodPost, "/trust-file/reload", nil, nil)
}

// DiffTrust compares the list in force with a file.
func (c *Client) DiffTrust(ctx context.Context, t TrustText) (*List[TrustDifference], error) {
	return call[List[TrustDifference]](ctx, c, http.MethodPost, "/trust-file/diff", nil, t)
}

// ImportTrust queues a file for review; nothing is applied.
func (c *Client) ImportTrust(ctx context.Context, t TrustText) (*ReviewItem, error) {
	return call[ReviewItem](ctx, c, http.MethodPost, "/trust-file", nil, t)
}

// TrustLog lists the last changes of the trust list, newest first.
func (c *Client) TrustLog(ctx context.Context, limit int) (*List[TrustChange], error) {
	q := url.Values{}
	if limit > 0 {
		q.Set("limit", strconv.Itoa(limit))
	}
	return call[List[TrustChange]](ctx, c, http.MethodGet, "/trust-log", q, nil)
}

// RollbackRequest takes back what a key said after a position.
type RollbackRequest struct {
	// Key is a record key's id or a unique prefix.
	Key string `json:"key" minLength:"1" maxLength:"80"`
	// Topic limits it, "" for all.
	Topic string `json:"topic,omitempty" maxLength:"40"`
	// After is the last sequence number that still counts.
	After  uint64 `json:"after"`
	Reason string `json:"reason" minLength:"1" maxLength:"1000"`
}

// RolledBack says what a rollback undid.
type RolledBack struct {
	Key     string `json:"key"`
	Org     string `json:"org"`
	Petname string `json:"petname"`
	// Records and Objects count what does not count any more.
	Records int `json:"records"`
	Objects int `json:"objects"`
	// Undone are the values on which machines were allowed to act and are not any more;
	// More counts those beyond the first ones.
	Undone []UndoneValue `json:"undone"`
	More   int           `json:"more,omitempty"`
}

// UndoneValue is one value whose verdict a rollback changed.
type UndoneValue struct {
	Type   string `json:"type"`
	Value  string `json:"value"`
	Before string `json:"before"`
	After  string `json:"after"`
	// Automated is true when machines were allowed to act on it before.
	Automated bool `json:"automated"`
}

// RestoreRequest closes breakers and takes back rollbacks.
type RestoreRequest struct {
	Topic  string `json:"topic,omitempty" maxLength:"40"`
	Reason string `json:"reason" minLength:"1" maxLength:"1000"`
}

// Restored says how much counts again.
type Restored struct {
	Org     string `json:"org"`
	Petname string `json:"petname"`
	// Closed counts breakers and rollbacks that ended.
	Closed int `json:"closed"`
}

// Rollback takes back what a key said after a position.
func (c *Client) Rollback(ctx context.Context, r RollbackRequest) (*RolledBack, error) {
	return call[RolledBack](ctx, c, http.MethodPost, "/rollbacks", nil, r)
}

// Restore lets an organisation's word count again.
func (c *Client) Restore(ctx context.Context, org string, r RestoreRequest) (*Restored, error) {
	return call[Restored](ctx, c, http.MethodPost, "/trust/"+url.PathEscape(org)+"/restore", nil, r)
}
