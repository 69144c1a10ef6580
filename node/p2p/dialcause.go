package p2p

import (
	"context"
	"errors"
	"net"
	"strings"
	"syscall"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/sec"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
)

// unreached is a dial that failed: one line for people, with the library's own error behind it.
type unreached struct{ err error }

// Error gives the cause first, then the addresses that it holds for.
func (u unreached) Error() string { return dialCause(u.err) }

// Unwrap gives what the library said.
func (u unreached) Unwrap() error { return u.err }

// dialCause says on one line why a peer was not reached: the cause first, then the addresses that it holds for. The
// library's own text begins with the peer's id and fills a screen.
func dialCause(err error) string {
	var failed *swarm.DialError
	if !errors.As(err, &failed) || len(failed.DialErrors) == 0 {
		if failed != nil && failed.Cause != nil {
			err = failed.Cause // such as no addresses at all
		}
		return plainCause(err)
	}
	var causes []string
	addrs := map[string][]string{}
	for _, one := range failed.DialErrors {
		cause := plainCause(one.Cause)
		if addrs[cause] == nil {
			causes = append(causes, cause)
		}
		addr, _ := peer.SplitAddr(one.Address)
		addrs[cause] = append(addrs[cause], addr.String())
	}
	for i, cause := range causes {
		causes[i] = cause + ": " + strings.Join(addrs[cause], ", ")
	}
	return strings.Join(causes, "; ")
}

// How the cause of a failed dial begins whose address is of another node by now: dialling it again does not help.
const (
	ItselfThere  = "this node itself is there"
	AnotherThere = "another node is there"
)

// plainCause is what the system said, where it was the system, and else the whole text on one line.
func plainCause(err error) string {
	var errno syscall.Errno
	var op *net.OpError
	var slow net.Error
	var other sec.ErrPeerIDMismatch
	switch {
	case errors.As(err, &other):
		return AnotherThere + ", " + other.Actual.String()
	case errors.Is(err, swarm.ErrDialToSelf):
		return ItselfThere
	case errors.Is(err, swarm.ErrNoAddresses):
		return "no address of it is known"
	case errors.Is(err, swarm.ErrNoGoodAddresses):
		return "its name is not found, or its address is of a kind that this node has no way to"
	case errors.As(err, &errno):
		return errno.Error()
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &slow) && slow.Timeout():
		return "timed out"
	case errors.As(err, &op):
		err = op.Err
	}
	text := strings.Join(strings.Fields(err.Error()), " ")
	for strings.HasPrefix(text, "failed to dial: ") {
		text = strings.TrimPrefix(text, "failed to dial: ")
	}
	return text
}
