package protocol

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

// ParseTopic checks a name: 1..40 of [a-z0-9-].
func ParseTopic(name string) (Topic, error) { panic("unwritten") }

// String returns the name.
func (t Topic) String() string { return t.name }

// Path returns the gossip topic, "/tocsin/1/<network>/<name>".
func (t Topic) Path(network string) string { return "/tocsin/1/" + network + "/" + t.name }

// DefaultTopics lists what a new node joins: control, sealed, experience, drill
// and the first-level classes of the reference incident taxonomy (RSIT).
func DefaultTopics() []Topic { panic("unwritten") }

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

// Allowed reports whether records of kind k may stand on topic t.
func (t Topic) Allowed(k Kind) bool { panic("unwritten") }
