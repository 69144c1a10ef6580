package logs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"tocsin/protocol/reason"
)

// Redactor takes out of texts what is nobody else's business: addresses, names, values, ids, paths. Each is replaced by its
// kind and a number, the same one wherever it stands, so that a reader can still follow one peer through a log. What it does not
// know to be harmless it takes out. It is for one report, and for one goroutine.
type Redactor struct {
	names *regexp.Regexp // nil for none
	look  []rule
	seen  map[string]string
	count map[string]int
}

// maxNames bounds the names that are looked for, by the longest.
const maxNames = 5000

// NewRedactor makes a redactor that knows the names of organisations and peers.
func NewRedactor(names ...string) *Redactor {
	r := &Redactor{names: nameExpression(names), seen: map[string]string{}, count: map[string]int{}}
	r.look = r.rules()
	return r
}

// nameExpression finds each name whatever its case, longer ones first; nil for none. Names of one or two letters are found as whole words only.
func nameExpression(names []string) *regexp.Regexp {
	var parts []string
	for _, n := range names {
		if n = strings.TrimSpace(n); n == "" || !utf8.ValidString(n) {
			continue
		}
		part := regexp.QuoteMeta(n)
		if len(n) < 3 {
			part = `\b` + part + `\b`
		}
		parts = append(parts, part)
	}
	slices.SortFunc(parts, func(a, b string) int { return len(b) - len(a) })
	parts = slices.Compact(parts[:min(len(parts), maxNames)])
	if len(parts) == 0 {
		return nil
	}
	return regexp.MustCompile(`(?i)` + strings.Join(parts, "|"))
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

// rule is one kind of thing that is looked for, and what becomes of it.
type rule struct {
	find *regexp.Regexp
	by   func(string) string
}

// rules are what is looked for, in this order: what an earlier one took out is not looked at again.
func (r *Redactor) rules() []rule {
	as := func(kind string) func(string) string {
		return func(m string) string { return r.mark(kind, m) }
	}
	host := regexp.MustCompile(`/(ip4|ip6|ip6zone|dns|dns4|dns6|dnsaddr|sni)/([^/\s<>"]+)`)
	return []rule{
		{regexp.MustCompile(`"(?:[^"\\]|\\.)*"`), r.quoted},
		{regexp.MustCompile(`[A-Za-z][A-Za-z0-9+.-]*://[^\s<>"]+`), as("url")},
		{host, func(m string) string {
			part := host.FindStringSubmatch(m)
			return "/" + part[1] + "/" + r.address(part[2], "host")
		}},
		{regexp.MustCompile(`\b(?:12D3Koo|16Uiu2|Qm)[1-9A-HJ-NP-Za-km-z]{3,}`), as("peer")},
		{regexp.MustCompile(`\b[a-z][a-z0-9-]*--[0-9a-fA-F-]{8,}`), as("object")},
		{regexp.MustCompile(`\bsha256:[0-9a-fA-F]+|\b[0-9a-fA-F]{10,}\b`), as("id")},
		{regexp.MustCompile(`[^\s<>"@:;,()]+(?:@|\[@\])[^\s<>"@:;,()]+`), as("email")},
		{regexp.MustCompile(`[0-9a-fA-F]*:[0-9a-fA-F:]*:[0-9a-fA-F:.]*|[0-9]{1,3}(?:(?:\.|\[\.\])[0-9]{1,3}){3}`), r.maybeAddress},
		{regexp.MustCompile(`(?:~|\.{1,2})?/[^\s:;,()<>"=]+`), r.path},
		{regexp.MustCompile(`[\p{L}\p{N}_-]+(?:(?:\.|\[\.\])[\p{L}\p{N}_-]+)+`), r.domain},
		{regexp.MustCompile(`[A-Za-z0-9_+/=-]{24,}`), r.token},
	}
}

// Text takes out of a sentence whatever looks like an address, a name, a value, an id or a path.
func (r *Redactor) Text(s string) string {
	s = strings.NewReplacer("<", "(", ">", ")").Replace(strings.ToValidUTF8(s, "?")) // so that only ours are marks
	if r.names != nil {
		s = r.names.ReplaceAllStringFunc(s, func(m string) string { return r.mark("name", strings.ToLower(m)) })
	}
	s = homeOf.ReplaceAllStringFunc(s, func(m string) string {
		part := homeOf.FindStringSubmatch(m)
		return part[1] + " (" + r.mark("country", part[2]) + ")"
	})
	for _, l := range r.look {
		s = outside(s, l)
	}
	return s
}

// homeOf finds the country that stands behind a name: it may be the only organisation there.
var homeOf = regexp.MustCompile(`(<name-[0-9]+>) \(([A-Z]{2})\)`)

// outside does what a rule says, but not in marks.
func outside(s string, l rule) string {
	var out strings.Builder
	for s != "" {
		free, rest, marked := strings.Cut(s, "<")
		out.WriteString(l.find.ReplaceAllStringFunc(free, l.by))
		if !marked {
			break
		}
		mark, after, _ := strings.Cut(rest, ">")
		out.WriteString("<" + mark + ">")
		s = after
	}
	return out.String()
}

// quoted keeps words of the program's own, such as a log level or a code; what else is quoted came from somewhere.
func (r *Redactor) quoted(m string) string {
	inner := m[1 : len(m)-1]
	if _, ok := reason.Lookup(reason.Code(inner)); ok || inner == "" || slices.Contains(levels(), inner) {
		return m
	}
	return `"` + r.mark("text", inner) + `"`
}

// address is the mark of an address, or of what stands in its place. Addresses that every machine has stay.
func (r *Redactor) address(text, otherwise string) string {
	a, err := netip.ParseAddr(strings.ReplaceAll(text, "[.]", "."))
	switch {
	case err != nil:
		return r.mark(otherwise, text)
	case a.IsLoopback() || a.IsUnspecified():
		return text
	}
	return r.mark("ip", a.Unmap().String())
}

// maybeAddress takes out an address; a time of day is none.
func (r *Redactor) maybeAddress(m string) string {
	for end := m; end != ""; end = end[:len(end)-1] { // "2001:db8::" ends in colons, "2001:db8::1: refused" has one more
		if _, err := netip.ParseAddr(strings.ReplaceAll(end, "[.]", ".")); err == nil {
			return r.address(end, "ip") + m[len(end):]
		}
		if !strings.HasSuffix(end, ":") && !strings.HasSuffix(end, ".") {
			break
		}
	}
	return m
}

// path takes out a file's path. Addresses of the mesh, and names of its protocols, begin alike.
func (r *Redactor) path(m string) string {
	first, _, _ := strings.Cut(strings.TrimLeft(m, "~./"), "/")
	if slices.Contains([]string{"ip4", "ip6", "dns", "dns4", "dns6", "dnsaddr", "p2p", "tcp", "udp", "quic-v1", "tocsin", "meshsub", "libp2p", "ipfs"}, first) {
		return m
	}
	if strings.Count(m, "/") == 1 && !strings.HasPrefix(m, "~") && len(m) < 6 {
		return m // as in "12/min"
	}
	return r.mark("path", m)
}

// domain takes out what may be a domain; reason codes and numbers with points in them stay.
func (r *Redactor) domain(m string) string {
	if _, ok := reason.Lookup(reason.Code(m)); ok {
		return m
	}
	last := m[strings.LastIndexAny(m, ".]")+1:]
	if !strings.ContainsFunc(last, unicode.IsLetter) || strings.Trim(last, "0123456789") != last {
		return m // 1.5, v0.51.0, 3.2s
	}
	if slices.Contains([]string{"go", "toml", "json", "cbor", "log", "sock", "lock", "age", "tocsin"}, last) {
		return r.mark("file", m)
	}
	return r.mark("domain", strings.ReplaceAll(m, "[.]", "."))
}

// token takes out what may be a secret: long, and not a word.
func (r *Redactor) token(m string) string {
	if !strings.ContainsAny(m, "0123456789") {
		return m
	}
	return r.mark("token", m)
}

// ownKeys are those that the log itself writes.
func ownKeys() []string { return []string{"level", "ts", "logger", "caller"} }

// wordKeys hold one of few words, textKeys sentences; the values of all others are taken out whole.
func wordKeys() []string {
	return []string{"code", "reason", "kind", "topic", "topics", "action", "level", "version", "verdict", "operation", "method", "type", "blame", "subsystem", "check", "via", "signal", "network", "transport", "direction"}
}

func textKeys() []string {
	return []string{"msg", "err", "error", "why", "cause", "fault", "stack", "text", "fix", "state"}
}

// Lines does what Line does for every line.
func (r *Redactor) Lines(raw []byte) []byte {
	var out bytes.Buffer
	for line := range bytes.Lines(raw) {
		out.Write(r.Line(line))
		out.WriteByte('\n')
	}
	return out.Bytes()
}

// Line takes out of a log line (a JSON object) what Text would, and every text under a key that is not known to be harmless.
// A line that is no JSON is left out whole.
func (r *Redactor) Line(raw []byte) []byte {
	var fields map[string]any
	if err := json.Unmarshal(raw, &fields); err != nil || fields == nil {
		return []byte(`{"msg":"(a line that cannot be read)"}`)
	}
	clean := make(map[string]any, len(fields))
	for key, v := range fields {
		if slices.Contains(ownKeys(), key) {
			clean[key] = r.own(v)
			continue
		}
		clean[r.Text(key)] = r.value(key, v)
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(clean); err != nil {
		return []byte(`{"msg":"(a line that cannot be written)"}`)
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n"))
}

// own is the value of a key that the log itself writes: a time, or a few letters and points.
func (r *Redactor) own(v any) any {
	s, ok := v.(string)
	if !ok || len(s) <= 100 && !strings.ContainsFunc(s, func(c rune) bool { return c > unicode.MaxASCII || c == '@' || c == ' ' || c == '"' }) {
		return v
	}
	return r.Text(s)
}

// value takes out of one value, and of those within, what must not be told.
func (r *Redactor) value(key string, v any) any {
	switch v := v.(type) {
	case string:
		return r.field(key, v)
	case []any:
		for i := range v {
			v[i] = r.value(key, v[i])
		}
	case map[string]any:
		inner := make(map[string]any, len(v))
		for k, x := range v {
			inner[r.Text(k)] = r.value(k, x)
		}
		return inner
	}
	return v
}

// field is Text for sentences and words. Another text is told where it is all mark, number or time, and else is taken out whole.
func (r *Redactor) field(key, s string) string {
	text := r.Text(s)
	if slices.Contains(textKeys(), key) || slices.Contains(wordKeys(), key) && len(s) <= 64 {
		return text
	}
	if strings.HasPrefix(text, "<") && strings.Index(text, ">") == len(text)-1 || s == "" {
		return text
	}
	if _, err := time.ParseDuration(s); err == nil {
		return s
	}
	if _, err := time.Parse(time.RFC3339, s); err == nil {
		return s
	}
	return r.mark(kindOf(key), s)
}

// kindOf makes the kind of a mark of a key.
func kindOf(key string) string {
	word := strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c == '_' {
			return c
		}
		return -1
	}, key)
	if word == "" || word != key || len(word) > 24 {
		return "text"
	}
	return word
}

// Setting is a text of the configuration: where it is not told it is replaced whole.
func (r *Redactor) Setting(key, text string, told bool) string {
	if told || text == "" {
		return r.Text(text)
	}
	return r.mark(kindOf(key), text)
}

// Metrics takes out of Prometheus's text the values of labels that look like anything but a word or a number.
func (r *Redactor) Metrics(raw []byte) []byte {
	label := regexp.MustCompile(`="((?:[^"\\]|\\.)*)"`)
	return label.ReplaceAllFunc(raw, func(m []byte) []byte {
		inner := string(m[2 : len(m)-1])
		if text := r.Text(inner); text != inner {
			return []byte(`="` + text + `"`)
		}
		return m
	})
}
