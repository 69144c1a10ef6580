package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"tocsin/node/admin/api"
	"tocsin/node/audit"
	"tocsin/node/durable"
	"tocsin/protocol/reason"
)

func newTokenCommand(g *globals) *cobra.Command {
	return group("token", "Tokens for programs and people that use the admin port", newTokenListCommand(g), newTokenCreateCommand(g), newTokenRevokeCommand(g))
}

func newTokenListCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the tokens in force: role, end, newest use, and who made them",
		Long: `List the tokens in force. The newest use is told to the hour. Secrets are kept nowhere and cannot be listed.

Exit codes: 0 listed, 4 no node answers, 5 not an operator.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return g.withNode(cmd.Context(), func(ctx context.Context, c *api.Client) error {
				list, err := c.Tokens(ctx)
				if err != nil {
					return err
				}
				return emitList(g, *list, func(w io.Writer) { g.showTokens(w, list.Items) })
			})
		},
	}
}

// soonOver is when a token's end is worth a colour.
const soonOver = 14 * 24 * time.Hour

func (g *globals) showTokens(w io.Writer, tokens []api.Token) {
	if len(tokens) == 0 {
		fmt.Fprintln(w, "No tokens.")
		g.hint("Make one: tocsin token create NAME --role viewer --expires 90d")
		return
	}
	now := time.Now()
	var rows [][]cell
	for _, t := range tokens {
		used := "never"
		if !t.LastUsed.IsZero() {
			used = g.whenUsed(t.LastUsed, now)
		}
		row := plain(t.Name, t.Role, g.when(t.Expires, now), used, actorText(t.By), t.ID)
		if t.Expires.Sub(now) < soonOver {
			row[2].color = colorWarn
		}
		rows = append(rows, row)
	}
	g.table(w, []string{"NAME", "ROLE", "ENDS", "USED", "MADE BY", "ID"}, rows)
}

// whenUsed tells a use of which the node keeps no more than the hour that it was in.
func (g *globals) whenUsed(hour, now time.Time) string {
	if now.Sub(hour) < time.Hour {
		return "this hour"
	}
	return g.when(hour, now)
}

// actorText names who acted.
func actorText(a api.AuditActor) string {
	if a.Via == "token" && a.User != "" {
		return "token " + a.User
	}
	return audit.Actor(a).String()
}

func newTokenCreateCommand(g *globals) *cobra.Command {
	var r api.TokenCreate
	var life, out string
	c := &cobra.Command{
		Use:   "create NAME",
		Short: "Make a token, and show its secret once",
		Long: `Make a token with which a program or a person uses the admin port over TCP. NAME says what it is for: the audit log has
it as who acted. The secret is shown now and never again; the node keeps a hash. Send it as 'Authorization: Bearer SECRET'.

Roles: viewer reads; analyst publishes, sights, disputes and decides what waits for review; operator also changes trust,
peers, topics, tokens and backups. What only the owner may do (keys, erasure) is done at the socket; no token does it.

With --out nothing is made when FILE cannot be.

Exit codes: 0 made, 2 usage error, 4 no node answers, 5 not an operator or no right to the folder of FILE, 6 that folder is
not there, 9 the name is taken, or FILE exists.`,
		Example: "  tocsin token create scrape --role viewer --expires 365d --out /etc/prometheus/tocsin.token\n  tocsin token create siem --role analyst --expires 90d --reason 'ticket 4711'",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := named("a token", args[0]); err != nil {
				return err
			}
			d, err := api.ParseSpan(life)
			if err != nil || d == 0 {
				return usagef("--expires %q: want a span such as 90d, 366d at most", life)
			}
			if err := loginRole(r.Role); err != nil {
				return err
			}
			r.Name, r.Expires = args[0], time.Now().Add(d)
			return g.createToken(cmd.Context(), r, out)
		},
	}
	f := c.Flags()
	f.StringVar(&r.Role, "role", "", "viewer, analyst or operator")
	f.StringVar(&life, "expires", "90d", "how long it is good for, such as 90d (366d at most)")
	f.StringVar(&r.Reason, "reason", "", "why, for the audit log")
	f.StringVar(&out, "out", "", "write the secret to this new file, readable by its owner only, and do not show it")
	return c
}

// loginRole refuses a role that no token and no browser has.
func loginRole(role string) error {
	switch role {
	case "viewer", "analyst", "operator":
		return nil
	case "":
		return usagef("--role is missing: want viewer, analyst or operator")
	case "owner":
		return usagef("--role owner: the owner acts at the socket only; want viewer, analyst or operator")
	}
	return usagef("--role %q: want viewer, analyst or operator", role)
}

func (g *globals) createToken(ctx context.Context, r api.TokenCreate, out string) error {
	return g.withNode(ctx, func(ctx context.Context, c *api.Client) error {
		keep, err := newSecretFile(out)
		if err != nil {
			return err
		}
		t, err := c.CreateToken(ctx, r)
		if err != nil {
			return errors.Join(err, keep(""))
		}
		if out != "" {
			if err := keep(t.Secret + "\n"); err != nil {
				return fmt.Errorf("the token %s was made, but nobody has its secret now: revoke it: %w", t.Name, err)
			}
			t.Secret = ""
		}
		return g.emit(t, func(w io.Writer) {
			if out == "" {
				fmt.Fprintln(w, t.Secret)
				g.hint("This secret of %s (%s, until %s) is not shown again.", clean(t.Name), t.Role, g.stamp(t.Expires))
				return
			}
			fmt.Fprintf(w, "Made %s (%s, until %s); its secret is in %s\n", clean(t.Name), t.Role, g.stamp(t.Expires), clean(out))
		})
	})
}

// newSecretFile makes the file that a secret is to be written to before there is one, so that no secret is made that cannot be kept.
// keep writes it, durably; where it cannot, or has "" to write, the file is taken away again.
func newSecretFile(path string) (keep func(secret string) error, err error) {
	if path == "" {
		return func(string) error { return nil }, nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	switch {
	case errors.Is(err, fs.ErrExist):
		return nil, reason.New(reason.Conflict, "write the token to "+path+": it exists already")
	case errors.Is(err, fs.ErrNotExist):
		return nil, reason.Wrap(reason.NotFound, "make a file for the token", err)
	case err != nil: // no right to it is found by its kind
		return nil, fmt.Errorf("make a file for the token: %w", err)
	}
	return func(secret string) error {
		if secret == "" {
			return errors.Join(f.Close(), os.Remove(path))
		}
		_, err := f.WriteString(secret)
		if err = errors.Join(err, f.Sync(), f.Close(), durable.SyncFolder(filepath.Dir(path))); err != nil {
			return errors.Join(err, os.Remove(path))
		}
		return nil
	}, nil
}

func newTokenRevokeCommand(g *globals) *cobra.Command {
	var why string
	c := &cobra.Command{
		Use:   "revoke NAME",
		Short: "End a token at once, and the browser sessions made from it",
		Long: `End a token at once, given by name or id, with the browser sessions and event streams that came by it, and with the tokens that
were made with it and theirs. 'tocsin token list' says who made which; the audit log has an entry of each that ended.

Exit codes: 0 ended, 4 no node answers, 5 not an operator, 6 there is no such token.`,
		Example: "  tocsin token revoke siem --reason 'laptop lost'",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := named("a token", args[0]); err != nil {
				return err
			}
			return g.withNode(cmd.Context(), func(ctx context.Context, c *api.Client) error {
				t, err := c.RevokeToken(ctx, args[0], why)
				if err != nil {
					return err
				}
				return g.emit(t, func(w io.Writer) { fmt.Fprintf(w, "Revoked %s (%s)\n", clean(t.Name), t.Role) })
			})
		},
	}
	c.Flags().StringVar(&why, "reason", "", "why, for the audit log")
	return c
}
