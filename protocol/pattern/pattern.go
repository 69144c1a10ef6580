// Package pattern reads STIX 2.1 patterns (part 9 of the standard), evaluates
// them against observations as far as that can be done without a mistake, and
// reduces values to observables: a type and a normal form under which two
// spellings of one thing are equal. What it cannot evaluate it says so; that
// is never "no match". It knows no STIX object model, no records, no trust.
package pattern

import (
	"encoding/json"

	"tocsin/protocol/reason"
)

// The limits of a pattern. They bound what a stranger's pattern may cost; each
// is far above what real feeds hold (99.9 % of their patterns compare one value).
const (
	// MaxBytes is the length of a pattern.
	MaxBytes = 10 << 10
	// MaxDepth is how deep brackets and parentheses may nest.
	MaxDepth = 32
	// MaxComparisons is how many comparisons a pattern may hold.
	MaxComparisons = 512
	// MaxAlternatives is how many literals the sets of a pattern may hold in
	// all; a set of two-byte literals that fills MaxBytes is just above it.
	MaxAlternatives = 4096
	// MaxSteps is how many steps one object path may have.
	MaxSteps = 32
	// MaxExpression is the length of a regular expression or a LIKE pattern
	// that is evaluated; a longer one is Unknown.
	MaxExpression = 256
	// MaxRepetition is the largest repetition in a regular expression.
	MaxRepetition = 100
	// MaxObservations is how many observations are matched at once.
	MaxObservations = 1000
)

// Type is the kind of an observable, derived from its content and not from the
// property it stood under.
type Type string

// The kinds of observables.
const (
	IPv4   Type = "ipv4"
	IPv6   Type = "ipv6"
	CIDR   Type = "cidr"
	Domain Type = "domain"
	URL    Type = "url"
	Email  Type = "email"
	MD5    Type = "md5"
	SHA1   Type = "sha1"
	SHA256 Type = "sha256"
	SHA512 Type = "sha512"
	MAC    Type = "mac"
	ASN    Type = "asn"
	Text   Type = "text"
	// ObjectRef is no observable: the id of a STIX object that an opinion or a
	// sighting is about, so that they are found as values are.
	ObjectRef Type = "object"
)

// Observable is a (type, normal form) pair; two observables are the same thing
// exactly when they are ==.
type Observable struct {
	Type  Type   `json:"type"`
	Value string `json:"value"`
}

// Pattern is a parsed STIX pattern. It is immutable and safe for concurrent use.
type Pattern struct {
	root     *observationNode
	findings []string
}

// Parse reads a pattern within the limits of this package. Errors are
// *reason.Error with code pattern.syntax or pattern.limit, and name the column
// (counted in characters from 1) and what was expected there.
func Parse(src string) (*Pattern, error) {
	if len(src) > MaxBytes {
		return nil, reason.New(reason.PatternLimit, limitText("bytes", len(src), MaxBytes))
	}
	p := parser{lex: lexer{src: src}}
	root, err := p.pattern()
	if err != nil {
		return nil, err
	}
	return &Pattern{root: root, findings: p.findings}, nil
}

// Findings lists what the grammar lets through but the standard does not: a
// hash of the wrong length, one qualifier twice on one observation. The
// pattern keeps its meaning, so they are warnings to whoever takes it in. The
// caller must not change the slice.
func (p *Pattern) Findings() []string { return p.findings }

// Result is the outcome of an evaluation.
type Result uint8

// The three outcomes. Unknown means that this package cannot evaluate it.
const (
	Unknown Result = iota
	NoMatch
	Match
)

// String gives the result as a word.
func (r Result) String() string {
	switch r {
	case Match:
		return "match"
	case NoMatch:
		return "no match"
	}
	return "unknown"
}

// Match evaluates the pattern against observations: observed-data objects with
// their objects inside (2.0), or with object_refs and the observables beside
// them, loose or in bundles (2.1). Observables without any observed-data count
// as one observation whose time is unknown.
//
// Strings are compared code point by code point after Unicode NFC, as the
// standard says, under every operator. Text with more than 30 combining marks in
// a row, regular expressions beyond RE2, references that are not at hand, and
// searches that grow too large give Unknown with why, unless the pattern matches without them.
func (p *Pattern) Match(observations []json.RawMessage) (r Result, why string) {
	seen, err := readObservations(observations)
	if err != nil {
		return Unknown, err.Error()
	}
	return evaluate(p.root, seen)
}
