package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"tocsin/node/admin/api"
	"tocsin/protocol/reason"
)

func newPeersCommand(g *globals) *cobra.Command {
	return group("peers", "List, add and remove peers", newPeersListCommand(g), newPeersAddCommand(g), newPeersRemoveCommand(g))
}

func newPeersListCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List connected and kept peers",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return g.withNode(cmd.Context(), func(ctx context.Context, c *api.Client) error {
				list, err := c.Peers(ctx)
				if err != nil {
					return err
				}
				return emitList(g, *list, func(w io.Writer) { g.showPeers(w, list.Items) })
			})
		},
	}
}

func newPeersAddCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "add MULTIADDR",
		Short: "Connect to a peer and keep it, also after a restart",
		Long: `Connect to a peer and keep it, also after a restart. MULTIADDR is a full address
as "tocsin status" prints it on the other side, with /p2p/ID at the end. A peer
that does not answer now is kept all the same: exit code 3, and the node goes on trying.`,
		Example: "  tocsin peers add /ip4/192.0.2.7/udp/8469/quic-v1/p2p/12D3KooW...",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return g.withNode(cmd.Context(), func(ctx context.Context, c *api.Client) error {
				p, err := c.AddPeer(ctx, args[0])
				if err != nil {
					return err
				}
				err = g.emit(p, func(w io.Writer) {
					fmt.Fprintf(w, "Kept %s: %s\n", clean(p.ID), clean(p.State))
					if e, ok := reason.Lookup(reason.PeerDial); ok && !p.Connected {
						g.hint("%s", e.Fix)
					}
				})
				if err == nil && !p.Connected {
					return exitWith(exitPartly)
				}
				return err
			})
		},
	}
}

func newPeersRemoveCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "remove PEER",
		Short: "Stop keeping a peer and close its connections",
		Long:  "Stop keeping a peer and close its connections. PEER is a peer id or a unique prefix of 8 characters or more.",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := named("a peer", args[0]); err != nil {
				return err
			}
			return g.withNode(cmd.Context(), func(ctx context.Context, c *api.Client) error {
				r, err := c.RemovePeer(ctx, args[0])
				if err != nil {
					return err
				}
				return g.emit(r, func(w io.Writer) { fmt.Fprintf(w, "Removed %s\n", clean(r.Removed)) })
			})
		},
	}
}

func (g *globals) showPeers(w io.Writer, peers []api.Peer) {
	if len(peers) == 0 {
		fmt.Fprintln(w, "No peers.")
		g.hint("Add one: tocsin peers add MULTIADDR")
		return
	}
	var rows [][]cell
	for _, p := range peers {
		latency, path := "-", "-"
		if p.Connected {
			latency = fmt.Sprintf("%.0f ms", p.LatencyMS)
		}
		if len(p.Addrs) > 0 {
			path = transport(p.Addrs[0])
		}
		state := p.State
		if !p.Connected && len(p.Addrs) > 0 {
			state += " (kept: " + strings.Join(p.Addrs, ", ") + ")"
		}
		row := plain(cmp.Or(p.Petname, short(p.Org), "-"), p.Level, fmt.Sprintf("%+.0f", p.Score),
			fmt.Sprintf("%d/%d", p.Mesh, p.Topics), latency, path, p.ID, state)
		row[7].color = colorGood
		if !p.Connected {
			row[7].color = colorWarn
		}
		rows = append(rows, row)
	}
	g.table(w, []string{"ORGANISATION", "LEVEL", "SCORE", "MESH/TOPICS", "RTT", "PATH", "PEER", "STATE"}, rows)
}

// transport names the way a multiaddr goes.
func transport(addr string) string {
	switch {
	case strings.Contains(addr, "/quic"):
		return "quic"
	case strings.Contains(addr, "/tcp/"):
		return "tcp"
	}
	return "-"
}
