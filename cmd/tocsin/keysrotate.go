package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"tocsin/node/admin/api"
	"tocsin/node/keystore"
	"tocsin/protocol"
)

// rotation is what keys rotate was asked for.
type rotation struct {
	record, operations, root bool
	revoke, compromise, sure bool
	reason                   string
	rootKeys, nextKeys       []string
	newNext                  string
	drop                     []string
}

func newKeysRotateCommand(g *globals) *cobra.Command {
	var r rotation
	c := &cobra.Command{
		Use:   "rotate [--record|--operations|--root]",
		Short: "Replace a key by a new one while the node runs",
		Long: `Replace a key by a new one while the node runs; --record unless another is named.

  --record      this node's record key. Needs the operations key on this node. The old
                key's certificate runs out; --revoke ends it at once. A key that stopped since
                its log went on elsewhere is revoked at the place that is proven. As long as
                the key signs, --yes is needed: each rotation leaves one more key to look after.
  --operations  the operations key. Needs the root keys: --root-key FILE, as many times as
                the threshold says.
  --root        the root itself. Needs the root keys and those of their successors
                (--next-key FILE); --new-next FILE takes the private half of the new successor.
                With --compromise the successors alone sign: when a root key was stolen or lost.

Key files are read by this command, on this machine, and never stored or sent. To keep root
keys off this machine altogether use tocsin keys ceremony.`,
		Example: `  tocsin keys rotate --yes
  tocsin keys rotate --operations --root-key /media/stick/root.key
  tocsin keys rotate --root --root-key /media/a/root.key --next-key /media/b/next.key --new-next /media/c/next.key --yes`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return g.rotate(cmd.Context(), r) },
	}
	f := c.Flags()
	f.BoolVar(&r.record, "record", false, "replace this node's record key")
	f.BoolVar(&r.operations, "operations", false, "replace the operations key")
	f.BoolVar(&r.root, "root", false, "replace the root")
	f.BoolVar(&r.revoke, "revoke", false, "end the old record key at once")
	f.BoolVar(&r.compromise, "compromise", false, "the old root keys do not sign: stolen, or lost")
	f.StringVar(&r.reason, "reason", "", "your words for the audit log")
	f.StringArrayVar(&r.rootKeys, "root-key", nil, "file with a root key (repeatable)")
	f.StringArrayVar(&r.nextKeys, "next-key", nil, "file with a root key that is to follow (repeatable)")
	f.StringVar(&r.newNext, "new-next", "", "file to write the new successor's private key to")
	f.StringArrayVar(&r.drop, "drop", nil, "operations key that ends with the old root (repeatable)")
	f.BoolVar(&r.sure, "yes", false, "it is meant")
	c.MarkFlagsMutuallyExclusive("record", "operations", "root")
	return c
}

func (g *globals) rotate(ctx context.Context, r rotation) error {
	switch {
	case r.operations:
		return g.rotateOperations(ctx, r)
	case r.root:
		return g.rotateRoot(ctx, r)
	}
	if r.revoke {
		if err := yes(r.sure, "revoking a key"); err != nil {
			return err
		}
	}
	return g.withNode(ctx, func(ctx context.Context, c *api.Client) error {
		if !r.sure {
			k, err := c.Keys(ctx)
			if err != nil {
				return err
			}
			if k.Stopped == "" {
				return usagef("keys rotate: this node's record key is sound, and would stay certified beside the new one; say --yes when you mean it")
			}
		}
		out, err := c.RotateKey(ctx, api.KeyRotate{Revoke: r.revoke, Reason: r.reason})
		if err != nil {
			return err
		}
		return g.emit(out, func(w io.Writer) {
			state := "active until its certificate runs out"
			if out.Revoked {
				state = "revoked"
			}
			fmt.Fprintf(w, "old key  %s, %s\n", out.Old, state)
			g.showChanged(w, out)
			if !out.Revoked {
				g.hint("To end the old key at once: tocsin keys revoke %s --why superseded --yes", short(out.Old))
			}
		})
	})
}

func (g *globals) rotateOperations(ctx context.Context, r rotation) error {
	if len(r.rootKeys) == 0 {
		return usagef("keys rotate --operations needs --root-key FILE: only the root can name an operations key")
	}
	signers, err := readSigners(r.rootKeys)
	if err != nil {
		return err
	}
	return g.ceremony(ctx, api.KeyPropose{Type: "operations"}, signers)
}

func (g *globals) rotateRoot(ctx context.Context, r rotation) error {
	if len(r.nextKeys) == 0 || r.newNext == "" || len(r.rootKeys) == 0 && !r.compromise {
		return usagef("keys rotate --root needs --root-key FILE (or --compromise), --next-key FILE and --new-next FILE")
	}
	if err := yes(r.sure, "replacing the root"); err != nil {
		return err
	}
	next, err := readSigners(r.nextKeys)
	if err != nil {
		return err
	}
	old := []protocol.Signer{}
	if !r.compromise {
		if old, err = readSigners(r.rootKeys); err != nil {
			return err
		}
	}
	// The new successor is on the disk before anything names it.
	successor, err := keystore.WriteSigner(r.newNext, "next root key: TAKE IT OFF THIS MACHINE, apart from the root key")
	if err != nil {
		return err
	}
	p := api.KeyPropose{
		Type: "root", Threshold: len(next), NextThreshold: 1, Compromise: r.compromise, Drop: r.drop,
		Next: []string{keystore.PublicText(successor.Public())},
	}
	for _, s := range next {
		p.Roots = append(p.Roots, keystore.PublicText(s.Public()))
	}
	if err := g.ceremony(ctx, p, append(old, next...)); err != nil {
		return err
	}
	g.hint("\nThe files of --next-key are the root keys now; %s is what follows them. Keep them apart, and off this machine.", clean(r.newNext))
	return nil
}

func readSigners(files []string) ([]protocol.Signer, error) {
	var out []protocol.Signer
	for _, file := range files {
		s, err := keystore.ReadSigner(file)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// ceremony is a whole ceremony in one place: the node drafts, the keys sign here, the node finishes.
func (g *globals) ceremony(ctx context.Context, p api.KeyPropose, signers []protocol.Signer) error {
	return g.withNode(ctx, func(ctx context.Context, c *api.Client) error {
		draft, err := c.ProposeKey(ctx, p)
		if err != nil {
			return err
		}
		proposal, err := protocol.ParseProposal(draft.Raw)
		if err != nil {
			return err
		}
		finish := api.KeyFinish{Proposal: draft.Raw}
		for _, s := range signers {
			part, err := proposal.Sign(s)
			if err != nil {
				return err
			}
			finish.Parts = append(finish.Parts, part)
		}
		out, err := c.FinishKey(ctx, finish)
		if err != nil {
			return err
		}
		return g.emit(out, func(w io.Writer) {
			fmt.Fprintf(w, "published  %s %s\n           %s\n", out.Type, out.Digest, strings.Join(draft.Words, " "))
		})
	})
}
