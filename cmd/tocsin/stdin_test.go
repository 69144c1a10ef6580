package main

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"tocsin/protocol/reason"
)

// What is read whole ends with the interruption, also when it gives nothing more, and is else what it was.
func TestInterruptible(t *testing.T) {
	silent, write := io.Pipe()
	defer write.Close()
	go func() { _, _ = io.WriteString(write, "begun") }()
	ctx, cancel := context.WithCancel(t.Context())
	in := interruptible(ctx, silent)
	begun := make([]byte, 5)
	if _, err := io.ReadFull(in, begun); err != nil || string(begun) != "begun" {
		t.Fatalf("%q, %v", begun, err)
	}
	cancel()
	if _, err := io.ReadAll(in); reason.Of(err) != reason.Interrupted {
		t.Errorf("interrupted: %v", err)
	}

	long := strings.Repeat("0123456789", 100_000)
	if raw, err := io.ReadAll(interruptible(t.Context(), strings.NewReader(long))); string(raw) != long || err != nil {
		t.Errorf("%d bytes of %d, %v", len(raw), len(long), err)
	}
	broken := errors.New("broken")
	if _, err := io.ReadAll(interruptible(t.Context(), iotest.ErrReader(broken))); !errors.Is(err, broken) {
		t.Errorf("a broken input: %v", err)
	}
}

// Each command that reads standard input whole ends with the code of an interruption.
func TestStdinInterrupted(t *testing.T) {
	for _, line := range []string{
		"check - --data DIR", "verify -", "trust import - --data DIR", "trust diff - --data DIR", "trust simulate - --data DIR",
		"invite accept - --petname x --data DIR", "keys publish - --data DIR", "warnings lint -", "debug stix", "debug recon",
	} {
		silent, write := io.Pipe()
		defer write.Close()
		ctx, cancel := context.WithCancel(t.Context())
		var out, errs strings.Builder
		read := readerFunc(func(p []byte) (int, error) { cancel(); return silent.Read(p) })
		exit := run(ctx, strings.Fields(strings.ReplaceAll(line, "DIR", t.TempDir())), streams{in: read, out: &out, err: &errs})
		if exit != exitInterrupted {
			t.Errorf("%s: exit %d, %s%s", line, exit, &out, &errs)
		}
		cancel()
	}
}
