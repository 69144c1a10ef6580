package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"tocsin/protocol/reason"
)

// newTerminal makes a terminal: what is written to keys is typed there, and what is shown can be read from them.
func newTerminal(t *testing.T) (keys, terminal *os.File) {
	t.Helper()
	keys, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("NOT CHECKED: no terminals here: %v", err)
	}
	t.Cleanup(func() { _ = keys.Close() })
	if err := unix.IoctlSetPointerInt(int(keys.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(keys.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = terminal.Close() })
	return keys, terminal
}

// modes are how a terminal is set.
func modes(t *testing.T, terminal *os.File) unix.Termios {
	t.Helper()
	set, err := unix.IoctlGetTermios(int(terminal.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return *set
}

// A passphrase is asked for without being shown, a new one twice, and the terminal is afterwards what it was before, however it ends.
func TestPassphrase(t *testing.T) {
	t.Setenv(passphraseEnv, "")
	for name, c := range map[string]struct {
		typed string
		anew  bool
		want  string
		code  reason.Code
	}{
		"once":                 {"s3cret\r", false, "s3cret", ""},
		"with a line feed":     {"s3cret\n", false, "s3cret", ""},
		"twice":                {"s3cret\rs3cret\r", true, "s3cret", ""},
		"corrected":            {"s3crr\x7fet\r", false, "s3cret", ""},
		"two different":        {"s3cret\rother\r", true, "", reason.UsageInvalid},
		"empty":                {"\r", false, "", reason.UsageInvalid},
		"Ctrl-C":               {"s3c\x03", false, "", reason.Interrupted},
		"Ctrl-C at the second": {"s3cret\r\x03", true, "", reason.Interrupted},
		"Ctrl-D":               {"\x04", false, "", reason.Interrupted},
	} {
		t.Run(name, func(t *testing.T) {
			keys, terminal := newTerminal(t)
			before := modes(t, terminal)
			shown := make(chan string, 1)
			go func() {
				// The keys come when the question stands there: before, the terminal itself would show them.
				var seen []byte
				part := make([]byte, 100)
				for typed := false; ; {
					n, err := keys.Read(part)
					seen = append(seen, part[:n]...)
					if err != nil || bytes.Contains(seen, []byte("END")) {
						shown <- string(seen)
						return
					}
					if !typed && bytes.Contains(seen, []byte(": ")) {
						typed = true
						_, _ = io.WriteString(keys, c.typed)
					}
				}
			}()
			g := &globals{streams: streams{in: terminal, err: terminal}}
			got, err := g.passphrase(t.Context(), c.anew)
			var code string
			if _, p := codeOf(err); p != nil {
				code = p.Code
			}
			if got != c.want || code != string(c.code) {
				t.Errorf("%q, %v", got, err)
			}
			if modes(t, terminal) != before {
				t.Error("the terminal is left in another mode")
			}
			_, _ = io.WriteString(terminal, "END")
			if text := <-shown; strings.Contains(text, "s3c") || !strings.Contains(text, "Passphrase: ") {
				t.Errorf("the terminal showed %q", text)
			}
		})
	}
}

// A signal ends the question at once, also one that comes before it.
func TestPassphraseInterrupted(t *testing.T) {
	t.Setenv(passphraseEnv, "")
	_, terminal := newTerminal(t)
	before := modes(t, terminal)
	for i := range 60 {
		ctx, cancel := context.WithCancel(t.Context())
		if i%2 == 0 {
			cancel()
		} else {
			go cancel()
		}
		g := &globals{streams: streams{in: terminal, err: terminal}}
		if _, err := g.passphrase(ctx, true); reason.Of(err) != reason.Interrupted || modes(t, terminal) != before {
			t.Fatalf("try %d: %v, modes %+v, before %+v", i, err, modes(t, terminal), before)
		}
	}
}
