package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tocsin/node/admin/api"
	"tocsin/node/figures"
)

const (
	// maxLine bounds one line of a file of values.
	maxLine = 64 << 10
	// maxFileValues bounds one file of values.
	maxFileValues = 5_000_000
)

// checkFlags are what check's flags say.
type checkFlags struct {
	file     string
	minScore int
	exitCode bool
	hits     bool
}

func newCheckCommand(g *globals) *cobra.Command {
	var f checkFlags
	c := &cobra.Command{
		Use:   "check VALUE...|-f FILE|-",
		Short: "Ask what this node believes about values",
		Long: `Ask what this node believes about addresses, names, URLs, hashes and other values.
Defanged ones are fine. -f FILE reads one value a line, - reads stdin; empty lines
and lines that begin with # are left out. The question never leaves the node. What is
no address, name, URL or hash is looked up as text. --hits leaves out what is unknown.

Exit codes: 0 answered, whatever the answer; with --exit-code 10 when a value is
malicious or suspicious and scores --min-score or more, as grep does.`,
		Example: "  tocsin check 'login-secure[.]example' 203.0.113.7\n  tocsin check -f suspects.txt -o jsonl",
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.minScore < 0 || f.minScore > 100 {
				return usagef("--min-score %d: want 0 to 100", f.minScore)
			}
			values, err := g.values(args, f.file)
			if err != nil {
				return err
			}
			return g.withNodeOpen(cmd.Context(), func(ctx context.Context, c *api.Client) error {
				list, err := g.checkAll(ctx, c, values)
				if err != nil {
					return err
				}
				return g.answerCheck(f, list.Items)
			})
		},
	}
	c.Flags().StringVarP(&f.file, "file", "f", "", "file with one value a line")
	c.Flags().IntVar(&f.minScore, "min-score", 0, "with --exit-code: the lowest score that matches, 0 to 100")
	c.Flags().BoolVar(&f.exitCode, "exit-code", false, "exit with 10 when a value is bad")
	c.Flags().BoolVar(&f.hits, "hits", false, "leave out values that are unknown")
	return c
}

// answerCheck prints the answers and ends with the exit code that was asked for. The
// tally counts all of them, those that --hits leaves out too.
func (g *globals) answerCheck(f checkFlags, items []api.CheckItem) error {
	tally := map[string]int{}
	for _, i := range items {
		tally[i.Verdict]++
	}
	shown := items
	if f.hits {
		shown = slices.DeleteFunc(slices.Clone(items), func(i api.CheckItem) bool { return i.Verdict == "unknown" })
	}
	if err := emitList(g, api.List[api.CheckItem]{Items: shown}, func(w io.Writer) { g.showCheck(w, shown, tally) }); err != nil {
		return err
	}
	if f.exitCode && slices.ContainsFunc(items, func(i api.CheckItem) bool { return matches(i, f.minScore) }) {
		return exitWith(exitMatch)
	}
	return nil
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
	if i := slices.IndexFunc(values, func(v string) bool { return strings.TrimSpace(v) == "" }); i >= 0 {
		return nil, usagef("check: value %d of %d is empty", i+1, len(values))
	}
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
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return nil, usagef("read %s line %d: it has more than %d bytes", name, n+1, maxLine)
	case err != nil:
		return nil, fileError(err)
	}
	return values, nil
}

// minValueCells is the least width of the column of values: a SHA-256 fits, so that
// lists of hashes line up with whatever stands between them.
const minValueCells = 64

func (g *globals) showCheck(w io.Writer, items []api.CheckItem, tally map[string]int) {
	width := minValueCells
	for _, i := range items {
		width = max(width, cells(g.shownValue(i)))
	}
	for _, i := range items {
		g.showCheckItem(w, i, width)
	}
	g.hint("%s", summary(tally))
	for _, i := range items {
		if i.Verdict != "unknown" {
			g.hint("Why?  tocsin explain %s", quoteArg(i.Value))
			break
		}
	}
}

// shownValue is a value as a line begins with it: in normal form, defanged, not too long.
func (g *globals) shownValue(i api.CheckItem) string {
	return cutMiddle(g.defang(i.Type, cmp.Or(i.Normal, i.Value)), maxValueCells)
}

// asTyped is what was typed, where that is more than the normal form defanged.
func (g *globals) asTyped(i api.CheckItem) string {
	plain := strings.NewReplacer("[.]", ".", "[:]", ":", "[@]", "@").Replace(i.Value)
	for _, scheme := range [][2]string{{"hxxp", "http"}, {"fxp:", "ftp:"}} {
		if rest, ok := strings.CutPrefix(plain, scheme[0]); ok {
			plain = scheme[1] + rest
		}
	}
	if i.Normal == "" || plain == i.Normal {
		return ""
	}
	if plain != i.Value {
		return cutMiddle(clean(i.Value), maxValueCells) // it is defanged already
	}
	return cutMiddle(g.defang(i.Type, i.Value), maxValueCells)
}

// summary counts the answers: "3 checked: 1 malicious, 2 unknown."
func summary(tally map[string]int) string {
	var parts []string
	n := 0
	for _, verdict := range []string{"malicious", "suspicious", "known", "allowed", "expired", "unknown"} {
		if n += tally[verdict]; tally[verdict] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", tally[verdict], verdict))
		}
	}
	if n == 0 {
		return "0 checked."
	}
	return fmt.Sprintf("%d checked: %s.", n, strings.Join(parts, ", "))
}

func (g *globals) showCheckItem(w io.Writer, i api.CheckItem, width int) {
	value := g.shownValue(i)
	pad := strings.Repeat(" ", max(0, width-cells(value)))
	score := "   -   "
	if i.Verdict != "unknown" && i.Verdict != "allowed" {
		score = fmt.Sprintf("%3d/100", i.Score)
	}
	verdict := g.paint(fmt.Sprintf("%-10s", strings.ToUpper(i.Verdict)), verdictColor(i.Verdict))
	state := ""
	if i.State != "none" && i.State != "accepted" {
		state = "  " + i.State
	}
	line := fmt.Sprintf("%s%s  %s  %s%s%s", value, pad, verdict, score, state, sourceLine(i.Sources))
	fmt.Fprintln(w, strings.TrimRight(line, " "))
	under := func(format string, args ...any) { fmt.Fprintf(w, "    "+format+"\n", args...) }
	if typed := g.asTyped(i); typed != "" {
		under("typed as %s", typed)
	}
	if i.Type == "text" && len(i.Sources) == 0 {
		under("not recognised as an address, domain, URL, e-mail, hash, MAC or AS number; looked up as text")
	}
	for n, s := range i.Sources {
		if n == 3 {
			under("... and %d more", len(i.Sources)-n)
			break
		}
		claim := "confidence not stated"
		if s.Confidence >= 0 {
			claim = fmt.Sprintf("confidence %d", s.Confidence)
		}
		under("%s (%s), %s, %s, %s", clean(who(s.Petname, s.Level, s.Org)), clean(s.Level), claim, g.when(s.Created, time.Now()), clean(s.State))
	}
	for n, o := range i.Opinions {
		if n == 3 {
			under("... and %s", figures.Count(len(i.Opinions)-n, "more opinion"))
			break
		}
		under("%s (%s) %s, %s, %s", clean(who(o.Petname, o.Level, o.Org)), clean(o.Level), clean(o.Says), g.when(o.Created, time.Now()), clean(o.State))
	}
	if i.Warning != nil {
		under("on the warning list %q (%s): no machine acts on it", clean(i.Warning.List), clean(i.Warning.Entry))
	}
	if a := i.Automation; a != nil && i.Verdict == "malicious" {
		under("%s", mayAct(a))
	}
	if i.Omitted > 0 {
		under("... and %s of strangers, held in quarantine, not looked at", figures.Count(i.Omitted, "more object"))
	}
}

// mayAct says in a line whether machines may act on a value.
func mayAct(a *api.Automation) string {
	if a.Allow {
		return "machines may act on it"
	}
	return "machines do not act on it: " + clean(strings.Join(a.Obstacles, " "))
}

func sourceLine(sources []api.Source) string {
	if len(sources) == 0 {
		return ""
	}
	orgs, labels := map[string]bool{}, map[string]bool{}
	for _, s := range sources {
		orgs[s.Org], labels[s.TLP] = true, true
	}
	text := "  " + figures.Count(len(orgs), "source")
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
