package reason

// The codes of the relay verdict (SPEC 8). What Reject and Ignore mean for each
// is protocol's table, not this one.
const (
	WireSize      Code = "wire.size"
	WireFraming   Code = "wire.framing"
	WireCanonical Code = "wire.canonical"
	WireClaims    Code = "wire.claims"
	BodySize      Code = "body.size"
	BodyHash      Code = "body.hash"
	BodyRoot      Code = "body.root"
	BodyFraming   Code = "body.framing"
	SigInvalid    Code = "sig.invalid"
	KeyInvalid    Code = "key.invalid"
	TopicMismatch Code = "topic.mismatch"
	TopicKind     Code = "topic.kind"
	TopicTLP      Code = "topic.tlp"
	TopicUnknown  Code = "topic.unknown"
	CertScope     Code = "cert.scope"
	CertWindow    Code = "cert.window"
	CertUnknown   Code = "cert.unknown"
	CertExpired   Code = "cert.expired"
	ChainInvalid  Code = "chain.invalid"
	TimeFuture    Code = "time.future"
	TimeExpired   Code = "time.expired"
	VersionUnkown Code = "version.unknown"
	AlgUnknown    Code = "alg.unknown"
	ClaimUnknown  Code = "claim.unknown"
	KindUnknown   Code = "kind.unknown"
	KindSize      Code = "kind.size"
	DupHeld       Code = "dup.held"
	LogFork       Code = "log.fork"
	RateForwarder Code = "rate.forwarder"
	RatePublisher Code = "rate.publisher"
	OrgBlocked    Code = "org.blocked"
	ProofInvalid  Code = "proof.invalid"
)

// The codes of content: what the STIX gate and the rules of STIX 2.1 refuse.
const (
	JSONSyntax    Code = "json.syntax"
	JSONDepth     Code = "json.depth"
	JSONTokens    Code = "json.tokens"
	JSONSize      Code = "json.size"
	JSONString    Code = "json.string"
	JSONDuplicate Code = "json.duplicate"
	JSONUTF8      Code = "json.utf8"
	JSONSurrogate Code = "json.surrogate"
	JSONNumber    Code = "json.number"
	STIXFormat    Code = "stix.format"
	STIXRule      Code = "stix.rule"
	STIXMarking   Code = "stix.marking"
	STIXPattern   Code = "stix.pattern"
	STIXDuplicate Code = "stix.duplicate"
	PatternSyntax Code = "pattern.syntax"
	PatternLimit  Code = "pattern.limit"
)

// The codes of belief, release and the node itself.
const (
	TrustUnknown  Code = "trust.unknown"
	TrustFile     Code = "trust.file"
	TLPHeader     Code = "tlp.header"
	OutTLP        Code = "out.tlp"
	OutAudience   Code = "out.audience"
	GossipSize    Code = "gossip.size"
	StoreDamaged  Code = "store.damaged"
	StoreFull     Code = "store.full"
	NodeStarting  Code = "node.starting"
	NodeRunning   Code = "node.running"
	NodeExists    Code = "node.exists"
	NodeNotFound  Code = "node.absent"
	NotFound      Code = "not.found"
	Ambiguous     Code = "id.ambiguous"
	UsageInvalid  Code = "usage.invalid"
	ConfigInvalid Code = "config.invalid"
	SocketPath    Code = "socket.path"
	PeerDial      Code = "peer.dial"
	Conflict      Code = "conflict"
	Internal      Code = "internal"
)

var catalogue = []Entry{}
