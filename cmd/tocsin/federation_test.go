package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"maps"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"tocsin/node/admin/api"
	"tocsin/protocol/reason"
)

// asTocsin makes the test binary behave as the program, so that these tests
// run real processes without building anything.
const asTocsin = "RUN_AS_TOCSIN"

// program is one organisation's node: a folder and, once started, a process.
type program struct {
	t   *testing.T
	dir string
	org string
}

// command runs one command line against the node's folder.
func (p *program) command(stdin []byte, args ...string) (stdout []byte, exit int) {
	p.t.Helper()
	cmd := exec.Command(os.Args[0], append(args, "--data", p.dir)...)
	cmd.Env = append(os.Environ(), asTocsin+"=1")
	cmd.Stdin = bytes.NewReader(stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	_ = cmd.Run() // the exit code says it
	if code := cmd.ProcessState.ExitCode(); code != 0 {
		p.t.Logf("%s: exit %d: %s", strings.Join(args, " "), code, errs.String())
		return out.Bytes(), code
	}
	return out.Bytes(), 0
}

// must runs a command that has to work and decodes its JSON answer.
func (p *program) must(v any, stdin []byte, args ...string) {
	p.t.Helper()
	out, exit := p.command(stdin, append(args, "-o", "json")...)
	if exit != 0 {
		p.t.Fatalf("%v: exit %d", args, exit)
	}
	if v != nil {
		if err := json.Unmarshal(out, v); err != nil {
			p.t.Fatalf("%v: %v in %.200s", args, err, out)
		}
	}
}

// newProgram founds an organisation and starts its node; it ends with the test.
func newProgram(t *testing.T, name, country string) *program {
	t.Helper()
	dir, err := os.MkdirTemp("", "tocsin") // t.TempDir is too long a path for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	p := &program{t: t, dir: filepath.Join(dir, "n")}
	var founded struct {
		Org string `json:"org"`
	}
	p.must(&founded, nil, "init", "--name", name, "--country", country,
		"--listen", "/ip4/127.0.0.1/tcp/0", "--listen", "/ip4/127.0.0.1/udp/0/quic-v1")
	p.org = founded.Org
	p.start()
	return p
}

func (p *program) start() {
	p.t.Helper()
	cmd := exec.Command(os.Args[0], "run", "--data", p.dir)
	cmd.Env = append(os.Environ(), asTocsin+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	var errs bytes.Buffer
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() {
		started := time.Now()
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			p.t.Errorf("node in %s: %v\n%s", p.dir, err, errs.String())
		}
		if d := time.Since(started); d > 5*time.Second {
			p.t.Errorf("node took %v to leave", d)
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "ready ") {
		p.t.Fatalf("ready line %q: %v\n%s", line, err, errs.String())
	}
}

func (p *program) status() (s api.Status) {
	p.t.Helper()
	p.must(&s, nil, "status")
	return s
}

// addr is a loopback TCP address of the node with its peer id.
func (p *program) addr() string {
	p.t.Helper()
	for _, a := range p.status().Addrs {
		if strings.Contains(a, "/tcp/") {
			return a
		}
	}
	p.t.Fatalf("no TCP address")
	return ""
}

// eventually asks until ok, or fails after a while.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not within 30 s: %s", what)
		}
		<-tick.C
	}
}

// line starts A, B and C, peered A-B-C; C lists A as a partner, B lists nobody.
func line(t *testing.T) (a, b, c *program) {
	t.Helper()
	a, b, c = newProgram(t, "CERT A", "XA"), newProgram(t, "CERT B", "XB"), newProgram(t, "CERT C", "XC")
	b.must(nil, nil, "peers", "add", a.addr())
	c.must(nil, nil, "peers", "add", b.addr())
	c.must(nil, nil, "trust", "add", a.org[:len("sha256:")+12], "--petname", "Alpha", "--level", "partner",
		"--expires", time.Now().AddDate(0, 6, 0).Format(time.DateOnly))
	return a, b, c
}

// TestFederationLine is the first story: what A publishes reaches C through B, who
// believes none of it; C answers with A's petname and a score that adds up.
func TestFederationLine(t *testing.T) {
	if testing.Short() {
		t.Skip("starts three processes")
	}
	a, b, c := line(t)
	var published api.PublishResult
	a.must(&published, fixture(t), "publish", "--topic", "malicious-code", "--confidence", "90", "-")
	if published.Objects != 3 || len(published.Skipped) != 0 {
		t.Fatalf("published %+v", published)
	}
	eventually(t, "C holds A's objects", func() bool { return c.status().Objects == 3 })
	eventually(t, "B holds A's objects in quarantine", func() bool { s := b.status(); return s.Held == 3 && s.Objects == 0 })
	checkBelief(t, c, "login[.]bad-example[.]test", "Alpha")
	var items struct {
		Items []api.CheckItem `json:"items"`
	}
	b.must(&items, nil, "check", "login.bad-example.test")
	if got := items.Items[0]; got.State != "held" || got.Verdict != "unknown" {
		t.Errorf("B believes a stranger: %+v", got)
	}
	id := "indicator--11111111-1111-4111-8111-111111111111"
	shown, exit := c.command(nil, "show", id, "--raw")
	if exit != 0 || !bytes.Contains(fixture(t), bytes.TrimSuffix(shown, []byte("\n"))) || bytes.HasSuffix(shown, []byte("\n")) {
		t.Errorf("show --raw on C (exit %d) is not what A published: %q", exit, shown)
	}
	proof, exit := c.command(nil, "show", id, "--proof")
	if exit != 0 {
		t.Fatalf("show --proof: exit %d", exit)
	}
	file := filepath.Join(c.dir, "proof")
	if err := os.WriteFile(file, proof, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, exit := a.command(nil, "verify", file); exit != 0 {
		t.Errorf("verify the proof: exit %d", exit)
	}
	proof[len(proof)/2] ^= 1
	if err := os.WriteFile(file, proof, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, exit := a.command(nil, "verify", file); exit != exitInvalid {
		t.Errorf("verify a proof with one flipped bit: exit %d, want %d", exit, exitInvalid)
	}
}

// checkBelief wants one accepted source with a petname, and terms that recompute the score.
func checkBelief(t *testing.T, p *program, value, petname string) {
	t.Helper()
	var items struct {
		Items []api.CheckItem `json:"items"`
	}
	p.must(&items, nil, "check", value)
	got := items.Items[0]
	if len(got.Sources) == 0 || got.Sources[0].Petname != petname || got.Sources[0].Level != "partner" || got.State != "accepted" {
		t.Fatalf("check %s: %+v", value, got)
	}
	var e api.Explanation
	p.must(&e, nil, "explain", value)
	groups := map[string]float64{}
	for _, term := range e.Terms {
		v := term.Weight * term.Q * math.Min(float64(term.Claimed), 95) / 100 * term.Decay
		if math.Abs(v-term.V) > 0.0003 {
			t.Errorf("explain %s: term %+v is %f by hand", value, term, v)
		}
		if term.Counted && !term.Refutes {
			groups[term.Group] = math.Max(groups[term.Group], v)
		}
	}
	s := 1.0
	for _, v := range groups {
		s *= 1 - v
	}
	if byHand := 100 * (1 - s); math.Abs(byHand-float64(e.Score)) > 1 || e.Score != got.Score {
		t.Errorf("explain %s: score %d, check %d, by hand %f", value, e.Score, got.Score, byHand)
	}
}

func fixture(t *testing.T) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "three.json"))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// TestFederationRealData publishes real spyware indicators and STIX 2.0 feeds, as
// the first story wants it, and asks C for every value.
func TestFederationRealData(t *testing.T) {
	root := filepath.Join("..", "..", "..", "shared", "data", "stix")
	if _, err := os.Stat(root); err != nil {
		t.Skipf("SKIPPED: the real data is not beside the checkout: %v", err)
	}
	if testing.Short() {
		t.Skip("starts three processes")
	}
	amnesty, _ := filepath.Glob(filepath.Join(root, "amnesty", "*.stix2"))
	unit42, _ := filepath.Glob(filepath.Join(root, "unit42-stix20", "*.json"))
	if len(amnesty) != 5 || len(unit42) != 57 {
		t.Fatalf("%d and %d files, want 5 and 57", len(amnesty), len(unit42))
	}
	a, b, c := line(t)
	began := time.Now()
	objects, said := 0, feed{}
	for _, f := range append(amnesty, unit42...) {
		var r api.PublishResult
		out, exit := a.command(nil, "publish", "--topic", "malicious-code", "-o", "json", f)
		if err := json.Unmarshal(out, &r); err != nil || exit != 0 && exit != exitPartly {
			t.Fatalf("publish %s: exit %d: %v", f, exit, err)
		}
		objects += r.Objects
		for _, s := range r.Skipped {
			if s.Code != string(reason.STIXPublished) {
				t.Logf("%s: skipped %s %s: %s", filepath.Base(f), s.ID, s.Code, s.Reason)
			}
		}
		said.read(t, f)
	}
	t.Logf("A published %d objects in %v", objects, time.Since(began))
	eventually(t, "C holds everything", func() bool { return c.status().Objects == objects })
	eventually(t, "B holds everything", func() bool { return b.status().Held == objects })
	t.Logf("B and C hold all of it %v after the start", time.Since(began))
	checkAll(t, c, said.values())
}

// feed is what a publisher's files say in the end: of each id the newest version,
// and of each version the first body. Real feeds give one id to two values.
type feed map[string]struct {
	modified time.Time
	value    string
}

// read takes a file's indicators that compare one value, the plain way: this test
// must not lean on the code it tests.
func (f feed) read(t *testing.T, file string) {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var b struct {
		Objects []struct {
			ID, Pattern string
			Modified    time.Time
		}
	}
	if err := json.Unmarshal(raw, &b); err != nil {
		t.Fatal(err)
	}
	for _, o := range b.Objects {
		if strings.Count(o.Pattern, "=") != 1 || strings.Contains(o.Pattern, `\`) || !o.Modified.After(f[o.ID].modified) {
			continue
		}
		_, rest, _ := strings.Cut(o.Pattern, "=")
		e := f[o.ID]
		e.modified, e.value = o.Modified, strings.Trim(strings.TrimSuffix(strings.TrimSpace(rest), "]"), " '")
		f[o.ID] = e
	}
}

func (f feed) values() []string {
	set := map[string]bool{}
	for _, e := range f {
		set[e.value] = true
	}
	return slices.Sorted(maps.Keys(set))
}

func checkAll(t *testing.T, p *program, values []string) {
	t.Helper()
	if len(values) < 4000 {
		t.Fatalf("only %d values", len(values))
	}
	var items struct {
		Items []api.CheckItem `json:"items"`
	}
	p.must(&items, []byte(strings.Join(values, "\n")), "check", "-f", "-")
	if len(items.Items) != len(values) {
		t.Fatalf("%d answers for %d values", len(items.Items), len(values))
	}
	wrong := 0
	for _, it := range items.Items {
		if len(it.Sources) > 0 && it.Sources[0].Petname == "Alpha" && it.Sources[0].Level == "partner" && it.Score > 0 && it.State == "accepted" {
			continue
		}
		if wrong++; wrong <= 10 {
			t.Errorf("check %q: %+v", it.Value, it)
		}
	}
	t.Logf("%d values checked, %d wrong", len(values), wrong)
}
