package identity

import (
	"bytes"
	"crypto/rand"
	"slices"
	"strings"
	"testing"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

func TestSpoken(t *testing.T) {
	d := protocol.Digest{0xff, 0xe0} // eleven ones, then zeros
	got := Spoken(d)
	if len(got) != 8 || got[0] != "zoo" || got[1] != "abandon" || !slices.Equal(got, Words(protocol.OrgID(d))) {
		t.Errorf("%v", got)
	}
	d[11] = 1 // beyond the 88 bits
	if !slices.Equal(got, Spoken(d)) {
		t.Error("more than 88 bits are spoken")
	}
	d[10] = 1
	if slices.Equal(got, Spoken(d)) {
		t.Error("the 88th bit is not spoken")
	}
}

// TestArmor takes every length around the limits of lines and parts there and back.
func TestArmor(t *testing.T) {
	for _, n := range []int{0, 1, lineBytes - 1, lineBytes, lineBytes + 1, 300, 301, 1000, MaxArmored} {
		raw := make([]byte, n)
		_, _ = rand.Read(raw)
		text := "# a note\n\n" + strings.ReplaceAll(Armor("revocation", raw), "\n", "  \r\n")
		if kind, got, err := Unarmor(text); err != nil || kind != "revocation" || !bytes.Equal(got, raw) {
			t.Errorf("%d bytes as lines: %v", n, err)
		}
		parts := ArmorParts("proposal", raw)
		for _, p := range parts {
			if len(p) > partChars+40 {
				t.Errorf("a part of %d characters", len(p))
			}
		}
		slices.Reverse(parts)
		if kind, got, err := Unarmor(strings.Join(append(parts, parts[0]), "\n")); err != nil || kind != "proposal" || !bytes.Equal(got, raw) {
			t.Errorf("%d bytes as %d parts: %v", n, len(parts), err)
		}
	}
	if _, _, err := Unarmor(Armor("x", make([]byte, MaxArmored+1))); reason.Of(err) != reason.UsageInvalid {
		t.Errorf("one byte too long: %v", err)
	}
}

// TestArmorFindsSlips changes every character of an armored text: each slip is found,
// and what is in a numbered line is named by it.
func TestArmorFindsSlips(t *testing.T) {
	raw := bytes.Repeat([]byte("slip"), 30)
	for _, text := range []string{Armor("part", raw), strings.Join(ArmorParts("part", raw), "\n")} {
		for i, c := range []byte(text) {
			if c == '\n' || c == ' ' {
				continue
			}
			bad := []byte(text)
			bad[i] = 'x'
			if c == 'x' {
				bad[i] = 'y'
			}
			kind, got, err := Unarmor(string(bad))
			if err == nil {
				t.Fatalf("slip at %d gives %q of kind %q", i, got, kind)
			}
		}
	}
	lines := strings.SplitAfter(Armor("part", raw), "\n")
	lines[2] = strings.Replace(lines[2], lines[2][5:6], "_", 1)
	if _, _, err := Unarmor(strings.Join(lines, "")); err == nil || !strings.Contains(err.Error(), "line 2 does not match") {
		t.Errorf("a slip in line 2: %v", err)
	}
	for name, text := range map[string]string{
		"nothing": "", "comment": "# x", "other": "hello", "only a head": "tocsin part",
		"a line less": strings.Join(append(slices.Clone(lines[:3]), lines[4:]...), ""),
		"a part less": ArmorParts("x", make([]byte, 600))[0],
		"two kinds":   ArmorParts("x", raw)[0] + "\n" + ArmorParts("y", raw)[0],
		"huge":        strings.Repeat("x", 4*MaxArmored+1),
	} {
		if _, _, err := Unarmor(text); reason.Of(err) != reason.UsageInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzUnarmor: what reads, reads again from both forms that it is written in.
func FuzzUnarmor(f *testing.F) {
	f.Add(Armor("part", []byte("some bytes")))
	f.Add(strings.Join(ArmorParts("part", bytes.Repeat([]byte("x"), 500)), "\n"))
	f.Fuzz(func(t *testing.T, text string) {
		kind, raw, err := Unarmor(text)
		if err != nil || strings.ContainsAny(kind, ": \t\r\n") || strings.TrimSpace(kind) != kind {
			return
		}
		for _, again := range []string{Armor(kind, raw), strings.Join(ArmorParts(kind, raw), "\n")} {
			if k, r, err := Unarmor(again); err != nil || k != kind || !bytes.Equal(r, raw) {
				t.Errorf("%q of kind %q: %v", raw, kind, err)
			}
		}
	})
}
