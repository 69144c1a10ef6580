package access

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"

	"tocsin/node/audit"
	"tocsin/protocol/reason"
)

// The bounds of codes and sessions.
const (
	// CodeLife is how long a one-time code works, SessionLife a session.
	CodeLife    = 60 * time.Second
	SessionLife = 8 * time.Hour
	// maxCodes are made in a minute, maxCodesOfOne by one principal.
	maxCodes      = 4096
	maxCodesOfOne = 10
	// MaxSessions are open at once, maxSessionsOfOne of one principal, whose oldest gives way.
	MaxSessions      = 256
	maxSessionsOfOne = 16
	// endedFor is how long a session that ended is remembered, so that its browser hears why.
	endedFor = 24 * time.Hour
)

// sessionID begins a session's name.
const sessionID = "s-"

// code is a one-time code.
type code struct {
	hash    digest
	who     Principal // as it will be in the session
	by      Principal // who asked for it
	expires time.Time
	used    bool // it stays until its end, so that codes can be counted
}

func (c *code) digest() digest { return c.hash }

// session is one browser.
type session struct {
	hash    digest
	agent   digest // of the browser's user agent
	who     Principal
	expires time.Time
	ended   bool // before its time
}

func (s *session) digest() digest { return s.hash }

func (s *session) open(now time.Time) bool { return !s.ended && s.expires.After(now) }

// Maker is whose codes, sessions and requests are counted together. It can be compared.
type Maker struct {
	uid   int
	token string
}

// Maker is the account or the token that a principal's power goes back to.
func (p Principal) Maker() Maker { return Maker{p.Actor.UID, p.Token} }

// Code makes a one-time code of 60 seconds that logs a browser in as the principal of ctx with at most this role
// (never Owner; Nobody means as much as may be). It stands in the fragment of a link, so no server and no log ever sees it in a URL. A
// session cannot make one (role.denied): it would outlive itself.
func (b *Book) Code(ctx context.Context, role Role) (text string, expires time.Time, err error) {
	p, now := Of(ctx), time.Now().UTC()
	if err := p.May(Viewer, "make a login code"); err != nil {
		return "", time.Time{}, err
	}
	if strings.HasPrefix(p.ID, sessionID) {
		return "", time.Time{}, reason.New(reason.RoleDenied, "make a login code: a browser cannot log in another one; use 'tocsin ui' or a token")
	}
	if role == Nobody {
		role = Operator
	}
	who := p
	who.Role, who.Actor.Via, who.book = min(role, p.Role, Operator), ViaSession, b
	fallen := b.accounts.fallen(p, now)
	secret, hash := newSecret("")
	c := &code{hash: hash, who: who, by: p, expires: now.Add(CodeLife)}
	e := audit.Event{Action: "login.code", Target: p.Actor.User, Detail: map[string]string{"role": who.Role.String()}}
	// It is counted before it is written down: nobody fills the audit log. Nobody has it before it is.
	if err := b.addCode(c, fallen, now); err != nil {
		return "", time.Time{}, err
	}
	if err := b.audit.Do(ctx, func() error { return nil }, e); err != nil {
		b.mu.Lock()
		defer b.mu.Unlock()
		c.used = true
		return "", time.Time{}, err
	}
	return secret, c.expires, nil
}

// addCode keeps a code, unless there are too many or who asked for it is over.
func (b *Book) addCode(c *code, fallen error, now time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.stands(c.by, fallen, now); err != nil {
		return err
	}
	b.codes = slices.DeleteFunc(b.codes, func(o *code) bool { return !o.expires.After(now) })
	same := count(b.codes, func(o *code) bool { return o.by.Maker() == c.by.Maker() })
	if same >= maxCodesOfOne || len(b.codes) >= maxCodes {
		return reason.New(reason.RequestRate, fmt.Sprintf("make a login code: %d were made within a minute", max(same, 1)))
	}
	b.codes = append(b.codes, c)
	return nil
}

// Login turns a code into a session of 8 hours that is bound to the browser's user agent; a code works once. Errors as for Bearer.
func (b *Book) Login(ctx context.Context, code, agent, place string) (secret string, p Principal, expires time.Time, err error) {
	now := time.Now().UTC()
	c, err := b.take(code, place, now)
	if err != nil {
		return "", Principal{}, time.Time{}, err
	}
	fallen := b.accounts.fallen(c.who, now)
	end, err := b.end(c.by, fallen)
	if err != nil {
		return "", Principal{}, time.Time{}, err
	}
	s := &session{agent: sha256.Sum256([]byte(agent)), who: c.who, expires: now.Add(SessionLife)}
	s.who.ID = newID(sessionID)
	if !end.IsZero() && end.Before(s.expires) {
		s.expires = end
	}
	secret, s.hash = newSecret("")
	e := audit.Event{Action: "login", Target: c.who.Actor.User, Detail: map[string]string{
		"session": s.who.ID, "role": s.who.Role.String(), "expires": s.expires.Format(time.RFC3339), "from": place,
	}}
	err = b.audit.Do(With(ctx, s.who), func() error { return b.addSession(s, fallen, now) }, e)
	if err != nil {
		return "", Principal{}, time.Time{}, err
	}
	return secret, s.who, s.expires, nil
}

// take uses a code up.
func (b *Book) take(text, place string, now time.Time) (*code, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := find(b.codes, (*code).digest, digestOf(text))
	if c == nil || c.used {
		return nil, b.pace.fail(place, now, reason.New(reason.LoginRequired, "log in: the code is none of this node, or was used"))
	}
	c.used = true
	if !c.expires.After(now) {
		return nil, b.pace.fail(place, now, reason.New(reason.LoginExpired, "log in: the code worked for a minute, which is over"))
	}
	return c, nil
}

// addSession keeps a session. The oldest of the same principal gives way, and what is over, but nobody else's. What it was made from may have
// ended since the code was taken; it is asked here, where Revoke cannot come between.
func (b *Book) addSession(s *session, fallen error, now time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.origin(s.who, fallen, now); err != nil {
		return err
	}
	b.sessions = slices.DeleteFunc(b.sessions, func(o *session) bool { return now.Sub(o.expires) > endedFor })
	over := func(o *session) bool { return !o.open(now) }
	mine := func(o *session) bool { return o.who.Maker() == s.who.Maker() }
	if count(b.sessions, mine) >= maxSessionsOfOne && !b.forget(func(o *session) bool { return mine(o) && over(o) }) {
		b.forget(mine)
	}
	if len(b.sessions) >= MaxSessions && !b.forget(over) {
		return reason.New(reason.RequestRate, fmt.Sprintf("log in: %d sessions are open; log out of one, or revoke a token", MaxSessions))
	}
	b.sessions = append(b.sessions, s)
	return nil
}

func count[T any](list []*T, is func(*T) bool) (n int) {
	for _, one := range list {
		if is(one) {
			n++
		}
	}
	return n
}

// forget drops the oldest session that is so, false when none is. mu is held.
func (b *Book) forget(is func(*session) bool) bool {
	i := slices.IndexFunc(b.sessions, is)
	if i >= 0 {
		b.sessions = slices.Delete(b.sessions, i, i+1)
	}
	return i >= 0
}

// Session is who a session's secret belongs to, for the same user agent: login.required, login.expired.
func (b *Book) Session(secret, agent, place string) (Principal, error) {
	now, d := time.Now(), digestOf(secret)
	s, who, err := b.session(d, agent, place, now)
	if err != nil {
		return Principal{}, err
	}
	fallen := b.accounts.fallen(who, now)
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.lasts(s, fallen, now); err != nil {
		return Principal{}, err
	}
	return who, nil
}

// session finds a browser's session, in force or not.
func (b *Book) session(d digest, agent, place string, now time.Time) (*session, Principal, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := find(b.sessions, (*session).digest, d)
	if s == nil {
		return nil, Principal{}, b.pace.fail(place, now, reason.New(reason.LoginRequired, "the session is none of this node"))
	}
	if !s.agent.is(sha256.Sum256([]byte(agent))) {
		log.Warnw("a session came from another browser than it was made for", "session", s.who.ID, "place", place)
		return nil, Principal{}, b.pace.fail(place, now, reason.New(reason.LoginRequired, "the session belongs to another browser"))
	}
	return s, s.who, nil
}

// Logout ends a session; one that is none is no error.
func (b *Book) Logout(ctx context.Context, secret string) {
	d := digestOf(secret)
	b.mu.Lock()
	s := find(b.sessions, (*session).digest, d)
	if s == nil || s.ended {
		b.mu.Unlock()
		return
	}
	s.ended = true
	who := s.who
	b.mu.Unlock()
	// It is over whether or not that can be written down: nobody may be kept logged in.
	e := audit.Event{Action: "logout", Target: who.Actor.User, Detail: map[string]string{"session": who.ID}}
	if _, err := b.audit.Append(With(context.WithoutCancel(ctx), who), e); err != nil {
		log.Errorw("a logout is not in the audit log", "session", who.ID, "err", err)
	}
}

// endSessions ends the sessions and codes that were made from a token.
func (b *Book) endSessions(token string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.sessions {
		s.ended = s.ended || s.who.Token == token
	}
	b.codes = slices.DeleteFunc(b.codes, func(c *code) bool { return c.who.Token == token })
}
