package belief

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"tocsin/node/admin/api"
	"tocsin/protocol/reason"
	"tocsin/protocol/trust"
	"tocsin/storage"
)

// TestFloodIsCut: what strangers hold in quarantine fills no answer, and their
// number moves neither the gate score nor the shown one.
func TestFloodIsCut(t *testing.T) {
	answers := map[int][3]any{}
	for _, n := range []int{100, 101, 400} {
		d := newDesk(t)
		a, observed, flood := newAuthor(t, "anchor"), newAuthor(t, "observed"), newAuthor(t, "flood")
		d.list(a, "CERT-EX", trust.Anchor)
		d.list(observed, "OBS", trust.Observed)
		d.publish(a, storage.Accepted, now, claim(1, 90, bad))
		d.publish(observed, storage.Held, now, claim(2, 90, bad))
		var leaves []storage.Leaf
		for i := range n {
			leaves = append(leaves, claim(100+i, 100, bad))
		}
		d.publish(flood, storage.Held, now, leaves...)
		got := d.ask(bad)
		if got.Omitted != n-100 || len(got.Sources) != 102 || got.Sources[0].Level != "anchor" || !slices.ContainsFunc(got.Sources, func(s api.Source) bool { return s.Petname == "OBS" }) {
			t.Errorf("%d strangers' objects: %d omitted, %d sources", n, got.Omitted, len(got.Sources))
		}
		e, err := d.Explain(bad, now)
		must(t, err)
		line := fmt.Sprintf("and %d more of strangers, not shown", n-100)
		if said := strings.Contains(strings.Join(e.Why, "\n"), line); said != (n > 100) {
			t.Errorf("%d strangers' objects: %q is said: %v", n, line, said)
		}
		answers[n] = [3]any{got.Verdict, got.Score, e.Gate}
	}
	if answers[100] != answers[101] || answers[100] != answers[400] {
		t.Errorf("the number of strangers moves the answer: %v", answers)
	}
}

// TestFloodOfOldVersions: when all that was looked at has been replaced, the
// answer says that there is more.
func TestFloodOfOldVersions(t *testing.T) {
	d := newDesk(t)
	flood := newAuthor(t, "flood")
	leaves := []storage.Leaf{changed(claim(1, 90, "other.example"), func(l *storage.Leaf) { l.Modified = now })}
	for range 150 {
		leaves = append(leaves, claim(1, 90, bad))
	}
	d.publish(flood, storage.Held, now, leaves...)
	if got := d.ask(bad); got.Omitted != 50 || got.State != none || got.Verdict != unknown {
		t.Errorf("check %+v", got)
	}
	if _, err := d.Explain(bad, now); reason.Of(err) != reason.NotFound || !strings.Contains(err.Error(), "50 objects of strangers") {
		t.Errorf("explain: %v", err)
	}
}

// TestLabelsMakeNoVoices: one partner's objects under many upstream labels are one voice.
func TestLabelsMakeNoVoices(t *testing.T) {
	d := newDesk(t)
	p := newAuthor(t, "partner")
	d.list(p, "P", trust.Partner)
	for i := range 5 {
		d.publishFrom(p, fmt.Sprint("feed-", i), storage.Accepted, now, claim(i, 100, bad))
	}
	if got := d.ask(bad); got.Score != 48 || got.Verdict != known || len(got.Sources) != 5 {
		t.Errorf("five labels of one partner: %s %d, %d sources", got.Verdict, got.Score, len(got.Sources))
	}
}
