package logs

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

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

// field is Text for sentences and words. Another text is told where it is all mark, address of the mesh, number or time, and else is
// taken out whole.
func (r *Redactor) field(key, s string) string {
	t := r.look(s)
	text := t.text
	if slices.Contains(textKeys(), key) || slices.Contains(wordKeys(), key) && len(s) <= 64 {
		return text
	}
	if t.whole || s == "" {
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

// Metrics takes out of Prometheus's text the values of labels that look like anything but a word or a number. The ends of buckets
// (2.147483648e+09) and the routes of the admin port, which are the program's patterns and no request's path, stay.
func (r *Redactor) Metrics(raw []byte) []byte {
	label := regexp.MustCompile(`([A-Za-z_]+)="((?:[^"\\]|\\.)*)"`)
	return label.ReplaceAllFunc(raw, func(m []byte) []byte {
		part := label.FindSubmatch(m)
		name, value := string(part[1]), string(part[2])
		if _, err := strconv.ParseFloat(value, 64); err == nil && (name == "le" || name == "quantile") || name == "route" {
			return m
		}
		if text := r.Text(value); text != value {
			return []byte(name + `="` + text + `"`)
		}
		return m
	})
}
