package trust

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"

	"tocsin/protocol"
	"tocsin/protocol/pattern"
	"tocsin/protocol/reason"
)

// The file as go-toml reads it; docs/trust-list.md is the manual.
type (
	fileList struct {
		TwoApprovers bool        `toml:"anchors_need_two_approvers"`
		Topics       []string    `toml:"topics"`
		Orgs         []fileOrg   `toml:"org"`
		Groups       []fileGroup `toml:"group"`
	}
	fileOrg struct {
		ID         string          `toml:"id"`
		Petname    string          `toml:"petname"`
		Level      string          `toml:"level"`
		Expires    *toml.LocalDate `toml:"expires"`
		Reason     string          `toml:"reason"`
		Rate       string          `toml:"rate"`
		DirectPeer bool            `toml:"direct_peer"`
		Scopes     []fileScope     `toml:"scope"`
		Automation *fileAutomation `toml:"automation"`
		Vouch      *fileVouch      `toml:"vouch"`
		Verified   *fileVerified   `toml:"verified"`
	}
	fileScope struct {
		Topics    []string       `toml:"topics"`
		Kinds     []pattern.Type `toml:"kinds"`
		Level     *string        `toml:"level"`
		MaxTLPIn  *string        `toml:"max_tlp_in"`
		MaxTLPOut *string        `toml:"max_tlp_out"`
	}
	fileAutomation struct {
		Allow     []pattern.Type `toml:"allow"`
		MaxPerDay int            `toml:"max_per_day"`
	}
	fileVouch struct {
		Depth    int      `toml:"depth"`
		MaxOrgs  int      `toml:"max_orgs"`
		LevelCap *string  `toml:"level_cap"`
		Scopes   []string `toml:"scopes"`
	}
	fileVerified struct {
		How string          `toml:"how"`
		By  []string        `toml:"by"`
		On  *toml.LocalDate `toml:"on"`
	}
	fileGroup struct {
		Name     string   `toml:"name"`
		Upstream string   `toml:"upstream"`
		Orgs     []string `toml:"orgs"`
	}
)

// Parse reads a trust list in TOML, strictly: unknown or duplicate keys, a
// short fingerprint, a missing expiry and the like are errors (trust.file) that
// name file, line and column. name is the file's name for messages. Parse has no
// clock: what depends on the day is Validate's.
func Parse(name string, raw []byte) (*List, error) {
	if len(raw) > maxFile {
		return nil, reason.New(reason.TrustFile, fmt.Sprintf("%s: %d bytes, limit %d: split off what is no trust list", name, len(raw), maxFile))
	}
	s, err := survey(name, raw)
	if err != nil {
		return nil, err
	}
	var f fileList
	d := toml.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return nil, decodeError(name, err)
	}
	r := reader{surveyor: s, topics: append(standardTopics(), f.Topics...)}
	return r.list(&f)
}

// decodeError gives go-toml's refusal our form. What survey let pass is wrong
// as TOML: a syntax error, a duplicate, a day that does not exist.
func decodeError(name string, err error) error {
	at := position{1, 1}
	var strict *toml.StrictMissingError
	var decode *toml.DecodeError
	switch {
	case errors.As(err, &strict) && len(strict.Errors) > 0:
		at.line, at.column = strict.Errors[0].Position()
		err = errors.New("unknown key " + strings.Join(strict.Errors[0].Key(), "."))
	case errors.As(err, &decode):
		at.line, at.column = decode.Position()
	}
	text := strings.TrimPrefix(err.Error(), "toml: ")
	return reason.New(reason.TrustFile, fmt.Sprintf("%s:%s: %s: correct this line; the whole file is refused until then", name, at, text))
}

// reader turns a decoded file into a list, and mistakes into errors with a place.
type reader struct {
	*surveyor
	topics []string
}

func (r *reader) list(f *fileList) (*List, error) {
	if len(f.Orgs) > maxEntries || len(f.Groups) > maxGroups {
		return nil, r.fail("", "%d organisations and %d groups, limits %d and %d", len(f.Orgs), len(f.Groups), maxEntries, maxGroups)
	}
	if len(f.Topics) > 0 {
		if p := checkTopics("topics", f.Topics, false); p != nil {
			return nil, r.fail(p.path, "%s", p.text)
		}
	}
	entries := make([]Entry, 0, len(f.Orgs))
	places := make(map[protocol.OrgID]string, len(f.Orgs))
	names := map[string]string{}
	for i := range f.Orgs {
		at := "org." + strconv.Itoa(i)
		e, err := r.entry(at, &f.Orgs[i])
		if err != nil {
			return nil, err
		}
		here := r.name + ":" + r.at(at).String()
		if before, ok := places[e.Org]; ok {
			return nil, r.fail(at+".id", "%s is already listed at %s: leave one entry out", e.Org, before)
		}
		if before, ok := names[e.Petname]; ok && e.Petname != "" {
			return nil, r.fail(at+".petname", "petname %q is already borne at %s: give each organisation its own", e.Petname, before)
		}
		places[e.Org], names[e.Petname] = here, here
		entries = append(entries, e)
	}
	groups, err := r.groups(f.Groups)
	if err != nil {
		return nil, err
	}
	list := build(entries, groups, places)
	list.approvers = f.TwoApprovers
	return list, nil
}

func (r *reader) entry(at string, f *fileOrg) (Entry, error) {
	e := Entry{Petname: f.Petname, Expires: date(f.Expires), Reason: f.Reason, Rate: f.Rate, DirectPeer: f.DirectPeer}
	if f.ID != "" {
		org, err := protocol.ParseOrgID(f.ID)
		if err != nil {
			return e, r.fail(at+".id", "%.80q is no full fingerprint: write \"sha256:\" and 64 lower-case hex digits", f.ID)
		}
		e.Org = org
	}
	if f.Level == "" {
		return e, r.fail(at+".level", "level is missing: write blocked, observed, partner or anchor")
	}
	var err error
	if e.Level, err = r.level(at+".level", f.Level); err != nil {
		return e, err
	}
	if err := r.scopes(at, f, &e); err != nil {
		return e, err
	}
	if v := f.Vouch; v != nil {
		e.Vouch = &Vouch{Depth: v.Depth, MaxOrgs: v.MaxOrgs, LevelCap: Observed, Scopes: v.Scopes}
		if v.LevelCap != nil {
			if e.Vouch.LevelCap, err = r.level(at+".vouch.level_cap", *v.LevelCap); err != nil {
				return e, err
			}
		}
		if err := r.known(at+".vouch.scopes", v.Scopes); err != nil {
			return e, err
		}
	}
	if v := f.Verified; v != nil {
		e.Verified = &Verified{How: v.How, By: v.By, On: date(v.On)}
	}
	if a := f.Automation; a != nil {
		e.Automation = Automation{Allow: a.Allow, MaxPerDay: a.MaxPerDay}
		if len(a.Allow) == 0 {
			return e, r.fail(at+".automation.allow", "allow is missing: name the kinds of observables, like allow = [\"domain\", \"sha256\"]")
		}
	}
	e = e.clone()
	if p := e.check(); p != nil {
		return e, r.fail(at+"."+p.path, "%s: %s", p.path, p.text)
	}
	return e, nil
}

func (r *reader) scopes(at string, f *fileOrg, e *Entry) error {
	for i, s := range f.Scopes {
		here := at + ".scope." + strconv.Itoa(i)
		scope := Scope{Topics: s.Topics, Kinds: s.Kinds}
		if s.Kinds != nil && len(s.Kinds) == 0 {
			return r.fail(here+".kinds", "kinds is empty: name kinds, or leave the key out for all")
		}
		if s.Level != nil {
			level, err := r.level(here+".level", *s.Level)
			if err != nil {
				return err
			}
			scope.Level = &level
		}
		for _, c := range []struct {
			key  string
			from *string
			to   *string
		}{{"max_tlp_in", s.MaxTLPIn, &scope.MaxTLPIn}, {"max_tlp_out", s.MaxTLPOut, &scope.MaxTLPOut}} {
			if c.from == nil {
				continue
			}
			if *c.to = *c.from; *c.to == "" {
				return r.fail(here+"."+c.key, "%s is empty: write %s, or leave the key out", c.key, strings.Join(tlpLabels(), ", "))
			}
		}
		if err := r.known(here+".topics", s.Topics); err != nil {
			return err
		}
		e.Scopes = append(e.Scopes, scope)
	}
	return nil
}

func (r *reader) level(path, word string) (Level, error) {
	level, err := ParseLevel(word)
	if err != nil {
		return level, r.fail(path, "level %.60q: write blocked, observed, partner or anchor", word)
	}
	return level, nil
}

// known refuses a topic that is neither a standard one nor declared under topics:
// a misspelt name would silently cover nothing.
func (r *reader) known(path string, topics []string) error {
	for i, name := range topics {
		if name != "*" && !slices.Contains(r.topics, name) {
			return r.fail(path+"."+strconv.Itoa(i), "unknown topic %.60q: write one of %s, \"*\" for all, or declare it at the top with topics = [...]",
				name, strings.Join(standardTopics(), ", "))
		}
	}
	return nil
}

func (r *reader) groups(files []fileGroup) ([]GroupRule, error) {
	var groups []GroupRule
	seen := map[string]string{}
	once := func(path, what, key string) error {
		if before, ok := seen[what+key]; ok {
			return r.fail(path, "%s %q already stands in the group at %s: leave one out", what, key, before)
		}
		seen[what+key] = r.name + ":" + r.at(path).String()
		return nil
	}
	for i, f := range files {
		at := "group." + strconv.Itoa(i)
		g := GroupRule{Name: f.Name, Upstream: f.Upstream}
		for j, id := range f.Orgs {
			path := at + ".orgs." + strconv.Itoa(j)
			org, err := protocol.ParseOrgID(id)
			if err != nil {
				return nil, r.fail(path, "%.80q is no full fingerprint: write \"sha256:\" and 64 lower-case hex digits", id)
			}
			g.Orgs = append(g.Orgs, org)
		}
		if p := g.check(); p != nil {
			return nil, r.fail(at+"."+p.path, "%s: %s", p.path, p.text)
		}
		if err := once(at+".name", "name", g.Name); err != nil {
			return nil, err
		}
		if g.Upstream != "" {
			if err := once(at+".upstream", "upstream", g.Upstream); err != nil {
				return nil, err
			}
		}
		for j, id := range f.Orgs {
			if err := once(at+".orgs."+strconv.Itoa(j), "organisation", id); err != nil {
				return nil, err
			}
		}
		groups = append(groups, g)
	}
	return groups, nil
}

// date is 00:00 UTC of a TOML local date, or zero.
func date(d *toml.LocalDate) time.Time {
	if d == nil {
		return time.Time{}
	}
	return d.AsTime(time.UTC)
}
