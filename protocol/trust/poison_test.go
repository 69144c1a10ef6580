package trust

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"tocsin/protocol/pattern"
)

// poison makes 1,000 values that no machine may act on, in the kinds that threat
// model P1 names. Values of warning lists come normalised: how they are spelt is protocol/pattern's and
// protocol/warn's business.
func poison() []pattern.Observable {
	r := rand.New(rand.NewPCG(1, 1))
	var out []pattern.Observable
	add := func(kind pattern.Type, format string, args ...any) {
		out = append(out, pattern.Observable{Type: kind, Value: fmt.Sprintf(format, args...)})
	}
	well := []string{"8.8.8.8", "8.8.4.4", "1.1.1.1", "9.9.9.9", "127.0.0.1", "10.0.0.1", "192.168.1.1", "255.255.255.255", "0.0.0.0", "224.0.0.1"}
	names := []string{"google.com", "windowsupdate.com", "bank.example", "ministry.gov.example", "cdn.example", "gstatic.com", "root-servers.net", "ocsp.example"}
	zones := []string{"com", "net", "org", "uk", "co.uk", "gov.uk", "de", "jp", "kobe.jp", "ck", "github.io", "blogspot.com", "amazonaws.com", "windows.net", "compute.amazonaws.com", "xn--p1ai"}
	for i := 0; len(out) < 1000; i++ {
		switch i % 9 {
		case 0: // a network of /0 to /16
			bits := r.IntN(17)
			add(pattern.CIDR, "%d.%d.0.0/%d", r.IntN(256), r.IntN(256), bits)
		case 1: // /17 to /23
			add(pattern.CIDR, "%d.%d.%d.0/%d", 1+r.IntN(223), r.IntN(256), r.IntN(256), 17+r.IntN(7))
		case 2:
			add(pattern.CIDR, "2001:db8:%x::/%d", r.IntN(1<<16), r.IntN(56))
		case 3: // NAT64 and v4-mapped, broader than a /24
			add(pattern.CIDR, "%s%x:0/%d", []string{"64:ff9b::", "::ffff:"}[r.IntN(2)], r.IntN(1<<16), 96+r.IntN(24))
		case 4:
			add(pattern.Domain, "%s", zones[r.IntN(len(zones))])
		case 5:
			add(pattern.ASN, "%d", 1+r.IntN(400000))
		case 6:
			add(pattern.IPv4, "%s", well[r.IntN(len(well))])
		case 7:
			add(pattern.Domain, "%s", names[r.IntN(len(names))])
		case 8: // neither listed nor broad: what is left is the anchor's word alone
			add(pattern.Domain, "rival-%d.example", i)
		}
	}
	return out
}

// broad reports whether the gate must refuse a value by its reach alone.
func broad(o pattern.Observable) bool { return tooBroad(o) != "" }

// TestPoisonP1 is row P1 of the threat model at this level: 1,000 poison values from an anchor that may
// make machines act. A hard warning list, the breadth of the value or the second voice that
// is missing stops each of them.
func TestPoisonP1(t *testing.T) {
	l := gateList(t)
	reach, warned := 0, 0
	for _, o := range poison() {
		as := func(cs ...Claim) []Claim {
			for i := range cs {
				cs[i].Kind = o.Type
			}
			return cs
		}
		everybody := as(says(anchorOrg, 100), says(anchorTwo, 100), says(partnerOrg, 100), says(partnerTwo, 100), says(partnerTri, 100), own(says(900, 100)))
		if p := pass(l, as(says(anchorOrg, 100)), 0, GateQuery{Value: o}); p.Allow {
			t.Fatalf("%s %s passes by one anchor's word, with no list at all", o.Type, o.Value)
		}
		if p := pass(l, everybody, 9500, GateQuery{Value: o, Warned: true}); p.Allow {
			t.Fatalf("%s %s passes although a hard list names it", o.Type, o.Value)
		}
		// the weight of the list alone, should the flag ever be lost
		if p := pass(l, everybody, 9500, GateQuery{Value: o}); p.Allow {
			t.Fatalf("%s %s passes with the refutation of a hard list", o.Type, o.Value)
		}
		warned++
		if broad(o) {
			reach++
			if p := pass(l, everybody, 0, GateQuery{Value: o}); p.Allow {
				t.Fatalf("%s %s passes although it is too broad", o.Type, o.Value)
			}
		} else if p := pass(l, everybody, 0, GateQuery{Value: o}); !p.Allow {
			t.Fatalf("the test proves nothing: %s %s is refused without a list too: %q", o.Type, o.Value, p.Obstacles)
		}
	}
	if warned != 1000 || reach < 500 {
		t.Errorf("%d values, %d too broad", warned, reach)
	}
}

// TestSlowPoisonP2 is row P2: two publishers, 50 values a day for 90 days, one wrong in
// 500 and one wrong in 10, against a clock that the test moves.
func TestSlowPoisonP2(t *testing.T) {
	l := gateList(t)
	type publisher struct {
		every   int // one in so many is bad
		ledger  []Tally
		seen    int
		history map[int][2]int // by day: q and gate
	}
	watched := []int{0, 1, 7, 30, 60, 90, 120}
	run := func(every int) map[int][2]int {
		p := publisher{every: every, history: map[int][2]int{}}
		for d := range 121 {
			now := epoch.AddDate(0, 0, d)
			q := Q(p.ledger, now)
			claim, second := says(anchorOrg, 95), says(partnerOrg, 95)
			claim.Q, claim.Since, second.Since = q, now, now
			a := l.Assess([]Claim{claim, second}, 0, now)
			gate := a.Gate
			if open := l.Pass(&a, GateQuery{Value: evil}, now).Allow; open != (gate >= Actionable) {
				t.Fatalf("one in %d, day %d: gate %d and open %v", every, d, gate, open)
			}
			p.history[d] = [2]int{q, gate}
			if d >= 90 {
				continue // silent from now on: what is known of it fades
			}
			tally := Tally{Day: int32(now.Unix() / secondsPerDay)}
			for range 50 {
				if p.seen++; p.seen%p.every == 0 {
					tally.Bad++
				} else {
					tally.Good++
				}
			}
			p.ledger = append(p.ledger, tally)
		}
		return p.history
	}
	careful, careless := run(500), run(10)
	for _, test := range []struct {
		name string
		got  map[int][2]int
		want map[int][2]int
	}{
		{"1 in 500", careful, map[int][2]int{0: {10000, 8740}, 1: {10000, 8740}, 7: {10000, 8740}, 30: {9892, 8697}, 60: {9892, 8697}, 90: {9892, 8697}, 120: {9892, 8697}}},
		{"1 in 10", careless, map[int][2]int{0: {10000, 8740}, 1: {6625, 7393}, 7: {6460, 7328}, 30: {6438, 7319}, 60: {6434, 7317}, 90: {6434, 7317}, 120: {6438, 7319}}},
	} {
		for _, d := range watched {
			if test.got[d] != test.want[d] {
				t.Errorf("%s, day %d: q and gate %v, want %v", test.name, d, test.got[d], test.want[d])
			}
		}
	}
	for d := 1; d <= 90; d++ {
		if careful[d][1] < Actionable || careless[d][1] >= Actionable {
			t.Errorf("day %d: gates %d and %d: the careful one keeps its say, the careless one has none", d, careful[d][1], careless[d][1])
		}
	}
	// forgiving takes its time: the careless one is not back after a month of silence, but is after a year
	if got := careless[120][1]; got >= Actionable {
		t.Errorf("after a month of silence the gate is %d", got)
	}
}

// TestSybils: a thousand strangers, or every observed organisation, say and do what they like.
func TestSybils(t *testing.T) {
	l := gateList(t)
	sure := []Claim{says(anchorOrg, 95), says(partnerOrg, 95)}
	base := l.Score(sure, 0, epoch)
	tests := []struct {
		name        string
		crowd       []Claim
		alone       int // what the crowd comes to by itself
		maxRaise    int // beside an anchor that says 50
		mayNotLower bool
	}{
		{"1,000 unknown, all claim 100", many(strangerOrg, 1000, 100), 950, 570, true},
		{"200 observed, all claim 100", many(observedOrg, 200, 100), 3000, 1800, true},
		{"1,000 unknown refute", strangersRefute(1000), 0, 0, true},
		{"one stranger under 1,000 names of objects", oneStranger(1000), 950, 570, true},
	}
	for _, test := range tests {
		if got := l.Score(test.crowd, 0, epoch); got.Shown != test.alone || got.Gate != 0 {
			t.Errorf("%s: shown %d gate %d, want %d and 0", test.name, got.Shown, got.Gate, test.alone)
		}
		if p := pass(l, test.crowd, 0, GateQuery{Value: evil}); p.Allow || p.Groups != 0 {
			t.Errorf("%s: the gate says %+v", test.name, p)
		}
		with := l.Score(append(test.crowd, sure...), 0, epoch)
		if with.Gate != base.Gate || with.Shown < base.Shown || with.Disputed {
			t.Errorf("%s: beside an anchor and a partner %+v, without %+v", test.name, with, base)
		}
		half := l.Score(append([]Claim{says(anchorOrg, 50)}, test.crowd...), 0, epoch)
		if half.Gate != 4000 || half.Shown-4000 != test.maxRaise {
			t.Errorf("%s: raises 4000 to %d, gate %d", test.name, half.Shown, half.Gate)
		}
	}
}

func oneStranger(n int) []Claim {
	claims := many(strangerOrg, n, 100)
	for i := range claims {
		claims[i].Org = orgID(strangerOrg)
		claims[i].Since = epoch.Add(-time.Duration(i) * time.Second)
	}
	return claims
}
