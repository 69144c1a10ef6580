package trust

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"tocsin/protocol"
	"tocsin/protocol/pattern"
)

// What a list may hold at most: far above any real list, low enough that a file
// made by mistake or malice costs little.
const (
	maxFile    = 4 << 20
	maxEntries = 10_000
	maxGroups  = 1_000
	maxItems   = 1_000 // elements of one list of names
	maxPetname = 64
	maxText    = 1_024
	maxPerDay  = 1_000_000
	maxVouched = 1_000
)

// problem is one mistake: the field it concerns, as a path below the entry or
// rule ("scope.0.kinds.1"), and what is wrong with the remedy.
type problem struct{ path, text string }

func wrong(path, format string, args ...any) *problem {
	return &problem{path, fmt.Sprintf(format, args...)}
}

// kinds are the observable types that scopes may name.
func kinds() []pattern.Type {
	return []pattern.Type{pattern.IPv4, pattern.IPv6, pattern.CIDR, pattern.Domain, pattern.URL, pattern.Email,
		pattern.MD5, pattern.SHA1, pattern.SHA256, pattern.SHA512, pattern.MAC, pattern.ASN, pattern.Text}
}

// actable are the kinds that automation may name. Text is none: it is whatever nothing could be read from, so
// no warning list knows it, and what reads it next may find an address in it.
func actable() []pattern.Type {
	return slices.DeleteFunc(kinds(), func(k pattern.Type) bool { return k == pattern.Text })
}

// tlpLabels are the ceilings a scope may state.
func tlpLabels() []string { return []string{"clear", "green", "amber", "amber+strict", "red"} }

// rates are the words of Entry.Rate.
func rates() []string { return []string{"low", "normal", "high"} }

// check finds the first mistake in an entry, or nil.
func (e *Entry) check() *problem {
	switch {
	case e.Org == protocol.OrgID{}:
		return wrong("id", "missing: write the organisation's full fingerprint, \"sha256:\" and 64 hex digits")
	case !e.Level.listed():
		return wrong("level", "%q is no level of a list: write blocked, observed, partner or anchor", e.Level)
	case e.Expires.IsZero():
		return wrong("expires", "missing: write the day until which this holds, at most 365 days ahead, like expires = 2027-06-30")
	case e.Expires.Year() < 1970 || e.Expires.Year() > 9999:
		return wrong("expires", "year %d is no year of an expiry", e.Expires.Year())
	case e.Rate != "" && !slices.Contains(rates(), e.Rate):
		return wrong("rate", "%q is no rate: write %s", e.Rate, strings.Join(rates(), ", "))
	}
	if p := checkText("petname", e.Petname, maxPetname); p != nil {
		return p
	}
	if strings.TrimSpace(e.Petname) != e.Petname {
		return wrong("petname", "%q begins or ends with a space: leave it out", e.Petname)
	}
	if p := checkText("reason", e.Reason, maxText); p != nil {
		return p
	}
	if e.Level == Blocked {
		if p := e.checkBlocked(); p != nil {
			return p
		}
	}
	for _, check := range []func() *problem{e.checkScopes, e.checkAutomation, e.checkVouch, e.checkVerified} {
		if p := check(); p != nil {
			return p
		}
	}
	return nil
}

// checkBlocked refuses what would have no effect on a blocked organisation, lest
// somebody believe that it has one.
func (e *Entry) checkBlocked() *problem {
	switch {
	case len(e.Scopes) > 0:
		return wrong("scope.0", "a blocked organisation is blocked everywhere: leave scopes out, or list it as observed with a blocked scope")
	case e.DirectPeer:
		return wrong("direct_peer", "a blocked organisation cannot be a direct peer: leave this out")
	}
	return nil
}

func (e *Entry) checkScopes() *problem {
	if len(e.Scopes) > maxItems {
		return wrong("scope", "%d scopes, limit %d", len(e.Scopes), maxItems)
	}
	for i, s := range e.Scopes {
		at := "scope." + strconv.Itoa(i) + "."
		if p := checkTopics(at+"topics", s.Topics, true); p != nil {
			return p
		}
		if p := checkKinds(at+"kinds", s.Kinds, kinds()); p != nil {
			return p
		}
		if s.Level != nil && !s.Level.listed() {
			return wrong(at+"level", "%q is no level of a list: write blocked, observed, partner or anchor", *s.Level)
		}
		for _, c := range []struct{ name, label string }{{"max_tlp_in", s.MaxTLPIn}, {"max_tlp_out", s.MaxTLPOut}} {
			if c.label != "" && !slices.Contains(tlpLabels(), c.label) {
				return wrong(at+c.name, "%q is no TLP label: write %s", c.label, strings.Join(tlpLabels(), ", "))
			}
		}
	}
	return nil
}

func (e *Entry) checkAutomation() *problem {
	a := e.Automation
	switch {
	case len(a.Allow) == 0 && a.MaxPerDay == 0:
		return nil
	case e.Level < Partner:
		return wrong("automation", "%s organisations trigger nothing: leave automation out, or list the organisation as partner or anchor", e.Level)
	case len(a.Allow) == 0:
		return wrong("automation.allow", "missing: name the kinds of observables, like allow = [\"domain\", \"sha256\"]")
	case a.MaxPerDay < 1 || a.MaxPerDay > maxPerDay:
		return wrong("automation.max_per_day", "%d: write 1 to %d", a.MaxPerDay, maxPerDay)
	}
	if i := slices.Index(a.Allow, pattern.Text); i >= 0 {
		return wrong("automation.allow."+strconv.Itoa(i), "no machine acts on text, which may be anything: leave it out")
	}
	return checkKinds("automation.allow", a.Allow, actable())
}

func (e *Entry) checkVouch() *problem {
	v := e.Vouch
	switch {
	case v == nil:
		return nil
	case e.Level != Anchor:
		return wrong("vouch", "only an anchor may vouch: leave this out, or list the organisation as anchor")
	case v.Depth != 1:
		return wrong("vouch.depth", "%d: write 1, vouching goes one step and no further", v.Depth)
	case v.MaxOrgs < 1 || v.MaxOrgs > maxVouched:
		return wrong("vouch.max_orgs", "%d: write 1 to %d", v.MaxOrgs, maxVouched)
	case v.LevelCap != Observed && v.LevelCap != Partner:
		return wrong("vouch.level_cap", "%q: write observed or partner, only a person makes an anchor", v.LevelCap)
	}
	return checkTopics("vouch.scopes", v.Scopes, true)
}

func (e *Entry) checkVerified() *problem {
	v := e.Verified
	if v == nil {
		return nil
	}
	switch {
	case v.How == "":
		return wrong("verified.how", "missing: write how the fingerprint was compared, like how = \"in person, eight words\"")
	case v.On.IsZero():
		return wrong("verified.on", "missing: write the day of the comparison, like on = 2026-06-30")
	case v.On.Year() < 1970 || v.On.Year() > 9999:
		return wrong("verified.on", "year %d is no year of a comparison", v.On.Year())
	case len(v.By) > maxItems:
		return wrong("verified.by", "%d names, limit %d", len(v.By), maxItems)
	}
	for i, name := range v.By {
		if p := checkText("verified.by."+strconv.Itoa(i), name, maxText); p != nil {
			return p
		}
	}
	return checkText("verified.how", v.How, maxText)
}

// check finds the first mistake in a group rule, or nil.
func (g *GroupRule) check() *problem {
	switch {
	case g.Name == "":
		return wrong("name", "missing: give the rule a name, it stands in explanations")
	case g.Upstream == "" && len(g.Orgs) == 0:
		return wrong("name", "the rule matches nothing: name an upstream, or orgs")
	case len(g.Orgs) > maxItems:
		return wrong("orgs", "%d organisations, limit %d", len(g.Orgs), maxItems)
	}
	for i, org := range g.Orgs {
		if slices.Contains(g.Orgs[:i], org) {
			return wrong("orgs."+strconv.Itoa(i), "%s stands here twice: leave one out", org)
		}
	}
	if p := checkText("upstream", g.Upstream, maxText); p != nil {
		return p
	}
	return checkText("name", g.Name, maxPetname)
}

func checkTopics(path string, topics []string, star bool) *problem {
	if len(topics) == 0 {
		return wrong(path, "missing: name topics, like [\"malicious-code\"], or [\"*\"] for all")
	}
	if len(topics) > maxItems {
		return wrong(path, "%d topics, limit %d", len(topics), maxItems)
	}
	for i, name := range topics {
		at := path + "." + strconv.Itoa(i)
		if slices.Contains(topics[:i], name) {
			return wrong(at, "%q stands here twice: leave one out", name)
		}
		if star && name == "*" {
			continue
		}
		if _, err := protocol.ParseTopic(name); err != nil {
			return wrong(at, "%.60q is no topic: write 1 to %d of a-z, 0-9 and the hyphen, or \"*\" alone for all", name, protocol.MaxTopicName)
		}
	}
	return nil
}

func checkKinds(path string, list, among []pattern.Type) *problem {
	for i, kind := range list {
		at := path + "." + strconv.Itoa(i)
		if !slices.Contains(among, kind) {
			return wrong(at, "%.60q is no kind of observable: write %s", string(kind), joined(among))
		}
		if slices.Contains(list[:i], kind) {
			return wrong(at, "%q stands here twice: leave one out", string(kind))
		}
	}
	return nil
}

// checkText keeps what is displayed free of anything that could fool a display.
func checkText(path, s string, limit int) *problem {
	if !utf8.ValidString(s) {
		return wrong(path, "is no valid UTF-8: type it anew")
	}
	if n := utf8.RuneCountInString(s); n > limit {
		return wrong(path, "%d characters, limit %d: shorten it", n, limit)
	}
	for _, r := range s {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029' {
			return wrong(path, "holds the control character %U: leave it out", r)
		}
	}
	return nil
}

func joined[T ~string](names []T) string {
	var b strings.Builder
	for i, n := range names {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(string(n))
	}
	return b.String()
}
