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
	// ID names the item in requests.
	ID string `json:"id"`
	// Kind is one of promotion, advisory, import, anchor or dispute.
	Kind string `json:"kind"`
	// Org is the organisation that it is about; absent for an import.
	Org string `json:"org,omitempty"`
	// Petname is what the trust list calls it; absent for a stranger.
	Petname string `json:"petname,omitempty"`
	// Title says in one line what is asked.
	Title string `json:"title"`
	// Detail are the particulars, a line each: for an import or an anchor what would change.
	Detail []string `json:"detail,omitempty"`
	// By is who asked: an account's, token's or session's name, or "the node".
	By string `json:"by"`
	// Created is when it began to wait.
	Created time.Time `json:"created"`
	// Expires is when it is dropped without a decision; absent for never.
	Expires time.Time `json:"expires,omitzero"`
}

// ReviewDecision is a person's word on an item.
type ReviewDecision struct {
	// Accept carries it out; else it is rejected and nothing changes.
	Accept bool `json:"accept"`
	// Reason says why; it is needed, and kept in the audit log.
	Reason string `json:"reason" minLength:"1" maxLength:"1000"`
}

// Reviewed says what became of an item.
type Reviewed struct {
	// ID is the item that was decided on.
	ID string `json:"id"`
	// Accepted is what was decided.
	Accepted bool `json:"accepted"`
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
	// TOML is the list, in the form of trust.toml.
	TOML string `json:"toml" maxLength:"4194304"`
	// Overlaid names, in an answer, the entries of the operator's file that commands changed since: what the commands said stands.
	Overlaid []string `json:"overlaid,omitempty"`
	// Reason is kept with an import.
	Reason string `json:"reason,omitempty" maxLength:"1000"`
}

// TrustDifference is one thing that differs between two lists.
type TrustDifference struct {
	// Org is the organisation whose entry differs; absent for what is of the whole list.
	Org string `json:"org,omitempty"`
	// Name is what the entry calls it.
	Name string `json:"name"`
	// Field is what differs, such as level.
	Field string `json:"field"`
	// Before is what the list in force says, "" for nothing.
	Before string `json:"before"`
	// After is what it would say, "" for nothing.
	After string `json:"after"`
}

// TrustChange is one change of the trust list, as the audit log has it.
type TrustChange struct {
	// Seq is the number of its entry in the audit log.
	Seq uint64 `json:"seq"`
	// At is when it was made.
	At time.Time `json:"at"`
	// By is who made it: an account's, token's or session's name, or "the node".
	By string `json:"by"`
	// Action is what was done, such as trust.set.
	Action string `json:"action"`
	// Target is the id of the organisation, or what else it was about.
	Target string `json:"target,omitempty"`
	// Name is what the trust list calls the organisation now; absent for none.
	Name string `json:"name,omitempty"`
	// Reason is what the person gave as the reason.
	Reason string `json:"reason,omitempty"`
	// Detail has further facts by name, as in the audit log.
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
	// Topic limits it to the key's log of one topic; absent for all.
	Topic string `json:"topic,omitempty" maxLength:"40"`
	// After is the last sequence number that still counts.
	After uint64 `json:"after"`
	// Reason says why; it is needed, and kept in the audit log.
	Reason string `json:"reason" minLength:"1" maxLength:"1000"`
}

// RolledBack says what a rollback undid.
type RolledBack struct {
	// Key is the full id of the key.
	Key string `json:"key"`
	// Org is the organisation whose it is: sha256: and 64 hex digits.
	Org string `json:"org"`
	// Petname is what the trust list calls it, empty for a stranger.
	Petname string `json:"petname"`
	// Records counts the records that do not count any more.
	Records int `json:"records"`
	// Objects counts the objects in them.
	Objects int `json:"objects"`
	// Undone are values whose verdict is another one now, the first 1,000.
	Undone []UndoneValue `json:"undone"`
	// More counts those beyond.
	More int `json:"more,omitempty"`
}

// UndoneValue is one value whose verdict a rollback changed.
type UndoneValue struct {
	// Type is the kind of observable, such as domain.
	Type string `json:"type"`
	// Value is the value in its normal form.
	Value string `json:"value"`
	// Before is the verdict before.
	Before string `json:"before"`
	// After is the verdict now.
	After string `json:"after"`
	// Automated is true when machines were allowed to act on it before.
	Automated bool `json:"automated"`
}

// RestoreRequest closes breakers and takes back rollbacks.
type RestoreRequest struct {
	// Topic limits it to one topic; absent for all.
	Topic string `json:"topic,omitempty" maxLength:"40"`
	// Reason says why; it is needed, and kept in the audit log.
	Reason string `json:"reason" minLength:"1" maxLength:"1000"`
}

// Restored says how much counts again.
type Restored struct {
	// Org is the organisation: sha256: and 64 hex digits.
	Org string `json:"org"`
	// Petname is what the trust list calls it, empty for a stranger.
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
