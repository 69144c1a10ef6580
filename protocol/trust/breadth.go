package trust

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"

	"tocsin/protocol/pattern"
)

// The broadest networks that machines may act on.
const (
	broadestIPv4 = 24
	broadestIPv6 = 56
)

// shared are domains that can be registered and under which strangers to each other have names
// of their own, though not directly: the public suffix list tells of the suffixes
// below but not of these. A few large ones; soft warning lists hold the rest.
var shared = [...]string{
	"amazonaws.com", "amazonaws.com.cn", "azure.com", "cdn77.org", "clever-cloud.com", "digitaloceanspaces.com",
	"fastly.net", "googleusercontent.com", "jelastic.com", "linode.com", "on.aws", "oraclecloud.com", "ovh.net",
	"platform.sh", "railway.app", "render.com", "salesforce.com", "scw.cloud", "usgovcloudapi.net", "windows.net",
}

// tooBroad says in a sentence why acting on a value would reach too many, or "".
func tooBroad(o pattern.Observable) string {
	switch o.Type {
	case pattern.CIDR:
		return broadNetwork(o.Value)
	case pattern.Domain:
		return broadDomain(o.Value)
	case pattern.ASN:
		return "An autonomous system is broader than a /24 or a /56."
	}
	if !slices.Contains(actable(), o.Type) {
		return fmt.Sprintf("Machines act on no values of kind %s.", o.Type)
	}
	return ""
}

func broadNetwork(value string) string {
	n, err := netip.ParsePrefix(value)
	if err != nil {
		return "The value cannot be read as a network."
	}
	broadest, bits := broadestIPv6, n.Bits()
	switch {
	case n.Addr().Is4():
		broadest = broadestIPv4
	case n.Addr().Is4In6(), bits >= 96 && (nat64().Contains(n.Addr()) || translated().Contains(n.Addr())):
		broadest = 96 + broadestIPv4 // IPv4 in another dress
	}
	if bits < broadest {
		return fmt.Sprintf("The network is a /%d, and machines act on nothing broader than a /%d.", bits, broadest)
	}
	return ""
}

// nat64 is the well-known prefix under which IPv6 writes all of IPv4 (RFC 6052).
func nat64() netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom16([16]byte{0, 0x64, 0xff, 0x9b}), 96)
}

// translated is the prefix of IPv4-translated addresses, ::ffff:0:0:0/96 (RFC 2765).
func translated() netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom16([16]byte{8: 0xff, 9: 0xff}), 96)
}

// broadDomain refuses a public suffix and what others register names below of: there is a
// name under it that somebody else may own.
func broadDomain(name string) string {
	name = strings.TrimSuffix(strings.ToLower(name), ".")
	suffix, _ := publicsuffix.PublicSuffix(name)
	below, _ := publicsuffix.PublicSuffix("name." + name) // finds rules for all names under a zone
	if suffix == name || len(below) >= len(name) || slices.Contains(shared[:], name) {
		return "The domain is a zone under which others register names of their own, and machines act on nothing broader than one registered domain."
	}
	return ""
}
