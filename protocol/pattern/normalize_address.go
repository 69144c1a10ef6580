package pattern

import (
	"net/netip"
	"strconv"
	"strings"
)

// classifyAddress reads an IPv4 or IPv6 address, or a network of either.
func classifyAddress(v string, mask uint16) (Observable, bool) {
	if v[0] == '[' && v[len(v)-1] == ']' {
		v = v[1 : len(v)-1]
		if strings.IndexByte(v, ':') < 0 {
			return Observable{}, false
		}
	}
	if mask&classSlash == 0 {
		a, ok := parseAddress(v)
		return addressObservable(a), ok
	}
	host, bits, _ := strings.Cut(v, "/")
	if p, ok := parseNetwork(host, bits); ok {
		if p.IsSingleIP() {
			return addressObservable(p.Addr()), true
		}
		return Observable{Type: CIDR, Value: p.String()}, true
	}
	return Observable{}, false
}

func addressObservable(a netip.Addr) Observable {
	switch {
	case a.Is4():
		return Observable{Type: IPv4, Value: a.String()}
	case a.Is6():
		return Observable{Type: IPv6, Value: a.String()}
	}
	return Observable{}
}

// parseAddress reads an address of either family. What stands for an IPv4
// address inside IPv6 (mapped, NAT64) is that IPv4 address; a zone is dropped.
func parseAddress(v string) (netip.Addr, bool) {
	if strings.IndexByte(v, ':') < 0 {
		return parseIPv4(v, false)
	}
	a, ok := parseIPv6(v)
	if ok && embedsIPv4(a) {
		return lastIPv4(a), true
	}
	return a, ok
}

// parseIPv6 reads an IPv6 address as it stands, without its zone.
func parseIPv6(v string) (netip.Addr, bool) {
	v, _, _ = strings.Cut(v, "%")
	if !only(classesOf(v), classHexDigit|classColon|classDot) {
		return netip.Addr{}, false
	}
	a, err := netip.ParseAddr(v)
	return a, err == nil && a.Is6()
}

// embedsIPv4 knows the IPv6 prefixes whose last 32 bits are an IPv4 address:
// ::ffff:0:0/96 (mapped) and 64:ff9b::/96 (NAT64).
func embedsIPv4(a netip.Addr) bool {
	if a.Is4In6() {
		return true
	}
	b := a.As16()
	return b[0] == 0 && b[1] == 0x64 && b[2] == 0xff && b[3] == 0x9b &&
		[8]byte(b[4:12]) == [8]byte{}
}

func lastIPv4(a netip.Addr) netip.Addr {
	b := a.As16()
	return netip.AddrFrom4([4]byte(b[12:]))
}

// parseNetwork reads address/bits and masks the address to its network.
func parseNetwork(host, bits string) (netip.Prefix, bool) {
	if bits == "" || len(bits) > 3 || classesOf(bits) != classDigit {
		return netip.Prefix{}, false
	}
	n, _ := strconv.Atoi(bits)
	a, ok := parseIPv4(host, false)
	if !ok {
		if a, ok = parseIPv6(host); !ok {
			return netip.Prefix{}, false
		}
		if n >= 96 && embedsIPv4(a) {
			a, n = lastIPv4(a), n-96
		}
	}
	p, err := a.Prefix(n)
	return p, err == nil
}

// parseIPv4 reads an IPv4 address as inet_aton does: each part decimal, octal
// (leading 0) or hex (leading 0x). Fewer than four parts, where the last fills
// the rest, are read when short is set; one part also when it is 0x and eight
// digits, which nothing else looks like.
func parseIPv4(v string, short bool) (netip.Addr, bool) {
	if len(v) < 1 || !isDigit(v[0]) || len(v) > len("0x000000ff.0x000000ff.0x000000ff.0x000000ff") {
		return netip.Addr{}, false
	}
	var parts [4]uint64
	n := 0
	for rest, more := v, true; more; n++ {
		var part string
		part, rest, more = strings.Cut(rest, ".")
		value, ok := parsePart(part)
		if n == len(parts) || !ok {
			return netip.Addr{}, false
		}
		parts[n] = value
	}
	if n < 4 && !short && !(n == 1 && len(v) == 10 && v[1]|0x20 == 'x') {
		return netip.Addr{}, false
	}
	sum := parts[n-1]
	if sum >= 1<<(8*(5-n)) {
		return netip.Addr{}, false
	}
	for i, part := range parts[:n-1] {
		if part > 0xff {
			return netip.Addr{}, false
		}
		sum |= part << (8 * (3 - i))
	}
	return netip.AddrFrom4([4]byte{byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)}), true
}

// parsePart reads one part of an IPv4 address.
func parsePart(s string) (value uint64, ok bool) {
	base := uint64(10)
	if len(s) > 1 && s[0] == '0' {
		base, s = 8, s[1:]
		if s[0]|0x20 == 'x' {
			base, s = 16, s[1:]
		}
	}
	if s == "" || len(s) > 11 {
		return 0, false
	}
	for i := range len(s) {
		digit := uint64(16)
		switch c := s[i]; {
		case isDigit(c):
			digit = uint64(c - '0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			digit = uint64(c|0x20-'a') + 10
		}
		if digit >= base {
			return 0, false
		}
		value = value*base + digit
	}
	return value, true
}
