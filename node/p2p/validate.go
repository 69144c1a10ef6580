package p2p

import (
	"context"
	"fmt"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/peer"

	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/protocol/trust"
)

// judge decides what is relayed. It reads snapshots and charges token buckets in
// memory; it does no I/O and calls nobody back but Second. Its methods may be called concurrently.
type judge struct {
	deps *Deps

	forwarders *buckets[forwarderKey]
	publishers *buckets[publisherKey]
	// recent holds what was accepted and may not have reached the store yet.
	recent *recentSet[logPlace, protocol.RecordID]
}

type forwarderKey struct {
	peer peer.ID
	use  bucketUse
}

type publisherKey struct {
	org protocol.OrgID
	use bucketUse
}

type bucketUse uint8

const (
	useData bucketUse = iota
	useControl
	useIdentity
	useClaimed // identity records that name a listed organisation's certificate
	useStrangers
	useStrangersControl
)

// logPlace is one place in one key log.
type logPlace struct {
	org      protocol.OrgID
	key      protocol.KeyID
	topic    protocol.Topic
	sequence uint64
}

func newJudge(deps *Deps) *judge {
	return &judge{
		deps:       deps,
		forwarders: newBuckets[forwarderKey](),
		publishers: newBuckets[publisherKey](),
		recent:     newRecentSet[logPlace, protocol.RecordID](maxRecent),
	}
}

// check judges a message that came by gossip. listed says whether the
// forwarder is configured or of a listed organisation.
func (j *judge) check(t protocol.Topic, from peer.ID, listed bool, raw []byte, now time.Time) (*protocol.Record, error) {
	// NET-05: what is too large for gossip is refused before anything is spent on it.
	if len(raw) > protocol.MaxGossipBytes {
		return nil, reason.New(reason.WireSize, fmt.Sprintf("record of %d bytes by gossip; at most %d", len(raw), protocol.MaxGossipBytes))
	}
	// NET-11: the forwarder pays before the signature is looked at.
	if !j.chargeForwarder(t, from, listed, len(raw), now) {
		return nil, reason.New(reason.RateForwarder, "peer "+from.String()+" is over its budget")
	}
	refund, ok := j.chargeIdentity(from, listed, raw, now)
	if !ok {
		return nil, reason.New(reason.RateForwarder, "peer "+from.String()+" is over its budget of identity records")
	}
	r, err := j.verify(t, from, raw, now)
	// NET-13: what a listed organisation turns out to have signed is outside the total.
	if refund != nil && err == nil && j.deps.Level(r.Org()) >= trust.Observed {
		refund()
	}
	return r, err
}

// verify judges a record whose forwarder has paid already.
func (j *judge) verify(t protocol.Topic, from peer.ID, raw []byte, now time.Time) (*protocol.Record, error) {
	r, err := protocol.Verify(raw, j.deps.Chains(), now)
	if err != nil {
		return nil, err
	}
	// NET-06: a record on another topic than its own is refused from the bytes alone.
	if err := r.CheckTopic(t); err != nil {
		return nil, err
	}
	level := j.deps.Level(r.Org())
	if level == trust.Blocked {
		return nil, reason.New(reason.OrgBlocked, "record "+r.ID().String()+" of "+r.Org().String()+", which is blocked")
	}
	// A replay must not burn its author's budget, so what is held is asked first.
	known := j.deps.Known(r)
	if known != nil && reason.Of(known) != reason.LogFork {
		return nil, known
	}
	// NET-11: the publisher pays only for what it signed, a second record at one place like any other.
	if !j.chargePublisher(r, level, from, now) {
		return nil, reason.New(reason.RatePublisher, "organisation "+r.Org().String()+" is over its budget")
	}
	if err = known; err == nil {
		err = j.mark(r)
	}
	if reason.Of(err) == reason.LogFork && j.deps.Second != nil {
		j.deps.Second(r)
	}
	return r, err
}

// mark remembers an accepted record until the store knows it. Never earlier: a
// record that is not accepted must not keep a genuine one out.
func (j *judge) mark(r *protocol.Record) error {
	place := logPlace{r.Org(), r.Key(), r.Header().Topic, r.Header().Sequence}
	there, added := j.recent.add(place, r.ID())
	switch {
	case added:
		return nil
	case there == r.ID():
		return reason.New(reason.DupHeld, "record "+r.ID().String()+" was just accepted")
	default:
		return reason.New(reason.LogFork, "record "+r.ID().String()+" stands where "+there.String()+" was just accepted")
	}
}

func (j *judge) chargeForwarder(t protocol.Topic, from peer.ID, listed bool, size int, now time.Time) bool {
	if t == protocol.TopicControl {
		return j.forwarders.take(forwarderKey{from, useControl}, forwarderControl, 1, now)
	}
	l := forwarderUnlisted
	if listed {
		l = forwarderListed
	}
	return j.forwarders.take(forwarderKey{from, useData}, l, max(size, minCharge), now)
}

// chargeIdentity charges the forwarder for a record that claims to be an identity
// record, on whatever topic it came; others cost nothing here. The claims only
// choose the bucket, so a lie spends nobody's but the liar's.
func (j *judge) chargeIdentity(from peer.ID, listed bool, raw []byte, now time.Time) (refund func(), ok bool) {
	claimed, ok := protocol.Peek(raw)
	if !ok || claimed.Kind != protocol.KindIdentity {
		return nil, true
	}
	if cert, ok := j.deps.Chains().Certificate(claimed.Certificate); ok && j.deps.Level(cert.Org) >= trust.Observed {
		return j.forwarders.hold(forwarderKey{from, useClaimed}, identityClaimed, 1, now)
	}
	l := identityUnlisted
	if listed {
		l = identityListed
	}
	return j.forwarders.hold(forwarderKey{from, useIdentity}, l, 1, now)
}

// chargePublisher charges the organisation and, for strangers, the pool of all
// strangers and the forwarder's share of it. What one of them took is not given
// back when the next refuses: a flood pays for its attempts.
func (j *judge) chargePublisher(r *protocol.Record, level trust.Level, from peer.ID, now time.Time) bool {
	stranger := level < trust.Observed
	if r.Header().Topic == protocol.TopicControl {
		if stranger {
			return j.forwarders.take(forwarderKey{from, useStrangersControl}, controlForwarder, 1, now) &&
				j.publishers.take(publisherKey{use: useControl}, controlStrangers, 1, now)
		}
		return j.publishers.take(publisherKey{r.Org(), useControl}, controlListed, 1, now)
	}
	n := max(len(r.Raw()), minCharge)
	if stranger && !j.forwarders.take(forwarderKey{from, useStrangers}, strangersForwarder, n, now) {
		return false
	}
	if !j.publishers.take(publisherKey{r.Org(), useData}, publisherLimit(level), n, now) {
		return false
	}
	return !stranger || j.publishers.take(publisherKey{use: useStrangers}, strangersPool, n, now)
}

// validator is what pubsub calls for each message on t, inline. The verified
// record travels on in ValidatorData, so the subscriber does not parse it again.
func (h *Host) validator(t protocol.Topic) pubsub.ValidatorEx {
	return func(_ context.Context, from peer.ID, m *pubsub.Message) pubsub.ValidationResult {
		if from == h.host.ID() {
			// Own messages are records already: Announce and the waiting room take nothing else.
			return pubsub.ValidationAccept
		}
		now := time.Now()
		listed := h.peers.listed(from)
		r, err := h.judge.check(t, from, listed, m.GetData(), now)
		if err != nil {
			h.refuse(waitingRecord{topic: t, from: from, listed: listed, raw: m.GetData(), since: now}, err)
			return validationResult(protocol.VerdictOf(err))
		}
		m.ValidatorData = r
		return pubsub.ValidationAccept
	}
}

// refuse keeps what its signer's chain may cure and logs the rest.
func (h *Host) refuse(r waitingRecord, err error) {
	if d, ok := protocol.UnknownCertificate(err); ok {
		h.waiting.put(d, r)
		return
	}
	h.tell(r.topic, err)
	if protocol.VerdictOf(err) == protocol.Reject {
		log.Infow("peer sent an invalid record", "peer", r.from, "topic", r.topic, "code", reason.Of(err), "err", err)
		return
	}
	log.Debugw("record ignored", "peer", r.from, "topic", r.topic, "code", reason.Of(err), "err", err)
}

// tell says what was not taken to whoever counts it.
func (h *Host) tell(t protocol.Topic, err error) {
	if h.deps.Refused != nil {
		h.deps.Refused(t, err)
	}
}

// validationResult says a verdict in pubsub's words.
func validationResult(v protocol.Verdict) pubsub.ValidationResult {
	switch v {
	case protocol.Accept:
		return pubsub.ValidationAccept
	case protocol.Reject:
		return pubsub.ValidationReject
	default:
		return pubsub.ValidationIgnore
	}
}
