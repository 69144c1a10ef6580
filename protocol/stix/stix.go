// Package stix reads STIX 2.1 (OASIS Standard, 10 June 2021): a strict gate
// over raw JSON, the model that is needed to index an object, the standard's
// MUST rules, markings, the upgrade of STIX 2.0, and the ids of observables.
// It never re-serialises an object: what was signed is what is kept. It knows
// nothing of records, organisations or patterns' meaning.
package stix

import "time"

// Object is one STIX object that passed the gate and the MUST rules: the bytes
// as they came and the parts that a node indexes. It is immutable after Parse.
type Object struct {
	// Raw is the object exactly as received (OBJ-09). The Object owns it.
	Raw []byte
	// ID is the STIX identifier, "type--uuid".
	ID string
	// Type is the object's type, which ID's prefix equals.
	Type string
	// CreatedByRef is the claimed creator; it carries no authority. May be "".
	CreatedByRef string
	// Created and Modified are zero for observables, which have none.
	Created, Modified time.Time
	// Revoked is true when the author took the object back.
	Revoked bool
	// Confidence is 0..100, or -1 when the object is silent.
	Confidence int
	// Lang is the RFC 5646 tag of the text, or "".
	Lang string
	// Name is the name property, or "" (for display; never identity).
	Name string
	// Labels are the labels property verbatim.
	Labels []string
	// MarkingRefs are object_marking_refs and the marking_refs of granular
	// markings together: the strictest of all of them binds.
	MarkingRefs []string
	// Refs are the ids that any *_ref or *_refs property names, but markings.
	// They may dangle, and one may stand here twice.
	Refs []string
	// Indicator is set when Type is "indicator".
	Indicator *Indicator
	// Opinion is set when Type is "opinion", Sighting when it is "sighting".
	Opinion  *Opinion
	Sighting *Seen
	// Observable is set for the 18 cyber-observable types: the decoded
	// properties, numbers as json.Number.
	Observable map[string]any
}

// Indicator holds the properties that only an indicator has.
type Indicator struct {
	// Pattern is the text; PatternType its language ("stix", "sigma", ...).
	Pattern, PatternType string
	// Types is indicator_types.
	Types []string
	// ValidFrom is required; ValidUntil is zero when the object is silent.
	ValidFrom, ValidUntil time.Time
}

// Opinion holds the properties that only an opinion has.
type Opinion struct {
	// Opinion is one of the five words of the standard.
	Opinion string
	// About is object_refs, as often as an id stands there.
	About []string
}

// Seen holds the properties that only a sighting has.
type Seen struct {
	// About is sighting_of_ref.
	About string
	// Count is how often it was seen, -1 when the object is silent; 0 says that it
	// was looked for and not seen.
	Count int
}

// Finding is one departure from the standard.
type Finding struct {
	// Must is true when a MUST is broken, false for a SHOULD.
	Must bool `json:"-"`
	// Path is the property, e.g. "valid_until" or "granular_markings[0].selectors".
	Path string `json:"path"`
	// Text says what is wrong and what would be right.
	Text string `json:"text"`
}
