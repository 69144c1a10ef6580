package p2p

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	libp2pproto "github.com/libp2p/go-libp2p/core/protocol"
)

// service is a stream protocol of one request and one answer: the asker writes
// the request and closes its side, the answerer writes the answer and closes.
// A new one is a value of this type, handed to newStreamServers, and a method
// that asks by Host.ask. What bounds it stands here, so that none forgets a bound.
type service struct {
	// id is the protocol, name the service in the resource manager's books.
	id   libp2pproto.ID
	name string
	// deadline is for a whole exchange, on both sides.
	deadline time.Duration
	// maxRequest bounds the request in bytes.
	maxRequest int
	// rate is how often one peer may ask.
	rate limit
	// answer writes the answer to a request of a peer. The writer is buffered; an error resets the stream.
	answer func(from peer.ID, request []byte, w io.Writer) error
}

// serveBuffer is the memory for an answer under way: answers are written piece by piece.
const serveBuffer = 64 << 10

// streamServers answer the services of a host, each on its protocol, while the host lives.
type streamServers struct {
	host host.Host
	// refuses says whom nothing is answered: NET-30.
	refuses func(peer.ID) bool
	list    []*streamServer

	mu     sync.Mutex // guards closed and exchanges, and orders busy.Add before busy.Wait
	closed bool
	// exchanges end when they are called; they are for protocols of many frames.
	exchanges map[libp2pproto.ID]context.CancelFunc
	busy      sync.WaitGroup
}

type streamServer struct {
	service
	all   *streamServers
	asked *buckets[peer.ID]
}

// newStreamServers registers services.
func newStreamServers(h host.Host, refuses func(peer.ID) bool, services ...service) *streamServers {
	all := &streamServers{host: h, refuses: refuses, exchanges: make(map[libp2pproto.ID]context.CancelFunc)}
	for _, v := range services {
		s := &streamServer{service: v, all: all, asked: newBuckets[peer.ID]()}
		all.list = append(all.list, s)
		h.SetStreamHandler(v.id, s.handle)
	}
	return all
}

// close takes no more streams; wait waits for those at work.
func (a *streamServers) close() {
	for _, s := range a.list {
		a.host.RemoveStreamHandler(s.id)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed = true
	for id, stop := range a.exchanges {
		a.host.RemoveStreamHandler(id)
		stop()
	}
}

// serve notes an exchange, with what ends it; false when the host closes or has too many.
func (a *streamServers) serve(id libp2pproto.ID, stop context.CancelFunc) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed || len(a.exchanges) >= maxExchanges {
		return false
	}
	a.exchanges[id] = stop
	return true
}

func (a *streamServers) wait() { a.busy.Wait() }

func (a *streamServers) enter() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return false
	}
	a.busy.Add(1)
	return true
}

func (s *streamServer) handle(stream network.Stream) {
	if !s.all.enter() {
		_ = stream.Reset()
		return
	}
	defer s.all.busy.Done()
	if err := s.serve(stream); err != nil {
		log.Debugw("request refused", "service", s.name, "peer", stream.Conn().RemotePeer(), "err", err)
		_ = stream.Reset()
		return
	}
	_ = stream.Close()
}

// errBlocked says that the operator blocked who asks.
var errBlocked = errors.New("its organisation is blocked")

// serve answers one request: standing, scope, memory, deadline, rate, bounded read, work, answer.
func (s *streamServer) serve(stream network.Stream) error {
	from := stream.Conn().RemotePeer()
	if s.all.refuses(from) {
		return errBlocked
	}
	if err := stream.Scope().SetService(s.name); err != nil {
		return err
	}
	memory := s.maxRequest + serveBuffer
	if err := stream.Scope().ReserveMemory(memory, network.ReservationPriorityMedium); err != nil {
		return err
	}
	defer stream.Scope().ReleaseMemory(memory)
	if err := stream.SetDeadline(time.Now().Add(s.deadline)); err != nil {
		return err
	}
	if !s.asked.take(from, s.rate, 1, time.Now()) {
		return errors.New("asks too often")
	}
	raw, err := io.ReadAll(io.LimitReader(stream, int64(s.maxRequest)+1))
	if err != nil {
		return err
	}
	if len(raw) > s.maxRequest {
		return fmt.Errorf("a request of more than %d bytes", s.maxRequest)
	}
	w := bufio.NewWriterSize(stream, serveBuffer)
	if err := s.answer(from, raw, w); err != nil {
		return err
	}
	return w.Flush()
}

// ask sends a request to a connected peer and reads at most limit bytes of its answer; cut
// says that there was more. It dials nobody.
func (h *Host) ask(ctx context.Context, p peer.ID, v service, request []byte, limit int) (raw []byte, cut bool, err error) {
	ctx, cancel := context.WithTimeout(network.WithNoDial(ctx, v.name), v.deadline)
	defer cancel()
	started := time.Now()
	stream, err := h.host.NewStream(ctx, p, v.id)
	if err != nil {
		return nil, false, err
	}
	// A stream ends only by its deadline, so a node that stops resets it.
	stop := context.AfterFunc(ctx, func() { _ = stream.Reset() })
	defer stop()
	raw, cut, err = exchangeOn(stream, v, request, limit)
	if err != nil || cut {
		_ = stream.Reset()
	}
	_ = stream.Close()
	if err == nil {
		h.host.Peerstore().RecordLatency(p, time.Since(started))
	}
	return raw, cut, err
}

// exchangeOn is the asker's side of one stream.
func exchangeOn(stream network.Stream, v service, request []byte, limit int) (raw []byte, cut bool, err error) {
	if err := stream.Scope().SetService(v.name); err != nil {
		return nil, false, err
	}
	if err := stream.Scope().ReserveMemory(limit, network.ReservationPriorityMedium); err != nil {
		return nil, false, err
	}
	defer stream.Scope().ReleaseMemory(limit)
	if err := stream.SetDeadline(time.Now().Add(v.deadline)); err != nil {
		return nil, false, err
	}
	if _, err := stream.Write(request); err != nil {
		return nil, false, err
	}
	if err := stream.CloseWrite(); err != nil {
		return nil, false, err
	}
	raw, err = io.ReadAll(io.LimitReader(stream, int64(limit)+1))
	return raw[:min(len(raw), limit)], len(raw) > limit, err
}
