package stix

import (
	"bytes"
	"slices"
	"time"
)

const (
	longestName = 250 // characters of a type, a property or a dictionary's key
	uuidLength  = 36
)

// splitID reads "type--uuid" and returns the type. The uuid is an RFC 4122 one
// in hexadecimal digits of either case. OBJ-11
func splitID(id []byte) (typ []byte, ok bool) {
	at := len(id) - uuidLength - 2
	if at < 1 || id[at] != '-' || id[at+1] != '-' || !typeName(id[:at]) || !isUUID(id[at+2:]) {
		return nil, false
	}
	return id[:at], true
}

// isUUID wants the variant of RFC 4122 and a version that RFC 4122 or its
// successor RFC 9562 knows.
func isUUID(b []byte) bool {
	if b[8] != '-' || b[13] != '-' || b[18] != '-' || b[23] != '-' {
		return false
	}
	odd := false
	for _, part := range [...][]byte{b[:8], b[9:13], b[14:18], b[19:23], b[24:uuidLength]} {
		for _, c := range part {
			odd = odd || !hexDigits[c]
		}
	}
	variant, _ := hexDigit(b[19])
	return !odd && b[14] >= '1' && b[14] <= '8' && variant>>2 == 2
}

// hexDigits marks the hexadecimal digits of either case.
var hexDigits = func() (t [256]bool) {
	for c := range t {
		_, t[c] = hexDigit(byte(c))
	}
	return t
}()

// uuidVersion is the version of the UUID at the end of an id.
func uuidVersion(id []byte) byte { return id[len(id)-uuidLength+14] - '0' }

// typeName reports a name that a type may have: lower case, digits and single
// hyphens, 3..250 characters, a letter first. OBJ-11
func typeName(b []byte) bool {
	if len(b) < 3 || len(b) > longestName || b[0] < 'a' || b[0] > 'z' {
		return false
	}
	for i, c := range b {
		switch {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
		case c == '-' && b[i-1] != '-':
		default:
			return false
		}
	}
	return true
}

// propertyName reports a name that a property may have. Two letters are fewer
// than the standard allows, and in real use. OBJ-14
func propertyName(b []byte) bool {
	if len(b) < 2 || len(b) > longestName || b[0] < 'a' || b[0] > 'z' {
		return false
	}
	for _, c := range b {
		if c != '_' && (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// dictionaryKey reports a name that a dictionary's key may have.
func dictionaryKey(b []byte) bool {
	if len(b) == 0 || len(b) > longestName {
		return false
	}
	for _, c := range b {
		if !alphanumeric(c) && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

func alphanumeric(c byte) bool { return letter(c) || digit(c) }

func letter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

func digit(c byte) bool { return c >= '0' && c <= '9' }

func among(b []byte, list []string) bool {
	return slices.ContainsFunc(list, func(s string) bool { return s == string(b) })
}

// parseTime reads an RFC 3339 time in UTC as STIX wants it: upper case T and
// Z, any number of digits of a second. Second 60 counts as the next minute's
// first; digits beyond nanoseconds do not count. OBJ-12
func parseTime(b []byte) (time.Time, bool) {
	const shortest = len("2006-01-02T15:04:05Z")
	end := len(b) - 1
	if len(b) < shortest || b[4] != '-' || b[7] != '-' || b[10] != 'T' || b[13] != ':' || b[16] != ':' || b[end] != 'Z' {
		return time.Time{}, false
	}
	century, year, month, day := two(b), two(b[2:]), two(b[5:]), two(b[8:])
	hour, minute, second := two(b[11:]), two(b[14:]), two(b[17:])
	if min(century, year, month, day, hour, minute, second) < 0 {
		return time.Time{}, false
	}
	year += 100 * century
	nanos, ok := fraction(b[shortest-1 : end])
	if !ok || month < 1 || month > 12 || day < 1 || day > daysIn(year, month) || hour > 23 || minute > 59 || second > 60 {
		return time.Time{}, false
	}
	return time.Date(year, time.Month(month), day, hour, minute, second, nanos, time.UTC), true
}

// two reads two digits; what is none gives a negative number.
func two(b []byte) int {
	if !digit(b[0]) || !digit(b[1]) {
		return -1
	}
	return int(b[0]-'0')*10 + int(b[1]-'0')
}

func daysIn(year, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// fraction reads ".s+", or nothing, as nanoseconds.
func fraction(b []byte) (nanos int, ok bool) {
	if len(b) == 0 {
		return 0, true
	}
	if b[0] != '.' || len(b) == 1 {
		return 0, false
	}
	scale := 100_000_000
	for _, c := range b[1:] {
		if !digit(c) {
			return 0, false
		}
		nanos += int(c-'0') * scale
		scale /= 10
	}
	return nanos, true
}

// languageTag reports a tag of the form of RFC 5646. A language of two letters
// must be one of ISO 639-1; longer ones are taken on their form. OBJ-17
func languageTag(b []byte) bool {
	part, rest, more := bytes.Cut(b, []byte("-"))
	switch n := len(part); {
	case n == 1 && (part[0]|0x20 == 'x' || part[0]|0x20 == 'i'):
		return more && subtags(rest, 1, 8)
	case n < 2 || n > 8 || !allLetters(part):
		return false
	case n == 2 && !alpha2(part):
		return false
	}
	for i := 0; more && i < 3 && len(part) <= 3; i++ { // extended languages
		next, after, again := bytes.Cut(rest, []byte("-"))
		if len(next) != 3 || !allLetters(next) {
			break
		}
		rest, more = after, again
	}
	return !more || scriptAndOn(rest)
}

// scriptAndOn reads what may follow the language: script, region, variants,
// extensions, private use, each in its place.
func scriptAndOn(b []byte) bool {
	const (
		script = iota
		region
		variant
	)
	place := script
	for more := true; more; {
		var part, rest []byte
		part, rest, more = bytes.Cut(b, []byte("-"))
		n := len(part)
		switch {
		case n == 1 && alphanumeric(part[0]):
			return more && subtags(rest, 1, 8)
		case place == script && n == 4 && allLetters(part):
			place = region
		case place <= region && (n == 2 && allLetters(part) || n == 3 && allDigits(part)):
			place = variant
		case n >= 5 && n <= 8 && allAlphanumeric(part), n == 4 && digit(part[0]) && allAlphanumeric(part):
			place = variant
		default:
			return false
		}
		b = rest
	}
	return true
}

func subtags(b []byte, low, high int) bool {
	for part := range bytes.SplitSeq(b, []byte("-")) {
		if len(part) < low || len(part) > high || !allAlphanumeric(part) {
			return false
		}
	}
	return true
}

func allLetters(b []byte) bool      { return every(b, letter) }
func allDigits(b []byte) bool       { return every(b, digit) }
func allAlphanumeric(b []byte) bool { return every(b, alphanumeric) }

func every(b []byte, is func(byte) bool) bool {
	for _, c := range b {
		if !is(c) {
			return false
		}
	}
	return true
}

// iso639 is every language of ISO 639-1, two letters each.
const iso639 = "aaabaeafakamanarasavayazbabebgbhbibmbnbobrbscacechcocrcscucvcydadedvdzeeeleneoeseteu" +
	"fafffifjfofrfygagdglgngugvhahehihohrhthuhyhziaidieigiiikioisitiujajvkakgkikjkkklkmknkokrkskukvkwky" +
	"lalblglilnloltlulvmgmhmimkmlmnmrmsmtmynandnengnlnnnonrnvnyocojomorospapiplpsptqurmrnrorurwsasc" +
	"sdsesgsiskslsmsnsosqsrssstsusvswtatetgthtitktltntotrtstttwtyugukuruzvevivowawoxhyiyozazhzu"

func alpha2(b []byte) bool {
	for i := 0; i < len(iso639); i += 2 {
		if b[0]|0x20 == iso639[i] && b[1]|0x20 == iso639[i+1] {
			return true
		}
	}
	return false
}
