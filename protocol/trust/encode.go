package trust

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"time"

	"tocsin/protocol"
)

// Encode writes the list as TOML that Parse reads back to the same list. Equal
// lists give equal bytes.
func (l *List) Encode() []byte {
	var top fields
	top.flag("anchors_need_two_approvers", l.approvers)
	top.texts("topics", l.extraTopics())
	var w writer
	w.lines(top)
	for i := range l.entries {
		w.entry(&l.entries[i])
	}
	for i := range l.groups {
		w.open("[[group]]")
		w.lines(l.groups[i].plain())
	}
	return w.Bytes()
}

// extraTopics are the topics beyond the standard ones that entries name.
func (l *List) extraTopics() []string {
	known := standardTopics()
	var extra []string
	add := func(topics []string) {
		for _, t := range topics {
			if t != "*" && !slices.Contains(known, t) && !slices.Contains(extra, t) {
				extra = append(extra, t)
			}
		}
	}
	for _, e := range l.entries {
		for _, s := range e.Scopes {
			add(s.Topics)
		}
		if e.Vouch != nil {
			add(e.Vouch.Scopes)
		}
	}
	slices.Sort(extra)
	return extra
}

func standardTopics() []string {
	var names []string
	for _, t := range protocol.DefaultTopics() {
		names = append(names, t.String())
	}
	return names
}

// field is a key and its value in TOML.
type field struct{ key, value string }

// fields are keys and values in the order in which they are written: what is "", zero or
// false is left out.
type fields []field

func (f *fields) text(key, s string) {
	if s != "" {
		*f = append(*f, field{key, quoted(s)})
	}
}

func (f *fields) number(key string, n int) { *f = append(*f, field{key, strconv.Itoa(n)}) }

func (f *fields) flag(key string, set bool) {
	if set {
		*f = append(*f, field{key, "true"})
	}
}

func (f *fields) date(key string, t time.Time) {
	if !t.IsZero() {
		*f = append(*f, field{key, t.Format(time.DateOnly)})
	}
}

func (f *fields) texts(key string, list []string) {
	if len(list) == 0 {
		return
	}
	quotes := make([]string, len(list))
	for i, s := range list {
		quotes[i] = quoted(s)
	}
	*f = append(*f, field{key, "[" + strings.Join(quotes, ", ") + "]"})
}

// plain are the fields of an entry that are no tables, without the id.
func (e *Entry) plain() fields {
	var f fields
	f.text("petname", e.Petname)
	f.text("level", e.Level.String())
	f.date("expires", e.Expires)
	f.text("reason", e.Reason)
	f.text("rate", e.Rate)
	f.flag("direct_peer", e.DirectPeer)
	return f
}

func (v *Verified) fields() fields {
	var f fields
	f.text("how", v.How)
	f.texts("by", v.By)
	f.date("on", v.On)
	return f
}

func (a *Automation) fields() fields {
	var f fields
	f.texts("allow", asStrings(a.Allow))
	f.number("max_per_day", a.MaxPerDay)
	return f
}

func (v *Vouch) fields() fields {
	var f fields
	f.number("depth", v.Depth)
	f.number("max_orgs", v.MaxOrgs)
	f.text("level_cap", v.LevelCap.String())
	f.texts("scopes", v.Scopes)
	return f
}

func (s *Scope) fields() fields {
	var f fields
	f.texts("topics", s.Topics)
	f.texts("kinds", asStrings(s.Kinds))
	if s.Level != nil {
		f.text("level", s.Level.String())
	}
	f.text("max_tlp_in", s.MaxTLPIn)
	f.text("max_tlp_out", s.MaxTLPOut)
	return f
}

// plain are the fields of a group rule.
func (g *GroupRule) plain() fields {
	f := fields{{"name", quoted(g.Name)}}
	f.text("upstream", g.Upstream)
	ids := make([]string, len(g.Orgs))
	for i, org := range g.Orgs {
		ids[i] = org.String()
	}
	f.texts("orgs", ids)
	return f
}

// writer writes the subset of TOML that a list needs.
type writer struct{ bytes.Buffer }

func (w *writer) entry(e *Entry) {
	w.open("[[org]]")
	w.lines(fields{{"id", quoted(e.Org.String())}})
	w.lines(e.plain())
	if v := e.Verified; v != nil {
		w.open("[org.verified]")
		w.lines(v.fields())
	}
	if len(e.Automation.Allow) > 0 {
		w.open("[org.automation]")
		w.lines(e.Automation.fields())
	}
	if v := e.Vouch; v != nil {
		w.open("[org.vouch]")
		w.lines(v.fields())
	}
	for i := range e.Scopes {
		w.open("[[org.scope]]")
		w.lines(e.Scopes[i].fields())
	}
}

func (w *writer) open(header string) {
	if w.Len() > 0 {
		w.WriteByte('\n')
	}
	w.WriteString(header + "\n")
}

func (w *writer) lines(list fields) {
	for _, f := range list {
		w.WriteString(f.key + " = " + f.value + "\n")
	}
}

// quoted writes a TOML basic string. Control characters never get into a list
// (check refuses them), so two escapes are enough.
func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

func asStrings[T ~string](list []T) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = string(s)
	}
	return out
}

// position is where something stands in a file, from 1; columns count bytes.
type position struct{ line, column int }

func (p position) String() string { return strconv.Itoa(p.line) + ":" + strconv.Itoa(p.column) }
