package reason

// The codes of the relay verdict (SPEC 8). What Reject and Ignore mean for each
// is protocol's table, not this one.
const (
	WireSize       Code = "wire.size"
	WireFraming    Code = "wire.framing"
	WireCanonical  Code = "wire.canonical"
	WireClaims     Code = "wire.claims"
	BodySize       Code = "body.size"
	BodyHash       Code = "body.hash"
	BodyRoot       Code = "body.root"
	BodyFraming    Code = "body.framing"
	SigInvalid     Code = "sig.invalid"
	KeyInvalid     Code = "key.invalid"
	TopicMismatch  Code = "topic.mismatch"
	TopicKind      Code = "topic.kind"
	TopicTLP       Code = "topic.tlp"
	TopicUnknown   Code = "topic.unknown"
	CertScope      Code = "cert.scope"
	CertWindow     Code = "cert.window"
	CertUnknown    Code = "cert.unknown"
	CertExpired    Code = "cert.expired"
	ChainInvalid   Code = "chain.invalid"
	ChainLimit     Code = "chain.limit"
	TimeFuture     Code = "time.future"
	TimeExpired    Code = "time.expired"
	VersionUnknown Code = "version.unknown"
	AlgUnknown     Code = "alg.unknown"
	ClaimUnknown   Code = "claim.unknown"
	KindUnknown    Code = "kind.unknown"
	KindSize       Code = "kind.size"
	DupHeld        Code = "dup.held"
	LogFork        Code = "log.fork"
	RateForwarder  Code = "rate.forwarder"
	RatePublisher  Code = "rate.publisher"
	OrgBlocked     Code = "org.blocked"
	ProofInvalid   Code = "proof.invalid"
	// ForkInvalid is the reason of a fork record whose bytes show no fork.
	ForkInvalid Code = "fork.invalid"
	// KeyRevoked is the reason of a record above the position at which its key was revoked.
	KeyRevoked Code = "key.revoked"
	// StatusOld is the reason of a status that is older than the one held, or jumps too far ahead.
	StatusOld Code = "status.old"
	// InviteInvalid is the reason of an invitation that cannot be read, is over or was used.
	InviteInvalid Code = "invite.invalid"
	// BundleDamaged is the reason of a part of a bundle that cannot be read or is not what was signed.
	BundleDamaged Code = "bundle.damaged"
	// BundleLocked is the reason of a bundle that no key at hand opens.
	BundleLocked Code = "bundle.locked"
	// SyncMessage is the reason of a reconciliation message that breaks the protocol.
	SyncMessage Code = "sync.message"
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
	STIXPublished Code = "stix.published"
	PatternSyntax Code = "pattern.syntax"
	PatternLimit  Code = "pattern.limit"
)

// The codes of belief, release and the node itself.
const (
	TrustUnknown Code = "trust.unknown"
	TrustFile    Code = "trust.file"
	// OrgDisputed, OrgStale and OrgTripped keep an organisation out of automation:
	// two roots of one version, no status for a week, a circuit breaker.
	OrgDisputed Code = "org.disputed"
	OrgStale    Code = "org.stale"
	OrgTripped  Code = "org.tripped"
	// KeyRolledBack is the reason of what an operator rolled back.
	KeyRolledBack Code = "key.rolledback"
	// KeyStopped is the reason of a node that no longer signs: its key log went on elsewhere.
	KeyStopped Code = "key.stopped"
	// WarnHard is the reason of an object that names a value which must never be blocked.
	WarnHard Code = "warn.hard"
	WarnFile Code = "warn.file"
	// QuarantineFull is the reason of a stranger's record that found the quarantine full.
	QuarantineFull Code = "quarantine.full"
	// QuarantineExpired is the reason of a record that nobody took out of quarantine in time.
	QuarantineExpired Code = "quarantine.expired"
	// ApprovalNeeded is the reason of a change that a second person must approve.
	ApprovalNeeded Code = "approval.needed"
	AuditDamaged   Code = "audit.damaged"
	TLPHeader      Code = "tlp.header"
	// OperatorRejected is the reason of what a person took out of quarantine for good.
	OperatorRejected Code = "operator.rejected"
	// ObjectErased is the reason of what was erased here, ObjectMissing of what was gone when it came.
	ObjectErased  Code = "object.erased"
	ObjectMissing Code = "object.missing"
	OutTLP        Code = "out.tlp"
	OutAudience   Code = "out.audience"
	GossipSize    Code = "gossip.size"
	StoreDamaged  Code = "store.damaged"
	// StateDamaged is the reason of a file outside the store, of this node's own, that is not what was written.
	StateDamaged Code = "state.damaged"
	StoreFull    Code = "store.full"
	// StoreVersion is the reason of a store that a newer program wrote.
	StoreVersion Code = "store.version"
	NodeStarting Code = "node.starting"
	NodeRunning  Code = "node.running"
	KeyFile      Code = "key.file"
	// KeyAbsent is the reason of work that needs a key which is not on this node.
	KeyAbsent     Code = "key.absent"
	IdentityFile  Code = "identity.file"
	NodeExists    Code = "node.exists"
	NodeNotFound  Code = "node.absent"
	NotFound      Code = "not.found"
	Ambiguous     Code = "id.ambiguous"
	UsageInvalid  Code = "usage.invalid"
	ConfigInvalid Code = "config.invalid"
	SocketPath    Code = "socket.path"
	PeerDial      Code = "peer.dial"
	// PeerUnsupported is the reason of a question that the peer's version does not know.
	PeerUnsupported Code = "peer.unsupported"
	Conflict        Code = "conflict"
	Internal        Code = "internal"
	AccessDenied    Code = "access.denied"
	// LoginRequired, LoginExpired and RoleDenied are the reasons of a request at the admin port by nobody, by
	// somebody whose token or session is over, and by somebody who may not do that.
	LoginRequired Code = "login.required"
	LoginExpired  Code = "login.expired"
	RoleDenied    Code = "role.denied"
	// HostUnknown and OriginForeign are the reasons of a request that a web page elsewhere may have caused.
	HostUnknown   Code = "host.unknown"
	OriginForeign Code = "origin.foreign"
	// StateChanged is the reason of a change to something that is no longer as the client saw it, StateUnseen of one
	// whose client does not say what it saw.
	StateChanged Code = "state.changed"
	StateUnseen  Code = "state.unseen"
	// KeyReused is the reason of an idempotency key that came with another request before.
	KeyReused Code = "key.reused"
	// RequestRate is the reason of one request too many.
	RequestRate Code = "request.rate"
	// MediaType is the reason of a body of another kind than the resource takes, MethodUnknown of a method that it does not have.
	MediaType     Code = "media.type"
	MethodUnknown Code = "method.unknown"
	TimedOut      Code = "timed.out"
	Interrupted   Code = "interrupted"
	InputSize     Code = "input.size"
	// OutputLost is the reason of an answer that could not be written to its end.
	OutputLost Code = "output.lost"
	// BackupDamaged is the reason of a backup that is not what was written, BackupKey of one that the given key does not open.
	BackupDamaged Code = "backup.damaged"
	BackupKey     Code = "backup.key"
)
