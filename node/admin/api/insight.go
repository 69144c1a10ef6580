package api

import (
	"encoding/json"
	"time"
)

// Provenance says how an object came here. What only its author says of it is in the object itself.
type Provenance struct {
	Object string `json:"object"`
	Record string `json:"record"`
	Index  int    `json:"index"`
	// Org signed it with Key at Sequence of its log of the topic; Key is "" when its certificate is not known any more.
	Org      string `json:"org"`
	Petname  string `json:"petname,omitempty"`
	Level    string `json:"level"`
	Key      string `json:"key,omitempty"`
	Sequence uint64 `json:"sequence"`
	Topic    string `json:"topic"`
	TLP      string `json:"tlp"`
	// Upstream is where the author says it has it from.
	Upstream string    `json:"upstream,omitempty"`
	Created  time.Time `json:"created"`
	Expires  time.Time `json:"expires"`
	// From is the peer that brought it, or how else it came; Received when.
	From     string    `json:"from"`
	Received time.Time `json:"received"`
	// Voices are the organisations that say something under this id.
	Voices []ProvenanceVoice `json:"voices"`
}

// ProvenanceVoice is an organisation that says something under an id, and how often.
type ProvenanceVoice struct {
	Org      string `json:"org"`
	Petname  string `json:"petname,omitempty"`
	Level    string `json:"level"`
	Versions int    `json:"versions"`
}

// Fate is what became of an object here.
type Fate struct {
	Object string `json:"object"`
	Record string `json:"record"`
	Index  int    `json:"index"`
	// State is accepted, held, not-evaluated, withdrawn or refused; Code says why, and Blame and Fix are the catalogue's.
	State string `json:"state"`
	Code  string `json:"code,omitempty"`
	Blame string `json:"blame,omitempty"`
	Fix   string `json:"fix,omitempty"`
	// Whole says that the whole record shares the fate.
	Whole bool       `json:"whole"`
	Steps []FateStep `json:"steps"`
}

// FateStep is one thing that happened: signed, received, superseded.
type FateStep struct {
	Kind   string    `json:"kind"`
	At     time.Time `json:"at"`
	Org    string    `json:"org,omitempty"`
	From   string    `json:"from,omitempty"`
	Record string    `json:"record,omitempty"`
}

// Links are the node and whom it meets directly; of what others meet it knows nothing.
type Links struct {
	Node  string `json:"node"`
	Items []Link `json:"items"`
	Next  string `json:"next,omitempty"`
}

// NextPage is the cursor of the next page, "" on the last.
func (l Links) NextPage() string { return l.Next }

// Link is a peer as a neighbour.
type Link struct {
	Peer    string `json:"peer"`
	Org     string `json:"org,omitempty"`
	Petname string `json:"petname,omitempty"`
	// Kind is mesh where records flow unasked, topic where only news of them does, connected without any topic in common,
	// and kept for a peer that cannot be reached.
	Kind      string    `json:"kind"`
	Topics    int       `json:"topics"`
	Mesh      int       `json:"mesh"`
	LatencyMS float64   `json:"latency_ms"`
	Since     time.Time `json:"since,omitzero"`
}

// Build says what program runs.
type Build struct {
	Version  string    `json:"version"`
	Go       string    `json:"go"`
	OS       string    `json:"os"`
	Arch     string    `json:"arch"`
	Revision string    `json:"revision,omitempty"`
	Modified bool      `json:"modified,omitempty"`
	Time     time.Time `json:"time,omitzero"`
	Modules  int       `json:"modules"`
}

// Setting is one key of the configuration as it is in force. Paths are named, secrets never are: no key holds one.
type Setting struct {
	Name  string          `json:"name"`
	Value json.RawMessage `json:"value"`
	// Origin is the file, environment variable or flag that sets it, "default" for none, and "" where nobody knows.
	Origin string `json:"origin,omitempty"`
}

// Policy is what the trust list decides by.
type Policy struct {
	// Version counts the changes since the node started; Digest names the contents.
	Version uint64 `json:"version"`
	Digest  string `json:"digest"`
	// Entries counts organisations by their level in force.
	Entries map[string]int `json:"entries"`
	// TwoApprovers says that an anchor takes two people.
	TwoApprovers bool          `json:"two_approvers"`
	Groups       []PolicyGroup `json:"groups"`
}

// PolicyGroup is a set of organisations that count as one voice.
type PolicyGroup struct {
	Name     string   `json:"name"`
	Upstream string   `json:"upstream,omitempty"`
	Orgs     []string `json:"orgs"`
}
