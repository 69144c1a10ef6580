package trust

import (
	"fmt"
	"testing"

	"tocsin/protocol/pattern"
)

// crowd is 1,000 claims about one value: 2 anchors, 3 partners, 195 observed
// organisations and 800 strangers, in mixed order.
func crowd() []Claim {
	var claims []Claim
	for _, n := range []int{anchorOrg, anchorTwo, partnerOrg, partnerTwo, partnerTri} {
		claims = append(claims, says(n, 60+n))
	}
	claims = append(claims, many(observedOrg, 195, 80)...)
	claims = append(claims, many(strangerOrg, 800, 100)...)
	for i := range claims {
		claims[i].Kind = pattern.IPv4
		j := i * 7919 % len(claims)
		claims[i], claims[j] = claims[j], claims[i]
	}
	return claims
}

func BenchmarkAssess(b *testing.B) {
	l := fixture(b)
	few := []Claim{says(anchorOrg, 90), says(partnerOrg, 80)}
	var entries []Entry
	for i := range 1000 {
		entries = append(entries, Entry{Org: orgID(i), Petname: fmt.Sprint("p", i), Level: Partner, Expires: epoch.AddDate(0, 6, 0)})
	}
	partners := build(entries, nil, nil)
	for _, bench := range []struct {
		name   string
		list   *List
		claims []Claim
	}{{"2", l, few}, {"1000-mixed", l, crowd()}, {"1000-partners", partners, many(0, 1000, 80)}} {
		b.Run("score/"+bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				bench.list.Score(bench.claims, 0, epoch)
			}
		})
		b.Run("assess/"+bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				bench.list.Assess(bench.claims, 0, epoch)
			}
		})
	}
}
