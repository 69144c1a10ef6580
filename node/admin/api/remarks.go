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
	// Opinion is strongly-disagree, disagree, neutral, agree or strongly-agree.
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
	// First and Last bound when; zero for unknown.
	First time.Time `json:"first,omitzero"`
	Last  time.Time `json:"last,omitzero"`
	// Reason is signed and published with it; may be empty.
	Reason     string `json:"reason,omitempty" maxLength:"4096"`
	Confidence int    `json:"confidence" minimum:"-1" maximum:"100"`
}

// Remarked names what was published.
type Remarked struct {
	// About are the objects that it is about, Objects the ids of what was published, one each.
	About   []string `json:"about"`
	Objects []string `json:"objects"`
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
	// Subject is the organisation that a vouch or an advisory is about.
	Subject string `json:"subject,omitempty" maxLength:"512"`
	// Until is its last day, YYYY-MM-DD.
	Until string `json:"until,omitempty" maxLength:"10"`
	// Reason is a vouch's reason or an advisory's text.
	Reason string `json:"reason,omitempty" maxLength:"4000"`
	// Withdraw takes back what was said before.
	Withdraw bool `json:"withdraw,omitempty"`
	// Topics limit a vouch.
	Topics []string `json:"topics,omitempty" maxItems:"32"`
	// Evidence are the records or objects that an advisory rests on.
	Evidence []string `json:"evidence,omitempty" maxItems:"50"`
	// Commitment is what a commitment says; its Until is not read.
	Commitment *Commitment `json:"commitment,omitempty"`
}

// Pledge is a vouch, a commitment or an advisory as it was published.
type Pledge struct {
	// Kind is vouch, commitment or advisory.
	Kind    string `json:"kind"`
	Org     string `json:"org"`
	Petname string `json:"petname"`
	Level   string `json:"level"`
	// Subject is whom a vouch or an advisory is about.
	Subject        string      `json:"subject,omitempty"`
	SubjectPetname string      `json:"subject_petname,omitempty"`
	Until          time.Time   `json:"until"`
	Created        time.Time   `json:"created"`
	Reason         string      `json:"reason,omitempty"`
	Topics         []string    `json:"topics,omitempty"`
	Evidence       []string    `json:"evidence,omitempty"`
	Withdrawn      bool        `json:"withdrawn,omitempty"`
	Commitment     *Commitment `json:"commitment,omitempty"`
	Record         string      `json:"record"`
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
