package trust

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/publicsuffix"
	"pgregory.net/rapid"

	"tocsin/protocol"
	"tocsin/protocol/pattern"
	"tocsin/protocol/reason"
)

// gateList is the fixture with automation: one anchor and one partner may act on every kind.
func gateList(t testing.TB, groups ...GroupRule) *List {
	t.Helper()
	l := fixture(t, groups...)
	for _, n := range []int{anchorOrg, partnerTwo} {
		e, _ := l.Entry(orgID(n))
		e.Automation = Automation{Allow: actable(), MaxPerDay: 5}
		l = must(t)(l.With(e))
	}
	return l
}

var evil = pattern.Observable{Type: pattern.Domain, Value: "evil.example"}

// agreed are an anchor and a partner who come to 83.
func agreed() []Claim { return []Claim{says(anchorOrg, 90), says(partnerOrg, 80)} }

func pass(l *List, claims []Claim, warn int, q GateQuery) Passage {
	a := l.Assess(claims, warn, epoch)
	return l.Pass(&a, q, epoch)
}

func TestGate(t *testing.T) {
	l := gateList(t, GroupRule{Name: "holding", Orgs: []protocol.OrgID{orgID(anchorTwo), orgID(partnerTri)}})
	used := func(n int) func(protocol.OrgID) int { return func(protocol.OrgID) int { return n } }
	old := epoch.Add(-HoldTime)
	tests := []struct {
		name   string
		claims []Claim
		query  GateQuery
		groups int
		want   []string // the start of each obstacle
	}{
		{"an anchor that may, and a partner", agreed(), GateQuery{Value: evil, Arrived: old}, 2, nil},
		{"two partners of which one may, and an anchor", []Claim{says(partnerTwo, 95), says(partnerOrg, 95), says(anchorTwo, 90)}, GateQuery{Value: evil}, 3, nil},
		{"an own sensor alone needs no allowance", []Claim{own(says(900, 95))}, GateQuery{Value: evil}, 1, nil},
		{"nothing", nil, GateQuery{Value: evil}, 0, []string{"The gate score is 0.00, and machines act from 80.00.", "No partner, anchor or own voice names the value itself", "No organisation that names the value is allowed"}},
		{"79.98 is not 80", []Claim{says(anchorOrg, 90), says(partnerOrg, 57)}, GateQuery{Value: evil}, 2, []string{"The gate score is 79.98, and machines act from 80.00."}},
		{"79 is not 80", []Claim{says(anchorOrg, 90), says(partnerOrg, 50)}, GateQuery{Value: evil}, 2, []string{"The gate score is 79.00, and machines act from 80.00."}},
		{"one anchor alone", []Claim{says(anchorOrg, 95)}, GateQuery{Value: evil}, 1, []string{"The gate score is 76.00", "Only one independent voice names the value (anchor-1)"}},
		{"one holding is one voice", []Claim{says(anchorTwo, 95), says(partnerTri, 95)}, GateQuery{Value: evil}, 1, []string{"The gate score is 76.00", "Only one independent voice", "No organisation that names the value is allowed to make machines act on values of kind domain."}},
		{"a warning list", agreed(), GateQuery{Value: evil, Warned: true}, 2, []string{"A warning list names the value."}},
		{"nobody may", []Claim{says(anchorTwo, 95), says(partnerOrg, 95)}, GateQuery{Value: evil}, 2, []string{"No organisation that names the value is allowed to make machines act on values of kind domain."}},
		{"under the cap", agreed(), GateQuery{Value: evil, Used: used(4)}, 2, nil},
		{"the cap is reached", agreed(), GateQuery{Value: evil, Used: used(5)}, 2, []string{"The daily limit is used up: anchor-1 (5 a day)."}},
		{"an own voice has no cap", append(agreed(), own(says(900, 95))), GateQuery{Value: evil, Used: used(5)}, 3, nil},
		{"a second before the hold is over", agreed(), GateQuery{Value: evil, Arrived: old.Add(time.Second)}, 2, []string{"The newest record came in less than 60 seconds ago"}},
		{"a clock that stepped back", agreed(), GateQuery{Value: evil, Arrived: epoch.Add(time.Hour)}, 2, []string{"The newest record came in"}},
		{"a stale partner does not count", []Claim{says(anchorOrg, 95), barred(says(partnerOrg, 95), reason.OrgStale)}, GateQuery{Value: evil}, 1, []string{"The gate score is 76.00", "Only one"}},
		{"a stale anchor lets nothing through", []Claim{barred(says(anchorOrg, 95), reason.OrgStale), says(anchorTwo, 95), says(partnerOrg, 95)}, GateQuery{Value: evil}, 2, []string{"No organisation that names the value is allowed"}},
		{"refuted", append(agreed(), refutes(partnerTwo, 10)), GateQuery{Value: evil}, 2, []string{"The gate score is 79.04"}},
		{"no kind for machines", agreed(), GateQuery{Value: pattern.Observable{Type: pattern.ObjectRef, Value: "indicator--1"}}, 0, []string{"The gate score is 0.00", "No partner", "No organisation", "Machines act on no values of kind object."}},
	}
	for _, test := range tests {
		p := pass(l, test.claims, 0, test.query)
		if p.Allow != (len(test.want) == 0) || p.Groups != test.groups || len(p.Obstacles) != len(test.want) {
			t.Errorf("%s: %+v, want %d groups and %q", test.name, p, test.groups, test.want)
			continue
		}
		for i, s := range p.Obstacles {
			if !strings.HasPrefix(s, test.want[i]) || !strings.HasSuffix(s, ".") || strings.ToUpper(s[:1]) != s[:1] {
				t.Errorf("%s: obstacle %q, want %q", test.name, s, test.want[i])
			}
		}
	}
}

func TestGatePublishers(t *testing.T) {
	l := gateList(t)
	claims := []Claim{says(partnerTwo, 95), says(anchorOrg, 95), says(partnerOrg, 95)}
	full := func(org protocol.OrgID) int {
		if org == orgID(anchorOrg) {
			return 5
		}
		return 0
	}
	for name, test := range map[string]struct {
		used func(protocol.OrgID) int
		want []protocol.OrgID
	}{
		"both that may":              {nil, []protocol.OrgID{orgID(anchorOrg), orgID(partnerTwo)}},
		"the one that has some left": {full, []protocol.OrgID{orgID(partnerTwo)}},
	} {
		if p := pass(l, claims, 0, GateQuery{Value: evil, Used: test.used}); !p.Allow || !slices.Equal(p.Publishers, test.want) {
			t.Errorf("%s: %+v", name, p)
		}
	}
}

// TestGateAsksForTheValueItself: a network around an address lends its weight to no act on the address.
func TestGateAsksForTheValueItself(t *testing.T) {
	l := gateList(t, GroupRule{Name: "holding", Orgs: []protocol.OrgID{orgID(anchorOrg), orgID(partnerTri)}})
	address := pattern.Observable{Type: pattern.IPv4, Value: "198.51.100.7"}
	as := func(kind pattern.Type, c Claim) Claim { c.Kind = kind; return c }
	tests := []struct {
		name   string
		claims []Claim
		allow  bool
		groups int
		score  string
	}{
		{"both name the address", []Claim{as(pattern.IPv4, says(anchorOrg, 90)), as(pattern.IPv4, says(partnerTwo, 80))}, true, 2, ""},
		{"the anchor names only a network", []Claim{as(pattern.CIDR, says(anchorOrg, 90)), as(pattern.IPv4, says(partnerTwo, 80))}, false, 1, "40.00"},
		{"own names only a network", []Claim{own(as(pattern.CIDR, says(900, 95)))}, false, 0, "0.00"},
		{"a third names a network, and takes nothing away", []Claim{as(pattern.CIDR, says(anchorTwo, 95)), as(pattern.IPv4, says(anchorOrg, 90)), as(pattern.IPv4, says(partnerTwo, 80))}, true, 2, ""},
		{"of one holding the weaker names the address", []Claim{as(pattern.CIDR, says(anchorOrg, 95)), as(pattern.IPv4, says(partnerTri, 80)), as(pattern.IPv4, says(partnerTwo, 95))}, false, 2, "68.50"},
	}
	for _, test := range tests {
		p := pass(l, test.claims, 0, GateQuery{Value: address})
		if p.Allow != test.allow || p.Groups != test.groups || !test.allow && !strings.Contains(p.Obstacles[0], test.score) {
			t.Errorf("%s: %+v", test.name, p)
		}
	}
}

func TestBreadth(t *testing.T) {
	tests := []struct {
		kind  pattern.Type
		value string
		broad bool
	}{
		{pattern.CIDR, "0.0.0.0/0", true}, {pattern.CIDR, "198.51.0.0/16", true}, {pattern.CIDR, "198.51.100.0/23", true},
		{pattern.CIDR, "198.51.100.0/24", false}, {pattern.CIDR, "198.51.100.4/31", false},
		{pattern.CIDR, "::/0", true}, {pattern.CIDR, "2001:db8::/32", true}, {pattern.CIDR, "2001:db8::/55", true},
		{pattern.CIDR, "2001:db8::/56", false}, {pattern.CIDR, "2001:db8::/64", false},
		{pattern.CIDR, "::ffff:198.51.0.0/112", true}, {pattern.CIDR, "::ffff:198.51.100.0/120", false},
		{pattern.CIDR, "64:ff9b::/96", true}, {pattern.CIDR, "64:ff9b::c633:0/112", true}, {pattern.CIDR, "64:ff9b::c633:6400/120", false},
		{pattern.CIDR, "2002:c633:6407::/48", true}, {pattern.CIDR, "no network", true},
		{pattern.IPv4, "198.51.100.7", false}, {pattern.IPv6, "2001:db8::1", false},
		{pattern.Domain, "evil.example", false}, {pattern.Domain, "a.b.evil.co.uk", false}, {pattern.Domain, "evil.co.uk", false},
		{pattern.Domain, "com", true}, {pattern.Domain, "uk", true}, {pattern.Domain, "co.uk", true}, {pattern.Domain, "CO.UK.", true},
		{pattern.Domain, "github.io", true}, {pattern.Domain, "evil.github.io", false},
		{pattern.Domain, "ck", true}, {pattern.Domain, "anything.ck", true}, {pattern.Domain, "www.ck", false}, // *.ck, !www.ck
		{pattern.Domain, "kobe.jp", true}, {pattern.Domain, "city.kobe.jp", false},
		{pattern.Domain, "compute.amazonaws.com", true}, {pattern.Domain, "amazonaws.com", true}, {pattern.Domain, "windows.net", true},
		{pattern.Domain, "notamazonaws.com", false}, {pattern.Domain, "localhost", true}, {pattern.Domain, "", true},
		{pattern.Domain, "xn--p1ai", true}, {pattern.Domain, "xn--e1afmkfd.xn--p1ai", false},
		{pattern.URL, "http://evil.example/x", false}, {pattern.SHA256, strings.Repeat("ab", 32), false}, {pattern.Email, "a@evil.example", false},
		{pattern.ASN, "64500", true}, {pattern.Text, "evil.exe", true}, {pattern.MAC, "00:00:5e:00:53:01", false},
		{pattern.ObjectRef, "indicator--1", true}, {"", "x", true},
	}
	for _, test := range tests {
		if got := tooBroad(pattern.Observable{Type: test.kind, Value: test.value}); (got != "") != test.broad {
			t.Errorf("%s %q: %q", test.kind, test.value, got)
		}
	}
}

// TestSharedDomains: the table holds names that one can register, in order.
func TestSharedDomains(t *testing.T) {
	if !slices.IsSorted(shared[:]) {
		t.Error("not sorted")
	}
	for _, name := range shared {
		if registered, err := publicsuffix.EffectiveTLDPlusOne(name); err != nil || broadDomain(name) == "" {
			t.Errorf("%s: registered as %q, %v; refused: %q", name, registered, err, broadDomain(name))
		}
	}
}

// TestStrangersNeverOpenTheGate: whatever strangers and observed organisations add, the gate's
// decision, its reasons and its publishers stay the same.
func TestStrangersNeverOpenTheGate(t *testing.T) {
	l := propertyList(t)
	for _, n := range []int{anchorOrg, partnerTwo, 33} {
		e, _ := l.Entry(orgID(n))
		e.Automation = Automation{Allow: actable(), MaxPerDay: 5}
		l = must(t)(l.With(e))
	}
	opened := 0
	rapid.Check(t, func(t *rapid.T) {
		claims, warn := genClaims(t, true), warns.Draw(t, "warn")
		q := GateQuery{Value: evil, Warned: rapid.IntRange(0, 5).Draw(t, "warned") == 0}
		before := pass(l, claims, warn, q)
		more := slices.Clone(claims)
		for i, c := range append(genClaims(t, false), genClaims(t, true)...) {
			if i%2 == 0 && c.Org != orgID(strangerOrg) {
				c.Org, c.Own = orgID(observedOrg+i), false
			}
			if c.Own || l.Level(c.Org, c.Topic, c.Kind, epoch) > Observed {
				continue
			}
			more = append(more, c)
		}
		if after := pass(l, more, warn, q); !reflect.DeepEqual(before, after) {
			t.Fatalf("the gate went from %+v to %+v", before, after)
		}
		if before.Allow {
			opened++
		}
	})
	if p := pass(l, append(agreed(), says(anchorTwo, 90)), 0, GateQuery{Value: evil}); !p.Allow {
		t.Fatalf("the gate cannot open at all: %+v", p)
	}
	t.Logf("open %d times", opened)
}

// FuzzBreadth: no value that a machine might be given makes the gate stumble, and no network that is too broad passes.
func FuzzBreadth(f *testing.F) {
	for _, s := range []string{"0.0.0.0/0", "::/0", "co.uk", "evil.example", "..", "64:ff9b::/96", "::ffff:0:0/96", "1.2.3.4/24"} {
		f.Add("cidr", s)
		f.Add("domain", s)
	}
	f.Fuzz(func(t *testing.T, kind, value string) {
		got := tooBroad(pattern.Observable{Type: pattern.Type(kind), Value: value})
		if got != "" && (!strings.HasSuffix(got, ".") || got == ".") {
			t.Fatalf("%q is no sentence", got)
		}
		var a, b, c, d, bits int
		if n, _ := fmt.Sscanf(value, "%d.%d.%d.%d/%d", &a, &b, &c, &d, &bits); kind == "cidr" && n == 5 && bits < broadestIPv4 && got == "" {
			t.Fatalf("%s passes", value)
		}
	})
}
