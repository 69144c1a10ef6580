package trust

import (
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"

	"tocsin/protocol/reason"
)

// shape is what may stand behind a key.
type shape uint8

const (
	text shape = iota + 1
	texts
	number
	boolean
	localDate
	table
	tables
)

// hint says how the value of a shape is written.
func (s shape) hint() string {
	switch s {
	case text:
		return "a text in quotes"
	case texts:
		return "a list of texts, like [\"a\", \"b\"]"
	case number:
		return "a whole number"
	case boolean:
		return "true or false"
	case localDate:
		return "a day without quotes and time, like 2027-06-30"
	case table:
		return "a table in single brackets"
	}
	return "a table in double brackets"
}

// schema names every key of the file and its shape, table by table.
var schema = map[string]map[string]shape{
	"": {"anchors_need_two_approvers": boolean, "topics": texts, "org": tables, "group": tables},
	"org": {"id": text, "petname": text, "level": text, "expires": localDate, "reason": text, "rate": text,
		"direct_peer": boolean, "scope": tables, "automation": table, "vouch": table, "verified": table},
	"org.scope":      {"topics": texts, "kinds": texts, "level": text, "max_tlp_in": text, "max_tlp_out": text},
	"org.automation": {"allow": texts, "max_per_day": number},
	"org.vouch":      {"depth": number, "max_orgs": number, "level_cap": text, "scopes": texts},
	"org.verified":   {"how": text, "by": texts, "on": localDate},
	"group":          {"name": text, "upstream": text, "orgs": texts},
}

// surveyor walks the file's syntax once, before it is decoded: it holds every
// key and value against the schema and notes where each stands, which the
// decoder would not tell. The first mistake is kept in err.
type surveyor struct {
	name   string
	parser unstable.Parser
	starts []int // offset of each line
	places map[string]position
	counts map[string]int // elements seen of an array of tables
	err    error
}

// survey walks the file. A syntax error is left to the decoder, which stops
// at the same byte and says it better.
func survey(name string, raw []byte) (*surveyor, error) {
	s := &surveyor{name: name, places: map[string]position{}, counts: map[string]int{}, starts: []int{0}}
	for i, c := range raw {
		if c == '\n' {
			s.starts = append(s.starts, i+1)
		}
	}
	s.parser.Reset(raw)
	path, kind := "", ""
	for s.err == nil && s.parser.NextExpression() {
		e := s.parser.Expression()
		switch e.Kind {
		case unstable.Table, unstable.ArrayTable:
			path, kind = s.enter(e)
		case unstable.KeyValue:
			s.pair(path, kind, e)
		}
	}
	return s, s.err
}

// enter follows a table header from the top and returns the table's path
// ("org.3.scope.0") and its place in the schema ("org.scope").
func (s *surveyor) enter(header *unstable.Node) (path, kind string) {
	for it := header.Key(); it.Next() && s.err == nil; {
		key, here := string(it.Node().Data), s.where(it.Node())
		sh := s.shapeOf(kind, key, here)
		path, kind = join(path, key), join(kind, key)
		last := it.IsLast()
		switch {
		case s.err != nil:
		case sh < table:
			s.refuse(here, "%s is no table: write %s = and %s", key, key, sh.hint())
		case last && (sh == tables) != (header.Kind == unstable.ArrayTable):
			s.refuse(here, "%s is %s", key, sh.hint())
		case last && sh == tables:
			path = s.append(path)
		case sh == tables && s.counts[path] == 0:
			s.refuse(here, "no [[%s]] stands above this table: write it first", key)
		case sh == tables:
			path = join(path, strconv.Itoa(s.counts[path]-1))
		}
		s.places[path] = here
	}
	return path, kind
}

// pair checks one key = value below the table at path.
func (s *surveyor) pair(path, kind string, e *unstable.Node) {
	for it := e.Key(); it.Next() && s.err == nil; {
		key, here := string(it.Node().Data), s.where(it.Node())
		sh := s.shapeOf(kind, key, here)
		path, kind = join(path, key), join(kind, key)
		s.places[path] = here
		switch {
		case s.err != nil:
		case it.IsLast():
			s.value(path, kind, sh, e.Value(), here)
		case sh != table:
			s.refuse(here, "%s is %s, nothing stands below it", key, sh.hint())
		}
	}
}

// value checks that a value has the shape its key wants.
func (s *surveyor) value(path, kind string, sh shape, v *unstable.Node, key position) {
	ok := false
	switch sh {
	case text:
		ok = v.Kind == unstable.String
	case number:
		ok = v.Kind == unstable.Integer
	case boolean:
		ok = v.Kind == unstable.Bool
	case localDate:
		ok = v.Kind == unstable.LocalDate
	case table:
		ok = v.Kind == unstable.InlineTable
		s.inline(path, kind, v)
	case texts, tables:
		ok = v.Kind == unstable.Array
		s.elements(path, kind, sh, v, key)
	}
	if !ok {
		s.refuse(key, "%s: write %s", lastPart(path), sh.hint())
	}
}

func (s *surveyor) inline(path, kind string, v *unstable.Node) {
	if v.Kind != unstable.InlineTable {
		return
	}
	for it := v.Children(); it.Next() && s.err == nil; {
		s.pair(path, kind, it.Node())
	}
}

func (s *surveyor) elements(path, kind string, sh shape, v *unstable.Node, key position) {
	if v.Kind != unstable.Array {
		return
	}
	for it, i := v.Children(), 0; it.Next() && s.err == nil; i++ {
		here := s.where(it.Node())
		switch {
		case sh == texts && it.Node().Kind == unstable.String:
			s.places[join(path, strconv.Itoa(i))] = here
		case sh == tables && it.Node().Kind == unstable.InlineTable:
			element := s.append(path)
			s.places[element] = here
			s.inline(element, kind, it.Node())
		default:
			s.refuse(key, "%s: write %s", lastPart(path), sh.hint())
		}
	}
}

// append opens the next element of an array of tables.
func (s *surveyor) append(path string) string {
	element := join(path, strconv.Itoa(s.counts[path]))
	s.counts[path]++
	return element
}

// shapeOf looks a key up; keys are compared exactly, where the decoder would
// take any case.
func (s *surveyor) shapeOf(kind, key string, here position) shape {
	sh, ok := schema[kind][key]
	if !ok {
		var known []string
		for k := range schema[kind] {
			known = append(known, k)
		}
		slices.Sort(known)
		s.refuse(here, "unknown key %.60q: the keys here are %s", key, strings.Join(known, ", "))
	}
	return sh
}

// where gives a node's position.
func (s *surveyor) where(n *unstable.Node) position {
	offset := int(n.Raw.Offset)
	line := sort.SearchInts(s.starts, offset+1) - 1
	return position{line + 1, offset - s.starts[line] + 1}
}

// at gives the position of a path, or of the nearest table above it.
func (s *surveyor) at(path string) position {
	for path != "" {
		if p, ok := s.places[path]; ok {
			return p
		}
		path = path[:max(strings.LastIndexByte(path, '.'), 0)]
	}
	return position{1, 1}
}

// refuse keeps the first mistake.
func (s *surveyor) refuse(here position, format string, args ...any) {
	if s.err == nil {
		s.err = reason.New(reason.TrustFile, fmt.Sprintf("%s:%s: ", s.name, here)+fmt.Sprintf(format, args...))
	}
}

// fail makes the error for a mistake at a path.
func (s *surveyor) fail(path, format string, args ...any) error {
	return reason.New(reason.TrustFile, fmt.Sprintf("%s:%s: ", s.name, s.at(path))+fmt.Sprintf(format, args...))
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func lastPart(path string) string { return path[strings.LastIndexByte(path, '.')+1:] }
