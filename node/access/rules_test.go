package access

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tocsin/node/audit"
	"tocsin/protocol/reason"
)

// What a token may be (ADM-24), at its limits.
func TestTokenRules(t *testing.T) {
	k := newKit(t)
	k.create("taken", Viewer)
	_, secret, err := k.Create(as(Owner), "short", Operator, time.Now().Add(time.Hour), "")
	ok(t, err)
	short, err := k.Bearer(secret, "here")
	ok(t, err)
	withToken := With(t.Context(), short)
	const day = 24 * time.Hour
	for _, c := range []struct {
		name string
		by   Role
		role Role
		life time.Duration
		want reason.Code
	}{
		{"a", Operator, Operator, MaxLife, ""},
		{"b", Owner, Analyst, MaxLife + 2*time.Second, reason.UsageInvalid},
		{"c", Owner, Viewer, 0, reason.UsageInvalid},
		{"d", Owner, Nobody, day, reason.UsageInvalid},
		{"e", Owner, Owner, day, reason.RoleDenied},
		{"f", Analyst, Viewer, day, reason.RoleDenied},
		{"g", Nobody, Viewer, day, reason.LoginRequired},
		{"taken", Owner, Viewer, day, reason.Conflict},
		{strings.Repeat("x", MaxName), Owner, Viewer, day, ""},
		{strings.Repeat("x", MaxName+1), Owner, Viewer, day, reason.UsageInvalid},
		{"", Owner, Viewer, day, reason.UsageInvalid},
		{"root", Owner, Viewer, day, reason.UsageInvalid},
		{"alice", Owner, Viewer, day, reason.UsageInvalid},
		{"A", Owner, Viewer, day, reason.UsageInvalid},
		{".a", Owner, Viewer, day, reason.UsageInvalid},
		{"a b", Owner, Viewer, day, reason.UsageInvalid},
		{"a\u202eb", Owner, Viewer, day, reason.UsageInvalid},
	} {
		_, secret, err := k.Create(as(c.by), c.name, c.role, time.Now().Add(c.life), "")
		if reason.Of(err) != c.want || (secret == "") != (err != nil) {
			t.Errorf("%q %s by %s for %v: %v, want %q", c.name, c.role, c.by, c.life, err, c.want)
		}
	}
	_, _, err = k.Create(withToken, "child", Viewer, time.Now().Add(2*time.Hour), "")
	refused(t, err, reason.UsageInvalid) // it would outlast what it is made with
	_, _, err = k.Create(withToken, "child", Viewer, time.Now().Add(time.Minute), "")
	ok(t, err)
	_, err = k.Revoke(as(Analyst), "child", "")
	refused(t, err, reason.RoleDenied)
}

// As many as may be, and no more.
func TestTokensAreBounded(t *testing.T) {
	k := newKit(t)
	for i := range MaxTokens - 1 {
		k.tokens = append(k.tokens, &held{Token: Token{ID: fmt.Sprintf("t-%d", i), Name: fmt.Sprintf("n%d", i), Role: Viewer, Created: time.Now(), Expires: time.Now().Add(time.Hour)}})
	}
	k.create("last", Viewer)
	_, _, err := k.Create(as(Owner), "more", Viewer, time.Now().Add(time.Hour), "")
	refused(t, err, reason.Conflict)
}

// Time ends tokens, codes and sessions; who comes late hears that (ADM-24, ADM-25).
func TestTimeEndsThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t)
		made, token := k.create("day", Operator)
		late, _, err := k.Code(as(Owner), Viewer)
		ok(t, err)
		time.Sleep(CodeLife)
		_, _, _, err = k.Login(t.Context(), late, "browser", "here")
		refused(t, err, reason.LoginExpired)
		session, p := k.login(as(Owner), Analyst)
		time.Sleep(SessionLife - time.Second)
		_, err = k.Session(session, "browser", "here")
		ok(t, err)
		time.Sleep(time.Second)
		_, err = k.Session(session, "browser", "here")
		refused(t, err, reason.LoginExpired)
		if k.Valid(p) {
			t.Error("a session that is over is valid")
		}
		// What a token lets in ends with it, not after its own eight hours.
		time.Sleep(12 * time.Hour)
		who, err := k.Bearer(token, "here")
		ok(t, err)
		session, _ = k.login(With(t.Context(), who), Operator)
		time.Sleep(time.Until(made.Expires) - time.Second)
		_, err = k.Session(session, "browser", "here")
		ok(t, err)
		time.Sleep(time.Second)
		_, err = k.Session(session, "browser", "here")
		refused(t, err, reason.LoginExpired)
		_, err = k.Bearer(token, "here")
		refused(t, err, reason.LoginExpired)
		if len(k.Tokens()) != 0 || k.Valid(who) {
			t.Error("a token that is over is in force")
		}
		k.create("day", Viewer) // the name is free again
	})
}

// A session has no more than what it goes back to, ends with it, and cannot prolong itself (ADM-25).
func TestSessionsEndWithTheirToken(t *testing.T) {
	k := newKit(t)
	_, token := k.create("ci", Analyst)
	who, err := k.Bearer(token, "here")
	ok(t, err)
	ctx := With(t.Context(), who)
	session, p := k.login(ctx, Operator)
	if p.Role != Analyst || p.Actor != (audit.Actor{UID: 1000, User: "ci", Via: ViaSession}) {
		t.Errorf("session %+v", p)
	}
	_, _, err = k.Code(With(t.Context(), p), Viewer)
	refused(t, err, reason.RoleDenied)
	waiting, _, err := k.Code(ctx, Viewer)
	ok(t, err)
	_, err = k.Revoke(as(Operator), who.ID, "lost")
	ok(t, err)
	_, err = k.Session(session, "browser", "here")
	refused(t, err, reason.LoginExpired)
	_, _, _, err = k.Login(t.Context(), waiting, "browser", "here")
	refused(t, err, reason.LoginRequired)
	if k.Valid(p) || k.Valid(who) || k.Valid(Principal{}) {
		t.Error("what was revoked is valid")
	}
}

// A session ends when the account behind it has less than it had (ADM-25), and does not come back with the role.
func TestSessionsEndWithTheRoleOfTheirAccount(t *testing.T) {
	k := newKit(t)
	me, err := AtSocket(os.Geteuid(), os.Geteuid(), Groups{})
	ok(t, err)
	session, p := k.login(With(t.Context(), me), Operator)
	if !k.Valid(me) || !k.Valid(p) {
		t.Fatal("not valid")
	}
	k.accounts.known[me.at] = seen{Principal: Principal{Role: Viewer}, until: time.Now().Add(time.Hour)}
	_, err = k.Session(session, "browser", "here")
	refused(t, err, reason.LoginExpired)
	if k.Valid(me) || k.Valid(p) {
		t.Error("valid with a role that the account has no more")
	}
	clear(k.accounts.known)
	_, err = k.Session(session, "browser", "here")
	refused(t, err, reason.LoginExpired)
}

// Five failures a minute from one place; what is good is let in all the same (ADM-26).
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t)
		_, token := k.create("ci", Viewer)
		guess := func(i int) error {
			switch i % 3 {
			case 0:
				_, err := k.Bearer("tocsin-token-guess", "a")
				return err
			case 1:
				_, err := k.Session("guess", "browser", "a")
				return err
			}
			_, _, _, err := k.Login(t.Context(), "guess", "browser", "a")
			return err
		}
		for i := range maxFailures {
			refused(t, guess(i), reason.LoginRequired)
		}
		for i := range 3 {
			refused(t, guess(i), reason.RequestRate)
		}
		if w := k.Wait("a"); w != pacePeriod || k.Wait("b") != 0 {
			t.Errorf("wait %v and %v", w, k.Wait("b"))
		}
		_, err := k.Bearer(token, "a")
		ok(t, err)
		_, err = k.Bearer("guess", "b")
		refused(t, err, reason.LoginRequired)
		time.Sleep(pacePeriod)
		refused(t, guess(0), reason.LoginRequired)
		for i := range maxPlaces + 10 {
			_, _ = k.Bearer("guess", fmt.Sprint("place ", i))
		}
		if len(k.pace) > maxPlaces+1 {
			t.Errorf("%d places are remembered", len(k.pace))
		}
		_, err = k.Bearer("guess", "place 9999")
		refused(t, err, reason.RequestRate)
	})
}

// Codes of one principal are bounded, before they are written down (ADM-25).
func TestCodesAreBounded(t *testing.T) {
	k := newKit(t)
	for range maxCodesOfOne {
		_, _, err := k.Code(as(Viewer), Viewer)
		ok(t, err)
	}
	_, _, err := k.Code(as(Viewer), Viewer)
	refused(t, err, reason.RequestRate)
	if got := len(k.actions()); got != maxCodesOfOne {
		t.Errorf("%d entries: what is refused is not written down", got)
	}
	other := With(t.Context(), Principal{Role: Viewer, Actor: audit.Actor{UID: 2000, Via: ViaSocket}})
	for range maxCodesOfOne {
		k.login(other, Viewer) // a code that was used counts as well
	}
	_, _, err = k.Code(other, Viewer)
	refused(t, err, reason.RequestRate)
}

// Who opens many sessions ends their own, and nobody else's (ADM-25).
func TestSessionsAreBounded(t *testing.T) {
	k := newKit(t)
	of := func(uid int) context.Context {
		return With(t.Context(), Principal{Role: Viewer, Actor: audit.Actor{UID: uid, Via: ViaSocket}})
	}
	first, _ := k.login(of(1), Viewer)
	for range 2 * maxSessionsOfOne {
		k.codes = nil
		k.login(of(2), Viewer)
	}
	if len(k.sessions) != maxSessionsOfOne+1 {
		t.Errorf("%d sessions", len(k.sessions))
	}
	for i := len(k.sessions); i < MaxSessions; i++ {
		k.sessions = append(k.sessions, &session{who: Principal{Actor: audit.Actor{UID: 100 + i}}, hash: digest{byte(i), 1}, expires: time.Now().Add(time.Hour)})
	}
	k.codes = nil
	c, _, err := k.Code(of(3), Viewer)
	ok(t, err)
	_, _, _, err = k.Login(t.Context(), c, "browser", "here")
	refused(t, err, reason.RequestRate)
	k.login(of(2), Viewer) // in the place of one's own
	_, err = k.Session(first, "browser", "here")
	ok(t, err)
	k.Logout(t.Context(), first)
	k.login(of(3), Viewer) // in the place of one that is over
	if len(k.sessions) != MaxSessions {
		t.Errorf("%d sessions", len(k.sessions))
	}
}

// What cannot be written down is not done (ADM-27).
func TestNothingWithoutTheAuditLog(t *testing.T) {
	k := newKit(t)
	_, token := k.create("ci", Operator)
	c, _, err := k.Code(as(Owner), Viewer)
	ok(t, err)
	closed, err := audit.Open(k.path + ".log")
	ok(t, err)
	ok(t, closed.Close())
	k.Book.audit = closed
	if _, secret, err := k.Create(as(Owner), "more", Viewer, time.Now().Add(time.Hour), ""); err == nil || secret != "" {
		t.Error("created")
	}
	if _, err := k.Revoke(as(Owner), "ci", ""); err == nil {
		t.Error("revoked")
	}
	if _, _, _, err := k.Login(t.Context(), c, "browser", "here"); err == nil || len(k.sessions) != 0 {
		t.Error("logged in")
	}
	_, err = k.Bearer(token, "here")
	ok(t, err)
	if len(k.Tokens()) != 1 {
		t.Errorf("tokens %+v", k.Tokens())
	}
}

// Who an account is, by its groups (ADM-22).
func TestAccounts(t *testing.T) {
	accounts := map[int][]string{0: nil, 5: {"tocsin-ro"}, 10: {"tocsin"}, 11: {"tocsin", "tocsin-analyst"}, 12: {"tocsin-analyst", "tocsin-ro"}, 13: nil}
	look := func(uid int) (string, []string, error) {
		groups, ok := accounts[uid]
		if !ok {
			return "", nil, fmt.Errorf("look up: %w", user.UnknownUserIdError(uid))
		}
		return fmt.Sprint("u", uid), groups, nil
	}
	for uid, want := range map[int]Role{
		0: Owner, 5: Owner, 10: Operator, 11: Analyst, 12: Viewer, 13: Operator, 14: Viewer, audit.UIDUnknown: Viewer, audit.UIDNode: Viewer,
	} {
		if p, err := atSocket(uid, 5, DefaultGroups(), look); err != nil || p.Role != want || p.Actor.UID != uid || p.Actor.Via != ViaSocket || p.ID != "" {
			t.Errorf("account %d: %+v, %v, want %s", uid, p, err, want)
		}
	}
	if p, _ := atSocket(12, 5, Groups{}, look); p.Role != Operator {
		t.Errorf("without groups: %+v", p)
	}
	if p, _ := atSocket(14, 14, DefaultGroups(), look); p.Role != Owner {
		t.Errorf("the node's own account, which has no name: %+v", p)
	}
	down := func(int) (string, []string, error) { return "u", nil, errors.New("directory does not answer") }
	for uid, want := range map[int]Role{0: Owner, 5: Owner, 10: Viewer} {
		if p, err := atSocket(uid, 5, DefaultGroups(), down); err == nil || p.Role != want {
			t.Errorf("account %d, nobody to ask: %+v, %v", uid, p, err)
		}
	}
}

// Roles are texts outside, and are read strictly (ADM-20).
func TestRoleTexts(t *testing.T) {
	for r := Viewer; r <= Owner; r++ {
		got, err := ParseRole(r.String())
		ok(t, err)
		if got != r {
			t.Errorf("%s is read as %s", r, got)
		}
	}
	for _, bad := range []string{"", "nobody", "Viewer", "root", "viewer ", "4"} {
		if _, err := ParseRole(bad); reason.Of(err) != reason.UsageInvalid {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// A file that is not what was written lets nobody in, and stays.
func TestDamagedFile(t *testing.T) {
	k := newKit(t)
	_, secret := k.create("ci", Viewer)
	whole, err := os.ReadFile(k.path)
	ok(t, err)
	for name, text := range map[string]string{
		"cut":      string(whole[:len(whole)/2]),
		"more":     string(whole) + "{}",
		"member":   strings.Replace(string(whole), `"role"`, `"rolle"`, 1),
		"owner":    strings.Replace(string(whole), `"viewer"`, `"owner"`, 1),
		"nobody":   strings.Replace(string(whole), `"viewer"`, `"nobody"`, 1),
		"name":     strings.Replace(string(whole), `"ci"`, `"c i"`, 1),
		"version":  strings.Replace(string(whole), `"version": 1`, `"version": 2`, 1),
		"for ever": strings.Replace(string(whole), `"expires": "20`, `"expires": "30`, 1),
		"hash":     strings.Replace(string(whole), `"sha256": "`, `"sha256": "00`, 1),
	} {
		if text == string(whole) {
			t.Fatalf("%s changes nothing", name)
		}
		ok(t, os.WriteFile(k.path, []byte(text), 0o600))
		if _, err := Open(k.path, k.log); reason.Of(err) != reason.StateDamaged {
			t.Errorf("%s: %v", name, err)
		}
		if now, _ := os.ReadFile(k.path); string(now) != text {
			t.Errorf("%s: the file was changed", name)
		}
	}
	ok(t, os.WriteFile(k.path, whole, 0o600))
	k.reopen()
	_, err = k.Bearer(secret, "here")
	ok(t, err)
}

// What is read as tokens is written as the same tokens.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"version":1,"tokens":[]}`))
	f.Add([]byte(`{"version":1,"tokens":[{"id":"t-1","name":"a","role":"viewer","created":"2026-01-01T00:00:00Z","expires":"2026-02-01T00:00:00Z","by":{"uid":1,"via":"socket"},"sha256":"` + strings.Repeat("ab", 32) + `"}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		tokens, err := decode(raw)
		if err != nil {
			return
		}
		path := t.TempDir() + "/access.json"
		if err := write(path, tokens); err != nil {
			t.Fatalf("%q cannot be written again: %v", raw, err)
		}
		again, err := read(path)
		ok(t, err)
		if fmt.Sprintf("%+v", tokensOf(again)) != fmt.Sprintf("%+v", tokensOf(tokens)) {
			t.Errorf("%q is read as %+v, then as %+v", raw, tokensOf(tokens), tokensOf(again))
		}
	})
}

func tokensOf(list []*held) (out []held) {
	for _, h := range list {
		one := *h
		one.Created, one.Expires, one.LastUsed = one.Created.UTC(), one.Expires.UTC(), one.LastUsed.UTC()
		out = append(out, one)
	}
	return out
}
