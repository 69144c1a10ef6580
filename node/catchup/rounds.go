package catchup

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"tocsin/protocol/reason"
)

// How many visits are under way at once. Peers that nobody listed or added share half of the places, and those of them that come
// or call out of turn a third, so that no number of them that hang keeps us from others.
const (
	maxVisits     = 24
	maxOthers     = maxVisits / 2
	maxCallers    = maxVisits / 3
	roundPatience = 2 * time.Minute
)

// rank is what a visit takes a place as.
type rank int

const (
	byHand  rank = iota // an operator asked: it needs no place
	trusted             // a listed or added peer
	other               // another, in turn
	caller              // another, out of turn
)

// places are what visits take. Methods may be called concurrently.
type places struct {
	mu    sync.Mutex // guards taken
	taken [caller + 1]int
}

func (p *places) take(r rank) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	others := p.taken[other] + p.taken[caller]
	switch {
	case r == byHand:
		return true
	case others+p.taken[trusted] >= maxVisits, r != trusted && others >= maxOthers, r == caller && p.taken[caller] >= maxCallers:
		return false
	}
	p.taken[r]++
	return true
}

func (p *places) give(r rank) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r != byHand {
		p.taken[r]--
	}
}

// trusted reports whether a connected peer is listed or kept.
func (k *Keeper) trusted(peer string) bool {
	for _, c := range k.d.Host.Companions() {
		if c.ID == peer {
			return c.Listed || c.Kept
		}
	}
	return false
}

// planned is a visit that has its place.
type planned struct {
	peer string
	rank rank
}

// plan takes places for visits; who is being visited, or for whom there is no place, is left out.
func (k *Keeper) plan(peers []string, rankOf func(peer string) rank) (list []planned) {
	for _, p := range peers {
		v := planned{peer: p, rank: rankOf(p)}
		if !k.places.take(v.rank) {
			continue
		}
		if !k.books.begin(p) {
			k.places.give(v.rank)
			continue
		}
		list = append(list, v)
	}
	return list
}

// visitNow visits one peer out of turn, unless it was visited just now; false when it does not.
func (k *Keeper) visitNow(ctx context.Context, rounds *sync.WaitGroup, ended chan<- outcome, peer string) bool {
	return k.books.due(peer, time.Now()) && k.start(ctx, rounds, ended, false, []string{peer})
}

// start runs a round in the background; false when there is nobody to ask.
func (k *Keeper) start(ctx context.Context, rounds *sync.WaitGroup, ended chan<- outcome, inTurn bool, peers []string) bool {
	list := k.plan(peers, func(p string) rank {
		switch {
		case k.trusted(p):
			return trusted
		case inTurn:
			return other
		}
		return caller
	})
	if len(list) == 0 {
		return false
	}
	rounds.Go(func() {
		k.round(ctx, list, time.After(roundPatience), func(out outcome, late bool) {
			out.inTurn = inTurn && !late
			select {
			case ended <- out:
			case <-ctx.Done():
			}
		})
	})
	return true
}

// chosen are the peers of the next round.
func (k *Keeper) chosen(now time.Time) []string {
	var list []candidate
	for _, c := range k.d.Host.Companions() {
		list = append(list, k.books.candidate(c.ID, now))
	}
	return choose(now, list, roundPeers, rand.IntN)
}

// round visits peers side by side. It reports what came of it when all visits are over, or patience is: what ends later is
// reported by itself. It returns when all are over.
func (k *Keeper) round(ctx context.Context, list []planned, patience <-chan time.Time, report func(out outcome, late bool)) {
	results := make(chan outcome, len(list))
	var visits sync.WaitGroup
	defer visits.Wait()
	for _, v := range list {
		visits.Go(func() {
			defer k.places.give(v.rank)
			out := k.visit(ctx, v.peer, v.rank == byHand)
			k.books.end(v.peer, out, time.Now())
			note(ctx, v.peer, out)
			results <- out
		})
	}
	var sum outcome
	open := len(list)
	for over := false; open > 0 && !over; {
		select {
		case <-patience:
			over = true
		case out := <-results:
			open--
			sum.add(out)
		}
	}
	sum.left = sum.left || open > 0
	k.books.round(sum, k.inflight.count(), time.Now())
	report(sum, false)
	for ; open > 0; open-- {
		report(<-results, true)
	}
}

// planByHand takes places for a round that an operator asked for. Who is being asked already is asked again after that, so that what
// was made meanwhile is compared too.
func (k *Keeper) planByHand(ctx context.Context, peer string) ([]planned, error) {
	for {
		peers := []string{peer}
		if peer == "" {
			if peers = k.connected(time.Now()); len(peers) == 0 && len(k.d.Host.Companions()) == 0 {
				return nil, reason.Wrap(reason.PeerDial, "catch up", errNoPeers)
			}
		}
		if list := k.plan(peers, func(string) rank { return byHand }); len(list) > 0 {
			return list, nil
		}
		if err := pause(ctx, shareWait); err != nil {
			return nil, fmt.Errorf("catch up: %w", err)
		}
	}
}

// connected are the peers of a round that an operator asked for.
func (k *Keeper) connected(now time.Time) (peers []string) {
	for _, c := range k.d.Host.Companions() {
		if len(peers) < roundPeers && !k.books.candidate(c.ID, now).busy {
			peers = append(peers, c.ID)
		}
	}
	return peers
}
