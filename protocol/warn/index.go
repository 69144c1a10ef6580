package warn

import (
	"cmp"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/gaissmai/bart"
	"golang.org/x/net/publicsuffix"
)

// The kinds of what stands hashed in the table of names.
const (
	kindZone   byte = 'z'
	kindName   byte = 'n'
	kindChild  byte = 'c'
	kindParent byte = 'p'
	kindValue  byte = 'v'
)

// Index finds the lists that name a value.
type Index struct {
	lists []listed // strongest first, then by name
	sets  [][]uint16
	// Single addresses, and the first address of every network; and the networks.
	v4, v6   table
	networks *bart.Table[uint32]
	// Names and values, hashed. labels is how many the longest zone has.
	names  table
	labels int
	// scans are the lists that every value is held against.
	scans []scan
	// suffix is the list of the rule of public suffixes, -1 for none.
	suffix int
	// own maps what the operator's names look like to them.
	own map[string]ownName
}

// listed is what hits say of a list, and which values it is for.
type listed struct {
	name   string
	weight int
	scope  scope
}

// scan is a list of substrings or of expressions.
type scan struct {
	list        uint16
	substrings  *automaton
	expressions []*regexp.Regexp
}

// ownName is a name of the operator's own, and its list.
type ownName struct {
	name string
	list uint16
}

// Compile builds an index; an entry that cannot be used lands in its list's Skipped,
// which those of Parse and Builtin have none of.
func Compile(lists []*List) *Index {
	lists = slices.Clone(lists)
	slices.SortStableFunc(lists, func(a, b *List) int {
		return cmp.Or(cmp.Compare(b.Weight, a.Weight), cmp.Compare(a.Name, b.Name))
	})
	b := builder{x: &Index{suffix: -1, own: map[string]ownName{}, networks: new(bart.Table[uint32])}}
	for i, l := range lists {
		if i == maxLists {
			l.Skipped = append(l.Skipped, fmt.Sprintf("all: more than %d lists", maxLists))
			continue
		}
		b.list(uint16(i), l)
	}
	return b.build()
}

// builder collects rows.
type builder struct {
	x             *Index
	v4, v6, names []row
}

// list adds one list.
func (b *builder) list(n uint16, l *List) {
	s := scopeOf(l.Matching)
	b.x.lists = append(b.x.lists, listed{l.Name, l.Weight, s})
	sc := scan{list: n}
	var substrings []string
	size := 0
	var entries []entry
	for _, text := range l.Entries {
		var err error
		entries, err = readEntry(entries[:0], l.Type, s, strings.TrimSpace(text))
		if size += len(text); l.Type == TypeSubstring && size > maxSubstrings {
			err = fmt.Errorf("substrings of more than %d bytes in all", maxSubstrings)
		}
		if l.Type == TypeRegex && len(sc.expressions) == maxExpressions {
			err = fmt.Errorf("a list may have %d expressions", maxExpressions)
		}
		if err != nil {
			l.Skipped = append(l.Skipped, skipped(text, err))
			continue
		}
		for _, e := range entries {
			switch e.kind {
			case entrySubstring:
				substrings = append(substrings, e.text)
			case entryExpression:
				sc.expressions = append(sc.expressions, e.expression)
			case entrySuffix:
				b.x.suffix = int(n)
			default:
				b.entry(n, l, e)
			}
		}
	}
	if substrings != nil {
		sc.substrings = newAutomaton(substrings)
	}
	if sc.substrings != nil || sc.expressions != nil {
		b.x.scans = append(b.x.scans, sc)
	}
}

// entry adds what is looked up in a table.
func (b *builder) entry(n uint16, l *List, e entry) {
	kind, text := kindName, e.text
	switch e.kind {
	case entryNetwork:
		r := row{addressKey(e.network.Addr()), n, uint8(e.network.Bits())}
		if e.network.Addr().Is4() {
			b.v4 = append(b.v4, r)
		} else {
			b.v6 = append(b.v6, r)
		}
		return
	case entryValue:
		b.names = append(b.names, row{key: hashKey(kindValue, valueText(e.typ, e.text)), list: n})
		return
	case entryZone:
		kind = kindZone
		b.x.labels = max(b.x.labels, 1+strings.Count(e.text, "."))
	case entryChild:
		kind = kindChild
	}
	b.names = append(b.names, row{key: hashKey(kind, text), list: n})
	if l.Weight >= Hard {
		b.parents(n, text)
	}
	if l.Own {
		b.x.own[skeleton(text)] = ownName{text, n}
	}
}

// parents adds the names above a name that must not be blocked: who blocks one of them
// blocks the name too, as who blocks a network blocks its addresses. It ends at the public
// suffix, which has its own rule.
func (b *builder) parents(n uint16, name string) {
	for {
		_, parent, ok := strings.Cut(name, ".")
		if !ok || !strings.Contains(parent, ".") {
			return
		}
		if suffix, icann := publicsuffix.PublicSuffix(parent); icann && suffix == parent {
			return
		}
		b.names = append(b.names, row{key: hashKey(kindParent, parent), list: n})
		name = parent
	}
}

func (b *builder) build() *Index {
	x := b.x
	s := newSets(len(x.lists))
	x.v4 = newTable(b.v4, s, true)
	x.v6 = newTable(b.v6, s, true)
	x.names = newTable(b.names, s, false)
	for _, t := range []struct {
		table *table
		four  bool
		full  uint32
	}{{&x.v4, true, 32}, {&x.v6, false, 128}} {
		for i, note := range t.table.notes {
			if bits := note & 0xff; bits < t.full {
				x.networks.Insert(netip.PrefixFrom(keyAddress(t.table.keys[i], t.four), int(bits)), note>>8)
			}
		}
	}
	x.sets = s.all
	return x
}
