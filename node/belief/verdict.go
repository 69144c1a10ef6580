package belief

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"time"

	"tocsin/node/admin/api"
	"tocsin/protocol"
	"tocsin/protocol/pattern"
	"tocsin/protocol/trust"
	"tocsin/protocol/warn"
)

// The verdicts of a check; docs/trust-list.md says when each is given.
const (
	malicious  = "malicious"
	suspicious = "suspicious"
	expired    = "expired" // also a source's state
	known      = "known"
	unknown    = "unknown"
	allowed    = "allowed"
)

// The states of a check. A source has one of them too, or expired; disputed and
// none are of items alone.
const (
	disputed     = "disputed"
	accepted     = "accepted"
	notEvaluated = "not-evaluated"
	withdrawn    = "withdrawn"
	held         = "held"
	refused      = "refused"
	none         = "none"
)

// Verdict is what the node believes about one value, with all that it rests on.
type Verdict struct {
	Value pattern.Observable
	// Verdict and State are the words of a check.
	Verdict, State string
	Assessment     trust.Assessment
	// Warned is true when a warning list names the value, and Warning is the strongest that does.
	Warned  bool
	Warning warn.Hit
	// Passage is what the automation gate says. It hangs on when records came in here as well, so it
	// is no part of the digest.
	Passage trust.Passage
}

// verdict judges what was heard.
func (s *session) verdict(h *hearing) (*Verdict, error) {
	v := &Verdict{Value: h.value, Verdict: unknown, State: none, Warned: h.warned, Warning: h.warning}
	if len(h.voices) == 0 {
		return v, nil
	}
	v.Assessment = s.in.List.Assess(h.claims, h.warning.Weight, s.now)
	v.Verdict, v.State = h.judge(&v.Assessment)
	var err error
	v.Passage, err = s.pass(h, &v.Assessment)
	return v, err
}

// judge gives verdict and state. What a hard warning list names is allowed, whatever is said of
// it; else the verdict follows the gate score alone. The state is that of the first voice in
// order of rank.
func (h *hearing) judge(a *trust.Assessment) (verdict, state string) {
	state = h.voices[0].state
	if state == expired {
		state = accepted
	}
	if a.Disputed && a.Support > 0 {
		state = disputed
	}
	switch {
	case h.warning.Weight >= warn.Hard:
		return allowed, state
	case a.Gate >= trust.Actionable:
		return malicious, state
	case a.Gate >= trust.Alert:
		return suspicious, state
	case a.Expired:
		return expired, state
	case state == disputed || state == accepted || state == notEvaluated:
		return known, state
	}
	return unknown, state
}

// sources lists the voices: those that decide the state first, of these the
// highest level first.
func (h *hearing) sources() []api.Source {
	out := make([]api.Source, len(h.voices))
	for i := range h.voices {
		out[i] = h.voices[i].source()
	}
	return out
}

// opinions lists the opinions and sightings, the most trusted first.
func (h *hearing) opinions() []api.Opinion {
	var out []api.Opinion
	for i := range h.answers {
		a := &h.answers[i]
		out = append(out, api.Opinion{Says: a.says(), About: a.about, Source: a.source()})
	}
	return out
}

func (v *voice) source() api.Source {
	return api.Source{
		Org: v.Org.String(), Petname: v.petname, Level: v.level.String(),
		Object: v.Object, Record: v.Record.String(), Created: v.Created,
		Confidence: v.Confidence, State: v.state, ValidUntil: v.ValidUntil,
		Topic: v.Topic.String(), TLP: v.TLP.String(),
	}
}

func warning(hit warn.Hit) *api.Warning {
	return &api.Warning{List: hit.List, Entry: hit.Entry, Weight: fraction(hit.Weight), Hard: hit.Weight >= warn.Hard}
}

// Digest is SHA-256 over a canonical form of everything that the verdict says and
// rests on. Equal records, lists, ledger, standing and time give the same digest on every
// machine, in whatever order the records came.
func (v *Verdict) Digest() protocol.Digest {
	w := digester{sha256.New()}
	w.text("tocsin/verdict/1", string(v.Value.Type), v.Value.Value, v.Verdict, v.State, v.Warning.List, v.Warning.Entry)
	w.number(int64(v.Warning.Weight), flag(v.Warned))
	a := &v.Assessment
	w.number(int64(a.Shown), int64(a.Gate), int64(a.Support), int64(a.Refute), flag(a.Disputed), flag(a.Expired), milliseconds(a.Next))
	w.number(int64(len(a.Terms)))
	for i := range a.Terms {
		w.term(&a.Terms[i])
	}
	return protocol.Digest(w.Sum(nil))
}

// digester writes texts with their lengths and numbers in eight bytes, so that no two
// verdicts have one form. A hash takes every write.
type digester struct{ hash.Hash }

func (w digester) text(all ...string) {
	for _, s := range all {
		w.number(int64(len(s)))
		w.Write([]byte(s))
	}
}

func (w digester) number(all ...int64) {
	var b [8]byte
	for _, n := range all {
		binary.BigEndian.PutUint64(b[:], uint64(n))
		w.Write(b[:])
	}
}

func (w digester) term(t *trust.Term) {
	c := &t.Claim
	w.Write(c.Org[:])
	w.Write(c.Record[:])
	w.text(c.Topic, c.Upstream, string(c.Kind), string(c.Barred), c.Object, t.Petname, t.Group, t.Why)
	w.number(flag(c.Own), flag(c.Held), flag(c.Refutes), flag(c.Absent), int64(c.Claimed), int64(c.Q),
		milliseconds(c.Since), milliseconds(c.Seen), milliseconds(c.ValidFrom), milliseconds(c.ValidUntil))
	w.number(int64(t.Level), int64(t.Weight), int64(t.Q), int64(t.Claimed), int64(t.Decay), int64(t.V), flag(t.Counted))
}

func flag(set bool) int64 {
	if set {
		return 1
	}
	return 0
}

// milliseconds is Unix time, and one fixed number for no time.
func milliseconds(t time.Time) int64 { return t.UnixMilli() }
