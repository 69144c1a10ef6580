package api

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// Token is a named token, without its secret.
type Token struct {
	// ID is the token's id; it is no secret.
	ID string `json:"id"`
	// Name says what the token is for; the audit log has it as who acted.
	Name string `json:"name"`
	// Role is one of viewer, analyst or operator.
	Role string `json:"role"`
	// Created is when it was made.
	Created time.Time `json:"created"`
	// Expires is when it ends.
	Expires time.Time `json:"expires"`
	// LastUsed is the hour of its newest use; absent for none.
	LastUsed time.Time `json:"last_used,omitzero"`
	// By is who made it.
	By AuditActor `json:"by"`
}

// TokenCreate asks for a token.
type TokenCreate struct {
	// Name says what the token is for; the audit log has it as who acted.
	Name string `json:"name" minLength:"1" maxLength:"64"`
	// Role is one of viewer, analyst or operator, and not above that of who asks.
	Role string `json:"role" minLength:"1" maxLength:"16"`
	// Expires is at most 366 days away.
	Expires time.Time `json:"expires"`
	// Reason is kept with the audit entry.
	Reason string `json:"reason,omitempty" maxLength:"1000"`
}

// TokenCreated is a new token with its secret, which is never shown again.
type TokenCreated struct {
	Token
	// Secret is the token itself: sent as "Authorization: Bearer SECRET". It is never shown again.
	Secret string `json:"secret"`
}

// LoginCodeCreate asks for a code that logs a browser in.
type LoginCodeCreate struct {
	// Role is the most that the browser may do: viewer, analyst or operator; "" for as much as who asks, and at most operator.
	Role string `json:"role,omitempty" maxLength:"16"`
}

// LoginCode logs one browser in, once.
type LoginCode struct {
	// Code logs one browser in, once.
	Code string `json:"code"`
	// Expires is until when, 60 seconds away.
	Expires time.Time `json:"expires"`
	// Links open the admin port with the code, the nearest way first; none where it listens at the socket only.
	Links []string `json:"links"`
}

// Tokens lists the tokens in force, by name.
func (c *Client) Tokens(ctx context.Context) (*List[Token], error) {
	return pages[Token](ctx, c, "/tokens", nil, 0)
}

// CreateToken makes a token.
func (c *Client) CreateToken(ctx context.Context, r TokenCreate) (*TokenCreated, error) {
	return call[TokenCreated](ctx, c, http.MethodPost, "/tokens", nil, r)
}

// RevokeToken ends a token, given by name or id, and the sessions made from it.
func (c *Client) RevokeToken(ctx context.Context, id, reason string) (*Token, error) {
	q := url.Values{}
	if reason != "" {
		q.Set("reason", reason)
	}
	return call[Token](ctx, c, http.MethodDelete, "/tokens/"+url.PathEscape(id), q, nil)
}

// CreateLoginCode makes a code that logs a browser in.
func (c *Client) CreateLoginCode(ctx context.Context, r LoginCodeCreate) (*LoginCode, error) {
	return call[LoginCode](ctx, c, http.MethodPost, "/login-codes", nil, r)
}
