package belief

import (
	"strings"
	"testing"
	"time"

	"tocsin/protocol/trust"
	"tocsin/storage"
)

// TestWhyNamesTheChange holds what an explanation says of the future against what
// happens then.
func TestWhyNamesTheChange(t *testing.T) {
	said := func(d *desk, value string) string {
		t.Helper()
		e, err := d.Explain(value, now)
		must(t, err)
		for _, line := range e.Why {
			if at, ok := strings.CutPrefix(line, "if nothing new comes, this changes at "); ok {
				return at
			}
		}
		t.Fatalf("no change is named:\n%s", strings.Join(e.Why, "\n"))
		return ""
	}
	expect := func(got string, want ...string) {
		t.Helper()
		for _, w := range want {
			if !strings.Contains(got, w) {
				t.Errorf("%q does not say %q", got, w)
			}
		}
	}
	d := newDesk(t)
	a := newAuthor(t, "anchor")
	d.list(a, "CERT-EX", trust.Anchor)
	ends := claim(1, 90, bad)
	ends.ValidUntil = now.Add(time.Hour)
	begins := claim(2, 90, "begins.example")
	begins.ValidFrom = now.Add(2 * time.Hour)
	d.publish(a, storage.Accepted, now, ends, begins, claim(3, 90, "fades.example"))
	expect(said(d, bad), ends.ValidUntil.Format(time.RFC3339), "the claim of CERT-EX anchor ends (valid_until)", "gate score is 0.0 then")
	expect(said(d, "begins.example"), begins.ValidFrom.Format(time.RFC3339), "the claim of CERT-EX anchor begins to count (valid_from)", "gate score is 71.86 then")
	expect(said(d, "fades.example"), "by decay the gate score falls below 50, to 49.99")
	soon := time.Now().UTC().Truncate(24 * time.Hour) // policy looks at the real clock, and now may have been yesterday
	must(t, d.Policy.Set(trust.Entry{Org: a.Org, Petname: "CERT-EX", Level: trust.Anchor, Expires: soon}))
	expect(said(d, "fades.example"), soon.Add(24*time.Hour).Format(time.RFC3339),
		"the trust entry of CERT-EX anchor expires ("+soon.Format(time.DateOnly)+" is its last day)", "gate score is 0.0 then")
}

// TestTakenOffTheList is the promise of docs/trust-list.md: what was accepted stays
// and weighs what a stranger's word weighs.
func TestTakenOffTheList(t *testing.T) {
	d := newDesk(t)
	a := newAuthor(t, "anchor")
	d.list(a, "CERT-EX", trust.Anchor)
	d.publish(a, storage.Accepted, now, claim(1, 90, bad))
	if got := d.ask(bad); got.Verdict != "suspicious" {
		t.Fatalf("listed: %+v", got)
	}
	must(t, d.Policy.Remove(t.Context(), a.Org, ""))
	e, err := d.Explain(bad, now)
	must(t, err)
	if got := d.ask(bad); got.Verdict != "known" || got.State != "accepted" || got.Score != 9 || e.Gate != 0 {
		t.Errorf("taken off: %+v, gate %d", got, e.Gate)
	}
}
