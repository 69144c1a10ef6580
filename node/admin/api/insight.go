package api

import (
	"encoding/json"
	"time"
)

// Provenance says how an object came here. What only its author says of it is in the object itself.
type Provenance struct {
	// Object is the STIX id.
	Object string `json:"object"`
	// Record is the id of the record that it stands in.
	Record string `json:"record"`
	// Index is its place in the record, from 0.
	Index int `json:"index"`
	// Org is the organisation that signed it: sha256: and 64 hex digits.
	Org string `json:"org"`
	// Petname is what the trust list calls that organisation; absent for a stranger.
	Petname string `json:"petname,omitempty"`
	// Level is how far that organisation is trusted here now, on this topic.
	Level string `json:"level"`
	// Key is the record key that signed it; absent when its certificate is not known any more.
	Key string `json:"key,omitempty"`
	// Sequence is the record's number in that key's log of the topic, from 1.
	Sequence uint64 `json:"sequence"`
	// Topic is the topic that it stands on.
	Topic string `json:"topic"`
	// TLP is the record's marking, such as TLP:GREEN.
	TLP string `json:"tlp"`
	// Upstream is where the author says it has it from.
	Upstream string `json:"upstream,omitempty"`
	// Created is when the record was signed, by its author's clock.
	Created time.Time `json:"created"`
	// Expires is when those who hold it forget it.
	Expires time.Time `json:"expires"`
	// From is the peer that brought it, or how else it came; "local" for what was published here.
	From string `json:"from"`
	// Received is when it came.
	Received time.Time `json:"received"`
	// Voices are the organisations that say something under this id.
	Voices []ProvenanceVoice `json:"voices"`
}

// ProvenanceVoice is an organisation that says something under an id, and how often.
type ProvenanceVoice struct {
	// Org is the organisation: sha256: and 64 hex digits.
	Org string `json:"org"`
	// Petname is what the trust list calls it; absent for a stranger.
	Petname string `json:"petname,omitempty"`
	// Level is how far it is trusted here now, on this topic.
	Level string `json:"level"`
	// Versions counts what it says under the id.
	Versions int `json:"versions"`
}

// Fate is what became of an object here.
type Fate struct {
	// Object is the STIX id.
	Object string `json:"object"`
	// Record is the id of the record that it stands in.
	Record string `json:"record"`
	// Index is its place in the record, from 0.
	Index int `json:"index"`
	// State is one of accepted, held, not-evaluated, withdrawn or refused.
	State string `json:"state"`
	// Code is the reason code of the state; absent where there is none.
	Code string `json:"code,omitempty"`
	// Blame is whose doing it is, by the catalogue: sender, us or nobody.
	Blame string `json:"blame,omitempty"`
	// Fix says what to do, by the catalogue.
	Fix string `json:"fix,omitempty"`
	// Whole says that the whole record shares the fate.
	Whole bool `json:"whole"`
	// Steps are what happened to it, oldest first.
	Steps []FateStep `json:"steps"`
}

// FateStep is one thing that happened: signed, received, superseded.
type FateStep struct {
	// Kind is one of signed, received or superseded.
	Kind string `json:"kind"`
	// At is when; for signed by its author's clock.
	At time.Time `json:"at"`
	// Org is the organisation that did it; absent where none did.
	Org string `json:"org,omitempty"`
	// From is the peer that brought it, or "local"; absent where nothing came.
	From string `json:"from,omitempty"`
	// Record is the id of the record that did it; absent for the object's own.
	Record string `json:"record,omitempty"`
}

// Links are the node and whom it meets directly; of what others meet it knows nothing.
type Links struct {
	// Node is this node's id in the mesh.
	Node string `json:"node"`
	// Items are the peers that it meets directly.
	Items []Link `json:"items"`
	// Next is the cursor of the next page; absent on the last.
	Next string `json:"next,omitempty"`
}

// NextPage is the cursor of the next page, "" on the last.
func (l Links) NextPage() string { return l.Next }

// Link is a peer as a neighbour.
type Link struct {
	// Peer is the peer's id in the mesh.
	Peer string `json:"peer"`
	// Org is its organisation; absent until the peer has said so.
	Org string `json:"org,omitempty"`
	// Petname is what the trust list calls the organisation; absent for none.
	Petname string `json:"petname,omitempty"`
	// Kind is one of mesh (records flow unasked), topic (only news of them does), connected (no topic in common) and kept
	// (it cannot be reached).
	Kind string `json:"kind"`
	// Topics counts the topics that both have joined.
	Topics int `json:"topics"`
	// Mesh counts those of them on which records flow unasked.
	Mesh int `json:"mesh"`
	// LatencyMS is the round trip in milliseconds, 0 where none was measured.
	LatencyMS float64 `json:"latency_ms"`
	// Since is when the connection was made; absent for none.
	Since time.Time `json:"since,omitzero"`
}

// Build says what program runs.
type Build struct {
	// Version is the program's version.
	Version string `json:"version"`
	// Go is the version of the Go toolchain that built it.
	Go string `json:"go"`
	// OS is the operating system that it was built for.
	OS string `json:"os"`
	// Arch is the architecture that it was built for.
	Arch string `json:"arch"`
	// Revision is the commit that it was built from; absent where the build does not say.
	Revision string `json:"revision,omitempty"`
	// Modified is true when the source had changes beside that commit.
	Modified bool `json:"modified,omitempty"`
	// Time is the commit's time; absent where the build does not say.
	Time time.Time `json:"time,omitzero"`
	// Modules counts the modules that it was built with.
	Modules int `json:"modules"`
}

// Setting is one key of the configuration as it is in force. Paths are named, secrets never are: no key holds one.
type Setting struct {
	// Name is the key in tocsin.toml.
	Name string `json:"name"`
	// Value is its value, of whatever type the key has.
	Value json.RawMessage `json:"value"`
	// Origin is the file, environment variable or flag that sets it, "default" for none, and "" where nobody knows.
	Origin string `json:"origin,omitempty"`
}

// Policy is what the trust list decides by.
type Policy struct {
	// Version counts the changes of the list since the node started.
	Version uint64 `json:"version"`
	// Digest names the list's contents: sha256: and 64 hex digits.
	Digest string `json:"digest"`
	// Entries counts organisations by their level in force.
	Entries map[string]int `json:"entries"`
	// TwoApprovers says that an anchor takes two people.
	TwoApprovers bool `json:"two_approvers"`
	// Groups are organisations that count as one voice.
	Groups []PolicyGroup `json:"groups"`
}

// PolicyGroup is a set of organisations that count as one voice.
type PolicyGroup struct {
	// Name is the group's name.
	Name string `json:"name"`
	// Upstream is the source that the members have things from; absent for none.
	Upstream string `json:"upstream,omitempty"`
	// Orgs are the members' ids.
	Orgs []string `json:"orgs"`
}
