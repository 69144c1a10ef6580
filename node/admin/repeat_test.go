package admin

import (
	"testing"

	"tocsin/node/access"
	"tocsin/node/admin/api"
	"tocsin/node/audit"
	"tocsin/protocol/reason"
)

// A token of the same name is somebody else: it gets no answer that another one was given (ADM-31).
func TestRepeatedByAnotherToken(t *testing.T) {
	seen := map[string]bool{}
	for _, token := range []string{"t-1", "t-2", ""} {
		r := newRequest(t, "")
		r = r.WithContext(access.With(r.Context(), access.Principal{Token: token, Actor: audit.Actor{UID: 1, User: "ci", Via: "session"}}))
		req, err := keyedRequest(r, "key")
		ok(t, err)
		seen[req.Who] = true
	}
	if len(seen) != 3 {
		t.Errorf("%v", seen)
	}
}

// The socket for reading makes no codes: they would be entries of the audit log (ADM-25).
func TestTokenReadSocketMakesNoCodes(t *testing.T) {
	d := allParts(t)
	r := newRequest(t, "")
	for most, want := range map[access.Role]reason.Code{access.Viewer: reason.RoleDenied, access.Owner: ""} {
		ctx := withPeer(access.With(r.Context(), access.Principal{Role: access.Viewer}), peerConn{addr: peerAddr{most: most}})
		_, err := (&tokenResource{book: d.Access}).code(ctx, &struct{ Body api.LoginCodeCreate }{})
		if reason.Of(err) != want {
			t.Errorf("%s: %v", most, err)
		}
	}
}
