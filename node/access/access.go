// Package access says who may do what at the admin port: roles, named tokens that
// expire, one-time codes that become browser sessions, and accounts at the unix socket.
// It knows no HTTP. Everything that changes who may do what goes into the audit log.
package access

import (
	"context"
	"time"

	logging "github.com/ipfs/go-log/v2"

	"tocsin/node/audit"
)

var log = logging.Logger("tocsin/access")

// Role is how much somebody may do. Each role may do all that a lower one may.
type Role uint8

// The roles, lowest first.
const (
	// Nobody may do nothing; it is the zero value.
	Nobody Role = iota
	// Viewer reads.
	Viewer
	// Analyst publishes, sights, disputes and decides what waits for review.
	Analyst
	// Operator changes trust, peers, topics, tokens and backups.
	Operator
	// Owner is the account that the node runs as, or root, at the socket: keys, erasure, restoring. No token has it.
	Owner
)

// Principal is who makes a request.
type Principal struct {
	Role Role
	// Actor is what the audit log says: for a token or a session made from one its User is the token's name.
	Actor audit.Actor
	// ID names the token or the session, "" at the socket.
	ID string
}

// With carries a principal to what is done for them, and their actor to the audit log.
func With(ctx context.Context, p Principal) context.Context {
	panic("unwritten")
}

// Of is the principal of a request; the zero value, who may do nothing, when there is none.
func Of(ctx context.Context) Principal {
	panic("unwritten")
}

// Token is a named token, without its secret.
type Token struct {
	ID       string      `json:"id"`
	Name     string      `json:"name"`
	Role     Role        `json:"role"`
	Created  time.Time   `json:"created"`
	Expires  time.Time   `json:"expires"`
	LastUsed time.Time   `json:"last_used,omitzero"` // to the hour
	By       audit.Actor `json:"by"`
}

// Book holds tokens (a file with their hashes), one-time codes and sessions (in memory: a
// restart logs browsers out). It may be used concurrently.
type Book struct{}

// Open reads the tokens in path, which may be absent. A damaged file gives state.damaged and is left as it is.
func Open(path string, log *audit.Log) (*Book, error) {
	panic("unwritten")
}

// Create makes a token and gives its secret, which is never shown again. Role is Viewer to Operator and not above the
// principal of ctx (role.denied); expires is at most 366 days away. conflict when the name is taken.
func (b *Book) Create(ctx context.Context, name string, role Role, expires time.Time, why string) (Token, string, error) {
	panic("unwritten")
}

// Tokens lists those that are in force, by name.
func (b *Book) Tokens() []Token {
	panic("unwritten")
}

// Revoke ends a token and the sessions made from it at once; not.found when there is none.
func (b *Book) Revoke(ctx context.Context, nameOrID, why string) (Token, error) {
	panic("unwritten")
}

// Bearer is who a token's secret belongs to: login.required when it is none, login.expired when it is over,
// request.rate after five failures in a minute from one place (an address, "socket" for the socket).
func (b *Book) Bearer(secret, place string) (Principal, error) {
	panic("unwritten")
}

// Code makes a one-time code of 60 seconds that logs a browser in as the principal of ctx with at most this role
// (never Owner). It stands in the fragment of a link, so no server and no log ever sees it in a URL.
func (b *Book) Code(ctx context.Context, role Role) (code string, expires time.Time, err error) {
	panic("unwritten")
}

// Login turns a code into a session of 8 hours that is bound to the browser's user agent; a code works once. Errors as for Bearer.
func (b *Book) Login(ctx context.Context, code, agent, place string) (session string, p Principal, expires time.Time, err error) {
	panic("unwritten")
}

// Session is who a session's secret belongs to, for the same user agent: login.required, login.expired.
func (b *Book) Session(secret, agent, place string) (Principal, error) {
	panic("unwritten")
}

// Logout ends a session; one that is none is no error.
func (b *Book) Logout(ctx context.Context, session string) {
	panic("unwritten")
}

// Valid reports whether a principal may still do what it might when it came: streams ask every few
// seconds, so that they end with the token, the session or the role they were opened with.
func (b *Book) Valid(p Principal) bool {
	panic("unwritten")
}

// Groups are the system groups that lower the role of an account at the socket; "" means none.
type Groups struct{ Viewers, Analysts string }

// DefaultGroups are tocsin-ro and tocsin-analyst.
func DefaultGroups() Groups { return Groups{"tocsin-ro", "tocsin-analyst"} }

// AtSocket is who an account is at the unix socket: the owner for the node's own account and root, else by group, viewers first, else an operator, since
// only the socket's group gets there. An account that the system does not name is a viewer.
func AtSocket(uid, owner int, g Groups) Principal {
	panic("unwritten")
}
