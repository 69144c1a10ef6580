package p2p

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/time/rate"
)

// streamBuffer is what a stream collects before it writes, and reads at once.
const streamBuffer = 32 << 10

// Stream is one side of an exchange. It is used by one goroutine at a time in each direction.
type Stream struct {
	stream network.Stream
	// end is when the exchange is over whatever happens; idle and limit are the exchange's.
	end   time.Time
	idle  time.Duration
	limit int
	// pace is charged for what is sent; nil when nobody counts. over is closed when nobody waits any more.
	pace *rate.Limiter
	over <-chan struct{}

	w *bufio.Writer // the sender's
	r *bufio.Reader // the receiver's, and so is buf
	// buf holds the last frame.
	buf []byte

	once    sync.Once
	release func() // gives back memory and the watch on ctx; after the first call it does nothing
}

// stream readies one side: service scope, memory, deadline, pace.
func (h *Host) stream(ctx context.Context, stream network.Stream, e *Exchange) (*Stream, error) {
	if err := stream.Scope().SetService(e.Name); err != nil {
		return nil, err
	}
	if err := stream.Scope().ReserveMemory(e.Memory, network.ReservationPriorityMedium); err != nil {
		return nil, err
	}
	s := &Stream{
		stream: stream, end: time.Now().Add(e.Deadline), idle: e.Idle, limit: e.MaxFrame, over: ctx.Done(),
		pace: h.paceOf(stream.Conn().RemotePeer()),
		w:    bufio.NewWriterSize(stream, streamBuffer), r: bufio.NewReaderSize(stream, streamBuffer),
	}
	if err := stream.SetDeadline(s.end); err != nil {
		stream.Scope().ReleaseMemory(e.Memory)
		return nil, err
	}
	// A stream ends only by its deadline, so who stops resets it.
	stop := context.AfterFunc(ctx, func() { _ = stream.Reset() })
	s.release = func() {
		s.once.Do(func() {
			stop()
			stream.Scope().ReleaseMemory(e.Memory)
		})
	}
	return s, nil
}

// paceOf is what bounds sending to p: nothing when it is listed or kept.
func (h *Host) paceOf(p peer.ID) *rate.Limiter {
	if h.peers.listed(p) {
		return nil
	}
	return h.sent.limiter(p, exchangePace)
}

// Send writes a frame. What one peer is sent is paced (NET-28): a peer that is neither listed nor
// configured gets at most 2 MiB/s over all its exchanges.
func (s *Stream) Send(frame []byte) error {
	if len(frame) == 0 || len(frame) > s.limit {
		return fmt.Errorf("send a frame of %d bytes: %w", len(frame), errFrame)
	}
	if err := s.wait(len(frame)); err != nil {
		return err
	}
	if err := s.stream.SetWriteDeadline(s.deadline()); err != nil {
		return err
	}
	var head [4]byte
	binary.BigEndian.PutUint32(head[:], uint32(len(frame)))
	if _, err := s.w.Write(head[:]); err != nil {
		return err
	}
	_, err := s.w.Write(frame)
	return err
}

// wait lets n bytes be sent. Before it waits it sends what stands in the buffer: the other side waits, too.
func (s *Stream) wait(n int) error {
	if s.pace == nil {
		return nil
	}
	delay := s.pace.ReserveN(time.Now(), min(n, s.pace.Burst())).Delay()
	if delay == 0 {
		return nil
	}
	if err := s.Flush(); err != nil {
		return err
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-s.over:
		return context.Canceled
	}
}

// Flush hands to the network what Send buffered; Receive flushes first.
func (s *Stream) Flush() error {
	if s.w.Buffered() == 0 {
		return nil
	}
	if err := s.stream.SetWriteDeadline(s.deadline()); err != nil {
		return err
	}
	return s.w.Flush()
}

// Receive reads a frame, io.EOF when the other side has closed. The slice is good until the next Receive.
func (s *Stream) Receive() ([]byte, error) {
	if err := s.Flush(); err != nil {
		return nil, err
	}
	// NET-27: one deadline for the whole frame, so that drips of it gain no time.
	if err := s.stream.SetReadDeadline(s.deadline()); err != nil {
		return nil, err
	}
	frame, err := readFrame(s.r, s.buf, s.limit)
	if err == nil {
		s.buf = frame
	}
	return frame, err
}

// deadline is for the next frame.
func (s *Stream) deadline() time.Time {
	if d := time.Now().Add(s.idle); d.Before(s.end) {
		return d
	}
	return s.end
}

// Close says that all is said: what was sent arrives, what the other side still sends does not. It is called once.
func (s *Stream) Close() error {
	err := s.Flush()
	s.release()
	if err != nil {
		_ = s.stream.Reset()
		return err
	}
	return s.stream.Close()
}

// Reset tears the exchange down, for both sides, at once.
func (s *Stream) Reset() {
	s.release()
	_ = s.stream.Reset()
}
