package admin

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"
)

// guests is a listener with places for so many connections. When all are taken a newcomer gets that of a stranger, who is
// whoever has not yet made a request with a login, or was refused one; else that of a connection which only waits for its next request. So nobody
// keeps others out who cannot log in. While every connection works for somebody who is logged in, a newcomer waits.
type guests struct {
	net.Listener
	most int
	left chan struct{} // holds one when a place may have become free
	done chan struct{} // closed when nobody is let in any more
	shut sync.Once

	mu      sync.Mutex
	in      []*guest // in the order in which they came; guarded by mu, as are their changing fields
	leaving int      // whose place was taken, and whom the server still remembers; guarded by mu
}

// maxLeaving bounds what a crowd can cost that is pushed out as fast as it comes: a refused connection may cost the server half
// a second after its end.
const maxLeaving = 1024

func newGuests(l net.Listener, most int) *guests {
	return &guests{Listener: l, most: most, left: make(chan struct{}, 1), done: make(chan struct{})}
}

// guest is one connection.
type guest struct {
	net.Conn
	house *guests
	place string
	known bool
	out   bool      // somebody else has its place
	idle  time.Time // since when it waits for its next request, zero when it does not; kept for who is known
}

// Accept implements net.Listener.
func (g *guests) Accept() (net.Conn, error) {
	c, err := g.Listener.Accept()
	if err != nil {
		return nil, err
	}
	newcomer := &guest{Conn: c, house: g, place: neighbourhood(c.RemoteAddr())}
	for !g.admit(newcomer) {
		select {
		case <-g.left:
		case <-g.done:
			_ = c.Close() // it has seen nothing of the port
			return nil, net.ErrClosed
		}
	}
	return newcomer, nil
}

// Close implements net.Listener.
func (g *guests) Close() error {
	err := g.Listener.Close()
	g.shut.Do(func() { close(g.done) })
	return err
}

// admit gives a newcomer a place, if need be that of somebody else.
func (g *guests) admit(newcomer *guest) bool {
	g.mu.Lock()
	var out *guest
	if len(g.in) >= g.most {
		if g.leaving < maxLeaving {
			out = g.least(newcomer.place)
		}
		if out == nil {
			g.mu.Unlock()
			return false
		}
		g.in = slices.DeleteFunc(g.in, func(one *guest) bool { return one == out })
		out.out = true
		g.leaving++
	}
	g.in = append(g.in, newcomer)
	g.mu.Unlock()
	if out != nil {
		_ = out.Conn.Close() // its server sees that, and has no answer to give
	}
	return true
}

// least is who goes first: of the strangers the one who has been there longest, from where the most of them came, so that
// whoever comes from elsewhere is not pushed out by a crowd; else who waits longest for a next request; nil is nobody. mu is held.
func (g *guests) least(newcomer string) (out *guest) {
	crowd := map[string]int{newcomer: 1}
	for _, one := range g.in {
		if !one.known {
			crowd[one.place]++
		}
	}
	for _, one := range g.in {
		if !one.known && (out == nil || crowd[one.place] > crowd[out.place]) {
			out = one
		}
	}
	if out != nil {
		return out
	}
	for _, one := range g.in {
		if !one.idle.IsZero() && (out == nil || one.idle.Before(out.idle)) {
			out = one
		}
	}
	return out
}

// tell has a newcomer that waits look again.
func (g *guests) tell() {
	select {
	case g.left <- struct{}{}:
	default: // it has not yet looked since the last time
	}
}

// Close implements net.Conn.
func (o *guest) Close() error {
	err := o.Conn.Close()
	g := o.house
	g.mu.Lock()
	defer g.mu.Unlock()
	if o.out {
		o.out = false
		g.leaving--
	}
	g.in = slices.DeleteFunc(g.in, func(one *guest) bool { return one == o })
	g.tell()
	return err
}

// loggedIn notes that a request with a login came, or that one was refused and the connection only awaits its end.
func (o *guest) loggedIn(yes bool) {
	o.house.mu.Lock()
	defer o.house.mu.Unlock()
	if o.known = yes; !yes {
		o.house.tell()
	}
}

// waits notes whether it waits for its next request.
func (o *guest) waits(yes bool) {
	o.house.mu.Lock()
	defer o.house.mu.Unlock()
	if o.idle = (time.Time{}); yes && o.known {
		o.idle = time.Now()
		o.house.tell()
	}
}

// guestOf is the guest below a connection, nil when there is none.
func guestOf(c net.Conn) *guest {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	o, _ := c.(*guest)
	return o
}

// watched is the server's ConnState.
func watched(c net.Conn, to http.ConnState) {
	if o := guestOf(c); o != nil {
		o.waits(to == http.StateIdle)
	}
}

// guestKey is the context's key for the guest.
type guestKey struct{}

// withGuest is the server's ConnContext: it says which account is at the other end as well.
func withGuest(ctx context.Context, c net.Conn) context.Context {
	return withPeer(context.WithValue(ctx, guestKey{}, guestOf(c)), c)
}

// welcome notes whether the request's connection is of somebody who is logged in and let in.
func welcome(r *http.Request, yes bool) {
	if o, _ := r.Context().Value(guestKey{}).(*guest); o != nil {
		o.loggedIn(yes)
	}
}

// neighbourhood is where a connection comes from, as far as strangers are told apart by it: all of this machine is one, at a
// socket each account, and of IPv6 the network, in which everybody may have as many addresses as they like.
func neighbourhood(a net.Addr) string {
	if peer, ok := a.(peerAddr); ok {
		return "uid " + strconv.Itoa(peer.uid)
	}
	from, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return a.String()
	}
	ip := from.Addr().Unmap()
	switch {
	case ip.IsLoopback():
		return "this machine"
	case ip.Is6():
		if network, err := ip.Prefix(64); err == nil {
			return network.String()
		}
	}
	return ip.String()
}
