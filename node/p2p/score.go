package p2p

import (
	"crypto/sha256"
	"encoding/binary"
	"net"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/peer"
	libp2pproto "github.com/libp2p/go-libp2p/core/protocol"

	"tocsin/protocol"
	"tocsin/protocol/trust"
)

// Every parameter of gossip stands in this file, with its reason. Limits on
// connections and rates stand in limits.go.

// NET-01: one protocol id per instance, none of the library's own, so that no
// peer can talk the node down to floodsub or gossipsub 1.0 and 1.1.
const (
	controlProtocol libp2pproto.ID = "/tocsin/mesh/control/1.2.0"
	dataProtocol    libp2pproto.ID = "/tocsin/mesh/data/1.2.0"
)

const (
	// heartbeat: faster costs CPU on every node for a gain that 80 ms propagation does not need.
	heartbeat = time.Second
	// seenTTL outlives every path a message can take through a mesh of 5,000
	// nodes; older replays are found by their place in the key log.
	seenTTL = 10 * time.Minute
	// retainScore keeps a peer from washing its score by reconnecting.
	retainScore = 6 * time.Hour
	// validateQueue takes a burst of full records while two cores verify; the
	// library's 32 drops silently. Worst case 2,048 x 60 KiB.
	validateQueue = 2048
	// outboundQueue is per peer; the library's 32 drops silently. A relay has no way to slow
	// down the author, so its queue must take a whole burst of a thousand full
	// records (16 MiB, shared between peers that are equally far behind); a peer that reads nothing
	// for 30 s loses its stream and frees it.
	outboundQueue = 1024
	// outboundWindow is how many messages Announce lets wait for one peer: the
	// other half of the queue is for what is relayed.
	outboundWindow = outboundQueue / 2
	// subscriptionBuffer is what may wait for intake's commit; a full one drops silently.
	subscriptionBuffer = 4096
	// idontwantThreshold: below it the notice costs more than the duplicate it saves
	// (measured: 1.7x throughput at 1 KiB).
	idontwantThreshold = 16 << 10
	// maxControlBytes is what a peer may send in control messages in one RPC: 5,000
	// message ids fit.
	maxControlBytes = protocol.MaxPubsubBytes
)

// The scores of the trust list (P5). Small on purpose: with the topic cap they
// stay below what one invalid message costs, so that nobody is beyond the
// graylist.
const (
	appBlocked  = -10_000
	appUnknown  = 0
	appObserved = 10
	appPartner  = 40
	appAnchor   = 80
)

const (
	topicWeight = 0.25
	// topicScoreCap bounds what good behaviour in all topics together can earn.
	topicScoreCap = 50
	// invalidWeight x topicWeight x n^2: -250, -1,000, -2,250, -4,000. Out of the mesh
	// at the first invalid message, graylisted at the fourth.
	invalidWeight = -1000
)

// appScore is how a trust level counts in the score of a peer of that organisation.
func appScore(l trust.Level) float64 {
	switch l {
	case trust.Blocked:
		return appBlocked
	case trust.Observed:
		return appObserved
	case trust.Partner:
		return appPartner
	case trust.Anchor, trust.Own:
		return appAnchor
	default:
		return appUnknown
	}
}

// gossipParams are the mesh parameters of both instances.
func gossipParams() pubsub.GossipSubParams {
	p := pubsub.DefaultGossipSubParams()
	// A wider mesh than the library's 6 keeps delivery at 100 % with a quarter of
	// the mesh silent; Dout < D/2 is demanded by the library.
	p.D, p.Dlo, p.Dhi, p.Dscore, p.Dout = 8, 6, 12, 6, 3
	// Gossip beyond the mesh heals what a black-holing mesh drops.
	p.Dlazy, p.GossipFactor = 12, 0.25
	p.HeartbeatInterval = heartbeat
	// Three beats of 1,000 ids stay below the 5,000 of an IHAVE.
	p.HistoryLength, p.HistoryGossip = 6, 3
	// Satellite and intercontinental links answer within it.
	p.IWantFollowupTime = 5 * time.Second
	p.IDontWantMessageThreshold = idontwantThreshold
	p.PruneBackoff = time.Minute
	p.UnsubscribeBackoff = 10 * time.Second
	// No peer exchange and no direct peers of the router's own: nothing to connect to.
	p.Connectors, p.MaxPendingConnections, p.PrunePeers = 0, 0, 0
	return p
}

// scoreParams are the peer score's parameters; app is the trust list's part.
func scoreParams(app func(peer.ID) float64) *pubsub.PeerScoreParams {
	return &pubsub.PeerScoreParams{
		Topics:            make(map[string]*pubsub.TopicScoreParams),
		TopicScoreCap:     topicScoreCap,
		AppSpecificScore:  app,
		AppSpecificWeight: 1,
		// P6: many identities behind one address are cheap. Loopback is exempt: who
		// can bind there owns the machine anyway, and a demo runs many nodes on it.
		IPColocationFactorWeight:    -100,
		IPColocationFactorThreshold: 5,
		IPColocationFactorWhitelist: loopback(),
		// P7: broken promises and grafts during backoff; six are forgiven.
		BehaviourPenaltyWeight:    -10,
		BehaviourPenaltyThreshold: 6,
		BehaviourPenaltyDecay:     pubsub.ScoreParameterDecay(time.Hour),
		DecayInterval:             time.Second,
		DecayToZero:               0.01,
		RetainScore:               retainScore,
		SeenMsgTTL:                seenTTL,
	}
}

// topicScoreParams are the same for every topic.
func topicScoreParams() *pubsub.TopicScoreParams {
	return &pubsub.TopicScoreParams{
		// P3 and P3b (mesh delivery) stay off: in small, quiet topics they punish the
		// honest. Black-holing is found by comparing stores.
		SkipAtomicValidation: true,
		TopicWeight:          topicWeight,
		// P1: one point an hour in the mesh, at most one.
		TimeInMeshWeight:  0.00027,
		TimeInMeshQuantum: time.Second,
		TimeInMeshCap:     3600,
		// P2: first deliveries, over ten minutes.
		FirstMessageDeliveriesWeight: 0.5,
		FirstMessageDeliveriesDecay:  pubsub.ScoreParameterDecay(10 * time.Minute),
		FirstMessageDeliveriesCap:    100,
		// P4: invalid messages, remembered for an hour.
		InvalidMessageDeliveriesWeight: invalidWeight,
		InvalidMessageDeliveriesDecay:  pubsub.ScoreParameterDecay(time.Hour),
	}
}

// scoreThresholds say at which score a peer loses what.
func scoreThresholds() *pubsub.PeerScoreThresholds {
	return &pubsub.PeerScoreThresholds{
		GossipThreshold:             -500,
		PublishThreshold:            -1000,
		GraylistThreshold:           -2500,
		AcceptPXThreshold:           1000, // out of reach: peer exchange is off
		OpportunisticGraftThreshold: 3.5,
	}
}

// peerGaterParams drop early from peers of poor record while the validation queue overflows.
func peerGaterParams() *pubsub.PeerGaterParams {
	return pubsub.NewPeerGaterParams(0.33,
		pubsub.ScoreParameterDecay(2*time.Minute), pubsub.ScoreParameterDecay(time.Hour))
}

// features says what our protocol ids mean: gossipsub 1.2 in full, no extension of 1.3.
func features(f pubsub.GossipSubFeature, id libp2pproto.ID) bool {
	if id != controlProtocol && id != dataProtocol {
		return false
	}
	return f == pubsub.GossipSubFeatureMesh || f == pubsub.GossipSubFeaturePX || f == pubsub.GossipSubFeatureIdontwant
}

// messageID names a message by all its bytes.
//
// NET-04: never by what a header claims, or junk under a genuine record's name
// would make every node drop the genuine one as a duplicate.
func messageID(m *pb.Message) string {
	h := sha256.New()
	topic := m.GetTopic()
	h.Write([]byte("tocsin-mid-1"))
	var n [2]byte
	binary.BigEndian.PutUint16(n[:], uint16(len(topic)))
	h.Write(n[:])
	h.Write([]byte(topic))
	h.Write(m.GetData())
	return string(h.Sum(nil)[:20])
}

func loopback() []*net.IPNet {
	return []*net.IPNet{
		{IP: net.IPv4(127, 0, 0, 0).To4(), Mask: net.CIDRMask(8, 32)},
		{IP: net.IPv6loopback, Mask: net.CIDRMask(128, 128)},
	}
}
