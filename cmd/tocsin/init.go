package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"tocsin/node"
	"tocsin/node/keystore"
	"tocsin/protocol/reason"
)

// founder is what init's flags say.
type founder struct {
	profile   node.Profile
	config    node.Config
	roots     []string // files with public keys
	threshold int
}

func newInitCommand(g *globals) *cobra.Command {
	var f founder
	c := &cobra.Command{
		Use:   "init --name NAME --country CC",
		Short: "Found an organisation with its first node",
		Long: `Found an organisation and its first node: keys, identity and configuration.
Nothing that exists is overwritten. The node joins control, sealed, experience, drill and
all classes of the reference incident taxonomy unless --topics says otherwise.

recovery/root.key and recovery/next.key are the organisation itself. No daily work
needs them: take both off the machine and keep them apart from each other.
recovery/revoke-*.txt ends the record key when the machine was stolen: print it.

With --roots FILE (the public halves of keys made by tocsin keys ceremony new-root-key on
offline machines) the organisation's next roots are those, --threshold of which must sign.
The founding root made here is needed once more, to hand over: docs/keys.md says how.

Exit codes: 0 founded, 2 usage or configuration error, 5 not permitted, 9 the
folder holds a node already.`,
		Example: `  tocsin init --name "Example CERT" --country KE --contact mailto:cert@example.org
  tocsin init --data ./node1 --name One --country KE --listen /ip4/127.0.0.1/udp/0/quic-v1 -o json`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return g.initNode(f) },
	}
	flags := c.Flags()
	flags.StringVar(&f.profile.Name, "name", "", "name of the organisation")
	flags.StringVar(&f.profile.Country, "country", "", "its country: two upper-case letters (ISO 3166-1)")
	flags.StringVar(&f.profile.Sector, "sector", "", "its sector, such as government or energy")
	flags.StringArrayVar(&f.profile.Contacts, "contact", nil, "how to reach it: a mail address or URL (repeatable)")
	flags.StringArrayVar(&f.config.Listen, "listen", nil, "multiaddr to listen on, port 0 picks a free one (repeatable)")
	flags.StringVar(&f.config.Network, "network", "", "federation to found it in, for ever (default \"main\")")
	flags.StringArrayVar(&f.roots, "roots", nil, "file with the public half of an offline root key that is to take over (repeatable)")
	flags.IntVar(&f.threshold, "threshold", 0, "how many of --roots must sign (default all)")
	flags.StringSliceVar(&f.config.Topics, "topics", nil, "topics to join (comma separated)")
	return c
}

func (g *globals) initNode(f founder) error {
	for _, flag := range []struct{ name, value string }{{"name", f.profile.Name}, {"country", f.profile.Country}} {
		if strings.TrimSpace(flag.value) == "" {
			return usagef("init needs --%s", flag.name)
		}
	}
	paths, err := g.paths()
	if err != nil {
		return err
	}
	if err := g.joinConfig(paths, &f.config); err != nil {
		return err
	}
	successors, err := f.successors()
	if err != nil {
		return err
	}
	founded, err := node.InitFor(paths, f.config, f.profile, successors)
	if errors.Is(err, fs.ErrPermission) && reason.Of(err) == "" {
		err = reason.Wrap(reason.AccessDenied, "found a node in "+paths.Data, err)
	}
	if err != nil {
		return err
	}
	if err := g.emit(founded, func(w io.Writer) { g.writeFounded(w, f.profile, founded) }); err != nil {
		return err
	}
	if wanders(f.config.WithDefaults().Listen) {
		g.hint("\nEvery listen address has port 0: the node gets other ports at each start, and the addresses that partners keep of it " +
			"lead nowhere then. For more than a trial give one a fixed port in tocsin.toml.")
	}
	return nil
}

// successors are the offline roots that are to take over.
func (f founder) successors() (node.Successors, error) {
	s := node.Successors{Threshold: cmp.Or(f.threshold, len(f.roots))}
	if f.threshold != 0 && len(f.roots) == 0 {
		return s, usagef("--threshold says how many of --roots must sign, and there are none")
	}
	for _, file := range f.roots {
		key, err := keystore.ReadPublic(file)
		if err != nil {
			return s, err
		}
		s.Keys = append(s.Keys, key)
	}
	return s, nil
}

// wanders reports whether a node that listens there has other addresses after each start.
func wanders(listen []string) bool {
	for _, addr := range listen {
		parts := strings.Split(addr, "/")
		for i, part := range parts[:len(parts)-1] {
			if (part == "tcp" || part == "udp") && parts[i+1] != "0" {
				return false
			}
		}
	}
	return len(listen) > 0
}

// joinConfig makes the flags agree with a configuration file that is there
// already: it is the operator's and stays as it is.
func (g *globals) joinConfig(paths node.Paths, flags *node.Config) error {
	if _, err := os.Lstat(paths.ConfigFile()); err != nil {
		return nil
	}
	there, _, err := loadConfig(g)
	if err != nil {
		return err
	}
	wanted := flags.WithDefaults()
	for _, field := range []struct {
		name   string
		given  bool
		agrees bool
	}{
		{"listen", len(flags.Listen) > 0, slices.Equal(wanted.Listen, there.Listen)},
		{"network", flags.Network != "", wanted.Network == there.Network},
		{"topics", len(flags.Topics) > 0, slices.Equal(wanted.Topics, there.Topics)},
	} {
		if field.given && !field.agrees {
			return usagef("--%s differs from %s, which is never rewritten: set %s there, or leave the flag out",
				field.name, paths.ConfigFile(), field.name)
		}
	}
	*flags = there
	return nil
}

func (g *globals) writeFounded(w io.Writer, p node.Profile, f *node.Founded) {
	fmt.Fprintf(w, "Founded %s (%s).\n\n", clean(p.Name), p.Country)
	fmt.Fprintf(w, "  organisation  %s\n", f.Org)
	fmt.Fprintf(w, "  in words      %s\n", g.paint(strings.Join(f.Words, " "), colorGood))
	fmt.Fprintf(w, "  peer id       %s\n", f.PeerID)
	fmt.Fprintf(w, "  configuration %s\n\n", clean(f.Config))
	if len(f.Recovery) > 1 {
		fmt.Fprintln(w, g.paint("Take these two files off this machine and keep them apart from each other:", colorWarn))
	} else {
		fmt.Fprintln(w, g.paint("Take this file off this machine; the offline roots need it once, to take over:", colorWarn))
	}
	for _, path := range f.Recovery {
		fmt.Fprintf(w, "  %s\n", clean(path))
	}
	if len(f.Recovery) > 1 {
		fmt.Fprintln(w, "Daily work needs neither. Who has root.key is the organisation; next.key replaces it when it is lost.")
	}
	fmt.Fprintln(w, g.paint("\nPrint this for the safe, and take its files away too. It ends the node's record key when the machine is stolen:", colorWarn))
	for _, path := range f.Revocation {
		fmt.Fprintf(w, "  %s\n", clean(path))
	}
	fmt.Fprintf(w, "\n%s", f.RevocationText)
	tocsin := "tocsin"
	if g.data != "" {
		tocsin += " --data " + quoteArg(g.data)
	}
	g.hint("\nNext: %[1]s run. Then meet somebody: %[1]s invite create prints a text for them, or %[1]s invite accept TEXT takes theirs; %[1]s peers add MULTIADDR connects without any trust.", tocsin)
}
