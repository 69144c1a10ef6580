// Package monitoring_test holds alerts and dashboards against what a node really says.
package monitoring_test

import (
	"crypto/rand"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/prometheus/client_golang/prometheus"

	"tocsin/node"
	"tocsin/node/metrics"
	"tocsin/node/p2p"
	"tocsin/protocol"
)

// dashboard is what the tests read of a dashboard.
type dashboard struct {
	UID    string `json:"uid"`
	Title  string `json:"title"`
	Panels []struct {
		ID      int    `json:"id"`
		Title   string `json:"title"`
		GridPos struct{ X, Y, W, H int }
		Targets []struct {
			RefID string `json:"refId"`
			Expr  string `json:"expr"`
		} `json:"targets"`
	} `json:"panels"`
}

func dashboards(t *testing.T) map[string]dashboard {
	t.Helper()
	files, err := filepath.Glob("dashboards/*.json")
	if err != nil || len(files) < 2 {
		t.Fatalf("dashboards: %v, %v", files, err)
	}
	all := map[string]dashboard{}
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var d dashboard
		if err := json.Unmarshal(raw, &d); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		all[f] = d
	}
	return all
}

// query is one query of a panel, with the variables of a dashboard filled in.
type query struct{ where, expr string }

func queries(t *testing.T) (list []query) {
	t.Helper()
	fill := strings.NewReplacer("$__rate_interval", "30s", "$instance", ".*")
	for file, d := range dashboards(t) {
		for _, p := range d.Panels {
			for _, q := range p.Targets {
				list = append(list, query{file + ", " + p.Title + " " + q.RefID, fill.Replace(q.Expr)})
			}
		}
	}
	return list
}

// TestDashboards wants each panel to have a place and an id of its own, and a query.
func TestDashboards(t *testing.T) {
	uids := map[string]bool{}
	for file, d := range dashboards(t) {
		if d.UID == "" || uids[d.UID] || d.Title == "" || len(d.Panels) < 5 {
			t.Errorf("%s: uid %q, title %q, %d panels", file, d.UID, d.Title, len(d.Panels))
		}
		uids[d.UID] = true
		ids, taken := map[int]bool{}, map[[2]int]string{}
		for _, p := range d.Panels {
			if ids[p.ID] || p.ID == 0 || p.Title == "" || len(p.Targets) == 0 {
				t.Errorf("%s: panel %d %q with %d queries", file, p.ID, p.Title, len(p.Targets))
			}
			ids[p.ID] = true
			if g := p.GridPos; g.W <= 0 || g.H <= 0 || g.X+g.W > 24 {
				t.Errorf("%s: panel %q lies at %+v", file, p.Title, g)
			}
			for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
				for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
					if there, ok := taken[[2]int{x, y}]; ok {
						t.Fatalf("%s: %q lies on %q", file, p.Title, there)
					}
					taken[[2]int{x, y}] = p.Title
				}
			}
		}
	}
}

// registered are the names of all metrics of a node, libp2p's among them.
func registered(t *testing.T) map[string]bool {
	t.Helper()
	m := metrics.New(metrics.Build{})
	if err := m.Watch(metrics.Sources{}); err != nil {
		t.Fatal(err)
	}
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	host, err := p2p.New(p2p.Config{Listen: []string{"/ip4/127.0.0.1/tcp/0"}, Key: key, Metrics: m.Registry()},
		p2p.Deps{Chains: func() *protocol.Chains { return protocol.NewChains("test") }})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := host.Close(); err != nil {
			t.Error(err)
		}
	}()
	all, ok := m.Gatherer().(prometheus.Collector)
	if !ok {
		t.Fatal("a registry is no collector any more")
	}
	ch := make(chan *prometheus.Desc)
	go func() {
		defer close(ch)
		all.Describe(ch)
	}()
	names := map[string]bool{"up": true} // Prometheus's own
	for d := range ch {
		names[regexp.MustCompile(`fqName: "([^"]*)"`).FindStringSubmatch(d.String())[1]] = true
	}
	if len(names) < 60 {
		t.Fatalf("only %d names", len(names))
	}
	return names
}

var metricName = regexp.MustCompile(`\b(?:tocsin|libp2p|process|go)_[a-z0-9_]+|\bup\b`)

// TestNames wants every metric that a dashboard, an alert or the documentation speaks of to be there, and the
// documentation to name each of ours.
func TestNames(t *testing.T) {
	names := registered(t)
	known := func(name string) bool {
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			if base, ok := strings.CutSuffix(name, suffix); ok && names[base] {
				return true
			}
		}
		return names[name]
	}
	for _, q := range queries(t) {
		found := metricName.FindAllString(q.expr, -1)
		if len(found) == 0 {
			t.Errorf("%s asks for nothing: %s", q.where, q.expr)
		}
		for _, name := range found {
			if !known(name) {
				t.Errorf("%s: there is no %s", q.where, name)
			}
		}
	}
	alerts := read(t, "alerts.yml")
	for _, m := range regexp.MustCompile(`(?m)^ +expr: (.*)$`).FindAllStringSubmatch(alerts, -1) {
		for _, name := range metricName.FindAllString(m[1], -1) {
			if !known(name) {
				t.Errorf("alerts.yml: there is no %s", name)
			}
		}
	}
	docs := read(t, "../../docs/metrics.md")
	described, _, ok := strings.Cut(docs, "## Names that are not offered")
	if !ok {
		t.Fatal("docs/metrics.md does not say what is not offered")
	}
	for name := range names {
		if strings.HasPrefix(name, "tocsin_") && !strings.Contains(described, "`"+name+"`") && !strings.Contains(described, "`"+name+"{") {
			t.Errorf("docs/metrics.md does not describe %s", name)
		}
	}
	for _, name := range regexp.MustCompile("`(tocsin_[a-z_]+)").FindAllStringSubmatch(described, -1) {
		if !known(name[1]) {
			t.Errorf("docs/metrics.md describes %s, which is not there", name[1])
		}
	}
}

// TestRunbook wants a section for each alert, and its anchor to be the name of a check of the doctor.
func TestRunbook(t *testing.T) {
	alerts, runbook := read(t, "alerts.yml"), read(t, "../../docs/runbook.md")
	names := regexp.MustCompile(`(?m)^ +- alert: (\w+)$`).FindAllStringSubmatch(alerts, -1)
	anchors := regexp.MustCompile(`(?m)^ +runbook: docs/runbook.md#(\S+)$`).FindAllStringSubmatch(alerts, -1)
	if len(names) < 10 || len(names) != len(anchors) {
		t.Fatalf("%d alerts, %d runbook anchors", len(names), len(anchors))
	}
	tests := read(t, "alerts_test.yml") + read(t, "alerts_slow_test.yml")
	for i, n := range names {
		anchor := anchors[i][1]
		if !slices.Contains(node.CheckNames(), anchor) {
			t.Errorf("%s: the doctor has no check %s", n[1], anchor)
		}
		_, section, ok := strings.Cut(runbook, "\n## "+anchor+"\n")
		section, _, _ = strings.Cut(section, "\n## ")
		if !ok || !strings.Contains(section, "**"+n[1]+"**") {
			t.Errorf("docs/runbook.md has no section %s that speaks of %s", anchor, n[1])
		}
		if !strings.Contains(tests, "- name: "+n[1]+"\n") {
			t.Errorf("no test of %s", n[1])
		}
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// tool finds a program of Prometheus; without it what it would have checked is not checked.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("NOT CHECKED: no %s here; 'make tools' installs it", name)
	}
	return path
}

// TestPromtool has Prometheus's own tool check the rules, run their tests and read the configuration.
func TestPromtool(t *testing.T) {
	promtool := tool(t, "promtool")
	for _, args := range [][]string{
		{"check", "rules", "alerts.yml"},
		{"check", "config", "--syntax-only", "prometheus.yml"},
		{"test", "rules", "alerts_test.yml"},
		{"test", "rules", "alerts_slow_test.yml"},
	} {
		if out, err := exec.CommandContext(t.Context(), promtool, args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}
}
