package trust

import (
	"fmt"
	"testing"
	"time"

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

// BenchmarkPass is the gate on a value that two organisations name, and on one that a thousand do.
func BenchmarkPass(b *testing.B) {
	l := gateList(b)
	for _, bench := range []struct {
		name   string
		claims []Claim
	}{{"2", agreed()}, {"1000-mixed", crowd()}} {
		a := l.Assess(bench.claims, 0, epoch)
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				l.Pass(&a, GateQuery{Value: evil}, epoch)
			}
		})
	}
}

// BenchmarkVouched is a list to which one anchor made 1,000 vouches: the level of an organisation that has
// a place at once, of one that must count them, of a stranger, and the making of the list.
func BenchmarkVouched(b *testing.B) {
	var facts []VouchFact
	for i := range 1100 {
		facts = append(facts, VouchFact{Voucher: orgID(voucherOrg), Subject: orgID(vouchedOrg + i), Made: epoch, Until: epoch.AddDate(0, 0, i-50)})
	}
	base := listOf(b, voucher(voucherOrg, 1000, Observed, "*"))
	l := base.WithVouches(facts)
	for _, bench := range []struct {
		name string
		org  int
		want Level
	}{{"first", vouchedOrg + 60, Observed}, {"last", vouchedOrg + 1049, Observed}, {"beyond", vouchedOrg + 1099, Unknown}, {"stranger", 1, Unknown}} {
		if got := l.Level(orgID(bench.org), "fraud", "", epoch); got != bench.want {
			b.Fatalf("%s is %s", bench.name, got)
		}
		b.Run("level/"+bench.name, func(b *testing.B) {
			org := orgID(bench.org)
			for b.Loop() {
				l.Level(org, "fraud", "", epoch)
			}
		})
	}
	b.Run("make", func(b *testing.B) {
		for b.Loop() {
			base.WithVouches(facts)
		}
	})
}

func BenchmarkBreaker(b *testing.B) {
	var br Breaker
	for h := range keptHours {
		br.Note(10, 0, 0, epoch.Add(time.Duration(h-keptHours)*time.Hour))
	}
	for b.Loop() {
		br.Note(1, 0, 0, epoch)
	}
}
