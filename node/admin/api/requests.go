package api

import "time"

// Limits of the admin port, for both sides.
const (
	// MaxCheckValues is how many values one call of check takes.
	MaxCheckValues = 10_000
	// MaxPublishBytes bounds one file that is published; it is held in memory while it is packed.
	MaxPublishBytes = 512 << 20
	// MaxPage is the largest page of a list, DefaultPage what is given unasked.
	MaxPage     = 1_000
	DefaultPage = 100
	// MaxHold is the longest undo window: the file waits in memory.
	MaxHold = time.Hour
)

// PeerRequest adds a peer.
type PeerRequest struct {
	// Addr is a full multiaddr, with /p2p/.
	Addr string `json:"addr" minLength:"1" maxLength:"512"`
}

// CheckRequest asks about values as typed; defanged ones are fine.
type CheckRequest struct {
	Values []string `json:"values" minItems:"1" maxItems:"10000"`
}

// Removed names what was taken out.
type Removed struct {
	Removed string `json:"removed"`
}

// Decision is the operator's word on something held.
type Decision struct {
	// Subject is a record id, RECORD#INDEX, or a STIX id; unique prefixes of 8 or more serve.
	Subject string `json:"subject,omitempty" maxLength:"512"`
	// Org and Code choose all that a publisher sent, or all that is held for a reason, in place of a Subject.
	Org  string `json:"org,omitempty" maxLength:"512"`
	Code string `json:"code,omitempty" maxLength:"64"`
	// Accept takes it out of quarantine; else it is dropped for good.
	Accept bool `json:"accept"`
	// Reason is kept with the decision.
	Reason string `json:"reason,omitempty" maxLength:"1000"`
}

// HeldParams says what of the quarantine to list; empty fields do not restrict.
type HeldParams struct {
	// Org is a publisher, Code a reason code, Query part of an id, type or value.
	Org, Code, Query string
	Cursor           string
	Limit            int
}

// Ref points at one object in a record; Index is -1 for the whole record.
type Ref struct {
	Record string `json:"record"`
	Index  int    `json:"index"`
}

// Decided says what a Decision was about.
type Decided struct {
	Accepted bool  `json:"accepted"`
	Items    []Ref `json:"items"`
	// More is true when a batch was cut: decide again for the rest.
	More bool `json:"more,omitempty"`
}

// SearchParams says what to look for; empty fields do not restrict.
type SearchParams struct {
	// Query is a value, or text that stands in the object, in any case.
	Query string
	// Type is a STIX type, Topic a topic, Org an organisation's id or unique prefix.
	Type, Topic, Org string
	// State is accepted, held or not-evaluated.
	State string
	// Since and Until bound the record's time of creation.
	Since, Until time.Time
	Limit        int
	Cursor       string
}

// Record is one record as this node holds it, with what stands in it.
type Record struct {
	ID      string `json:"id"`
	Org     string `json:"org"`
	Petname string `json:"petname"`
	Level   string `json:"level"`
	Kind    int    `json:"kind"`
	Topic   string `json:"topic"`
	// Key is the record key that signed, "" when its certificate is not known any more.
	Key      string       `json:"key,omitempty"`
	Sequence uint64       `json:"sequence"`
	Previous string       `json:"previous,omitempty"`
	Created  time.Time    `json:"created"`
	Expires  time.Time    `json:"expires"`
	Received time.Time    `json:"received"`
	From     string       `json:"from"`
	TLP      string       `json:"tlp"`
	Upstream string       `json:"upstream,omitempty"`
	State    string       `json:"state"`
	Reason   string       `json:"reason,omitempty"`
	Bytes    int          `json:"bytes"`
	Objects  []RecordItem `json:"objects"`
}

// RecordItem is one object of a Record.
type RecordItem struct {
	Index  int    `json:"index"`
	ID     string `json:"id"`
	Type   string `json:"type"`
	State  string `json:"state"`
	Reason string `json:"reason,omitempty"`
}

// PublishLine is one line of a publication's progress stream (NDJSON): progress
// as often as there is some, then exactly one result or problem.
type PublishLine struct {
	Progress *Progress      `json:"progress,omitempty"`
	Result   *PublishResult `json:"result,omitempty"`
	Problem  *Problem       `json:"problem,omitempty"`
}

// MediaNDJSON is the media type of a stream of JSON lines.
const MediaNDJSON = "application/x-ndjson"
