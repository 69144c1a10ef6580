package catchup

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// maxUnknown is how many records a visit may bring whose chains the peer does not have either. An honest
// one has the chains of what it holds.
const maxUnknown = 64

// errNoChains says that a peer does not answer about chains: what it has cannot be verified.
var errNoChains = errors.New("the peer answers no question about chains")

// learner asks for chains, many certificates at once: while one question is under way, the workers that
// need others wait, and the next asks for all of theirs.
type learner struct {
	asking chan struct{} // holds one while a question is under way

	mu     sync.Mutex // guards both
	wanted map[protocol.Digest]bool
	asked  map[protocol.Digest]bool
}

func newLearner() *learner {
	return &learner{asking: make(chan struct{}, 1), wanted: map[protocol.Digest]bool{}, asked: map[protocol.Digest]bool{}}
}

const (
	learnAtOnce = 64              // certificates in one question (NET-16)
	learnRest   = 2 * time.Second // a peer answers a question a second (NET-17)
	learnTries  = 3
)

// learn brings the chain of a certificate's organisation from a peer, or fails.
func (c *learner) learn(ctx context.Context, k *Keeper, peer string, d protocol.Digest) error {
	c.mu.Lock()
	c.wanted[d] = true
	c.mu.Unlock()
	select {
	case c.asking <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-c.asking }()
	if _, ok := k.d.Chains().Certificate(d); ok {
		return nil
	}
	batch := c.batch(d)
	if batch == nil {
		return reason.New(reason.CertUnknown, fmt.Sprintf("%s does not know certificate %s either", peer, d))
	}
	var err error
	for try := range learnTries {
		if try > 0 {
			if err := pause(ctx, learnRest); err != nil {
				return err
			}
		}
		if err = k.d.Host.LearnFrom(ctx, peer, batch...); err == nil {
			return nil
		}
	}
	return fmt.Errorf("%w: %w", errNoChains, reason.Wrap(reason.CertUnknown, fmt.Sprintf("learn certificate %s from %s", d, peer), err))
}

// batch is what to ask for when d is needed: d and what else is wanted; nil when d was asked for.
func (c *learner) batch(d protocol.Digest) [][32]byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.asked[d] {
		return nil
	}
	out := [][32]byte{d}
	for w := range c.wanted {
		if w != d && !c.asked[w] && len(out) < learnAtOnce {
			out = append(out, w)
		}
	}
	for _, w := range out {
		c.asked[w] = true
		delete(c.wanted, w)
	}
	return out
}
