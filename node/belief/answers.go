package belief

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/pattern"
	"tocsin/protocol/trust"
	"tocsin/storage"
)

// The bounds of what is said about what is said.
const (
	// maxSubjects is how many objects that name one value are asked for answers.
	maxSubjects = 1000
	// maxAnswers is how many answers about one value are heard, the most trusted first.
	maxAnswers = 1000
	// maxOneVoice is how many answers of one kind an organisation gets in: of a group only the
	// strongest counts, so that more only crowd out others.
	maxOneVoice = 10
)

// ownSighting is what a sighting by the node's own organisation claims when it states no confidence:
// its own sensor saw what a counted organisation calls bad.
const ownSighting = 90

// answer is an opinion or a sighting about an object that names the value.
type answer struct {
	voice
	// about is the STIX id of that object.
	about string
	// vague marks a sighting of an object that names several values, not all of them
	// hashes of one file: it does not say which of them was seen.
	vague bool
}

// says is what an answer says, for people.
func (a *answer) says() string { return voiceWord(a.Voice) }

// voiceWord is a voice about an object in a word, "" for one that speaks of none.
func voiceWord(v storage.Voice) string {
	switch v {
	case storage.Refutes:
		return "disagrees"
	case storage.Confirms:
		return "agrees"
	case storage.Sighting:
		return "seen"
	case storage.Absent:
		return "not seen"
	}
	return ""
}

// answers finds the opinions and sightings about the objects that claim something, of all
// organisations, and adds their claims. Only objects of voices that count attract
// answers: a STIX id is no proof of origin, and anybody may publish another value under
// the id of an object that was refuted, or seen. A stranger who does moves nothing so.
func (s *session) answers(h *hearing) error {
	var have map[storage.Ref]bool
	for _, v := range h.subjects() {
		about := pattern.Observable{Type: pattern.ObjectRef, Value: v.Object}
		hits, omitted, err := s.Store.Lookup(about, s.known)
		if err != nil {
			return fmt.Errorf("opinions about %s: %w", v.Object, err)
		}
		h.omitted += omitted
		for i := range hits {
			a := answer{voice: s.voice(&hits[i], v.kind), about: v.Object}
			a.vague = a.Voice == storage.Sighting && pattern.Several(v.Values)
			if a.says() == "" || a.Revoked || a.State == storage.Refused || have[a.Ref] {
				continue
			}
			if have == nil {
				have = map[storage.Ref]bool{}
			}
			have[a.Ref] = true
			h.answers = append(h.answers, a)
		}
	}
	if len(h.answers) == 0 {
		return nil
	}
	h.answers = bounded(h.answers)
	s.weigh(h)
	return nil
}

// subjects are the objects that answers are looked up for: the most trusted first, each id once.
func (h *hearing) subjects() []*voice {
	out := h.single[:0]
	for i := range h.voices {
		if v := &h.voices[i]; v.state == accepted && v.claiming() && v.counts() && v.Object != "" {
			out = append(out, v)
		}
	}
	if len(out) < 2 {
		return out
	}
	slices.SortFunc(out, trusted)
	seen := make(map[string]bool, len(out))
	out = slices.DeleteFunc(out, func(v *voice) bool {
		again := seen[v.Object]
		seen[v.Object] = true
		return again
	})
	return out[:min(len(out), maxSubjects)]
}

// bounded drops what is too much: of one organisation's answers of a kind all but the newest few,
// of all together those who are trusted least.
func bounded(all []answer) []answer {
	type one struct {
		org  protocol.OrgID
		says storage.Voice
	}
	slices.SortFunc(all, func(a, b answer) int { return cmp.Or(b.First.Compare(a.First), trusted(&a.voice, &b.voice)) })
	have := map[one]int{}
	all = slices.DeleteFunc(all, func(a answer) bool {
		have[one{a.Org, a.Voice}]++
		return have[one{a.Org, a.Voice}] > maxOneVoice
	})
	slices.SortFunc(all, func(a, b answer) int { return trusted(&a.voice, &b.voice) })
	return all[:min(len(all), maxAnswers)]
}

// weigh turns answers into claims. A refutation refutes; agreement, and a sighting, is a supporting
// voice of whoever agrees, and of a group the strongest member counts, so that who claims and sees
// is one voice. A sighting by a counted organisation also makes every claim as fresh as itself.
func (s *session) weigh(h *hearing) {
	var seen time.Time
	said := len(h.claims)
	for i := range h.answers {
		a := &h.answers[i]
		if a.vague {
			continue
		}
		c := s.claim(&a.voice)
		switch a.Voice {
		case storage.Refutes:
			c.Refutes = true
		case storage.Absent:
			c.Absent = true
		case storage.Sighting:
			if c.Own && c.Claimed < 0 {
				c.Claimed = ownSighting
			}
			if a.counts() && a.First.After(seen) {
				seen = a.First
			}
		}
		h.claims = append(h.claims, c)
	}
	if seen.IsZero() {
		return
	}
	for i := range h.claims {
		if c := &h.claims[i]; i < said || !c.Refutes && !c.Absent {
			c.Seen = seen
		}
	}
}

// speaker names who answers.
func (a *answer) speaker() string { return speaker(a.petname, a.Org, a.level) }

// said names the answers, for explanations.
func (h *hearing) said() []string {
	var lines []string
	for i := range h.answers {
		a := &h.answers[i]
		line := fmt.Sprintf("%s %s: %s about %s", a.speaker(), a.says(), a.Object, a.about)
		switch {
		case a.state == refused:
			line += "; the organisation is blocked"
		case a.inQuarantine:
			line += "; held in quarantine"
		case a.vague:
			line += "; that object names several values and this does not say which was seen: it weighs nothing"
		case a.Voice == storage.Absent:
			line += "; shown, and weighs nothing"
		case a.Voice == storage.Refutes && a.level < trust.Partner:
			line += "; only partner, anchor and own voices can refute"
		case a.Voice == storage.Sighting && a.counts():
			line += "; age runs from " + a.First.UTC().Format(time.RFC3339)
		}
		lines = append(lines, line)
	}
	return lines
}
