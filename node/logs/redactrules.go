package logs

import (
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"tocsin/protocol/reason"
)

// rules are what is looked for, in this order: what an earlier one settled is not looked at again by itself, but goes with what is
// found around it.
func rules() []rule {
	return []rule{
		{regexp.MustCompile(`[` + held + `] \([A-Z]{2}\)`), home},
		{regexp.MustCompile(`\b[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?(?:Z|[+-][0-9]{2}:[0-9]{2})?\b`), (*page).keep},
		{regexp.MustCompile(`(?s)"(?:[^"\\]|\\.)*\\?(?:"|$)`), quoted}, // one that is not closed was cut: it goes on to the end
		{regexp.MustCompile(`[“„«][^“„«”»]*[“”»]`), taken("text")},
		{regexp.MustCompile(`[^\s"'=;,()\[\]{}]*/[^\s"'=;,()\[\]{}]*`), slashed()},
		{regexp.MustCompile(`[A-Za-z][A-Za-z0-9+.-]*://[^\s"]+`), taken("url")},
		{regexp.MustCompile(`\b(?:12D3Koo|16Uiu2|Qm)[1-9A-HJ-NP-Za-km-z]{3,}`), taken("peer")},
		{regexp.MustCompile(`\b[a-z][a-z0-9-]*--[0-9a-fA-F-]{8,}`), taken("object")},
		{regexp.MustCompile(`\bsha256:[0-9a-fA-F]+|\b[0-9a-fA-F]{10,}\b`), taken("id")},
		{regexp.MustCompile(`[^\s"@:;,()]+(?:@|\[@\])[^\s"@:;,()]+`), taken("email")},
		{regexp.MustCompile(`(?i)\b[a-z]:\\[^\n";,:]*|\\\\[^\s";,]+`), pathTaken},
		{regexp.MustCompile(`\b[0-9a-fA-F]{2}(?:[:-][0-9a-fA-F]{2}){5,7}\b|\b[0-9a-fA-F]{4}(?:\.[0-9a-fA-F]{4}){2}\b`), taken("mac")},
		{regexp.MustCompile(`[0-9a-fA-F]*:[0-9a-fA-F:]*:[0-9a-fA-F:.]*|[0-9]{1,3}(?:(?:\.|\[\.\])[0-9]{1,3}){3}`), maybeAddress},
		{regexp.MustCompile(`[` + held + `]/[0-9]{1,3}\b`), (*page).keep}, // the size of a network
		{regexp.MustCompile(`\blookup(?:\s+lookup\b)*\s+[^\s:,;"]+`), lookedUp},
		{regexp.MustCompile(`(?:~[^\s/]*|/(?:home|Users|media|mnt|root|run/media|srv|Volumes))/[^\n";,:]*(?::[^\s";,:][^\n";,:]*)*`), pathTaken},
		{regexp.MustCompile(`[\p{L}\p{N}_.~` + held + `-]*/(?:[^\n";,:]*/|[^\s";,:]+|:[^\s";,:])*`), pathTaken},
		{regexp.MustCompile(`[\p{L}\p{N}_` + held + `-]+(?:(?:\.|\[\.\])[\p{L}\p{N}_` + held + `-]+)+`), domain},
		{regexp.MustCompile(`[\p{L}\p{N}_-]*\p{L}[\p{L}\p{N}_-]*\.?:[0-9]{1,5}\b`), port},
		{regexp.MustCompile(`[A-Za-z0-9_+/=-]{24,}`), token},
	}
}

// taken takes out whatever is found.
func taken(kind string) func(*page, string) string {
	return func(p *page, m string) string { return p.take(kind, m) }
}

// home takes out the country that stands behind a name: it may be the only organisation there.
func home(p *page, m string) string {
	name, country, _ := strings.Cut(m, " (")
	return name + " (" + p.take("country", strings.TrimSuffix(country, ")")) + ")"
}

// quoted keeps words of the program's own, such as a log level or a code; what else is quoted came from somewhere.
func quoted(p *page, m string) string {
	inner := strings.TrimPrefix(m, `"`)
	closed := strings.HasSuffix(inner, `"`)
	inner = strings.TrimSuffix(inner, `"`)
	if _, ok := reason.Lookup(reason.Code(inner)); ok || inner == "" || slices.Contains(levels(), inner) {
		return m
	}
	if oneHeld(inner) {
		return m
	}
	if !closed {
		return `"` + p.take("text", inner)
	}
	return `"` + p.take("text", inner) + `"`
}

// address is the mark of an address, or of what stands in its place. Addresses that every machine has stay.
func address(p *page, text, otherwise string) string {
	a, err := netip.ParseAddr(strings.ReplaceAll(text, "[.]", "."))
	switch {
	case err != nil:
		return p.take(otherwise, text)
	case a.Zone() == "" && (a.IsLoopback() || a.IsUnspecified()):
		return p.keep(text)
	}
	return p.take("ip", a.Unmap().String())
}

// maybeAddress takes out an address; a time of day is none.
func maybeAddress(p *page, m string) string {
	if len(m) > 64 {
		return p.take("text", m) // no address is as long, and trying its ends takes a while
	}
	for end := m; end != ""; end = end[:len(end)-1] { // "2001:db8::" ends in colons, "2001:db8::1: refused" has one more
		if _, err := netip.ParseAddr(strings.ReplaceAll(end, "[.]", ".")); err == nil {
			return address(p, end, "ip") + m[len(end):]
		}
		if !strings.HasSuffix(end, ":") && !strings.HasSuffix(end, ".") {
			break
		}
	}
	return m
}

// lookedUp takes out the name that a resolver was asked for, whatever it looks like.
func lookedUp(p *page, m string) string {
	at := strings.LastIndexFunc(m, isSpace) + 1
	return m[:at] + p.take("host", m[at:])
}

func isSpace(c rune) bool { return strings.ContainsRune(" \t\n\v\f\r", c) }

// domain takes out what may be a domain; reason codes and numbers with points in them stay.
func domain(p *page, m string) string {
	if _, ok := reason.Lookup(reason.Code(m)); ok || number(m) {
		return p.keep(m)
	}
	if slices.Contains([]string{"tocsin.toml", "trust.toml"}, m) {
		return p.keep(m) // as this program calls them
	}
	if slices.Contains([]string{"go", "toml", "json", "cbor", "log", "sock", "lock", "age", "tocsin"}, m[strings.LastIndexAny(m, ".]")+1:]) {
		return p.take("file", m)
	}
	return p.take("domain", strings.ReplaceAll(m, "[.]", "."))
}

// number knows 1.5, v0.51.0, go1.26.1, 3.2s and 1m3.2s. A name may end in digits; a number begins with one.
func number(m string) bool {
	if _, err := time.ParseDuration(m); err == nil {
		return true
	}
	m = strings.TrimPrefix(strings.TrimPrefix(m, "go"), "v")
	labels := strings.Split(m, ".")
	for i, label := range labels {
		unit := strings.TrimLeft(label, "0123456789")
		if unit == label || unit != "" && i < len(labels)-1 || !slices.Contains(units(), unit) {
			return false
		}
	}
	return true
}

// units are what may stand behind a number's last digit.
func units() []string {
	return []string{"", "s", "ms", "µs", "us", "ns", "m", "h", "d", "x", "e", "B", "KB", "MB", "GB", "KiB", "MiB", "GiB", "TiB"}
}

// port takes out the name of a machine in front of a port.
func port(p *page, m string) string {
	name, at, _ := strings.Cut(m, ":")
	if _, err := strconv.Atoi(name); err == nil || name == "localhost" {
		return m
	}
	return p.take("host", name) + ":" + at
}

// token takes out what may be a secret: long, and not a word.
func token(p *page, m string) string {
	if !strings.ContainsAny(m, "0123456789") {
		return m
	}
	return p.take("token", m)
}
