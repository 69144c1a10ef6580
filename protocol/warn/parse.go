package warn

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"tocsin/protocol/reason"
)

// Parse reads a list in the format of MISP warninglists (JSON) or, when name ends in ".txt", one entry a
// line of a hostname list or, where all lines are addresses and networks, a cidr list. Errors
// are warn.file and name the place and the remedy.
func Parse(name string, raw []byte, weight int) (*List, error) {
	r := reader{file: name, list: &List{Weight: weight}}
	var err error
	switch {
	case len(raw) > MaxFile:
		err = fmt.Errorf("%d bytes, at most %d: split the list", len(raw), MaxFile)
	case !utf8.Valid(raw):
		err = fmt.Errorf("line %d is not UTF-8: save the file as UTF-8", lineOf(raw, firstInvalid(raw)))
	case strings.HasSuffix(strings.ToLower(name), ".txt"):
		err = r.text(bytes.TrimPrefix(raw, []byte("\ufeff")))
	default:
		err = r.json(bytes.TrimPrefix(raw, []byte("\ufeff")))
	}
	if err != nil {
		return nil, reason.Wrap(reason.WarnFile, "read warning list "+name, err)
	}
	return r.list, nil
}

func firstInvalid(raw []byte) int {
	for i := 0; i < len(raw); {
		r, size := utf8.DecodeRune(raw[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return len(raw)
}

func lineOf(raw []byte, offset int) int {
	return 1 + bytes.Count(raw[:min(max(offset, 0), len(raw))], []byte("\n"))
}

// reader builds a list from a file.
type reader struct {
	file       string
	list       *List
	scope      scope
	substrings int // bytes of them
	read       []entry
}

// text reads one entry a line; '#' begins a comment.
func (r *reader) text(raw []byte) error {
	r.list.Name = baseName(r.file)
	r.list.Type = TypeHostname
	r.scope = scopeAll
	networks := true
	line := 0
	for text := range strings.Lines(string(raw)) {
		line++
		if len(text) > maxEntry {
			return fmt.Errorf("line %d has more than %d bytes: give one entry a line", line, maxEntry)
		}
		text, _, _ = strings.Cut(text, "#")
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		if networks {
			_, err := readNetwork(nil, text)
			networks = err == nil
		}
		if err := r.add("line", line, text); err != nil {
			return fmt.Errorf("line %d: %w", line, err)
		}
	}
	if networks {
		r.list.Type = TypeCIDR
	}
	return r.usable()
}

// baseName is the file's name without folders and ending.
func baseName(file string) string {
	file = file[strings.LastIndexAny(file, `/\`)+1:]
	if i := strings.LastIndexByte(file, '.'); i > 0 {
		file = file[:i]
	}
	return file
}

// json reads MISP's form. What it does not know is passed over; the list is read
// last, because what an entry means depends on what stands beside it.
func (r *reader) json(raw []byte) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	at := func(err error) error {
		offset := int(d.InputOffset())
		if e, ok := errors.AsType[*json.SyntaxError](err); ok {
			offset = int(e.Offset)
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = errors.New("the file ends too early: fetch it again")
		}
		return fmt.Errorf("line %d: %w", lineOf(raw, offset), err)
	}
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return at(errors.Join(err, errors.New("a warning list is a JSON object with name, type and list; name the file .txt if it has one entry a line")))
	}
	fields := map[string]json.RawMessage{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return at(err)
		}
		field, _ := t.(string)
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return at(err)
		}
		if _, twice := fields[field]; twice {
			return at(fmt.Errorf("%q stands twice: keep one", field))
		}
		if len(fields) == maxMatching {
			return at(fmt.Errorf("more than %d fields: this is no warning list", maxMatching))
		}
		fields[field] = value
	}
	if _, err := d.Token(); err != nil {
		return at(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return at(errors.New("more after the end of the list: keep one list in a file"))
	}
	if err := r.head(fields); err != nil {
		return err
	}
	return r.entries(fields["list"])
}

// head reads everything but the entries.
func (r *reader) head(fields map[string]json.RawMessage) error {
	l := r.list
	for _, f := range []struct {
		name string
		into any
	}{{"name", &l.Name}, {"description", &l.Description}, {"type", &l.Type}, {"matching_attributes", &l.Matching}} {
		if raw, ok := fields[f.name]; ok {
			if err := json.Unmarshal(raw, f.into); err != nil {
				return fmt.Errorf("%s: %w", f.name, err)
			}
		}
	}
	l.Name = strings.TrimSpace(l.Name)
	if l.Name == "" {
		l.Name = baseName(r.file)
	}
	switch {
	case len(l.Name) > maxTitle:
		return fmt.Errorf("name has %d bytes, at most %d", len(l.Name), maxTitle)
	case len(l.Description) > maxDescription:
		return fmt.Errorf("description has %d bytes, at most %d", len(l.Description), maxDescription)
	case len(l.Matching) > maxMatching:
		return fmt.Errorf("matching_attributes has %d items, at most %d", len(l.Matching), maxMatching)
	}
	switch l.Type {
	case TypeCIDR, TypeHostname, TypeSubstring, TypeString, TypeRegex:
	default:
		return fmt.Errorf("type %q: want cidr, hostname, substring, string or regex", l.Type)
	}
	if raw, ok := fields["version"]; ok {
		// Some lists write it as text.
		n, err := strconv.Atoi(strings.Trim(string(raw), `"`))
		if err != nil {
			return fmt.Errorf("version %.40s: want a whole number", raw)
		}
		l.Version = n
	}
	r.scope = scopeOf(l.Matching)
	return nil
}

// entries reads the list itself. It is valid JSON already, and there may be millions, so
// the texts are cut out where they stand.
func (r *reader) entries(raw json.RawMessage) error {
	rest := strings.TrimSpace(string(raw))
	if !strings.HasPrefix(rest, "[") {
		return errors.New("list: want an array of texts")
	}
	for n := 1; ; n++ {
		rest = strings.TrimLeft(rest[1:], " \t\r\n") // behind the bracket or a comma
		end := 0
		switch rest[0] {
		case ']':
			return r.usable()
		case '[', '{':
			return fmt.Errorf("list, entry %d is no text: want an array of texts", n)
		case '"':
			end = endOfString(rest)
		default:
			end = strings.IndexAny(rest, ",]")
		}
		if err := r.token(n, rest[:end]); err != nil {
			return fmt.Errorf("list, entry %d: %w", n, err)
		}
		rest = strings.TrimLeft(rest[end:], " \t\r\n")
		if rest[0] == ']' {
			return r.usable()
		}
	}
}

// endOfString finds the end of the JSON string that s begins with.
func endOfString(s string) int {
	for i := 1; ; i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
}

// token takes over one item of the list.
func (r *reader) token(n int, token string) error {
	if token[0] != '"' {
		return r.skip("entry", n, strings.TrimSpace(token), errors.New("no text"))
	}
	text := token[1 : len(token)-1]
	if strings.IndexByte(text, '\\') >= 0 {
		if err := json.Unmarshal([]byte(token), &text); err != nil {
			return err
		}
	}
	return r.add("entry", n, strings.TrimSpace(text))
}

// add takes an entry over, or notes why not; it is the n-th line or entry.
func (r *reader) add(unit string, n int, text string) error {
	l := r.list
	if len(l.Entries)+len(l.Skipped) == MaxEntries {
		return fmt.Errorf("more than %d entries: split the list", MaxEntries)
	}
	var err error
	if r.read, err = readEntry(r.read[:0], l.Type, r.scope, text); err != nil {
		return r.skip(unit, n, text, err)
	}
	if l.Type == TypeSubstring {
		if r.substrings += len(text); r.substrings > maxSubstrings {
			return fmt.Errorf("substrings of more than %d bytes in all: split the list", maxSubstrings)
		}
	}
	if l.Type == TypeRegex && len(l.Entries) == maxExpressions {
		return r.skip(unit, n, text, fmt.Errorf("a list may have %d expressions", maxExpressions))
	}
	l.Entries = append(l.Entries, text)
	return nil
}

func (r *reader) skip(unit string, n int, text string, why error) error {
	if len(r.list.Skipped) == maxSkipped {
		return fmt.Errorf("more than %d entries cannot be used: is type %q right?", maxSkipped, r.list.Type)
	}
	r.list.Skipped = append(r.list.Skipped, fmt.Sprintf("%s %d: %s", unit, n, skipped(text, why)))
	return nil
}

func skipped(text string, why error) string {
	if len(text) > 80 {
		text = strings.ToValidUTF8(text[:80], "") + "..."
	}
	return strconv.Quote(text) + ": " + why.Error()
}

// usable refuses a list that has entries of which none can be used.
func (r *reader) usable() error {
	if n := len(r.list.Skipped); n > 0 && len(r.list.Entries) == 0 {
		return fmt.Errorf("none of %d entries can be used, as the first: %s: is type %q right?", n, r.list.Skipped[0], r.list.Type)
	}
	return nil
}
