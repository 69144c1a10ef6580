package trust

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/pattern"
	"tocsin/protocol/reason"
)

var epoch = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// orgID makes a distinct organisation out of a number.
func orgID(n int) protocol.OrgID {
	return protocol.OrgID{byte(n >> 16), byte(n >> 8), byte(n), 0xaa}
}

const (
	anchorOrg   = 1
	anchorTwo   = 2
	partnerOrg  = 11
	partnerTwo  = 12
	partnerTri  = 13
	blockedOrg  = 21
	observedOrg = 1000 // and the 200 after it
	strangerOrg = 5000
)

// fixture is a list with two anchors, three partners, one blocked and 200 observed.
func fixture(t testing.TB, groups ...GroupRule) *List {
	t.Helper()
	var entries []Entry
	add := func(n int, level Level) {
		entries = append(entries, Entry{Org: orgID(n), Petname: fmt.Sprintf("%s-%d", level, n), Level: level, Expires: epoch.AddDate(0, 6, 0)})
	}
	for _, n := range []int{anchorOrg, anchorTwo} {
		add(n, Anchor)
	}
	for _, n := range []int{partnerOrg, partnerTwo, partnerTri} {
		add(n, Partner)
	}
	add(blockedOrg, Blocked)
	for i := range 200 {
		add(observedOrg+i, Observed)
	}
	for i := range entries {
		entries[i] = entries[i].clone()
		if p := entries[i].check(); p != nil {
			t.Fatal(p)
		}
	}
	return build(entries, groups, nil)
}

func says(n, claimed int) Claim {
	return Claim{Org: orgID(n), Topic: "malicious-code", Kind: pattern.Domain, Claimed: claimed, Since: epoch, Object: fmt.Sprintf("indicator--%d", n)}
}

func refutes(n, claimed int) Claim {
	c := says(n, claimed)
	c.Refutes = true
	return c
}

func upstream(c Claim, label string) Claim { c.Upstream = label; return c }
func own(c Claim) Claim                    { c.Own = true; return c }
func held(c Claim) Claim                   { c.Held = true; return c }

func many(from, n, claimed int) []Claim {
	var out []Claim
	for i := range n {
		out = append(out, says(from+i, claimed))
	}
	return out
}

// TestWorkedExamples is the table of worked examples of the trust model: the
// points as a person sees them, and the exact score behind them.
func TestWorkedExamples(t *testing.T) {
	halfLife := epoch.Add(30 * 24 * time.Hour)
	fresh := own(says(900, 90))
	fresh.Since = halfLife
	later := func(cs ...Claim) []Claim {
		for i := range cs {
			cs[i].Since = halfLife
		}
		return cs
	}
	tests := []struct {
		name     string
		claims   []Claim
		warn     int
		now      time.Time
		points   int
		shown    int
		gate     int
		disputed bool
	}{
		{"1,000 sybils, all claim 100", many(strangerOrg, 1000, 100), 0, epoch, 10, 950, 0, false},
		{"50 observed, all claim 100", many(observedOrg, 50, 100), 0, epoch, 30, 3000, 0, false},
		{"one partner, 80", []Claim{says(partnerOrg, 80)}, 0, epoch, 40, 4000, 4000, false},
		{"one partner, silent", []Claim{says(partnerOrg, -1)}, 0, epoch, 25, 2500, 2500, false},
		{"two independent partners, 95", []Claim{says(partnerOrg, 95), says(partnerTwo, 95)}, 0, epoch, 72, 7244, 7244, false},
		{"three independent partners, 95", []Claim{says(partnerOrg, 95), says(partnerTwo, 95), says(partnerTri, 95)}, 0, epoch, 86, 8553, 8553, false},
		{"three partners quoting one vendor feed", []Claim{
			upstream(says(partnerOrg, 95), "feed:z"), upstream(says(partnerTwo, 95), "feed:z"), upstream(says(partnerTri, 95), "feed:z"),
		}, 0, epoch, 48, 4750, 4750, false},
		{"one anchor alone, 95", []Claim{says(anchorOrg, 95)}, 0, epoch, 76, 7600, 7600, false},
		{"one anchor alone, 100 counts as 95", []Claim{says(anchorOrg, 100)}, 0, epoch, 76, 7600, 7600, false},
		{"anchor 90 + partner 80", []Claim{says(anchorOrg, 90), says(partnerOrg, 80)}, 0, epoch, 83, 8320, 8320, false},
		{"one half-life later", []Claim{says(anchorOrg, 90), says(partnerOrg, 80)}, 0, halfLife, 49, 4880, 4880, false},
		{"then seen by own sensor, 90, which resets age", append(later(says(anchorOrg, 90), says(partnerOrg, 80)), fresh), 0, halfLife, 98, 9756, 9756, false},
		{"seen again by an own sensor, which resets the age of what was said before", sighted(halfLife, says(anchorOrg, 90), says(partnerOrg, 80), fresh), 0, halfLife, 98, 9756, 9756, false},
		{"seen again, the sighting alone", sighted(halfLife, says(anchorOrg, 90), says(partnerOrg, 80)), 0, halfLife, 83, 8320, 8320, false},
		{"a sighting before the claim resets nothing", sighted(epoch.Add(-time.Hour), says(anchorOrg, 90), says(partnerOrg, 80)), 0, halfLife, 49, 4880, 4880, false},
		{"a sighting freshens no refutation", sighted(halfLife, says(anchorOrg, 90), refutes(partnerOrg, 80)), 0, halfLife, 58, 5760, 5760, true},
		{"looked for and not seen weighs nothing", []Claim{says(anchorOrg, 90), absent(says(partnerOrg, 80))}, 0, epoch, 72, 7200, 7200, false},
		{"a stale partner counts as observed", []Claim{says(anchorOrg, 90), barred(says(partnerOrg, 80), reason.OrgStale)}, 0, epoch, 76, 7648, 7200, false},
		{"a stale partner refutes nothing", []Claim{says(anchorOrg, 90), barred(refutes(partnerOrg, 80), reason.OrgStale)}, 0, epoch, 72, 7200, 7200, false},
		{"anchor 90, refuted by partner 80", []Claim{says(anchorOrg, 90), refutes(partnerOrg, 80)}, 0, epoch, 43, 4320, 4320, true},
		{"anchor 90 + partner 80, refuted by anchor 70", []Claim{says(anchorOrg, 90), says(partnerOrg, 80), refutes(anchorTwo, 70)}, 0, epoch, 37, 3661, 3661, true},
		{"anchor 90 + partner 80, \"refuted\" by 1,000 unknowns", append(strangersRefute(1000), says(anchorOrg, 90), says(partnerOrg, 80)), 0, epoch, 83, 8320, 8320, false},
		{"8.8.8.8 from anchor + 2 partners, hard warning list", []Claim{says(anchorOrg, 95), says(partnerOrg, 95), says(partnerTwo, 95)}, 9500, epoch, 5, 467, 467, false},
		{"popular domain from anchor + partner 95, soft warning list", []Claim{says(anchorOrg, 95), says(partnerOrg, 95)}, 5000, epoch, 44, 4370, 4370, false},
		{"anchor 90 + partner 50", []Claim{says(anchorOrg, 90), says(partnerOrg, 50)}, 0, epoch, 79, 7900, 7900, false},
		{"anchor 90 + partner 50, with pools", slices.Concat([]Claim{says(anchorOrg, 90), says(partnerOrg, 50)}, many(observedOrg, 50, 100), many(strangerOrg, 50, 100)), 0, epoch, 79, 7900, 7900, false},
		{"own analyst alone, 95", []Claim{own(says(900, 95))}, 0, epoch, 90, 9025, 9025, false},
		{"nothing", nil, 0, epoch, 0, 0, 0, false},
		{"only a refutation", []Claim{refutes(partnerOrg, 80)}, 0, epoch, 0, 0, 0, true},
	}
	l := fixture(t)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a := l.Assess(test.claims, test.warn, test.now)
			if Points(a.Shown) != test.points || a.Shown != test.shown || a.Gate != test.gate || a.Disputed != test.disputed {
				t.Errorf("points %d shown %d gate %d disputed %v, want %d %d %d %v",
					Points(a.Shown), a.Shown, a.Gate, a.Disputed, test.points, test.shown, test.gate, test.disputed)
			}
			if len(a.Terms) != len(test.claims) {
				t.Errorf("%d terms for %d claims", len(a.Terms), len(test.claims))
			}
			short := l.Score(test.claims, test.warn, test.now)
			if !short.Next.IsZero() {
				t.Errorf("Score looks ahead to %v", short.Next)
			}
			a.Terms, a.Next = nil, time.Time{}
			if !reflect.DeepEqual(a, short) {
				t.Errorf("Score gives %+v, Assess %+v", short, a)
			}
		})
	}
}

func absent(c Claim) Claim                  { c.Absent = true; return c }
func barred(c Claim, why reason.Code) Claim { c.Barred = why; return c }
func sighted(at time.Time, cs ...Claim) []Claim {
	for i := range cs {
		cs[i].Seen = at
	}
	return cs
}

func strangersRefute(n int) []Claim {
	claims := many(strangerOrg, n, 100)
	for i := range claims {
		claims[i].Refutes = true
	}
	return claims
}

// TestRecompute does the arithmetic again from the terms, with floating point, as
// a reader of an explanation would.
func TestRecompute(t *testing.T) {
	l := fixture(t)
	claims := slices.Concat([]Claim{says(anchorOrg, 90), says(partnerOrg, 33), refutes(partnerTwo, 12), own(says(900, 20))},
		many(observedOrg, 3, 7), many(strangerOrg, 9, 64))
	for i := range claims {
		claims[i].Since = epoch.Add(-time.Duration(i) * 31 * time.Hour)
		claims[i].Q = 9000 - 100*i
	}
	a := l.Assess(claims, 0, epoch)
	s, r := 1.0, 1.0
	for _, term := range a.Terms {
		v := float64(term.Weight) / one * float64(term.Q) / one * float64(term.Claimed) / one * float64(term.Decay) / one
		if math.Abs(v-float64(term.V)/one) > 0.00005 {
			t.Errorf("term %+v: v is %d, its factors give %f", term, term.V, v*one)
		}
		if !term.Counted {
			if term.Why == "" {
				t.Errorf("term of %s is not counted and says not why", term.Claim.Org)
			}
			continue
		}
		if term.Claim.Refutes {
			r *= 1 - float64(term.V)/one
		} else {
			s *= 1 - float64(term.V)/one
		}
	}
	want := 100 * (1 - s) * r
	if got := float64(a.Shown) / 100; math.Abs(got-want) > 0.02 {
		t.Errorf("shown %f, terms give %f", got, want)
	}
}

func TestVoicesThatDoNotCount(t *testing.T) {
	l := fixture(t)
	past, future := says(anchorOrg, 90), says(anchorOrg, 90)
	past.ValidUntil = epoch
	future.ValidFrom = epoch.Add(time.Second)
	old := says(anchorOrg, 90)
	old.Since = epoch.Add(-gone * 30 * 24 * time.Hour)
	tests := []struct {
		name   string
		claims []Claim
		why    string
		shown  int
	}{
		{"blocked", []Claim{says(blockedOrg, 90)}, "the organisation is blocked", 0},
		{"blocked refuter", []Claim{refutes(blockedOrg, 90)}, "the organisation is blocked", 0},
		{"looked for and not seen", []Claim{absent(says(anchorOrg, 90))}, "looked for and not seen: shown, and weighs nothing", 0},
		{"an absence of a blocked organisation", []Claim{absent(says(blockedOrg, 90))}, "the organisation is blocked", 0},
		{"an absence that refutes", []Claim{absent(refutes(anchorOrg, 90))}, "looked for and not seen: shown, and weighs nothing", 0},
		{"barred and held gains nothing", []Claim{held(barred(says(anchorOrg, 90), reason.OrgTripped))},
			"held in quarantine; the organisation counts as observed at most: its circuit breaker has tripped", 0},
		{"barred refuter", []Claim{barred(refutes(anchorOrg, 90), reason.OrgDisputed)},
			"only partner, anchor and own voices can refute; the organisation counts as observed at most: its identity is disputed", 0},
		{"held anchor", []Claim{held(says(anchorOrg, 90))}, "held in quarantine", 0},
		{"held refuter", []Claim{held(refutes(anchorOrg, 90))}, "held in quarantine", 0},
		{"valid_until is now", []Claim{past}, "past its valid_until", 0},
		{"valid_from is a second away", []Claim{future}, "before its valid_from", 0},
		{"too old", []Claim{old}, "too old or too small to weigh anything", 0},
		{"claims nothing", []Claim{says(anchorOrg, 0)}, "too old or too small to weigh anything", 0},
		{"observed refuter", []Claim{refutes(observedOrg, 90)}, "only partner, anchor and own voices can refute", 0},
		{"stranger refutes", []Claim{refutes(strangerOrg, 90)}, "only partner, anchor and own voices can refute", 0},
		{"same organisation twice", []Claim{says(anchorOrg, 90), says(anchorOrg, 80)}, "a stronger voice of the same group stands for it", 7200},
		{"two strangers", many(strangerOrg, 2, 100), "only the strongest stranger counts", 950},
	}
	for _, test := range tests {
		a := l.Assess(test.claims, 0, epoch)
		last := a.Terms[len(a.Terms)-1]
		if last.Counted || last.Why != test.why || a.Shown != test.shown {
			t.Errorf("%s: counted %v why %q shown %d, want %q %d", test.name, last.Counted, last.Why, a.Shown, test.why, test.shown)
		}
		if a.Disputed {
			t.Errorf("%s: disputed by a voice that does not count", test.name)
		}
	}
}

func TestHeldStrangersShowOnly(t *testing.T) {
	a := fixture(t).Assess([]Claim{held(says(strangerOrg, 100)), held(says(observedOrg, 100))}, 0, epoch)
	if a.Gate != 0 || a.Shown != 2670 || !a.Terms[0].Counted || !a.Terms[1].Counted {
		t.Errorf("gate %d shown %d, want 0 and 1-(1-0.19)(1-0.095) = 2670", a.Gate, a.Shown)
	}
}

func TestGroups(t *testing.T) {
	holding := GroupRule{Name: "holding-q", Orgs: []protocol.OrgID{orgID(partnerOrg), orgID(partnerTwo)}}
	vendor := GroupRule{Name: "vendor-z", Upstream: "feed:z"}
	l := fixture(t, holding, vendor)
	tests := []struct {
		name   string
		claims []Claim
		gate   int
		group  string
	}{
		{"a holding is one voice", []Claim{says(partnerOrg, 95), says(partnerTwo, 95)}, 4750, "group:holding-q"},
		{"the holding rule comes before the upstream", []Claim{upstream(says(partnerOrg, 95), "feed:z"), says(partnerTwo, 95)}, 4750, "group:holding-q"},
		{"a rule for an upstream", []Claim{upstream(says(partnerTri, 95), "feed:z"), upstream(says(anchorOrg, 95), "feed:z")}, 7600, "group:vendor-z"},
		{"an upstream without rule", []Claim{upstream(says(partnerTri, 95), "feed:y"), upstream(says(anchorOrg, 95), "feed:y")}, 7600, "upstream:feed:y"},
		{"never a union: holding and feed stay apart", []Claim{upstream(says(partnerOrg, 95), "feed:z"), upstream(says(partnerTri, 95), "feed:z")}, 7244, "group:holding-q"},
		{"own voices are one", []Claim{own(says(900, 95)), own(says(901, 95))}, 9025, "own"},
		{"refuters are grouped too", []Claim{says(anchorOrg, 95), refutes(partnerOrg, 80), refutes(partnerTwo, 80)}, 4560, orgID(anchorOrg).String()},
		{"a label that looks like an organisation joins nobody", []Claim{upstream(says(partnerTri, 95), orgID(anchorOrg).String()), says(anchorOrg, 95)}, 8740, orgID(anchorOrg).String()},
	}
	for _, test := range tests {
		a := l.Assess(test.claims, 0, epoch)
		if a.Gate != test.gate || a.Terms[0].Group != test.group {
			t.Errorf("%s: gate %d group %q, want %d %q", test.name, a.Gate, a.Terms[0].Group, test.gate, test.group)
		}
	}
	// a stranger cannot silence a listed voice by repeating its label, nor stand in for it
	claims := []Claim{upstream(says(partnerTri, 20), "feed:z"), upstream(says(strangerOrg, 100), "feed:z")}
	if a := l.Assess(claims, 0, epoch); a.Gate != 1000 || a.Shown != score(one-9000*9050/one, 0) {
		t.Errorf("stranger under a listed label: gate %d shown %d", a.Gate, a.Shown)
	}
}

func TestNoSingleVoiceReachesActionable(t *testing.T) {
	l := fixture(t)
	for _, n := range []int{anchorOrg, partnerOrg, observedOrg, strangerOrg, blockedOrg} {
		var claims []Claim
		for i := range 50 {
			c := says(n, 100)
			c.Object = fmt.Sprint("indicator--", i)
			c.Q = one
			claims = append(claims, c)
		}
		if a := l.Assess(claims, 0, epoch); a.Gate >= Actionable || a.Shown >= Actionable {
			t.Errorf("org %d alone: gate %d shown %d", n, a.Gate, a.Shown)
		}
	}
}

func TestExpired(t *testing.T) {
	l := fixture(t)
	until := func(c Claim, at time.Time) Claim { c.ValidUntil = at; return c }
	past, future := epoch.Add(-time.Hour), epoch.Add(time.Hour)
	tests := []struct {
		name   string
		claims []Claim
		want   bool
	}{
		{"none", nil, false},
		{"past", []Claim{until(says(anchorOrg, 9), past)}, true},
		{"past and present", []Claim{until(says(anchorOrg, 9), past), until(says(partnerOrg, 9), future)}, false},
		{"past, and a held stranger present", []Claim{until(says(anchorOrg, 9), past), held(says(strangerOrg, 9))}, true},
		{"past, and a blocked one present", []Claim{until(says(anchorOrg, 9), past), says(blockedOrg, 9)}, true},
		{"past, and a refutation present", []Claim{until(says(anchorOrg, 9), past), refutes(anchorTwo, 9)}, true},
		{"only a past refutation", []Claim{until(refutes(anchorTwo, 9), past)}, false},
		{"only held and past", []Claim{held(until(says(strangerOrg, 9), past))}, false},
	}
	for _, test := range tests {
		if got := l.Assess(test.claims, 0, epoch).Expired; got != test.want {
			t.Errorf("%s: expired %v, want %v", test.name, got, test.want)
		}
	}
}

func TestPoints(t *testing.T) {
	for score, want := range map[int]int{0: 0, 49: 0, 50: 1, 949: 9, 950: 10, 7949: 79, 7950: 80, 10000: 100} {
		if got := Points(score); got != want {
			t.Errorf("Points(%d) = %d, want %d", score, got, want)
		}
	}
}

func TestTermsAreReadable(t *testing.T) {
	a := fixture(t).Assess([]Claim{says(strangerOrg, 100), says(partnerOrg, 80), says(anchorOrg, 90)}, 0, epoch)
	var got []string
	for _, term := range a.Terms {
		got = append(got, fmt.Sprint(term.Petname, " ", term.Level, " ", term.V))
	}
	if want := "anchor-1 anchor 7200; partner-11 partner 4000;  unknown 950"; strings.Join(got, "; ") != want {
		t.Errorf("terms %q, want %q", strings.Join(got, "; "), want)
	}
}

func TestBarredVoices(t *testing.T) {
	l := fixture(t)
	tests := []struct {
		name  string
		claim Claim
		level Level
		why   string
		shown int
	}{
		{"stale anchor", barred(says(anchorOrg, 95), reason.OrgStale), Observed, "the organisation counts as observed at most: its status has expired", 1900},
		{"disputed partner", barred(says(partnerOrg, 95), reason.OrgDisputed), Observed, "the organisation counts as observed at most: its identity is disputed", 1900},
		{"tripped observed", barred(says(observedOrg, 95), reason.OrgTripped), Observed, "the organisation counts as observed at most: its circuit breaker has tripped", 1900},
		{"own", own(barred(says(900, 95), reason.OrgTripped)), Observed, "the organisation counts as observed at most: its circuit breaker has tripped", 1900},
		{"a stranger stays one", barred(says(strangerOrg, 95), reason.OrgStale), Unknown, "the organisation counts as observed at most: its status has expired", 950},
		{"another cause", barred(says(anchorOrg, 95), reason.LogFork), Observed, "the organisation counts as observed at most: it is out of automation [log.fork]", 1900},
		{"blocked stays blocked", barred(says(blockedOrg, 95), reason.OrgStale), Blocked, "the organisation is blocked", 0},
	}
	for _, test := range tests {
		a := l.Assess([]Claim{test.claim}, 0, epoch)
		if term := a.Terms[0]; term.Level != test.level || term.Why != test.why || a.Shown != test.shown || a.Gate != 0 || !a.Next.IsZero() {
			t.Errorf("%s: level %s why %q shown %d gate %d next %s", test.name, term.Level, term.Why, a.Shown, a.Gate, a.Next)
		}
	}
}

// TestFutureSighting: a sighting dated ahead of now (clocks differ) is one of now, not a credit.
func TestFutureSighting(t *testing.T) {
	l := fixture(t)
	c := sighted(epoch.Add(time.Hour), says(anchorOrg, 90))
	if a := l.Assess(c, 0, epoch); a.Gate != 7200 || a.Terms[0].Decay != one {
		t.Errorf("gate %d decay %d", a.Gate, a.Terms[0].Decay)
	}
	if a := l.Assess(c, 0, epoch.Add(time.Hour+30*24*time.Hour)); a.Gate != 3600 {
		t.Errorf("a half-life after the sighting the gate is %d, want 3600", a.Gate)
	}
}
