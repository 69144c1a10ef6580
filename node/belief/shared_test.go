package belief

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tocsin/node/admin/api"
	"tocsin/protocol/pattern"
	"tocsin/protocol/trust"
	"tocsin/storage"
)

const realData = "../../../shared/data"

// TestRealSharedValues: of values that two real sources share, corroboration is counted once
// for each independent voice, whoever repeats them.
func TestRealSharedValues(t *testing.T) {
	reports := stixValues(t, filepath.Join(realData, "stix/unit42-stix20"))
	lists := listValues(t, filepath.Join(realData, "lists/maltrail"))
	var shared []pattern.Observable
	for o := range reports {
		if lists[o] {
			shared = append(shared, o)
		}
	}
	if len(shared) != 27 {
		t.Fatalf("%d values are in both sources, want 27", len(shared))
	}
	slices.SortFunc(shared, func(a, b pattern.Observable) int { return strings.Compare(a.Value, b.Value) })
	d := newDesk(t)
	reporter, lister := newAuthor(t, "reports"), newAuthor(t, "lists")
	d.list(reporter, "reports", trust.Partner)
	d.list(lister, "lists", trust.Partner)
	leaves := func(from int) (out []storage.Leaf) {
		for i, o := range shared {
			l := claim(from+i, 95)
			l.Values = []pattern.Value{{Observable: o, Alone: true}}
			out = append(out, l)
		}
		return out
	}
	d.publish(reporter, storage.Accepted, now, leaves(1000)...)
	d.publish(lister, storage.Accepted, now, leaves(2000)...)
	each := func(what string, groups, terms, gate int, says string) {
		t.Helper()
		for _, o := range shared {
			e := d.explain(o.Value)
			if got := independent(e); len(got) != groups || len(e.Terms) != terms || e.Gate != gate || e.Automation.Groups != groups {
				t.Errorf("%s: %s: %d of %d voices count (%v), gate %d; want %d of %d, gate %d", what, o.Value, len(got), len(e.Terms), got, e.Gate, groups, terms, gate)
			}
			if why := strings.Join(e.Why, "\n"); !strings.Contains(why, says) {
				t.Errorf("%s: %s: why lacks %q:\n%s", what, o.Value, says, why)
			}
		}
	}
	each("both sources", 2, 2, 72, "support = 1 - (1 - 0.475) x (1 - 0.475) = ")
	d.publish(reporter, storage.Accepted, now, leaves(3000)...)
	each("one says it again", 2, 3, 72, "a stronger voice of the same group stands for it")
	for i, name := range []string{"relay-a", "relay-b", "relay-c"} {
		relay := newAuthor(t, name)
		d.list(relay, name, trust.Partner)
		d.publishFrom(relay, "feed:z", storage.Accepted, now, leaves(4000+100*i)...)
	}
	// three independent partners: 86
	each("three that pass on one feed", 3, 6, 86, "relay-a partner and relay-b partner and relay-c partner count once, as upstream:feed:z")
	d.publishFrom(newAuthor(t, "stranger"), "feed:z", storage.Held, now, leaves(5000)...)
	each("a stranger who repeats it", 3, 7, 86, "held in quarantine")
}

// independent lists the groups whose voices count in the gate score.
func independent(e *api.Explanation) []string {
	var groups []string
	for _, t := range e.Terms {
		if t.Counted && !t.Refutes && t.Level != "unknown" && t.Level != "observed" {
			groups = append(groups, t.Group)
		}
	}
	slices.Sort(groups)
	return slices.Compact(groups)
}

// stixValues reads the values that indicators of a folder of bundles name by themselves.
func stixValues(t *testing.T, folder string) map[pattern.Observable]bool {
	t.Helper()
	out := map[pattern.Observable]bool{}
	for _, path := range files(t, folder, "*.json") {
		raw, err := os.ReadFile(path)
		must(t, err)
		var bundle struct {
			Objects []struct{ Type, Pattern string }
		}
		if err := json.Unmarshal(raw, &bundle); err != nil {
			continue // the tests of protocol/stix speak of such files
		}
		for _, o := range bundle.Objects {
			p, err := pattern.Parse(o.Pattern)
			if o.Type != "indicator" || err != nil {
				continue
			}
			values, _ := p.Values()
			for _, v := range values {
				out[v.Observable] = out[v.Observable] || v.Alone
			}
		}
	}
	return out
}

// listValues reads the values of a folder of plain lists.
func listValues(t *testing.T, folder string) map[pattern.Observable]bool {
	t.Helper()
	out := map[pattern.Observable]bool{}
	for _, path := range files(t, folder, "*.txt") {
		f, err := os.Open(path)
		must(t, err)
		for lines := bufio.NewScanner(f); lines.Scan(); {
			value, _, _ := strings.Cut(lines.Text(), "#")
			if value = strings.TrimSpace(value); value != "" {
				out[pattern.Refang(value)] = true
			}
		}
		must(t, f.Close())
	}
	return out
}

func files(t *testing.T, folder, names string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(folder, names))
	must(t, err)
	if len(found) == 0 {
		t.Skipf("NOT TESTED: no real threat intelligence in %s", folder)
	}
	return found
}
