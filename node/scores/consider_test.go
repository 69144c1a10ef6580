package scores

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tocsin/node/standing"
	"tocsin/protocol"
	"tocsin/protocol/trust"
	"tocsin/storage"
)

// TestPromotion: a proposal needs every condition, and comes once until the level changes.
func TestPromotion(t *testing.T) {
	start := func(t *testing.T, days, confirmed, refuted int) (*kit, *[]string) {
		k := newCast(t)
		said := &[]string{}
		k.hooks.Propose = func(org protocol.OrgID, topic, evidence string) { *said = append(*said, evidence) }
		k.hooks.Pledge = func(protocol.OrgID) (time.Duration, bool) { return time.Hour, true }
		k.reopen()
		minute := -days * 24 * 60
		for i := range confirmed {
			k.send("observed", minute, claim(i, fmt.Sprintf("v%d.example", i)))
			k.send("partner", minute, claim(1000+i, fmt.Sprintf("v%d.example", i)))
		}
		for i := range refuted {
			k.send("observed", minute, claim(500+i, fmt.Sprintf("w%d.example", i)))
			k.send("other", minute, opinion(i, storage.Refutes, id(500+i)))
		}
		return k, said
	}
	tests := []struct {
		name                     string
		days, confirmed, refuted int
		change                   func(k *kit)
		want                     int
	}{
		{"all of it", 30, 20, 0, nil, 1},
		{"too short", 29, 20, 0, nil, 0},
		{"too few", 30, 19, 0, nil, 0},
		{"too many false", 30, 20, 1, nil, 0},
		{"no promise", 30, 20, 0, func(k *kit) { k.Pledge = func(protocol.OrgID) (time.Duration, bool) { return 0, false } }, 0},
		{"nobody knows of promises", 30, 20, 0, func(k *kit) { k.Pledge = nil }, 0},
		{"nobody listens", 30, 20, 0, func(k *kit) { k.Propose = nil }, 0},
		{"listed higher already", 30, 20, 0, func(k *kit) { k.relist("observed", trust.Partner) }, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			k, said := start(t, test.days, test.confirmed, test.refuted)
			if test.change != nil {
				test.change(k)
			}
			k.catchUp()
			k.send("observed", 1, claim(9000, "more.example"))
			k.catchUp()
			if len(*said) != test.want {
				t.Errorf("proposed %q, want %d", *said, test.want)
			}
		})
	}
	k, said := start(t, 30, 20, 0)
	k.catchUp()
	if len(*said) != 1 || !strings.Contains((*said)[0], "observed to partner on malicious-code: known for 30 days, 20 values confirmed independently, q 1.00") {
		t.Fatalf("evidence %q", *said)
	}
	// A slow withdrawal breaks the promise; earned again only when the level was given and lost.
	k.relist("observed", trust.Partner)
	k.send("observed", 2, claim(9001, "x.example"))
	k.catchUp()
	k.relist("observed", trust.Observed)
	k.send("observed", 3, claim(9002, "y.example"))
	k.catchUp()
	if len(*said) != 2 {
		t.Errorf("proposed %q after the level was lost", *said)
	}
}

func TestSlowRetractionIsNoPromotion(t *testing.T) {
	k := newCast(t)
	proposed := 0
	k.hooks.Propose = func(protocol.OrgID, string, string) { proposed++ }
	k.hooks.Pledge = func(protocol.OrgID) (time.Duration, bool) { return time.Hour, true }
	k.reopen()
	const month = -31 * 24 * 60
	k.send("observed", month, claim(900, "w.example"))
	k.send("other", month, opinion(1, storage.Refutes, id(900)))
	k.send("observed", month+61, revoked(claim(900, "w.example"), month+61))
	for i := range 60 {
		k.send("observed", month+62, claim(i, fmt.Sprintf("v%d.example", i)))
		k.send("partner", month+63, claim(1000+i, fmt.Sprintf("v%d.example", i)))
	}
	k.catchUp()
	if q := k.card("observed").Ledger.Q; q < proposeQ || proposed != 0 {
		t.Errorf("q %d, proposed %d times after a retraction that took 61 minutes", q, proposed)
	}
}

// TestDemotion: told once when q falls below a half, and again only after it recovered.
func TestDemotion(t *testing.T) {
	k := newCast(t)
	var said []string
	k.hooks.Demote = func(org protocol.OrgID, topic, why string) { said = append(said, why) }
	k.reopen()
	k.send("partner", 0, claim(1, "a.example"), claim(2, "b.example"), claim(3, "c.example"), claim(4, "d.example"))
	dispute := func(minute, n int, about ...string) { // by two who are independent
		k.send("other", minute, opinion(n, storage.Refutes, about...))
		k.send("anchor", minute, opinion(1000+n, storage.Refutes, about...))
	}
	dispute(1, 1, id(1), id(2))
	k.catchUp()
	if len(said) != 0 {
		t.Fatalf("after %d of none: %q", demoteRefuted-1, said)
	}
	dispute(1, 5, id(3)) // q = 4/34
	k.catchUp()
	if len(said) != 1 || !strings.Contains(said[0], "q is 0.12 on malicious-code, below 0.50, by what two independent voices or this node refuted: 0 confirmed, 6 refuted, 3 of them so, 0 withdrawn") {
		t.Fatalf("after %d of none: %q", demoteRefuted, said)
	}
	dispute(2, 2, id(4))
	k.catchUp()
	if len(said) != 1 {
		t.Errorf("told again while below: %q", said)
	}
	for i := range 40 { // 44/84
		k.send("partner", 3, claim(10+i, fmt.Sprintf("v%d.example", i)))
		k.send("other", 4, claim(60+i, fmt.Sprintf("v%d.example", i)))
	}
	k.catchUp()
	dispute(5, 3, id(10)) // 44/94
	k.catchUp()
	if len(said) != 2 {
		t.Errorf("told %d times after it fell again: %q", len(said), said)
	}
	// An observed organisation has no level that a machine may take.
	k.send("observed", 6, claim(200, "z.example"), claim(201, "y.example"), claim(202, "x.example"))
	dispute(7, 4, id(200), id(201), id(202))
	k.catchUp()
	if len(said) != 2 {
		t.Errorf("an observed organisation was demoted: %q", said)
	}
}

// TestOneCompromisedPartner: opinions on everything that everybody said, in one record or in many, bring nobody down and open no
// breaker while nobody else says so, nor do its own group's; a second voice or this node's own does.
func TestOneCompromisedPartner(t *testing.T) {
	for _, test := range []struct {
		name, second string
		counts       bool
	}{
		{"alone", "", false},
		{"with an observed one", "observed", false},
		{"with one that repeats the same source", "twin", false},
		{"with an independent one", "other", true},
		{"with this node", "own", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			k := newCast(t)
			k.list("twin", trust.Partner)
			demoted, refuted := 0, 0
			k.hooks.Demote = func(protocol.OrgID, string, string) { demoted++ }
			k.hooks.Refuted = func(_ protocol.OrgID, _ string, came []time.Time) { refuted += len(came) }
			k.reopen()
			var about []string
			for i := range 60 {
				k.send("anchor", i, claim(i, fmt.Sprintf("v%d.example", i)))
				about = append(about, id(i))
			}
			k.sendFrom("partner", "feed", 100, opinion(1, storage.Refutes, about...))
			for i, object := range about {
				k.sendFrom("partner", "feed", 101+i, opinion(10+i, storage.Refutes, object))
			}
			if test.second != "" {
				k.sendFrom(test.second, map[string]string{"twin": "feed"}[test.second], 200, opinion(2, storage.Refutes, about...))
			}
			k.catchUp()
			if (demoted > 0) != test.counts || refuted != map[bool]int{true: 60}[test.counts] {
				t.Errorf("demoted %d times, %d records for the breaker", demoted, refuted)
			}
		})
	}
}

// TestBreakerHears: each record is told once, by when it came, as the second voice refutes it; refutations that are
// old are not told at all.
func TestBreakerHears(t *testing.T) {
	k := newCast(t)
	var said []string
	k.hooks.Refuted = func(org protocol.OrgID, on string, came []time.Time) {
		slices.SortFunc(came, time.Time.Compare)
		var line strings.Builder
		line.WriteString(fmt.Sprint(org == k.by["anchor"].Org, " ", on))
		for _, at := range came {
			line.WriteString(fmt.Sprint(" ", at.Sub(now)))
		}
		said = append(said, line.String())
	}
	k.reopen()
	k.send("anchor", -3*24*60, claim(1, "a.example"))
	k.send("partner", -2*24*60, opinion(1, storage.Refutes, id(1)))
	k.send("other", -2*24*60, opinion(11, storage.Refutes, id(1)))
	k.send("anchor", 0, claim(2, "b.example"), claim(3, "c.example"))
	k.send("anchor", 1, claim(4, "d.example"))
	k.send("partner", 2, opinion(2, storage.Refutes, id(2), id(3), id(4)))
	k.catchUp()
	if len(said) != 0 {
		t.Errorf("told %q on one voice", said)
	}
	k.send("other", 3, opinion(12, storage.Refutes, id(2), id(3), id(4)))
	k.catchUp()
	if want := []string{"true malicious-code 0s 1m0s"}; !slices.Equal(said, want) {
		t.Errorf("told %q, want %q", said, want)
	}
	if got := k.marks("anchor"); got != "4/4 +0 -8 w0" {
		t.Errorf("card %s", got)
	}
}

// TestVoucherPays: the abuse of a vouched organisation costs its voucher five false positives,
// once a trip, also after a restart.
func TestVoucherPays(t *testing.T) {
	k := newCast(t)
	voucher, vouched := k.by["anchor"], k.author("vouched", trust.Unknown, nil)
	must(t, k.Policy.Set(trust.Entry{
		Org: voucher.Org, Petname: "anchor", Level: trust.Anchor, Expires: now.AddDate(0, 0, 300),
		Vouch: &trust.Vouch{Depth: 1, MaxOrgs: 3, LevelCap: trust.Observed, Scopes: []string{"*"}},
	}))
	k.Policy.SetVouches([]trust.VouchFact{{Voucher: voucher.Org, Subject: vouched.Org, Made: now, Until: now.AddDate(0, 0, 100)}})
	book, err := standing.Open(filepath.Join(k.dir, "standing.json"), func() *protocol.Chains { return protocol.NewChains(network) })
	must(t, err)
	k.Standing = book
	k.reopen()
	if _, err := book.Trip(standing.Trip{Org: vouched.Org, Topic: topic, Why: "three hard hits", At: now}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		k.send("partner", 0, claim(1, bad))
		k.catchUp()
		must(t, k.save(now))
		k.reopen()
	}
	if q := k.Q(voucher.Org, topic, now); q != 1379 { // 4/(4+25)
		t.Errorf("the voucher's q is %d", q)
	}
}

// TestRun follows a store in virtual time, keeps the file every minute, and stops with ctx.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newCast(t)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- k.Run(ctx) }()
		k.send("anchor", 0, claim(1, bad))
		time.Sleep(time.Second)
		synctest.Wait()
		if k.marks("anchor") != "1/1 +0 -0 w0" || k.Behind() != 0 {
			t.Errorf("after a second: %s, %d behind", k.marks("anchor"), k.Behind())
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		kept, err := readTotals(k.path)
		must(t, err)
		if kept.cursor != 1 {
			t.Errorf("after two minutes the file stands at %d", kept.cursor)
		}
		k.send("partner", 3, claim(2, bad))
		time.Sleep(time.Second)
		cancel()
		must(t, <-done)
		if kept, err = readTotals(k.path); err != nil || kept.cursor != 2 {
			t.Errorf("after the end the file stands at %d, %v", kept.cursor, err)
		}
	})
}

// BenchmarkFollow is the rate at which a backlog is worked off: records of 100 objects, one value
// in ten shared.
func BenchmarkFollow(b *testing.B) {
	k := newCast(b)
	n := 0
	for record := range 100 {
		var leaves []storage.Leaf
		for range 100 {
			leaves = append(leaves, claim(n, fmt.Sprintf("v%d.example", n-n%10*(record%2))))
			n++
		}
		k.send([]string{"anchor", "partner"}[record%2], record, leaves...)
	}
	b.ResetTimer()
	for b.Loop() {
		k.totals = newTotals()
		k.catchUp()
	}
	b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), "objects/s")
}
