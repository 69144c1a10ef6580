package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"tocsin/protocol/reason"
)

// confirm asks a question that only "y" or "yes" answers with yes. Who interrupts the program has not answered: that is an error
// (reason.Interrupted), also when an answer came with it.
func (g *globals) confirm(ctx context.Context, w io.Writer, question string) (bool, error) {
	fmt.Fprint(w, question)
	answer := make(chan string, 1)
	// Nothing ends the read of a terminal but its line: when ctx ends first, the program ends soon after, and the read with it.
	go func() {
		line, err := bufio.NewReader(io.LimitReader(g.in, 100)).ReadString('\n')
		if err != nil {
			line = ""
		}
		answer <- line
	}()
	var line string
	select {
	case <-ctx.Done():
	case line = <-answer:
	}
	if ctx.Err() != nil {
		fmt.Fprintln(w)
		return false, reason.New(reason.Interrupted, "interrupted before there was an answer")
	}
	return slices.Contains([]string{"y", "yes"}, strings.ToLower(strings.TrimSpace(line))), nil
}
