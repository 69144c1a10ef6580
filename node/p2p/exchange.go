package p2p

import (
	"context"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	libp2pproto "github.com/libp2p/go-libp2p/core/protocol"
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
	// PerPeer is how many exchanges one peer may have open with us, Total how many all together.
	PerPeer, Total int
	// Serve answers a peer until it returns; an error resets the stream. ctx ends with the host.
	Serve func(ctx context.Context, from peer.ID, s *Stream) error
}

// Stream is one side of an exchange. It is used by one goroutine at a time in each direction.
type Stream struct{}

// Send writes a frame. What one peer is sent is paced (NET-28): a peer that is neither listed nor
// configured gets at most 2 MiB/s over all its exchanges.
func (s *Stream) Send(frame []byte) error { panic("unwritten") }

// Flush hands to the network what Send buffered; Receive flushes first.
func (s *Stream) Flush() error { panic("unwritten") }

// Receive reads a frame, io.EOF when the other side has closed. The slice is good until the next Receive.
func (s *Stream) Receive() ([]byte, error) { panic("unwritten") }

// Close ends our side; it is called once.
func (s *Stream) Close() error { panic("unwritten") }

// Reset tears the exchange down, for both sides, at once.
func (s *Stream) Reset() { panic("unwritten") }

// Serve answers an exchange; it is called before Run.
func (h *Host) Serve(e Exchange) { panic("unwritten") }

// Open begins an exchange with a connected peer; it dials nobody. p is the id in text form. A peer that does not
// speak the protocol gives peer.unsupported.
func (h *Host) Open(ctx context.Context, p string, e Exchange) (*Stream, error) { panic("unwritten") }

// Companion is a connected peer that one could ask.
type Companion struct {
	// ID is the peer id in text form.
	ID string
	// Listed says that the trust list has its organisation at observed or above, Kept that it is configured or was added.
	Listed, Kept bool
	// Since is when the connection began.
	Since time.Time
}

// Companions lists connected peers: listed first, then kept, then the others, each group by chance.
func (h *Host) Companions() []Companion { panic("unwritten") }

// Arrivals receives the id of every peer that connects, in text form; what does not fit is dropped
// after 256. There is one reader.
func (h *Host) Arrivals() <-chan string { panic("unwritten") }

// LearnFrom asks a connected peer for the chains of certificates that we lack (NET-16) and keeps what verifies.
func (h *Host) LearnFrom(ctx context.Context, p string, certificates ...[32]byte) error {
	panic("unwritten")
}
