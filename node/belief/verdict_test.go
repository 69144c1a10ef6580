package belief

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"tocsin/node/scores"
	"tocsin/node/standing"
	"tocsin/node/warnings"
	"tocsin/protocol"
	"tocsin/protocol/pattern"
	"tocsin/protocol/protocoltest"
	"tocsin/protocol/reason"
	"tocsin/protocol/stix"
	"tocsin/protocol/trust"
	"tocsin/protocol/warn"
	"tocsin/storage"
)

// TestOrderOfArrival: two stores that take the same records in different orders
// give the same digest of every verdict, and a different one once anything differs.
func TestOrderOfArrival(t *testing.T) {
	for seed := range uint64(6) {
		chance := rand.New(rand.NewPCG(seed, 7))
		one, other := newDesk(t), newDesk(t)
		c := newCast(t, one)
		other.Policy, other.Own = one.Policy, one.Own
		entries := worldOf(t, one, c, chance)
		accept := func(d *desk, order []int) {
			for _, i := range order {
				must(t, d.Store.Accept(context.Background(), entries[i]))
			}
		}
		accept(one, chance.Perm(len(entries)))
		accept(other, chance.Perm(len(entries)))
		seen := map[protocol.Digest]string{}
		for i := range 6 {
			value := pattern.Refang(fmt.Sprintf("v%d.example", i))
			v, err := one.Judge(value, now)
			must(t, err)
			w, err := other.Judge(value, now)
			must(t, err)
			if v.Digest() != w.Digest() {
				t.Errorf("seed %d, %s: the order of arrival shows:\n%+v\n%+v", seed, value.Value, v, w)
			}
			if twin, again := seen[v.Digest()]; again {
				t.Errorf("seed %d: %s and %s have one digest", seed, value.Value, twin)
			}
			seen[v.Digest()] = value.Value
			later, err := one.Judge(value, now.Add(2*24*time.Hour))
			must(t, err)
			if v.State != none && later.Digest() == v.Digest() {
				t.Errorf("seed %d: %s has the same digest two days later", seed, value.Value)
			}
		}
	}
}

// worldOf makes records of all levels: claims, newer versions, withdrawals, opinions, sightings.
func worldOf(t *testing.T, d *desk, c *cast, chance *rand.Rand) []storage.Entry {
	t.Helper()
	topic, err := protocol.ParseTopic("malicious-code")
	must(t, err)
	var entries []storage.Entry
	for i := range 40 {
		authors := []*protocoltest.Author{c.anchor, c.other, c.partner, c.second, c.observed, c.stranger, d.self}
		a := authors[chance.IntN(len(authors))]
		var l storage.Leaf
		switch chance.IntN(6) {
		case 0:
			l = saying(i, storage.Refutes, chance.IntN(100), id(chance.IntN(12)))
		case 1:
			l = saying(i, storage.Sighting, chance.IntN(100), id(chance.IntN(12)), id(chance.IntN(12)))
		default:
			l = claim(chance.IntN(12), chance.IntN(101), fmt.Sprintf("v%d.example", chance.IntN(6)), fmt.Sprintf("v%d.example", chance.IntN(6)))
			l.Modified = now.AddDate(0, 0, -chance.IntN(4))
			l.Revoked = chance.IntN(8) == 0
		}
		draft := protocol.Draft{
			Topic: topic, Kind: protocol.KindObjects, Created: now.AddDate(0, 0, -40).Add(time.Duration(i) * time.Hour), Expires: now.AddDate(0, 0, 60), TLP: stix.Green,
			Objects: [][]byte{fmt.Appendf(nil, `{"id":%q}`, l.Object)},
		}
		if chance.IntN(3) == 0 {
			draft.Upstream = fmt.Sprintf("feed:%d", chance.IntN(2))
		}
		r, err := a.Record(draft)
		must(t, err)
		state := storage.Accepted
		if a == c.stranger {
			state = storage.Held
		}
		entries = append(entries, storage.Entry{
			Record: r, State: state, Leaves: []storage.Leaf{l}, Received: now.Add(-time.Duration(chance.IntN(1000)) * time.Minute), From: storageFrom,
		})
	}
	return entries
}

// TestRefutationNeverRaises and strangers never lower nor lift by more than 10, whatever else is said.
func TestRefutationNeverRaises(t *testing.T) {
	for seed := range uint64(12) {
		chance := rand.New(rand.NewPCG(seed, 11))
		d := newDesk(t)
		c := newCast(t, d)
		for _, e := range worldOf(t, d, c, chance) {
			must(t, d.Store.Accept(context.Background(), e))
		}
		gates := func() (out [6][2]int) {
			for i := range out {
				v, err := d.Judge(pattern.Refang(fmt.Sprintf("v%d.example", i)), now)
				must(t, err)
				out[i] = [2]int{v.Assessment.Gate, v.Assessment.Shown}
			}
			return out
		}
		before := gates()
		d.publish(newAuthor(t, "sybil"), storage.Held, now, claim(3, 100, "v1.example", "v2.example"), saying(900, storage.Refutes, 100, id(1), id(2), id(3)), saying(901, storage.Sighting, 100, id(4), id(5)))
		for i, g := range gates() {
			if g[0] != before[i][0] || g[1] < before[i][1] || g[1] > before[i][1]+1000 {
				t.Errorf("seed %d: a stranger turned gate and score of v%d from %v to %v", seed, i, before[i], g)
			}
		}
		before = gates()
		d.publish(c.second, storage.Accepted, now, saying(902, storage.Refutes, chance.IntN(101), id(chance.IntN(12)), id(chance.IntN(12))))
		for i, g := range gates() {
			if g[0] > before[i][0] || g[1] > before[i][1] {
				t.Errorf("seed %d: a refutation raised v%d from %v to %v", seed, i, before[i], g)
			}
		}
	}
}

// TestWarned: what a hard list names is allowed whatever is said of it, a soft list refutes with a half,
// and neither passes the gate.
func TestWarned(t *testing.T) {
	d := newDesk(t)
	c := newCast(t, d)
	book, err := warnings.Open(filepath.Join(t.TempDir(), "none"))
	must(t, err)
	d.Warnings = book
	for i, value := range []string{"8.8.8.8", bad} {
		d.publish(c.anchor, storage.Accepted, now, claim(10*i+1, 90, value))
		d.publish(c.partner, storage.Accepted, now, claim(10*i+2, 80, value))
		d.publish(c.second, storage.Accepted, now, claim(10*i+3, 80, value))
	}
	got, e := d.ask("8.8.8.8"), d.explain("8.8.8.8")
	if got.Verdict != "allowed" || got.State != "accepted" || got.Score > 5 || got.Warning == nil || !got.Warning.Hard || got.Automation.Allow {
		t.Errorf("8.8.8.8: %+v", got)
	}
	why := strings.Join(e.Why, "\n")
	for _, want := range []string{"the hard warning list", "that refutes with 0.95", "refutation = 1 - (1 - 0.95) = 0.95", "A warning list names the value."} {
		if !strings.Contains(why, want) {
			t.Errorf("why lacks %q:\n%s", want, why)
		}
	}
	if e.Verdict != "allowed" || e.Warning == nil || e.Warning.List != got.Warning.List {
		t.Errorf("explain %+v", e)
	}
	if got := d.ask(bad); got.Verdict != "malicious" || got.Warning != nil {
		t.Errorf("an unlisted value: %+v", got)
	}
	if _, err := d.Explain("8.8.4.4", now); reason.Of(err) != reason.NotFound || !strings.Contains(err.Error(), "the warning list") {
		t.Errorf("a listed value that nobody names: %v", err)
	}
	soft := d.Inputs()
	soft.Warnings = warn.Compile([]*warn.List{{Name: "popular", Type: "string", Weight: warn.Soft, Entries: []string{bad}}})
	s := d.session(soft, now)
	h, err := s.hear(pattern.Refang(bad))
	must(t, err)
	v, err := s.verdict(h)
	must(t, err)
	if v.Verdict != "known" || trust.Points(v.Assessment.Gate) != 45 || v.Passage.Allow || v.Warning.List != "popular" {
		t.Errorf("popular: %s, gate %d, %+v", v.Verdict, v.Assessment.Gate, v.Passage)
	}
}

// TestBarred: an organisation that is out of automation counts as an observed one, what it saw
// makes nothing younger, and explain says who and why.
func TestBarred(t *testing.T) {
	d := newDesk(t)
	c := newCast(t, d)
	book, err := standing.Open(filepath.Join(t.TempDir(), "standing.json"), func() *protocol.Chains { return protocol.NewChains(network) })
	must(t, err)
	d.Standing = book
	d.publish(c.anchor, storage.Accepted, now, claim(1, 90, bad))
	d.publish(c.partner, storage.Accepted, now, claim(2, 80, bad))
	if got := d.ask(bad); got.Verdict != "malicious" {
		t.Fatalf("before: %+v", got)
	}
	_, err = book.Trip(standing.Trip{Org: c.anchor.Org, Topic: "malicious-code", Why: "three hard hits", At: now})
	must(t, err)
	got, e := d.ask(bad), d.explain(bad)
	if got.Verdict != "known" || e.Gate != 40 {
		t.Errorf("after the trip: %s, gate %d", got.Verdict, e.Gate)
	}
	if len(e.Barred) != 1 || e.Barred[0].Petname != "anchor" || e.Barred[0].Code != string(reason.OrgTripped) {
		t.Errorf("barred %+v", e.Barred)
	}
	if why := strings.Join(e.Why, "\n"); !strings.Contains(why, "anchor is out of automation on malicious-code (org.tripped: its circuit breaker is open here)") {
		t.Errorf("why:\n%s", why)
	}
	month := now.AddDate(0, 0, -30)
	d.publish(c.partner, storage.Accepted, month, claim(5, 80, "old.example"))
	d.publish(c.anchor, storage.Accepted, now, saying(1, storage.Sighting, 90, id(5)), saying(2, storage.Refutes, 90, id(5)))
	if got := d.explain("old.example"); got.Gate != 20 || got.State != "accepted" {
		t.Errorf("a barred sighting and refutation: gate %d, %s", got.Gate, got.State)
	}
}

// TestLedgerEnters: q of the scorecards stands in the arithmetic, and explain gives its counts.
func TestLedgerEnters(t *testing.T) {
	d := newDesk(t)
	c := newCast(t, d)
	book, err := scores.Open(filepath.Join(t.TempDir(), "scores.json"), scores.Deps{Store: d.Store, Policy: d.Policy, Own: d.Own})
	must(t, err)
	d.Scores = book
	d.publish(c.anchor, storage.Accepted, now, claim(1, 90, bad), claim(2, 90, "false.example"))
	d.publish(c.second, storage.Accepted, now, saying(1, storage.Refutes, 90, id(2)))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- book.Run(ctx) }()
	for book.Behind() > 0 {
		runtime.Gosched()
	}
	cancel()
	must(t, <-done)
	e := d.explain(bad) // 0.8 * 0.4444 * 0.9
	if e.Gate != 32 || len(e.Ledger) != 1 || e.Ledger[0].Petname != "anchor" || e.Ledger[0].Q != 0.4444 || e.Ledger[0].Refuted != 1 {
		t.Errorf("gate %d, ledger %+v", e.Gate, e.Ledger)
	}
	why := strings.Join(e.Why, "\n")
	for _, want := range []string{"anchor anchor 0.80 x q 0.4444 x claim 0.90", "ledger of anchor on malicious-code: q 0.4444, from 0 confirmed, 1 refuted and 0 withdrawn values"} {
		if !strings.Contains(why, want) {
			t.Errorf("why lacks %q:\n%s", want, why)
		}
	}
}

// TestGate: what stands in the way of machines, and what lets them act.
// TestNetworkFirst: voices that name a network around an address do not open the gate for the address at once when they
// name it at last, though behind the network's they count for nothing more: it waits like any other.
func TestNetworkFirst(t *testing.T) {
	d := newDesk(t)
	c := newCast(t, d)
	for _, a := range []struct {
		org     protocol.OrgID
		petname string
		level   trust.Level
	}{{c.anchor.Org, "anchor", trust.Anchor}, {c.partner.Org, "partner", trust.Partner}} {
		must(t, d.Policy.Set(trust.Entry{
			Org: a.org, Petname: a.petname, Level: a.level, Expires: now.AddDate(0, 0, 300),
			Automation: trust.Automation{Allow: []pattern.Type{pattern.IPv4}, MaxPerDay: 10},
		}))
	}
	fresh := func(l storage.Leaf) storage.Leaf { l.Modified, l.ValidFrom = now, now; return l }
	d.came = now.Add(-24 * time.Hour)
	d.publish(c.anchor, storage.Accepted, now, fresh(claim(1, 95, "198.51.100.0/24")))
	d.publish(c.partner, storage.Accepted, now, fresh(claim(2, 95, "198.51.100.0/24")))
	d.came = now.Add(-time.Second)
	d.publish(c.anchor, storage.Accepted, now, fresh(claim(3, 94, "198.51.100.7")))
	d.publish(c.partner, storage.Accepted, now, fresh(claim(4, 94, "198.51.100.7")))
	if e := d.explain("198.51.100.7"); e.Automation.Groups != 2 || len(e.Automation.Obstacles) != 1 || !strings.Contains(e.Automation.Obstacles[0], "less than 60 seconds ago") {
		t.Errorf("%+v", e.Automation)
	}
}

func TestGate(t *testing.T) {
	allow := func(d *desk, org protocol.OrgID, petname string, level trust.Level) {
		must(t, d.Policy.Set(trust.Entry{
			Org: org, Petname: petname, Level: level, Expires: now.AddDate(0, 0, 300),
			Automation: trust.Automation{Allow: []pattern.Type{pattern.Domain}, MaxPerDay: 10},
		}))
	}
	tests := []struct {
		name  string
		fill  func(d *desk, c *cast)
		allow bool
		says  string
	}{
		{"nobody is allowed", func(d *desk, c *cast) {}, false, "No organisation that names the value is allowed"},
		{"allowed", func(d *desk, c *cast) { allow(d, c.anchor.Org, "anchor", trust.Anchor) }, true, ""},
		{"an own claim needs no allowance", func(d *desk, c *cast) {
			d.publish(d.self, storage.Accepted, now, claim(9, 90, bad))
		}, true, ""},
		{"just arrived", func(d *desk, c *cast) {
			allow(d, c.anchor.Org, "anchor", trust.Anchor)
			d.came = now.Add(-59 * time.Second)
			d.publish(c.second, storage.Accepted, now, claim(3, 80, bad))
		}, false, "less than 60 seconds ago"},
		{"an own claim just arrived", func(d *desk, c *cast) {
			allow(d, c.anchor.Org, "anchor", trust.Anchor)
			d.came = now
			d.publish(d.self, storage.Accepted, now, claim(3, 80, bad))
		}, true, ""},
		{"below the line", func(d *desk, c *cast) {
			allow(d, c.anchor.Org, "anchor", trust.Anchor)
			d.publish(c.second, storage.Accepted, now, saying(1, storage.Refutes, 90, id(1)))
		}, false, "machines act from 80"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := newDesk(t)
			c := newCast(t, d)
			d.came = now.Add(-time.Minute)
			d.publish(c.anchor, storage.Accepted, now, claim(1, 90, bad))
			d.publish(c.partner, storage.Accepted, now, claim(2, 80, bad))
			test.fill(d, c)
			checked, explained := d.ask(bad).Automation, d.explain(bad).Automation
			if checked.Allow != test.allow || explained.Allow != test.allow {
				t.Errorf("check %+v, explain %+v", checked, explained)
			}
			said := strings.Join(explained.Obstacles, " ")
			if !strings.Contains(said, test.says) || (test.says == "") != (said == "") {
				t.Errorf("obstacles %q, want %q", said, test.says)
			}
			if test.allow == (len(checked.Obstacles) > 0) {
				t.Errorf("check says %v with %q in the way", checked.Allow, checked.Obstacles)
			}
		})
	}
}
