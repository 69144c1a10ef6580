package admin

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"syscall"

	"tocsin/node/access"
	"tocsin/node/admin/api"
	"tocsin/protocol/reason"
)

// Port says where the admin port listens besides the socket. The zero value is nowhere.
type Port struct {
	// Listen are addresses as IP:PORT. Port 0 is a free one, the same for all that have 0.
	Listen []string
	// Hosts are further names, NAME or NAME:PORT, that a client may call the port by.
	Hosts []string
	// Cert and Key are the files of the TLS certificate, which an address that is not loopback needs. With them every
	// address speaks TLS only.
	Cert, Key string
	// Lenient leaves an address out whose family this machine does not have.
	Lenient bool

	bound []string // where it listens in the end, set by New
}

// socketHosts are what the socket's clients call it.
func socketHosts() []string { return []string{"tocsin", "localhost"} }

// door is one way in.
type door struct {
	net.Listener
	// name is what the log says.
	name string
	// hosts are the values of Host that are answered, exactly.
	hosts []string
	// socket says that the system names the account at the other end, secure that the connection is encrypted.
	socket, secure bool
	// account is who comes without a token or a session; nil for nobody.
	account func(*http.Request) access.Principal
	// working are the requests under way: nobody who may be kept out keeps the others out (ADM-02).
	working *shares
}

// newDoor bounds the connections of a listener: whoever takes all of one leaves the others.
func newDoor(l net.Listener, hosts []string) *door {
	return &door{Listener: newGuests(l, maxConnections), name: l.Addr().String(), hosts: hosts, working: newShares(maxConnections, maxWorkingEach)}
}

// openDoors binds the socket and the addresses of a port; nothing is left bound when it fails.
func openDoors(socket string, p Port) ([]*door, error) {
	s, err := openSockets(socket)
	if err != nil {
		return nil, err
	}
	doors, err := openPort(p)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	accounts := access.NewAccounts()
	atSocket := func(r *http.Request) access.Principal { return principal(r, accounts) }
	for _, l := range s.listeners() {
		d := newDoor(l, socketHosts())
		d.socket, d.account = true, atSocket
		doors = append(doors, d)
	}
	return doors, nil
}

// openPort binds the addresses of a port; none is left bound when it fails.
func openPort(p Port) ([]*door, error) {
	if len(p.Listen) == 0 {
		return nil, nil
	}
	config, err := p.tls()
	if err != nil {
		return nil, err
	}
	listeners, err := p.bind()
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, api.ProblemOf(reason.Wrap(reason.Conflict, "open the admin port", err)).
			WithFix("See what has the address with 'ss -lntp' and stop that, or set another one with admin in tocsin.toml; \"off\" is none.")
	}
	if err != nil {
		return nil, fmt.Errorf("open the admin port: %w", err)
	}
	hosts := p.hosts(listeners)
	var doors []*door
	for _, l := range listeners {
		d := newDoor(l, hosts)
		if d.secure = config != nil; d.secure {
			d.Listener = tls.NewListener(d.Listener, config)
		}
		doors = append(doors, d)
	}
	return doors, nil
}

// tls reads the certificate; nil where there is none, which only loopback addresses may lack.
func (p Port) tls() (*tls.Config, error) {
	if p.Cert == "" || p.Key == "" {
		return nil, p.CheckPlain()
	}
	if _, err := tls.LoadX509KeyPair(p.Cert, p.Key); err != nil {
		return nil, reason.Wrap(reason.ConfigInvalid, "read admin_tls_cert and admin_tls_key", err)
	}
	c := &certificate{cert: p.Cert, key: p.Key}
	return &tls.Config{MinVersion: tls.VersionTLS13, GetCertificate: c.get}, nil
}

// CheckPlain refuses (config.invalid) an address that other machines reach while there is no certificate: passwords and
// sessions would go over the network for all to read.
func (p Port) CheckPlain() error {
	for _, addr := range p.Listen {
		where, err := netip.ParseAddrPort(addr)
		if err != nil {
			return reason.Wrap(reason.ConfigInvalid, fmt.Sprintf("admin = %q", addr), err)
		}
		if !where.Addr().Unmap().IsLoopback() && (p.Cert == "" || p.Key == "") {
			return reason.New(reason.ConfigInvalid, fmt.Sprintf("admin = %q: other machines reach this address, and there is no certificate; "+
				"set admin_tls_cert and admin_tls_key, or listen on 127.0.0.1 and come through 'ssh -L'", addr))
		}
	}
	return nil
}

// maxBindAttempts bounds how often a port is looked for that is free in both families.
const maxBindAttempts = 8

// bind listens on every address. Those with port 0 get one number.
func (p Port) bind() ([]net.Listener, error) {
	for range maxBindAttempts - 1 {
		if listeners, err := p.bindOnce(); err == nil || !p.free() || !errors.Is(err, syscall.EADDRINUSE) {
			return listeners, err
		}
	}
	return p.bindOnce()
}

// free reports whether the system chooses a port.
func (p Port) free() bool {
	return slices.ContainsFunc(p.Listen, func(a string) bool { return portOf(a) == "0" })
}

func (p Port) bindOnce() (listeners []net.Listener, err error) {
	defer func() {
		if err != nil {
			for _, l := range listeners {
				err = errors.Join(err, l.Close())
			}
			listeners = nil
		}
	}()
	chosen := "0"
	for _, addr := range p.Listen {
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			return listeners, reason.Wrap(reason.ConfigInvalid, fmt.Sprintf("admin = %q", addr), err)
		}
		free := port == "0"
		if free {
			port = chosen
		}
		l, err := net.Listen("tcp", net.JoinHostPort(host, port))
		switch {
		case err != nil && p.Lenient && absent(err):
			log.Infow("this machine has no such address; the admin port goes without", "addr", addr)
			continue
		case err != nil:
			return listeners, err
		}
		if free {
			chosen = portOf(l.Addr().String())
		}
		listeners = append(listeners, l)
	}
	return listeners, nil
}

// absent reports whether the machine lacks the address, or its family.
func absent(err error) bool {
	return errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT)
}

// hosts are the names of all listeners, each with its port, and without it where the scheme's own port is used.
func (p Port) hosts(listeners []net.Listener) []string {
	var hosts []string
	for _, l := range listeners {
		where, err := netip.ParseAddrPort(l.Addr().String())
		if err != nil {
			continue
		}
		ip := where.Addr().Unmap()
		var names []string
		if ip.IsLoopback() || ip.IsUnspecified() {
			names = append(names, "127.0.0.1", "::1", "localhost")
		}
		if !ip.IsUnspecified() {
			names = append(names, ip.WithZone("").String())
		}
		for _, name := range p.Hosts {
			if _, _, err := net.SplitHostPort(name); err != nil {
				names = append(names, name)
			}
		}
		for _, name := range names {
			hosts = append(hosts, p.named(name, int(where.Port()))...)
		}
	}
	for _, name := range p.Hosts {
		if _, _, err := net.SplitHostPort(name); err == nil {
			hosts = append(hosts, name)
		}
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}

// named is a name as clients write it for one port.
func (p Port) named(name string, port int) []string {
	full := net.JoinHostPort(name, strconv.Itoa(port))
	if usual := map[bool]int{false: 80, true: 443}[p.Cert != ""]; port != usual {
		return []string{full}
	}
	if ip, err := netip.ParseAddr(name); err == nil && ip.Is6() {
		name = "[" + name + "]"
	}
	return []string{full, name}
}

// portOf is the port of an address, "" when it has none.
func portOf(addr string) string {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return ""
	}
	return port
}
