// Package warn is warning lists: values that must not be blocked or should make
// one look twice, in the format of MISP warninglists. It is pure: files are read
// elsewhere. An Index is immutable and safe for concurrent use.
package warn

import (
	"tocsin/protocol/pattern"
)

// The weights of a list as a refutation, in 1/10,000 (threat model 3.8).
const (
	Hard = 9500
	Soft = 5000
)

// List is one warning list.
type List struct {
	Name, Description string
	Version           int
	// Type is cidr, hostname, substring, string or regex.
	Type string
	// Matching are the MISP attribute types that the list is for, empty for all that its type fits.
	Matching []string
	// Weight is Hard or Soft.
	Weight int
	// Entries as they stand in the file.
	Entries []string
	// Skipped are entries that cannot be used, each with the reason; the rest of the list holds.
	Skipped []string
}

// Hit is one list that names a value.
type Hit struct {
	List   string
	Entry  string
	Weight int
}

// Parse reads a list in the format of MISP warninglists (JSON) or, when name ends in ".txt", one entry a
// line of a hostname list or, where the lines are addresses and networks, a cidr list. Errors
// are warn.file and name the place and the remedy.
func Parse(name string, raw []byte, weight int) (*List, error) { panic("unwritten") }

// Builtin is the pack that every node has: reserved and special ranges, well-known
// resolvers, root and TLD infrastructure, hosts that devices ask for connectivity, hashes of empty
// files. All hard. The caller must not change it.
func Builtin() []*List { panic("unwritten") }

// Index finds the lists that name a value.
type Index struct{}

// Compile builds an index; a list whose regex does not compile lands in its Skipped.
func Compile(lists []*List) *Index { panic("unwritten") }

// Match returns the strongest hit (highest weight, then first list by name), in
// any notation of the value: addresses match the networks around them, networks those that they
// overlap (both ways), v4-mapped and NAT64 addresses their IPv4, names the zones
// they lie in, URLs and e-mail addresses their host.
func (x *Index) Match(o pattern.Observable) (Hit, bool) { panic("unwritten") }

// All returns every hit, strongest first, at most 16.
func (x *Index) All(o pattern.Observable) []Hit { panic("unwritten") }
