package api

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// OpinionRequest says what this organisation thinks of somebody's object.
type OpinionRequest struct {
	// Object is a STIX id, RECORD#INDEX or a unique prefix.
	Object string `json:"object" minLength:"1" maxLength:"512"`
	// Opinion is one of strongly-disagree, disagree, neutral, agree or strongly-agree.
	Opinion string `json:"opinion" minLength:"1" maxLength:"32"`
	// Reason is signed and published with it.
	Reason string `json:"reason" minLength:"1" maxLength:"4096"`
	// Confidence is 0..100, -1 for none.
	Confidence int `json:"confidence" minimum:"-1" maximum:"100"`
}

// SightingRequest says that something was seen, or looked for and not seen.
type SightingRequest struct {
	// Target is a value, or an object as in OpinionRequest.
	Target string `json:"target" minLength:"1" maxLength:"4096"`
	// Count is how often; 0 is looked for and not seen.
	Count int `json:"count" minimum:"0" maximum:"999999999"`
	// First is when it was seen first; absent for unknown, and not in the future.
	First time.Time `json:"first,omitzero"`
	// Last is when it was seen last; absent for unknown, and not in the future.
	Last time.Time `json:"last,omitzero"`
	// Reason is signed and published with it; may be empty.
	Reason string `json:"reason,omitempty" maxLength:"4096"`
	// Confidence is 0..100, -1 for none.
	Confidence int `json:"confidence" minimum:"-1" maximum:"100"`
}

// Remarked names what was published.
type Remarked struct {
	// About are the STIX ids of the objects that it is about.
	About []string `json:"about"`
	// Objects are the STIX ids of what was published, one for each.
	Objects []string `json:"objects"`
	// Records are the ids of the records that they went out in, one for each.
	Records []string `json:"records"`
	// More counts objects that name the value too and got no sighting of their own.
	More int `json:"more,omitempty"`
}

// Opine publishes an opinion.
func (c *Client) Opine(ctx context.Context, r OpinionRequest) (*Remarked, error) {
	return call[Remarked](ctx, c, http.MethodPost, "/opinions", nil, r)
}

// Sight publishes sightings.
func (c *Client) Sight(ctx context.Context, r SightingRequest) (*Remarked, error) {
	return call[Remarked](ctx, c, http.MethodPost, "/sightings", nil, r)
}

// PledgeRequest is a vouch, a commitment or an advisory.
type PledgeRequest struct {
	// Subject is the organisation that a vouch or an advisory is about: petname, id, or a unique beginning of 8 hex digits or more.
	Subject string `json:"subject,omitempty" maxLength:"512"`
	// Until is the last day, YYYY-MM-DD; needed unless it is withdrawn.
	Until string `json:"until,omitempty" maxLength:"10"`
	// Reason is a vouch's reason or an advisory's text.
	Reason string `json:"reason,omitempty" maxLength:"4000"`
	// Withdraw takes back what was said before.
	Withdraw bool `json:"withdraw,omitempty"`
	// Topics limit a vouch to these; none for all.
	Topics []string `json:"topics,omitempty" maxItems:"32"`
	// Evidence are the records or objects that an advisory rests on, by id.
	Evidence []string `json:"evidence,omitempty" maxItems:"50"`
	// Commitment is what a commitment says; its Until is not read.
	Commitment *Commitment `json:"commitment,omitempty"`
}

// Pledge is a vouch, a commitment or an advisory as it was published.
type Pledge struct {
	// Kind is one of vouch, commitment or advisory.
	Kind string `json:"kind"`
	// Org is the organisation that signed it: sha256: and 64 hex digits.
	Org string `json:"org"`
	// Petname is what the trust list calls it, empty for a stranger.
	Petname string `json:"petname"`
	// Level is how far it is trusted here now: a pledge of a stranger moves nothing.
	Level string `json:"level"`
	// Subject is whom a vouch or an advisory is about.
	Subject string `json:"subject,omitempty"`
	// SubjectPetname is what the trust list calls that one; absent for a stranger.
	SubjectPetname string `json:"subject_petname,omitempty"`
	// Until is when it ends.
	Until time.Time `json:"until"`
	// Created is when it was signed, by its author's clock.
	Created time.Time `json:"created"`
	// Reason is a vouch's reason or an advisory's text.
	Reason string `json:"reason,omitempty"`
	// Topics limit a vouch; absent for all.
	Topics []string `json:"topics,omitempty"`
	// Evidence are the ids of the records that an advisory rests on.
	Evidence []string `json:"evidence,omitempty"`
	// Withdrawn is true when it takes back what was said before.
	Withdrawn bool `json:"withdrawn,omitempty"`
	// Commitment is what a commitment says; absent for the others.
	Commitment *Commitment `json:"commitment,omitempty"`
	// Record is the id of the record that it is.
	Record string `json:"record"`
}

// MakePledge publishes one; kind is vouch, commitment or advisory.
func (c *Client) MakePledge(ctx context.Context, kind string, r PledgeRequest) (*Pledge, error) {
	return call[Pledge](ctx, c, http.MethodPost, "/pledges/"+url.PathEscape(kind), nil, r)
}

// Pledges lists what organisations pledged; org and kind "" for all.
func (c *Client) Pledges(ctx context.Context, org, kind string) (*List[Pledge], error) {
	q := url.Values{}
	for name, value := range map[string]string{"org": org, "kind": kind} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return pages[Pledge](ctx, c, "/pledges", q, 0)
}
