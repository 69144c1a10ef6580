package warn

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strings"

	"tocsin/protocol/pattern"
)

// entryKind says how an entry is looked up.
type entryKind byte

const (
	entryNetwork    entryKind = iota // an address or a network
	entryZone                        // a name and all below it
	entryName                        // a name alone
	entryChild                       // the names one label below a name
	entryValue                       // any other value, with its type
	entrySubstring                   // a part of values
	entryExpression                  // a regular expression
	entrySuffix                      // the rule of public suffixes
)

// entry is what one line of a list says, in normal form.
type entry struct {
	kind       entryKind
	network    netip.Prefix
	text       string
	typ        pattern.Type
	expression *regexp.Regexp
}

// Reasons why an entry cannot be used.
var (
	errEmpty      = errors.New("empty")
	errLong       = fmt.Errorf("longer than %d bytes", maxEntry)
	errAddress    = errors.New("no address or network")
	errEverything = errors.New("names every address")
	errName       = errors.New("no host name, address or network")
	errShort      = fmt.Errorf("shorter than %d bytes, which names too much", minSubstring)
)

// readEntry appends what an entry of a list of the given type and scope says. Text of a
// string list may be two things: a bare word is a name and a value.
func readEntry(to []entry, typ string, s scope, text string) ([]entry, error) {
	switch {
	case text == "":
		return to, errEmpty
	case len(text) > maxEntry:
		return to, errLong
	}
	switch typ {
	case TypeCIDR:
		return readNetwork(to, text)
	case TypeHostname:
		return readHost(to, text)
	case TypeString:
		return readString(to, s, text)
	case TypeSubstring:
		if len(text) < minSubstring {
			return to, errShort
		}
		return append(to, entry{kind: entrySubstring, text: strings.ToLower(text)}), nil
	case TypeRegex:
		re, err := compileExpression(text)
		return append(to, entry{kind: entryExpression, text: text, expression: re}), err
	case typeSuffix:
		return append(to, entry{kind: entrySuffix}), nil
	}
	return to, errors.New("its list is of no known type")
}

func readNetwork(to []entry, text string) ([]entry, error) {
	return networkEntry(to, pattern.Refang(text), errAddress)
}

// networkEntry appends the entry of an address or a network; otherwise is the error for anything else.
func networkEntry(to []entry, o pattern.Observable, otherwise error) ([]entry, error) {
	p, ok := prefixOf(o)
	switch {
	case !ok:
		return to, otherwise
	case p.Bits() == 0:
		return to, errEverything
	}
	return append(to, entry{kind: entryNetwork, network: p}), nil
}

// prefixOf gives the network of an address or network; an address is the smallest one.
func prefixOf(o pattern.Observable) (netip.Prefix, bool) {
	switch o.Type {
	case pattern.IPv4, pattern.IPv6:
		a, err := netip.ParseAddr(o.Value)
		return netip.PrefixFrom(a, a.BitLen()), err == nil
	case pattern.CIDR:
		p, err := netip.ParsePrefix(o.Value)
		return p.Masked(), err == nil
	}
	return netip.Prefix{}, false
}

func readHost(to []entry, text string) ([]entry, error) {
	o := pattern.Refang(text)
	switch scopeOfType(o.Type) {
	case scopeAddress:
		return networkEntry(to, o, errName)
	case scopeName:
		return append(to, entry{kind: entryZone, text: o.Value}), nil
	}
	name, ok := hostName(text)
	if !ok {
		return to, errName
	}
	return append(to, entry{kind: entryZone, text: name}), nil
}

func readString(to []entry, s scope, text string) ([]entry, error) {
	o := pattern.Refang(text)
	switch o.Type {
	case pattern.IPv4, pattern.IPv6, pattern.CIDR:
		return networkEntry(to, o, errAddress)
	case pattern.Domain:
		return append(to, entry{kind: nameKind(text), text: o.Value}), nil
	case pattern.Text:
		before := len(to)
		if s&scopeText != 0 {
			to = append(to, entry{kind: entryValue, typ: pattern.Text, text: strings.ToLower(o.Value)})
		}
		if name, ok := hostName(text); ok && s&(scopeName|scopeURL|scopeEmail) != 0 {
			to = append(to, entry{kind: nameKind(text), text: name})
		}
		if len(to) == before {
			return to, errors.New("no value of the types that the list is for")
		}
		return to, nil
	}
	return append(to, entry{kind: entryValue, typ: o.Type, text: o.Value}), nil
}

// nameKind says what a name of a string list means: see the package comment.
func nameKind(text string) entryKind {
	switch {
	case strings.HasPrefix(text, "."):
		return entryZone
	case strings.HasPrefix(text, "*."):
		return entryChild
	}
	return entryName
}

// hostName reads a name of one label or more in any spelling: a leading "*." or dot, a
// trailing dot, upper case, other scripts.
func hostName(text string) (string, bool) {
	text = strings.TrimPrefix(strings.TrimPrefix(text, "*"), ".")
	if isLabel(text) {
		return strings.ToLower(text), true
	}
	if o := pattern.Normalize("domain-name", text); o.Type == pattern.Domain {
		return o.Value, true
	}
	if text == "" || len(text) > 4*253 || strings.ContainsAny(text, "/?#@:%\\[]() \t*") {
		return "", false
	}
	// A bare label, or a name that ends like a file, is a host where a URL says so.
	o := pattern.Normalize("", "http://"+text+"/")
	if o.Type != pattern.URL {
		return "", false
	}
	host, _ := hostOf(o.Value)
	if _, err := netip.ParseAddr(host); err == nil {
		return "", false
	}
	return host, host != ""
}

// isLabel knows the plainest host names: one label of ASCII that begins with a letter.
func isLabel(text string) bool {
	if text == "" || len(text) > 63 || text[0]|0x20 < 'a' || text[0]|0x20 > 'z' {
		return false
	}
	for i := range len(text) {
		if c := text[i]; !(c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_') {
			return false
		}
	}
	return true
}

// hostOf cuts the host out of a URL in normal form.
func hostOf(url string) (string, bool) {
	if _, rest, ok := strings.Cut(url, "://"); ok {
		url = rest
		if end := strings.IndexAny(url, "/?#"); end >= 0 {
			url = url[:end]
		}
		if at := strings.LastIndexByte(url, '@'); at >= 0 {
			url = url[at+1:]
		}
	} else {
		url, _, _ = strings.Cut(url, "/")
	}
	if inside, ok := strings.CutPrefix(url, "["); ok {
		inside, _, _ = strings.Cut(inside, "]")
		return inside, inside != ""
	}
	host, _, _ := strings.Cut(url, ":")
	return host, host != ""
}
