package access

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tocsin/node/audit"
	"tocsin/protocol/reason"
)

// What is over makes nothing that is not, however long its request took (ADM-21).
func TestWhatIsOverMakesNothing(t *testing.T) {
	k := newKit(t)
	_, secret := k.create("stolen", Operator)
	who, err := k.Bearer(secret, "here")
	ok(t, err)
	ok(t, who.Still())
	_, session := k.login(With(t.Context(), who), Operator)
	ok(t, session.Still())
	waiting, _, err := k.Code(With(t.Context(), who), Operator)
	ok(t, err)
	k.create("other", Viewer)
	_, err = k.Revoke(as(Owner), "stolen", "")
	ok(t, err)
	entries := len(k.actions())
	for _, p := range []Principal{who, session} {
		refused(t, p.Still(), reason.LoginExpired)
		_, _, err = k.Create(With(t.Context(), p), "better", Viewer, time.Now().Add(time.Minute), "")
		if err == nil {
			t.Errorf("%s made a token", p.ID)
		}
		if _, _, err = k.Code(With(t.Context(), p), Viewer); err == nil {
			t.Errorf("%s made a code", p.ID)
		}
		_, err = k.Revoke(With(t.Context(), p), "other", "")
		refused(t, err, reason.LoginExpired)
	}
	_, _, err = k.Create(With(t.Context(), who), "better", Viewer, time.Now().Add(time.Minute), "")
	refused(t, err, reason.LoginExpired)
	if _, _, _, err = k.Login(t.Context(), waiting, "browser", "here"); err == nil {
		t.Error("a code of a revoked token")
	}
	if list := k.Tokens(); len(list) != 1 {
		t.Errorf("tokens %+v, and %d entries since", list, len(k.actions())-entries)
	}
}

// A session makes no token: it would outlive it (ADM-24).
func TestSessionsMakeNoTokens(t *testing.T) {
	k := newKit(t)
	_, p := k.login(as(Owner), Operator)
	_, _, err := k.Create(With(t.Context(), p), "mine", Viewer, time.Now().Add(time.Minute), "")
	refused(t, err, reason.RoleDenied)
}

// While the system looks an account up, which may take long, everybody else comes in.
func TestLookUpsHoldNobodyUp(t *testing.T) {
	k := newKit(t)
	_, secret := k.create("ci", Viewer)
	asked, answer := make(chan struct{}), make(chan struct{})
	k.accounts.ask = func(account) (Principal, error) {
		close(asked)
		<-answer
		return Principal{Role: Operator}, nil
	}
	slow := Principal{Role: Operator, at: account{known: true, uid: 7}}
	var wait sync.WaitGroup
	wait.Go(func() {
		if !k.Valid(slow) {
			t.Error("not valid")
		}
	})
	<-asked
	_, err := k.Bearer(secret, "here")
	ok(t, err)
	k.create("more", Viewer)
	close(answer)
	wait.Wait()
}

// With a token ends what was made with it, and with that, each with its entry; nothing else does (ADM-24).
func TestRevokeTakesWhatWasMade(t *testing.T) {
	k := newKit(t)
	_, secret := k.create("a", Operator)
	k.create("z", Viewer)
	var all []Principal
	for _, name := range []string{"b", "c", "d"} { // a made b, b made c, c made d
		who, err := k.Bearer(secret, "here")
		ok(t, err)
		all = append(all, who)
		_, secret, err = k.Create(With(t.Context(), who), name, Operator, time.Now().Add(time.Hour), "")
		ok(t, err)
	}
	last, err := k.Bearer(secret, "here")
	ok(t, err)
	_, session := k.login(With(t.Context(), last), Viewer)
	k.reopen() // who made what is in the file
	before := len(k.actions())
	_, err = k.Revoke(as(Owner), "a", "stolen")
	ok(t, err)
	for _, p := range append(all, last, session) {
		if k.Valid(p) {
			t.Errorf("%s is valid", p.ID)
		}
	}
	want := "token.revoke a by alice/socket, token.revoke b by alice/socket, token.revoke c by alice/socket, token.revoke d by alice/socket"
	if got := strings.Join(k.actions()[before:], ", "); got != want {
		t.Errorf("audit log: %s", got)
	}
	k.reopen()
	if list := k.Tokens(); len(list) != 1 || list[0].Name != "z" {
		t.Errorf("tokens %+v", list)
	}
}

// Of tokens that ended a bounded number is remembered, so that the file can always be read again.
func TestEndedTokensAreBounded(t *testing.T) {
	k := newKit(t)
	now := time.Now()
	for i := range maxOver + 50 {
		k.tokens = append(k.tokens, &held{Token: Token{
			ID: fmt.Sprintf("t-%d", i), Name: fmt.Sprintf("n%d", i), Role: Viewer, Created: now.Add(-time.Hour), Expires: now.Add(-time.Duration(i+1) * time.Second),
		}})
	}
	k.create("new", Viewer)
	k.reopen()
	if len(k.tokens) != maxOver+1 || k.token("t-0") == nil || k.token(fmt.Sprintf("t-%d", maxOver)) != nil {
		t.Errorf("%d are remembered", len(k.tokens))
	}
	if in, over := k.Tokens(), k.Over(); len(in) != 1 || len(over) != maxOver || over[0].Name != "n0" {
		t.Errorf("%d are in force, %d over", len(in), len(over))
	}
	// What the next start could not read is not written.
	bad := &held{Token: Token{ID: "t-x", Name: strings.Repeat("x", MaxName), Role: Viewer, By: audit.Actor{User: strings.Repeat("u", maxFile)}}}
	if err := write(k.path, []*held{bad}); err == nil {
		t.Error("written")
	}
	k.reopen()
	if len(k.tokens) != maxOver+1 {
		t.Error("the file was overwritten")
	}
}

// The node's own look at the system's accounts (ADM-24).
func TestAccountNames(t *testing.T) {
	for name, want := range map[string]bool{"root": true, "no-such-account-here": false} {
		if is, err := isAccount(name); err != nil || is != want {
			t.Errorf("%s: %v, %v", name, is, err)
		}
	}
	k := newKit(t)
	k.isAccount = func(string) (bool, error) { return false, errors.New("directory does not answer") }
	if _, _, err := k.Create(as(Owner), "ci", Viewer, time.Now().Add(time.Hour), ""); err == nil || len(k.Tokens()) != 0 {
		t.Errorf("a token that may have an account's name: %v", err)
	}
}

// A directory that does not answer for a while logs nobody out, and lets nobody do more than before (ADM-22).
func TestDirectoryDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t)
		down := errors.New("directory does not answer")
		role, err := Operator, error(nil)
		k.accounts.ask = func(a account) (Principal, error) {
			if err != nil {
				return Principal{Role: Viewer, at: a}, err
			}
			return Principal{Role: role, at: a}, nil
		}
		at := Principal{Role: Operator, Actor: audit.Actor{UID: 7, Via: ViaSocket}, at: account{known: true, uid: 7}}
		_, who := k.login(With(t.Context(), at), Operator)
		err = down
		for range 11 {
			time.Sleep(lastKnownFor / 12)
			if !k.Valid(who) {
				t.Fatal("the session is over")
			}
		}
		if p := k.accounts.AtSocket(8, 0, Groups{}); p.Role != Viewer {
			t.Errorf("one who was never seen is %s", p.Role)
		}
		role, err = Operator, nil
		time.Sleep(accountFor)
		if p := k.accounts.AtSocket(8, 0, Groups{}); p.Role != Operator || !k.Valid(who) {
			t.Errorf("when it answers again: %s", p.Role)
		}
		role = Analyst
		time.Sleep(accountFor)
		if k.Valid(who) {
			t.Error("the session has more than its account")
		}
		role = Operator
		time.Sleep(accountFor)
		_, who = k.login(With(t.Context(), at), Operator)
		err = down
		time.Sleep(lastKnownFor + accountFor)
		if k.Valid(who) {
			t.Error("what was known an hour ago holds")
		}
	})
}

// What an account is called and may do is asked once in a while, and of no more accounts remembered than the bound says.
func TestAccountsAreRemembered(t *testing.T) {
	a, now := NewAccounts(), time.Now()
	at := func(uid int) account { return account{true, uid, os.Geteuid(), DefaultGroups()} }
	if who := a.of(at(audit.UIDUnknown), now); who.Role != Viewer || who.Actor.User != "" {
		t.Errorf("nobody is %+v", who)
	}
	me, err := user.Current()
	ok(t, err)
	mine := at(os.Geteuid())
	if who := a.of(mine, now); who.Actor.User != me.Username || who.Role != Owner {
		t.Errorf("I am %+v, want %q", who, me.Username)
	}
	a.known[mine] = seen{Principal: Principal{Role: Analyst}, until: now.Add(accountFor)}
	if who := a.of(mine, now); who.Role != Analyst {
		t.Errorf("asked again: %+v", who)
	}
	if who := a.of(mine, now.Add(accountFor)); who.Role != Owner {
		t.Errorf("not asked again: %+v", who)
	}
	for uid := range maxAccounts + 10 {
		a.known[at(1<<20+uid)] = seen{known: now}
	}
	const nobody = 1<<31 - 7
	if who := a.of(at(nobody), now); who.Role != Viewer || who.Actor.User != "" || len(a.known) != 1 {
		t.Errorf("an account that is not there is %+v, %d are remembered", who, len(a.known))
	}
}
