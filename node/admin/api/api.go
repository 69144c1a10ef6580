// Package api is the admin port's contract: request and response types, and the
// client that the command line uses. It imports no server code. Field names
// are append-only within a major version.
package api

import (
	"encoding/json"
	"time"
)

// The states of a node.
const (
	StateStarting = "starting"
	StateRunning  = "running"
)

// Status is what a node says of itself.
type Status struct {
	// Org is this node's organisation: sha256: and 64 hex digits.
	Org string `json:"org"`
	// Node is the id of this node's record key.
	Node string `json:"node"`
	// PeerID is the node's id in the mesh.
	PeerID string `json:"peer_id"`
	// Name is what the organisation calls itself.
	Name string `json:"name"`
	// Country is the organisation's country, two letters (ISO 3166).
	Country string `json:"country"`
	// Words are the eight words of the organisation's fingerprint, to be compared by voice.
	Words []string `json:"words"`
	// Addrs are the addresses that the node listens at in the mesh, as full multiaddrs; none while it starts.
	Addrs []string `json:"addrs"`
	// Admin are the addresses of the admin port besides the socket, as IP:PORT.
	Admin []string `json:"admin"`
	// Peers counts the connected peers.
	Peers int `json:"peers"`
	// Unreached counts the peers that are kept and not connected now.
	Unreached int `json:"unreached"`
	// Topics are the joined topics.
	Topics []string `json:"topics"`
	// Records counts the accepted records.
	Records int `json:"records"`
	// Objects counts the accepted objects.
	Objects int `json:"objects"`
	// Held counts the objects in quarantine.
	Held int `json:"held"`
	// Waiting counts records that wait: for a chain, or (too large for gossip) for catch-up.
	Waiting int `json:"waiting"`
	// State is one of starting, running and degraded (without its store). While it is starting the figures are 0.
	State string `json:"state"`
	// Stopped says why this node does not sign, "" when it does.
	Stopped string `json:"stopped,omitempty"`
	// Network is the name of the federation's network.
	Network string `json:"network"`
	// Version is the program's version.
	Version string `json:"version"`
	// Started is when the node was started.
	Started time.Time `json:"started"`
	// Space is how much room the disk has, absent where the store is in memory.
	Space *Space `json:"space,omitempty"`
	// Backup is how the backups stand, absent where there are none.
	Backup *BackupStatus `json:"backup,omitempty"`
	// Scrub is what the last look at the whole store found.
	Scrub *Scrub `json:"scrub,omitempty"`
	// Sync is catch-up, absent where there is none.
	Sync *SyncBrief `json:"sync,omitempty"`
	// Judging is the background judgement, absent before the first.
	Judging *Judging `json:"judging,omitempty"`
	// Behind counts changes that the scorecards have not looked at yet.
	Behind uint64 `json:"behind"`
}

// Peer is one peer, connected or kept.
type Peer struct {
	// ID is the peer's id in the mesh.
	ID string `json:"id"`
	// Org is its organisation, absent until the peer has said so.
	Org string `json:"org,omitempty"`
	// Petname is what the trust list calls the organisation, absent for none.
	Petname string `json:"petname,omitempty"`
	// Level is how far its organisation is trusted here now; unknown while that is not known.
	Level string `json:"level"`
	// Addrs are its addresses as multiaddrs, without its id.
	Addrs []string `json:"addrs"`
	// Connected is true while there is a connection.
	Connected bool `json:"connected"`
	// Kept is true for a peer that was added and is dialled again when it is lost.
	Kept bool `json:"kept"`
	// Score is its score in gossip: below 0 it is trusted less with each fault, and at last not listened to.
	Score float64 `json:"score"`
	// Topics counts the topics that both have joined.
	Topics int `json:"topics"`
	// Mesh counts those of them on which records flow unasked.
	Mesh int `json:"mesh"`
	// LatencyMS is the round trip in milliseconds, 0 where none was measured.
	LatencyMS float64 `json:"latency_ms"`
	// Rejected counts invalid messages that came from it.
	Rejected int `json:"rejected"`
	// KeptBack counts records that it kept to itself in the last hour or two.
	KeptBack int `json:"kept_back"`
	// State is "connected", or "not connected" and why, in a sentence for people.
	State string `json:"state"`
}

// Topic is one topic, joined or not.
type Topic struct {
	// Name is the topic's name.
	Name string `json:"name"`
	// Joined is true when the node takes part in it; else all counts are 0.
	Joined bool `json:"joined"`
	// Peers counts the connected peers that have joined it.
	Peers int `json:"peers"`
	// Mesh counts those of them with which records flow unasked.
	Mesh int `json:"mesh"`
	// Received counts the messages that came on it since the start.
	Received uint64 `json:"received"`
	// Rejected counts those that were refused for their sender's fault.
	Rejected uint64 `json:"rejected"`
	// Ignored counts those that were dropped for nobody's fault, such as copies.
	Ignored uint64 `json:"ignored"`
}

// TrustEntry is one line of the trust list.
type TrustEntry struct {
	// Org is the organisation: its full id. In a request a unique beginning of 8 hex digits or more, or a petname, serves too.
	Org string `json:"org"`
	// Petname is what it is called here. "" in a change leaves it as it is; an organisation that is not listed has none.
	Petname string `json:"petname"`
	// Level is one of blocked, observed, partner or anchor; "" in a change leaves it as it is. An answer has unknown for one that is not listed.
	Level string `json:"level"`
	// Topics narrow the entry to these topics ("*" for all). In a change they replace all topics and topic levels of the entry; absent they stay.
	Topics []string `json:"topics,omitempty"`
	// Expires is the last day of the entry, YYYY-MM-DD. "" in a change leaves it as it is; an organisation that is not listed has none.
	Expires string `json:"expires"`
	// Reason is why, for the audit log and the entry. Absent in a change the entry's own reason stays.
	Reason string `json:"reason,omitempty"`
	// Automation names the kinds of observables on which machines may act by its word, such as domain; ["none"] takes all away. Absent in a change
	// it stays.
	Automation []string `json:"automation,omitempty" maxItems:"20"`
	// MaxPerDay bounds on how many values a day machines act by its word; 500 where automation is first given without it, 0 leaves it as it is.
	MaxPerDay int `json:"max_per_day,omitempty" minimum:"0"`
	// MayVouch is how many organisations it may vouch for; -1 takes the right away, 0 leaves it as it is.
	MayVouch int `json:"may_vouch,omitempty" minimum:"-1"`
	// VouchedBy is who gives an unlisted organisation its level; answer only.
	VouchedBy string `json:"vouched_by,omitempty"`
	// Demoted says where the node lowered it until a person sets the entry: "fraud: partner (why)"; answer only.
	Demoted []string `json:"demoted,omitempty"`
	// Effective is the level in force now (expiry applied); answer only.
	Effective string `json:"effective,omitempty"`
	// Name is what the organisation says that it is called, which proves nothing; answer only.
	Name string `json:"name,omitempty"`
	// Country is where it says that it is, two letters; answer only.
	Country string `json:"country,omitempty"`
	// Words are the eight words of the fingerprint; answer only.
	Words []string `json:"words,omitempty"`
}

// CheckItem is what the node believes about one value.
type CheckItem struct {
	// Value is the value as it was asked.
	Value string `json:"value"`
	// Type is the kind of observable that it was taken for, such as domain or ipv4; text for what is none.
	Type string `json:"type"`
	// Normal is the value's normal form.
	Normal string `json:"normal"`
	// Verdict is one of malicious, suspicious, known, allowed, expired or unknown.
	Verdict string `json:"verdict"`
	// Score is the displayed score, 0 to 100. What machines go by is the gate score, which an explanation names.
	Score int `json:"score"`
	// State is one of accepted, held, disputed, withdrawn, refused, not-evaluated or none.
	State string `json:"state"`
	// Sources are the voices that name the value, the strongest first; empty for an unknown one.
	Sources []Source `json:"sources"`
	// Omitted counts more objects of strangers, held in quarantine, that were not looked at.
	Omitted int `json:"omitted,omitempty"`
	// Opinions are opinions and sightings about what the sources say.
	Opinions []Opinion `json:"opinions,omitempty"`
	// Warning is the strongest warning list that names the value.
	Warning *Warning `json:"warning,omitempty"`
	// Automation is absent for what nobody names.
	Automation *Automation `json:"automation,omitempty"`
}

// Source is one voice about a value.
type Source struct {
	// Org is the organisation that says it: sha256: and 64 hex digits.
	Org string `json:"org"`
	// Petname is what the trust list calls it, empty for a stranger.
	Petname string `json:"petname"`
	// Level is how far it is trusted here now, on this topic.
	Level string `json:"level"`
	// Object is the STIX id of the object that says it.
	Object string `json:"object"`
	// Record is the id of the record that the object stands in.
	Record string `json:"record"`
	// Created is when the record was signed, by its author's clock.
	Created time.Time `json:"created"`
	// Confidence is what the author claims, 0 to 100, before any decay; -1 where it claims nothing.
	Confidence int `json:"confidence"`
	// State is one of accepted, held, not-evaluated, withdrawn, refused or expired.
	State string `json:"state"`
	// ValidUntil is when the claim ends by its author's word; absent where it says nothing.
	ValidUntil time.Time `json:"valid_until,omitzero"`
	// Topic is the topic that it stands on.
	Topic string `json:"topic"`
	// TLP is the record's marking, such as TLP:GREEN.
	TLP string `json:"tlp"`
}

// Explanation is the arithmetic behind a score, so that it can be recomputed by hand; numbers are fractions of 1, but
// scores and what is claimed (0..100).
type Explanation struct {
	// Value is the value or STIX id that is explained.
	Value string `json:"value"`
	// Verdict is one of malicious, suspicious, known, allowed, expired or unknown.
	Verdict string `json:"verdict"`
	// State is one of accepted, held, disputed, withdrawn, refused, not-evaluated or none.
	State string `json:"state"`
	// Score is the displayed score, 0 to 100.
	Score int `json:"score"`
	// Gate is the score that machines and thresholds go by, 0 to 100: only partners, anchors and the own organisation count in it.
	Gate int `json:"gate"`
	// Support is what speaks for it, 0 to 1, put together of the counted terms.
	Support float64 `json:"support"`
	// Refute is what speaks against it, 0 to 1.
	Refute float64 `json:"refute"`
	// Terms are the voices, counted ones first, the strongest first.
	Terms []Term `json:"terms"`
	// Why says in sentences what led to the verdict.
	Why []string `json:"why"`
	// Values explains each value that a STIX id names, when there are several; the
	// fields above are then those of the strongest.
	Values []Explanation `json:"values,omitempty"`
	// Opinions are opinions and sightings about what the sources say.
	Opinions []Opinion `json:"opinions,omitempty"`
	// Warning is the strongest warning list that names the value; absent for none.
	Warning *Warning `json:"warning,omitempty"`
	// Automation says whether machines may act on the value; absent for what nobody names.
	Automation *Automation `json:"automation,omitempty"`
	// Ledger has a line per organisation and topic that has a record of confirmed and refuted values.
	Ledger []LedgerLine `json:"ledger,omitempty"`
	// Barred has a line per organisation that is out of automation.
	Barred []BarredLine `json:"barred,omitempty"`
}

// Term is one voice in an Explanation: v = weight * q * min(claimed,95)/100 * decay.
type Term struct {
	// Org is the organisation that speaks: sha256: and 64 hex digits.
	Org string `json:"org"`
	// Petname is what the trust list calls it, empty for a stranger.
	Petname string `json:"petname"`
	// Group is the voice group: organisations that have it from the same source count once.
	Group string `json:"group"`
	// Level is how far it is trusted here now, on this topic.
	Level string `json:"level"`
	// Weight is the weight of the level, 0 to 1.
	Weight float64 `json:"weight"`
	// Q is the factor that its past work earned, 0 to 1.
	Q float64 `json:"q"`
	// Claimed is the confidence that it claims, 0 to 100; more than 95 counts as 95.
	Claimed int `json:"claimed"`
	// Decay is what time has left of the claim, 0 to 1.
	Decay float64 `json:"decay"`
	// V is the product: weight * q * min(claimed,95)/100 * decay.
	V float64 `json:"v"`
	// Counted is true when the term is part of the score.
	Counted bool `json:"counted"`
	// Refutes is true when it speaks against.
	Refutes bool `json:"refutes"`
	// Why says why it is not counted; absent when it is.
	Why string `json:"why,omitempty"`
	// Object is the STIX id of the object that says it.
	Object string `json:"object"`
	// Record is the id of the record that the object stands in.
	Record string `json:"record"`
	// Barred is why the organisation is out of automation, so that it counts as an observed one.
	Barred string `json:"barred,omitempty"`
}

// Object is one version of one object as this node holds it.
type Object struct {
	// ID is the STIX id.
	ID string `json:"id"`
	// Type is the STIX type, such as indicator.
	Type string `json:"type"`
	// Name is what its author calls it, shortened to 200 characters; in lists only, and absent where it has none.
	Name string `json:"name,omitempty"`
	// Org is the organisation that signed it: sha256: and 64 hex digits.
	Org string `json:"org"`
	// Petname is what the trust list calls that organisation, empty for a stranger.
	Petname string `json:"petname"`
	// Level is how far that organisation is trusted here now, on this topic.
	Level string `json:"level"`
	// Record is the id of the record that it stands in.
	Record string `json:"record"`
	// Index is its place in the record, from 0. RECORD#INDEX names it in every parameter that takes an object.
	Index int `json:"index"`
	// Topic is the topic that it stands on.
	Topic string `json:"topic"`
	// TLP is the record's marking, such as TLP:GREEN.
	TLP string `json:"tlp"`
	// State is one of accepted, held, not-evaluated, withdrawn or refused.
	State string `json:"state"`
	// Reason is the reason code of the state; absent for accepted ones.
	Reason string `json:"reason,omitempty"`
	// Modified is the object's modified time, by its author: which version it is.
	Modified time.Time `json:"modified"`
	// Created is when the record was signed, by its author's clock.
	Created time.Time `json:"created"`
	// Received is when the record came here.
	Received time.Time `json:"received"`
	// From is the peer that brought the record, or "local" for what was published here.
	From string `json:"from"`
	// Values are the values that it can be looked up by.
	Values []Value `json:"values"`
	// Versions counts what is held under this id: versions, and other organisations' voices; absent in lists.
	Versions int `json:"versions,omitempty"`
	// STIX is the object as published, but for white space; the exact bytes come from the raw endpoint.
	STIX json.RawMessage `json:"stix,omitempty"`
}

// Value is a value an object can be looked up by.
type Value struct {
	// Type is the kind of observable: asn, cidr, domain, email, ipv4, ipv6, mac, md5, object, sha1, sha256, sha512, text or url.
	Type string `json:"type"`
	// Value is the value in its normal form.
	Value string `json:"value"`
}

// Event is one entry of the change sequence.
type Event struct {
	// Seq is the number of the change; it only grows.
	Seq uint64 `json:"seq"`
	// At is when it happened here.
	At time.Time `json:"at"`
	// Kind is one of accepted, held, released, rejected, expired, judged or erased. A gap has the kind "gap".
	Kind string `json:"kind"`
	// Record is the id of the record that it is about.
	Record string `json:"record"`
	// Org is the organisation that signed the record: sha256: and 64 hex digits.
	Org string `json:"org"`
	// Petname is what the trust list calls that organisation, empty for a stranger.
	Petname string `json:"petname"`
	// Topic is the topic that the record stands on.
	Topic string `json:"topic"`
	// Objects counts the objects that it is about.
	Objects int `json:"objects"`
	// Reason is the reason code; absent where there is none.
	Reason string `json:"reason,omitempty"`
	// Types are the STIX types of the objects; only in a stream that is filtered by what objects are, as far as they are known.
	Types []string `json:"types,omitempty"`
	// TLP is the marking, such as TLP:GREEN; only in such a stream.
	TLP string `json:"tlp,omitempty"`
	// Score is the highest score of the values that the record names; only in a stream that is filtered by it.
	Score *int `json:"score,omitempty"`
}

// HeldItem is one held object.
type HeldItem struct {
	// Record is the id of the record that it stands in.
	Record string `json:"record"`
	// Index is its place in the record, from 0.
	Index int `json:"index"`
	// Object is the STIX id of the object.
	Object string `json:"object"`
	// Type is its STIX type.
	Type string `json:"type"`
	// Org is the organisation that signed it: sha256: and 64 hex digits.
	Org string `json:"org"`
	// Petname is what the trust list calls that organisation, empty for a stranger.
	Petname string `json:"petname"`
	// Reason is the reason code for which it is held.
	Reason string `json:"reason"`
	// Whole is true when the whole record is held: a decision then names the record, not the object.
	Whole bool `json:"whole"`
	// Since is when it was put into quarantine.
	Since time.Time `json:"since"`
	// From is the peer that brought the record, or "local".
	From string `json:"from"`
	// Values are the values that it names.
	Values []Value `json:"values"`
}

// List is every list's shape: one page, and the cursor to go on with.
type List[T any] struct {
	// Items are the page's items, never null.
	Items []T `json:"items"`
	// Next is the cursor of the next page; absent on the last.
	Next string `json:"next,omitempty"`
	// Unreadable counts what stands in this page's place but could not be read and is left out.
	Unreadable int `json:"unreadable,omitempty"`
}

// Problem is an error (RFC 9457) with the reason code, who is to blame and what to do.
type Problem struct {
	// Type names the kind of problem: "urn:tocsin:reason:" and the code. It leads nowhere.
	Type string `json:"type,omitempty"`
	// Title says in English what the code means, the same each time.
	Title string `json:"title"`
	// Status is the HTTP status. In a stream that has begun it is the one that the answer would have had.
	Status int `json:"status"`
	// Detail says what was attempted and what came of it, for this request.
	Detail string `json:"detail"`
	// Code is the reason code, to branch on. GET /reasons lists all of them.
	Code string `json:"code"`
	// Fix says what to do; "" where nothing helps.
	Fix string `json:"fix"`
	// Operation is the id of the operation in this description that says what is possible here, where fix speaks of it.
	Operation string `json:"operation,omitempty"`
	// Blame is whose doing it is: sender, us or nobody.
	Blame string `json:"blame"`
	// RetryAfter is when the same request may be sent again, 0 where time alone changes nothing: the header Retry-After.
	RetryAfter time.Duration `json:"-"`
}

// Error gives the particulars and the remedy.
func (p *Problem) Error() string { return p.Detail }
