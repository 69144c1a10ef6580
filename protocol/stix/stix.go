// Package stix reads STIX 2.1 (OASIS Standard, 10 June 2021): a strict gate
// over raw JSON, the model that is needed to index an object, the standard's
// MUST rules, markings, the upgrade of STIX 2.0, and the ids of observables.
// It never re-serialises an object: what was signed is what is kept. It knows
// nothing of records, organisations or patterns' meaning.
package stix

import "time"

// TLP is a Traffic Light Protocol 2.0 label (FIRST), ordered from open to
// strict, so that the strictest of two is the greater. TLP 1.0 WHITE reads as
// Clear and AMBER as Amber.
type TLP uint8

// The labels of TLP 2.0, open to strict.
const (
	Clear TLP = iota
	Green
	Amber
	AmberStrict
	Red
)

// String gives the label as FIRST writes it, e.g. "TLP:AMBER+STRICT".
func (t TLP) String() string { panic("unwritten") }

// ParseTLP reads a label in any case, with or without the "TLP:" prefix;
// "white" is Clear.
func ParseTLP(s string) (TLP, error) { panic("unwritten") }

// Object is one STIX object that passed the gate and the MUST rules: the bytes
// as they came and the parts that a node indexes. It is immutable after Parse.
type Object struct {
	// Raw is the object exactly as received. The Object owns it.
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
	// Refs are the ids that any *_ref or *_refs property names. They may dangle.
	Refs []string
	// Indicator is set when Type is "indicator".
	Indicator *Indicator
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

// Finding is one departure from the standard.
type Finding struct {
	// Must is true when a MUST is broken, false for a SHOULD.
	Must bool `json:"-"`
	// Path is the property, e.g. "valid_until" or "granular_markings[0].selectors".
	Path string `json:"path"`
	// Text says what is wrong and what would be right.
	Text string `json:"text"`
}

// Scan is the strict gate: JSON grammar, depth, tokens, size, string length,
// duplicate names, UTF-8, surrogates, integers within 2^53. It must pass before
// anything else looks at the bytes. Errors are *reason.Error with a json.* code
// and the byte offset. It allocates little and reads each byte once.
func Scan(raw []byte) error { panic("unwritten") }

// Parse passes raw through the gate and the MUST rules of STIX 2.1. It keeps
// raw without copying; the caller must not change it afterwards. Errors are
// *reason.Error. Departures from a SHOULD are no error: see Check.
func Parse(raw []byte) (*Object, error) { panic("unwritten") }

// Check lists every MUST and SHOULD finding of one object. The error is that
// of the gate; an object that is no JSON has no findings.
func Check(raw []byte) ([]Finding, error) { panic("unwritten") }

// Bundle is what a file held: objects of STIX 2.1, upgraded where they came
// as 2.0.
type Bundle struct {
	// Objects are the objects' bytes: slices of the input for 2.1, new bytes
	// for what was upgraded from 2.0. Nothing is validated beyond the gate.
	Objects [][]byte
	// Upgraded counts objects that came as STIX 2.0.
	Upgraded int
	// Skipped are pieces that no object could be made of, each with its reason.
	Skipped []Skip
}

// Skip names one piece of a bundle that was left out.
type Skip struct {
	// ID is the object's id where one could be read, else "objects[N]".
	ID string
	// Err says why; reason.Of gives the code.
	Err error
}

// ReadBundle takes a STIX 2.1 or 2.0 bundle, a bare object, or a list of
// objects, and returns the objects one by one. A broken object inside a
// readable bundle lands in Skipped; an input that is no STIX at all is an
// error with code stix.format. The bundle wrapper has no meaning and is
// dropped. The size of the whole input is the caller's limit.
func ReadBundle(raw []byte) (*Bundle, error) { panic("unwritten") }

// Upgrade turns one STIX 2.0 object into STIX 2.1 with a fixed field order:
// the same input gives the same bytes on every machine. An observed-data with
// an objects container yields several objects. Objects that say spec_version
// 2.1 come back unchanged.
func Upgrade(raw []byte) ([][]byte, error) { panic("unwritten") }

// DeterministicID computes the id of an observable: UUIDv5 over the RFC 8785
// form of the contributing properties that are present (STIX 2.1 section
// 2.9). Objects with none get an error.
func DeterministicID(raw []byte) (string, error) { panic("unwritten") }

// Canonical gives the RFC 8785 (JCS) form of a document that passes the gate.
func Canonical(raw []byte) ([]byte, error) { panic("unwritten") }

// TLPOf returns the strictest TLP among marking ids. defs resolves ids of
// marking definitions that came along (custom ids with definition_type tlp);
// nil is fine. ok is false when no id is a TLP marking. Unknown ids that are no
// TLP marking do not count.
func TLPOf(refs []string, defs func(id string) (TLP, bool)) (tlp TLP, ok bool) { panic("unwritten") }

// TLPDefinition reports the label that a marking-definition object defines
// (TLP 1.0 definition_type or the TLP 2.0 extension), whatever its id.
func TLPDefinition(o *Object) (TLP, bool) { panic("unwritten") }
