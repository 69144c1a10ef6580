package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
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

// ask asks for secrets at a terminal, one after the other, and shows none. Who interrupts it gets the terminal back as it was.
func (g *globals) ask(ctx context.Context, in *os.File, prompts ...string) ([]string, error) {
	if ctx.Err() != nil {
		return nil, errNoPassphrase()
	}
	fd := int(in.Fd())
	before, err := term.MakeRaw(fd) // Ctrl-C comes as a key then, and Terminal makes the end of the input of it
	if err != nil {
		return nil, fmt.Errorf("read the passphrase: %w", err)
	}
	type answer struct {
		texts []string
		err   error
	}
	given := make(chan answer, 1)
	// As in interruptible nothing ends the read: the program does. It changes nothing about the terminal.
	go func() {
		t := term.NewTerminal(struct {
			io.Reader
			io.Writer
		}{in, g.err}, "")
		var a answer
		for _, prompt := range prompts {
			text, err := t.ReadPassword(prompt)
			if a.err = err; err != nil {
				break
			}
			a.texts = append(a.texts, text)
		}
		given <- a
	}()
	var a answer
	select {
	case a = <-given:
	case <-ctx.Done():
		a.err = io.EOF
	}
	switch err := term.Restore(fd, before); {
	case errors.Is(a.err, io.EOF):
		fmt.Fprintln(g.err)
		return nil, errNoPassphrase()
	case a.err != nil, err != nil:
		return nil, fmt.Errorf("read the passphrase: %w", errors.Join(a.err, err))
	case slices.Contains(a.texts, ""):
		return nil, reason.New(reason.UsageInvalid, "an empty passphrase protects nothing")
	}
	return a.texts, nil
}

func errNoPassphrase() error {
	return reason.New(reason.Interrupted, "interrupted before there was a passphrase")
}
