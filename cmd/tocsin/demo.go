package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"tocsin/node"
	"tocsin/node/figures"
	"tocsin/node/outbox"
	"tocsin/protocol"
	"tocsin/protocol/stix"
	"tocsin/protocol/trust"
)

// member is one pretended organisation of the demonstration.
type member struct {
	folder, name, country string
	trusts                map[string]trust.Level // by folder
	node                  *node.Node
	paths                 node.Paths
}

// cast lists the five organisations. Country codes are ones that ISO 3166 leaves
// to private use, so that no state is meant.
func cast() []*member {
	return []*member{
		{folder: "northland", name: "Northland CERT", country: "XA", trusts: map[string]trust.Level{"southport": trust.Anchor, "university": trust.Partner}},
		{folder: "southport", name: "Southport CSIRT", country: "XB", trusts: map[string]trust.Level{"northland": trust.Anchor, "bank": trust.Partner}},
		{folder: "bank", name: "Harbour Bank SOC", country: "XC", trusts: map[string]trust.Level{"northland": trust.Anchor, "southport": trust.Partner}},
		{folder: "university", name: "Ridge University", country: "XD", trusts: map[string]trust.Level{"northland": trust.Partner, "researcher": trust.Observed}},
		{folder: "researcher", name: "A lone researcher", country: "XE", trusts: map[string]trust.Level{"northland": trust.Partner}},
	}
}

func newDemoCommand(g *globals) *cobra.Command {
	once := false
	c := &cobra.Command{
		Use:   "demo",
		Short: "Five pretended organisations and a hostile node on this machine",
		Long: `Found five organisations on this machine, peer their nodes, publish made-up
indicators and let a hostile node lie and forge; show what each believed, held or
refused, and why. The nodes stay until Ctrl-C, with the commands to try. Everything
lives in one folder (--data, else a temporary one that goes away at the end).

Exit codes: 0 the story went as it should, 1 it did not.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return g.demo(cmd.Context(), once) },
	}
	c.Flags().BoolVar(&once, "once", false, "tell the story and leave")
	return c
}

func (g *globals) demo(ctx context.Context, once bool) error {
	dir := g.data
	if dir == "" {
		temp, err := os.MkdirTemp("", "tocsin-demo-")
		if err != nil {
			return fmt.Errorf("make a folder for the demonstration: %w", err)
		}
		defer os.RemoveAll(temp)
		dir = temp
	}
	if err := setupLogging("error"); err != nil {
		return err
	}
	st := &stage{g: g, dir: dir, members: cast(), began: time.Now()}
	ctx, leave := context.WithCancel(ctx)
	defer leave()
	nodes, running := errgroup.WithContext(ctx)
	err := st.open(running, nodes)
	if err == nil {
		err = st.play(running)
	}
	if err == nil && !once {
		st.invite()
		<-running.Done()
	}
	leave()
	return errors.Join(err, leaveInTime(ctx, func() error { return errors.Join(nodes.Wait(), st.close()) }))
}

// stage is where the demonstration plays.
type stage struct {
	g       *globals
	dir     string
	members []*member
	began   time.Time
	report  demoReport
}

// demoReport is what the demonstration found, as -o json prints it.
type demoReport struct {
	Seconds  float64      `json:"seconds"`
	Beliefs  []demoBelief `json:"beliefs"`
	Refusals []demoCount  `json:"refusals"`
	Wrong    []string     `json:"wrong"`
}

// demoBelief is one organisation's answer about one value.
type demoBelief struct {
	Org     string `json:"org"`
	Value   string `json:"value"`
	Verdict string `json:"verdict"`
	State   string `json:"state"`
	Score   int    `json:"score"`
}

// demoCount says what one organisation's node did with the hostile node's messages.
type demoCount struct {
	Org      string  `json:"org"`
	Rejected uint64  `json:"rejected"`
	Held     int     `json:"held"`
	Score    float64 `json:"peer_score"`
}

func (s *stage) say(format string, args ...any) {
	if s.g.format == "text" {
		fmt.Fprintf(s.g.out, format+"\n", args...)
	}
}

// open founds and starts the five nodes on free loopback ports.
func (s *stage) open(ctx context.Context, nodes *errgroup.Group) error {
	s.say("Five organisations found themselves; each has its own keys, node and folder under %s", s.dir)
	for _, m := range s.members {
		dir := filepath.Join(s.dir, m.folder)
		m.paths = node.Paths{Config: dir, Data: dir, Runtime: dir}
		cfg := node.Config{Network: "demo", Listen: []string{"/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1"}}
		founded, err := node.Init(m.paths, cfg, node.Profile{Name: m.name, Country: m.country})
		if err != nil {
			return err
		}
		if m.node, err = node.New(m.paths, cfg, node.Options{}); err != nil {
			return err
		}
		ready := make(chan struct{})
		nodes.Go(func() error { return m.node.Run(ctx, func() { close(ready) }) })
		select {
		case <-ready:
		case <-ctx.Done():
			return fmt.Errorf("start %s: %w", m.name, context.Cause(ctx))
		}
		s.say("  %-18s %s  %s ...", m.name, m.country, founded.Words[0]+" "+founded.Words[1]+" "+founded.Words[2])
	}
	return nil
}

func (s *stage) close() error {
	var errs []error
	for _, m := range s.members {
		if m.node != nil {
			errs = append(errs, m.node.Close())
		}
	}
	return errors.Join(errs...)
}

func (s *stage) member(folder string) *member {
	for _, m := range s.members {
		if m.folder == folder {
			return m
		}
	}
	return nil
}

// peer connects the nodes in a ring, so that most hear each other through others.
func (s *stage) peer(ctx context.Context) error {
	s.say("They peer in a ring: nobody is the hub, most hear each other through others")
	for i, m := range s.members {
		next := s.members[(i+1)%len(s.members)]
		if _, err := m.node.Host.Connect(ctx, loopbackTCP(next.node)); err != nil {
			return fmt.Errorf("peer %s with %s: %w", m.name, next.name, err)
		}
	}
	return nil
}

// list writes everybody's trust list.
func (s *stage) list() error {
	s.say("Each writes its own trust list; trust is not mutual and not passed on")
	expires := time.Now().AddDate(0, 6, 0)
	for _, m := range s.members {
		for folder, level := range m.trusts {
			other := s.member(folder)
			err := m.node.Policy.Set(trust.Entry{Org: other.node.Own(), Petname: other.name, Level: level, Expires: expires, Reason: "demonstration"})
			if err != nil {
				return fmt.Errorf("%s lists %s: %w", m.name, other.name, err)
			}
		}
	}
	return nil
}

// publish lets one organisation say that values are bad.
func publish(ctx context.Context, n *node.Node, topic string, confidence int, values ...string) error {
	t, err := protocol.ParseTopic(topic)
	if err != nil {
		return err
	}
	res, err := n.Outbox.Publish(ctx, outbox.Request{Topic: t, TLP: stix.Green, Confidence: confidence, Data: demoBundle(values)})
	if err != nil {
		return err
	}
	if res.Objects != len(values) {
		return fmt.Errorf("%d of %d objects went out: %v", res.Objects, len(values), res.Skipped)
	}
	return nil
}

func (s *stage) invite() {
	s.say("\nThe nodes run until Ctrl-C. In another terminal, try:")
	bank := s.member("bank").paths.Data
	for _, line := range []string{"check 203.0.113.77 " + valueSlander, "explain 203.0.113.77", "quarantine list", "trust list", "peers list", "tail"} {
		s.say("  %s --data %s %s", os.Args[0], bank, line)
	}
}

// finish prints what was found and fails when the story did not go as it should.
func (s *stage) finish() error {
	s.report.Seconds = time.Since(s.began).Seconds()
	if err := s.g.emit(s.report, func(w io.Writer) {
		fmt.Fprintf(w, "\nTold in %.1f s.\n", s.report.Seconds)
		for _, line := range s.report.Wrong {
			fmt.Fprintf(w, "WRONG: %s\n", line)
		}
	}); err != nil {
		return err
	}
	if len(s.report.Wrong) > 0 {
		return fmt.Errorf("the demonstration found %s wrong", figures.Count(len(s.report.Wrong), "thing"))
	}
	return nil
}
