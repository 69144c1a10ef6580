package admin

import (
	"context"
	"net"
	"net/http"
	"os"
	"syscall"

	"tocsin/node/access"
	"tocsin/node/audit"
)

// credentialed is the socket's listener: the address of each connection says which account
// is at its other end, as the system had it when the connection was made.
type credentialed struct {
	net.Listener
	most access.Role // nobody who comes in here may do more
}

// Accept reads the credentials of the process that connected.
func (l credentialed) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	uid := audit.UIDUnknown
	if raw, ok := c.(syscall.Conn); ok {
		if uid, err = peerUID(raw); err != nil {
			log.Warnw("the system does not name the peer of the admin socket", "err", err)
			uid = audit.UIDUnknown
		}
	}
	return peerConn{c, peerAddr{c.RemoteAddr(), uid, l.most}}, nil
}

// peerConn is a connection with credentials. They travel in its address, which every
// listener that wraps this one passes on.
type peerConn struct {
	net.Conn
	addr peerAddr
}

// RemoteAddr is the peer's address with its account.
func (c peerConn) RemoteAddr() net.Addr { return c.addr }

// peerAddr is an address and the account behind it.
type peerAddr struct {
	net.Addr
	uid  int
	most access.Role
}

// peerKey is the context's key for the account at the other end of a connection.
type peerKey struct{}

// withPeer is the server's ConnContext.
func withPeer(ctx context.Context, c net.Conn) context.Context {
	if a, ok := c.RemoteAddr().(peerAddr); ok {
		return context.WithValue(ctx, peerKey{}, a)
	}
	return ctx
}

// principal is the account behind a request. A connection without an account is of nobody whom the system names.
func principal(r *http.Request, accounts *access.Accounts) access.Principal {
	peer, ok := r.Context().Value(peerKey{}).(peerAddr)
	if !ok {
		peer.uid = audit.UIDUnknown
	}
	return lowered(r, accounts.AtSocket(peer.uid, os.Geteuid(), access.DefaultGroups()))
}

// lowered is a principal, also one with a token, with no more than the socket lets them do that they came in by.
func lowered(r *http.Request, who access.Principal) access.Principal {
	if peer, ok := r.Context().Value(peerKey{}).(peerAddr); ok {
		who.ReadOnly = who.ReadOnly || who.Role > peer.most
		who.Role = min(who.Role, peer.most)
	}
	return who
}
