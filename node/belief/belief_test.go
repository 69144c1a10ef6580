package belief

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"tocsin/node/admin/api"
	"tocsin/protocol/protocoltest"
	"tocsin/protocol/reason"
	"tocsin/protocol/stix"
	"tocsin/protocol/trust"
	"tocsin/storage"
)

const bad = "bad.example"

func TestCheckVerdicts(t *testing.T) {
	type world struct{ anchor, partner, observed, blocked, stranger, other *protocoltest.Author }
	past := func(l *storage.Leaf) { l.ValidUntil = now }
	revoked := func(l *storage.Leaf) { l.Revoked, l.Modified = true, l.Modified.Add(time.Hour) }
	tests := []struct {
		name    string
		fill    func(d *desk, w *world)
		verdict string
		state   string
		score   int
		sources string
	}{
		{"nothing", func(d *desk, w *world) {}, "unknown", "none", 0, ""},
		{"one anchor", func(d *desk, w *world) {
			d.publish(w.anchor, storage.Accepted, now, claim(1, 90, bad))
		}, "suspicious", "accepted", 72, "anchor:accepted"},
		{"anchor and partner", func(d *desk, w *world) {
			d.publish(w.anchor, storage.Accepted, now, claim(1, 90, bad))
			d.publish(w.partner, storage.Accepted, now, claim(2, 80, bad))
		}, "malicious", "accepted", 83, "anchor:accepted partner:accepted"},
		{"one half-life later", func(d *desk, w *world) {
			d.publish(w.anchor, storage.Accepted, now.AddDate(0, 0, -30), claim(1, 90, bad))
			d.publish(w.partner, storage.Accepted, now.AddDate(0, 0, -30), claim(2, 80, bad))
		}, "known", "accepted", 49, "anchor:accepted partner:accepted"},
		{"published again later: the age stays", func(d *desk, w *world) {
			d.publish(w.partner, storage.Accepted, now.AddDate(0, 0, -30), claim(1, 80, bad))
			d.publish(w.partner, storage.Accepted, now, claim(1, 80, bad))
		}, "known", "accepted", 20, "partner:accepted"},
		{"a new version: the age starts anew", func(d *desk, w *world) {
			d.publish(w.partner, storage.Accepted, now.AddDate(0, 0, -30), claim(1, 80, bad))
			d.publish(w.partner, storage.Accepted, now, changed(claim(1, 80, bad), func(l *storage.Leaf) { l.Modified = now }))
		}, "known", "accepted", 40, "partner:accepted"},
		{"two objects of one organisation are one voice", func(d *desk, w *world) {
			d.publish(w.anchor, storage.Accepted, now, claim(1, 90, bad), claim(2, 90, bad))
		}, "suspicious", "accepted", 72, "anchor:accepted anchor:accepted"},
		{"own word alone", func(d *desk, w *world) {
			d.publish(d.self, storage.Accepted, now, claim(1, 95, bad))
		}, "malicious", "accepted", 90, "own:accepted"},
		{"observed", func(d *desk, w *world) {
			d.publish(w.observed, storage.Accepted, now, claim(1, 100, bad))
		}, "known", "accepted", 19, "observed:accepted"},
		{"a stranger in quarantine", func(d *desk, w *world) {
			d.publish(w.stranger, storage.Held, now, claim(1, 100, bad))
		}, "unknown", "held", 10, "unknown:held"},
		{"a stranger let out of quarantine", func(d *desk, w *world) {
			d.publish(w.stranger, storage.Accepted, now, claim(1, 100, bad))
		}, "known", "accepted", 10, "unknown:accepted"},
		{"an anchor's held object weighs nothing", func(d *desk, w *world) {
			d.publish(w.anchor, storage.Accepted, now, changed(claim(1, 90, bad), func(l *storage.Leaf) { l.State = storage.Held }))
		}, "unknown", "held", 0, "anchor:held"},
		{"past its end", func(d *desk, w *world) {
			d.publish(w.anchor, storage.Accepted, now, changed(claim(1, 90, bad), past))
		}, "expired", "accepted", 0, "anchor:expired"},
		{"past its end, and a stranger's present claim", func(d *desk, w *world) {
			d.publish(w.anchor, storage.Accepted, now, changed(claim(1, 90, bad), past))
			d.publish(w.stranger, storage.Held, now, claim(2, 90, bad))
		}, "expired", "accepted", 9, "anchor:expired unknown:held"},
		{"withdrawn", func(d *desk, w *world) {
			d.publish(w.anchor, storage.Accepted, now, claim(1, 90, bad))
			d.publish(w.anchor, storage.Accepted, now, changed(claim(1, 90, bad), revoked))
		}, "unknown", "withdrawn", 0, "anchor:withdrawn"},
		{"withdrawn, but another stands", func(d *desk, w *world) {
			d.publish(w.anchor, storage.Accepted, now, changed(claim(1, 90, bad), revoked))
			d.publish(w.partner, storage.Accepted, now, claim(2, 80, bad))
		}, "known", "accepted", 40, "partner:accepted anchor:withdrawn"},
		{"another organisation's withdrawal of the same id withdraws nothing", func(d *desk, w *world) {
			d.publish(w.anchor, storage.Accepted, now, claim(1, 90, bad))
			d.publish(w.partner, storage.Accepted, now, changed(claim(1, 90, bad), revoked))
		}, "suspicious", "accepted", 72, "anchor:accepted partner:withdrawn"},
		{"a held withdrawal hides nothing", func(d *desk, w *world) {
			d.publish(w.anchor, storage.Accepted, now, claim(1, 90, bad))
			d.publish(w.anchor, storage.Held, now, changed(claim(1, 90, bad), revoked))
		}, "suspicious", "accepted", 72, "anchor:accepted anchor:withdrawn"},
		{"a stranger's withdrawal ranks below what another stranger says", func(d *desk, w *world) {
			d.publish(w.stranger, storage.Held, now, changed(claim(1, 90, bad), revoked))
			d.publish(w.other, storage.Held, now, claim(2, 90, bad))
		}, "unknown", "held", 9, "unknown:held unknown:withdrawn"},
		{"withdrawn ranks above what strangers say", func(d *desk, w *world) {
			d.publish(w.anchor, storage.Accepted, now, changed(claim(1, 90, bad), revoked))
			d.publish(w.other, storage.Held, now, claim(2, 90, bad))
		}, "unknown", "withdrawn", 9, "anchor:withdrawn unknown:held"},
		{"needs more than this value", func(d *desk, w *world) {
			d.publish(w.anchor, storage.Accepted, now, changed(claim(1, 90, bad), func(l *storage.Leaf) {
				l.Values[0].Alone, l.State = false, storage.NotEvaluated
			}))
		}, "known", "not-evaluated", 0, "anchor:not-evaluated"},
		{"not evaluated as a whole, but the value alone satisfies it", func(d *desk, w *world) {
			d.publish(w.anchor, storage.Accepted, now, changed(claim(1, 90, bad), func(l *storage.Leaf) { l.State = storage.NotEvaluated }))
		}, "suspicious", "accepted", 72, "anchor:accepted"},
		{"merely observed", func(d *desk, w *world) {
			d.publish(w.anchor, storage.Accepted, now, changed(claim(1, 90, bad), func(l *storage.Leaf) { l.Claim, l.Type = false, "domain-name" }))
		}, "known", "accepted", 0, "anchor:accepted"},
		{"refused", func(d *desk, w *world) {
			d.publish(w.anchor, storage.Accepted, now, changed(claim(1, 90, bad), func(l *storage.Leaf) { l.State = storage.Refused }))
		}, "unknown", "refused", 0, "anchor:refused"},
		{"blocked since", func(d *desk, w *world) {
			d.publish(w.blocked, storage.Accepted, now, claim(1, 90, bad))
		}, "unknown", "refused", 0, "blocked:refused"},
		{"before its valid_from", func(d *desk, w *world) {
			d.publish(w.anchor, storage.Accepted, now, changed(claim(1, 90, bad), func(l *storage.Leaf) { l.ValidFrom = now.Add(time.Hour) }))
		}, "known", "accepted", 0, "anchor:accepted"},
		{"no confidence stated", func(d *desk, w *world) {
			d.publish(w.anchor, storage.Accepted, now, claim(1, -1, bad))
		}, "known", "accepted", 40, "anchor:accepted"},
		{"created in the future: never younger than now", func(d *desk, w *world) {
			d.publish(w.anchor, storage.Accepted, now.Add(5*time.Minute), claim(1, 90, bad))
		}, "suspicious", "accepted", 72, "anchor:accepted"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := newDesk(t)
			w := &world{}
			for _, a := range []struct {
				to    **protocoltest.Author
				level trust.Level
			}{{&w.anchor, trust.Anchor}, {&w.partner, trust.Partner}, {&w.observed, trust.Observed},
				{&w.blocked, trust.Blocked}, {&w.stranger, trust.Unknown}, {&w.other, trust.Unknown}} {
				*a.to = newAuthor(t, "what it calls itself")
				if a.level != trust.Unknown {
					d.list(*a.to, fmt.Sprintf("%s %x", a.level, (*a.to).Org[:4]), a.level)
				}
			}
			test.fill(d, w)
			got := d.ask(bad)
			var sources []string
			for _, s := range got.Sources {
				sources = append(sources, s.Level+":"+s.State)
			}
			if got.Verdict != test.verdict || got.State != test.state || got.Score != test.score || strings.Join(sources, " ") != test.sources {
				t.Errorf("%s %s %d %v, want %s %s %d %s", got.Verdict, got.State, got.Score, sources, test.verdict, test.state, test.score, test.sources)
			}
			addsUp(t, d, got)
		})
	}
}

// addsUp recomputes the score from the explanation's terms with a formula of its
// own, as a reader would, and compares it with the check.
func addsUp(t *testing.T, d *desk, item api.CheckItem) {
	t.Helper()
	e, err := d.Explain(item.Value, now)
	if item.State == none {
		if reason.Of(err) != reason.NotFound {
			t.Errorf("explain of nothing: %v", err)
		}
		return
	}
	must(t, err)
	if e.Verdict != item.Verdict || e.State != item.State || e.Score != item.Score {
		t.Errorf("explain says %s %s %d, check %s %s %d", e.Verdict, e.State, e.Score, item.Verdict, item.State, item.Score)
	}
	s, r := 1.0, 1.0
	for _, term := range e.Terms {
		v := term.Weight * term.Q * math.Min(float64(term.Claimed), 95) / 100 * term.Decay
		if math.Abs(v-term.V) > 0.00006 {
			t.Errorf("term %+v: by hand %f", term, v)
		}
		switch {
		case !term.Counted:
			if term.Why == "" {
				t.Errorf("term %+v does not say why it does not count", term)
			}
		case term.Refutes:
			r *= 1 - term.V
		default:
			s *= 1 - term.V
		}
	}
	if byHand := 100 * (1 - s) * r; math.Abs(byHand-float64(e.Score)) > 0.51 {
		t.Errorf("score %d, by hand %f", e.Score, byHand)
	}
	if len(e.Why) < 2 {
		t.Errorf("why %q", e.Why)
	}
}

func TestCheckDetails(t *testing.T) {
	d := newDesk(t)
	a := newAuthor(t, "name of its own")
	d.list(a, "CERT-EX", trust.Anchor)
	until := now.AddDate(0, 0, 20)
	r := d.publish(a, storage.Accepted, now.Add(-time.Hour), changed(claim(7, 88, "203.0.113.7"), func(l *storage.Leaf) { l.ValidUntil = until }))
	got := d.ask(" 203.0.113[.]7 ")
	want := api.Source{
		Org: a.Org.String(), Petname: "CERT-EX", Level: "anchor", Object: id(7), Record: r.ID().String(),
		Created: now.Add(-time.Hour), Confidence: 88, State: "accepted", ValidUntil: until, Topic: "malicious-code", TLP: stix.Green.String(),
	}
	if len(got.Sources) != 1 {
		t.Fatalf("sources %+v", got.Sources)
	}
	s := got.Sources[0]
	if !s.Created.Equal(want.Created) || !s.ValidUntil.Equal(want.ValidUntil) {
		t.Errorf("times %s %s", s.Created, s.ValidUntil)
	}
	s.Created, s.ValidUntil = want.Created, want.ValidUntil
	if s != want {
		t.Errorf("source\n%+v\nwant\n%+v", s, want)
	}
	if got.Value != " 203.0.113[.]7 " || got.Normal != "203.0.113.7" || got.Type != "ipv4" {
		t.Errorf("value %q normal %q type %q", got.Value, got.Normal, got.Type)
	}
}

func TestStrangersHaveNoName(t *testing.T) {
	d := newDesk(t)
	d.publish(newAuthor(t, "I am CERT-EX"), storage.Held, now, claim(1, 90, bad))
	item := d.ask(bad)
	e, err := d.Explain(bad, now)
	must(t, err)
	if item.Sources[0].Petname != "" || e.Terms[0].Petname != "" || strings.Contains(strings.Join(e.Why, "\n"), "CERT-EX") {
		t.Errorf("a stranger's own name is shown: %+v %q", item, e.Why)
	}
	if want := item.Sources[0].Org[:15] + " unknown 0.10 x q 1.00 x claim 0.90 x decay 1.00 = 0.09, held in quarantine"; e.Why[0] != want {
		t.Errorf("why %q, want %q", e.Why[0], want)
	}
}

func TestStrangersChangeNoVerdict(t *testing.T) {
	d := newDesk(t)
	a := newAuthor(t, "anchor")
	d.list(a, "CERT-EX", trust.Anchor)
	d.publish(a, storage.Accepted, now, claim(1, 95, bad))
	before := d.ask(bad)
	for range 20 {
		d.publish(newAuthor(t, "sybil"), storage.Held, now, claim(2, 100, bad))
	}
	after := d.ask(bad)
	if after.Verdict != before.Verdict || after.State != before.State || after.Score < before.Score || after.Score > 79 {
		t.Errorf("strangers turned %s %d into %s %d", before.Verdict, before.Score, after.Verdict, after.Score)
	}
	e, err := d.Explain(bad, now)
	must(t, err)
	why := strings.Join(e.Why, "\n")
	for _, want := range []string{"CERT-EX anchor 0.80 x q 1.00 x claim 0.95 x decay 1.00 = 0.76", "19 more claims of strangers do not count", "gate score, without observed organisations and strangers: 76.0, hence suspicious"} {
		if !strings.Contains(why, want) {
			t.Errorf("why lacks %q:\n%s", want, why)
		}
	}
	if e.Gate != 76 || len(e.Terms) != 21 {
		t.Errorf("gate %d, %d terms", e.Gate, len(e.Terms))
	}
}

// TestWhyAddsUp evaluates the formulas of the explanation as they are printed.
func TestWhyAddsUp(t *testing.T) {
	d := newDesk(t)
	for i, level := range []trust.Level{trust.Anchor, trust.Partner, trust.Observed, trust.Observed, trust.Unknown} {
		a := newAuthor(t, "x")
		state := storage.Held
		if level != trust.Unknown {
			d.list(a, fmt.Sprint("org-", i), level)
			state = storage.Accepted
		}
		d.publish(a, state, now.AddDate(0, 0, -i*3), claim(i, 23+i*9, bad))
	}
	e, err := d.Explain(bad, now)
	must(t, err)
	voice := regexp.MustCompile(`^(\S+) \w+ ([\d.]+) x q ([\d.]+) x claim ([\d.]+) x decay ([\d.]+) = ([\d.]+)`)
	support := regexp.MustCompile(`^support = 1 - (.*) = ([\d.]+)$`)
	factor := regexp.MustCompile(`\(1 - ([\d.]+|pool)\)`)
	pool, voices, supports := 0.0, 0, 0
	number := func(s string) float64 {
		if s == "pool" {
			return pool
		}
		f, err := strconv.ParseFloat(s, 64)
		must(t, err)
		return f
	}
	product := func(text string) float64 {
		p := 1.0
		for _, f := range factor.FindAllStringSubmatch(text, -1) {
			p *= 1 - number(f[1])
		}
		return p
	}
	for _, line := range e.Why {
		if m := voice.FindStringSubmatch(line); m != nil {
			voices++
			if v := number(m[2]) * number(m[3]) * number(m[4]) * number(m[5]); math.Abs(v-number(m[6])) > 0.00006 {
				t.Errorf("%q gives %f", line, v)
			}
		}
		if text, ok := strings.CutPrefix(line, "pool of observed organisations = 1 - "); ok {
			pool = min(0.30, 1-product(text))
		}
		if m := support.FindStringSubmatch(line); m != nil {
			supports++
			if s := 1 - product(m[1]); math.Abs(s-number(m[2])) > 0.0002 || math.Abs(s-e.Support) > 0.0002 {
				t.Errorf("%q gives %f", line, s)
			}
		}
	}
	if voices != 5 || supports != 1 {
		t.Errorf("%d voices and %d products in\n%s", voices, supports, strings.Join(e.Why, "\n"))
	}
}

func TestPoolCapIsSaid(t *testing.T) {
	d := newDesk(t)
	a, b := newAuthor(t, "a"), newAuthor(t, "b")
	d.list(a, "a", trust.Anchor)
	d.list(b, "b", trust.Partner)
	d.publish(a, storage.Accepted, now, claim(1, 90, bad))
	d.publish(b, storage.Accepted, now, claim(2, 50, bad))
	d.publish(newAuthor(t, "s"), storage.Held, now, claim(3, 90, bad))
	e, err := d.Explain(bad, now)
	must(t, err)
	if e.Score != 79 || e.Gate != 79 || e.Verdict != "suspicious" || !strings.Contains(strings.Join(e.Why, "\n"), "shown as 79.0: observed organisations and strangers lift no score over 79") {
		t.Errorf("score %d gate %d %s\n%s", e.Score, e.Gate, e.Verdict, strings.Join(e.Why, "\n"))
	}
}

func TestNetworks(t *testing.T) {
	d := newDesk(t)
	a := newAuthor(t, "a")
	d.list(a, "a", trust.Anchor)
	// four days old: an address would have halved, a network has not
	d.publish(a, storage.Accepted, now.AddDate(0, 0, -4), claim(1, 90, "198.51.100.0/24"))
	d.publish(a, storage.Accepted, now.AddDate(0, 0, -4), claim(2, 90, "203.0.113.9"))
	if got := d.ask("198.51.100.77"); got.Score != 48 { // 0.72 * 2^(-4/7)
		t.Errorf("address in a network: %d", got.Score)
	}
	if got := d.ask("203.0.113.9"); got.Score != 36 {
		t.Errorf("address: %d", got.Score)
	}
}

func TestExplainObject(t *testing.T) {
	d := newDesk(t)
	a, b := newAuthor(t, "a"), newAuthor(t, "b")
	d.list(a, "a", trust.Anchor)
	d.list(b, "b", trust.Partner)
	d.publish(a, storage.Accepted, now, claim(1, 90, "one.example"), claim(2, 30, "one.example", "two.example", "three.example"))
	d.publish(b, storage.Accepted, now, claim(3, 90, "three.example"))
	d.publish(a, storage.Accepted, now, storage.Leaf{Object: "report--00000009-0000-4000-8000-000000000000", Type: "report", Modified: now, State: storage.Accepted, Confidence: -1})
	d.publish(a, storage.Accepted, now, storage.Leaf{Object: "malware--000000aa-0000-4000-8000-00000000000a", Type: "malware", Modified: now.Add(-time.Hour), State: storage.Accepted, Confidence: -1})
	d.publish(a, storage.Accepted, now, storage.Leaf{Object: "malware--000000aa-0000-4000-8000-00000000000a", Type: "malware", Modified: now, Revoked: true, State: storage.Accepted, Confidence: -1})

	e, err := d.Explain(id(1), now)
	must(t, err)
	if e.Value != "one.example" || e.Score != 72 || len(e.Values) != 0 {
		t.Errorf("one value: %+v", e)
	}
	e, err = d.Explain(id(2), now)
	must(t, err)
	// two.example 24; one.example 72; three.example 1-(1-0.24)(1-0.45) = 58
	var got []string
	for _, v := range e.Values {
		got = append(got, fmt.Sprintf("%s %d", v.Value, v.Score))
	}
	if want := "one.example 72, three.example 58, two.example 24"; strings.Join(got, ", ") != want || e.Value != "one.example" || e.Score != 72 {
		t.Errorf("three values: %v, top %s %d", got, e.Value, e.Score)
	}
	if !strings.Contains(e.Why[0], "names 3 values; one.example is the strongest") || e.Why[len(e.Why)-1] != "another value: two.example, known, score 24" {
		t.Errorf("why %q", e.Why)
	}
	if abbreviated, err := d.Explain(id(1)[:len("indicator--")+8], now); err != nil || abbreviated.Value != "one.example" {
		t.Errorf("abbreviated: %+v, %v", abbreviated, err)
	}
	e, err = d.Explain("report--00000009-0000-4000-8000-000000000000", now)
	must(t, err)
	if e.Verdict != "known" || e.State != "accepted" || len(e.Terms) != 0 || e.Terms == nil || len(e.Why) != 1 {
		t.Errorf("an object without values: %+v", e)
	}
	e, err = d.Explain("malware--000000aa-0000-4000-8000-00000000000a", now)
	must(t, err)
	if e.Verdict != "unknown" || e.State != "withdrawn" {
		t.Errorf("a withdrawn object without values: %+v", e)
	}
}

func TestExplainRefuses(t *testing.T) {
	d := newDesk(t)
	a := newAuthor(t, "a")
	d.publish(a, storage.Held, now, claim(1, 90, bad), changed(claim(2, 90, bad), func(l *storage.Leaf) { l.Object = "indicator--00000001-1111-4000-8000-000000000000" }))
	tests := []struct {
		subject string
		code    reason.Code
		says    string
	}{
		{"good.example", reason.NotFound, `explain "good.example": nothing here names the domain "good.example"`},
		{"indicator--99999999-0000-4000-8000-000000000000", reason.NotFound, "no such object"},
		{"indicator--00000001", reason.Ambiguous, id(1)},
		{"", reason.NotFound, ""},
	}
	for _, test := range tests {
		_, err := d.Explain(test.subject, now)
		if reason.Of(err) != test.code || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%q: %v, want %s with %q", test.subject, err, test.code, test.says)
		}
	}
}

func TestIsID(t *testing.T) {
	for s, want := range map[string]bool{
		id(1): true, "indicator--0000000a": true, "x-our-own--0000000a": true,
		"indicator--0000000": false, "--0000000a": false, "xn--bcher-kva.example": false, "a--deadbeef.example": false,
		"indicator--" + strings.Repeat("0", 37): false, "Indicator--0000000a": false, "http://a--deadbeef": false, "": false,
	} {
		if got := isID(s); got != want {
			t.Errorf("isID(%q) = %v", s, got)
		}
	}
}

func TestCheckFollowsTheTrustList(t *testing.T) {
	d := newDesk(t)
	a := newAuthor(t, "a")
	d.publish(a, storage.Accepted, now, claim(1, 90, bad))
	for _, step := range []struct {
		level trust.Level
		score int
		want  string
	}{{trust.Observed, 18, "known"}, {trust.Partner, 45, "known"}, {trust.Anchor, 72, "suspicious"}, {trust.Blocked, 0, "unknown"}} {
		d.list(a, "a", step.level)
		if got := d.ask(bad); got.Score != step.score || got.Verdict != step.want || got.Sources[0].Level != step.level.String() {
			t.Errorf("as %s: %+v", step.level, got)
		}
	}
	// an anchor's word counts as an observed one's when the entry has expired
	d.list(a, "a", trust.Anchor)
	items, err := d.Check([]string{bad}, now.AddDate(0, 0, 301))
	must(t, err)
	if got := items[0]; got.Sources[0].Level != "observed" || got.Verdict == "suspicious" {
		t.Errorf("after the entry's end: %+v", got)
	}
}

func TestCheckMany(t *testing.T) {
	d := newDesk(t)
	a := newAuthor(t, "a")
	d.list(a, "a", trust.Anchor)
	d.publish(a, storage.Accepted, now, claim(1, 90, "bad-7.example"))
	values := make([]string, 10_000)
	for i := range values {
		values[i] = fmt.Sprintf("bad-%d[.]example", i)
	}
	items, err := d.Check(values, now)
	must(t, err)
	for i, item := range items {
		if item.Value != values[i] || (item.State != none) != (i == 7) || item.Sources == nil {
			t.Fatalf("item %d: %+v", i, item)
		}
	}
	none, err := d.Check(nil, now)
	if err != nil || len(none) != 0 {
		t.Errorf("no values: %v %v", none, err)
	}
}
