package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"

	"golang.org/x/term"

	"tocsin/protocol/reason"
)

// errInterrupted is what a command ends with that was interrupted while it read.
func errInterrupted() error {
	return reason.New(reason.Interrupted, "interrupted before the whole input was read")
}

// interruptible gives what in gives, and reason.Interrupted as soon as ctx ends. Nothing ends the read of a terminal but its line:
// when ctx ends first, the program ends soon after, and the read with it. Nothing is read before the first Read.
func interruptible(ctx context.Context, in io.Reader) io.Reader {
	r, w := io.Pipe()
	start := sync.OnceFunc(func() {
		context.AfterFunc(ctx, func() { w.CloseWithError(errInterrupted()) })
		go func() {
			_, err := io.Copy(w, in)
			w.CloseWithError(err)
		}()
	})
	return readerFunc(func(p []byte) (int, error) {
		start()
		return r.Read(p)
	})
}

// readerFunc is a reader made of a function.
type readerFunc func([]byte) (int, error)

// Read calls the function.
func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// ask asks for a secret at a terminal, which does not show it. Who interrupts it gets the terminal back as it was.
func (g *globals) ask(ctx context.Context, in *os.File, what string) (string, error) {
	fd := int(in.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", fmt.Errorf("read the passphrase: %w", err)
	}
	fmt.Fprint(g.err, what)
	type answer struct {
		raw []byte
		err error
	}
	given := make(chan answer, 1)
	go func() {
		raw, err := term.ReadPassword(fd)
		given <- answer{raw, err}
	}()
	var a answer
	select {
	case a = <-given:
	case <-ctx.Done():
		a.err = term.Restore(fd, before)
	}
	fmt.Fprintln(g.err)
	switch {
	case ctx.Err() != nil:
		return "", reason.New(reason.Interrupted, "interrupted before there was a passphrase")
	case a.err != nil:
		return "", fmt.Errorf("read the passphrase: %w", a.err)
	case len(a.raw) == 0:
		return "", reason.New(reason.UsageInvalid, "an empty passphrase protects nothing")
	}
	return string(a.raw), nil
}
