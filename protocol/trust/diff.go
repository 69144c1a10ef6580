package trust

import (
	"bytes"
	"cmp"
	"slices"
	"strconv"
	"strings"

	"tocsin/protocol"
)

// Difference is one thing that differs between two lists.
type Difference struct {
	// Org is zero for a group rule and for what a list says of itself.
	Org protocol.OrgID
	// Name is the petname, or the group's name.
	Name string
	// Field is as in the file: "entry" (Before or After ""), "level", "expires", "automation", ...; "group" for
	// a rule as a whole, "anchors_need_two_approvers" for the list.
	Field string
	// Before and After are values as the file has them, tables in braces; "" when absent.
	Before, After string
}

// Diff lists what changes from before to after, ordered by (Name, Org, Field). An entry or
// rule that comes or goes is one difference with all that it says. Equal contents give none;
// vouches are no contents.
func Diff(before, after *List) []Difference {
	var out []Difference
	add := func(d Difference) {
		if d.Before != d.After {
			out = append(out, d)
		}
	}
	add(Difference{Field: "anchors_need_two_approvers",
		Before: strconv.FormatBool(before.approvers), After: strconv.FormatBool(after.approvers)})
	for _, org := range allOf(before, after) {
		for _, d := range diffEntry(before.find(org), after.find(org)) {
			d.Org = org
			add(d)
		}
	}
	for _, d := range diffGroups(before, after) {
		add(d)
	}
	slices.SortFunc(out, func(a, b Difference) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), bytes.Compare(a.Org[:], b.Org[:]), strings.Compare(a.Field, b.Field))
	})
	return out
}

// allOf are the organisations that two lists have entries of.
func allOf(a, b *List) []protocol.OrgID {
	var orgs []protocol.OrgID
	for i := range a.entries {
		orgs = append(orgs, a.entries[i].Org)
	}
	for i := range b.entries {
		if a.find(b.entries[i].Org) == nil {
			orgs = append(orgs, b.entries[i].Org)
		}
	}
	return orgs
}

func diffEntry(before, after *Entry) []Difference {
	switch {
	case before == nil:
		return []Difference{{Name: after.Petname, Field: "entry", After: inline(after.all())}}
	case after == nil:
		return []Difference{{Name: before.Petname, Field: "entry", Before: inline(before.all())}}
	}
	var out []Difference
	was, is := before.all(), after.all()
	for _, f := range is {
		out = append(out, Difference{Name: after.Petname, Field: f.key, Before: valueOf(was, f.key), After: f.value})
	}
	for _, f := range was {
		if valueOf(is, f.key) == "" {
			out = append(out, Difference{Name: after.Petname, Field: f.key, Before: f.value})
		}
	}
	return out
}

func diffGroups(before, after *List) []Difference {
	var out []Difference
	was, is := map[string]string{}, map[string]string{}
	for i := range before.groups {
		was[before.groups[i].Name] = inline(before.groups[i].plain())
	}
	for i := range after.groups {
		is[after.groups[i].Name] = inline(after.groups[i].plain())
	}
	for name, text := range was {
		out = append(out, Difference{Name: name, Field: "group", Before: text, After: is[name]})
	}
	for name, text := range is {
		if was[name] == "" {
			out = append(out, Difference{Name: name, Field: "group", After: text})
		}
	}
	return out
}

// all are the fields of an entry, tables in braces and without the id.
func (e *Entry) all() fields {
	f := e.plain()
	if e.Verified != nil {
		f = append(f, field{"verified", inline(e.Verified.fields())})
	}
	if len(e.Automation.Allow) > 0 {
		f = append(f, field{"automation", inline(e.Automation.fields())})
	}
	if e.Vouch != nil {
		f = append(f, field{"vouch", inline(e.Vouch.fields())})
	}
	if len(e.Scopes) > 0 {
		scopes := make([]string, len(e.Scopes))
		for i := range e.Scopes {
			scopes[i] = inline(e.Scopes[i].fields())
		}
		f = append(f, field{"scope", "[" + strings.Join(scopes, ", ") + "]"})
	}
	return f
}

// inline writes fields as an inline table.
func inline(list fields) string {
	parts := make([]string, len(list))
	for i, f := range list {
		parts[i] = f.key + " = " + f.value
	}
	return "{ " + strings.Join(parts, ", ") + " }"
}

func valueOf(list fields, key string) string {
	for _, f := range list {
		if f.key == key {
			return f.value
		}
	}
	return ""
}
