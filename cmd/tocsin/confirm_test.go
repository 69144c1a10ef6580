package main

import (
	"context"
	"io"
	"strings"
	"testing"

	"tocsin/protocol/reason"
)

// Only yes is yes, and no answer is none.
func TestConfirm(t *testing.T) {
	for answer, want := range map[string]bool{"y\n": true, "YES\n": true, " yes \n": true, "n\n": false, "\n": false, "": false, "y": false, "yess\n": false} {
		var out strings.Builder
		g := &globals{stdin: interruptible(t.Context(), strings.NewReader(answer)), format: "text"}
		if got, err := g.confirm(t.Context(), &out, "? "); got != want || err != nil || out.String() != "? " {
			t.Errorf("%q: %v, %v, asked %q", answer, got, err, out.String())
		}
	}
}

// Who interrupts a question is not asked any longer, and a yes that comes with it is none.
func TestConfirmInterrupted(t *testing.T) {
	silent, write := io.Pipe()
	defer write.Close()
	for _, in := range []io.Reader{silent, strings.NewReader("y\n")} {
		ctx, cancel := context.WithCancel(t.Context())
		asked := writerFunc(func(p []byte) (int, error) { cancel(); return len(p), nil })
		g := &globals{stdin: interruptible(ctx, in), format: "text"}
		if said, err := g.confirm(ctx, asked, "? "); said || reason.Of(err) != reason.Interrupted {
			t.Errorf("%v, %v", said, err)
		}
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
