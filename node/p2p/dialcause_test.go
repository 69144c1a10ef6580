package p2p

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/sec"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"github.com/multiformats/go-multiaddr"
)

// Why a peer was not reached stands first and on one line.
func TestDialCause(t *testing.T) {
	const id = "12D3KooWGRUjnPzTfyAwHT9BEUBXfJ4x7T3Lg1rBkZVJ2sLcyMqN"
	p, err := peer.Decode("QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N")
	if err != nil {
		t.Fatal(err)
	}
	at := func(addr string, cause error) swarm.TransportError {
		return swarm.TransportError{Address: multiaddr.StringCast(addr), Cause: cause}
	}
	dial := func(all ...swarm.TransportError) error {
		return fmt.Errorf("failed to dial: %w", &swarm.DialError{Peer: p, Cause: swarm.ErrAllDialsFailed, DialErrors: all})
	}
	refused := &net.OpError{Op: "dial", Net: "tcp4", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	slow := &net.OpError{Op: "dial", Net: "tcp4", Err: os.ErrDeadlineExceeded}
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"one":       {dial(at("/ip4/192.0.2.1/tcp/8469", refused)), "connection refused: /ip4/192.0.2.1/tcp/8469"},
		"its id":    {dial(at("/ip4/192.0.2.1/tcp/8469/p2p/"+p.String(), refused)), "connection refused: /ip4/192.0.2.1/tcp/8469"},
		"same":      {dial(at("/ip4/192.0.2.1/tcp/1", refused), at("/ip6/2001:db8::1/tcp/1", refused)), "connection refused: /ip4/192.0.2.1/tcp/1, /ip6/2001:db8::1/tcp/1"},
		"different": {dial(at("/ip4/192.0.2.1/tcp/1", slow), at("/ip4/192.0.2.1/udp/1/quic-v1", refused)), "timed out: /ip4/192.0.2.1/tcp/1; connection refused: /ip4/192.0.2.1/udp/1/quic-v1"},
		"late":      {dial(at("/ip4/192.0.2.1/tcp/1", fmt.Errorf("dial: %w", context.DeadlineExceeded))), "timed out: /ip4/192.0.2.1/tcp/1"},
		"words":     {dial(at("/ip4/192.0.2.1/tcp/1", errors.New("peer id mismatch:\n  expected "+id))), "peer id mismatch: expected " + id + ": /ip4/192.0.2.1/tcp/1"},
		"nowhere":   {fmt.Errorf("failed to dial: %w", &swarm.DialError{Peer: p, Cause: swarm.ErrNoAddresses}), "no address of it is known"},
		"nothing":   {&swarm.DialError{Peer: p, Cause: swarm.ErrNoGoodAddresses}, "its name is not found, or its address is of a kind that this node has no way to"},
		"itself":    {dial(at("/ip4/192.0.2.1/tcp/1", swarm.ErrDialToSelf)), "this node itself is there: /ip4/192.0.2.1/tcp/1"},
		"another": {dial(at("/ip4/192.0.2.1/tcp/1", fmt.Errorf("failed to negotiate: %w", sec.ErrPeerIDMismatch{Expected: p, Actual: p}))),
			"another node is there, " + p.String() + ": /ip4/192.0.2.1/tcp/1"},
		"bare":  {&swarm.DialError{Peer: p}, "failed to dial " + p.String() + ":"},
		"other": {errors.New("failed to dial: the node\nstops"), "the node stops"},
	} {
		if got := dialCause(c.err); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}
