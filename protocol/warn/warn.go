// Package warn is warning lists: values that must not be blocked or should make
// one look twice, in the format of MISP warninglists. It is pure: files are read
// elsewhere. An Index is immutable and safe for concurrent use.
//
// What a list's entries mean, by its type:
//
//   - cidr: addresses and networks, IPv4 and IPv6.
//   - hostname: a name with all names below it; a leading dot or "*." says the same.
//     Addresses and networks may stand among them, which is what an operator's own list needs.
//   - string: the value itself, case ignored. A name with a leading dot is a suffix, so it
//     means the name and all names below it; "*.name" means the names one label below it.
//   - substring: values that hold the text, case ignored.
//   - regex: values in which the expression finds something, case ignored; RE2 only.
//
// A list is for the types of value that its matching attributes name. URLs are also
// matched by their host: a list of names or addresses names what is served there.
// E-mail addresses are matched by their domain where the list is for e-mail addresses.
package warn

// The weights of a list as a refutation, in 1/10,000 (threat model 3.8).
const (
	Hard = 9500
	Soft = 5000
)

// The types of lists.
const (
	TypeCIDR      = "cidr"
	TypeHostname  = "hostname"
	TypeSubstring = "substring"
	TypeString    = "string"
	TypeRegex     = "regex"
	// typeSuffix is a rule and no list: a name that is itself a public suffix, so that "com"
	// and "co.uk" are named and no name below them. In the built-in pack only.
	typeSuffix = "suffix"
)

// The limits of one list. A file comes from the operator, who took it from somewhere.
const (
	// MaxFile is the size of a file; the largest list of MISP has 3 MB.
	MaxFile = 64 << 20
	// MaxEntries is the number of entries of a list.
	MaxEntries = 2_000_000
	// maxEntry is the length of an entry, and of a line of a text file.
	maxEntry = 4 << 10
	// maxTitle bounds the name of a list, maxDescription what it says of itself.
	maxTitle, maxDescription = 200, 4 << 10
	// maxMatching is the number of matching attributes.
	maxMatching = 256
	// maxSkipped is how many entries may be unusable before the file is refused:
	// it is of another type than it says.
	maxSkipped = 100_000
	// minSubstring is the length from which a substring tells anything.
	minSubstring = 3
	// maxSubstrings bounds the bytes of all entries of one substring list: the automaton
	// takes up to 13 bytes for each.
	maxSubstrings = 4 << 20
	// maxExpressions and maxExpression bound the number and length of the regular expressions
	// of a list, maxRepetition what counted repetitions multiply to.
	maxExpressions, maxExpression, maxRepetition = 100, 512, 100
	// maxSubject is how much of a value regular expressions see.
	maxSubject = 2 << 10
	// maxHits is what All returns at most.
	maxHits = 16
	// maxLists is the number of lists of an index.
	maxLists = 1 << 15
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
	// Own says that the entries are the operator's own assets: names that look like them
	// are found by LookAlike.
	Own bool
	// Entries as they stand in the file.
	Entries []string
	// Skipped are entries that cannot be used, each with the reason; the rest of the list holds.
	Skipped []string
}

// Hit is one list that names a value. Entry is what names it, in normal form.
type Hit struct {
	List   string
	Entry  string
	Weight int
}
