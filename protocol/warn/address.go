package warn

import (
	"encoding/binary"
	"net/netip"
)

// key is where something stands in a table: an address, or the first half of a hash.
type key struct{ hi, lo uint64 }

func (k key) less(o key) bool { return k.hi < o.hi || k.hi == o.hi && k.lo < o.lo }

// addressKey keeps the order of addresses. IPv4 and IPv6 are in tables of their own.
func addressKey(a netip.Addr) key {
	if a.Is4() {
		b := a.As4()
		return key{hi: uint64(binary.BigEndian.Uint32(b[:])) << 32}
	}
	b := a.As16()
	return key{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

// keyAddress is addressKey undone.
func keyAddress(k key, four bool) netip.Addr {
	if four {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], uint32(k.hi>>32))
		return netip.AddrFrom4(b)
	}
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], k.hi)
	binary.BigEndian.PutUint64(b[8:], k.lo)
	return netip.AddrFrom16(b)
}

// lastAddress is the highest address of a network.
func lastAddress(p netip.Prefix) netip.Addr {
	b := p.Addr().As16()
	skip := p.Bits()
	if p.Addr().Is4() {
		skip += 96
	}
	for i := skip; i < 128; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	if a := netip.AddrFrom16(b); p.Addr().Is6() {
		return a
	} else {
		return a.Unmap()
	}
}

// embedding is a way in which IPv6 addresses stand for IPv4 ones.
type embedding struct {
	within netip.Prefix
	at     int  // the bit where the IPv4 address begins
	flip   bool // its bits are inverted (Teredo)
}

// embeddings lists them. Whoever blocks such an address means the IPv4 host behind it.
func embeddings() [7]embedding {
	v6 := func(groups [8]uint16, bits int) netip.Prefix {
		var b [16]byte
		for i, g := range groups {
			binary.BigEndian.PutUint16(b[2*i:], g)
		}
		return netip.PrefixFrom(netip.AddrFrom16(b), bits)
	}
	return [7]embedding{
		{v6([8]uint16{5: 0xffff}, 96), 96, false},       // ::ffff:0:0/96, mapped
		{v6([8]uint16{4: 0xffff}, 96), 96, false},       // ::ffff:0:0:0/96, translated (RFC 2765)
		{v6([8]uint16{}, 96), 96, false},                // ::/96, IPv4-compatible (RFC 4291 2.5.5.1)
		{v6([8]uint16{0x64, 0xff9b}, 96), 96, false},    // NAT64 (RFC 6052)
		{v6([8]uint16{0x64, 0xff9b, 1}, 48), 96, false}, // NAT64 of local use (RFC 8215), as most deploy it
		{v6([8]uint16{0x2002}, 16), 16, false},          // 6to4 (RFC 3056)
		{v6([8]uint16{0x2001}, 32), 96, true},           // Teredo (RFC 4380): the client
	}
}

// embedded gives the IPv4 network that an IPv6 network stands for under e. One that
// is larger than the embedding stands for all of IPv4 when it holds the embedding.
func (e embedding) embedded(p netip.Prefix) (netip.Prefix, bool) {
	if !e.within.Overlaps(p) {
		return netip.Prefix{}, false
	}
	bits := min(max(p.Bits()-e.at, 0), 32)
	b := p.Addr().As16()
	four := [4]byte(b[e.at/8 : e.at/8+4])
	if e.flip {
		for i := range four {
			four[i] ^= 0xff
		}
	}
	v4, err := netip.AddrFrom4(four).Prefix(bits)
	return v4, err == nil
}
