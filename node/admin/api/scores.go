package api

import (
	"context"
	"net/url"
	"time"
)

// Scorecard is what this node saw of an organisation's work on a topic, beside what the
// organisation promised. It is local: nobody else has it.
type Scorecard struct {
	Org     string `json:"org"`
	Petname string `json:"petname"`
	Level   string `json:"level"`
	Topic   string `json:"topic"`
	// Objects counts claims taken in, Unique those whose values nobody else who is listed has named.
	Objects int `json:"objects"`
	Unique  int `json:"unique"`
	// Confirmed, Refuted and Withdrawn count values over all time; Q is the factor now, 0 when
	// nothing was counted yet (then it weighs 1).
	Confirmed int     `json:"confirmed"`
	Refuted   int     `json:"refuted"`
	Withdrawn int     `json:"withdrawn"`
	Q         float64 `json:"q"`
	// LeadSeconds is the median by which it was ahead of the next independent voice, over Leads values.
	LeadSeconds int64 `json:"lead_seconds"`
	Leads       int   `json:"leads"`
	// RetractionSeconds is the median from a refutation to its own withdrawal, over Retractions.
	RetractionSeconds int64 `json:"retraction_seconds"`
	Retractions       int   `json:"retractions"`
	// First and Last are when its first and newest record came.
	First time.Time `json:"first"`
	Last  time.Time `json:"last"`
	// Commitment is what it promised in a signed statement that holds now.
	Commitment *Commitment `json:"commitment,omitempty"`
}

// Commitment is what an organisation says it will and will not do.
type Commitment struct {
	// Onward is the highest TLP that it passes on.
	Onward      string `json:"onward"`
	Attribution bool   `json:"attribution"`
	// RetractionSeconds is the time within which it takes back what proved wrong, RetentionDays how
	// long it keeps what it received.
	RetractionSeconds int64     `json:"retraction_seconds"`
	RetentionDays     int       `json:"retention_days"`
	Will              []string  `json:"will,omitempty"`
	WillNot           []string  `json:"will_not,omitempty"`
	Until             time.Time `json:"until"`
}

// Scorecards shows the cards of an organisation (petname, full id or unique prefix), or of all for "".
func (c *Client) Scorecards(ctx context.Context, org string) (*List[Scorecard], error) {
	q := url.Values{}
	if org != "" {
		q.Set("org", org)
	}
	return pages[Scorecard](ctx, c, "/scorecards", q, 0)
}
