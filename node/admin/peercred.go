package admin

import (
	"context"
	"net"
	"net/http"
	"os/user"
	"strconv"
	"sync"
	"syscall"

	"tocsin/node/audit"
)

// credentialed is the socket's listener: the address of each connection says which account
// is at its other end, as the system had it when the connection was made.
type credentialed struct{ net.Listener }

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
	return peerConn{c, peerAddr{c.RemoteAddr(), uid}}, nil
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
	uid int
}

// uidKey is the context's key for the account at the other end of a connection.
type uidKey struct{}

// withPeer is the server's ConnContext.
func withPeer(ctx context.Context, c net.Conn) context.Context {
	if a, ok := c.RemoteAddr().(peerAddr); ok {
		return context.WithValue(ctx, uidKey{}, a.uid)
	}
	return ctx
}

// maxPeople bounds the names that are remembered.
const maxPeople = 1000

// people knows what accounts are called. It may be used concurrently.
type people struct {
	mu    sync.Mutex
	names map[int]string // guarded by mu
}

// actor is the person behind a request: unknown when the connection has no account.
func (p *people) actor(r *http.Request) audit.Actor {
	uid, ok := r.Context().Value(uidKey{}).(int)
	if !ok {
		uid = audit.UIDUnknown
	}
	return audit.Actor{UID: uid, User: p.name(uid), Via: "socket"}
}

// name looks an account up once. Without a name it has its number.
func (p *people) name(uid int) string {
	if uid < 0 {
		return ""
	}
	p.mu.Lock()
	name, ok := p.names[uid]
	p.mu.Unlock()
	if ok {
		return name
	}
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		name = u.Username
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.names == nil || len(p.names) >= maxPeople {
		p.names = make(map[int]string)
	}
	p.names[uid] = name
	return name
}
