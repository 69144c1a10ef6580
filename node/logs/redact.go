package logs

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Redactor takes out of texts what is nobody else's business: addresses, names, values, ids, paths. Each is replaced by its
// kind and a number, the same one wherever it stands, so that a reader can still follow one peer through a log. What it does not
// know to be harmless it takes out. It is for one report, and for one goroutine.
type Redactor struct {
	known []rule // names and folders, found before anything else
	rules []rule
	seen  map[string]string
	count map[string]int
	done  map[string]redacted // short texts and what became of them: the lines of a log are much alike
}

// What is remembered of texts that were gone through.
const (
	maxDone     = 20_000
	maxDoneText = 256
)

// maxNames bounds one expression of names; more of them make more expressions.
const maxNames = 2000

// NewRedactor makes a redactor that knows the names of organisations and peers.
func NewRedactor(names ...string) *Redactor {
	r := &Redactor{rules: rules(), seen: map[string]string{}, count: map[string]int{}, done: map[string]redacted{}}
	r.know("name", names, nameExpression)
	return r
}

// KnowPaths has the redactor find these files and folders wherever they stand, also those with spaces in them, which nothing
// else tells from the words around them. A path of one part is too short to be looked for.
func (r *Redactor) KnowPaths(paths ...string) {
	long := slices.DeleteFunc(slices.Clone(paths), func(p string) bool { return strings.Count(strings.Trim(p, "/"), "/") == 0 })
	before := r.known
	r.known = nil
	clear(r.done)
	r.know("path", long, regexp.QuoteMeta)
	r.known = append(r.known, before...) // a name may be a part of a path
}

// know makes rules of texts, longer ones first.
func (r *Redactor) know(kind string, texts []string, expression func(string) string) {
	var parts []string
	for _, t := range texts {
		if t = strings.TrimSpace(sentence(t)); t != "" {
			parts = append(parts, t)
		}
	}
	slices.SortFunc(parts, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	for some := range slices.Chunk(slices.Compact(parts), maxNames) {
		for i := range some {
			some[i] = expression(some[i])
		}
		r.known = append(r.known, rule{regexp.MustCompile(`(?i)` + strings.Join(some, "|")), func(p *page, m string) string {
			return p.take(kind, strings.ToLower(m))
		}})
	}
}

// nameExpression finds a name. One of one or two letters is found as a whole word only, where it is of letters
// (ASCII) whose words an expression can tell.
func nameExpression(name string) string {
	letters := func(c rune) bool { return c < utf8.RuneSelf && (c == '_' || unicode.IsLetter(c) || unicode.IsDigit(c)) }
	if len(name) > 2 || !letters(rune(name[0])) || !letters(rune(name[len(name)-1])) {
		return regexp.QuoteMeta(name)
	}
	return `\b` + name + `\b`
}

// mark is what stands for something that was taken out.
func (r *Redactor) mark(kind, what string) string {
	key := kind + " " + what
	if m, ok := r.seen[key]; ok {
		return m
	}
	r.count[kind]++
	m := fmt.Sprintf("<%s-%d>", kind, r.count[kind])
	r.seen[key] = m
	return m
}

// Counts says how many different things of each kind were taken out.
func (r *Redactor) Counts() map[string]int { return r.count }

// redacted is what became of a text.
type redacted struct {
	text string
	// whole says that it is one thing that a rule settled, such as a mark or an address of the mesh, and no words around it.
	whole bool
}

// Text takes out of a sentence whatever looks like an address, a name, a value, an id or a path.
func (r *Redactor) Text(s string) string { return r.look(s).text }

func (r *Redactor) look(s string) redacted {
	if t, ok := r.done[s]; ok {
		return t
	}
	t := r.redact(s)
	if len(s) <= maxDoneText && len(r.done) < maxDone {
		r.done[s] = t
	}
	return t
}

func (r *Redactor) redact(s string) redacted {
	p := page{r: r}
	text := sentence(s)
	for _, l := range slices.Concat(r.known, r.rules) {
		text = l.find.ReplaceAllStringFunc(text, func(m string) string { return l.by(&p, m) })
	}
	if p.full {
		return redacted{r.mark("text", s), true}
	}
	return redacted{p.plain(text), oneHeld(text)}
}

// What is settled stands in the text as one letter of those that no text has a use for, until all rules have been through:
// so no rule takes a mark for text, and one that finds a whole path or address finds it with the marks in it.
const (
	firstHeld = 0xf0000
	held      = `\x{f0000}-\x{10ffff}` // within [], in expressions
)

// sentence makes of any text one in which only ours are marks: valid, without < and > and without the letters of what is settled.
func sentence(s string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c == '<':
			return '('
		case c == '>':
			return ')'
		case c >= firstHeld:
			return '?'
		}
		return c
	}, strings.ToValidUTF8(s, "?"))
}

// page is one text that is being gone through.
type page struct {
	r    *Redactor
	held []string
	full bool
}

// take takes something out.
func (p *page) take(kind, what string) string { return p.keep(p.r.mark(kind, p.plain(what))) }

// keep settles that a text stays as it is.
func (p *page) keep(text string) string {
	c := rune(firstHeld + len(p.held))
	if c > utf8.MaxRune {
		p.full = true
		return "?"
	}
	p.held = append(p.held, p.plain(text))
	return string(c)
}

// plain puts what was settled back into a text.
func (p *page) plain(text string) string {
	if !strings.ContainsFunc(text, isHeld) {
		return text
	}
	var out strings.Builder
	for _, c := range text {
		if isHeld(c) {
			out.WriteString(p.held[c-firstHeld])
			continue
		}
		out.WriteRune(c)
	}
	return out.String()
}

func isHeld(c rune) bool { return c >= firstHeld }

// oneHeld reports whether a text is settled as one thing.
func oneHeld(text string) bool {
	c, size := utf8.DecodeRuneInString(text)
	return isHeld(c) && size == len(text)
}

// rule is one kind of thing that is looked for, and what becomes of it.
type rule struct {
	find *regexp.Regexp
	by   func(p *page, m string) string
}
