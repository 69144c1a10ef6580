package stix

import (
	"encoding/json"
	"fmt"
	"time"

	"tocsin/protocol/reason"
)

// remarkNamespace is the UUID namespace of the ids that NewOpinion and NewSighting
// give: version 5 of "https://tocsin.example/remarks" in the namespace of URLs.
var remarkNamespace = [16]byte{0x6d, 0x0d, 0xb1, 0xb5, 0x83, 0x6d, 0x55, 0x24, 0xb9, 0x6a, 0x57, 0xff, 0xa4, 0x4d, 0x3c, 0x71}

// The opinions of STIX 2.1 (section 10.21), from against to for.
const (
	StronglyDisagree = "strongly-disagree"
	Disagree         = "disagree"
	Neutral          = "neutral"
	Agree            = "agree"
	StronglyAgree    = "strongly-agree"
)

// Remark is what an organisation says about somebody's object.
type Remark struct {
	// Author makes the id together with About: one author has one opinion of an object,
	// and a later one is a new version of it.
	Author string
	// About is the STIX id of the object.
	About string
	// Text says why; Confidence is 0..100, -1 for none.
	Text       string
	Confidence int
	// Created is when it was first said, Modified when this version was.
	Created, Modified time.Time
}

// MaxRemarkText bounds Remark.Text, in bytes.
const MaxRemarkText = 4096

// NewOpinion writes an opinion (STIX 2.1 section 4.14). opinion is one of the five words.
// usage.invalid when the remark breaks a limit.
func NewOpinion(r Remark, opinion string) ([]byte, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	switch opinion {
	case StronglyDisagree, Disagree, Neutral, Agree, StronglyAgree:
	default:
		return nil, reason.New(reason.UsageInvalid, fmt.Sprintf("opinion %q: write %s, %s, %s, %s or %s",
			opinion, StronglyDisagree, Disagree, Neutral, Agree, StronglyAgree))
	}
	return json.Marshal(struct {
		Type        string   `json:"type"`
		SpecVersion string   `json:"spec_version"`
		ID          string   `json:"id"`
		Created     string   `json:"created"`
		Modified    string   `json:"modified"`
		Confidence  *int     `json:"confidence,omitempty"`
		Explanation string   `json:"explanation,omitempty"`
		Opinion     string   `json:"opinion"`
		ObjectRefs  []string `json:"object_refs"`
	}{"opinion", "2.1", "opinion--" + remarkUUID("opinion", r.Author, r.About), instant(r.Created), instant(r.Modified),
		r.confidence(), r.Text, opinion, []string{r.About}})
}

// NewSighting writes a sighting (STIX 2.1 section 5.2) of an object that is no observable.
// count 0 says that it was looked for and not seen; first and last may be zero. Each
// sighting has an id of its own, by Created.
func NewSighting(r Remark, count int, first, last time.Time) ([]byte, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	if count < 0 || count > 999_999_999 {
		return nil, reason.New(reason.UsageInvalid, fmt.Sprintf("sighting of %s: count %d: write 0 to 999999999", r.About, count))
	}
	if !first.IsZero() && last.Before(first) {
		return nil, reason.New(reason.UsageInvalid, fmt.Sprintf("sighting of %s: last seen is before first seen", r.About))
	}
	s := struct {
		Type        string `json:"type"`
		SpecVersion string `json:"spec_version"`
		ID          string `json:"id"`
		Created     string `json:"created"`
		Modified    string `json:"modified"`
		Confidence  *int   `json:"confidence,omitempty"`
		Description string `json:"description,omitempty"`
		FirstSeen   string `json:"first_seen,omitempty"`
		LastSeen    string `json:"last_seen,omitempty"`
		Count       int    `json:"count"`
		SightingOf  string `json:"sighting_of_ref"`
	}{Type: "sighting", SpecVersion: "2.1", ID: "sighting--" + remarkUUID("sighting", r.Author, r.About, instant(r.Created)),
		Created: instant(r.Created), Modified: instant(r.Modified), Confidence: r.confidence(), Description: r.Text, Count: count, SightingOf: r.About}
	if !first.IsZero() {
		s.FirstSeen = instant(first)
	}
	if !last.IsZero() {
		s.LastSeen = instant(last)
	}
	return json.Marshal(s)
}

func (r *Remark) check() error {
	switch {
	case len(r.Text) > MaxRemarkText:
		return reason.New(reason.UsageInvalid, fmt.Sprintf("remark about %s: %d bytes of text, limit %d", r.About, len(r.Text), MaxRemarkText))
	case r.Confidence < -1 || r.Confidence > 100:
		return reason.New(reason.UsageInvalid, fmt.Sprintf("remark about %s: confidence %d: write 0 to 100", r.About, r.Confidence))
	case r.Modified.Before(r.Created):
		return reason.New(reason.UsageInvalid, "remark about "+r.About+": modified before it was created")
	}
	return nil
}

func (r *Remark) confidence() *int {
	if r.Confidence < 0 {
		return nil
	}
	return &r.Confidence
}

// remarkUUID names a remark by its parts.
func remarkUUID(parts ...string) string {
	var name []byte
	for _, p := range parts {
		name = fmt.Appendf(name, "%d:%s", len(p), p)
	}
	return uuid5(remarkNamespace, name)
}

func instant(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
