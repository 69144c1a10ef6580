package access

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"tocsin/protocol/reason"
)

const (
	// roleFor is how long the role of an account is taken as it was read.
	roleFor = 2 * time.Second
	// maxRoles bounds the roles that are remembered.
	maxRoles = 1024
)

// roster remembers the roles of accounts for a moment. The system is asked under no lock: where accounts come from a
// directory over the network, that may take long. It may be used concurrently.
type roster struct {
	ask func(account) Role

	mu    sync.Mutex
	known map[account]seenRole // guarded by mu
}

// seenRole is an account's role as it was read.
type seenRole struct {
	role  Role
	until time.Time
}

func newRoster() roster { return roster{ask: account.role, known: map[account]seenRole{}} }

// fallen is login.expired when the account behind a principal has less than its role by now. No lock is held.
func (r *roster) fallen(p Principal, now time.Time) error {
	if !p.at.known || r.role(p.at, now) >= p.Role {
		return nil
	}
	return reason.New(reason.LoginExpired, fmt.Sprintf("the account %s no longer has the role %s", p.Actor, p.Role))
}

// role is the account's role, at most roleFor old.
func (r *roster) role(a account, now time.Time) Role {
	r.mu.Lock()
	seen, ok := r.known[a]
	r.mu.Unlock()
	if ok && seen.until.After(now) {
		return seen.role
	}
	seen = seenRole{r.ask(a), now.Add(roleFor)}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.known) >= maxRoles {
		clear(r.known)
	}
	r.known[a] = seen
	return seen.role
}

// Valid reports whether a principal may still do what it might when it came: streams ask every few
// seconds, so that they end with the token, the session or the role they were opened with.
func (b *Book) Valid(p Principal) bool { return b.Standing(p) == nil }

// Standing is Valid with the reason: login.expired, or login.required for nobody.
func (b *Book) Standing(p Principal) error {
	now := time.Now()
	fallen := b.roster.fallen(p, now)
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.stands(p, fallen, now)
}

// stands says why a principal is over, nil for one that is not. fallen is what the roster says of its account. mu is held.
func (b *Book) stands(p Principal, fallen error, now time.Time) error {
	switch {
	case p.Role == Nobody:
		return reason.New(reason.LoginRequired, "nobody is logged in")
	case p.ID == "":
		return fallen
	case strings.HasPrefix(p.ID, sessionID):
		i := slices.IndexFunc(b.sessions, func(s *session) bool { return s.who.ID == p.ID })
		if i < 0 {
			return reason.New(reason.LoginExpired, "the session "+p.ID+" is over")
		}
		return b.lasts(b.sessions[i], fallen, now)
	}
	if t := b.token(p.ID); t == nil || !t.Expires.After(now) || t.Role < p.Role {
		return reason.New(reason.LoginExpired, p.name()+" is over")
	}
	return nil
}

// lasts says why a session is over, nil for one that is not. mu is held.
func (b *Book) lasts(s *session, fallen error, now time.Time) error {
	if s.ended || !s.expires.After(now) {
		return reason.New(reason.LoginExpired, "the session "+s.who.ID+" is over")
	}
	err := b.origin(s.who, fallen, now)
	s.ended = err != nil // it does not come to life again
	return err
}

// origin says why what a session goes back to no longer stands: its token, or the role of its account. mu is held.
func (b *Book) origin(who Principal, fallen error, now time.Time) error {
	if who.Token != "" {
		if t := b.token(who.Token); t == nil || !t.Expires.After(now) {
			return reason.New(reason.LoginExpired, "the token that the session was made from is over")
		}
	}
	return fallen
}
