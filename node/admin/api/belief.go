package api

// Opinion is what somebody says about an object that names the value.
type Opinion struct {
	// Says is one of disagrees, agrees, seen or not seen.
	Says string `json:"says"`
	// About is the STIX id of the object that it is about.
	About string `json:"about"`
	Source
}

// Warning is a warning list that names a value.
type Warning struct {
	// List is the warning list's name.
	List string `json:"list"`
	// Entry is the line of it that names the value.
	Entry string `json:"entry"`
	// Weight is how much it speaks against the value: 0.95 for a hard list, 0.5 for another.
	Weight float64 `json:"weight"`
	// Hard is true for a list of what must never be blocked.
	Hard bool `json:"hard"`
}

// Automation says whether machines may act on a value.
type Automation struct {
	// Allow is true when machines may act on the value.
	Allow bool `json:"allow"`
	// Obstacles are the conditions that are not met, as sentences.
	Obstacles []string `json:"obstacles"`
	// Publishers are the organisations whose word, by their trust entries, lets the value through.
	Publishers []string `json:"publishers"`
	// Groups counts the independent voices in the gate score; 0 where the score was too low to look.
	Groups int `json:"groups,omitempty"`
}

// LedgerLine is the factor q of an organisation on a topic, with what it came from.
type LedgerLine struct {
	// Org is the organisation: sha256: and 64 hex digits.
	Org string `json:"org"`
	// Petname is what the trust list calls it, empty for a stranger.
	Petname string `json:"petname"`
	// Topic is the topic that the line is about.
	Topic string `json:"topic"`
	// Q is the factor that its claims on the topic are multiplied with, 0 to 1.
	Q float64 `json:"q"`
	// Confirmed counts values of it that others confirmed.
	Confirmed int `json:"confirmed"`
	// Refuted counts values of it that were refuted.
	Refuted int `json:"refuted"`
	// Withdrawn counts values that it took back itself.
	Withdrawn int `json:"withdrawn"`
}

// BarredLine is an organisation that is out of automation.
type BarredLine struct {
	// Org is the organisation: sha256: and 64 hex digits.
	Org string `json:"org"`
	// Petname is what the trust list calls it, empty for a stranger.
	Petname string `json:"petname"`
	// Topic is the topic on which it is out.
	Topic string `json:"topic"`
	// Code is the reason code.
	Code string `json:"code"`
	// Why says why, in a sentence.
	Why string `json:"why"`
}
