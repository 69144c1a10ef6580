package storage

// Voice says what an object says about the values or objects that it names.
type Voice uint8

// The voices. A Claim speaks for badness; the others answer somebody else's object, which
// they name as a value of type pattern.ObjectRef.
const (
	NoVoice Voice = iota
	// Refutes is an opinion "disagree" or "strongly-disagree".
	Refutes
	// Confirms is an opinion "agree" or "strongly-agree".
	Confirms
	// Sighting was seen, Absent was looked for and not seen (count 0).
	Sighting
	Absent
)
