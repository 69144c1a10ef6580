package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"tocsin/node/admin/api"
	"tocsin/node/figures"
	"tocsin/node/identity"
	"tocsin/node/keystore"
	"tocsin/protocol"
)

func newCeremonyCommand(g *globals) *cobra.Command {
	c := &cobra.Command{
		Use:   "ceremony",
		Short: "Have root keys sign that are on other machines",
		Long: `Have root keys sign that are on other machines, which need no network and no node:

  1. each person, on an offline machine:  tocsin keys ceremony new-root-key --out root.key
  2. on the node:                         tocsin keys ceremony propose ... --out proposal.cbor
  3. each person:                         tocsin keys ceremony show proposal.cbor
                                          tocsin keys ceremony sign proposal.cbor --key root.key --out part.cbor
  4. on the node:                         tocsin keys ceremony finish proposal.cbor part1.cbor part2.cbor

Everything that travels is under 4 KiB: a file, QR codes (--qr), or text that a person can
type (--text). All must see the same eight words in step 3.`,
		Args: unknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if g.format != "text" {
				return usagef("give a step of the ceremony: tocsin help keys ceremony lists them")
			}
			return cmd.Help()
		},
	}
	c.AddCommand(newRootKeyCommand(g), newProposeCommand(g), newProposalShowCommand(g), newProposalSignCommand(g), newProposalFinishCommand(g))
	return c
}

// carrier is how something small leaves a machine: as a file, and as QR codes or text on request.
type carrier struct {
	out      string
	qr, text bool
}

func (k *carrier) flags(c *cobra.Command) {
	c.Flags().StringVar(&k.out, "out", "", "file to write; it must not exist yet")
	c.Flags().BoolVar(&k.qr, "qr", false, "draw it as QR codes")
	c.Flags().BoolVar(&k.text, "text", false, "print it as text that can be typed")
}

// write puts raw into the file.
func (k *carrier) write(raw []byte) error {
	if k.out == "" {
		if k.qr || k.text {
			return nil
		}
		return usagef("say where it goes: --out FILE, --qr or --text")
	}
	return writeNew(k.out, raw, 0o644)
}

// show draws and prints what was asked for.
func (k *carrier) show(g *globals, w io.Writer, kind string, raw []byte) {
	if k.out != "" {
		fmt.Fprintf(w, "wrote     %s (%s)\n", clean(k.out), figures.Bytes(int64(len(raw))))
	}
	if k.text {
		fmt.Fprintf(w, "\n%s", identity.Armor(kind, raw))
	}
	if k.qr {
		g.showQR(w, identity.ArmorParts(kind, raw))
	}
}

// rootKey is what new-root-key answers.
type rootKey struct {
	Key    string   `json:"key"`
	Words  []string `json:"words"`
	Public string   `json:"public"`
	File   string   `json:"file"`
	// PublicFile holds the public half, to be given to whoever prepares the ceremony.
	PublicFile string `json:"public_file"`
}

func newRootKeyCommand(g *globals) *cobra.Command {
	var out string
	c := &cobra.Command{
		Use:   "new-root-key --out FILE",
		Short: "Make a root key on an offline machine",
		Long: `Make a root key on an offline machine: no node, no network. FILE gets the private key and
stays where it is, or goes into a safe; FILE.pub gets the public half, which goes to the
node. Read the words of both sides to each other when the public half has arrived. A root
needs a successor that nobody has seen yet: make two keys, and keep them apart.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if out == "" {
				return usagef("keys ceremony new-root-key needs --out FILE")
			}
			key, err := keystore.WriteSigner(out, "root key: KEEP IT OFF EVERY MACHINE WITH A NETWORK")
			if err != nil {
				return err
			}
			public := keystore.PublicText(key.Public())
			answer := rootKey{Key: key.Public().ID().String(), Words: identity.Spoken(key.Public().ID()), Public: public, File: out, PublicFile: out + ".pub"}
			note := fmt.Sprintf("# public half of a root key, in words: %s\n%s\n", strings.Join(answer.Words, " "), public)
			if err := writeNew(answer.PublicFile, []byte(note), 0o644); err != nil {
				return err
			}
			return g.emit(answer, func(w io.Writer) {
				fmt.Fprintf(w, "key       %s\nin words  %s\nprivate   %s\npublic    %s\n", answer.Key,
					g.paint(strings.Join(answer.Words, " "), colorGood), clean(answer.File), clean(answer.PublicFile))
			})
		},
	}
	c.Flags().StringVar(&out, "out", "", "file for the private key; it must not exist yet")
	return c
}

func newProposeCommand(g *globals) *cobra.Command {
	var p api.KeyPropose
	var k carrier
	var roots, next, after []string
	revoke := api.KeyRevoke{}
	c := &cobra.Command{
		Use:   "propose operations|root|revoke [KEY]",
		Short: "Draft on the node what root keys are to sign",
		Long: `Draft on the node what root keys are to sign. Nothing changes before the ceremony is finished.

  operations  a new operations key, which waits on this node; --renew asks for more time for
              the present one
  root        a new root: --roots FILE are public keys that the present root named as next,
              --next FILE those of their successors; --threshold and --next-threshold say how
              many of each must sign. --compromise: the present root keys do not sign.
  revoke KEY  the end of an operations key, or of a record key when no operations key is left
` + keyHelp,
		Example: `  tocsin keys ceremony propose root --roots a.pub --roots b.pub --threshold 2 --next c.pub --next d.pub --next-threshold 2 --out proposal.cbor`,
		Args:    cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			if p, err = proposal(p, revoke, args, after); err != nil {
				return err
			}
			if p.Roots, err = publicKeys(roots); err != nil {
				return err
			}
			if p.Next, err = publicKeys(next); err != nil {
				return err
			}
			p.Threshold, p.NextThreshold = cmp.Or(p.Threshold, len(roots)), cmp.Or(p.NextThreshold, len(next))
			return g.propose(cmd.Context(), p, k)
		},
	}
	f := c.Flags()
	f.BoolVar(&p.Renew, "renew", false, "operations: keep the key, ask for more time")
	f.StringArrayVar(&roots, "roots", nil, "root: file with the public half of a new root key (repeatable)")
	f.IntVar(&p.Threshold, "threshold", 0, "root: how many of the roots must sign (default: all)")
	f.StringArrayVar(&next, "next", nil, "root: file with the public half of a successor (repeatable)")
	f.IntVar(&p.NextThreshold, "next-threshold", 0, "root: how many of the successors must sign (default: all)")
	f.BoolVar(&p.Compromise, "compromise", false, "root: the present root keys do not sign: stolen, or lost")
	f.StringArrayVar(&p.Drop, "drop", nil, "root: operations key that ends with the present root (repeatable)")
	f.StringVar(&revoke.Why, "why", "compromised", "revoke: compromised, superseded, ceased or unspecified")
	f.StringArrayVar(&after, "after", nil, "revoke: last good place on a topic, TOPIC=SEQUENCE (repeatable)")
	k.flags(c)
	return c
}

// proposal makes sense of the arguments of propose.
func proposal(p api.KeyPropose, revoke api.KeyRevoke, args, after []string) (api.KeyPropose, error) {
	p.Type = map[string]string{"operations": "operations", "root": "root", "revoke": "revocation"}[args[0]]
	switch {
	case p.Type == "":
		return p, usagef("propose %q: want operations, root or revoke", args[0])
	case p.Type == "revocation" && len(args) != 2:
		return p, usagef("propose revoke: the key is missing")
	case p.Type != "revocation" && len(args) != 1:
		return p, usagef("propose %s takes no further argument", args[0])
	case p.Type == "revocation":
		places, err := places(after)
		if err != nil {
			return p, err
		}
		revoke.Key, revoke.After = args[1], places
		p.Revoke = &revoke
	}
	return p, nil
}

// publicKeys reads files with public keys and gives their text.
func publicKeys(files []string) ([]string, error) {
	var out []string
	for _, file := range files {
		key, err := keystore.ReadPublic(file)
		if err != nil {
			return nil, err
		}
		out = append(out, keystore.PublicText(key))
	}
	return out, nil
}

func (g *globals) propose(ctx context.Context, p api.KeyPropose, k carrier) error {
	return g.withNode(ctx, func(ctx context.Context, c *api.Client) error {
		draft, err := c.ProposeKey(ctx, p)
		if err != nil {
			return err
		}
		if err := k.write(draft.Raw); err != nil {
			return err
		}
		return g.emit(draft, func(w io.Writer) {
			fmt.Fprintf(w, "proposal  %s\nin words  %s\n", draft.Digest, g.paint(strings.Join(draft.Words, " "), colorGood))
			k.show(g, w, identity.KindProposal, draft.Raw)
		})
	})
}

// shown is a proposal in plain words.
type shown struct {
	Digest  string   `json:"digest"`
	Words   []string `json:"words"`
	Network string   `json:"network"`
	Org     string   `json:"org"`
	// OrgWords are the organisation's fingerprint.
	OrgWords []string `json:"org_words"`
	Type     string   `json:"type"`
	Says     []string `json:"says"`
}

func newProposalShowCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "show FILE",
		Short: "Say in plain words what a proposal would change",
		Long:  "Say in plain words what a proposal would change, and its eight words. No node is needed. FILE is a file, armored text, or - for stdin.",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			p, _, err := g.readProposal(args[0])
			if err != nil {
				return err
			}
			s := describeProposal(p)
			return g.emit(s, func(w io.Writer) { g.showProposal(w, s) })
		},
	}
}

func (g *globals) showProposal(w io.Writer, s shown) {
	fmt.Fprintf(w, "proposal      %s\nin words      %s\n", s.Digest, g.paint(strings.Join(s.Words, " "), colorGood))
	fmt.Fprintf(w, "organisation  %s\n              %s\nnetwork       %s\n\n", s.Org, strings.Join(s.OrgWords, " "), clean(s.Network))
	for _, line := range s.Says {
		fmt.Fprintf(w, "  %s\n", clean(line))
	}
}

func (g *globals) readProposal(file string) (*protocol.Proposal, []byte, error) {
	raw, err := g.readArmored(file, identity.KindProposal)
	if err != nil {
		return nil, nil, err
	}
	p, err := protocol.ParseProposal(raw)
	return p, raw, err
}

func newProposalSignCommand(g *globals) *cobra.Command {
	var k carrier
	var key string
	c := &cobra.Command{
		Use:   "sign FILE --key ROOT.KEY",
		Short: "Sign a proposal with a root key, on an offline machine",
		Long: `Sign a proposal with a root key, on an offline machine: no node, no network. It shows what is
signed; compare the eight words with the others before you hand the part over.`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if key == "" {
				return usagef("keys ceremony sign needs --key FILE")
			}
			p, _, err := g.readProposal(args[0])
			if err != nil {
				return err
			}
			signer, err := keystore.ReadSigner(key)
			if err != nil {
				return err
			}
			part, err := p.Sign(signer)
			if err != nil {
				return err
			}
			if err := k.write(part); err != nil {
				return err
			}
			s := describeProposal(p)
			answer := struct {
				shown
				Signer string `json:"signer"`
				Part   []byte `json:"part"`
			}{s, signer.Public().ID().String(), part}
			return g.emit(answer, func(w io.Writer) {
				g.showProposal(w, s)
				fmt.Fprintf(w, "\nsigned by %s\n", answer.Signer)
				k.show(g, w, identity.KindPart, part)
			})
		},
	}
	c.Flags().StringVar(&key, "key", "", "file with the private root key")
	k.flags(c)
	return c
}

func newProposalFinishCommand(g *globals) *cobra.Command {
	var sure bool
	c := &cobra.Command{
		Use:   "finish FILE PART...",
		Short: "Join a proposal and its signed parts on the node, and publish",
		Args:  cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, raw, err := g.readProposal(args[0])
			if err != nil {
				return err
			}
			if p.Type() != protocol.StatementOperations {
				if err := yes(sure, "publishing a "+string(p.Type())); err != nil {
					return err
				}
			}
			finish := api.KeyFinish{Proposal: raw}
			for _, file := range args[1:] {
				part, err := g.readArmored(file, identity.KindPart)
				if err != nil {
					return err
				}
				finish.Parts = append(finish.Parts, part)
			}
			return g.withNode(cmd.Context(), func(ctx context.Context, c *api.Client) error {
				out, err := c.FinishKey(ctx, finish)
				if err != nil {
					return err
				}
				return g.emit(out, func(w io.Writer) { fmt.Fprintf(w, "published  %s %s\n", out.Type, out.Digest) })
			})
		},
	}
	c.Flags().BoolVar(&sure, "yes", false, "it is meant")
	return c
}

// describeProposal says what a proposal changes.
func describeProposal(p *protocol.Proposal) shown {
	s := shown{Digest: p.Digest().String(), Words: identity.Spoken(p.Digest()), Network: p.Network(), Type: string(p.Type())}
	name := func(id protocol.KeyID) string {
		return id.String() + " (" + strings.Join(identity.Spoken(id), " ") + ")"
	}
	of := func(org protocol.OrgID) { s.Org, s.OrgWords = org.String(), identity.Words(org) }
	say := func(format string, args ...any) { s.Says = append(s.Says, fmt.Sprintf(format, args...)) }
	switch c := p.Claims().(type) {
	case *protocol.Operations:
		of(c.Org)
		say("One key may certify nodes, sign statuses and revoke record keys in the organisation's name,")
		say("from %s to %s:", c.NotBefore.UTC().Format("2006-01-02 15:04"), c.NotAfter.UTC().Format("2006-01-02 15:04"))
		say("  %s", name(c.Key.ID()))
		say("It is delegated by root %d.", c.RootVersion)
	case *protocol.Root:
		of(c.Org)
		say("The organisation gets root %d. From then on %d of these must sign:", c.Version, c.Threshold)
		for _, key := range c.Roots {
			say("  %s", name(key.ID()))
		}
		say("They are to be followed by %d of these:", c.NextThreshold)
		for _, id := range c.Next {
			say("  %s", name(id))
		}
		if c.Compromise {
			say("THE PRESENT ROOT KEYS DO NOT SIGN: they are said to be stolen or lost.")
		}
		say("Operations keys that stay good: %d. All others end.", len(c.Keep))
		for _, id := range c.Keep {
			say("  %s", name(id))
		}
	case *protocol.Revocation:
		of(c.Org)
		words := []string{"no reason given", "it is in wrong hands", "another one replaced it", "it is not used any more"}
		say("This key ends for good (%s):", words[min(int(c.Reason), len(words)-1)])
		say("  %s", name(c.Key))
		if len(c.Heads) == 0 {
			say("Nothing that it signed stands.")
		}
		for _, h := range slices.SortedFunc(slices.Values(c.Heads), func(a, b protocol.Head) int { return strings.Compare(a.Topic.String(), b.Topic.String()) }) {
			say("On %s the records of key %s stand up to number %d (%s).", h.Topic, short(h.Key.String()), h.Sequence, short(h.ID.String()))
		}
	}
	return s
}
