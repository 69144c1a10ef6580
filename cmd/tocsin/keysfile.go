package main

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"rsc.io/qr"

	"tocsin/node/identity"
	"tocsin/protocol/reason"
)

// maxKeyFile bounds what is read of a file with statements, a proposal or a part.
const maxKeyFile = 64 << 10

// readArmored reads a file that is binary, or armored text of one kind: typed in,
// pasted, or read from QR codes.
func (g *globals) readArmored(file, kind string) ([]byte, error) {
	in, _, err := g.open(file)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	raw, err := io.ReadAll(io.LimitReader(in, maxKeyFile+1))
	if err != nil {
		return nil, fileError(err)
	}
	if len(raw) > maxKeyFile {
		return nil, reason.New(reason.InputSize, fmt.Sprintf("read %s: more than %d bytes", file, maxKeyFile))
	}
	if len(raw) == 0 {
		return nil, usagef("read %s: it is empty", file)
	}
	if !utf8.Valid(raw) || !strings.Contains(string(raw), "tocsin") || raw[0] >= 0x80 {
		return raw, nil
	}
	got, out, err := identity.Unarmor(string(raw))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if got != kind {
		return nil, usagef("read %s: it holds a %s, want a %s", file, got, kind)
	}
	return out, nil
}

// showQR draws QR codes, one under the other, with half blocks: two modules a character.
// They are drawn dark on light whatever the terminal's colours, since cameras want it so.
func (g *globals) showQR(w io.Writer, texts []string) {
	for i, text := range texts {
		code, err := qr.Encode(text, qr.L)
		if err != nil {
			fmt.Fprintf(w, "no QR code: %v\n", err)
			return
		}
		if len(texts) > 1 {
			fmt.Fprintf(w, "QR code %d of %d\n", i+1, len(texts))
		}
		drawQR(w, code.Size, code.Black, g.colored())
	}
}

// quiet is the light border that a camera needs.
const quiet = 2

func drawQR(w io.Writer, size int, black func(x, y int) bool, colored bool) {
	for y := -quiet; y < size+quiet; y += 2 {
		var line strings.Builder
		for x := -quiet; x < size+quiet; x++ {
			// On a dark terminal the block character is light: it draws what is not black.
			top, bottom := !black(x, y), !black(x, y+1)
			switch {
			case top && bottom:
				line.WriteRune('█')
			case top:
				line.WriteRune('▀')
			case bottom:
				line.WriteRune('▄')
			default:
				line.WriteRune(' ')
			}
		}
		if colored {
			fmt.Fprintf(w, "\x1b[97;40m%s\x1b[0m\n", line.String())
		} else {
			fmt.Fprintln(w, line.String())
		}
	}
}
