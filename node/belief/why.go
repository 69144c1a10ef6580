package belief

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"tocsin/node/admin/api"
	"tocsin/protocol"
	"tocsin/protocol/trust"
)

// maxLines bounds each part of an explanation; what is left out is counted.
const maxLines = 50

// why writes the arithmetic down in words: what lists say, each voice, the products, the score,
// the gate. Every number in it can be recomputed from the line it stands in.
func (s *session) why(h *hearing, v *Verdict, e *api.Explanation) []string {
	a := &v.Assessment
	lines := firstOf(counted(a.Terms), "voices count too")
	lines = append(lines, firstOf(uncounted(a.Terms), "voices do not count either")...)
	lines = append(lines, firstOf(together(a.Terms), "groups")...)
	lines = append(lines, firstOf(h.said(), "opinions and sightings")...)
	lines = append(lines, firstOf(h.bystanders(), "objects make no claim either")...)
	if h.omitted > 0 {
		lines = append(lines, fmt.Sprintf("and %d more of strangers, not shown", h.omitted))
	}
	lines = append(lines, firstOf(ledgerLines(e.Ledger), "ledgers")...)
	lines = append(lines, firstOf(barredLines(e.Barred), "organisations out of automation")...)
	if h.warned {
		lines = append(lines, warningLine(&v.Warning))
	}
	lines = append(lines, products(a, v.Warning.Weight)...)
	full := (a.Support*(10_000-a.Refute) + 5_000) / 10_000
	score := fmt.Sprintf("score = 100 x %s x (1 - %s) = %s", decimal(a.Support), decimal(a.Refute), points(full))
	if full > a.Shown {
		score += fmt.Sprintf(", shown as %s: observed organisations and strangers lift no score over 79", points(a.Shown))
	}
	lines = append(lines, score, fmt.Sprintf("gate score, without observed organisations and strangers: %s, hence %s", points(a.Gate), v.Verdict))
	lines = append(lines, gateLine(&v.Passage))
	if !a.Next.IsZero() {
		lines = append(lines, "if nothing new comes, this changes at "+a.Next.Format("2006-01-02T15:04:05Z07:00")+": "+h.change(a))
	}
	return lines
}

// change says what happens at a.Next: which claims or trust entries begin or end
// there, or that decay takes the score over a threshold; and what the gate score is then.
func (h *hearing) change(a *trust.Assessment) string {
	then := h.list.Score(h.claims, h.warning.Weight, a.Next).Gate
	events := h.events(a)
	if more := len(events) - maxLines; more > 0 {
		events = append(events[:maxLines:maxLines], fmt.Sprintf("%d more of this kind", more))
	}
	if len(events) > 0 {
		return fmt.Sprintf("%s; the gate score is %s then", strings.Join(events, ", "), points(then))
	}
	for _, threshold := range []int{trust.Actionable, trust.Alert, trust.Context} {
		switch {
		case a.Gate >= threshold && then < threshold:
			return fmt.Sprintf("by decay the gate score falls below %d, to %s", trust.Points(threshold), points(then))
		case a.Gate < threshold && then >= threshold:
			return fmt.Sprintf("as refutations decay the gate score rises to %d, to %s", trust.Points(threshold), points(then))
		}
	}
	return fmt.Sprintf("the gate score may cross a threshold from then on; it is %s then", points(then))
}

// events lists the claims that begin or end at a.Next, and the trust entries that expire.
func (h *hearing) events(a *trust.Assessment) []string {
	var lines []string
	told := map[protocol.OrgID]bool{}
	for i := range a.Terms {
		t := &a.Terms[i]
		who := speaker(t.Petname, t.Claim.Org, t.Level)
		switch {
		case t.Claim.ValidFrom.Equal(a.Next):
			lines = append(lines, fmt.Sprintf("the claim of %s begins to count (valid_from)", who))
		case t.Claim.ValidUntil.Equal(a.Next):
			lines = append(lines, fmt.Sprintf("the claim of %s ends (valid_until)", who))
		}
		entry, listed := h.list.Entry(t.Claim.Org)
		if listed && !t.Claim.Own && !told[t.Claim.Org] && entry.Expires.Add(24*time.Hour).Equal(a.Next) {
			told[t.Claim.Org] = true
			lines = append(lines, fmt.Sprintf("the trust entry of %s expires (%s is its last day)", who, entry.Expires.Format(time.DateOnly)))
		}
	}
	return lines
}

// firstOf cuts a part that is too long.
func firstOf(lines []string, rest string) []string {
	if more := len(lines) - maxLines; more > 0 {
		return append(lines[:maxLines:maxLines], fmt.Sprintf("%d more %s", more, rest))
	}
	return lines
}

func counted(terms []trust.Term) []string {
	var lines []string
	for i := range terms {
		t := &terms[i]
		if !t.Counted {
			continue
		}
		line := fmt.Sprintf("%s %s x q %s x claim %s x decay %s = %s",
			speaker(t.Petname, t.Claim.Org, t.Level), decimal(t.Weight), decimal(t.Q), decimal(t.Claimed), decimal(t.Decay), decimal(t.V))
		if t.Claim.Refutes {
			line += ", against"
		}
		if t.Claim.Held {
			line += ", held in quarantine"
		}
		if t.Claim.Claimed < 0 {
			line += " (no confidence stated: 50)"
		}
		lines = append(lines, line)
	}
	return lines
}

// uncounted names each listed voice that does not count, and the strangers as a number.
func uncounted(terms []trust.Term) []string {
	var lines []string
	strangers := 0
	for i := range terms {
		t := &terms[i]
		switch {
		case t.Counted:
		case t.Level == trust.Unknown:
			strangers++
		default:
			lines = append(lines, fmt.Sprintf("%s does not count: %s", speaker(t.Petname, t.Claim.Org, t.Level), t.Why))
		}
	}
	if strangers > 0 {
		lines = append(lines, fmt.Sprintf("%d more claims of strangers do not count: only their strongest one does", strangers))
	}
	return lines
}

// bystanders are the objects that name the value and claim nothing about it.
func (h *hearing) bystanders() []string {
	var lines []string
	for i := range h.voices {
		v := &h.voices[i]
		if v.claiming() {
			continue
		}
		said := "names the value and claims nothing about it"
		switch v.state {
		case withdrawn:
			said = "was withdrawn by its author"
		case refused:
			said = "was refused here"
		case notEvaluated:
			said = "needs more than this value, so it is not evaluated here"
		}
		lines = append(lines, fmt.Sprintf("%s: %s %s", speaker(v.petname, v.Org, v.level), v.Object, said))
	}
	return lines
}

// products writes S and R as products over the counted voices.
func products(a *trust.Assessment, warned int) []string {
	var gate, pool, against []string
	if warned > 0 {
		against = append(against, "(1 - "+decimal(warned)+")")
	}
	stranger := 0
	for i := range a.Terms {
		t := &a.Terms[i]
		factor := "(1 - " + decimal(t.V) + ")"
		switch {
		case !t.Counted:
		case t.Claim.Refutes:
			against = append(against, factor)
		case t.Level == trust.Unknown:
			stranger = t.V
		case t.Level == trust.Observed:
			pool = append(pool, factor)
		default:
			gate = append(gate, factor)
		}
	}
	var lines []string
	if len(pool) > 0 {
		lines = append(lines, "pool of observed organisations = 1 - "+product(pool)+", at most 0.30")
		gate = append(gate, "(1 - pool)")
	}
	if stranger > 0 {
		gate = append(gate, "(1 - "+decimal(stranger)+")")
	}
	if len(gate) > 0 {
		lines = append(lines, "support = 1 - "+product(gate)+" = "+decimal(a.Support))
	}
	if len(against) > 0 {
		lines = append(lines, "refutation = 1 - "+product(against)+" = "+decimal(a.Refute))
	}
	return lines
}

func product(factors []string) string {
	if more := len(factors) - maxLines; more > 0 {
		return strings.Join(factors[:maxLines], " x ") + fmt.Sprintf(" x %d more", more)
	}
	return strings.Join(factors, " x ")
}

// decimal writes 1/10,000 as a fraction of 1 with two to four digits.
func decimal(n int) string {
	s := strconv.FormatFloat(float64(n)/10_000, 'f', 4, 64)
	for strings.HasSuffix(s, "0") && len(s) > len("0.00") {
		s = s[:len(s)-1]
	}
	return s
}

// points writes a score in points with one or two digits behind the point.
func points(n int) string {
	return strings.TrimSuffix(strconv.FormatFloat(float64(n)/100, 'f', 2, 64), "0")
}
