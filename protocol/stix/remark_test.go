package stix

import (
	"strings"
	"testing"
	"time"

	"tocsin/protocol/reason"
)

const aboutID = "indicator--2a3f1c5e-5a4b-4b11-8c9f-000000000001"

var said = time.Date(2026, 3, 1, 12, 0, 0, 7e6, time.UTC)

// What is written here passes the strict gate, and a later opinion is a new version of the earlier one.
func TestOpinion(t *testing.T) {
	r := Remark{Author: "sha256:aa", About: aboutID, Text: "a <resolver> & no bot \u00e9", Confidence: 80, Created: said, Modified: said}
	ids := map[string]bool{}
	for n, word := range []string{StronglyDisagree, Disagree, Neutral, Agree, StronglyAgree} {
		r.Modified = said.Add(time.Duration(n) * time.Second)
		raw, err := NewOpinion(r, word)
		if err != nil {
			t.Fatal(err)
		}
		o, err := Parse(raw)
		if err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		if o.Type != "opinion" || o.Confidence != 80 || !o.Modified.Equal(r.Modified) || !strings.Contains(string(raw), word) {
			t.Errorf("%s became %+v", raw, o)
		}
		ids[o.ID] = true
	}
	if len(ids) != 1 {
		t.Errorf("five versions of one opinion have the ids %v", ids)
	}
	for _, other := range []Remark{{Author: "sha256:bb", About: aboutID}, {Author: "sha256:aa", About: aboutID[:len(aboutID)-1] + "2"}} {
		other.Created, other.Modified, other.Confidence = said, said, -1
		raw, err := NewOpinion(other, Agree)
		if err != nil {
			t.Fatal(err)
		}
		o, err := Parse(raw)
		if err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		if ids[o.ID] || o.Confidence != -1 {
			t.Errorf("another author or object: %s, confidence %d", o.ID, o.Confidence)
		}
	}
}

func TestSighting(t *testing.T) {
	r := Remark{Author: "sha256:aa", About: aboutID, Confidence: -1, Created: said, Modified: said}
	ids := map[string]bool{}
	for n, count := range []int{0, 1, 999_999_999} {
		r.Created = said.Add(time.Duration(n) * time.Millisecond)
		r.Modified = r.Created
		raw, err := NewSighting(r, count, said.Add(-time.Hour), said)
		if err != nil {
			t.Fatal(err)
		}
		o, err := Parse(raw)
		if err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		if o.Type != "sighting" {
			t.Errorf("%s became %+v", raw, o)
		}
		ids[o.ID] = true
	}
	if len(ids) != 3 {
		t.Errorf("three sightings have the ids %v", ids)
	}
}

func TestRemarkRefused(t *testing.T) {
	good := Remark{Author: "a", About: aboutID, Confidence: -1, Created: said, Modified: said}
	if _, err := NewOpinion(good, "perhaps"); reason.Of(err) != reason.UsageInvalid {
		t.Errorf("no opinion: %v", err)
	}
	for _, count := range []int{-1, 1_000_000_000} {
		if _, err := NewSighting(good, count, time.Time{}, time.Time{}); reason.Of(err) != reason.UsageInvalid {
			t.Errorf("count %d: %v", count, err)
		}
	}
	if _, err := NewSighting(good, 1, said, said.Add(-time.Second)); reason.Of(err) != reason.UsageInvalid {
		t.Errorf("last before first: %v", err)
	}
	for name, change := range map[string]func(*Remark){
		"text":       func(r *Remark) { r.Text = strings.Repeat("x", MaxRemarkText+1) },
		"confidence": func(r *Remark) { r.Confidence = 101 },
		"below":      func(r *Remark) { r.Confidence = -2 },
		"time":       func(r *Remark) { r.Modified = r.Created.Add(-time.Millisecond) },
	} {
		bad := good
		change(&bad)
		if _, err := NewOpinion(bad, Agree); reason.Of(err) != reason.UsageInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	longest := good
	longest.Text = strings.Repeat("x", MaxRemarkText)
	if _, err := NewOpinion(longest, Agree); err != nil {
		t.Errorf("text at the limit: %v", err)
	}
}
