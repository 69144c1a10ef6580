package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// defaultTimeout is how long a command waits for the node's answer. Publishing
// and following events take as long as they take.
const defaultTimeout = 30 * time.Second

// globals are what every command shares: streams, and the flags that stand on
// every command.
type globals struct {
	streams
	stdin   io.Reader     // streams.in as what is read whole: it ends when the command is interrupted
	data    string        // --data: one folder for everything, or ""
	format  string        // -o: text, json or jsonl
	color   string        // --color: auto, always or never
	timeout time.Duration // --timeout
	quiet   bool          // --quiet: no hints and no progress
	utc     bool          // --utc: human output in UTC
	fang    bool          // --fang: human output shows indicators as they are
	set     []string      // --set a.b=c: configuration, strongest layer
	started bool          // arguments were understood; later errors are no usage errors
}

// run executes one command line and returns its exit code.
func run(ctx context.Context, args []string, s streams) int {
	s.out = &sink{w: s.out}
	g := &globals{streams: s, stdin: interruptible(ctx, s.in), format: "text"}
	if wantsJSON(args) {
		g.format = "json" // so that even a broken command line gets its problem as JSON
	}
	root := newRootCommand(g)
	root.SetArgs(args)
	root.SetIn(s.in)
	root.SetOut(s.out)
	root.SetErr(s.err)
	called, err := root.ExecuteContextC(ctx)
	if err != nil && !g.started {
		err = asUsage(err)
	}
	return g.finish(withUsage(called, err))
}

// newRootCommand builds the command tree. Each command's own file has its constructor.
func newRootCommand(g *globals) *cobra.Command {
	root := &cobra.Command{
		Use:               "tocsin",
		Short:             "Share threat intelligence without a hub: sign, spread, judge, look up",
		Long:              "tocsin runs a node of a federation without a hub and talks to it.\n\n" + exitCodeHelp,
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return g.check(cmd) },
		Args:              unknownCommand,
	}
	root.RunE = func(cmd *cobra.Command, _ []string) error {
		if g.format != "text" {
			return usagef("give a command: tocsin help lists them")
		}
		return cmd.Help()
	}
	g.addFlags(root)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return plainFlag(err) })
	root.SetHelpFunc(g.help(root.HelpFunc()))
	root.SetHelpCommand(newHelpCommand(g))
	root.AddCommand(
		newAuditCommand(g),
		newAdviseCommand(g),
		newBackupCommand(g),
		newBundleCommand(g),
		newCheckCommand(g),
		newCommitCommand(g),
		newCompletionCommand(g),
		newConfigCommand(g),
		newDebugCommand(g),
		newDemoCommand(g),
		newDisputeCommand(g),
		newDoctorCommand(g),
		newEvidenceCommand(g),
		newEraseCommand(g),
		newExplainCommand(g),
		newFsckCommand(g),
		newInitCommand(g),
		newInviteCommand(g),
		newKeysCommand(g),
		newPeersCommand(g),
		newPledgesCommand(g),
		newPublishCommand(g),
		newQuarantineCommand(g),
		newReasonsCommand(g),
		newRestoreCommand(g),
		newReviewCommand(g),
		newRunCommand(g),
		newSearchCommand(g),
		newShowCommand(g),
		newSightCommand(g),
		newStatusCommand(g),
		newSyncCommand(g),
		newTailCommand(g),
		newTopCommand(g),
		newTokenCommand(g),
		newTopicsCommand(g),
		newTrustCommand(g),
		newUICommand(g),
		newVacuumCommand(g),
		newVerifyCommand(g),
		newVersionCommand(g),
		newWarningsCommand(g),
		newVouchCommand(g),
	)
	plainArgs(root)
	return root
}

func (g *globals) addFlags(root *cobra.Command) {
	f := root.PersistentFlags()
	f.StringVar(&g.data, "data", os.Getenv("TOCSIN_DATA"), "folder that holds everything of one node (env TOCSIN_DATA)")
	f.StringVarP(&g.format, "output", "o", g.format, "output format: text, json or jsonl")
	f.Lookup("output").DefValue = "text" // a JSON format that run has seen already is no default
	f.DurationVar(&g.timeout, "timeout", defaultTimeout, "how long to wait for the node")
	f.BoolVarP(&g.quiet, "quiet", "q", false, "no hints, no progress")
	f.StringVar(&g.color, "color", "auto", "colours: auto, always or never (env NO_COLOR)")
	f.BoolVar(&g.utc, "utc", false, "show times in UTC")
	f.BoolVar(&g.fang, "fang", false, "show indicators as they are, not defanged")
}

// check refuses shared flags that mean nothing, then marks the command line as understood.
func (g *globals) check(_ *cobra.Command) error {
	if !slices.Contains([]string{"text", "json", "jsonl"}, g.format) {
		bad := g.format
		g.format = "text"
		return usagef("output format %q: want text, json or jsonl", bad)
	}
	if !slices.Contains([]string{"auto", "always", "never"}, g.color) {
		return usagef("colour mode %q: want auto, always or never", g.color)
	}
	if g.timeout <= 0 {
		return usagef("timeout %v: want more than zero", g.timeout)
	}
	g.started = true
	return nil
}

// group makes a command that only holds others. Called by itself it does what
// main does, which is its own first sub-command ("tocsin peers" lists them).
func group(use, short string, main *cobra.Command, others ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{
		Use:   use,
		Short: short,
		Args:  unknownCommand,
		RunE:  main.RunE,
	}
	c.Flags().AddFlagSet(main.Flags())
	c.AddCommand(main)
	c.AddCommand(others...)
	return c
}

// unknownCommand refuses arguments of a command that only holds others: they
// are misspelt commands.
func unknownCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	c.SuggestionsMinimumDistance = 2
	meant := ""
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		meant = fmt.Sprintf(" (did you mean %q?)", near[0])
	}
	return fmt.Errorf("unknown command %q for %q%s", args[0], c.CommandPath(), meant)
}

// newHelpCommand prints help; -o json gives it as one value.
func newHelpCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Help about any command",
		RunE: func(cmd *cobra.Command, args []string) error {
			target, rest, err := cmd.Root().Find(args)
			if err != nil || target == nil || len(rest) > 0 {
				return usagef("unknown command %q", strings.Join(args, " "))
			}
			target.InitDefaultHelpFlag() // --help has set it by the time it comes here
			return target.Help()
		},
	}
}

// help prints a command's help, for the help command and for --help. The sink
// remembers what could not be written.
func (g *globals) help(text func(*cobra.Command, []string)) func(*cobra.Command, []string) {
	return func(c *cobra.Command, args []string) {
		if !isJSON(g.format) {
			text(c, args)
			return
		}
		_ = writeJSON(g.out, struct {
			Command string `json:"command"`
			Help    string `json:"help"`
		}{c.CommandPath(), cmp.Or(c.Long, c.Short) + "\n\n" + c.UsageString()})
	}
}

// wantsJSON looks for -o json (or jsonl) before the flags are parsed.
func wantsJSON(args []string) bool {
	for i, a := range args {
		switch value, isLong := strings.CutPrefix(a, "--output="); {
		case a == "--":
			return false
		case a == "-o" || a == "--output":
			if i+1 < len(args) && isJSON(args[i+1]) {
				return true
			}
		case isLong:
			if isJSON(value) {
				return true
			}
		case strings.HasPrefix(a, "-o") && isJSON(strings.TrimPrefix(a[2:], "=")):
			return true
		}
	}
	return false
}

func isJSON(format string) bool { return format == "json" || format == "jsonl" }
