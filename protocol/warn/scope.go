package warn

import (
	"strings"

	"tocsin/protocol/pattern"
)

// scope is a set of types of values.
type scope uint16

const (
	scopeAddress scope = 1 << iota // addresses and networks
	scopeName
	scopeURL
	scopeEmail
	scopeMD5
	scopeSHA1
	scopeSHA256
	scopeSHA512
	scopeMAC
	scopeASN
	scopeText
	scopeAll = 1<<iota - 1
)

// scopeOfType gives the one scope that an observable is in; none for what is no value.
func scopeOfType(t pattern.Type) scope {
	switch t {
	case pattern.IPv4, pattern.IPv6, pattern.CIDR:
		return scopeAddress
	case pattern.Domain:
		return scopeName
	case pattern.URL:
		return scopeURL
	case pattern.Email:
		return scopeEmail
	case pattern.MD5:
		return scopeMD5
	case pattern.SHA1:
		return scopeSHA1
	case pattern.SHA256:
		return scopeSHA256
	case pattern.SHA512:
		return scopeSHA512
	case pattern.MAC:
		return scopeMAC
	case pattern.ASN:
		return scopeASN
	case pattern.Text:
		return scopeText
	}
	return 0
}

// scopeOf gives the values that a list with these matching attributes is for.
func scopeOf(attributes []string) scope {
	if len(attributes) == 0 {
		return scopeAll
	}
	var s scope
	for _, a := range attributes {
		s |= scopeOfAttribute(strings.ToLower(strings.TrimSpace(a)))
	}
	return s
}

// scopeOfAttribute reads one MISP attribute type. Of composite types each part
// counts, but a file name beside a hash, and a port beside a host: those lists are of hashes and hosts.
func scopeOfAttribute(a string) scope {
	if first, second, composite := strings.Cut(a, "|"); composite {
		switch {
		case first == "filename":
			return scopeOfAttribute(second)
		case second == "port":
			return scopeOfAttribute(first)
		}
		return scopeOfAttribute(first) | scopeOfAttribute(second)
	}
	switch a {
	case "ip", "ip-src", "ip-dst":
		return scopeAddress
	case "domain", "hostname":
		return scopeName
	case "url", "uri", "link":
		return scopeURL
	case "email", "email-src", "email-dst", "email-reply-to", "target-email", "whois-registrant-email", "dns-soa-email", "jabber-id", "eppn":
		return scopeEmail
	case "md5", "imphash", "malware-sample", "x509-fingerprint-md5", "ja3-fingerprint-md5", "hassh-md5", "hasshserver-md5":
		return scopeMD5
	case "sha1", "x509-fingerprint-sha1", "pehash":
		return scopeSHA1
	case "sha256", "x509-fingerprint-sha256", "authentihash", "sha512/256":
		return scopeSHA256
	case "sha512":
		return scopeSHA512
	case "mac-address", "mac-eui-64":
		return scopeMAC
	case "as":
		return scopeASN
	}
	return scopeText // what this program has no type of its own for
}
