package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tocsin/node/admin/api"
	"tocsin/protocol"
	"tocsin/protocol/reason"
)

func newInviteCommand(g *globals) *cobra.Command {
	return group("invite", "Meet another organisation: invite it, or accept its invitation", newInviteListCommand(g),
		newInviteCreateCommand(g), newInviteAcceptCommand(g), newInviteConfirmCommand(g), newInviteCancelCommand(g))
}

func newInviteListCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List invitations made and accepted here, with the words to compare",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return g.withNode(cmd.Context(), func(ctx context.Context, c *api.Client) error {
				list, err := c.Invites(ctx)
				if err != nil {
					return err
				}
				return emitList(g, *list, func(w io.Writer) { g.showInvites(w, list.Items) })
			})
		},
	}
}

func (g *globals) showInvites(w io.Writer, list []api.Invite) {
	if len(list) == 0 {
		fmt.Fprintln(w, "No invitations.")
		g.hint("Make one: tocsin invite create")
		return
	}
	now := time.Now()
	compare := ""
	var rows [][]cell
	for _, i := range list {
		by := "them"
		if i.Made {
			by = "us"
		}
		until := "-"
		if i.State == api.InviteOpen {
			until = g.when(i.Expires, now)
		}
		if i.State == api.InviteCompare {
			compare = cmp.Or(compare, i.Handle)
		}
		rows = append(rows, plain(i.Handle, by, i.State, until, cmp.Or(i.Petname, "-"), cmp.Or(short(i.Org), "-"), cmp.Or(strings.Join(i.Words, " "), "-")))
	}
	g.table(w, []string{"HANDLE", "BY", "STATE", "ENDS", "PETNAME", "ORGANISATION", "WORDS"}, rows)
	if compare != "" {
		g.hintCompare(compare)
	}
}

func newInviteCreateCommand(g *globals) *cobra.Command {
	var r api.InviteCreate
	var life string
	var draw bool
	c := &cobra.Command{
		Use:   "create",
		Short: "Make an invitation: a short text, and a QR code",
		Long: `Make an invitation for one organisation: a short text, and on a terminal a QR code. Send it by
mail or any other way; who steals it gains nothing but a place in 'tocsin invite list', because nobody is
trusted before two people have compared eight words by telephone.`,
		Example: "  tocsin invite create --petname cert-pt\n  tocsin invite create --expires 2d --addr /dns4/node.example.org/tcp/8469",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, err := api.ParseSpan(life)
			if err != nil {
				return usagef("--expires %q: %v", life, err)
			}
			if r.Seconds = int64(d / time.Second); r.Seconds == 0 {
				return usagef("--expires %q: want more than nothing, such as 7d", life)
			}
			return g.withNode(cmd.Context(), func(ctx context.Context, c *api.Client) error {
				i, err := c.CreateInvite(ctx, r)
				if err != nil {
					return err
				}
				return g.emit(i, func(w io.Writer) { g.showInvitation(w, i, draw || isTerminal(g.out)) })
			})
		},
	}
	f := c.Flags()
	f.StringVar(&r.Petname, "petname", "", "what to call the organisation here; it can be given at 'invite confirm' as well")
	f.StringVar(&life, "expires", "7d", "how long it is good for, such as 2d or 12h (90d at most)")
	f.StringArrayVar(&r.Addrs, "addr", nil, "where this node is reached from outside, up to 4 times (default: its own addresses)")
	f.BoolVar(&draw, "qr", false, "draw the QR code also where the output is no terminal")
	return c
}

func (g *globals) showInvitation(w io.Writer, i *api.Invite, draw bool) {
	fmt.Fprintln(w, i.Text)
	if draw {
		fmt.Fprintln(w)
		g.showQR(w, []string{i.Text})
	}
	g.hint("\nInvitation %s, for one organisation, until %s. It leads to:", i.Handle, g.stamp(i.Expires))
	for _, a := range i.Addrs {
		g.hint("  %s", a)
	}
	if near := nearOnly(i.Addrs); near != "" {
		g.hint("These addresses %s. Others need --addr with the one they reach.", near)
	}
	g.hint("Send the text to the other organisation, who types: tocsin invite accept TEXT --petname NAME\nThen 'tocsin invite list' shows eight words to compare by telephone.")
}

// nearOnly says how far addresses reach when that is not far.
func nearOnly(addrs []string) string {
	loopback, private := true, true
	for _, text := range addrs {
		parts := strings.SplitN(text, "/", 4)
		if len(parts) < 3 {
			return ""
		}
		a, err := netip.ParseAddr(parts[2])
		if err != nil {
			return "" // a name: the resolver knows
		}
		loopback = loopback && a.IsLoopback()
		private = private && (a.IsLoopback() || a.IsPrivate() || a.IsLinkLocalUnicast())
	}
	switch {
	case loopback:
		return "work on this machine only"
	case private:
		return "work in the local network only"
	}
	return ""
}

func newInviteAcceptCommand(g *globals) *cobra.Command {
	var r api.InviteAccept
	c := &cobra.Command{
		Use:   "accept TEXT --petname NAME",
		Short: "Accept an invitation, and see the words to compare",
		Long: `Accept another organisation's invitation: connect to its node and keep it as a peer. TEXT may be
broken into lines as mail does; "-" reads it from standard input. NAME is what you call the organisation here. Both
sides then see the same eight words. Nobody is trusted before both have confirmed that they are the same.`,
		Example: "  tocsin invite accept tocsin:invite/pQFk... --petname cert-ke",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if strings.TrimSpace(r.Petname) == "" {
				return usagef("--petname is missing: say what to call the organisation here")
			}
			var err error
			if r.Text, err = g.invitation(args); err != nil {
				return err
			}
			var i *api.Invite
			err = g.withNode(cmd.Context(), func(ctx context.Context, c *api.Client) (err error) {
				i, err = c.AcceptInvite(ctx, r)
				return err
			})
			if err != nil {
				return err
			}
			if err := g.emit(i, func(w io.Writer) { g.showMet(w, i) }); err != nil {
				return err
			}
			if i.State == api.InviteCompare && args[0] != "-" && g.format == "text" && isTerminal(g.in) && isTerminal(g.out) {
				return g.askWords(cmd.Context(), i)
			}
			return nil
		},
	}
	c.Flags().StringVar(&r.Petname, "petname", "", "what to call the organisation here")
	return c
}

// invitation joins what the shell has parted, or reads standard input.
func (g *globals) invitation(args []string) (string, error) {
	text := strings.Join(args, " ")
	if text == "-" {
		raw, err := io.ReadAll(io.LimitReader(g.stdin, protocol.MaxInviteText+1))
		if err != nil {
			return "", fileError(err)
		}
		text = string(raw)
	}
	if text = strings.TrimSpace(text); text == "" || len(text) > protocol.MaxInviteText {
		return "", reason.New(reason.InviteInvalid, fmt.Sprintf("read an invitation: %d characters, want 1 to %d", len(text), protocol.MaxInviteText))
	}
	return text, nil
}

// askWords asks whether the words are the same, which only a person at a terminal is asked.
func (g *globals) askWords(ctx context.Context, i *api.Invite) error {
	same, err := g.confirm(ctx, g.err, "\nDo the words match? [y/N] ")
	if err != nil {
		return err
	}
	if !same {
		g.hint("Nothing was confirmed. Later: tocsin invite confirm %s, or tocsin invite cancel %s", i.Handle, i.Handle)
		return nil
	}
	return g.confirmInvite(ctx, i.Handle, api.InviteConfirm{})
}

// showMet shows who is at the other end, and what to do about it.
func (g *globals) showMet(w io.Writer, i *api.Invite) {
	g.showInvite(w, i)
	if i.State == api.InviteCompare {
		g.hintCompare(i.Handle)
	}
}

func (g *globals) showInvite(w io.Writer, i *api.Invite) {
	for _, line := range [][2]string{
		{"Invitation", i.Handle + ", " + i.State}, {"Petname", i.Petname}, {"Organisation", i.Org},
		{"Calls itself", strings.TrimSpace(i.Name + " " + i.Country)}, {"Level", i.Level}, {"Until", i.Until}, {"Words", strings.Join(i.Words, " ")},
	} {
		if line[1] != "" {
			fmt.Fprintf(w, "%-13s %s\n", line[0], clean(line[1]))
		}
	}
}

// hintCompare says what people do with words.
func (g *globals) hintCompare(handle string) {
	g.hint("\nTelephone them, at a number that you did not get with the invitation, and read the eight words to each other.")
	g.hint("The same on both sides:  tocsin invite confirm %s\nAny word differs:        tocsin invite cancel %s   (somebody stands between you; make a new invitation)", handle, handle)
}

func newInviteConfirmCommand(g *globals) *cobra.Command {
	var r api.InviteConfirm
	c := &cobra.Command{
		Use:   "confirm HANDLE",
		Short: "Say that the words were the same, and list the other as observed",
		Long: `Say that two people compared the eight words by voice and found them the same. The other organisation
is then on the trust list as observed, at a low rate, for 180 days ('tocsin trust set' changes that); one that stands higher
there already stays as it is. Each side confirms for itself. Who did it goes into trust list and audit log.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := named("an invitation", args[0]); err != nil {
				return err
			}
			return g.confirmInvite(cmd.Context(), args[0], r)
		},
	}
	c.Flags().StringVar(&r.Petname, "petname", "", "what to call the organisation here, if not as said before")
	return c
}

func (g *globals) confirmInvite(ctx context.Context, handle string, r api.InviteConfirm) error {
	return g.withNode(ctx, func(ctx context.Context, c *api.Client) error {
		i, err := c.ConfirmInvite(ctx, handle, r)
		if err != nil {
			return err
		}
		return g.emit(i, func(w io.Writer) { g.showInvite(w, i) })
	})
}

func newInviteCancelCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "cancel HANDLE",
		Short: "End an invitation, or a meeting whose words differ",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := named("an invitation", args[0]); err != nil {
				return err
			}
			return g.withNode(cmd.Context(), func(ctx context.Context, c *api.Client) error {
				i, err := c.CancelInvite(ctx, args[0])
				if err != nil {
					return err
				}
				return g.emit(i, func(w io.Writer) { fmt.Fprintf(w, "Cancelled %s\n", clean(i.Handle)) })
			})
		},
	}
}
