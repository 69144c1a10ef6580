package admin

import (
	"context"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"
	"time"

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

// The bounds of people.
const (
	maxPeople = 1000
	// personFor is how long an account has the name and role that the system gave it.
	personFor = 2 * time.Second
)

// people knows who accounts are. It may be used concurrently.
type people struct {
	mu    sync.Mutex
	known map[int]person // guarded by mu
}

// person is an account as the system had it.
type person struct {
	access.Principal
	until time.Time
}

// principal is the account behind a request. A connection without an account is of nobody whom the system names.
func (p *people) principal(r *http.Request) access.Principal {
	peer, ok := r.Context().Value(peerKey{}).(peerAddr)
	if !ok {
		peer.uid = audit.UIDUnknown
	}
	return lowered(r, p.of(peer.uid, time.Now()))
}

// lowered is a principal, also one with a token, with no more than the socket lets them do that they came in by.
func lowered(r *http.Request, who access.Principal) access.Principal {
	if peer, ok := r.Context().Value(peerKey{}).(peerAddr); ok {
		who.Role = min(who.Role, peer.most)
	}
	return who
}

// of looks an account up, seldom.
func (p *people) of(uid int, now time.Time) access.Principal {
	p.mu.Lock()
	one, ok := p.known[uid]
	p.mu.Unlock()
	if ok && one.until.After(now) {
		return one.Principal
	}
	one = person{access.AtSocket(uid, os.Geteuid(), access.DefaultGroups()), now.Add(personFor)}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known == nil || len(p.known) >= maxPeople {
		p.known = make(map[int]person)
	}
	p.known[uid] = one
	return one.Principal
}
