package trust

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/pattern"
)

// voucher is an anchor that may vouch.
func voucher(n, maxOrgs int, limit Level, scopes ...string) Entry {
	e := entry(n, fmt.Sprint("voucher-", n), Anchor)
	e.Vouch = &Vouch{Depth: 1, MaxOrgs: maxOrgs, LevelCap: limit, Scopes: scopes}
	return e
}

func vouch(by, of int, topics ...string) VouchFact {
	return VouchFact{Voucher: orgID(by), Subject: orgID(of), Topics: topics, Made: epoch.AddDate(0, 0, -1), Until: epoch.AddDate(0, 1, 0)}
}

func listOf(t testing.TB, entries ...Entry) *List {
	t.Helper()
	l := Empty()
	for _, e := range entries {
		l = must(t)(l.With(e))
	}
	return l
}

func TestVouchedLevel(t *testing.T) {
	scoped := voucher(3, 10, Partner, "*")
	partner, blocked := Partner, Blocked
	scoped.Scopes = []Scope{
		{Topics: []string{"malicious-code"}, Kinds: []pattern.Type{pattern.Domain}},
		{Topics: []string{"fraud"}, Level: &blocked},
		{Topics: []string{"intrusions"}, Level: &partner},
	}
	short := voucher(4, 10, Observed, "*")
	short.Expires = epoch.AddDate(0, 0, 10)
	l := listOf(t, voucher(1, 10, Observed, "malicious-code", "fraud"), voucher(2, 10, Partner, "*"), scoped, short,
		entry(5, "an anchor that may not vouch", Anchor), entry(6, "blocked", Blocked), entry(7, "listed", Observed), entry(8, "partner", Partner))
	l = l.Merge(build(nil, []GroupRule{{Name: "g", Orgs: []protocol.OrgID{orgID(109)}}}, nil))
	l = l.WithVouches([]VouchFact{
		vouch(1, 101), vouch(1, 102, "fraud"), vouch(1, 103, "intrusions"), vouch(2, 104, "intrusions"), vouch(3, 105), vouch(4, 106),
		vouch(5, 107), vouch(8, 107), vouch(99, 107), vouch(101, 108), vouch(1, 6), vouch(2, 7), vouch(2, 109),
		vouch(1, 110), vouch(2, 110, "fraud"), vouch(2, 111), vouch(4, 111), vouch(1, 112), vouch(4, 112),
	})
	tests := []struct {
		name  string
		org   int
		topic string
		kind  pattern.Type
		days  int // after epoch
		want  Level
		by    int // 0 for nobody
	}{
		{"observed by default", 101, "fraud", pattern.Domain, 0, Observed, 1},
		{"a topic outside vouch.scopes", 101, "intrusions", pattern.Domain, 0, Unknown, 0},
		{"any topic", 101, "", "", 0, Observed, 1},
		{"a topic of the vouch", 102, "fraud", "", 0, Observed, 1},
		{"a topic outside the vouch", 102, "malicious-code", "", 0, Unknown, 0},
		{"nothing that both cover", 103, "intrusions", "", 0, Unknown, 0},
		{"nor on any topic", 103, "", "", 0, Unknown, 0},
		{"level_cap partner", 104, "intrusions", pattern.URL, 0, Partner, 2},
		{"never above the voucher: anchor there", 105, "malicious-code", pattern.Domain, 0, Partner, 3},
		{"never above the voucher: observed outside its scopes", 105, "malicious-code", pattern.URL, 0, Observed, 0},
		{"never above the voucher: partner there", 105, "intrusions", pattern.URL, 0, Partner, 3},
		{"never above the voucher: blocked there", 105, "fraud", pattern.URL, 0, Unknown, 0},
		{"the day before the vouch ends", 101, "fraud", "", 29, Observed, 1},
		{"the vouch has ended", 101, "fraud", "", 30, Unknown, 0},
		{"the last day of the voucher", 106, "fraud", "", 10, Observed, 4},
		{"the voucher's entry is over", 106, "fraud", "", 11, Unknown, 0},
		{"who may not vouch gives nothing", 107, "fraud", "", 0, Unknown, 0},
		{"depth 1: the vouched cannot vouch", 108, "fraud", "", 0, Unknown, 0},
		{"blocked stays blocked", 6, "fraud", "", 0, Blocked, 0},
		{"listed stays what it is", 7, "fraud", "", 0, Observed, 0},
		{"named by a group rule", 109, "fraud", "", 0, Unknown, 0},
		{"two vouchers: the strongest", 110, "fraud", "", 0, Partner, 2},
		{"two vouchers, one covers the topic", 110, "malicious-code", "", 0, Observed, 1},
		{"one level: the lowest id", 112, "fraud", "", 0, Observed, 1},
		{"the strongest while both hold", 111, "fraud", "", 0, Partner, 2},
		{"a stranger", 200, "fraud", "", 0, Unknown, 0},
	}
	for _, test := range tests {
		now := epoch.AddDate(0, 0, test.days)
		if got := l.Level(orgID(test.org), test.topic, test.kind, now); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
		if test.kind != "" && test.org == 105 {
			continue // Voucher asks for any kind
		}
		by, ok := l.Voucher(orgID(test.org), test.topic, now)
		if ok != (test.by != 0) || ok && by != orgID(test.by) {
			t.Errorf("%s: vouched for by %s %v, want %d", test.name, by, ok, test.by)
		}
	}
	for org, want := range map[int]bool{1: true, 5: true, 6: false, 7: true, 101: true, 103: false, 107: false, 109: false, 200: false} {
		if got := l.Known(orgID(org), epoch); got != want {
			t.Errorf("Known(%d) = %v", org, got)
		}
	}
	if l.Known(orgID(101), epoch.AddDate(0, 2, 0)) {
		t.Error("known after the vouch has ended")
	}
	if l.Listed(orgID(101)) || l.Petname(orgID(101)) != "" {
		t.Error("a vouch lists or names somebody")
	}
}

func TestVouchPlaces(t *testing.T) {
	base := listOf(t, voucher(1, 2, Observed, "*"))
	at := func(of, made, until int) VouchFact {
		return VouchFact{Voucher: orgID(1), Subject: orgID(of), Made: epoch.AddDate(0, 0, made), Until: epoch.AddDate(0, 0, until)}
	}
	tests := []struct {
		name  string
		facts []VouchFact
		want  []int
	}{
		{"the first two by time", []VouchFact{at(101, -1, 9), at(102, -3, 9), at(103, -2, 9)}, []int{102, 103}},
		{"by subject at one time", []VouchFact{at(103, -1, 9), at(102, -1, 9), at(101, -1, 9)}, []int{101, 102}},
		{"an ended vouch leaves its place", []VouchFact{at(101, -5, 0), at(102, -4, 9), at(103, -3, 9), at(104, -2, 9)}, []int{102, 103}},
		{"a renewed one goes to the end", []VouchFact{at(101, -5, 9), at(102, -4, 9), at(103, -3, 9), at(101, -1, 9)}, []int{102, 103}},
		{"renewed by one that has ended", []VouchFact{at(101, -5, 9), at(101, -1, 0), at(102, -4, 9)}, []int{102}},
		{"one that takes no effect takes no place", []VouchFact{at(1, -9, 9), at(102, -4, 9), at(103, -3, 9)}, []int{102, 103}},
		{"none", nil, nil},
	}
	for _, test := range tests {
		for seed := range uint64(6) {
			facts := slices.Clone(test.facts)
			rand.New(rand.NewPCG(seed, 5)).Shuffle(len(facts), func(i, j int) { facts[i], facts[j] = facts[j], facts[i] })
			l := base.WithVouches(facts)
			var got []int
			for org := 101; org < 110; org++ {
				if l.Level(orgID(org), "fraud", "", epoch) == Observed {
					got = append(got, org)
				}
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("%s: %v, want %v", test.name, got, test.want)
			}
		}
	}
}

// TestVouchesStayWithTheList: what makes a new list keeps its vouches, and judges them by its own entries.
func TestVouchesStayWithTheList(t *testing.T) {
	l := listOf(t, voucher(1, 10, Observed, "*")).WithVouches([]VouchFact{vouch(1, 101), vouch(2, 102)})
	level := func(l *List, n int) Level { return l.Level(orgID(n), "fraud", "", epoch) }
	more := must(t)(l.With(voucher(2, 10, Partner, "*")))
	if level(l, 102) != Unknown || level(more, 101) != Observed || level(more, 102) != Partner {
		t.Errorf("with another voucher %s %s", level(more, 101), level(more, 102))
	}
	if named := must(t)(l.With(entry(101, "listed", Blocked))); level(named, 101) != Blocked {
		t.Errorf("listed and vouched for: %s", level(named, 101))
	}
	if gone := l.Without(orgID(1)); level(gone, 101) != Unknown {
		t.Error("the voucher is gone, its vouch stays")
	}
	if got := Empty().Merge(l); level(got, 101) != Observed {
		t.Error("a merged list forgets vouches")
	}
	if got := l.WithVouches(nil); level(got, 101) != Unknown || got.Digest() != l.Digest() {
		t.Error("vouches are replaced, and no part of the digest")
	}
	facts := []VouchFact{vouch(1, 101, "fraud")}
	kept := l.WithVouches(facts)
	facts[0].Topics[0] = "intrusions"
	if level(kept, 101) != Observed {
		t.Error("shares memory with its caller")
	}
}

func TestVouchedIsOneVoice(t *testing.T) {
	holding := GroupRule{Name: "holding", Orgs: []protocol.OrgID{orgID(3), orgID(anchorTwo)}}
	l := fixture(t, holding)
	for _, e := range []Entry{voucher(41, 10, Partner, "*"), voucher(42, 10, Observed, "*"), voucher(3, 10, Partner, "*"), voucher(43, 10, Partner, "fraud")} {
		l = must(t)(l.With(e))
	}
	l = l.WithVouches([]VouchFact{vouch(41, 101), vouch(41, 102), vouch(42, 103), vouch(42, 104), vouch(3, 105), vouch(41, 106, "malicious-code"), vouch(43, 106)})
	fraud := says(106, 95)
	fraud.Topic = "fraud"
	tests := []struct {
		name        string
		claims      []Claim
		gate, shown int
		group       string
	}{
		{"voucher and vouched", []Claim{says(41, 95), says(101, 95)}, 7600, 7600, orgID(41).String()},
		{"two vouched", []Claim{says(101, 95), says(102, 95)}, 4750, 4750, orgID(41).String()},
		{"under labels of their own", []Claim{upstream(says(101, 95), "a"), upstream(says(102, 95), "b")}, 4750, 4750, orgID(41).String()},
		{"under the voucher's label", []Claim{upstream(says(41, 95), "a"), upstream(says(101, 95), "a")}, 7600, 7600, "upstream:a"},
		{"one refutes, one supports", []Claim{says(41, 95), refutes(101, 80)}, 4560, 4560, orgID(41).String()},
		{"the pool stands behind its voucher", []Claim{says(42, 95), says(103, 95), says(104, 95)}, 7600, 7600, orgID(42).String()},
		{"a pool without its voucher is one", []Claim{says(103, 95), says(104, 95)}, 0, 1900, orgID(42).String()},
		{"labels do not move the pool", []Claim{upstream(says(103, 95), "a"), upstream(says(observedOrg, 95), "a")}, 0, 3000, "upstream:a"},
		{"a whisper of the voucher silences nobody", []Claim{says(42, 10), says(103, 95)}, 800, 1900, orgID(42).String()},
		{"nor beside others of the voucher's feed", []Claim{upstream(says(42, 95), "a"), upstream(says(anchorOrg, 90), "a"), says(103, 95)}, 7600, 7732, "upstream:a"},
		{"a voucher in a holding", []Claim{says(3, 95), says(anchorTwo, 95), says(105, 95)}, 7600, 7600, "group:holding"},
		{"two vouchers, two topics, one voice", []Claim{says(106, 95), fraud}, 4750, 4750, orgID(41).String()},
	}
	for _, test := range tests {
		a := l.Assess(test.claims, 0, epoch)
		if a.Gate != test.gate || a.Shown != test.shown {
			t.Errorf("%s: gate %d shown %d, want %d %d", test.name, a.Gate, a.Shown, test.gate, test.shown)
		}
		found := slices.ContainsFunc(a.Terms, func(term Term) bool { return term.Counted && term.Group == test.group })
		if !found {
			t.Errorf("%s: no counted voice in group %s: %+v", test.name, test.group, a.Terms)
		}
	}
}

// TestVouchesInNext: what vouches change by themselves is foreseen.
func TestVouchesInNext(t *testing.T) {
	l := listOf(t, voucher(1, 1, Partner, "*"))
	first, second := vouch(1, 101), vouch(1, 102)
	first.Made, first.Until = epoch.AddDate(0, 0, -9), epoch.AddDate(0, 0, 3)
	l = l.WithVouches([]VouchFact{first, second})
	quick := func(n int) Claim { c := says(n, 95); c.Kind = pattern.SHA256; return c }
	tests := []struct {
		name string
		org  int
		want time.Time
	}{
		{"the end of the vouch", 101, first.Until},
		{"a place that becomes free", 102, first.Until},
		{"a stranger", 103, time.Time{}},
	}
	for _, test := range tests {
		if got := l.Assess([]Claim{quick(test.org)}, 0, epoch).Next; !got.Equal(test.want) {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
	if before, after := l.Score([]Claim{quick(102)}, 0, first.Until.Add(-time.Second)).Gate, l.Score([]Claim{quick(102)}, 0, first.Until).Gate; before != 0 || after == 0 {
		t.Errorf("the gate goes from %d to %d", before, after)
	}
}

func TestDiff(t *testing.T) {
	before, err := Parse("before", []byte(example(t)))
	if err != nil {
		t.Fatal(err)
	}
	if d := Diff(before, before); len(d) != 0 {
		t.Errorf("a list differs from itself: %+v", d)
	}
	cert, _ := before.named("CERT-EX")
	noisy, _ := before.named("noisy-feed")
	e, _ := before.Entry(cert)
	e.Level, e.Petname, e.Expires, e.DirectPeer, e.Vouch, e.Automation, e.Verified = Partner, "CERT-EY", date2027(), false, nil, Automation{}, nil
	e.Scopes = e.Scopes[1:]
	after := must(t)(before.Without(noisy).With(e))
	after = must(t)(after.With(entry(7, "a new one", Observed)))
	after = after.Merge(build(nil, []GroupRule{{Name: "holding-q", Orgs: []protocol.OrgID{orgID(7)}}, {Name: "more", Upstream: "u"}}, nil))
	after.approvers = !before.approvers
	want := []Difference{
		{Field: "anchors_need_two_approvers", Before: fmt.Sprint(before.approvers), After: fmt.Sprint(after.approvers)},
		{cert, "CERT-EY", "automation", `{ allow = ["sha256", "domain"], max_per_day = 500 }`, ""},
		{cert, "CERT-EY", "direct_peer", "true", ""},
		{cert, "CERT-EY", "expires", "2027-06-30", "2027-01-31"},
		{cert, "CERT-EY", "level", `"anchor"`, `"partner"`},
		{cert, "CERT-EY", "petname", `"CERT-EX"`, `"CERT-EY"`},
		{cert, "CERT-EY", "scope", `[{ topics = ["malicious-code", "intrusions"], kinds = ["ipv4", "ipv6", "domain", "url", "sha256"], max_tlp_in = "green", max_tlp_out = "amber" }, { topics = ["abusive-content"], level = "partner" }]`, `[{ topics = ["abusive-content"], level = "partner" }]`},
		{cert, "CERT-EY", "verified", `{ how = "in person, eight words", by = ["alice", "bob"], on = 2026-06-30 }`, ""},
		{cert, "CERT-EY", "vouch", `{ depth = 1, max_orgs = 10, level_cap = "observed", scopes = ["malicious-code"] }`, ""},
		{orgID(7), "a new one", "entry", "", `{ petname = "a new one", level = "observed", expires = 2026-12-01 }`},
		{protocol.OrgID{}, "holding-q", "group", groupText(before, "holding-q"), `{ name = "holding-q", orgs = ["` + orgID(7).String() + `"] }`},
		{protocol.OrgID{}, "more", "group", "", `{ name = "more", upstream = "u" }`},
		{noisy, "noisy-feed", "entry", `{ petname = "noisy-feed", level = "blocked", expires = 2027-03-31, reason = "published our own address ranges twice" }`, ""},
	}
	if got := Diff(before, after); !reflect.DeepEqual(got, want) {
		t.Errorf("differences\n%s\nwant\n%s", lines(got), lines(want))
	}
	back := Diff(after, before)
	if len(back) != len(want) {
		t.Errorf("the way back has %d differences, the way there %d", len(back), len(want))
	}
}

func date2027() time.Time { return time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC) }

func groupText(l *List, name string) string {
	for _, g := range l.Groups() {
		if g.Name == name {
			return inline(g.plain())
		}
	}
	return ""
}

func lines(list []Difference) string {
	var b strings.Builder
	for _, d := range list {
		fmt.Fprintf(&b, "%.12s %s %s: %s -> %s\n", d.Org, d.Name, d.Field, d.Before, d.After)
	}
	return b.String()
}
