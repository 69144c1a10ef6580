package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"slices"
	"strings"

	"filippo.io/age"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// passphraseEnv gives a passphrase where nobody sits at a terminal.
const passphraseEnv = "TOCSIN_PASSPHRASE"

// maxWork bounds what opening a file with a passphrase may cost: 2^18 is what files are made with, and takes 256 MiB.
const maxWork = 18

// bundleLock says how bundles are encrypted, and with what they are opened.
type bundleLock struct {
	recipients []string
	identities []string
	passphrase bool
}

func (l *bundleLock) lockFlags(c *cobra.Command) {
	f := c.Flags()
	f.StringArrayVar(&l.recipients, "recipient", nil, "encrypt for an age key (age1...), once for each receiver")
	f.BoolVar(&l.passphrase, "passphrase", false, "encrypt with a passphrase, asked for or from "+passphraseEnv)
}

func (l *bundleLock) openFlags(c *cobra.Command) {
	f := c.Flags()
	f.StringArrayVar(&l.identities, "identity", nil, "file with an age key that opens encrypted bundles; may be given more than once")
	f.BoolVar(&l.passphrase, "passphrase", false, "open encrypted bundles with a passphrase, asked for or from "+passphraseEnv)
}

// keys reads for whom to encrypt; none means that nothing is encrypted.
func (l *bundleLock) keys(ctx context.Context, g *globals) (keys []age.Recipient, said string, err error) {
	if len(l.recipients) > 0 && l.passphrase {
		return nil, "", usagef("--recipient and --passphrase: choose one")
	}
	if l.passphrase {
		text, err := g.passphrase(ctx, true)
		if err != nil {
			return nil, "", err
		}
		r, err := age.NewScryptRecipient(text)
		return []age.Recipient{r}, "passphrase", err
	}
	if len(l.recipients) == 0 {
		return nil, "", nil
	}
	keys, err = age.ParseRecipients(strings.NewReader(strings.Join(l.recipients, "\n")))
	if err != nil {
		return nil, "", usagef("--recipient: %v", err)
	}
	return keys, strings.Join(l.recipients, " "), nil
}

// openers reads what encrypted bundles are opened with.
func (l *bundleLock) openers(ctx context.Context, g *globals) (out []age.Identity, err error) {
	for _, name := range l.identities {
		raw, err := os.ReadFile(name)
		if err != nil {
			return nil, fileError(err)
		}
		ids, err := age.ParseIdentities(bytes.NewReader(raw))
		if err != nil {
			return nil, usagef("--identity %s: it holds no age key that can be read", name) // the cause might show a part of it
		}
		out = append(out, ids...)
	}
	if !l.passphrase {
		return out, nil
	}
	text, err := g.passphrase(ctx, false)
	if err != nil {
		return nil, err
	}
	id, err := age.NewScryptIdentity(text)
	if err != nil {
		return nil, err
	}
	id.SetMaxWorkFactor(maxWork)
	return append(out, id), nil
}

// passphrase takes it from the environment, else asks at a terminal; twice when it is a new one.
func (g *globals) passphrase(ctx context.Context, anew bool) (string, error) {
	if text := os.Getenv(passphraseEnv); text != "" {
		return text, nil
	}
	in, ok := g.in.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) || !isTerminal(g.err) {
		return "", usagef("--passphrase: there is no terminal to ask at; set %s", passphraseEnv)
	}
	prompts := []string{"Passphrase: "}
	if anew {
		prompts = append(prompts, "Once more: ")
	}
	texts, err := g.ask(ctx, in, prompts...)
	if err != nil {
		return "", err
	}
	if texts = slices.Compact(texts); len(texts) > 1 {
		return "", usagef("the two passphrases differ")
	}
	return texts[0], nil
}

// locked gives a writer that encrypts into w, or w itself. Closing it does not close w.
func locked(w io.Writer, keys []age.Recipient) (io.WriteCloser, error) {
	if len(keys) == 0 {
		return nopCloser{w}, nil
	}
	return age.Encrypt(w, keys...)
}

type nopCloser struct{ io.Writer }

// Close does nothing.
func (nopCloser) Close() error { return nil }
