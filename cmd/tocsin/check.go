package main

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tocsin/node/admin/api"
)

const (
	// maxLine bounds one line of a file of values.
	maxLine = 64 << 10
	// maxFileValues bounds one file of values.
	maxFileValues = 5_000_000
)

func newCheckCommand(g *globals) *cobra.Command {
	var file string
	var minScore int
	var exitCode bool
	c := &cobra.Command{
		Use:   "check VALUE...|-f FILE|-",
		Short: "Ask what this node believes about values",
		Long: `Ask what this node believes about addresses, names, URLs, hashes and other values.
Defanged ones are fine. -f FILE reads one value a line, - reads stdin; empty lines
and lines that begin with # are left out. The question never leaves the node.

Exit codes: 0 answered, whatever the answer; with --exit-code 10 when a value is
malicious or suspicious and scores --min-score or more, as grep does.`,
		Example: "  tocsin check 'login-secure[.]example' 203.0.113.7\n  tocsin check -f suspects.txt -o jsonl",
		RunE: func(cmd *cobra.Command, args []string) error {
			values, err := g.values(args, file)
			if err != nil {
				return err
			}
			return g.withNodeOpen(cmd.Context(), func(ctx context.Context, c *api.Client) error {
				list, err := g.checkAll(ctx, c, values)
				if err != nil {
					return err
				}
				if err := emitList(g, *list, func(w io.Writer) { g.showCheck(w, list.Items) }); err != nil {
					return err
				}
				if exitCode && slices.ContainsFunc(list.Items, func(i api.CheckItem) bool { return matches(i, minScore) }) {
					return exitWith(exitMatch)
				}
				return nil
			})
		},
	}
	c.Flags().StringVarP(&file, "file", "f", "", "file with one value a line")
	c.Flags().IntVar(&minScore, "min-score", 0, "with --exit-code: the lowest score that matches")
	c.Flags().BoolVar(&exitCode, "exit-code", false, "exit with 10 when a value is bad")
	return c
}

// matches reports whether an item counts as bad for --exit-code.
func matches(i api.CheckItem, minScore int) bool {
	return (i.Verdict == "malicious" || i.Verdict == "suspicious") && i.Score >= minScore
}

// checkAll asks in calls of the size that the node takes; each has --timeout.
func (g *globals) checkAll(ctx context.Context, c *api.Client, values []string) (*api.List[api.CheckItem], error) {
	all := &api.List[api.CheckItem]{Items: make([]api.CheckItem, 0, len(values))}
	for part := range slices.Chunk(values, api.MaxCheckValues) {
		bounded, cancel := context.WithTimeout(ctx, g.timeout)
		list, err := c.Check(bounded, part)
		cancel()
		if err != nil {
			return nil, err
		}
		all.Items = append(all.Items, list.Items...)
	}
	return all, nil
}

// values collects what to ask about: arguments, -f FILE, or - for stdin.
func (g *globals) values(args []string, file string) ([]string, error) {
	if len(args) == 1 && args[0] == "-" && file == "" {
		args, file = nil, "-"
	}
	values := slices.Clone(args)
	if file != "" {
		in, _, err := g.open(file)
		if err != nil {
			return nil, err
		}
		defer in.Close()
		lines, err := readValues(in, file)
		if err != nil {
			return nil, err
		}
		values = append(values, lines...)
	}
	if len(values) == 0 && file == "" {
		return nil, usagef("give values, -f FILE, or - to read them from stdin")
	}
	return values, nil
}

// readValues reads one value a line.
func readValues(in io.Reader, name string) ([]string, error) {
	var values []string
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxLine)
	n := 0
	for lines.Scan() {
		n++
		line := strings.TrimSpace(strings.TrimPrefix(lines.Text(), "\ufeff"))
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if len(values) == maxFileValues {
			return nil, usagef("read %s: more than %d values; split it", name, maxFileValues)
		}
		values = append(values, line)
	}
	if err := lines.Err(); err != nil {
		return nil, usagef("read %s line %d: %v", name, n+1, err)
	}
	return values, nil
}

func (g *globals) showCheck(w io.Writer, items []api.CheckItem) {
	width := 0
	for _, i := range items {
		width = max(width, len([]rune(g.defang(i.Type, cmp.Or(i.Normal, i.Value)))))
	}
	width = min(width, 60)
	tally := map[string]int{}
	for _, i := range items {
		tally[i.Verdict]++
		g.showCheckItem(w, i, width)
	}
	g.hint("%s", summary(len(items), tally))
	for _, i := range items {
		if i.Verdict != "unknown" {
			g.hint("Why?  tocsin explain %s", quoteArg(i.Value))
			break
		}
	}
}

// summary counts the answers: "3 checked: 1 malicious, 2 unknown."
func summary(n int, tally map[string]int) string {
	var parts []string
	for _, verdict := range []string{"malicious", "suspicious", "known", "allowed", "expired", "unknown"} {
		if tally[verdict] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", tally[verdict], verdict))
		}
	}
	return fmt.Sprintf("%d checked: %s.", n, strings.Join(parts, ", "))
}

func (g *globals) showCheckItem(w io.Writer, i api.CheckItem, width int) {
	value := g.defang(i.Type, cmp.Or(i.Normal, i.Value))
	pad := strings.Repeat(" ", max(0, width-len([]rune(value))))
	score := "   -   "
	if i.Verdict != "unknown" && i.Verdict != "allowed" {
		score = fmt.Sprintf("%3d/100", i.Score)
	}
	verdict := g.paint(fmt.Sprintf("%-10s", strings.ToUpper(i.Verdict)), verdictColor(i.Verdict))
	state := ""
	if i.State != "none" && i.State != "accepted" {
		state = "  " + i.State
	}
	fmt.Fprintf(w, "%s%s  %s  %s%s%s\n", value, pad, verdict, score, state, sourceLine(i.Sources))
	for n, s := range i.Sources {
		if n == 3 {
			fmt.Fprintf(w, "%*s  ... and %d more\n", width, "", len(i.Sources)-n)
			break
		}
		claim := "confidence not stated"
		if s.Confidence >= 0 {
			claim = fmt.Sprintf("confidence %d", s.Confidence)
		}
		fmt.Fprintf(w, "%*s  %s (%s), %s, %s, %s\n", width, "", clean(who(s.Petname, s.Level, s.Org)), clean(s.Level),
			claim, g.when(s.Created, time.Now()), clean(s.State))
	}
}

func sourceLine(sources []api.Source) string {
	if len(sources) == 0 {
		return ""
	}
	orgs, labels := map[string]bool{}, map[string]bool{}
	for _, s := range sources {
		orgs[s.Org], labels[s.TLP] = true, true
	}
	text := "  " + count(len(orgs), "source")
	if len(labels) == 1 && sources[0].TLP != "" {
		text += " · " + clean(sources[0].TLP)
	}
	return text
}

func verdictColor(verdict string) string {
	switch verdict {
	case "malicious":
		return colorBad
	case "suspicious":
		return colorWarn
	case "allowed":
		return colorGood
	}
	return colorDim
}

// quoteArg makes a value safe to paste into a shell.
func quoteArg(value string) string {
	value = clean(value)
	if strings.Trim(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:/_-@%+=") == "" {
		return value
	}
	return "'" + strings.ReplaceAll(value, "'", `'\''`) + "'"
}
