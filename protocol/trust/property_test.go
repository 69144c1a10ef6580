package trust

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tocsin/protocol"
	"tocsin/protocol/pattern"
	"tocsin/protocol/reason"
)

// propertyList has a holding, a vendor rule, scopes, entries that expire and vouches, so
// that every branch of the arithmetic is walked by random claims.
func propertyList(t testing.TB) *List {
	l := fixture(t,
		GroupRule{Name: "holding-q", Orgs: []protocol.OrgID{orgID(partnerOrg), orgID(partnerTwo)}},
		GroupRule{Name: "vendor-z", Upstream: "feed:z"})
	for _, e := range []Entry{
		{Org: orgID(31), Petname: "scoped", Level: Anchor, Expires: epoch.AddDate(0, 3, 0), Scopes: []Scope{{Topics: []string{"malicious-code"}}}},
		{Org: orgID(32), Petname: "lapsed", Level: Partner, Expires: epoch.AddDate(0, -1, 0)},
		{Org: orgID(33), Petname: "lapsing", Level: Anchor, Expires: epoch.AddDate(0, 0, 20)},
		{Org: orgID(voucherOrg), Petname: "voucher", Level: Anchor, Expires: epoch.AddDate(0, 0, 40),
			Vouch: &Vouch{Depth: 1, MaxOrgs: 10, LevelCap: Observed, Scopes: []string{"*"}}},
		{Org: orgID(voucherTwo), Petname: "generous", Level: Anchor, Expires: epoch.AddDate(0, 2, 0),
			Vouch: &Vouch{Depth: 1, MaxOrgs: 2, LevelCap: Partner, Scopes: []string{"malicious-code"}}},
	} {
		l = must(t)(l.With(e))
	}
	var facts []VouchFact
	for i, voucher := range []int{voucherOrg, voucherOrg, voucherOrg, voucherTwo, voucherTwo, voucherTwo} {
		facts = append(facts, VouchFact{Voucher: orgID(voucher), Subject: orgID(vouchedOrg + i),
			Made: epoch.AddDate(0, 0, -i), Until: epoch.AddDate(0, 0, 5*i+1)})
	}
	return l.WithVouches(facts)
}

// Vouchers, and the first of those they vouched for: three by each.
const (
	voucherOrg = 41
	voucherTwo = 42
	vouchedOrg = 6000
)

func genClaim(listed bool) *rapid.Generator[Claim] {
	orgs := []int{anchorOrg, anchorTwo, partnerOrg, partnerTwo, partnerTri, blockedOrg, 31, 32, 33, observedOrg, observedOrg + 1, observedOrg + 2,
		voucherOrg, voucherTwo, vouchedOrg, vouchedOrg + 1, vouchedOrg + 2, vouchedOrg + 3, vouchedOrg + 4, vouchedOrg + 5}
	if !listed {
		orgs = []int{strangerOrg, strangerOrg + 1, strangerOrg + 2, strangerOrg + 3}
	}
	span := rapid.Int64Range(-200*secondsPerDay, 20*secondsPerDay)
	return rapid.Custom(func(t *rapid.T) Claim {
		c := Claim{
			Org:      orgID(rapid.SampledFrom(orgs).Draw(t, "org")),
			Topic:    rapid.SampledFrom([]string{"malicious-code", "fraud"}).Draw(t, "topic"),
			Upstream: rapid.SampledFrom([]string{"", "", "feed:z", "feed:y", "feed:x"}).Draw(t, "upstream"),
			Kind:     pattern.Domain,
			Own:      listed && rapid.IntRange(0, 9).Draw(t, "own") == 0,
			Held:     rapid.IntRange(0, 4).Draw(t, "held") == 0,
			Refutes:  rapid.IntRange(0, 3).Draw(t, "refutes") == 0,
			Absent:   rapid.IntRange(0, 9).Draw(t, "absent") == 0,
			Barred:   rapid.SampledFrom([]reason.Code{"", "", "", "", reason.OrgStale, reason.OrgTripped}).Draw(t, "barred"),
			Claimed:  rapid.IntRange(-1, 100).Draw(t, "claimed"),
			Q:        rapid.IntRange(0, one).Draw(t, "q"),
			Since:    epoch.Add(time.Duration(span.Draw(t, "since")) * time.Second),
			Object:   fmt.Sprint("indicator--", rapid.IntRange(0, 99).Draw(t, "object")),
		}
		if rapid.IntRange(0, 2).Draw(t, "sighted") == 0 {
			c.Seen = epoch.Add(time.Duration(span.Draw(t, "seen")) * time.Second)
		}
		if rapid.Bool().Draw(t, "bounded") {
			c.ValidFrom = epoch.Add(time.Duration(span.Draw(t, "from")) * time.Second)
			c.ValidUntil = c.ValidFrom.Add(time.Duration(rapid.Int64Range(1, 400*secondsPerDay).Draw(t, "life")) * time.Second)
		}
		return c
	})
}

func genClaims(t *rapid.T, listed bool) []Claim {
	return rapid.SliceOfN(genClaim(listed), 0, 12).Draw(t, "claims")
}

var warns = rapid.SampledFrom([]int{0, 0, 5000, 9500})

func TestOrderDoesNotMatter(t *testing.T) {
	l := propertyList(t)
	rapid.Check(t, func(t *rapid.T) {
		claims := append(genClaims(t, true), genClaims(t, false)...)
		warn := warns.Draw(t, "warn")
		want := l.Assess(claims, warn, epoch)
		seed := rapid.Uint64().Draw(t, "seed")
		shuffled := append([]Claim(nil), claims...)
		rand.New(rand.NewPCG(seed, 1)).Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		if got := l.Assess(shuffled, warn, epoch); !reflect.DeepEqual(got, want) {
			t.Fatalf("another order gives\n%+v\nnot\n%+v", got, want)
		}
	})
}

func TestStrangersChangeNoOutput(t *testing.T) {
	l := propertyList(t)
	rapid.Check(t, func(t *rapid.T) {
		claims, warn := genClaims(t, true), warns.Draw(t, "warn")
		before := l.Assess(claims, warn, epoch)
		after := l.Assess(append(append([]Claim(nil), claims...), genClaims(t, false)...), warn, epoch)
		if after.Gate != before.Gate || after.Refute != before.Refute || after.Disputed != before.Disputed || !after.Next.Equal(before.Next) {
			t.Fatalf("strangers turned %+v into %+v", before, after)
		}
		if after.Shown < before.Shown || after.Shown > before.Shown+1000 {
			t.Fatalf("strangers moved shown from %d to %d", before.Shown, after.Shown)
		}
		if after.Shown > max(before.Gate, shownCap) {
			t.Fatalf("pools lifted shown to %d over gate %d", after.Shown, before.Gate)
		}
	})
}

func TestRefutationNeverRaises(t *testing.T) {
	l := propertyList(t)
	rapid.Check(t, func(t *rapid.T) {
		claims, warn := genClaims(t, true), warns.Draw(t, "warn")
		before := l.Score(claims, warn, epoch)
		c := genClaim(rapid.Bool().Draw(t, "listed")).Draw(t, "refuter")
		c.Refutes = true
		after := l.Score(append(claims, c), warn, epoch)
		if after.Gate > before.Gate || after.Shown > before.Shown {
			t.Fatalf("a refutation turned %+v into %+v", before, after)
		}
		if harder := l.Score(claims, min(warn+2500, one), epoch); harder.Gate > before.Gate || harder.Shown > before.Shown {
			t.Fatalf("a warning list turned %+v into %+v", before, harder)
		}
	})
}

func TestMonotoneInClaimed(t *testing.T) {
	l := propertyList(t)
	rapid.Check(t, func(t *rapid.T) {
		claims := append(genClaims(t, true), genClaim(true).Draw(t, "one"))
		i := rapid.IntRange(0, len(claims)-1).Draw(t, "i")
		claims[i].Claimed = rapid.IntRange(0, 99).Draw(t, "low")
		before := l.Score(claims, 0, epoch)
		claims[i].Claimed = rapid.IntRange(claims[i].Claimed+1, 100).Draw(t, "high")
		after := l.Score(claims, 0, epoch)
		up, down := after, before
		if claims[i].Refutes {
			up, down = before, after
		}
		if up.Gate < down.Gate || up.Shown < down.Shown {
			t.Fatalf("claiming more (refutes %v) turned %+v into %+v", claims[i].Refutes, before, after)
		}
	})
}

func TestScoresStayInRange(t *testing.T) {
	l := propertyList(t)
	rapid.Check(t, func(t *rapid.T) {
		claims := append(genClaims(t, true), genClaims(t, false)...)
		a := l.Assess(claims, rapid.IntRange(-5, 20000).Draw(t, "warn"), epoch)
		for _, n := range []int{a.Shown, a.Gate, a.Support, a.Refute} {
			if n < 0 || n > one {
				t.Fatalf("out of range: %+v", a)
			}
		}
		if a.Gate > a.Shown {
			t.Fatalf("gate %d over shown %d", a.Gate, a.Shown)
		}
		for _, term := range a.Terms {
			if term.V < 0 || term.V > one || term.Counted && term.Claim.Barred == "" && term.Why != "" || !term.Counted && term.Why == "" {
				t.Fatalf("term %+v", term)
			}
		}
	})
}

// TestNextIsTheNextCrossing holds Next against the arithmetic itself: nothing
// crosses before it, and something happens at it.
func TestNextIsTheNextCrossing(t *testing.T) {
	l := propertyList(t)
	rapid.Check(t, func(t *rapid.T) {
		claims, warn := genClaims(t, true), warns.Draw(t, "warn")
		a := l.Assess(claims, warn, epoch)
		end := epoch.AddDate(3, 0, 0)
		if !a.Next.IsZero() {
			if !a.Next.After(epoch) {
				t.Fatalf("next %s is not after now", a.Next)
			}
			end = a.Next.Add(-time.Second)
		}
		// nothing before it: sampled, with the last second included
		for range 40 {
			at := epoch.Add(time.Duration(rapid.Int64Range(0, max(int64(end.Sub(epoch)/time.Second), 0)).Draw(t, "at")) * time.Second)
			if got := l.tally(claims, at).result(warn).Gate; band(got) != band(a.Gate) {
				t.Fatalf("at %s the gate is %d, not in the band of %d, but next is %s", at, got, a.Gate, a.Next)
			}
		}
		if a.Next.IsZero() {
			return
		}
		if got := l.Score(claims, warn, end).Gate; band(got) != band(a.Gate) && end.After(epoch) {
			t.Fatalf("the second before next already has %d, not the band of %d", got, a.Gate)
		}
	})
}

func TestNextExact(t *testing.T) {
	l := fixture(t)
	until := says(anchorOrg, 90)
	until.ValidUntil = epoch.Add(1500 * time.Millisecond)
	from := says(anchorOrg, 90)
	from.ValidFrom = epoch.Add(time.Hour)
	strangerUntil := says(strangerOrg, 90)
	strangerUntil.ValidUntil = epoch.Add(time.Minute)
	entryEnd := time.Date(2026, 12, 2, 0, 0, 0, 0, time.UTC)
	tests := []struct {
		name   string
		claims []Claim
		warn   int
		want   time.Time
	}{
		{"nothing", nil, 0, time.Time{}},
		{"strangers' ends are nobody's business", []Claim{strangerUntil}, 0, time.Time{}},
		{"valid_until", []Claim{until}, 0, until.ValidUntil},
		{"valid_from", []Claim{from}, 0, from.ValidFrom},
		{"a low score waits for the entry's end", []Claim{says(partnerOrg, 10)}, 0, entryEnd},
		// 0.4 halves to 0.2 after exactly one half-life of 30 days; one step of 1/10,000 later it is below
		{"decay to a threshold", []Claim{says(partnerOrg, 80)}, 0, epoch.Add(30 * 24 * time.Hour)},
	}
	for _, test := range tests {
		got := l.Assess(test.claims, test.warn, epoch).Next
		if test.name == "decay to a threshold" {
			late := got.Sub(test.want)
			if late <= 0 || late > 30*time.Minute {
				t.Errorf("%s: %s, want shortly after %s", test.name, got, test.want)
			}
			if before := l.Score(test.claims, 0, got.Add(-time.Second)).Gate; before < Context || l.Score(test.claims, 0, got).Gate >= Context {
				t.Errorf("%s: %s is not the second of the crossing", test.name, got)
			}
			continue
		}
		if !got.Equal(test.want) {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}

// TestNextSeesARise covers the case in which the score climbs by itself: the
// refutation (of an address, half-life 4 days) fades faster than the support (a hash).
func TestNextSeesARise(t *testing.T) {
	l := fixture(t)
	support, against := says(anchorOrg, 95), refutes(partnerOrg, 95)
	support.Kind, against.Kind = pattern.SHA256, pattern.IPv4
	claims := []Claim{support, against}
	a := l.Assess(claims, 0, epoch)
	if a.Gate >= Alert || a.Next.IsZero() {
		t.Fatalf("gate %d next %s", a.Gate, a.Next)
	}
	if before, at := l.Score(claims, 0, a.Next.Add(-time.Second)).Gate, l.Score(claims, 0, a.Next).Gate; before >= Alert || at < Alert {
		t.Errorf("at %s the gate goes from %d to %d, want a rise over %d", a.Next, before, at, Alert)
	}
}

// TestSightingNeverLowers: what was seen again counts as much as before or more, and a
// refutation gains nothing by it.
func TestSightingNeverLowers(t *testing.T) {
	l := propertyList(t)
	rapid.Check(t, func(t *rapid.T) {
		claims, warn := append(genClaims(t, true), genClaims(t, false)...), warns.Draw(t, "warn")
		before := l.Score(claims, warn, epoch)
		later := epoch.Add(time.Duration(rapid.Int64Range(-100*secondsPerDay, 0).Draw(t, "seen")) * time.Second)
		for i := range claims {
			if claims[i].Seen.Before(later) {
				claims[i].Seen = later
			}
		}
		if after := l.Score(claims, warn, epoch); after.Gate < before.Gate || after.Shown < before.Shown || after.Refute != before.Refute {
			t.Fatalf("a sighting turned %+v into %+v", before, after)
		}
	})
}

// TestBarNeverRaises: taking an organisation out of automation lifts no gate score, its
// refutations aside, and makes nothing disputed.
func TestBarNeverRaises(t *testing.T) {
	l := propertyList(t)
	rapid.Check(t, func(t *rapid.T) {
		claims, warn := append(genClaims(t, true), genClaims(t, false)...), warns.Draw(t, "warn")
		before := l.Score(claims, warn, epoch)
		org, refuted := genClaim(true).Draw(t, "barred").Org, false
		for i := range claims {
			if claims[i].Org == org {
				claims[i].Barred = reason.OrgDisputed
				refuted = refuted || claims[i].Refutes
			}
		}
		after := l.Score(claims, warn, epoch)
		if after.Gate > before.Gate && !refuted || after.Refute > before.Refute || after.Disputed && !before.Disputed {
			t.Fatalf("barring %s turned %+v into %+v", org, before, after)
		}
	})
}

// TestAbsentWeighsNothing: what was looked for and not seen is shown and changes no number.
func TestAbsentWeighsNothing(t *testing.T) {
	l := propertyList(t)
	rapid.Check(t, func(t *rapid.T) {
		claims, warn := append(genClaims(t, true), genClaims(t, false)...), warns.Draw(t, "warn")
		before := l.Assess(claims, warn, epoch)
		c := genClaim(rapid.Bool().Draw(t, "listed")).Draw(t, "absent")
		c.Absent = true
		after := l.Assess(append(claims, c), warn, epoch)
		if len(after.Terms) != len(before.Terms)+1 {
			t.Fatalf("%d terms, then %d", len(before.Terms), len(after.Terms))
		}
		before.Terms, after.Terms, before.Next, after.Next = nil, nil, time.Time{}, time.Time{}
		if !reflect.DeepEqual(before, after) {
			t.Fatalf("an absence turned %+v into %+v", before, after)
		}
	})
}

// TestCrowdNeverOutweighsItsVoucher: however many an anchor vouches for, whatever labels they
// state, they come to what the voucher itself comes to, or would by saying the same.
func TestCrowdNeverOutweighsItsVoucher(t *testing.T) {
	for name, level := range map[string]Level{"observed": Observed, "partner": Partner} {
		t.Run(name, func(t *testing.T) {
			l := must(t)(fixture(t).With(Entry{Org: orgID(voucherOrg), Petname: "voucher", Level: Anchor, Expires: epoch.AddDate(0, 6, 0),
				Vouch: &Vouch{Depth: 1, MaxOrgs: 30, LevelCap: level, Scopes: []string{"*"}}}))
			var facts []VouchFact
			for i := range 30 {
				facts = append(facts, VouchFact{Voucher: orgID(voucherOrg), Subject: orgID(vouchedOrg + i), Made: epoch, Until: epoch.AddDate(0, 1, 0)})
			}
			l = l.WithVouches(facts)
			rapid.Check(t, func(t *rapid.T) {
				claimed := rapid.IntRange(1, 100).Draw(t, "claimed")
				var crowd []Claim
				for i := range rapid.IntRange(1, 30).Draw(t, "n") {
					crowd = append(crowd, upstream(says(vouchedOrg+i, rapid.IntRange(0, claimed).Draw(t, "each")), labels.Draw(t, "label")))
				}
				voucher := says(voucherOrg, claimed)
				alone := l.Score([]Claim{voucher}, 0, epoch)
				if got := l.Score(crowd, 0, epoch); got.Gate > alone.Gate || got.Shown > alone.Shown {
					t.Fatalf("the crowd alone %+v, its voucher alone %+v", got, alone)
				}
				if got := l.Score(append(crowd, voucher), 0, epoch); got.Gate != alone.Gate || got.Shown != alone.Shown {
					t.Fatalf("with the crowd %+v, without %+v", got, alone)
				}
				// beside an independent voice they are one, not two
				other := append([]Claim{says(anchorOrg, 70)}, crowd...)
				both := l.Score([]Claim{says(anchorOrg, 70), voucher}, 0, epoch)
				if got := l.Score(append(other, voucher), 0, epoch); got.Gate != both.Gate || got.Shown != both.Shown {
					t.Fatalf("beside an anchor the crowd makes %+v of %+v", got, both)
				}
			})
		})
	}
}
