package access

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"tocsin/protocol/reason"
)

const (
	// accountFor is how long an account has the name and role that the system gave it.
	accountFor = 2 * time.Second
	// lastKnownFor is how long an account keeps the role that it had while the system cannot be asked: a directory that does
	// not answer for a while must not log everybody out.
	lastKnownFor = time.Hour
	// maxAccounts bounds the accounts that are remembered.
	maxAccounts = 1024
)

// Accounts remembers for a moment who accounts are. The system is asked under no lock: where accounts come from a
// directory over the network, that may take long. It may be used concurrently.
type Accounts struct {
	ask func(account) (Principal, error)

	mu    sync.Mutex
	known map[account]seen // guarded by mu
}

// seen is an account as the system had it.
type seen struct {
	Principal
	until   time.Time // when it is asked about again
	known   time.Time // when the system last said it; zero for never
	failing bool      // the system could not be asked since
}

// NewAccounts knows nobody yet.
func NewAccounts() *Accounts {
	return &Accounts{ask: account.principal, known: map[account]seen{}}
}

// AtSocket is AtSocket, at most two seconds old; up to an hour while the system cannot be asked.
func (a *Accounts) AtSocket(uid, owner int, g Groups) Principal {
	return a.of(account{true, uid, owner, g}, time.Now())
}

// fallen is login.expired when the account behind a principal has less than its role by now. No lock is held.
func (a *Accounts) fallen(p Principal, now time.Time) error {
	if !p.at.known || a.of(p.at, now).Role >= p.Role {
		return nil
	}
	return reason.New(reason.LoginExpired, fmt.Sprintf("the account %s no longer has the role %s", p.Actor, p.Role))
}

// of is who an account is, at most accountFor old, or lastKnownFor while the system cannot be asked.
func (a *Accounts) of(who account, now time.Time) Principal {
	a.mu.Lock()
	one, ok := a.known[who]
	a.mu.Unlock()
	if ok && one.until.After(now) {
		return one.Principal
	}
	p, err := a.ask(who)
	a.mu.Lock()
	defer a.mu.Unlock()
	one = a.known[who].next(p, err, now)
	if len(a.known) >= maxAccounts {
		maps.DeleteFunc(a.known, func(_ account, s seen) bool { return now.Sub(s.known) >= lastKnownFor })
	}
	if len(a.known) >= maxAccounts {
		clear(a.known)
	}
	a.known[who] = one
	return one.Principal
}

// next is what is known of an account after the system was asked again.
func (s seen) next(p Principal, err error, now time.Time) seen {
	if err == nil {
		return seen{Principal: p, until: now.Add(accountFor), known: now}
	}
	kept := now.Sub(s.known) < lastKnownFor
	switch {
	case kept && !s.failing:
		log.Warnw("account cannot be looked up: it keeps the role that it had", "account", s.Actor, "role", s.Role, "until", s.known.Add(lastKnownFor), "err", err)
	case !kept && (!s.failing || s.Role != p.Role):
		log.Warnw("account cannot be looked up: it has the least role", "account", p.Actor, "role", p.Role, "err", err)
	}
	if kept {
		p = s.Principal
	}
	return seen{Principal: p, until: now.Add(accountFor), known: s.known, failing: true}
}

// Valid reports whether a principal may still do what it might when it came: streams ask every few
// seconds, so that they end with the token, the session or the role they were opened with.
func (b *Book) Valid(p Principal) bool { return b.Standing(p) == nil }

// Standing is Valid with the reason: login.expired, or login.required for nobody.
func (b *Book) Standing(p Principal) error {
	now := time.Now()
	fallen := b.accounts.fallen(p, now)
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.stands(p, fallen, now)
}

// stands says why a principal is over, nil for one that is not. fallen is what Accounts say of its account. mu is held.
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
