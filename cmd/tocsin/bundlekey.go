package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"filippo.io/age"
	"github.com/spf13/cobra"

	"tocsin/node/durable"
	"tocsin/protocol/reason"
)

// bundleKey is the answer of bundle key. What stands in the file is in no answer.
type bundleKey struct {
	Recipient string `json:"recipient"`
	File      string `json:"file"`
}

func newBundleKeyCommand(g *globals) *cobra.Command {
	var out string
	c := &cobra.Command{
		Use:   "key --out FILE",
		Short: "Make a key that bundles can be encrypted for",
		Long: `Make an age key: FILE opens what is encrypted for it, and stays with the receiver (--identity FILE). The recipient
that is printed (age1...) goes to whoever exports (--recipient), by a way on which nobody can exchange it; it is no
secret. Backups take such a recipient, too (backup_recipients). No node is needed. Keys of the program age serve as well.

Exit codes: 0 made, 2 usage error, 9 FILE exists already.`,
		Example: "  tocsin bundle key --out me.age",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if out == "" {
				return usagef("make a key: --out is missing: the name of the new file")
			}
			k, err := makeBundleKey(out)
			if err != nil {
				return err
			}
			g.hint("%s is secret: keep it, and a copy elsewhere. Give this to whoever exports to you:", clean(out))
			return g.emit(k, func(w io.Writer) { fmt.Fprintln(w, k.Recipient) })
		},
	}
	c.Flags().StringVar(&out, "out", "", "new file for the key")
	return c
}

// makeBundleKey writes a new key to a new file.
func makeBundleKey(path string) (k bundleKey, err error) {
	if _, err := os.Lstat(path); err == nil {
		return k, reason.New(reason.Conflict, "make a key: "+path+" exists already")
	} else if !errors.Is(err, fs.ErrNotExist) {
		return k, fileError(err)
	}
	id, err := age.GenerateX25519Identity()
	if err != nil {
		return k, err
	}
	k = bundleKey{Recipient: id.Recipient().String(), File: path}
	text := "# Opens what is encrypted for the recipient below. It is secret.\n# recipient: " + k.Recipient + "\n" + id.String() + "\n"
	if err := durable.Write(path, []byte(text), 0o600); err != nil {
		return k, fileError(err)
	}
	return k, nil
}
