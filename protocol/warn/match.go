package warn

import (
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"

	"tocsin/protocol/pattern"
)

// Match returns the strongest hit (highest weight, then first list by name), in
// any notation of the value: addresses match the networks around them, networks those that they
// overlap (both ways), IPv6 addresses the IPv4 address that they stand for (mapped, NAT64, 6to4,
// Teredo), names the zones they lie in and, for hard lists, the names that lie in them; URLs
// match by their host, and e-mail addresses by their domain.
func (x *Index) Match(o pattern.Observable) (Hit, bool) {
	f := finder{x: x}
	f.value(o)
	if !f.any {
		return Hit{}, false
	}
	return x.hit(f.best), true
}

// All returns every hit, one a list, strongest first, at most 16.
func (x *Index) All(o pattern.Observable) []Hit {
	f := finder{x: x, seen: make([]bool, len(x.lists))}
	f.value(o)
	slices.SortFunc(f.all, func(a, b found) int { return int(a.list) - int(b.list) })
	var hits []Hit
	for _, h := range f.all[:min(len(f.all), maxHits)] {
		hits = append(hits, x.hit(h))
	}
	return hits
}

// found is what names a value: a network, or a text of a kind.
type found struct {
	list    uint16
	kind    byte
	network netip.Prefix
	text    string
}

// hit says it for people. "*.name" is also how a name shows that lies above a listed one.
func (x *Index) hit(h found) Hit {
	l := x.lists[h.list]
	switch {
	case h.network.IsSingleIP():
		h.text = h.network.Addr().String()
	case h.network.IsValid():
		h.text = h.network.String()
	case h.kind == kindValue:
		_, h.text, _ = strings.Cut(h.text, " ")
	case h.kind == kindChild || h.kind == kindParent:
		h.text = "*." + h.text
	}
	return Hit{List: l.name, Entry: h.text, Weight: l.weight}
}

// finder collects hits: the strongest one only, or one of every list. Lists are
// numbered by rank, so the lower number is the stronger hit.
type finder struct {
	x    *Index
	best found
	any  bool // best holds something
	// seen (by list) and all are for those who want every list; seen is nil otherwise.
	seen []bool
	all  []found
}

// wants reports whether a hit of a list would change the answer; scope says
// what the value is for this look-up.
func (f *finder) wants(list uint16, s scope) bool {
	switch {
	case f.x.lists[list].scope&s == 0:
		return false
	case f.seen != nil:
		return !f.seen[list]
	}
	return !f.any || list < f.best.list
}

func (f *finder) add(h found) {
	if f.seen != nil {
		f.seen[h.list] = true
		f.all = append(f.all, h)
		return
	}
	f.best, f.any = h, true
}

// value looks a value up by what it is, and by what it holds.
func (f *finder) value(o pattern.Observable) {
	s := scopeOfType(o.Type)
	host, hostScope := "", scope(0)
	switch o.Type {
	case pattern.IPv4, pattern.IPv6, pattern.CIDR:
		if p, ok := prefixOf(o); ok {
			f.network(p, s)
		}
	case pattern.Domain:
		f.name(o.Value, s)
		f.above(o.Value, s)
	case pattern.URL:
		var ok bool
		if host, ok = hostOf(o.Value); ok {
			hostScope = f.host(host)
		}
	case pattern.Email:
		f.name(o.Value[strings.LastIndexByte(o.Value, '@')+1:], s)
	case pattern.Text:
		f.text(o.Value)
	}
	if s&(scopeAddress|scopeName) == 0 {
		f.key(kindValue, valueText(o.Type, o.Value), s)
	}
	if s != 0 && len(f.x.scans) > 0 {
		f.scan(o.Value, s, host, hostScope)
	}
}

// valueText is a value with its type, which the hash is made of.
func valueText(t pattern.Type, value string) string {
	if t == pattern.Text {
		value = strings.ToLower(value)
	}
	return string(t) + " " + value
}

// host looks up the host of a URL. A list of hosts need not be one of URLs.
func (f *finder) host(host string) scope {
	if a, err := netip.ParseAddr(host); err == nil {
		f.network(netip.PrefixFrom(a, a.BitLen()), scopeURL|scopeAddress)
		return scopeAddress
	}
	f.name(host, scopeURL|scopeName)
	return scopeName
}

// text looks up text that is a host after all: one label, or with a port.
func (f *finder) text(value string) {
	if len(value) > 4*253 || strings.ContainsAny(value, " /\\@") {
		return
	}
	if strings.Contains(value, ":") {
		if o := pattern.Normalize("domain-name", value); o.Type != pattern.Text {
			f.value(o)
		}
		return
	}
	name, ok := hostName(value)
	if !ok {
		return
	}
	f.names(name, scopeName)
	f.above(name, scopeName)
	if strings.ContainsRune(name, '.') || isMarked(value) || isTopLevelWord(name) {
		f.suffix(name, scopeName)
	}
}

// isMarked reports whether a bare word is written as a name.
func isMarked(value string) bool {
	return strings.HasPrefix(value, ".") || strings.HasPrefix(value, "*.") || strings.HasSuffix(value, ".")
}

// isTopLevelWord knows the top-level domains that are no other word. Hundreds of others
// are: "sh", "id" or "support" as the name of a process or an account is no domain, and
// text never becomes one.
func isTopLevelWord(name string) bool {
	switch name {
	case "com", "org", "edu", "gov", "mil", "int", "arpa", "biz", "info", "net":
		return true
	}
	return strings.HasPrefix(name, "xn--")
}

// network looks up an address or network: networks around it, and addresses and networks within it.
func (f *finder) network(p netip.Prefix, s scope) {
	if p.Addr().Is6() {
		for _, e := range embeddings() {
			if v4, ok := e.embedded(p); ok {
				f.network(v4, s)
			}
		}
	}
	t := &f.x.v6
	if p.Addr().Is4() {
		t = &f.x.v4
	}
	f.within(t, p, s)
	for around, set := range f.x.networks.Supernets(p) {
		for _, l := range f.x.sets[set] {
			if f.wants(l, s) {
				f.add(found{list: l, network: around})
			}
		}
	}
}

// within finds what lies in a network: single addresses, and networks by their first address.
func (f *finder) within(t *table, p netip.Prefix, s scope) {
	first, last := addressKey(p.Addr()), addressKey(lastAddress(p))
	full := p.Addr().BitLen()
	end := t.find(last)
	for end < len(t.keys) && t.keys[end] == last {
		end++
	}
	for i := t.find(first); i < end; i++ {
		if i%blockSize == 0 && i+blockSize <= end && !slices.ContainsFunc(t.blocks[i/blockSize], func(l uint16) bool { return f.wants(l, s) }) {
			i += blockSize - 1
			continue
		}
		bits := int(t.notes[i] & 0xff)
		if p.Bits() == full && bits < full {
			continue // begins there: the networks around are looked up by themselves
		}
		for _, l := range f.x.sets[t.notes[i]>>8] {
			if f.wants(l, s) {
				f.add(found{list: l, network: netip.PrefixFrom(keyAddress(t.keys[i], full == 32), bits)})
			}
		}
	}
}

// name looks up a name with everything that may name it.
func (f *finder) name(name string, s scope) {
	f.names(name, s)
	f.suffix(name, s)
}

// names looks up a name, and the zones that it lies in, the nearest first.
func (f *finder) names(name string, s scope) {
	f.key(kindName, name, s)
	if _, parent, ok := strings.Cut(name, "."); ok {
		f.key(kindChild, parent, s)
	}
	for labels := 1 + strings.Count(name, "."); ; labels-- {
		if labels <= f.x.labels {
			f.key(kindZone, name, s)
		}
		_, parent, ok := strings.Cut(name, ".")
		if !ok {
			return
		}
		name = parent
	}
}

// above looks up what lies in the zone that a name is.
func (f *finder) above(name string, s scope) { f.key(kindParent, name, s) }

// suffix applies the rule of public suffixes.
func (f *finder) suffix(name string, s scope) {
	if f.x.suffix < 0 || !f.wants(uint16(f.x.suffix), s) {
		return
	}
	if suffix, icann := publicsuffix.PublicSuffix(name); icann && suffix == name {
		f.add(found{list: uint16(f.x.suffix), text: name})
	}
}

// key looks up one text of a kind.
func (f *finder) key(kind byte, text string, s scope) {
	t := &f.x.names
	k := hashKey(kind, text)
	for i := t.find(k); i < len(t.keys) && t.keys[i] == k; i++ {
		for _, l := range f.x.sets[t.notes[i]>>8] {
			if f.wants(l, s) {
				f.add(found{list: l, kind: kind, text: text})
			}
		}
	}
}

// scan holds the value, or the host of a URL, against substrings and expressions.
func (f *finder) scan(value string, s scope, host string, hostScope scope) {
	value = strings.ToLower(value)
	for _, sc := range f.x.scans {
		subject := value
		if !f.wants(sc.list, s) {
			if hostScope == 0 || !f.wants(sc.list, hostScope) {
				continue
			}
			subject = host
		}
		if sc.substrings != nil {
			if text, ok := sc.substrings.find(subject); ok {
				f.add(found{list: sc.list, text: text})
			}
			continue
		}
		subject = subject[:min(len(subject), maxSubject)]
		for _, e := range sc.expressions {
			if e.MatchString(subject) {
				f.add(found{list: sc.list, text: e.String()})
				break
			}
		}
	}
}
