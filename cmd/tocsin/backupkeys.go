package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"tocsin/node"
)

// keysRestored is the answer of backup keys.
type keysRestored struct {
	Keys []string `json:"keys"`
	Data string   `json:"data"`
}

func newBackupKeysCommand(g *globals) *cobra.Command {
	var access backupAccess
	var own bool
	c := &cobra.Command{
		Use:   "keys FILE",
		Short: "Put private keys from their file into a node that was restored without them",
		Long: `Put the private keys of FILE, which backup create --keys wrote, into the node's keys folder. The node must have been
restored and must not run. A key that is there already stays: if it is another one, nothing is put in place. Before its first
signature the node makes a new record key with the operations key.

Exit codes: 0 put in place, 2 usage error, 4 there is no node, 6 there is no such file, 8 it is damaged or does not
open, 9 other keys are there, or they are of another organisation.`,
		Example: "  tocsin backup keys /mnt/safe/keys.age --keys-passphrase",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return g.restoreKeys(cmd.Context(), args[0], access, own)
		},
	}
	f := c.Flags()
	f.StringVar(&access.identity, "identity", "", "file with the age identity that opens it")
	f.BoolVar(&access.passphrase, "passphrase", false, "open it by a passphrase, asked for or from "+passphraseEnv)
	f.BoolVar(&own, "keys-passphrase", false, "the same, from "+keysPassphraseEnv+" if that is set")
	return c
}

func (g *globals) restoreKeys(ctx context.Context, path string, access backupAccess, own bool) error {
	if _, err := os.Stat(path); err != nil {
		return fileError(err)
	}
	phrase := ""
	if own {
		phrase = os.Getenv(keysPassphraseEnv)
		access.passphrase = access.passphrase || phrase == ""
	}
	a, err := access.read(ctx, g)
	if err != nil {
		return err
	}
	if phrase != "" {
		a.Passphrase = phrase
	}
	paths, err := g.paths()
	if err != nil {
		return err
	}
	cfg, _, err := loadConfig(g)
	if err != nil {
		return err
	}
	names, err := node.RestoreKeys(paths, cfg, path, a)
	if err != nil {
		return err
	}
	g.hint("Next: tocsin run.")
	return g.emit(keysRestored{names, paths.Data}, func(w io.Writer) {
		fmt.Fprintf(w, "Private keys in place in %s: %s\n", clean(paths.Data), clean(strings.Join(names, ", ")))
	})
}
