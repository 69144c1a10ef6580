package trust

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tocsin/protocol"
)

// TestLabelsSplitNoVoice: what an organisation says under many labels is one voice.
func TestLabelsSplitNoVoice(t *testing.T) {
	l := fixture(t, GroupRule{Name: "vendor-z", Upstream: "feed-0"})
	spread := func(n, claimed int) []Claim {
		var out []Claim
		for i := range 5 {
			out = append(out, upstream(says(n, claimed), fmt.Sprint("feed-", i)))
		}
		return out
	}
	against := spread(partnerOrg, 95)
	for i := range against {
		against[i].Refutes = true
	}
	ownSpread := spread(900, 95)
	for i := range ownSpread {
		ownSpread[i].Own = true
	}
	feed := func(cs ...Claim) []Claim {
		for i := range cs {
			cs[i].Upstream = "feed:y"
		}
		return cs
	}
	early, late := upstream(says(partnerOrg, 95), "other"), upstream(says(partnerOrg, 95), "other")
	early.ValidFrom, late.ValidUntil = epoch.Add(time.Second), epoch
	tests := []struct {
		name        string
		claims      []Claim
		gate, shown int
		group       string // of the strongest counted voice
	}{
		{"a partner", spread(partnerOrg, 100), 4750, 4750, orgID(partnerOrg).String()},
		{"an anchor, two labels", spread(anchorOrg, 100)[:2], 7600, 7600, orgID(anchorOrg).String()},
		{"one label and none", []Claim{upstream(says(partnerOrg, 95), "feed:y"), says(partnerOrg, 95)}, 4750, 4750, orgID(partnerOrg).String()},
		{"own", ownSpread, 9025, 9025, "own"},
		{"observed", spread(observedOrg, 100), 0, 1900, orgID(observedOrg).String()},
		{"a refuter", append(against, says(anchorOrg, 95)), 3990, 3990, orgID(anchorOrg).String()},
		{"one label on all stays in its group", feed(says(partnerOrg, 95), says(partnerOrg, 80)), 4750, 4750, "upstream:feed:y"},
		// who speaks under a second label speaks for itself; those who quote one feed stay one voice
		{"one of three leaves the feed", append(feed(says(partnerOrg, 95), says(partnerTwo, 95), says(partnerTri, 95)), says(partnerTri, 10)), 7244, 7244, "upstream:feed:y"},
		{"a held claim moves nobody", append(feed(says(partnerOrg, 95), says(partnerTwo, 95)), held(says(partnerTwo, 95))), 4750, 4750, "upstream:feed:y"},
		{"nor does one that has ended or not begun", append(feed(says(partnerOrg, 95), says(partnerTwo, 95)), late, early), 4750, 4750, "upstream:feed:y"},
		{"nor a refutation", append(feed(says(partnerOrg, 95), says(partnerTwo, 95)), refutes(partnerTwo, 0)), 4750, 4750, "upstream:feed:y"},
		{"nor a stranger", append(feed(says(partnerOrg, 95), says(partnerTwo, 95)), says(strangerOrg, 0)), 4750, 4750, "upstream:feed:y"},
	}
	for _, test := range tests {
		a := l.Assess(test.claims, 0, epoch)
		if a.Gate != test.gate || a.Shown != test.shown || a.Terms[0].Group != test.group {
			t.Errorf("%s: gate %d shown %d group %q, want %d %d %q", test.name, a.Gate, a.Shown, a.Terms[0].Group, test.gate, test.shown, test.group)
		}
	}
}

var labels = rapid.SampledFrom([]string{"", "feed:z", "feed:y", "feed:x", "feed:w"})

// TestRelabellingGainsNothing: however an organisation spreads its claims over labels,
// they come to no more than its strongest one alone, beside whatever else is said.
func TestRelabellingGainsNothing(t *testing.T) {
	l := propertyList(t)
	rapid.Check(t, func(t *rapid.T) {
		others := append(genClaims(t, true), genClaims(t, false)...)
		mine := rapid.SliceOfN(genClaim(true), 1, 8).Draw(t, "mine")
		org := mine[0].Org
		others = slices.DeleteFunc(others, func(c Claim) bool {
			return c.Org == org || c.Own && mine[0].Own || family(c.Org) == family(org) // who is one voice anyway
		})
		best, strongest := -1, 0
		for i := range mine {
			mine[i].Org, mine[i].Refutes, mine[i].Own, mine[i].Upstream = org, false, mine[0].Own, labels.Draw(t, "label")
			// in one topic, so that they stand in one part of the formula
			mine[i].Topic, mine[i].Barred = mine[0].Topic, mine[0].Barred
			alone := mine[i]
			alone.Upstream = ""
			if got := l.Score([]Claim{alone}, 0, epoch).Shown; got > strongest {
				best, strongest = i, got
			}
		}
		if got := l.Score(mine, 0, epoch); got.Shown > strongest {
			t.Fatalf("spread over labels they come to %d, the strongest alone to %d", got.Shown, strongest)
		}
		alone := slices.Clone(others)
		if best >= 0 {
			c := mine[best]
			c.Upstream = ""
			alone = append(alone, c)
		}
		spread, single := l.Score(append(others, mine...), 0, epoch), l.Score(alone, 0, epoch)
		if spread.Gate > single.Gate || spread.Shown > single.Shown {
			t.Fatalf("spread over labels %+v, the strongest alone %+v", spread, single)
		}
	})
}

// family is the voucher of those it vouched for in propertyList, else the organisation itself.
func family(org protocol.OrgID) protocol.OrgID {
	for i := range 6 {
		if org == orgID(vouchedOrg+i) {
			return orgID(voucherOrg + i/3)
		}
	}
	return org
}

// TestNobodyIsSilenced: one more supporting claim, under whatever label, lowers no score.
func TestNobodyIsSilenced(t *testing.T) {
	l := propertyList(t)
	rapid.Check(t, func(t *rapid.T) {
		claims, warn := append(genClaims(t, true), genClaims(t, false)...), warns.Draw(t, "warn")
		before := l.Score(claims, warn, epoch)
		c := genClaim(rapid.Bool().Draw(t, "listed")).Draw(t, "one more")
		c.Refutes, c.Upstream = false, labels.Draw(t, "label")
		after := l.Score(append(claims, c), warn, epoch)
		if after.Gate < before.Gate || after.Shown < before.Shown {
			t.Fatalf("one more claim turned %+v into %+v", before, after)
		}
		if c.Held && after.Gate != before.Gate {
			t.Fatalf("a held claim turned %+v into %+v", before, after)
		}
	})
}
