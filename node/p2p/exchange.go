package p2p

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	libp2pproto "github.com/libp2p/go-libp2p/core/protocol"

	"tocsin/protocol/reason"
)

// Exchange is a stream protocol of many frames in both directions. A frame is a length of four bytes,
// big-endian, and that many bytes. What bounds it stands here, so that none forgets a bound.
type Exchange struct {
	// ID is the protocol, Name the service in the resource manager's books.
	ID   libp2pproto.ID
	Name string
	// Idle is how long one frame may take, Deadline a whole exchange, on both sides.
	Idle, Deadline time.Duration
	// MaxFrame bounds a frame in bytes, Memory is what is reserved while an exchange lasts.
	MaxFrame, Memory int
	// PerPeer is how many exchanges one peer may have open with us, two when it is neither listed nor kept; Total is
	// how many all together, half of them for listed and kept peers.
	PerPeer, Total int
	// Serve answers a peer until it returns; an error resets the stream. ctx ends with the host.
	Serve func(ctx context.Context, from peer.ID, s *Stream) error
}

// What strangers share (NET-27). One is made room for at the cost of another that has had its turn: what that still
// lacks it gets in another exchange.
const (
	strangerExchanges = 2
	exchangeTurn      = time.Minute
)

// maxExchanges bounds what Serve takes; a host has a handful.
const maxExchanges = 16

// exchangeServer answers one exchange.
type exchangeServer struct {
	Exchange
	host *Host

	mu   sync.Mutex      // guards what follows, and what turns points to
	open map[peer.ID]int // exchanges of each peer
	free map[bool]int    // what is left for the listed (true) and of the others' half
	// turns are those of the others, oldest first.
	turns []*turn
}

// turn is an exchange under way.
type turn struct {
	peer   peer.ID
	listed bool
	since  time.Time
	stop   context.CancelFunc
	over   bool
}

// Serve answers an exchange; it is called before Run.
func (h *Host) Serve(e Exchange) {
	ctx, cancel := context.WithCancel(context.Background())
	v := &exchangeServer{Exchange: e, host: h, open: make(map[peer.ID]int), free: map[bool]int{true: e.Total, false: e.Total / 2}}
	if !h.streams.serve(e.ID, cancel) {
		cancel()
		return
	}
	h.host.SetStreamHandler(e.ID, func(stream network.Stream) { v.handle(ctx, stream) })
}

func (v *exchangeServer) handle(ctx context.Context, stream network.Stream) {
	if !v.host.streams.enter() {
		_ = stream.Reset()
		return
	}
	defer v.host.streams.busy.Done()
	from := stream.Conn().RemotePeer()
	if err := v.answer(ctx, from, stream); err != nil {
		log.Debugw("exchange ended", "service", v.Name, "peer", from, "err", err)
		_ = stream.Reset()
		return
	}
	_ = stream.Close()
}

// answer keeps the order of a stream handler: standing, scope, memory, deadline, slot, work.
func (v *exchangeServer) answer(ctx context.Context, from peer.ID, stream network.Stream) error {
	if v.host.peers.blocked(from) {
		return errBlocked
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	t := &turn{peer: from, listed: v.host.peers.listed(from), since: time.Now(), stop: stop}
	if !v.take(t) {
		return errors.New("has too many of them open, or all are taken") // NET-27
	}
	defer v.give(t)
	s, err := v.host.stream(ctx, stream, &v.Exchange)
	if err != nil {
		return err
	}
	defer s.release()
	if err := v.Exchange.Serve(ctx, from, s); err != nil {
		return err
	}
	return s.Flush()
}

// take takes a slot. NET-27: the unlisted share half of them, and who has none of it comes before who had a turn.
func (v *exchangeServer) take(t *turn) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	most := v.PerPeer
	if !t.listed {
		most = min(most, strangerExchanges)
	}
	if v.open[t.peer] >= most {
		return false
	}
	if v.free[true] == 0 || !t.listed && v.free[false] == 0 {
		victim := v.victim(t)
		if victim == nil {
			return false
		}
		victim.stop()
		v.end(victim)
	}
	v.open[t.peer]++
	v.free[true]--
	if !t.listed {
		v.free[false]--
		v.turns = append(v.turns, t)
	}
	return true
}

// victim is the exchange that ends for another to begin: of a peer that has more than one, else the oldest that had
// its turn; nil for none. Only for who has no other. The caller holds mu.
func (v *exchangeServer) victim(t *turn) *turn {
	if t.listed || v.open[t.peer] > 0 || len(v.turns) == 0 {
		return nil
	}
	if i := slices.IndexFunc(v.turns, func(old *turn) bool { return v.open[old.peer] > 1 }); i >= 0 {
		return v.turns[i]
	}
	if oldest := v.turns[0]; t.since.Sub(oldest.since) >= exchangeTurn {
		return oldest
	}
	return nil
}

func (v *exchangeServer) give(t *turn) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.end(t)
}

// end gives a slot back, once. The caller holds mu.
func (v *exchangeServer) end(t *turn) {
	if t.over {
		return
	}
	t.over = true
	if v.open[t.peer]--; v.open[t.peer] == 0 {
		delete(v.open, t.peer)
	}
	v.free[true]++
	if !t.listed {
		v.free[false]++
		v.turns = slices.DeleteFunc(v.turns, func(other *turn) bool { return other == t })
	}
}

// Open begins an exchange with a connected peer; it dials nobody. p is the id in text form. A peer that does not
// speak the protocol gives peer.unsupported. When ctx ends the stream is reset. Whoever opens closes or resets.
func (h *Host) Open(ctx context.Context, p string, e Exchange) (*Stream, error) {
	id, err := peer.Decode(p)
	if err != nil {
		return nil, reason.Wrap(reason.NotFound, fmt.Sprintf("ask %q: not a peer id", p), err)
	}
	if h.lacks(id, e.ID) {
		return nil, reason.New(reason.PeerUnsupported, fmt.Sprintf("ask %s: it does not speak %s", p, e.ID))
	}
	dialling, cancel := context.WithTimeout(network.WithNoDial(ctx, e.Name), e.Idle)
	defer cancel()
	stream, err := h.host.NewStream(dialling, id, e.ID)
	if err != nil {
		if h.lacks(id, e.ID) { // it told us meanwhile
			return nil, reason.Wrap(reason.PeerUnsupported, fmt.Sprintf("ask %s for %s", p, e.ID), err)
		}
		if !h.connected(id) {
			err = errors.New("it is not connected") // the library says that a connection failed, and tried none
		}
		return nil, reason.Wrap(reason.PeerDial, fmt.Sprintf("ask %s for %s", p, e.ID), err)
	}
	s, err := h.stream(ctx, stream, &e)
	if err != nil {
		_ = stream.Reset()
		return nil, reason.Wrap(reason.PeerDial, fmt.Sprintf("ask %s for %s", p, e.ID), err)
	}
	return s, nil
}

// lacks reports whether p told what it speaks and a protocol is not among it.
func (h *Host) lacks(p peer.ID, id libp2pproto.ID) bool {
	spoken, err := h.host.Peerstore().GetProtocols(p)
	return err == nil && len(spoken) > 0 && !slices.Contains(spoken, id)
}

// Companion is a connected peer that one could ask.
type Companion struct {
	// ID is the peer id in text form.
	ID string
	// Listed says that the trust list has its organisation at observed or above, Kept that it is configured or was added.
	Listed, Kept bool
	// Since is when the connection began.
	Since time.Time
}

// Companions lists connected peers: listed first, then kept, then the others, each group by chance. Peers
// of blocked organisations are left out.
func (h *Host) Companions() []Companion { return h.peers.companions() }

// Arrivals receives the id of every peer that connects, in text form, once chains were exchanged or could
// not be; what does not fit is dropped after 256. There is one reader.
func (h *Host) Arrivals() <-chan string { return h.arrivals }

// maxArrivals is how many arrivals wait for the reader.
const maxArrivals = 256

func (h *Host) announceArrival(p peer.ID) {
	select {
	case h.arrivals <- p.String():
	default: // the schedule finds it
	}
}

// LearnFrom asks a connected peer for the chains of certificates that we lack (NET-16) and keeps what verifies.
// At most the first 64 are asked for.
func (h *Host) LearnFrom(ctx context.Context, p string, certificates ...[32]byte) error {
	id, err := peer.Decode(p)
	if err != nil {
		return reason.Wrap(reason.NotFound, fmt.Sprintf("ask %q for chains: not a peer id", p), err)
	}
	q := &chainRequest{}
	for _, c := range certificates[:min(len(certificates), maxWanted)] {
		q.Wanted = append(q.Wanted, c)
	}
	statements, err := h.askChains(ctx, id, q)
	h.learn(statements)
	return err
}

// errFrame says that a frame breaks NET-26.
var errFrame = errors.New("frame is malformed")

// readFrame reads one frame into buf, grown as needed within limit; io.EOF before its first byte.
func readFrame(r io.Reader, buf []byte, limit int) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	// NET-26
	if n == 0 || uint64(n) > uint64(limit) {
		return nil, fmt.Errorf("%w: %d bytes, at least 1 and at most %d", errFrame, n, limit)
	}
	if uint32(cap(buf)) < n {
		buf = make([]byte, n)
	}
	buf = buf[:n]
	if _, err := io.ReadFull(r, buf); err != nil {
		return nil, fmt.Errorf("%w: %w", errFrame, err)
	}
	return buf, nil
}
