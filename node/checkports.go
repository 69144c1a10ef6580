package node

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/multiformats/go-multiaddr"

	"tocsin/node/doctor"
	"tocsin/node/figures"
)

// otherProgram is what to do when an address is taken.
const otherProgram = "see what has it with 'ss -lntup', and stop that or choose another address in tocsin.toml"

// listenersFree tries to bind the addresses of a node that does not run.
func (f files) listenersFree(ctx context.Context) doctor.Finding {
	for _, text := range f.cfg.Listen {
		if err := tryListen(ctx, text); err != nil {
			return doctor.Bad(otherProgram, "%s cannot be listened on: %v", text, err)
		}
	}
	return doctor.Good("free: %s", strings.Join(f.cfg.Listen, ", "))
}

// tryListen binds a multiaddr and lets it go. A family that the machine does not have is no fault: the host leaves it out.
func tryListen(ctx context.Context, text string) error {
	m, err := multiaddr.NewMultiaddr(text)
	if err != nil {
		return err
	}
	network, host, port := "", "", ""
	for _, part := range m {
		switch name := part.Protocol().Name; name {
		case "ip4", "ip6":
			host, network = part.Value(), name[2:]
		case "tcp", "udp":
			port, network = part.Value(), name+network
		}
	}
	addr := net.JoinHostPort(host, port)
	var config net.ListenConfig
	if strings.HasPrefix(network, "udp") {
		c, err := config.ListenPacket(ctx, network, addr)
		if err != nil {
			return taken(err)
		}
		return c.Close()
	}
	l, err := config.Listen(ctx, network, addr)
	if err != nil {
		return taken(err)
	}
	return l.Close()
}

// soonAdmin is how long before its end the admin port's certificate is spoken of.
const soonAdmin = 21 * 24 * time.Hour

// adminFree looks at the admin port of a node that does not run.
func (f files) adminFree(ctx context.Context) doctor.Finding {
	if err := f.cfg.CheckAdmin(f.paths); err != nil {
		return broken(err, "correct admin in tocsin.toml")
	}
	port := f.cfg.adminPort(f.paths)
	for _, addr := range port.Listen {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
		if err = taken(err); err != nil {
			return doctor.Bad(otherProgram, "%s cannot be listened on: %v", addr, err)
		}
		if l != nil {
			_ = l.Close() // it was only tried
		}
	}
	return f.adminCertificate(port.Cert, port.Key, fmt.Sprintf("free: %s", some(port.Listen)))
}

// adminAnswers asks the running node's own port and socket.
func (f files) adminAnswers(ctx context.Context) doctor.Finding {
	info, err := os.Stat(f.paths.Socket())
	if err != nil {
		return doctor.Bad("restart the node", "the socket is gone: %v", err)
	}
	if info.Mode()&fs.ModeSocket == 0 || info.Mode().Perm()&0o007 != 0 {
		return doctor.Bad("restart the node, and see what changes its folder", "%s is not as the node made it: %s", f.paths.Socket(), info.Mode())
	}
	port := f.cfg.adminPort(f.paths)
	var asked []string
	for _, addr := range port.Listen {
		if strings.HasSuffix(addr, ":0") || port.Lenient && strings.HasPrefix(addr, "[") {
			continue // a port that is known to nobody here, a family that may be missing
		}
		c, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
		if err != nil {
			return doctor.Bad("see the node's log; 'tocsin status' shows the addresses that it has", "%s does not answer: %v", addr, err)
		}
		_ = c.Close() // it answered
		asked = append(asked, addr)
	}
	text := "the socket is there, closed to others"
	if len(asked) > 0 {
		text += "; it answers at " + some(asked)
	}
	return f.adminCertificate(port.Cert, port.Key, text)
}

// adminCertificate says whether the port's certificate ends soon; good is what is said when it does not.
func (f files) adminCertificate(cert, key, good string) doctor.Finding {
	if cert == "" {
		return doctor.Good("%s", good)
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return doctor.Bad("put a valid certificate and its key where admin_tls_cert and admin_tls_key point", "%v", err)
	}
	switch left := time.Until(pair.Leaf.NotAfter); {
	case left <= 0:
		return doctor.Bad("renew it; the node reads the new file by itself", "the certificate %s ended %s ago", cert, figures.Span(-left))
	case left < soonAdmin:
		return doctor.Odd("renew it; the node reads the new file by itself", "the certificate %s ends in %s", cert, figures.Span(left))
	}
	return doctor.Good("%s; the certificate holds until %s", good, pair.Leaf.NotAfter.Format(time.DateOnly))
}

// checkListeners says whether the mesh listens on what the configuration asks for.
func (n *Node) checkListeners(cfg Config) doctor.Finding {
	addrs := n.Host.Addrs()
	if len(addrs) == 0 {
		return doctor.Bad(otherProgram+", then restart the node", "the node listens nowhere: no peer can come")
	}
	for _, kind := range []string{"/tcp/", "/quic-v1"} {
		has := func(addr string) bool { return strings.Contains(addr, kind) }
		if slices.ContainsFunc(cfg.Listen, has) && !slices.ContainsFunc(addrs, has) {
			return doctor.Odd(otherProgram+", then restart the node", "the node does not listen on %s, though the configuration says so", strings.Trim(kind, "/"))
		}
	}
	short := make([]string, len(addrs))
	for i, addr := range addrs {
		short[i], _, _ = strings.Cut(addr, "/p2p/")
	}
	return doctor.Good("%s", some(short))
}

// taken drops the error of an address whose family the machine does not have.
func taken(err error) error {
	if errors.Is(err, syscall.EAFNOSUPPORT) || errors.Is(err, syscall.EADDRNOTAVAIL) {
		return nil
	}
	return err
}
