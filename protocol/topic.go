package protocol

import (
	"fmt"
	"strconv"

	"tocsin/protocol/reason"
)

// Topic is the checked name of where records of a kind go (SPEC 6), e.g.
// "malicious-code". The zero value is no topic.
type Topic struct{ name string }

// The topics with a meaning of their own.
var (
	TopicControl    = Topic{"control"}
	TopicSealed     = Topic{"sealed"}
	TopicExperience = Topic{"experience"}
	TopicDrill      = Topic{"drill"}
)

// ParseTopic checks a name: 1..40 of [a-z0-9-]. Errors carry wire.claims.
func ParseTopic(name string) (Topic, error) {
	// TOP-01
	if len(name) == 0 || len(name) > MaxTopicName {
		return Topic{}, reason.New(reason.WireClaims,
			fmt.Sprintf("topic %.50q has %d characters, want 1 to %d", name, len(name), MaxTopicName))
	}
	for _, c := range []byte(name) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return Topic{}, reason.New(reason.WireClaims,
				fmt.Sprintf("topic %q holds %q, want only a-z, 0-9 and the hyphen", name, c))
		}
	}
	return Topic{name}, nil
}

// String returns the name.
func (t Topic) String() string { return t.name }

// Path returns the gossip topic, "/tocsin/1/<network>/<name>".
func (t Topic) Path(network string) string { return "/tocsin/1/" + network + "/" + t.name }

// DefaultTopics lists what a new node joins: control, sealed, experience, drill
// and the first-level classes of the reference incident taxonomy (RSIT).
func DefaultTopics() []Topic {
	topics := []Topic{TopicControl, TopicSealed, TopicExperience, TopicDrill}
	for _, class := range []string{
		"abusive-content", "malicious-code", "information-gathering", "intrusion-attempts", "intrusions",
		"availability", "information-content-security", "fraud", "vulnerable", "other", "test",
	} {
		topics = append(topics, Topic{class})
	}
	return topics
}

// Kind says what a record carries (SPEC 6.2).
type Kind uint16

// The kinds of records. Kinds not implemented yet and unknown kinds are opaque:
// kept and relayed by their body hash, never opened.
const (
	KindObjects    Kind = 1
	KindIdentity   Kind = 2
	KindWithdrawal Kind = 3
	KindFork       Kind = 4
	KindReceipt    Kind = 5
	KindVouch      Kind = 6
	KindCommitment Kind = 7
	KindAdvisory   Kind = 8
	KindSealed     Kind = 9
	KindGroup      Kind = 10
)

// String names a kind as SPEC 6.2 does, "kind 11" when it has no name there.
func (k Kind) String() string {
	names := [...]string{
		KindObjects: "objects", KindIdentity: "identity", KindWithdrawal: "withdrawal", KindFork: "fork",
		KindReceipt: "receipt", KindVouch: "vouch", KindCommitment: "commitment", KindAdvisory: "advisory",
		KindSealed: "sealed", KindGroup: "group",
	}
	if int(k) < len(names) && names[k] != "" {
		return names[k]
	}
	return "kind " + strconv.Itoa(int(k))
}

// Allowed reports whether records of kind k may stand on topic t.
func (t Topic) Allowed(k Kind) bool {
	// TOP-04
	switch k {
	case 0:
		return false
	case KindObjects:
		return t != TopicControl && t != TopicSealed
	case KindIdentity, KindFork, KindReceipt, KindVouch, KindCommitment, KindAdvisory:
		return t == TopicControl
	case KindWithdrawal:
		return t == TopicControl || t == TopicSealed
	case KindSealed, KindGroup:
		return t == TopicSealed
	}
	return true // an unknown kind: newer nodes know where it belongs
}

// MaxBody returns the largest body, as sent, of a record of kind k on topic t.
func (t Topic) MaxBody(k Kind) int {
	// TOP-05
	switch k {
	case KindObjects, KindSealed:
		return MaxRecordBytes
	case KindIdentity:
		return MaxIdentityBytes
	case KindWithdrawal:
		return MaxWithdrawalBytes
	case KindFork:
		return MaxForkBytes
	case KindCommitment, KindAdvisory:
		return MaxOpaqueBytes
	case KindReceipt:
		return MaxReceiptBytes
	case KindGroup:
		return MaxGroupBytes
	}
	if t == TopicControl {
		return MaxOpaqueControl
	}
	return MaxOpaqueBytes
}
