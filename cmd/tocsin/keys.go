package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tocsin/node/admin/api"
	"tocsin/node/figures"
	"tocsin/node/identity"
	"tocsin/protocol/reason"
)

const keyHelp = "KEY is an id that tocsin keys show prints, or 8 or more of its first hex digits."

func newKeysCommand(g *globals) *cobra.Command {
	return group("keys", "Show, replace and end the organisation's keys", newKeysShowCommand(g),
		newKeysRotateCommand(g), newKeysRevokeCommand(g), newKeysExportCommand(g), newKeysPublishCommand(g), newCeremonyCommand(g))
}

func newKeysShowCommand(g *globals) *cobra.Command {
	var qr bool
	c := &cobra.Command{
		Use:   "show",
		Short: "Show the organisation's keys, in words and as a QR code",
		Long: `Show the organisation's keys: roots, their successors, operations keys and the record
keys of its nodes, each with eight words to read aloud, and whether this node signs.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return g.withNode(cmd.Context(), func(ctx context.Context, c *api.Client) error {
				k, err := c.Keys(ctx)
				if err != nil {
					return err
				}
				return g.emit(k, func(w io.Writer) {
					g.showKeys(w, k)
					if qr {
						g.showQR(w, []string{k.Org})
					}
				})
			})
		},
	}
	c.Flags().BoolVar(&qr, "qr", false, "draw the organisation's id as a QR code")
	return c
}

func (g *globals) showKeys(w io.Writer, k *api.Keys) {
	fmt.Fprintf(w, "Org       %s\n          %s\n", k.Org, strings.Join(k.Words, " "))
	fmt.Fprintf(w, "Root      version %d, %d of %s must sign; %d of their successors\n", k.RootVersion, k.Threshold, figures.Count(g.keysOf(k, api.KeyRoot), "key"), k.NextThreshold)
	switch {
	case k.Status == nil:
		fmt.Fprintln(w, "Status    none yet")
	case k.Status.Stale:
		fmt.Fprintf(w, "Status    %d, %s: %s\n", k.Status.Counter, g.when(k.Status.Created, time.Now()), g.paint("stale, partners take this organisation out of automation", colorBad))
	default:
		fmt.Fprintf(w, "Status    %d, %s\n", k.Status.Counter, g.when(k.Status.Created, time.Now()))
	}
	if k.Stopped != "" {
		fmt.Fprintf(w, "%s\n          %s\n", g.paint("This node does not sign.", colorBad), clean(k.Stopped))
	}
	if k.Disputed {
		fmt.Fprintln(w, g.paint("Two roots of one version are known: the organisation is disputed everywhere.", colorBad))
	}
	fmt.Fprintln(w)
	var rows [][]cell
	for _, key := range k.Keys {
		state := key.State
		if key.Reason != "" {
			state += " (" + key.Reason + ")"
		}
		here := ""
		if key.Here {
			here = "here"
		}
		color := ""
		if key.State != api.KeyActive {
			color = colorDim
		}
		row := plain(key.Role, state, here, g.ends(key.Until), short(key.ID), strings.Join(key.Words, " "))
		row[1].color = color
		rows = append(rows, row)
	}
	g.table(w, []string{"ROLE", "STATE", "HELD", "UNTIL", "KEY", "IN WORDS"}, rows)
	if len(k.RootsHere) > 0 {
		g.hint("\nRoot keys are on this machine; take them away: %s", clean(strings.Join(k.RootsHere, ", ")))
	}
	if len(k.RevocationsHere) > 0 {
		g.hint("Print the emergency revocations and take them away: %s", clean(strings.Join(k.RevocationsHere, ", ")))
	}
	if k.Pending != "" {
		g.hint("Operations key %s waits for a ceremony to be finished.", short(k.Pending))
	}
	if k.Stopped != "" {
		g.hint("What to do is in docs/keys.md; with the operations key on this node: tocsin keys rotate --record")
	}
}

func (g *globals) keysOf(k *api.Keys, role string) (n int) {
	for _, key := range k.Keys {
		if key.Role == role {
			n++
		}
	}
	return n
}

func (g *globals) ends(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.DateOnly)
}

// yes refuses what cannot be undone unless --yes says that it is meant. Nothing is ever asked.
func yes(given bool, what string) error {
	if given {
		return nil
	}
	return usagef("%s cannot be undone; say --yes when you mean it", what)
}

func newKeysRevokeCommand(g *globals) *cobra.Command {
	var r api.KeyRevoke
	var after []string
	var emergency string
	var sure bool
	c := &cobra.Command{
		Use:   "revoke KEY",
		Short: "End a record key for good, by position in its log",
		Long: `End a record key of the organisation for good. What it signed up to the last place that
this node holds stays good, or up to --after; what comes later is void everywhere, whatever
date it bears. When it is this node's own key a new one takes over in the same step.
` + keyHelp + `

With --emergency FILE no key of the organisation is needed: FILE is the revocation that was
made at the key's birth (recovery/revoke-*.cbor, its printed text, or that typed in by
hand). Any running node takes it, also a partner's.

An operations key can only be ended by the roots: tocsin keys ceremony propose revoke.`,
		Example: `  tocsin keys revoke 1f2e3d4c --why compromised --after fraud=120 --yes
  tocsin keys revoke 1f2e3d4c --emergency revoke-1f2e3d4c.txt --yes`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r.Key = args[0]
			if err := named("a key", r.Key); err != nil {
				return err
			}
			if err := yes(sure, "revoking a key"); err != nil {
				return err
			}
			if emergency != "" {
				return g.publishStatements(cmd.Context(), emergency, r.Key)
			}
			var err error
			if r.After, err = places(after); err != nil {
				return err
			}
			return g.withNode(cmd.Context(), func(ctx context.Context, c *api.Client) error {
				out, err := c.RevokeKey(ctx, r)
				if err != nil {
					return err
				}
				return g.emit(out, func(w io.Writer) {
					fmt.Fprintf(w, "revoked  %s\n", out.Old)
					g.showChanged(w, out)
				})
			})
		},
	}
	f := c.Flags()
	f.StringVar(&r.Why, "why", "compromised", "compromised, superseded, ceased or unspecified")
	f.StringVar(&r.Reason, "reason", "", "your words for the audit log")
	f.StringArrayVar(&after, "after", nil, "last good place on a topic, TOPIC=SEQUENCE; 0 lets nothing stand (repeatable)")
	f.StringVar(&emergency, "emergency", "", "file with the key's emergency revocation")
	f.BoolVar(&sure, "yes", false, "it is meant")
	return c
}

// places reads TOPIC=SEQUENCE.
func places(list []string) ([]api.KeyPlace, error) {
	var out []api.KeyPlace
	for _, text := range list {
		topic, number, ok := strings.Cut(text, "=")
		n, err := strconv.ParseUint(number, 10, 63)
		if !ok || topic == "" || err != nil {
			return nil, usagef("--after %q: want TOPIC=SEQUENCE, such as fraud=120", text)
		}
		out = append(out, api.KeyPlace{Topic: topic, Sequence: n})
	}
	return out, nil
}

// showChanged says what became of this node's record key.
func (g *globals) showChanged(w io.Writer, out *api.KeyChanged) {
	if out.New == "" {
		return
	}
	fmt.Fprintf(w, "new key  %s\n         %s\n", out.New, g.paint(strings.Join(out.Words, " "), colorGood))
	if len(out.Revocation) > 0 {
		fmt.Fprintln(w, g.paint("Print its emergency revocation and take both files away:", colorWarn))
		for _, path := range out.Revocation {
			fmt.Fprintf(w, "  %s\n", clean(path))
		}
	}
}

func newKeysExportCommand(g *globals) *cobra.Command {
	var out string
	var qr bool
	c := &cobra.Command{
		Use:   "export",
		Short: "Write the organisation's chain, or its id as a QR code",
		Long: `Write the organisation's chain: public keys, certificates, revocations and the newest
status, as tocsin keys publish and verify read them. No private key leaves this machine by
any command: to move them, move the files.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return g.withNode(cmd.Context(), func(ctx context.Context, c *api.Client) error {
				chain, err := c.KeyChain(ctx)
				if err != nil {
					return err
				}
				if out != "" {
					if err := writeNew(out, chain.Raw, 0o644); err != nil {
						return err
					}
				}
				return g.emit(chain, func(w io.Writer) {
					if qr {
						g.showQR(w, identity.ArmorParts(identity.KindStatement, chain.Raw))
					}
					if out != "" {
						fmt.Fprintf(w, "wrote %s (%s)\n", clean(out), figures.Bytes(int64(len(chain.Raw))))
					} else if !qr {
						fmt.Fprint(w, identity.Armor(identity.KindStatement, chain.Raw))
					}
				})
			})
		},
	}
	c.Flags().StringVar(&out, "out", "", "file to write; it must not exist yet")
	c.Flags().BoolVar(&qr, "qr", false, "draw it as QR codes")
	return c
}

func newKeysPublishCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "publish FILE",
		Short: "Take in and spread statements that were made elsewhere",
		Long: `Take in statements that were made elsewhere, such as an emergency revocation from a safe,
and spread them: of the own organisation or of any other that this node knows. A statement
needs nobody's word but its signers'. FILE is a .cbor file, armored text, or - for stdin.

Exit codes: 0 all taken in, 3 some were left out, 8 none could be.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return g.publishStatements(cmd.Context(), args[0], "")
		},
	}
}

// publishStatements hands a file of statements to the node. key, if not "", must be
// revoked by it.
func (g *globals) publishStatements(ctx context.Context, file, key string) error {
	raw, err := g.readArmored(file, identity.KindStatement)
	if err != nil {
		return err
	}
	taken, total := 0, 0
	err = g.withNode(ctx, func(ctx context.Context, c *api.Client) error {
		list, err := c.PublishStatements(ctx, api.KeyStatements{Raw: raw, Key: key})
		if err != nil {
			return err
		}
		for _, i := range list.Items {
			if total++; i.Taken || i.Code == string(reason.Conflict) {
				taken++
			}
		}
		return emitList(g, *list, func(w io.Writer) {
			for _, i := range list.Items {
				what := "published"
				if !i.Taken {
					what = "left out: " + clean(i.Reason)
				}
				fmt.Fprintf(w, "%-12s %s of %s  %s\n", i.Type, short(i.Digest), short(i.Org), what)
			}
		})
	})
	switch {
	case err != nil:
		return err
	case taken == 0:
		return exitWith(exitInvalid)
	case taken < total:
		return exitWith(exitPartly)
	}
	return nil
}

// writeNew writes a file that must not exist yet.
func writeNew(path string, raw []byte, mode os.FileMode) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if os.IsExist(err) {
		return reason.New(reason.Conflict, "write "+path+": the file exists already; choose another name")
	}
	if err != nil {
		return fileError(err)
	}
	if _, err := f.Write(raw); err != nil {
		f.Close()
		return fileError(err)
	}
	return f.Close()
}
