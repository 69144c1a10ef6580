// Package pattern reads STIX 2.1 patterns (part 9 of the standard), evaluates
// what can be evaluated on one observation, and reduces values to observables:
// a type and a normal form under which two spellings of one thing are equal.
// What it cannot evaluate it says so; that is never "no match". It knows no
// STIX object model, no records, no trust.
package pattern

import "encoding/json"

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
)

// Observable is a (type, normal form) pair; two observables are the same thing
// exactly when they are ==.
type Observable struct {
	Type  Type   `json:"type"`
	Value string `json:"value"`
}

// Normalize reduces a value to its observable. path is the STIX object path it
// stood under ("domain-name:value", "file:hashes.'SHA-256'"), or "" when
// unknown; it only decides between readings that the content leaves open.
func Normalize(path, value string) Observable { panic("unwritten") }

// Refang reads a value as a person types it: spaces around it, hxxp, [.] (.)
// [@] and the like are undone, and the type is guessed from the content.
func Refang(value string) Observable { panic("unwritten") }

// FromObservable lists the observables of one cyber-observable object: its
// value, its hashes, its name. typ is the STIX type, props its decoded JSON.
func FromObservable(typ string, props map[string]any) []Observable { panic("unwritten") }

// Pattern is a parsed STIX pattern. It is immutable and safe for concurrent use.
type Pattern struct{}

// Parse reads a pattern within the limits of this package. Errors are
// *reason.Error with code pattern.syntax or pattern.limit, and name the column.
func Parse(src string) (*Pattern, error) { panic("unwritten") }

// Value is one literal that a pattern compares with equality.
type Value struct {
	// Observable is the literal in normal form.
	Observable Observable
	// Alone is true when seeing this one value satisfies the whole pattern.
	Alone bool
}

// Values lists the literals that the pattern compares by = or IN (not negated),
// and ISSUBSET as CIDR, without duplicates, in order of appearance. complete
// is false when the pattern holds something that no such value stands for
// (LIKE, MATCHES, NOT, several observations, qualifiers ...): then the pattern
// as a whole is "not evaluated here".
func (p *Pattern) Values() (values []Value, complete bool) { panic("unwritten") }

// Result is the outcome of an evaluation.
type Result uint8

// The three outcomes. Unknown means that this package cannot evaluate it.
const (
	Unknown Result = iota
	NoMatch
	Match
)

// Match evaluates the pattern against observations, each an observed-data
// object with its objects (2.0 container or 2.1 bundle form). Several
// observations, qualifiers and what RE2 cannot do give Unknown with why.
func (p *Pattern) Match(observations []json.RawMessage) (r Result, why string) { panic("unwritten") }
