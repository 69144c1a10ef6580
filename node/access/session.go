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
	// maxCodes wait at once, maxCodesOfOne of one principal.
	maxCodes      = 256
	maxCodesOfOne = 8
	// MaxSessions are remembered; the oldest gives way.
	MaxSessions = 256
	// endedFor is how long a session that ended is remembered, so that its browser hears why.
	endedFor = 24 * time.Hour
	// roleFor is how long the role of an account is taken as it was read.
	roleFor = 2 * time.Second
	// maxRoles bounds the roles that are remembered.
	maxRoles = 1024
)

// sessionID begins a session's name.
const sessionID = "s-"

// code is a one-time code.
type code struct {
	hash    digest
	who     Principal // as it will be in the session
	from    string    // the token it was made from, "" for none
	by      Principal // who asked for it
	expires time.Time
}

func (c *code) digest() digest { return c.hash }

// session is one browser.
type session struct {
	hash    digest
	agent   digest // of the browser's user agent
	who     Principal
	from    string // the token it was made from, "" for none
	expires time.Time
	ended   bool // before its time
}

func (s *session) digest() digest { return s.hash }

// seenRole is an account's role as it was read.
type seenRole struct {
	role  Role
	until time.Time
}

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
	who.Role, who.Actor.Via = min(role, p.Role, Operator), ViaSession
	secret, hash := newSecret("")
	c := &code{hash: hash, who: who, from: p.ID, by: p, expires: now.Add(CodeLife)}
	e := audit.Event{Action: "login.code", Target: p.Actor.User, Detail: map[string]string{"role": who.Role.String()}}
	return secret, c.expires, b.recorded(ctx, e, func() error { return b.addCode(c, now) })
}

// addCode keeps a code, unless there are too many.
func (b *Book) addCode(c *code, now time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.codes = slices.DeleteFunc(b.codes, func(o *code) bool { return !o.expires.After(now) })
	same := 0
	for _, o := range b.codes {
		if o.by == c.by {
			same++
		}
	}
	if same >= maxCodesOfOne || len(b.codes) >= maxCodes {
		return reason.New(reason.RequestRate, fmt.Sprintf("make a login code: %d wait already, which work for a minute", max(same, 1)))
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
	s := &session{agent: sha256.Sum256([]byte(agent)), who: c.who, from: c.from, expires: now.Add(SessionLife)}
	s.who.ID = newID(sessionID)
	if end := b.end(c.by); !end.IsZero() && end.Before(s.expires) {
		s.expires = end
	}
	secret, s.hash = newSecret("")
	e := audit.Event{Action: "login", Target: c.who.Actor.User, Detail: map[string]string{
		"session": s.who.ID, "role": s.who.Role.String(), "expires": s.expires.Format(time.RFC3339), "from": place,
	}}
	err = b.recorded(With(ctx, s.who), e, func() error { return b.addSession(s, now) })
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
	if c == nil {
		return nil, b.pace.fail(place, now, reason.New(reason.LoginRequired, "log in: the code is none of this node, or was used"))
	}
	b.codes = slices.DeleteFunc(b.codes, func(o *code) bool { return o == c })
	if !c.expires.After(now) {
		return nil, b.pace.fail(place, now, reason.New(reason.LoginExpired, "log in: the code worked for a minute, which is over"))
	}
	return c, b.standing(c.who, c.from, now)
}

// addSession keeps a session, and forgets those that ended long ago, then the oldest. What it was made from may have
// ended since the code was taken; it is asked here, where Revoke cannot come between.
func (b *Book) addSession(s *session, now time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.standing(s.who, s.from, now); err != nil {
		return err
	}
	b.sessions = slices.DeleteFunc(b.sessions, func(o *session) bool { return now.Sub(o.expires) > endedFor })
	if extra := len(b.sessions) - (MaxSessions - 1); extra > 0 {
		b.sessions = slices.Delete(b.sessions, 0, extra)
	}
	b.sessions = append(b.sessions, s)
	return nil
}

// Session is who a session's secret belongs to, for the same user agent: login.required, login.expired.
func (b *Book) Session(secret, agent, place string) (Principal, error) {
	now, d := time.Now(), digestOf(secret)
	b.mu.Lock()
	defer b.mu.Unlock()
	s := find(b.sessions, (*session).digest, d)
	if s == nil {
		return Principal{}, b.pace.fail(place, now, reason.New(reason.LoginRequired, "the session is none of this node"))
	}
	if !s.agent.is(sha256.Sum256([]byte(agent))) {
		log.Warnw("a session came from another browser than it was made for", "session", s.who.ID, "place", place)
		return Principal{}, b.pace.fail(place, now, reason.New(reason.LoginRequired, "the session belongs to another browser"))
	}
	if err := b.lasts(s, now); err != nil {
		return Principal{}, err
	}
	return s.who, nil
}

// lasts says why a session is over, nil for one that is not. mu is held.
func (b *Book) lasts(s *session, now time.Time) error {
	if s.ended || !s.expires.After(now) {
		return reason.New(reason.LoginExpired, "the session "+s.who.ID+" is over")
	}
	if err := b.standing(s.who, s.from, now); err != nil {
		s.ended = true // it does not come to life again
		return err
	}
	return nil
}

// standing says why what a session goes back to no longer stands: the token that it was made from, or the role of the account. mu is held.
func (b *Book) standing(who Principal, from string, now time.Time) error {
	if from != "" {
		if t := b.token(from); t == nil || !t.Expires.After(now) {
			return reason.New(reason.LoginExpired, "the token that the session was made from is over")
		}
	}
	if b.fallen(who, now) {
		return reason.New(reason.LoginExpired, fmt.Sprintf("the account %s no longer has the role %s", who.Actor, who.Role))
	}
	return nil
}

// fallen reports whether the account behind a principal has less than its role by now. mu is held.
func (b *Book) fallen(p Principal, now time.Time) bool {
	if !p.at.known {
		return false
	}
	r, ok := b.roles[p.at]
	if !ok || !r.until.After(now) {
		if len(b.roles) >= maxRoles {
			clear(b.roles)
		}
		r = seenRole{p.at.role(), now.Add(roleFor)}
		b.roles[p.at] = r
	}
	return r.role < p.Role
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
		s.ended = s.ended || s.from == token
	}
	b.codes = slices.DeleteFunc(b.codes, func(c *code) bool { return c.from == token })
}

// tokenOf is the token that an id goes back to: itself, or what a session was made from; "" for none. mu is held.
func (b *Book) tokenOf(id string) string {
	if !strings.HasPrefix(id, sessionID) {
		return id
	}
	for _, s := range b.sessions {
		if s.who.ID == id {
			return s.from
		}
	}
	return ""
}

// Valid reports whether a principal may still do what it might when it came: streams ask every few
// seconds, so that they end with the token, the session or the role they were opened with.
func (b *Book) Valid(p Principal) bool {
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case p.Role == Nobody:
		return false
	case p.ID == "":
		return !b.fallen(p, now)
	case strings.HasPrefix(p.ID, sessionID):
		i := slices.IndexFunc(b.sessions, func(s *session) bool { return s.who.ID == p.ID })
		return i >= 0 && b.lasts(b.sessions[i], now) == nil
	}
	t := b.token(p.ID)
	return t != nil && t.Expires.After(now) && t.Role >= p.Role
}
