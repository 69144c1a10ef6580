package api

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// The states of an Invite, and what a person can do next.
const (
	InviteOpen      = "open"      // made, nobody answered
	InviteCompare   = "compare"   // the people compare the words, and confirm
	InviteConfirmed = "confirmed" // listed
	InviteCancelled = "cancelled"
	InviteOver      = "over" // nobody answered in time
)

// InviteCreate asks for an invitation.
type InviteCreate struct {
	// Petname is how the guest will be called here; it may be given at confirmation.
	Petname string `json:"petname,omitempty" maxLength:"256"`
	// Seconds is how long it is good for; 0 for a week.
	Seconds int64 `json:"seconds,omitempty" minimum:"0" maximum:"7776000"`
	// Addrs say where this node is reached from outside; none for its listen addresses.
	Addrs []string `json:"addrs,omitempty" maxItems:"4"`
}

// InviteAccept accepts the invitation of another organisation.
type InviteAccept struct {
	// Text is the invitation as it was received.
	Text string `json:"text" minLength:"1" maxLength:"4096"`
	// Petname is how the inviter will be called here.
	Petname string `json:"petname" minLength:"1" maxLength:"256"`
}

// InviteConfirm says that the words were the same on both sides.
type InviteConfirm struct {
	// Petname is how the other is called here; "" for the one given before.
	Petname string `json:"petname,omitempty" maxLength:"256"`
}

// Invite is one invitation as this side sees it.
type Invite struct {
	// Handle names the invitation in requests.
	Handle string `json:"handle"`
	// Made is true where this organisation is the inviter.
	Made bool `json:"made"`
	// State is one of open, compare, confirmed, cancelled or over: made and not answered; to be confirmed after people compared the words; listed; ended;
	// nobody answered in time.
	State string `json:"state"`
	// Petname is what the other organisation is called here; "" where nobody has said yet.
	Petname string `json:"petname"`
	// Text is what the other side accepts; only in the answer to whoever made it.
	Text string `json:"text,omitempty"`
	// Addrs are where it leads.
	Addrs []string `json:"addrs,omitempty"`
	// Expires is until when it can be answered.
	Expires time.Time `json:"expires"`
	// At is when it was made, or first accepted here.
	At time.Time `json:"at"`
	// Org is the other organisation: sha256: and 64 hex digits; absent until it is known.
	Org string `json:"org,omitempty"`
	// Name is what that organisation calls itself, which proves nothing.
	Name string `json:"name,omitempty"`
	// Country is where it says that it is, two letters.
	Country string `json:"country,omitempty"`
	// Words are what both sides read to each other.
	Words []string `json:"words,omitempty"`
	// Level is what the trust list says of the other organisation now; absent while that is not known.
	Level string `json:"level,omitempty"`
	// Until is the last day of its trust entry, YYYY-MM-DD; absent for none.
	Until string `json:"until,omitempty"`
}

// Invites lists the invitations that were made and accepted here, newest first.
func (c *Client) Invites(ctx context.Context) (*List[Invite], error) {
	return pages[Invite](ctx, c, "/invites", nil, 0)
}

// CreateInvite makes an invitation.
func (c *Client) CreateInvite(ctx context.Context, r InviteCreate) (*Invite, error) {
	return call[Invite](ctx, c, http.MethodPost, "/invites", nil, r)
}

// AcceptInvite accepts another organisation's invitation.
func (c *Client) AcceptInvite(ctx context.Context, r InviteAccept) (*Invite, error) {
	return call[Invite](ctx, c, http.MethodPost, "/invites/accept", nil, r)
}

// ConfirmInvite lists the other organisation, after people compared the words.
func (c *Client) ConfirmInvite(ctx context.Context, handle string, r InviteConfirm) (*Invite, error) {
	return call[Invite](ctx, c, http.MethodPost, "/invites/"+url.PathEscape(handle)+"/confirm", nil, r)
}

// CancelInvite ends an invitation that was not confirmed.
func (c *Client) CancelInvite(ctx context.Context, handle string) (*Invite, error) {
	return call[Invite](ctx, c, http.MethodDelete, "/invites/"+url.PathEscape(handle), nil, nil)
}
