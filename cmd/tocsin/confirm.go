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
	line, err := bufio.NewReader(io.LimitReader(g.stdin, 100)).ReadString('\n')
	if ctx.Err() != nil {
		fmt.Fprintln(w)
		return false, reason.New(reason.Interrupted, "interrupted before there was an answer")
	}
	return err == nil && slices.Contains([]string{"y", "yes"}, strings.ToLower(strings.TrimSpace(line))), nil
}
