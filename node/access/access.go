// Package access says who may do what at the admin port: roles, named tokens that
// expire, one-time codes that become browser sessions, and accounts at the unix socket.
// It knows no HTTP. Everything that changes who may do what goes into the audit log.
package access

import (
	"context"
	"errors"
	"fmt"
	"slices"

	logging "github.com/ipfs/go-log/v2"

	"tocsin/node/audit"
	"tocsin/protocol/reason"
)

var log = logging.Logger("tocsin/access")

// Role is how much somebody may do. Each role may do all that a lower one may. Its text is its name.
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

func roleNames() []string { return []string{"nobody", "viewer", "analyst", "operator", "owner"} }

// String is the role's name.
func (r Role) String() string {
	if names := roleNames(); int(r) < len(names) {
		return names[r]
	}
	return fmt.Sprintf("role %d", uint8(r))
}

// MarshalText gives the role's name.
func (r Role) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads the role's name; usage.invalid when it is none.
func (r *Role) UnmarshalText(text []byte) (err error) {
	*r, err = ParseRole(string(text))
	return err
}

// ParseRole reads a role's name, any but nobody; usage.invalid when it is none.
func ParseRole(name string) (Role, error) {
	if i := slices.Index(roleNames(), name); i > int(Nobody) {
		return Role(i), nil
	}
	return Nobody, reason.New(reason.UsageInvalid, fmt.Sprintf("role %.40q: want viewer, analyst, operator or owner", name))
}

// What Actor.Via says of the way in.
const (
	ViaSocket  = "socket"  // an account at the unix socket
	ViaToken   = "token"   // a token
	ViaSession = "session" // a browser, logged in by a code
)

// Principal is who makes a request.
type Principal struct {
	Role Role
	// Actor is what the audit log says: for a token or a session made from one its User is the token's name, and its
	// UID the account that the token goes back to, so that nobody is a second person to themselves.
	Actor audit.Actor
	// ID names the token or the session, "" at the socket.
	ID string
	// Token is the id of the token that the principal's power goes back to: its own, or that of its session; "" for an account.
	Token string
	// ReadOnly says that the socket they came in by lets nobody do more than a viewer may.
	ReadOnly bool

	at   account // whose role is looked at again; set by AtSocket
	book *Book   // which knows the token or the session; nil at the socket
}

// principalKey is the context's key for the principal.
type principalKey struct{}

// With carries a principal to what is done for them, and their actor to the audit log.
func With(ctx context.Context, p Principal) context.Context {
	return context.WithValue(audit.WithActor(ctx, p.Actor), principalKey{}, p)
}

// Of is the principal of a request; the zero value, who may do nothing, when there is none.
func Of(ctx context.Context) Principal {
	p, _ := ctx.Value(principalKey{}).(Principal)
	return p
}

// May refuses a principal whose role is less than what something needs: login.required for nobody, else role.denied.
func (p Principal) May(least Role, what string) error {
	switch {
	case p.Role >= least:
		return nil
	case p.Role == Nobody:
		return reason.New(reason.LoginRequired, what+": nobody is logged in")
	}
	denied := fmt.Sprintf("%s: the role %s is needed, and %s has %s", what, least, p.name(), p.Role)
	switch {
	case p.ReadOnly:
		return reason.Wrap(reason.RoleDenied, denied, ErrReadSocket)
	case least == Owner:
		return reason.Wrap(reason.RoleDenied, denied, ErrOwner)
	}
	return reason.New(reason.RoleDenied, denied)
}

// What keeps somebody from a role that no other role can give them.
var (
	ErrReadSocket = errors.New("the socket for reading gives no more")
	ErrOwner      = errors.New("only the node's own account and root have it, at the node's socket")
)

// Still asks again whether the token or the session that a principal came with is in force: a request may take long.
func (p Principal) Still() error {
	if p.ID == "" || p.book == nil {
		return nil
	}
	return p.book.Standing(p)
}

// name says who is meant, for a message.
func (p Principal) name() string {
	if p.Actor.Via == ViaToken {
		return "the token " + p.Actor.User
	}
	return p.Actor.String()
}
