package policy

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tocsin/node/audit"
	"tocsin/protocol/pattern"
	"tocsin/protocol/reason"
	"tocsin/protocol/trust"
)

// wantLevel checks what an organisation has on a topic.
func wantLevel(t testing.TB, b *Book, n byte, on string, want trust.Level) {
	t.Helper()
	if got := b.List().Level(orgID(n), on, "", time.Now()); got != want {
		t.Errorf("organisation %d is %s on %q, want %s", n, got, on, want)
	}
}

// A machine's demotion once copied the whole entry over the operator's file, so that what the
// operator wrote there afterwards, "blocked" above all, had no effect.
func TestOperatorBlocksADemoted(t *testing.T) {
	f := newFolder(t)
	anchor := strings.Replace(text(1, "one", in(50)), "partner", "anchor", 1)
	put(t, f.operator, anchor)
	b := f.open(t)
	must(t, b.Demote(t.Context(), orgID(1), topic(t, "fraud"), "breaker"))
	wantLevel(t, b, 1, "fraud", trust.Partner)
	if _, err := os.Stat(f.state); err == nil {
		t.Error("a demotion wrote an entry of its own")
	}
	put(t, f.operator, strings.Replace(anchor, "one", "uno", 1))
	must(t, b.Reload(t.Context()))
	wantLevel(t, b, 1, "fraud", trust.Partner)
	wantLevel(t, b, 1, "malicious-code", trust.Anchor)
	if got := b.List().Petname(orgID(1)); got != "uno" {
		t.Errorf("the operator's new petname is lost: %q", got)
	}
	put(t, f.operator, strings.Replace(anchor, "anchor", "blocked", 1))
	must(t, b.Reload(t.Context()))
	for _, on := range []string{"", "fraud", "malicious-code"} {
		wantLevel(t, b, 1, on, trust.Blocked)
	}
	put(t, f.operator, anchor) // back, without a word to the node: the ceiling stands
	b = f.open(t)
	wantLevel(t, b, 1, "fraud", trust.Partner)
	preview, err := b.Preview(b.operator)
	must(t, err)
	if got := preview.Level(orgID(1), "fraud", "", time.Now()); got != trust.Partner {
		t.Errorf("a simulation leaves the demotion out: %s", got)
	}
}

// A second trip once found the highest level in a scope that another shadows: it added the
// same scope each time, and the organisation stayed partner for ever.
func TestEachTripLowersOneLevel(t *testing.T) {
	anchor := trust.Anchor
	for name, scopes := range map[string][]trust.Scope{
		"no scopes": nil,
		"shadowed":  {{Topics: []string{"fraud"}}, {Topics: []string{"*"}, Level: &anchor}},
		"by kind":   {{Topics: []string{"fraud"}, Kinds: []pattern.Type{pattern.IPv4}}, {Topics: []string{"fraud", "spam"}}},
	} {
		f := newFolder(t)
		b := f.open(t)
		e := entry(1, "one", trust.Anchor)
		e.Scopes = scopes
		must(t, b.Set(e))
		most := 0
		for trip, want := range []trust.Level{trust.Partner, trust.Observed, trust.Observed, trust.Observed} {
			must(t, b.Demote(t.Context(), orgID(1), topic(t, "fraud"), "breaker"))
			for _, kind := range []pattern.Type{pattern.IPv4, pattern.Domain} {
				if got := b.List().Level(orgID(1), "fraud", kind, time.Now()); got != want {
					t.Errorf("%s, trip %d: %s for %s, want %s", name, trip+1, got, kind, want)
				}
			}
			now, _ := b.List().Entry(orgID(1))
			if trip > 0 && len(now.Scopes) != most {
				t.Errorf("%s, trip %d: %d scopes after %d", name, trip+1, len(now.Scopes), most)
			}
			most = len(now.Scopes)
		}
		if d := b.Demotions(orgID(1)); len(d) != 1 || d[0].Level != trust.Observed || d[0].Why != "breaker" {
			t.Errorf("%s: demotions %+v", name, d)
		}
	}
}

// Only a person lifts a demotion, by any change that names the organisation; the other
// changes of the list, and other organisations' demotions, stay as they are.
func TestAPersonLiftsADemotion(t *testing.T) {
	for name, decide := range map[string]func(*Book) error{
		"set": func(b *Book) error {
			e, _ := b.Stated(orgID(1))
			return b.Set(e)
		},
		"import": func(b *Book) error {
			alone, err := trust.Empty().With(entry(1, "one", trust.Anchor))
			must(t, err)
			return b.Import(t.Context(), alone, "", nil)
		},
		"remove and add": func(b *Book) error {
			must(t, b.Remove(t.Context(), orgID(1), ""))
			return b.Set(entry(1, "one", trust.Anchor))
		},
	} {
		f := newFolder(t)
		b := f.open(t)
		for n, petname := range map[byte]string{1: "one", 2: "two"} {
			must(t, b.Set(entry(n, petname, trust.Anchor)))
			must(t, b.Demote(t.Context(), orgID(n), topic(t, "fraud"), "breaker"))
			must(t, b.Demote(t.Context(), orgID(n), topic(t, "spam"), "breaker"))
		}
		must(t, b.Set(entry(3, "three", trust.Partner)))
		b = f.open(t)
		wantLevel(t, b, 1, "fraud", trust.Partner)
		must(t, decide(b))
		for _, b := range []*Book{b, f.open(t)} {
			for _, on := range []string{"fraud", "spam"} {
				wantLevel(t, b, 1, on, trust.Anchor)
				wantLevel(t, b, 2, on, trust.Partner)
			}
			wantLevel(t, b, 3, "fraud", trust.Partner)
			if len(b.Demotions(orgID(1))) != 0 || len(b.Demotions(orgID(2))) != 2 {
				t.Errorf("%s: demotions left: %v, %v", name, b.Demotions(orgID(1)), b.Demotions(orgID(2)))
			}
		}
	}
}

// To lower a demoted organisation further is one step, as for every other.
func TestBlockADemoted(t *testing.T) {
	b := newFolder(t).open(t)
	must(t, b.Set(entry(1, "one", trust.Anchor)))
	must(t, b.Demote(t.Context(), orgID(1), topic(t, "fraud"), "breaker"))
	e, _ := b.Stated(orgID(1))
	e.Level = trust.Blocked
	must(t, b.Set(e))
	wantLevel(t, b, 1, "fraud", trust.Blocked)
}

// To lift the demotion of an anchor makes an anchor: that takes two people where anchors do.
func TestLiftingTakesTwo(t *testing.T) {
	f := newFolder(t)
	put(t, f.operator, "anchors_need_two_approvers = true\n"+strings.Replace(text(1, "one", in(50)), "partner", "anchor", 1))
	b := f.open(t)
	must(t, b.Demote(t.Context(), orgID(1), topic(t, "fraud"), "breaker"))
	e, _ := b.Stated(orgID(1))
	wantCode(t, b.Apply(audit.WithActor(t.Context(), alice), Edit{Entry: e}), reason.ApprovalNeeded, "two people")
	wantLevel(t, b, 1, "fraud", trust.Partner)
	must(t, b.Apply(audit.WithActor(t.Context(), bob), Edit{Entry: e, Approver: &alice}))
	wantLevel(t, b, 1, "fraud", trust.Anchor)
}

func TestBrokenDemotions(t *testing.T) {
	for _, raw := range []string{"", "{", `{}`, `[{"org":"sha256:00"}]`, `[{"topic":"fraud","level":"anchor"}]`, `[{"topic":"Fraud!","level":"partner"}]`, `[{"topic":"fraud","level":"partner","more":1}]`} {
		f := newFolder(t)
		path := filepath.Join(filepath.Dir(f.state), "demotions.json")
		put(t, path, raw)
		if _, err := Open(f.operator, f.state); reason.Of(err) != reason.TrustFile || !strings.Contains(err.Error(), path) {
			t.Errorf("%q: %v", raw, err)
		}
	}
}

func FuzzDemotions(f *testing.F) {
	f.Add([]byte(`[{"org":"` + orgID(1).String() + `","topic":"fraud","level":"partner","why":"breaker","at":"2026-03-01T12:00:00Z"}]`))
	f.Add([]byte("[]"))
	path := filepath.Join(f.TempDir(), "demotions.json")
	f.Fuzz(func(t *testing.T, raw []byte) {
		one, err := decodeDemotions(strings.NewReader(string(raw)))
		if err != nil {
			return
		}
		if writeDemotions(path, one) != nil {
			return // a year that JSON does not take
		}
		two, err := readDemotions(path)
		must(t, err)
		if len(one) != len(two) {
			t.Fatalf("%d demotions became %d", len(one), len(two))
		}
	})
}
