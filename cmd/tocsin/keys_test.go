package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rsc.io/qr"

	"tocsin/node/identity"
)

// TestDrawQR reads a drawing back, module by module: what is drawn is the code, with
// its light border.
func TestDrawQR(t *testing.T) {
	for _, n := range []int{1, 71, 360, 450} {
		text := strings.Repeat("x", n)
		code, err := qr.Encode(text, qr.L)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		drawQR(&out, code.Size, code.Black, false)
		lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
		if want := (code.Size + 2*quiet + 1) / 2; len(lines) != want {
			t.Fatalf("%d lines for a code of %d, want %d", len(lines), code.Size, want)
		}
		for row, line := range lines {
			for column, r := range []rune(line) {
				x, y := column-quiet, 2*row-quiet
				top, bottom := r == ' ' || r == '▄', r == ' ' || r == '▀'
				if top != code.Black(x, y) || bottom != code.Black(x, y+1) {
					t.Fatalf("module %d,%d of a code of %d is drawn wrong", x, y, code.Size)
				}
			}
		}
		if wide := len([]rune(lines[0])); wide > 80+2*quiet {
			t.Errorf("a text of %d characters takes %d columns", n, wide)
		}
	}
}

// TestReadArmored: a statement, proposal or part comes as bytes or as text, and nothing
// is taken for something else.
func TestReadArmored(t *testing.T) {
	dir := t.TempDir()
	g := &globals{streams: streams{in: strings.NewReader("")}}
	raw := []byte{0x85, 1, 2, 3, 't', 'o', 'c', 's', 'i', 'n'}
	read := func(content string, kind string) ([]byte, error) {
		path := filepath.Join(dir, "file")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return g.readArmored(path, kind)
	}
	for name, content := range map[string]string{
		"bytes": string(raw), "lines": identity.Armor(identity.KindPart, raw),
		"parts": strings.Join(identity.ArmorParts(identity.KindPart, raw), "\n"), "with a note": "# by hand\n\n" + identity.Armor(identity.KindPart, raw),
	} {
		if got, err := read(content, identity.KindPart); err != nil || !bytes.Equal(got, raw) {
			t.Errorf("%s: %x, %v", name, got, err)
		}
	}
	for name, content := range map[string]string{
		"empty": "", "another kind": identity.Armor(identity.KindProposal, raw), "cut": identity.Armor(identity.KindPart, raw)[:20],
		"huge": strings.Repeat("x", maxKeyFile+1),
	} {
		if got, err := read(content, identity.KindPart); err == nil {
			t.Errorf("%s: read as %x", name, got)
		}
	}
}
