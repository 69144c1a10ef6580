package trust

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"tocsin/protocol"
)

// Encode writes the list as TOML that Parse reads back to the same list. Equal
// lists give equal bytes.
func (l *List) Encode() []byte {
	var w writer
	if extra := l.extraTopics(); len(extra) > 0 {
		w.strings("topics", extra)
	}
	for i := range l.entries {
		w.entry(&l.entries[i])
	}
	for _, g := range l.groups {
		w.open("[[group]]")
		w.text("name", g.Name)
		w.text("upstream", g.Upstream)
		if len(g.Orgs) > 0 {
			ids := make([]string, len(g.Orgs))
			for i, org := range g.Orgs {
				ids[i] = org.String()
			}
			w.strings("orgs", ids)
		}
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

// writer writes the subset of TOML that a list needs: what is "", zero or
// false is left out.
type writer struct{ bytes.Buffer }

func (w *writer) entry(e *Entry) {
	w.open("[[org]]")
	w.text("id", e.Org.String())
	w.text("petname", e.Petname)
	w.text("level", e.Level.String())
	w.date("expires", e.Expires)
	w.text("reason", e.Reason)
	w.text("rate", e.Rate)
	if e.DirectPeer {
		w.WriteString("direct_peer = true\n")
	}
	if v := e.Verified; v != nil {
		w.open("[org.verified]")
		w.text("how", v.How)
		w.strings("by", v.By)
		w.date("on", v.On)
	}
	if a := e.Automation; len(a.Allow) > 0 {
		w.open("[org.automation]")
		w.strings("allow", asStrings(a.Allow))
		w.number("max_per_day", a.MaxPerDay)
	}
	if v := e.Vouch; v != nil {
		w.open("[org.vouch]")
		w.number("depth", v.Depth)
		w.number("max_orgs", v.MaxOrgs)
		w.text("level_cap", v.LevelCap.String())
		w.strings("scopes", v.Scopes)
	}
	for _, s := range e.Scopes {
		w.open("[[org.scope]]")
		w.strings("topics", s.Topics)
		w.strings("kinds", asStrings(s.Kinds))
		if s.Level != nil {
			w.text("level", s.Level.String())
		}
		w.text("max_tlp_in", s.MaxTLPIn)
		w.text("max_tlp_out", s.MaxTLPOut)
	}
}

func (w *writer) open(header string) {
	if w.Len() > 0 {
		w.WriteByte('\n')
	}
	w.WriteString(header + "\n")
}

func (w *writer) text(key, s string) {
	if s != "" {
		w.WriteString(key + " = " + quoted(s) + "\n")
	}
}

func (w *writer) number(key string, n int) { fmt.Fprintf(w, "%s = %d\n", key, n) }

func (w *writer) date(key string, t time.Time) {
	if !t.IsZero() {
		w.WriteString(key + " = " + t.Format(time.DateOnly) + "\n")
	}
}

func (w *writer) strings(key string, list []string) {
	if len(list) == 0 {
		return
	}
	quotes := make([]string, len(list))
	for i, s := range list {
		quotes[i] = quoted(s)
	}
	w.WriteString(key + " = [" + strings.Join(quotes, ", ") + "]\n")
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
