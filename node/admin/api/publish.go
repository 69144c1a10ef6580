package api

import "time"

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
	// Preview only says what would go out.
	Preview bool
}

// PublishResult names what went out and what did not.
type PublishResult struct {
	// Records are the ids of the records that were signed and are on their way.
	Records []string `json:"records"`
	// Objects counts the objects in them; in a preview those that would be.
	Objects int `json:"objects"`
	// Skipped names objects that did not go out, or in a preview would not, and why; the first ones where there are many.
	Skipped []Skipped `json:"skipped"`
	// Invalid counts those that are broken: no valid STIX.
	Invalid int `json:"invalid"`
	// Denied counts those that the release guard kept back: their marking, or a warning list, forbids it; in a preview those that it would keep back. The answer is 200 all the same.
	Denied int `json:"denied"`
	// Waiting counts records that are too large for gossip; peers fetch them by catch-up.
	Waiting int `json:"waiting"`
	// Upgraded counts objects that came as STIX 2.0 and were made 2.1, which is the form that is signed.
	Upgraded int `json:"upgraded"`
	// Preview says what would go out and who would read it: only of a preview, of which nothing was signed and objects counts what would be.
	Preview *PublishPreview `json:"preview,omitempty"`
}

// PublishPreview is what a publication would send.
type PublishPreview struct {
	// Types counts the objects that would go out by their STIX type.
	Types map[string]int `json:"types"`
	// Markings counts them by the marking that they would go out under, such as TLP:GREEN.
	Markings map[string]int `json:"markings"`
	// Values counts the different values that receivers could look them up by.
	Values int `json:"values"`
	// Audience is who would read them.
	Audience Audience `json:"audience"`
}

// Audience is who reads a topic, as far as this node can see.
type Audience struct {
	// Open is true where whoever takes part in the topic reads it, now or later: those named are the least.
	Open bool `json:"open"`
	// Peers counts the connected peers that take part.
	Peers int `json:"peers"`
	// Unnamed counts those of them whose organisation is not known yet.
	Unnamed int `json:"unnamed"`
	// Orgs are the organisations of the others.
	Orgs []AudienceOrg `json:"orgs"`
}

// AudienceOrg is one organisation that would read a publication.
type AudienceOrg struct {
	// Org is its id: sha256: and 64 hex digits.
	Org string `json:"org"`
	// Petname is what the trust list calls it, empty for a stranger.
	Petname string `json:"petname"`
	// Name is what it calls itself.
	Name string `json:"name"`
	// Country is the country that it names, ISO 3166-1 alpha-2.
	Country string `json:"country"`
	// Level is how far it is trusted here now, on this topic.
	Level string `json:"level"`
	// Peers counts its connected peers that take part.
	Peers int `json:"peers"`
}

// Skipped names one object that did not go out.
type Skipped struct {
	// ID is the object's STIX id, or its place in the file where it has none.
	ID string `json:"id"`
	// Code is the reason code.
	Code string `json:"code"`
	// Reason says why, in a sentence.
	Reason string `json:"reason"`
}

// Progress is a sign of life during long work.
type Progress struct {
	// Done counts the objects that are done.
	Done int `json:"done"`
	// Total is how many there are.
	Total int `json:"total"`
}

// PublishLine is one line of a publication's progress stream (NDJSON): progress
// as often as there is some, then exactly one result or problem.
type PublishLine struct {
	// Progress says how far it is.
	Progress *Progress `json:"progress,omitempty"`
	// Result is what went out: the last line, where all went well.
	Result *PublishResult `json:"result,omitempty"`
	// Problem is why it ended: the last line, where not.
	Problem *Problem `json:"problem,omitempty"`
}

// MediaNDJSON is the media type of a stream of JSON lines.
const MediaNDJSON = "application/x-ndjson"
