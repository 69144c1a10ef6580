package access

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"tocsin/node/audit"
	"tocsin/protocol/reason"
)

// The bounds of tokens.
const (
	// MaxLife is how far away a token's end may be.
	MaxLife = 366 * 24 * time.Hour
	// MaxTokens is how many are in force at once.
	MaxTokens = 256
	// MaxName bounds a token's name.
	MaxName = 64
	// tokenID begins a token's id.
	tokenID = "t-"
	// overFor is how long a token that ended is remembered, so that its bearer hears why.
	overFor = 30 * 24 * time.Hour
	// maxOver is how many of these are remembered; the oldest are forgotten.
	maxOver = 1000
)

// Token is a named token, without its secret.
type Token struct {
	ID       string      `json:"id"`
	Name     string      `json:"name"`
	Role     Role        `json:"role"`
	Created  time.Time   `json:"created"`
	Expires  time.Time   `json:"expires"`
	LastUsed time.Time   `json:"last_used,omitzero"` // to the hour
	By       audit.Actor `json:"by"`
	// With is the id of the token that it was made with, "" for none: it ends with that.
	With string `json:"with,omitempty"`
}

// held is a token with the hash of its secret.
type held struct {
	Token
	Hash digest
}

func (h *held) digest() digest { return h.Hash }

// principal is who bears the token.
func (h *held) principal(b *Book) Principal {
	return Principal{Role: h.Role, ID: h.ID, Token: h.ID, book: b, Actor: audit.Actor{UID: h.By.UID, User: h.Name, Via: ViaToken}}
}

// Book holds tokens (a file with their hashes), one-time codes and sessions (in memory: a
// restart logs browsers out). It may be used concurrently.
type Book struct {
	path  string
	audit *audit.Log

	change sync.Mutex // held while tokens are changed, audited and written; mu is taken inside, never the other way round

	mu       sync.Mutex // guards what follows
	tokens   []*held    // by name; replaced, never changed in place
	codes    []*code
	sessions []*session // oldest first
	pace     pace

	accounts  *Accounts                       // locks for itself
	isAccount func(name string) (bool, error) // asked under no lock
}

// Open reads the tokens in path, which may be absent. A damaged file gives state.damaged and is left as it is.
func Open(path string, book *audit.Log) (*Book, error) {
	tokens, err := read(path)
	if err != nil {
		return nil, err
	}
	return &Book{path: path, audit: book, tokens: tokens, pace: pace{}, accounts: NewAccounts(), isAccount: isAccount}, nil
}

// Create makes a token and gives its secret, which is never shown again. Role is Viewer to Operator and not above the
// principal of ctx (role.denied), who is no session (it would outlive itself) and still in force (login.expired); expires is
// at most 366 days away, and not after the end of the token that the principal came with. conflict when the name is taken.
func (b *Book) Create(ctx context.Context, name string, role Role, expires time.Time, why string) (Token, string, error) {
	p, now := Of(ctx), time.Now().UTC().Truncate(time.Second)
	t := Token{ID: newID(tokenID), Name: name, Role: role, Created: now, Expires: expires.UTC().Truncate(time.Second), By: p.Actor, With: p.Token}
	if err := mayBe(t, now); err != nil {
		return Token{}, "", err
	}
	is, err := b.isAccount(name)
	if err != nil { // whoever it is would stand in the audit log under another's name
		return Token{}, "", fmt.Errorf("%s: ask the system whether an account has that name: %w", creating(t), err)
	}
	if is {
		return Token{}, "", reason.New(reason.UsageInvalid, creating(t)+": an account of this machine has that name, which stands in the audit log; choose another one")
	}
	fallen := b.accounts.fallen(p, now)
	b.change.Lock()
	defer b.change.Unlock()
	if err := b.mayCreate(p, t, fallen); err != nil {
		return Token{}, "", err
	}
	secret, hash := newSecret(tokenMark)
	next := append(b.remembered(now), &held{t, hash})
	slices.SortFunc(next, func(a, c *held) int { return cmp.Compare(a.Name, c.Name) })
	e := audit.Event{Action: "token.create", Target: name, Reason: why, Detail: map[string]string{
		"token": t.ID, "role": role.String(), "expires": t.Expires.Format(time.RFC3339),
	}}
	if err := b.audit.Do(ctx, func() error { return b.keep(next) }, e); err != nil {
		return Token{}, "", err
	}
	return t, secret, nil
}

// mayBe holds a new token against what any may be.
func mayBe(t Token, now time.Time) error {
	what := creating(t)
	switch {
	case !isName(t.Name):
		return reason.New(reason.UsageInvalid, fmt.Sprintf("%s: want a name of 1 to %d of a-z, 0-9, dot, hyphen and underscore, a letter or digit first", what, MaxName))
	case t.Role < Viewer:
		return reason.New(reason.UsageInvalid, what+": want the role viewer, analyst or operator")
	case t.Role > Operator:
		return reason.New(reason.RoleDenied, what+": no token has the role owner; what only the owner may do is done at the socket")
	case !t.Expires.After(now):
		return reason.New(reason.UsageInvalid, fmt.Sprintf("%s: it would be over already at %s", what, t.Expires.Format(time.RFC3339)))
	case t.Expires.Sub(now) > MaxLife:
		return reason.New(reason.UsageInvalid, fmt.Sprintf("%s: it would last until %s, at most 366 days are allowed", what, t.Expires.Format(time.DateOnly)))
	}
	return nil
}

func creating(t Token) string { return fmt.Sprintf("create token %.80q", t.Name) }

// mayCreate holds a new token against who makes it and the others. change is held, so nobody revokes meanwhile what it is made with.
func (b *Book) mayCreate(p Principal, t Token, fallen error) error {
	what := creating(t)
	if err := p.May(max(t.Role, Operator), what+" with the role "+t.Role.String()); err != nil {
		return err
	}
	if strings.HasPrefix(p.ID, sessionID) {
		return reason.New(reason.RoleDenied, what+": a browser cannot make one, it would outlive the session; use 'tocsin token create' or a token")
	}
	end, err := b.end(p, fallen)
	if err != nil {
		return err
	}
	if !end.IsZero() && t.Expires.After(end) {
		return reason.New(reason.UsageInvalid, fmt.Sprintf("%s: it would outlast what it is made with, which ends at %s; make it at the socket", what, end.Format(time.RFC3339)))
	}
	all := b.Tokens()
	if slices.ContainsFunc(all, func(o Token) bool { return o.Name == t.Name }) {
		return reason.New(reason.Conflict, what+": there is one of that name")
	}
	if len(all) >= MaxTokens {
		return reason.New(reason.Conflict, fmt.Sprintf("%s: there are %d already; revoke one", what, len(all)))
	}
	return nil
}

// isName takes what names a token without being taken for anything else.
func isName(name string) bool {
	const word = "abcdefghijklmnopqrstuvwxyz0123456789"
	return name != "" && len(name) <= MaxName && strings.Trim(name, word+".-_") == "" && strings.Contains(word, name[:1])
}

// end is when the token ends that a principal's power goes back to, zero for an account; login.expired when that is over already.
func (b *Book) end(p Principal, fallen error) (time.Time, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.stands(p, fallen, time.Now()); err != nil {
		return time.Time{}, err
	}
	if t := b.token(p.Token); t != nil {
		return t.Expires, nil
	}
	return time.Time{}, nil
}

// token gives one by id, nil for none. mu is held.
func (b *Book) token(id string) *held {
	for _, t := range b.tokens {
		if t.ID == id {
			return t
		}
	}
	return nil
}

// Tokens lists those that are in force, by name.
func (b *Book) Tokens() []Token {
	b.mu.Lock()
	defer b.mu.Unlock()
	out, now := []Token{}, time.Now()
	for _, t := range b.tokens {
		if t.Expires.After(now) {
			out = append(out, t.Token)
		}
	}
	return out
}

// Over lists those that ended by themselves, as long as they are remembered, by name.
func (b *Book) Over() []Token {
	var out []Token
	now := time.Now()
	for _, t := range b.remembered(now) {
		if !t.Expires.After(now) {
			out = append(out, t.Token)
		}
	}
	return out
}

// Revoke ends a token, the tokens that were made with it and theirs, and the sessions of them all, at once; not.found when there is none.
func (b *Book) Revoke(ctx context.Context, nameOrID, why string) (Token, error) {
	p := Of(ctx)
	fallen := b.accounts.fallen(p, time.Now())
	b.change.Lock()
	defer b.change.Unlock()
	now := time.Now()
	all := b.Tokens()
	i := slices.IndexFunc(all, func(t Token) bool { return t.Name == nameOrID || t.ID == nameOrID })
	if i < 0 {
		return Token{}, reason.New(reason.NotFound, fmt.Sprintf("revoke token %.80q: there is none in force", nameOrID))
	}
	gone := all[i]
	what := "revoke token " + gone.Name
	if err := p.May(Operator, what); err != nil {
		return Token{}, err
	}
	if _, err := b.end(p, fallen); err != nil {
		return Token{}, err
	}
	tree := madeWith(gone, all)
	next := slices.DeleteFunc(b.remembered(now), func(h *held) bool {
		return slices.ContainsFunc(tree, func(t Token) bool { return t.ID == h.ID })
	})
	err := b.audit.Do(ctx, func() error {
		b.goBy(next)
		for _, t := range tree {
			b.endSessions(t.ID)
		}
		// It is over now whatever becomes of the file; one that stays as it was brings the token back at the next start.
		if err := write(b.path, next); err != nil {
			return fmt.Errorf("%s: it is over, but comes back when the node starts again: %w", what, err)
		}
		return nil
	}, revocations(tree, why)...)
	return gone, err
}

// madeWith is a token and those of a list that were made with it, and with these, and so on.
func madeWith(first Token, all []Token) []Token {
	tree := []Token{first}
	for i := 0; i < len(tree); i++ { // it grows meanwhile
		for _, t := range all {
			if t.With == tree[i].ID && !slices.ContainsFunc(tree, func(o Token) bool { return o.ID == t.ID }) {
				tree = append(tree, t)
			}
		}
	}
	return tree
}

// revocations are the entries of the audit log, one for each token.
func revocations(tree []Token, why string) []audit.Event {
	var out []audit.Event
	for _, t := range tree {
		detail := map[string]string{"token": t.ID, "role": t.Role.String()}
		if t.With != "" {
			detail["with"] = t.With
		}
		out = append(out, audit.Event{Action: "token.revoke", Target: t.Name, Reason: why, Detail: detail})
	}
	return out
}

// remembered are the tokens that are in force or have not been over for long, in a list of its own.
func (b *Book) remembered(now time.Time) []*held {
	b.mu.Lock()
	defer b.mu.Unlock()
	since := now.Add(-overFor)
	var ends []time.Time
	for _, t := range b.tokens {
		if !t.Expires.After(now) {
			ends = append(ends, t.Expires)
		}
	}
	if len(ends) > maxOver {
		slices.SortFunc(ends, time.Time.Compare)
		since = ends[len(ends)-maxOver]
	}
	kept, over := []*held{}, 0
	for _, t := range b.tokens {
		if t.Expires.After(now) {
			kept = append(kept, t)
		} else if !t.Expires.Before(since) && over < maxOver {
			kept = append(kept, t)
			over++
		}
	}
	return kept
}

// keep writes the tokens and then goes by them. change is held.
func (b *Book) keep(next []*held) error {
	if err := write(b.path, next); err != nil {
		return err
	}
	b.goBy(next)
	return nil
}

func (b *Book) goBy(next []*held) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tokens = next
}

// Bearer is who a token's secret belongs to: login.required when it is none, login.expired when it is over,
// request.rate after five failures in a minute from one place (an address, "socket" for the socket). A good
// secret is taken also then: nobody can lock others out.
func (b *Book) Bearer(secret, place string) (Principal, error) {
	now, d := time.Now(), digestOf(secret)
	b.mu.Lock()
	t := find(b.tokens, (*held).digest, d)
	switch {
	case t == nil:
		defer b.mu.Unlock()
		return Principal{}, b.pace.fail(place, now, reason.New(reason.LoginRequired, "the token is none of this node"))
	case !t.Expires.After(now):
		defer b.mu.Unlock()
		return Principal{}, reason.New(reason.LoginExpired, fmt.Sprintf("the token %s ended at %s", t.Name, t.Expires.Format(time.RFC3339)))
	}
	p, hour := t.principal(b), now.UTC().Truncate(time.Hour)
	stale := !t.LastUsed.Equal(hour)
	b.mu.Unlock()
	if stale {
		b.used(t.ID, hour)
	}
	return p, nil
}

// used notes the hour in which a token was used. When that cannot be written only the note is lost; when
// somebody changes tokens right now, the next use notes it.
func (b *Book) used(id string, hour time.Time) {
	if !b.change.TryLock() {
		return
	}
	defer b.change.Unlock()
	next := b.remembered(hour)
	for i, t := range next {
		if t.ID == id {
			noted := *t
			noted.LastUsed = hour
			next[i] = &noted
		}
	}
	b.goBy(next)
	if err := write(b.path, next); err != nil {
		log.Warnw("when a token was used could not be noted", "token", id, "err", err)
	}
}

// Wait is how long a place should wait after request.rate.
func (b *Book) Wait(place string) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.pace.wait(place, time.Now())
}
