package protocol

import "tocsin/protocol/reason"

// Verdict is what a relay does with a record (SPEC 7).
type Verdict uint8

// The verdicts. Reject costs the forwarder, Ignore costs nobody.
const (
	Accept Verdict = iota
	Ignore
	Reject
)

// String names the verdict as test vectors do.
func (v Verdict) String() string {
	switch v {
	case Accept:
		return "accept"
	case Reject:
		return "reject"
	}
	return "ignore"
}

// VerdictOf maps an error to a verdict by the code it carries. nil is Accept; an error
// without a code, or with one the table lacks, is Ignore: a local fault never
// punishes a peer.
func VerdictOf(err error) Verdict {
	if err == nil {
		return Accept
	}
	if v, ok := verdicts[reason.Of(err)]; ok {
		return v
	}
	return Ignore
}

// verdicts is the whole mapping (SPEC 7): only what every conforming node must
// refuse from the bytes and the signer's certificate alone is Reject.
var verdicts = map[reason.Code]Verdict{
	reason.WireSize:      Reject,
	reason.WireFraming:   Reject,
	reason.WireCanonical: Reject,
	reason.WireClaims:    Reject,
	reason.BodySize:      Reject,
	reason.BodyHash:      Reject,
	reason.SigInvalid:    Reject,
	reason.KeyInvalid:    Reject,
	reason.TopicMismatch: Reject,
	reason.TopicKind:     Reject,
	reason.TopicTLP:      Reject,
	reason.KindSize:      Reject,
	reason.CertScope:     Reject,
	reason.CertWindow:    Reject,
	reason.ChainInvalid:  Reject,
	reason.ForkInvalid:   Reject,

	reason.CertUnknown:    Ignore,
	reason.CertExpired:    Ignore,
	reason.ChainLimit:     Ignore,
	reason.TopicUnknown:   Ignore,
	reason.TimeFuture:     Ignore,
	reason.TimeExpired:    Ignore,
	reason.VersionUnknown: Ignore,
	reason.AlgUnknown:     Ignore,
	reason.ClaimUnknown:   Ignore,
	reason.KindUnknown:    Ignore,
	reason.DupHeld:        Ignore,
	reason.LogFork:        Ignore,
	reason.RateForwarder:  Ignore,
	reason.RatePublisher:  Ignore,
	reason.OrgBlocked:     Ignore,
	reason.KeyRevoked:     Ignore,
	reason.StatusOld:      Ignore,
}
