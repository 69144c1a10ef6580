package api

import (
	"context"
	"net/url"
	"time"
)

// Scorecard is what this node saw of an organisation's work on a topic, beside what the
// organisation promised. It is local: nobody else has it.
type Scorecard struct {
	// Org is the organisation: sha256: and 64 hex digits.
	Org string `json:"org"`
	// Petname is what the trust list calls it, empty for a stranger.
	Petname string `json:"petname"`
	// Level is how far it is trusted here now, on this topic.
	Level string `json:"level"`
	// Topic is the topic that the card is about.
	Topic string `json:"topic"`
	// Objects counts its claims that were taken in.
	Objects int `json:"objects"`
	// Unique counts those whose values nobody else who is listed has named.
	Unique int `json:"unique"`
	// Confirmed counts values of it that others confirmed, over all time.
	Confirmed int `json:"confirmed"`
	// Refuted counts values of it that were refuted, over all time.
	Refuted int `json:"refuted"`
	// Withdrawn counts values that it took back, over all time.
	Withdrawn int `json:"withdrawn"`
	// Q is the factor that its claims on the topic are multiplied with now, 0 to 1; 0 when nothing was counted yet, which weighs 1.
	Q float64 `json:"q"`
	// LeadSeconds is the median by which it was ahead of the next independent voice, in seconds.
	LeadSeconds int64 `json:"lead_seconds"`
	// Leads counts the values behind that median; 0 says that there is none.
	Leads int `json:"leads"`
	// RetractionSeconds is the median from a refutation to its own withdrawal, in seconds.
	RetractionSeconds int64 `json:"retraction_seconds"`
	// Retractions counts the values behind that median; 0 says that there is none.
	Retractions int `json:"retractions"`
	// First is when its first record on the topic came.
	First time.Time `json:"first"`
	// Last is when its newest record on the topic came.
	Last time.Time `json:"last"`
	// Commitment is what it promised in a signed statement that holds now.
	Commitment *Commitment `json:"commitment,omitempty"`
}

// Commitment is what an organisation says it will and will not do.
type Commitment struct {
	// Onward is the highest label that it passes on, such as TLP:GREEN; in a request also in the short form green.
	Onward string `json:"onward"`
	// Attribution is true when it names its sources to those it passes things on to.
	Attribution bool `json:"attribution"`
	// RetractionSeconds is the time within which it takes back what proved wrong, in seconds; whole minutes count, and 0 says nothing.
	RetractionSeconds int64 `json:"retraction_seconds"`
	// RetentionDays is how many days it keeps what it received; 0 says nothing.
	RetentionDays int `json:"retention_days"`
	// Will are sentences on what it will do; absent for none.
	Will []string `json:"will,omitempty"`
	// WillNot are sentences on what it will not do; absent for none.
	WillNot []string `json:"will_not,omitempty"`
	// Until is when it ends; in a request it is not read.
	Until time.Time `json:"until"`
}

// Scorecards shows the cards of an organisation (petname, full id or unique prefix), or of all for "".
func (c *Client) Scorecards(ctx context.Context, org string) (*List[Scorecard], error) {
	q := url.Values{}
	if org != "" {
		q.Set("org", org)
	}
	return pages[Scorecard](ctx, c, "/scorecards", q, 0)
}
