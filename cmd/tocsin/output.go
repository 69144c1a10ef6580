package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mattn/go-isatty"

	"tocsin/node/admin/api"
	"tocsin/node/figures"
)

// emit prints a command's one answer: as JSON, or by text for people. In JSON
// mode it must be called exactly once.
func (g *globals) emit(v any, text func(w io.Writer)) error {
	if g.format == "text" {
		text(g.out)
		return g.lost()
	}
	return writeJSON(g.out, v)
}

// emitList prints a list: one value with -o json, one line an item with -o jsonl.
func emitList[T any](g *globals, list api.List[T], text func(w io.Writer)) error {
	if g.format != "jsonl" {
		if list.Items == nil {
			list.Items = []T{}
		}
		return g.emit(list, text)
	}
	for _, item := range list.Items {
		if err := writeJSON(g.out, item); err != nil {
			return err
		}
	}
	return nil
}

// writeJSON prints one value on one line, as it is: nothing is escaped for HTML.
func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// hint says something helpful on stderr, to people only.
func (g *globals) hint(format string, args ...any) {
	if !g.quiet && g.format == "text" {
		fmt.Fprintf(g.err, format+"\n", args...)
	}
}

// sink is stdout with a memory: who prints need not look at errors, since finish
// does. After the first error nothing more is written.
type sink struct {
	w   io.Writer
	err error
}

// Write passes on until something is lost.
func (s *sink) Write(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.w.Write(p)
	s.err = err
	return n, err
}

// lost is the first error of stdout, or nil.
func (g *globals) lost() error {
	if s, ok := g.out.(*sink); ok {
		return s.err
	}
	return nil
}

// isTerminal reports whether a stream is a terminal. Nothing is ever asked, and
// no progress drawn, when it is not.
func isTerminal(stream any) bool {
	if s, ok := stream.(*sink); ok {
		stream = s.w
	}
	f, ok := stream.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}

// colored reports whether human output may use colours.
func (g *globals) colored() bool {
	switch g.color {
	case "always":
		return true
	case "never":
		return false
	}
	return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && isTerminal(g.out)
}

// paint gives text a colour where colours are wanted; never colour alone.
func (g *globals) paint(text, color string) string {
	if color == "" || !g.colored() {
		return text
	}
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}

// The colours in use (SGR parameters).
const (
	colorBad  = "1;31"
	colorWarn = "33"
	colorGood = "32"
	colorDim  = "2"
)

// cell is one field of a table.
type cell struct{ text, color string }

// plain makes cells without colour. Control characters are escaped: much of what
// is printed was written by strangers.
func plain(texts ...string) []cell {
	row := make([]cell, len(texts))
	for i, t := range texts {
		row[i] = cell{text: clean(t)}
	}
	return row
}

// table prints rows in aligned columns under a header.
func (g *globals) table(w io.Writer, header []string, rows [][]cell) {
	all := append([][]cell{plain(header...)}, rows...)
	width := make([]int, len(header))
	for _, row := range all {
		for i, c := range row {
			width[i] = max(width[i], cells(c.text))
		}
	}
	for n, row := range all {
		var line strings.Builder
		for i, c := range row {
			color := c.color
			if n == 0 {
				color = colorDim
			}
			line.WriteString(g.paint(c.text, color))
			if i < len(row)-1 {
				line.WriteString(strings.Repeat(" ", width[i]-cells(c.text)+2))
			}
		}
		fmt.Fprintln(w, strings.TrimRight(line.String(), " "))
	}
}

// clean makes text from strangers safe to show: control characters (C0, C1),
// direction marks and line separators become visible escapes, broken UTF-8 too.
func clean(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case !showable(r):
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		default:
			b.WriteRune(r)
		}
		i += n
	}
	return b.String()
}

// showable reports whether a character may reach a terminal as it is.
func showable(r rune) bool {
	switch {
	case r < 0x20, r >= 0x7f && r < 0xa0: // C0, DEL, C1
		return false
	case r >= 0x200b && r <= 0x200f, r >= 0x2028 && r <= 0x202e: // zero width, separators, bidi
		return false
	case r >= 0x2060 && r <= 0x206f, r == 0x061c, r == 0xfeff: // bidi isolates, invisible signs
		return false
	case r >= 0xe0000 && r <= 0xe007f: // tags: invisible text
		return false
	}
	return true
}

// defang makes an indicator harmless to click and to paste: hxxp://evil[.]example.
func (g *globals) defang(kind, value string) string {
	value = clean(value)
	if g.fang {
		return value
	}
	switch kind {
	case "ipv4", "domain", "cidr":
		return bracketLast(value, ".")
	case "ipv6":
		return bracketLast(value, ":")
	case "email":
		local, domain, _ := strings.Cut(value, "@")
		return local + "[@]" + bracketLast(domain, ".")
	case "url":
		return defangURL(value)
	}
	return value
}

func defangURL(value string) string {
	scheme, rest, ok := strings.Cut(value, "://")
	if !ok {
		return bracketLast(value, ".")
	}
	scheme = strings.NewReplacer("http", "hxxp", "ftp", "fxp").Replace(strings.ToLower(scheme))
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	return scheme + "://" + bracketLast(rest[:end], ".") + rest[end:]
}

func bracketLast(value, sep string) string {
	i := strings.LastIndex(value, sep)
	if i < 0 {
		return value
	}
	return value[:i] + "[" + sep + "]" + value[i+len(sep):]
}

// when shows a time for people: how long ago, or how far ahead.
func (g *globals) when(t, now time.Time) string {
	if t.IsZero() {
		return "-"
	}
	d := now.Sub(t)
	if d < 0 {
		return "in " + figures.Span(-d)
	}
	if d < time.Second {
		return "now"
	}
	return figures.Span(d) + " ago"
}

// stamp shows a time as such, local unless --utc.
func (g *globals) stamp(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	if g.utc {
		return t.UTC().Format("2006-01-02 15:04:05Z")
	}
	return t.Local().Format("2006-01-02 15:04:05")
}

// who names an organisation to people: by the petname of the trust list, else by
// the start of its id. Names that strangers give themselves are no identity.
func who(petname, level, org string) string {
	if petname == "" && level == "own" {
		return "we ourselves"
	}
	return cmp.Or(petname, short(org))
}

// short abbreviates an id to what can still be typed back: "sha256:" and twelve digits.
func short(id string) string {
	const keep = len("sha256:") + 12
	if strings.HasPrefix(id, "sha256:") && len(id) > keep {
		return id[:keep]
	}
	return id
}

// guessKind tells the kinds of values apart that defang shows differently.
func guessKind(value string) string {
	switch {
	case strings.Contains(value, "://"):
		return "url"
	case strings.Contains(value, "@"):
		return "email"
	case strings.Contains(value, ":"):
		return "ipv6"
	case strings.Contains(value, " "), strings.Contains(value, "--"), !strings.Contains(value, "."):
		return "text"
	}
	return "domain"
}
