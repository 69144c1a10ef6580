package identity

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/tyler-smith/go-bip39/wordlists"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// Words gives the eight words of an organisation's fingerprint (ID-05).
func Words(id protocol.OrgID) []string { return Spoken(id) }

// Spoken gives the eight words of any digest, for reading aloud: its first 88
// bits, eleven to a word, in the English list of BIP 39. Keys and proposals are read like organisations.
func Spoken(digest [32]byte) []string {
	const words, bitsPerWord = 8, 11
	out := make([]string, words)
	for w := range out {
		index := 0
		for bit := w * bitsPerWord; bit < (w+1)*bitsPerWord; bit++ {
			index = index<<1 | int(digest[bit/8]>>(7-bit%8))&1
		}
		out[w] = wordlists.English[index]
	}
	return out
}

// Something small that must travel on paper, by telephone or through a camera is
// written as text (armor): lines that a person can type, each with a check of its own, or
// parts for QR codes. Both read back with Unarmor.
const (
	// MaxArmored is the most that armor holds: what ceremonies pass around.
	MaxArmored = 4 << 10

	armorBegin = "tocsin "
	armorEnd   = "end "
	lineBytes  = 24  // 32 characters: what a person types without losing the place
	partChars  = 400 // of base64url in one QR code: it still fits a screen and a camera
	checkChars = 4
)

// Armor writes raw as numbered lines of base64url. Each line ends with four hex
// digits that check it, so that a slip of the pen is found where it is; the last line
// checks the whole. kind says what it is, in letters.
func Armor(kind string, raw []byte) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s%s\n", armorBegin, kind)
	for n, rest := 1, raw; len(rest) > 0; n++ {
		chunk := rest[:min(lineBytes, len(rest))]
		rest = rest[len(chunk):]
		text := base64.RawURLEncoding.EncodeToString(chunk)
		fmt.Fprintf(&b, "%02d %s %s\n", n, text, armorCheck(kind, n, text))
	}
	fmt.Fprintf(&b, "%s%s\n", armorEnd, armorCheck(kind, 0, string(raw)))
	return b.String()
}

// ArmorParts writes raw for QR codes: one text for each code.
func ArmorParts(kind string, raw []byte) []string {
	text := base64.RawURLEncoding.EncodeToString(raw)
	total := max(1, (len(text)+partChars-1)/partChars)
	size := (len(text) + total - 1) / total
	var parts []string
	for n := 1; n <= total; n++ {
		chunk := text[min((n-1)*size, len(text)):min(n*size, len(text))]
		parts = append(parts, fmt.Sprintf("tocsin:%s:%d/%d:%s:%s", kind, n, total, chunk, armorCheck(kind, n, chunk)))
	}
	return parts
}

// armorCheck is short: it finds slips, the signature inside finds the rest.
func armorCheck(kind string, n int, text string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "tocsin/armor\x00%s\x00%d\x00%s", kind, n, text))
	return hex.EncodeToString(sum[:checkChars/2])
}

// Unarmor reads what Armor wrote, or the parts of ArmorParts in any order, one a line. Blank
// lines and lines that start with # are passed over. Errors (usage.invalid) name the line.
func Unarmor(text string) (kind string, raw []byte, err error) {
	if len(text) > 4*MaxArmored {
		return "", nil, reason.New(reason.UsageInvalid, fmt.Sprintf("read armored text: longer than %d characters", 4*MaxArmored))
	}
	var lines []string
	for l := range strings.Lines(text) {
		if l = strings.TrimSpace(l); l != "" && !strings.HasPrefix(l, "#") {
			lines = append(lines, l)
		}
	}
	switch {
	case len(lines) > 0 && strings.HasPrefix(lines[0], "tocsin:"):
		kind, raw, err = readParts(lines)
	case len(lines) > 1 && strings.HasPrefix(lines[0], armorBegin):
		kind, raw, err = readLines(lines)
	default:
		err = fmt.Errorf("want lines from %q to %q", strings.TrimSpace(armorBegin), strings.TrimSpace(armorEnd))
	}
	if err == nil && len(raw) > MaxArmored {
		err = fmt.Errorf("it holds %d bytes, at most %d", len(raw), MaxArmored)
	}
	if err != nil {
		return "", nil, reason.Wrap(reason.UsageInvalid, "read armored text", err)
	}
	return kind, raw, nil
}

func readLines(lines []string) (kind string, raw []byte, err error) {
	kind = strings.TrimPrefix(lines[0], armorBegin)
	last := lines[len(lines)-1]
	for i, line := range lines[1 : len(lines)-1] {
		fields := strings.Fields(line)
		if len(fields) != 3 || fields[0] != fmt.Sprintf("%02d", i+1) {
			return "", nil, fmt.Errorf("line %d is missing or is no line of the form: NUMBER TEXT CHECK", i+1)
		}
		if !strings.EqualFold(fields[2], armorCheck(kind, i+1, fields[1])) {
			return "", nil, fmt.Errorf("line %d does not match its check: look for a slip in it", i+1)
		}
		chunk, err := base64.RawURLEncoding.Strict().DecodeString(fields[1])
		if err != nil {
			return "", nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		raw = append(raw, chunk...)
	}
	if check, ok := strings.CutPrefix(last, armorEnd); !ok || !strings.EqualFold(check, armorCheck(kind, 0, string(raw))) {
		return "", nil, fmt.Errorf("the last line is not %q with the check of the whole: lines are missing", strings.TrimSpace(armorEnd))
	}
	return kind, raw, nil
}

func readParts(lines []string) (kind string, raw []byte, err error) {
	chunks := map[int]string{}
	total := 0
	for i, line := range lines {
		fields := strings.Split(line, ":")
		var n, of int
		if len(fields) != 5 || fields[0] != "tocsin" {
			return "", nil, fmt.Errorf("line %d is no part of the form tocsin:KIND:N/TOTAL:TEXT:CHECK", i+1)
		}
		if _, err := fmt.Sscanf(fields[2], "%d/%d", &n, &of); err != nil || n < 1 || of < n || of > MaxArmored {
			return "", nil, fmt.Errorf("line %d: part %q", i+1, fields[2])
		}
		if !strings.EqualFold(fields[4], armorCheck(fields[1], n, fields[3])) {
			return "", nil, fmt.Errorf("line %d does not match its check", i+1)
		}
		if i > 0 && (kind != fields[1] || total != of) {
			return "", nil, fmt.Errorf("line %d is a part of something else", i+1)
		}
		if other, ok := chunks[n]; ok && other != fields[3] {
			return "", nil, fmt.Errorf("line %d: part %d is there twice and differs", i+1, n)
		}
		kind, total, chunks[n] = fields[1], of, fields[3]
	}
	var text strings.Builder
	for n := 1; n <= total; n++ {
		chunk, ok := chunks[n]
		if !ok {
			return "", nil, fmt.Errorf("part %d of %d is missing", n, total)
		}
		text.WriteString(chunk)
	}
	raw, err = base64.RawURLEncoding.Strict().DecodeString(text.String())
	return kind, raw, err
}
