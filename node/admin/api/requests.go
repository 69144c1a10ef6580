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
	// Values are the values as typed, of any kind; defanged ones (hxxp, [.]) are fine.
	Values []string `json:"values" minItems:"1" maxItems:"10000"`
}

// Removed names what was taken out.
type Removed struct {
	// Removed is the full id of what was taken out.
	Removed string `json:"removed"`
}

// Decision is the operator's word on something held.
type Decision struct {
	// Subject is a record id, RECORD#INDEX, or a STIX id; unique prefixes of 8 or more serve.
	Subject string `json:"subject,omitempty" maxLength:"512"`
	// Org chooses all that a publisher sent, in place of a subject: petname, id or a unique beginning of it. It takes a reason.
	Org string `json:"org,omitempty" maxLength:"512"`
	// Code chooses all that is held for a reason code, in place of a subject; with org both must hold. It takes a reason.
	Code string `json:"code,omitempty" maxLength:"64"`
	// Accept takes it out of quarantine; else it is dropped for good.
	Accept bool `json:"accept"`
	// Reason is kept with the decision, in the audit log; needed where org or code choose.
	Reason string `json:"reason,omitempty" maxLength:"1000"`
}

// HeldParams says what of the quarantine to list; empty fields do not restrict.
type HeldParams struct {
	// Org is a publisher, Code a reason code, Query part of an id, type or value.
	Org, Code, Query string
	Cursor           string
	Limit            int
}

// Ref points at one object in a record, or at the whole record.
type Ref struct {
	// Record is the id of the record.
	Record string `json:"record"`
	// Index is the object's place in it, from 0; -1 for the whole record.
	Index int `json:"index"`
}

// Decided says what a Decision was about.
type Decided struct {
	// Accepted is what was decided.
	Accepted bool `json:"accepted"`
	// Items are what was decided on.
	Items []Ref `json:"items"`
	// More is true when a batch was cut: decide again for the rest.
	More bool `json:"more,omitempty"`
}

// SearchParams says what to look for; empty fields do not restrict.
type SearchParams struct {
	// Query is a value, or text that stands in the object, in any case.
	Query string
	// Type is a STIX type, Topic a topic, Org an organisation's id or unique prefix.
	Type, Topic, Org string
	// State is one of accepted, held or not-evaluated.
	State string
	// Since and Until bound the record's time of creation.
	Since, Until time.Time
	Limit        int
	Cursor       string
}

// Record is one record as this node holds it, with what stands in it.
type Record struct {
	// ID is the record's id: sha256: and 64 hex digits.
	ID string `json:"id"`
	// Org is the organisation that signed it: sha256: and 64 hex digits.
	Org string `json:"org"`
	// Petname is what the trust list calls it, empty for a stranger.
	Petname string `json:"petname"`
	// Level is how far it is trusted here now, on this topic.
	Level string `json:"level"`
	// Kind is what the record carries, by the number of SPEC 6.2: 1 objects, 3 a withdrawal, 6 a vouch, 7 a commitment, 8 an advisory.
	Kind int `json:"kind"`
	// Topic is the topic that it stands on.
	Topic string `json:"topic"`
	// Key is the record key that signed it; absent when its certificate is not known any more.
	Key string `json:"key,omitempty"`
	// Sequence is its number in that key's log of the topic, from 1.
	Sequence uint64 `json:"sequence"`
	// Previous is the id of the record before it in that log; absent for the first.
	Previous string `json:"previous,omitempty"`
	// Created is when it was signed, by its author's clock.
	Created time.Time `json:"created"`
	// Expires is when those who hold it forget it.
	Expires time.Time `json:"expires"`
	// Received is when it came here.
	Received time.Time `json:"received"`
	// From is the peer that brought it, or "local" for what was published here.
	From string `json:"from"`
	// TLP is its marking, such as TLP:GREEN.
	TLP string `json:"tlp"`
	// Upstream is where the author says it has it from; absent where it says nothing.
	Upstream string `json:"upstream,omitempty"`
	// State is one of accepted, held, not-evaluated or refused.
	State string `json:"state"`
	// Reason is the reason code for which all of it is held; absent when it is not.
	Reason string `json:"reason,omitempty"`
	// Bytes is its size.
	Bytes int `json:"bytes"`
	// Objects are what stands in it.
	Objects []RecordItem `json:"objects"`
}

// RecordItem is one object of a Record.
type RecordItem struct {
	// Index is the object's place in the record, from 0.
	Index int `json:"index"`
	// ID is the STIX id.
	ID string `json:"id"`
	// Type is the STIX type.
	Type string `json:"type"`
	// State is one of accepted, held, not-evaluated, withdrawn or refused.
	State string `json:"state"`
	// Reason is the reason code of the state; absent for accepted ones.
	Reason string `json:"reason,omitempty"`
}
