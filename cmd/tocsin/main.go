// Command tocsin is a node of the tocsin federation and the tool that its
// operator works with. Each command lives in a file of its own; they reach a
// running node through node/admin/api only.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	os.Exit(mainExitCode())
}

// mainExitCode runs the program on the process's own streams. It is apart from
// main so that test scripts run exactly this.
func mainExitCode() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return run(ctx, os.Args[1:], streams{in: os.Stdin, out: os.Stdout, err: os.Stderr})
}

// streams are what a command reads from and writes to.
type streams struct {
	in       io.Reader
	out, err io.Writer
}
