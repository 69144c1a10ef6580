package access

import (
	"sync"
	"testing"
	"time"

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
	k.roster.ask = func(account) Role {
		close(asked)
		<-answer
		return Operator
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
