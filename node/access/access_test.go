package access

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tocsin/node/audit"
	"tocsin/protocol/reason"
)

// kit is a book with its audit log.
type kit struct {
	*Book
	t    *testing.T
	path string
	log  *audit.Log
}

func newKit(t *testing.T) *kit {
	t.Helper()
	dir := t.TempDir()
	l, err := audit.Open(filepath.Join(dir, "audit.log"))
	ok(t, err)
	t.Cleanup(func() { ok(t, l.Close()) })
	k := &kit{t: t, path: filepath.Join(dir, "access.json"), log: l}
	k.reopen()
	return k
}

// reopen is a restart of the node.
func (k *kit) reopen() {
	k.t.Helper()
	b, err := Open(k.path, k.log)
	ok(k.t, err)
	b.isAccount = func(name string) (bool, error) { return name == "root" || name == "alice", nil } // whatever this machine has
	k.Book = b
}

// as is a context of somebody at the socket.
func as(role Role) context.Context {
	return With(context.Background(), Principal{Role: role, Actor: audit.Actor{UID: 1000, User: "alice", Via: ViaSocket}})
}

// create makes a token of a day.
func (k *kit) create(name string, role Role) (Token, string) {
	k.t.Helper()
	t, secret, err := k.Create(as(Owner), name, role, time.Now().Add(24*time.Hour), "test")
	ok(k.t, err)
	return t, secret
}

// login opens a session by a code.
func (k *kit) login(ctx context.Context, role Role) (string, Principal) {
	k.t.Helper()
	c, _, err := k.Code(ctx, role)
	ok(k.t, err)
	secret, p, _, err := k.Login(context.Background(), c, "browser", "127.0.0.1")
	ok(k.t, err)
	return secret, p
}

// actions are the audit log's actions, each with who did it.
func (k *kit) actions() []string {
	k.t.Helper()
	entries, _, err := k.log.Read(0, 1000, audit.Filter{})
	ok(k.t, err)
	var out []string
	for _, e := range entries {
		out = append(out, e.Action+" "+e.Target+" by "+e.Actor.User+"/"+e.Actor.Via)
	}
	return out
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func refused(t *testing.T, err error, code reason.Code) {
	t.Helper()
	if reason.Of(err) != code {
		t.Fatalf("error %v, want %s", err, code)
	}
}

// A token works until it is revoked, over a restart too; its secret stands nowhere.
func TestToken(t *testing.T) {
	k := newKit(t)
	made, secret := k.create("ci", Analyst)
	k.reopen()
	before := time.Now().UTC().Truncate(time.Hour)
	p, err := k.Bearer(secret, "10.0.0.1")
	ok(t, err)
	after := time.Now().UTC().Truncate(time.Hour) // another hour if one has just ended
	if p.Role != Analyst || p.ID != made.ID || p.Actor != (audit.Actor{UID: 1000, User: "ci", Via: ViaToken}) || !k.Valid(p) {
		t.Errorf("principal %+v", p)
	}
	k.reopen()
	if list := k.Tokens(); len(list) != 1 || !list[0].LastUsed.Equal(before) && !list[0].LastUsed.Equal(after) || list[0].By.User != "alice" {
		t.Errorf("tokens %+v", list)
	}
	for _, path := range []string{k.path, filepath.Join(filepath.Dir(k.path), "audit.log")} {
		raw, err := os.ReadFile(path)
		ok(t, err)
		if strings.Contains(string(raw), strings.TrimPrefix(secret, tokenMark)) {
			t.Errorf("%s holds the secret", path)
		}
	}
	_, err = k.Revoke(as(Operator), "ci", "done")
	ok(t, err)
	_, err = k.Bearer(secret, "10.0.0.1")
	refused(t, err, reason.LoginRequired)
	if k.Valid(p) {
		t.Error("the principal of a revoked token is valid")
	}
	k.reopen()
	_, err = k.Bearer(secret, "10.0.0.1")
	refused(t, err, reason.LoginRequired)
	_, err = k.Revoke(as(Operator), "ci", "again")
	refused(t, err, reason.NotFound)
	if got := strings.Join(k.actions(), ", "); got != "token.create ci by alice/socket, token.revoke ci by alice/socket" {
		t.Errorf("audit log: %s", got)
	}
}

// A code works once and becomes a session of one browser.
func TestSession(t *testing.T) {
	k := newKit(t)
	c, _, err := k.Code(as(Owner), Owner)
	ok(t, err)
	secret, p, expires, err := k.Login(t.Context(), c, "browser", "127.0.0.1")
	ok(t, err)
	if left := time.Until(expires); p.Role != Operator || left > SessionLife || left < SessionLife-time.Minute {
		t.Errorf("session %+v until %v", p, expires)
	}
	_, _, _, err = k.Login(t.Context(), c, "browser", "127.0.0.1")
	refused(t, err, reason.LoginRequired)
	_, err = k.Session(secret, "another browser", "127.0.0.1")
	refused(t, err, reason.LoginRequired)
	got, err := k.Session(secret, "browser", "127.0.0.1")
	ok(t, err)
	if got != p || !k.Valid(p) {
		t.Errorf("session %+v, want %+v", got, p)
	}
	k.Logout(t.Context(), "nothing")
	k.Logout(t.Context(), secret)
	_, err = k.Session(secret, "browser", "127.0.0.1")
	refused(t, err, reason.LoginExpired)
	if k.Valid(p) {
		t.Error("valid after logout")
	}
	want := "login.code alice by alice/socket, login alice by alice/session, logout alice by alice/session"
	if got := strings.Join(k.actions(), ", "); got != want {
		t.Errorf("audit log: %s", got)
	}
}
