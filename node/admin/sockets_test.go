package admin

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"tocsin/node/access"
	"tocsin/node/admin/api"
	"tocsin/protocol/reason"
)

// At the socket for reading nobody changes anything, the owner and the bearer of a token included (ADM-22).
func TestReadSocket(t *testing.T) {
	b := newBench(t)
	dir, err := os.MkdirTemp("", "adm") // short: a socket's path is bounded
	ok(t, err)
	s, err := New(filepath.Join(dir, "admin.sock"), b.deps)
	ok(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	full, reader := api.NewClient(filepath.Join(dir, "admin.sock")), api.NewClient(filepath.Join(dir, readSocket))
	t.Cleanup(func() {
		full.Close()
		reader.Close()
		cancel()
		ok(t, <-done)
		ok(t, s.Close())
		ok(t, os.RemoveAll(dir))
	})
	for name, c := range map[string]*api.Client{"admin": full, "read": reader} {
		if _, err := c.Peers(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err = reader.RemovePeer(t.Context(), peerA)
	refused(t, err, reason.RoleDenied)
	if _, err = full.RemovePeer(t.Context(), "12D3KooWnobody"); api.ProblemOf(err).Code == string(reason.RoleDenied) {
		t.Errorf("the owner at the admin socket: %v", err)
	}
	// What a request carries does not raise it there.
	r := newRequest(t, "")
	r = r.WithContext(context.WithValue(r.Context(), peerKey{}, peerAddr{most: access.Viewer}))
	if who := lowered(r, access.Principal{Role: access.Operator, ID: "t-1"}); who.Role != access.Viewer {
		t.Errorf("a token at the socket for reading has %s", who.Role)
	}
}
