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

// Status is what a node says of itself. State is "starting" or "running".
type Status struct {
	Org     string   `json:"org"`
	Node    string   `json:"node"`
	PeerID  string   `json:"peer_id"`
	Name    string   `json:"name"`
	Country string   `json:"country"`
	Words   []string `json:"words"`
	Addrs   []string `json:"addrs"`
	// Admin are the addresses of the admin port besides the socket, as IP:PORT.
	Admin []string `json:"admin"`
	// Peers are connected, Unreached are kept and are not.
	Peers     int      `json:"peers"`
	Unreached int      `json:"unreached"`
	Topics    []string `json:"topics"`
	// Records and Objects count what is accepted, Held held objects.
	Records int `json:"records"`
	Objects int `json:"objects"`
	Held    int `json:"held"`
	// Waiting counts records that wait: for a chain, or (too large for gossip) for catch-up.
	Waiting int    `json:"waiting"`
	State   string `json:"state"`
	// Stopped says why this node does not sign, "" when it does.
	Stopped string    `json:"stopped,omitempty"`
	Network string    `json:"network"`
	Version string    `json:"version"`
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
	ID        string   `json:"id"`
	Org       string   `json:"org,omitempty"`
	Petname   string   `json:"petname,omitempty"`
	Level     string   `json:"level"`
	Addrs     []string `json:"addrs"`
	Connected bool     `json:"connected"`
	Kept      bool     `json:"kept"`
	Score     float64  `json:"score"`
	Topics    int      `json:"topics"`
	Mesh      int      `json:"mesh"`
	LatencyMS float64  `json:"latency_ms"`
	Rejected  int      `json:"rejected"`
	// KeptBack counts records that it kept to itself in the last hour or two.
	KeptBack int    `json:"kept_back"`
	State    string `json:"state"`
}

// Topic is one topic, joined or not.
type Topic struct {
	Name     string `json:"name"`
	Joined   bool   `json:"joined"`
	Peers    int    `json:"peers"`
	Mesh     int    `json:"mesh"`
	Received uint64 `json:"received"`
	Rejected uint64 `json:"rejected"`
	Ignored  uint64 `json:"ignored"`
}

// TrustEntry is one line of the trust list.
type TrustEntry struct {
	Org     string   `json:"org"`
	Petname string   `json:"petname"`
	Level   string   `json:"level"`
	Topics  []string `json:"topics,omitempty"`
	Expires string   `json:"expires"` // YYYY-MM-DD
	Reason  string   `json:"reason,omitempty"`
	// Automation names the kinds of observables on which machines may act by its word; "none" takes
	// all away. MaxPerDay bounds how many a day.
	Automation []string `json:"automation,omitempty" maxItems:"20"`
	MaxPerDay  int      `json:"max_per_day,omitempty" minimum:"0"`
	// MayVouch is how many organisations it may vouch for, -1 takes the right away.
	MayVouch int `json:"may_vouch,omitempty" minimum:"-1"`
	// VouchedBy is who gives an unlisted organisation its level; answer only.
	VouchedBy string `json:"vouched_by,omitempty"`
	// Demoted says where the node lowered it until a person sets the entry: "fraud: partner (why)"; answer only.
	Demoted []string `json:"demoted,omitempty"`
	// Effective is the level in force now (expiry applied); answer only.
	Effective string `json:"effective,omitempty"`
	// Name and Country are what the organisation says of itself, not identity; answer only.
	Name    string `json:"name,omitempty"`
	Country string `json:"country,omitempty"`
	// Words are the eight words of the fingerprint; answer only.
	Words []string `json:"words,omitempty"`
}

// PublishParams says how to publish; the body of the request is the STIX itself.
type PublishParams struct {
	Topic string
	// TLP is "clear" or "green"; others are refused by the guard.
	TLP string
	// Confidence is 0..100, -1 for none.
	Confidence int
	// ValidFor is how long silent indicators hold, 0 for none.
	ValidFor time.Duration
	Hold     time.Duration
	Producer string
	Upstream string
}

// PublishResult names what went out and what did not.
type PublishResult struct {
	Records []string  `json:"records"`
	Objects int       `json:"objects"`
	Skipped []Skipped `json:"skipped"`
	Invalid int       `json:"invalid"`
	Denied  int       `json:"denied"`
	Waiting int       `json:"waiting"`
	// Upgraded counts objects that came as STIX 2.0 and were made 2.1 before anything was signed.
	Upgraded int `json:"upgraded"`
}

// Skipped names one object that did not go out.
type Skipped struct {
	ID     string `json:"id"`
	Code   string `json:"code"`
	Reason string `json:"reason"`
}

// Progress is a sign of life during long work.
type Progress struct {
	Done  int `json:"done"`
	Total int `json:"total"`
}

// CheckItem is what the node believes about one value.
type CheckItem struct {
	Value string `json:"value"` // as asked
	Type  string `json:"type"`
	// Normal is the value's normal form.
	Normal string `json:"normal"`
	// Verdict is malicious, suspicious, known, allowed, expired or unknown.
	Verdict string `json:"verdict"`
	Score   int    `json:"score"`
	// State is accepted, held, disputed, withdrawn, refused, not-evaluated or none.
	State   string   `json:"state"`
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
	Org        string    `json:"org"`
	Petname    string    `json:"petname"`
	Level      string    `json:"level"`
	Object     string    `json:"object"`
	Record     string    `json:"record"`
	Created    time.Time `json:"created"`
	Confidence int       `json:"confidence"` // the undecayed claim, -1 when silent
	State      string    `json:"state"`
	ValidUntil time.Time `json:"valid_until,omitzero"`
	Topic      string    `json:"topic"`
	TLP        string    `json:"tlp"`
}

// Explanation is the arithmetic behind a score; numbers are fractions of 1
// except Score and Claimed (0..100), so that it can be recomputed by hand.
type Explanation struct {
	Value   string   `json:"value"`
	Verdict string   `json:"verdict"`
	State   string   `json:"state"`
	Score   int      `json:"score"`
	Gate    int      `json:"gate"`
	Support float64  `json:"support"`
	Refute  float64  `json:"refute"`
	Terms   []Term   `json:"terms"`
	Why     []string `json:"why"`
	// Values explains each value that a STIX id names, when there are several; the
	// fields above are then those of the strongest.
	Values []Explanation `json:"values,omitempty"`
	// Opinions, Warning and Automation are those of a CheckItem.
	Opinions   []Opinion   `json:"opinions,omitempty"`
	Warning    *Warning    `json:"warning,omitempty"`
	Automation *Automation `json:"automation,omitempty"`
	// Ledger has one line per organisation and topic with a ledger, Barred one per organisation that is
	// out of automation.
	Ledger []LedgerLine `json:"ledger,omitempty"`
	Barred []BarredLine `json:"barred,omitempty"`
}

// Term is one voice in an Explanation: v = weight * q * min(claimed,95)/100 * decay.
type Term struct {
	Org     string  `json:"org"`
	Petname string  `json:"petname"`
	Group   string  `json:"group"`
	Level   string  `json:"level"`
	Weight  float64 `json:"weight"`
	Q       float64 `json:"q"`
	Claimed int     `json:"claimed"`
	Decay   float64 `json:"decay"`
	V       float64 `json:"v"`
	Counted bool    `json:"counted"`
	Refutes bool    `json:"refutes"`
	Why     string  `json:"why,omitempty"`
	Object  string  `json:"object"`
	Record  string  `json:"record"`
	// Barred is why the organisation is out of automation, so that it counts as an observed one.
	Barred string `json:"barred,omitempty"`
}

// Object is one version of one object as this node holds it.
type Object struct {
	ID       string    `json:"id"`
	Type     string    `json:"type"`
	Name     string    `json:"name,omitempty"` // what its author calls it, shortened; in lists only
	Org      string    `json:"org"`
	Petname  string    `json:"petname"`
	Level    string    `json:"level"`
	Record   string    `json:"record"`
	Index    int       `json:"index"`
	Topic    string    `json:"topic"`
	TLP      string    `json:"tlp"`
	State    string    `json:"state"`
	Reason   string    `json:"reason,omitempty"`
	Modified time.Time `json:"modified"`
	Created  time.Time `json:"created"`
	Received time.Time `json:"received"`
	From     string    `json:"from"`
	Values   []Value   `json:"values"`
	// Versions counts what is held under this id: versions, and other organisations' voices; absent in lists.
	Versions int `json:"versions,omitempty"`
	// STIX is the object as published, but for white space; the exact bytes come from the raw endpoint.
	STIX json.RawMessage `json:"stix,omitempty"`
}

// Value is a value an object can be looked up by.
type Value struct {
	Type  string `json:"type"`
	Value string `json:"value"`
}

// Event is one entry of the change sequence.
type Event struct {
	Seq     uint64    `json:"seq"`
	At      time.Time `json:"at"`
	Kind    string    `json:"kind"`
	Record  string    `json:"record"`
	Org     string    `json:"org"`
	Petname string    `json:"petname"`
	Topic   string    `json:"topic"`
	Objects int       `json:"objects"`
	Reason  string    `json:"reason,omitempty"`
	// Types, TLP and Score are what the objects are; in a stream only that is filtered by them, and as far as they are known.
	Types []string `json:"types,omitempty"`
	TLP   string   `json:"tlp,omitempty"`
	Score *int     `json:"score,omitempty"`
}

// HeldItem is one held object.
type HeldItem struct {
	Record  string    `json:"record"`
	Index   int       `json:"index"`
	Object  string    `json:"object"`
	Type    string    `json:"type"`
	Org     string    `json:"org"`
	Petname string    `json:"petname"`
	Reason  string    `json:"reason"`
	Whole   bool      `json:"whole"` // the whole record is held
	Since   time.Time `json:"since"`
	From    string    `json:"from"`
	Values  []Value   `json:"values"`
}

// List is every list's shape: a page and the cursor to go on with.
type List[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty"`
	// Unreadable counts what stands in this page's place but could not be read and is left out.
	Unreadable int `json:"unreadable,omitempty"`
}

// Problem is an error (RFC 9457) with the reason code, who is to blame and what to do.
type Problem struct {
	Type   string `json:"type,omitempty"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Code   string `json:"code"`
	Fix    string `json:"fix"`
	Blame  string `json:"blame"`
}

// Error gives the particulars and the remedy.
func (p *Problem) Error() string { return p.Detail }
