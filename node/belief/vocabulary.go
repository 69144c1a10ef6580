package belief

import (
	"tocsin/protocol/trust"
	"tocsin/storage"
)

// Verdicts are all verdicts of a check, for those who describe answers.
func Verdicts() []string {
	return []string{malicious, suspicious, known, allowed, expired, unknown}
}

// States are all states of a check.
func States() []string { return append([]string{none, disputed}, shared()...) }

// SourceStates are all states of a source.
func SourceStates() []string { return append(shared(), expired) }

// shared are the states that a check and a source both can have.
func shared() []string { return []string{accepted, held, notEvaluated, withdrawn, refused} }

// Bands are the parts of the scale of the gate score, high to low.
func Bands() []string {
	return []string{band(trust.Actionable), band(trust.Alert), band(trust.Context), band(0)}
}

// Sayings are what an opinion or sighting can say of an object.
func Sayings() []string {
	return []string{voiceWord(storage.Refutes), voiceWord(storage.Confirms), voiceWord(storage.Sighting), voiceWord(storage.Absent)}
}
