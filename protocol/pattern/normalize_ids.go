package pattern

import (
	"strconv"
	"strings"
	"unicode"
)

// hashType tells hashes apart by their number of hex digits.
func hashType(digits int) (Type, bool) {
	switch digits {
	case 32:
		return MD5, true
	case 40:
		return SHA1, true
	case 64:
		return SHA256, true
	case 128:
		return SHA512, true
	}
	return "", false
}

// hashDigits gives the number of hex digits of an algorithm of the standard's
// vocabulary, under any spelling of its name.
func hashDigits(algorithm string) (int, bool) {
	// On the ingest path of most patterns: no allocation here.
	var name [16]byte
	n := 0
	for i := range len(algorithm) {
		c := algorithm[i]
		if c == '-' {
			continue
		}
		if n == len(name) {
			return 0, false
		}
		if c >= 'a' && c <= 'z' {
			c -= 'a' - 'A'
		}
		name[n] = c
		n++
	}
	switch string(name[:n]) {
	case "MD5":
		return 32, true
	case "SHA1", "RIPEMD160":
		return 40, true
	case "SHA224", "SHA3224":
		return 56, true
	case "SHA256", "SHA3256":
		return 64, true
	case "SHA384", "SHA3384":
		return 96, true
	case "SHA512", "SHA3512", "WHIRLPOOL":
		return 128, true
	}
	return 0, false
}

// normalizeHash is normalize for a hash that says of which algorithm it is. SHA-3 is as long as SHA-2 and something else: it
// is text with its name before it.
func normalizeHash(root, algorithm, value string) Observable {
	if strings.IndexByte(algorithm, '3') < 0 || !strings.HasPrefix(strings.ReplaceAll(strings.ToUpper(algorithm), "-", ""), "SHA3") {
		return normalize(root, value)
	}
	digits, ok := hashDigits(algorithm)
	v := strings.TrimFunc(value, unicode.IsSpace)
	if !ok || len(v) != digits || !isHex(v) {
		return normalize(root, value)
	}
	return Observable{Type: Text, Value: "sha3-" + strconv.Itoa(4*digits) + ":" + strings.ToLower(v)}
}

// classifyMAC reads a MAC address: aa:bb:cc:dd:ee:ff with : or -, or
// aabb.ccdd.eeff. The dotted form may look like a domain: it counts when its
// last group has a digit. Under mac-addr (known) it always counts, and so do
// twelve digits without separators.
func classifyMAC(v string, mask uint16, known bool) (Observable, bool) {
	group := 0
	switch {
	case len(v) == 17 && only(mask, classHexDigit|classColon), len(v) == 17 && only(mask, classHexDigit|classHyphen):
		group = 2
	case len(v) == 14 && only(mask, classHexDigit|classDot) && (known || classesOf(v[10:])&classDigit != 0):
		group = 4
	case len(v) == 12 && known && only(mask, classHexDigit):
		group = 12
	default:
		return Observable{}, false
	}
	b := make([]byte, 0, 17)
	for i := range len(v) {
		separator := i%(group+1) == group
		if separator == (classes[v[i]]&classHexDigit != 0) {
			return Observable{}, false
		}
		if separator {
			continue
		}
		if len(b)%3 == 2 {
			b = append(b, ':')
		}
		b = append(b, v[i])
	}
	s := string(b)
	return Observable{Type: MAC, Value: lower(s, mask)}, true
}

// classifyASN reads AS64496 or ASN64496.
func classifyASN(v string, mask uint16) (Observable, bool) {
	if len(v) < 3 || v[0]|0x20 != 'a' || v[1]|0x20 != 's' || mask&classDigit == 0 {
		return Observable{}, false
	}
	v = v[2:]
	if v[0]|0x20 == 'n' {
		v = v[1:]
	}
	if classesOf(v) != classDigit {
		return Observable{}, false
	}
	return asn(v)
}

// asn reads the number of an autonomous system.
func asn(digits string) (Observable, bool) {
	n, err := strconv.ParseUint(digits, 10, 32)
	if err != nil {
		return Observable{}, false
	}
	return Observable{Type: ASN, Value: "AS" + strconv.FormatUint(n, 10)}, true
}
