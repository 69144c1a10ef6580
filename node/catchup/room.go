package catchup

import "context"

// room bounds the bytes of records between the network and the store. It has places of so many bytes; a
// record takes one or several.
type room struct {
	place  int
	places chan struct{}
	turn   chan struct{} // holds one: only one taker at a time may wait for several places
}

const (
	roomPlace   = 64 << 10 // a record by gossip
	roomPlaces  = 128      // 8 MiB for all sessions: two group commits of small records
	sharePlace  = 16 << 10
	sharePlaces = 128 // 2 MiB for one session, which holds also what waits for chains
)

func newRoom(place, places int) *room {
	return &room{place: place, places: make(chan struct{}, places), turn: make(chan struct{}, 1)}
}

// hold is what a record takes between the network and the store: of the share of its session, and of the room of all.
type hold struct {
	s           *session
	size        int
	share, room int
}

// hold waits for room for n bytes.
func (s *session) hold(ctx context.Context, n int) (*hold, error) {
	share, err := s.share.take(ctx, n)
	if err != nil {
		return nil, err
	}
	h := &hold{s: s, size: n, share: share}
	if err := h.resume(ctx); err != nil {
		h.give()
		return nil, err
	}
	return h, nil
}

// pause gives back the room of all while a record waits for its peer: who does not answer holds up nobody else.
func (h *hold) pause() {
	h.s.k.room.give(h.room)
	h.room = 0
}

// resume takes it again.
func (h *hold) resume(ctx context.Context) (err error) {
	h.room, err = h.s.k.room.take(ctx, h.size)
	return err
}

// give gives everything back.
func (h *hold) give() {
	h.pause()
	h.s.share.give(h.share)
}

// take waits for room for n bytes and says how much to give back.
func (r *room) take(ctx context.Context, n int) (int, error) {
	select {
	case r.turn <- struct{}{}:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	defer func() { <-r.turn }()
	want := max(1, (n+r.place-1)/r.place)
	for got := range want {
		select {
		case r.places <- struct{}{}:
		case <-ctx.Done():
			r.give(got)
			return 0, ctx.Err()
		}
	}
	return want, nil
}

func (r *room) give(n int) {
	for range n {
		<-r.places
	}
}
