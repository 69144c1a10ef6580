package logs

import (
	"regexp"
	"slices"
	"strings"
)

// slashed settles words with slashes in them that are no file's path: addresses of the mesh, names of protocols, rates, parts of
// this program, pages of its documentation.
func slashed() func(*page, string) string {
	harmless, own := harmless(), names()
	return func(p *page, m string) string {
		word := strings.TrimRight(m, ":.")
		rest := m[len(word):]
		before := ""
		if at := strings.IndexByte(word, '/'); at > 0 && word[at-1] == ':' {
			before, word = word[:at], word[at:]
		}
		if text, ok := multiaddr(p, word); ok {
			return before + p.keep(text) + rest
		}
		if before == "" && (harmless.MatchString(word) || slices.Contains(own, word)) {
			return p.keep(word) + rest
		}
		return m
	}
}

// harmless are protocols (whole, by name: a folder may begin alike), rates, and words of the program's.
func harmless() *regexp.Regexp {
	return regexp.MustCompile(`^(?:` + strings.Join([]string{
		`/tocsin/(?:identity|heads|invite|sync|witness)/[0-9]+`, `/tocsin/mesh/(?:control|data)/[0-9]+\.[0-9]+\.[0-9]+`,
		`/tocsin/1/[a-z0-9-]+/[a-z0-9-]+`, // topics
		`/(?:meshsub|floodsub|randomsub|noise|tls|yamux|multistream)/[0-9]+\.[0-9]+\.[0-9]+`,
		`/ipfs/(?:id|id/push|ping|kad)/[0-9]+\.[0-9]+\.[0-9]+`,
		`/libp2p/(?:autonat/1\.0\.0|autonat/2/dial-(?:request|back)|circuit/relay/0\.2\.0/(?:hop|stop)|dcutr)`,
		`[0-9]+(?:\.[0-9]+)?/(?:[0-9]+|s|min|h|d)`, `docs/[a-z-]+\.md`, `keys/|state/`, `(?i:i/o|and/or|tcp/udp|udp/tcp|read/write)`,
	}, "|") + `)$`)
}

// The parts of an address of the mesh, by what follows them.
func multiaddrParts() map[string]string {
	return map[string]string{
		"ip4": "address", "ip6": "address", "ip6zone": "host", "dns": "host", "dns4": "host", "dns6": "host", "dnsaddr": "host", "sni": "host",
		"p2p": "peer", "certhash": "id", "tcp": "number", "udp": "number", "ipcidr": "number",
		"quic": "", "quic-v1": "", "ws": "", "wss": "", "tls": "", "noise": "", "http": "", "https": "", "webtransport": "", "webrtc-direct": "", "p2p-circuit": "",
	}
}

// multiaddr gives an address of the mesh without what is told to nobody; false for anything else.
func multiaddr(p *page, text string) (string, bool) {
	parts := strings.Split(strings.TrimSuffix(text, "/"), "/")
	if parts[0] != "" || len(parts) == 1 {
		return "", false
	}
	known := multiaddrParts()
	kinds := make([]string, len(parts)) // of the values
	for i := 1; i < len(parts); i++ {
		follows, ok := known[parts[i]]
		if !ok {
			return "", false
		}
		if follows == "" {
			continue
		}
		if i++; i == len(parts) || parts[i] == "" {
			return "", false
		}
		if follows == "number" && (strings.Trim(parts[i], "0123456789") != "" || len(parts[i]) > 5) {
			return "", false
		}
		kinds[i] = follows
	}
	for i, kind := range kinds {
		switch kind {
		case "", "number":
		case "address":
			parts[i] = address(p, parts[i], "host")
		default:
			parts[i] = p.take(kind, parts[i])
		}
	}
	return strings.Join(parts, "/"), true
}

// pathTaken takes out a file's path, and leaves what stands behind it: a line, and the marks of a sentence.
func pathTaken(p *page, m string) string {
	if !strings.ContainsFunc(m, func(c rune) bool { return c != '/' && c != '.' && c != ' ' && c != '-' }) {
		return m // a slash alone
	}
	path := strings.TrimRight(m, " \t\r:.)]}'")
	if at := strings.LastIndexByte(path, ':'); at > 0 && strings.Trim(path[at+1:], "0123456789") == "" {
		path = path[:at]
	}
	return p.take("path", path) + m[len(path):]
}
