package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tocsin/node/admin/api"
	"tocsin/node/figures"
	"tocsin/protocol/reason"
)

func newStatusCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Show the node on one screen",
		Long:  "Show the node on one screen. Exit code 4 until the node runs; it never waits for a starting one.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			socket, err := g.socket()
			if err != nil {
				return err
			}
			c := api.NewClient(socket)
			defer c.Close()
			ctx, cancel := context.WithTimeout(cmd.Context(), g.timeout)
			defer cancel()
			s, err := g.firstStatus(ctx, c)
			if err != nil {
				return err
			}
			if s.State == api.StateStarting {
				return api.NewProblem(reason.NodeStarting, fmt.Sprintf("the node on %s is still starting", socket))
			}
			return g.emit(s, func(w io.Writer) { g.showStatus(w, s) })
		},
	}
}

func (g *globals) showStatus(w io.Writer, s *api.Status) {
	mark := g.paint("●", colorGood)
	if s.State != api.StateRunning {
		mark = g.paint("●", colorBad)
	}
	fmt.Fprintf(w, "%s %s (%s)  %s   up %s   %s\n", mark, clean(s.Name), clean(s.Country),
		s.State, figures.Span(time.Since(s.Started)), s.Version)
	fmt.Fprintf(w, "Org       %s\n          %s\n", s.Org, strings.Join(s.Words, " "))
	fmt.Fprintf(w, "Node      %s\n", s.PeerID)
	for i, a := range s.Addrs {
		label := "Listens"
		if i > 0 {
			label = ""
		}
		fmt.Fprintf(w, "%-9s %s\n", label, clean(a))
	}
	for i, a := range s.Admin {
		label := "Admin"
		if i > 0 {
			label = ""
		}
		fmt.Fprintf(w, "%-9s %s\n", label, clean(a))
	}
	fmt.Fprintf(w, "Mesh      %s on network %s · %s\n", figures.Count(s.Peers, "peer"), clean(s.Network), figures.Count(len(s.Topics), "topic"))
	if s.Space != nil && s.Space.Degraded != "" {
		fmt.Fprintln(w, "Store     closed, not read")
	} else {
		fmt.Fprintf(w, "Store     %s · %s · %s held · %s waiting\n", figures.Count(s.Records, "record"), figures.Count(s.Objects, "object"), figures.Grouped(s.Held), figures.Grouped(s.Waiting))
	}
	if s.Sync != nil {
		fmt.Fprintf(w, "Caught up %s\n", g.syncLine(s.Sync, s.Peers))
	}
	g.showSpace(w, s.Space)
	g.showDamage(w, s.Scrub)
	if j := s.Judging; j != nil {
		did, now := "judged", ""
		if j.Running {
			did, now = "judging", " so far"
		}
		fmt.Fprintf(w, "Verdicts  %s again after a change of %s: %s%s, %d changed, %d a second\n", did, clean(j.Why), figures.Count(j.Values, "value"), now, j.Changed, j.PerSecond)
	}
	g.showBackups(w, s.Backup)
	if s.Stopped != "" {
		fmt.Fprintf(w, "%s  %s\n", g.paint("Does not sign", colorBad), clean(s.Stopped))
		g.hint("What to do: tocsin keys show, and docs/keys.md")
	}
	if s.Held > 0 {
		g.hint("See what is held and why: tocsin quarantine list")
	}
	switch {
	case s.Peers == 0 && s.Unreached > 0:
		g.hint("No peer is reached (%d kept); why: tocsin peers", s.Unreached)
	case s.Peers == 0:
		g.hint("No peers yet: tocsin peers add MULTIADDR")
	}
}

// showDamage says what the last look at the whole store found, or the start when there was none yet.
func (g *globals) showDamage(w io.Writer, d *api.Scrub) {
	if d == nil || d.OK || d.Running && len(d.Problems) == 0 {
		return
	}
	label := g.paint("Damage", colorBad)
	if d.Ended.IsZero() {
		fmt.Fprintf(w, "%s  %s; the store is being looked through\n", label, clean(strings.Join(d.Problems, "; ")))
	} else {
		fmt.Fprintf(w, "%s  %s lost, %d repaired, %s\n", label, figures.Count(len(d.Lost), "record"), d.Repaired, figures.Count(len(d.Problems), "problem"))
	}
	g.hint("What to do: tocsin fsck names them; docs/durability.md")
}

// showSpace says how much room there is when it is little.
func (g *globals) showSpace(w io.Writer, s *api.Space) {
	if s == nil || s.Level == "ok" {
		return
	}
	what := "strangers are refused"
	if s.Level != "low" {
		what = "nothing is stored"
	}
	if s.Degraded != "" {
		what = "the store is closed: nothing is stored, looked up or signed"
	}
	fmt.Fprintf(w, "%s  %s; %s\n", g.paint("Disk "+s.Level, colorBad), what, clean(s.Why))
	g.hint("What to do: free space or enlarge the disk; the node goes on by itself within 10 s. docs/durability.md")
}
