package pattern

import (
	"strconv"
	"strings"
)

// classifyURL reads scheme://host/... and host/..., which feeds write too. The
// two are not the same URL; a host with nothing but a slash behind it is the host.
func classifyURL(v string, mask uint16) (Observable, bool) {
	if strings.HasPrefix(v, "//") { // of the same scheme as the page
		v = strings.TrimLeft(v, "/")
		mask = classesOf(v)
	}
	if scheme, after, ok := browsed(v); ok {
		return schemeURL(scheme, after)
	}
	if i := strings.Index(v, "://"); i > 0 {
		if scheme, ok := normalScheme(v[:i]); ok {
			return schemeURL(scheme, v[i+3:])
		}
	}
	i := strings.IndexByte(v, '/')
	if i < 1 {
		return Observable{}, false
	}
	authority, rest := v[:i], v[i:]
	host, port, ok := splitPort(authority)
	if !ok {
		return Observable{}, false
	}
	if rest == "/" && port == "" && mask&classAt == 0 {
		return classify("", host)
	}
	o, ok := classify("", host)
	if !ok || (o.Type != Domain && o.Type != IPv4 && o.Type != IPv6) {
		return Observable{}, false
	}
	url := bracket(o) + portSuffix(port, "") + normalRest(rest)
	// What was escaped may turn out to be the size of a network.
	if network, ok := classifyAddress(url, classesOf(url)); ok {
		return network, true
	}
	return Observable{Type: URL, Value: url}, true
}

// browsed reads a URL of a scheme that names a server as browsers do (WHATWG, "special" schemes): up to the query a
// backslash is a slash, and any number of them, or none, stands before the host. Where a backslash stands before
// a point it is left alone: that is how people defang.
func browsed(v string) (scheme, after string, ok bool) {
	i := strings.IndexByte(v, ':')
	if i < 1 {
		return "", "", false
	}
	scheme, ok = normalScheme(v[:i])
	if !ok || defaultPort(scheme) == "" {
		return "", "", false
	}
	head, query := v[i+1:], ""
	if i := strings.IndexAny(head, "?#"); i >= 0 {
		head, query = head[:i], head[i:]
	}
	if strings.Contains(head, `\.`) {
		return "", "", false
	}
	return scheme, strings.TrimLeft(strings.ReplaceAll(head, `\`, "/"), "/") + query, true
}

// bracket writes a host as URLs do.
func bracket(o Observable) string {
	if o.Type == IPv6 {
		return "[" + o.Value + "]"
	}
	return o.Value
}

// schemeURL reads what stands behind scheme://.
func schemeURL(scheme, v string) (Observable, bool) {
	authority, rest := v, ""
	if i := strings.IndexAny(v, "/?#"); i >= 0 {
		authority, rest = v[:i], v[i:]
	}
	user := ""
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		user, authority = authority[:i+1], authority[i+1:]
	}
	name, port, ok := splitPort(authority)
	if !ok {
		return Observable{}, false
	}
	host, ok := urlHost(name)
	if !ok && !(scheme == "file" && authority == "" && user == "") {
		return Observable{}, false
	}
	if defaultPort(scheme) != "" && (rest == "" || rest[0] != '/') {
		rest = "/" + rest
	}
	return Observable{Type: URL,
		Value: scheme + "://" + user + host + portSuffix(port, defaultPort(scheme)) + normalRest(rest)}, true
}

// normalScheme gives a scheme in lower case, its defanged spellings undone.
func normalScheme(s string) (string, bool) {
	if s == "" || len(s) > 32 || !isLetter(s[0]) || s[0] == '_' {
		return "", false
	}
	mask := classesOf(s)
	for i := range len(s) {
		if c := s[i]; classes[c]&(classDigit|classLetters) == 0 && c != '+' && c != '-' && c != '.' {
			return "", false
		}
	}
	switch s = lower(s, mask); s {
	case "hxxp", "hxtp", "htxp":
		return "http", true
	case "hxxps", "hxtps", "htxps":
		return "https", true
	case "fxp":
		return "ftp", true
	}
	return s, true
}

// defaultPort gives the port that a scheme means when none is written.
func defaultPort(scheme string) string {
	switch scheme {
	case "http", "ws":
		return "80"
	case "https", "wss":
		return "443"
	case "ftp":
		return "21"
	}
	return ""
}

// splitPort splits host[:port]; an IPv6 host is in brackets.
func splitPort(authority string) (host, port string, ok bool) {
	i := strings.LastIndexByte(authority, ':')
	if i < strings.IndexByte(authority, ']') || i < 0 {
		return authority, "", true
	}
	host, port = authority[:i], authority[i+1:]
	if port == "" {
		return host, "", true
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || port[0] == '+' {
		return "", "", false
	}
	return host, strconv.FormatUint(n, 10), true
}

// portSuffix writes a port unless it is the one meant anyway.
func portSuffix(port, usual string) string {
	if port == "" || port == usual {
		return ""
	}
	return ":" + port
}

// urlHost gives the host of a URL in normal form. As in browsers, a host that
// ends in a number is an IPv4 address in any notation, or nothing.
func urlHost(host string) (string, bool) {
	if host == "" {
		return "", false
	}
	if host[0] == '[' {
		o, ok := classifyAddress(host, classesOf(host))
		return bracket(o), ok
	}
	host, ok := decodeHost(host)
	if !ok {
		return "", false
	}
	name, ok := hostName(host)
	if !ok {
		return "", false
	}
	last := name[strings.LastIndexByte(name, '.')+1:]
	if _, numeric := parsePart(last); numeric || classesOf(last) == classDigit {
		a, ok := parseIPv4(name, true)
		return a.String(), ok
	}
	return name, true
}

// decodeHost undoes percent-encoding in a host.
func decodeHost(host string) (string, bool) {
	if strings.IndexByte(host, '%') < 0 {
		return host, true
	}
	b := make([]byte, 0, len(host))
	for i := 0; i < len(host); i++ {
		if host[i] != '%' {
			b = append(b, host[i])
			continue
		}
		c, ok := escaped(host[i:])
		if !ok {
			return "", false
		}
		b = append(b, c)
		i += 2
	}
	return string(b), true
}

// escaped reads a %XX at the start of s.
func escaped(s string) (byte, bool) {
	if len(s) < 3 || !isHex(s[1:3]) {
		return 0, false
	}
	n, _ := strconv.ParseUint(s[1:3], 16, 8)
	return byte(n), true
}

// normalRest normalises percent-encoding in path, query and fragment: what
// needs none is decoded, what needs it is encoded, in upper case. Case, dots
// and order stay: they mean different things to different servers.
func normalRest(s string) string {
	if only(classesOf(s), ^(classPercent | classHigh)) {
		return s
	}
	const digits = "0123456789ABCDEF"
	b := make([]byte, 0, len(s)+16)
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '%' {
			code, ok := escaped(s[i:])
			if ok {
				i += 2
				if c = code; isUnreserved(c) {
					b = append(b, c)
					continue
				}
			}
		} else if classes[c] != classHigh {
			b = append(b, c)
			continue
		}
		b = append(b, '%', digits[c>>4], digits[c&15])
	}
	return string(b)
}

// isUnreserved knows the characters that RFC 3986 never needs encoded.
func isUnreserved(c byte) bool {
	return isLetter(c) || isDigit(c) || c == '-' || c == '.' || c == '~'
}

// classifyEmail reads local@domain. The local part is lowered too: servers that
// tell case apart are rarer than feeds that do not keep it.
func classifyEmail(v string) (Observable, bool) {
	i := strings.LastIndexByte(v, '@')
	local, _ := compose(strings.ToLower(v[:i]))
	host := v[i+1:]
	if local == "" || host == "" || len(local) > maxName || strings.ContainsAny(local, "@<>\"(),;\\[]") {
		return Observable{}, false
	}
	name, ok := hostName(host)
	if !ok {
		return Observable{}, false
	}
	if last := strings.LastIndexByte(name, '.'); last < 0 || !isTopLevel(name[last+1:]) {
		return Observable{}, false
	}
	return Observable{Type: Email, Value: local + "@" + name}, true
}
