package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"tocsin/node"
	"tocsin/node/admin/api"
	"tocsin/node/identity"
	"tocsin/node/logs"
	"tocsin/node/policy"
	"tocsin/protocol/reason"
)

// partTime is how long one part of a report may take, or --timeout where that is less.
const partTime = 15 * time.Second

// gathering is a report that is being made.
type gathering struct {
	g      *globals
	c      *api.Client
	r      *logs.Redactor
	report *bugReport
	status *api.Status // nil from a node that did not answer
	down   error       // why the node is not asked any more, nil while it answers
	// unnamed is why the names are not known that must not be told: then no sentence is.
	unnamed error
}

// gatherReport makes all parts in memory. What the node does not give is missing, and says why.
func (g *globals) gatherReport(ctx context.Context) (*bugReport, error) {
	socket, err := g.socket()
	if err != nil {
		return nil, err
	}
	c := api.NewClient(socket)
	defer c.Close()
	b := &gathering{g: g, c: c, report: &bugReport{}}
	b.status, b.down = g.quickStatus(ctx, c)
	if err := b.learn(ctx); err != nil {
		return nil, err
	}
	b.add(ctx, "versions.json", "the program, what it was built from, and what the node says it is", b.versions)
	b.add(ctx, "config.json", "the configuration with its origins", func(context.Context) ([]byte, error) { return g.reportConfig(b.r) })
	b.ask(ctx, "status.json", "tocsin status", b.told("/status"))
	b.ask(ctx, "peers.json", "tocsin peers", b.told("/peers"))
	b.ask(ctx, "sync.json", "tocsin sync", b.told("/sync"))
	what := "tocsin doctor"
	if b.unnamed != nil {
		what = "tocsin doctor; its sentences are " + b.unnamed.Error()
	}
	b.add(ctx, "doctor.json", what, b.doctor)
	b.ask(ctx, "metrics.txt", "what Prometheus would read", func(ctx context.Context) ([]byte, error) {
		m, err := c.Metrics(ctx)
		return b.r.Metrics(m), err
	})
	b.ask(ctx, "goroutines.txt", "the stacks of everything that the node is doing", func(ctx context.Context) ([]byte, error) {
		m, err := c.Goroutines(ctx)
		return shortPaths(m), err
	})
	b.ask(ctx, "trace.out", "what the node's runtime did for 2 s, for go tool trace", func(ctx context.Context) ([]byte, error) {
		return trimmedTrace(c.Trace(ctx, 2))
	})
	b.ask(ctx, "log.jsonl", "the log of the last 10 minutes", b.log)
	b.report.TakenOut = b.r.Counts()
	b.add(ctx, "README.txt", "what this is, and how it was made", func(context.Context) ([]byte, error) { return reportReadme(b.report), nil })
	return b.report, ctx.Err()
}

// learn finds out what must not be told: from the node, or from its files where it does not run.
func (b *gathering) learn(ctx context.Context) error {
	paths, err := b.g.paths()
	if err != nil {
		return err
	}
	var names []string
	if b.down == nil && b.status.State != api.StateStarting {
		names, b.unnamed = b.namesOfNode(ctx)
		b.lookAgain(ctx, b.unnamed)
	} else {
		names, b.unnamed = b.g.namesOfFiles(paths)
	}
	if b.unnamed != nil { // the error's own words may have a name in them
		b.unnamed = fmt.Errorf("left out: the names that must not be told are not known [%s]", api.ProblemOf(b.unnamed).Code)
	}
	b.r = logs.NewRedactor(names...)
	b.r.KnowPaths(b.g.ownPaths(paths)...)
	return nil
}

// namesOfNode are the names that people gave organisations or that those gave themselves. All of them, or none are known.
func (b *gathering) namesOfNode(ctx context.Context) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, b.partTime())
	defer cancel()
	names := []string{b.status.Name}
	entries, err := b.c.Trust(ctx)
	if err != nil {
		return nil, err
	}
	for _, e := range entries.Items {
		names = append(names, e.Petname, e.Name)
	}
	peers, err := b.c.Peers(ctx)
	if err != nil {
		return nil, err
	}
	for _, p := range peers.Items {
		names = append(names, p.Petname)
	}
	return names, nil
}

// namesOfFiles are those of a node that does not run. Where there is no node there are none.
func (g *globals) namesOfFiles(paths node.Paths) ([]string, error) {
	cfg, _, err := loadConfig(g)
	if err != nil {
		return nil, err
	}
	book, err := identity.Open(filepath.Join(paths.State(), "identity.cbor"), cfg.WithDefaults().Network)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, id := range book.Chains().Orgs() {
		if org, ok := book.Chains().Org(id); ok {
			names = append(names, org.Genesis.Name)
		}
	}
	trusted, err := policy.Open(paths.TrustFile(), paths.TrustState())
	if err != nil {
		return nil, err
	}
	for _, e := range trusted.List().Entries() {
		names = append(names, e.Petname)
	}
	return names, nil
}

// ownPaths are folders that sentences may name: the node's, those of its configuration, and the user's.
func (g *globals) ownPaths(paths node.Paths) []string {
	own := []string{paths.Config, paths.Data, paths.Runtime}
	if home, err := os.UserHomeDir(); err == nil {
		own = append(own, home)
	}
	cfg, from, err := loadConfig(g)
	if err != nil {
		return own
	}
	for _, v := range configValues(cfg, from, true) {
		if text, ok := v.Value.(string); ok && strings.HasPrefix(text, "/") {
			own = append(own, text)
		}
	}
	return own
}

// add makes one part.
func (b *gathering) add(ctx context.Context, name, what string, take func(context.Context) ([]byte, error)) {
	ctx, cancel := context.WithTimeout(ctx, b.partTime())
	defer cancel()
	p := reportPart{Name: name, What: what}
	raw, err := take(ctx)
	if err != nil {
		p.Missing = b.r.Text(err.Error())
	} else {
		p.raw, p.Bytes = raw, len(raw)
	}
	b.report.Parts = append(b.report.Parts, p)
}

// ask makes a part that only the node has.
func (b *gathering) ask(ctx context.Context, name, what string, take func(context.Context) ([]byte, error)) {
	b.add(ctx, name, what, func(part context.Context) ([]byte, error) {
		if b.down != nil {
			return nil, b.down
		}
		raw, err := take(part)
		b.lookAgain(ctx, err)
		return raw, err
	})
}

// lookAgain sees whether a node that did not answer in time answers at all: one that hangs is not asked for each part in turn.
func (b *gathering) lookAgain(ctx context.Context, err error) {
	if err != nil && api.ProblemOf(err).Code == string(reason.TimedOut) {
		_, b.down = b.g.quickStatus(ctx, b.c)
	}
}

func (b *gathering) partTime() time.Duration { return min(partTime, b.g.timeout) }

// told takes an answer of the node, without what must not be told.
func (b *gathering) told(resource string) func(context.Context) ([]byte, error) {
	return func(ctx context.Context) ([]byte, error) {
		if b.unnamed != nil {
			return nil, b.unnamed
		}
		raw, err := b.c.Raw(ctx, resource)
		if err != nil {
			return nil, err
		}
		return indented(b.r.Line(raw)), nil
	}
}

// log is the log of the last minutes, without what must not be told.
func (b *gathering) log(ctx context.Context) ([]byte, error) {
	if b.unnamed != nil {
		return nil, b.unnamed
	}
	raw, err := b.c.RecentLog(ctx)
	if err != nil {
		return nil, err
	}
	return b.r.Lines(raw), nil
}

// versions says what this program is and what the node says that it is.
func (b *gathering) versions(context.Context) ([]byte, error) {
	v := struct {
		Command buildInfo `json:"command"`
		// Node is the version of the running node, "" without one.
		Node    string    `json:"node"`
		Started time.Time `json:"started,omitzero"`
		CPUs    int       `json:"cpus"`
	}{Command: readBuildInfo(), CPUs: cpus()}
	if b.status != nil {
		v.Node, v.Started = b.status.Version, b.status.Started
	}
	return json.MarshalIndent(v, "", "  ")
}

// doctor is what the doctor says, of a node that does not answer what its files say. The names of checks are the program's, their
// words may name addresses. The names of tokens are known to nobody here: that sentence is left out.
func (b *gathering) doctor(ctx context.Context) ([]byte, error) {
	found, err := b.g.examine(ctx, nil)
	if err != nil {
		return nil, err
	}
	for i, c := range found.Checks {
		switch {
		case b.unnamed != nil:
			found.Checks[i].Text, found.Checks[i].Fix = "", ""
		case c.Name == "tokens":
			found.Checks[i].Text = "not told: it may name tokens"
		}
	}
	raw, err := json.Marshal(found)
	if err != nil {
		return nil, err
	}
	var answer any
	if err := json.Unmarshal(raw, &answer); err != nil {
		return nil, err
	}
	if raw, err = json.Marshal(rename(answer, "name", "check")); err != nil {
		return nil, err
	}
	return indented(b.r.Line(raw)), nil
}

// trimmedTrace refuses a trace of a program that was not built with -trimpath: it names the folders of whoever built it. The
// runtime's own source files, which every trace names, then stand under the folder of the compiler.
func trimmedTrace(raw []byte, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	if bytes.Contains(raw, []byte("/src/runtime/")) {
		return nil, errors.New("left out: the node was built without -trimpath, and its trace names the folders of its builder")
	}
	return raw, nil
}
