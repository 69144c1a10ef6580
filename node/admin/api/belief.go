package api

// Opinion is what somebody says about an object that names the value.
type Opinion struct {
	// Says is disagrees, agrees, seen or not seen.
	Says string `json:"says"`
	// About is the STIX id of the object that it is about.
	About string `json:"about"`
	Source
}

// Warning is a warning list that names a value.
type Warning struct {
	List   string  `json:"list"`
	Entry  string  `json:"entry"`
	Weight float64 `json:"weight"`
	// Hard is true for a list of what must never be blocked.
	Hard bool `json:"hard"`
}

// Automation says whether machines may act on a value.
type Automation struct {
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
	Org       string  `json:"org"`
	Petname   string  `json:"petname"`
	Topic     string  `json:"topic"`
	Q         float64 `json:"q"`
	Confirmed int     `json:"confirmed"`
	Refuted   int     `json:"refuted"`
	Withdrawn int     `json:"withdrawn"`
}

// BarredLine is an organisation that is out of automation.
type BarredLine struct {
	Org     string `json:"org"`
	Petname string `json:"petname"`
	Topic   string `json:"topic"`
	Code    string `json:"code"`
	Why     string `json:"why"`
}
