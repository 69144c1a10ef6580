package main

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tocsin/protocol/reason"
)

// withUsage gives a usage error that knows no better remedy the command whose help
// answers it.
func withUsage(c *cobra.Command, err error) error {
	exit, p := codeOf(err)
	entry, _ := reason.Lookup(reason.UsageInvalid)
	if p == nil || p.Code != string(reason.UsageInvalid) || p.Fix != entry.Fix {
		return err
	}
	said := *p
	said.Fix = "'tocsin help' lists the commands."
	if _, name, ok := strings.Cut(c.CommandPath(), " "); ok && name != "help" {
		said.Fix = "'tocsin help " + name + "' shows what it takes."
	}
	return &exitError{code: exit, problem: &said}
}

// plainFlag says in words what is wrong with a flag's value.
func plainFlag(err error) error {
	bad, ok := errors.AsType[*pflag.InvalidValueError](err)
	if !ok {
		return err
	}
	want := map[string]string{
		"int": "a whole number", "uint64": "a whole number from 0 on", "duration": "a span such as 90s or 5m", "bool": "true or false",
	}[bad.GetFlag().Value.Type()]
	if want == "" {
		return err
	}
	return usagef("--%s %q: want %s", bad.GetFlag().Name, bad.GetValue(), want)
}

// plainArgs makes every command name the argument that it misses, or the one that
// it has no use for, by its line of usage.
func plainArgs(c *cobra.Command) {
	for _, sub := range c.Commands() {
		plainArgs(sub)
	}
	check := c.Args
	if check == nil || c.HasSubCommands() {
		return // those that hold others name misspelt commands themselves
	}
	needed, all := operands(c.Use)
	c.Args = func(c *cobra.Command, args []string) error {
		err := check(c, args)
		if _, ours := errors.AsType[*exitError](err); err == nil || ours {
			return err
		}
		switch {
		case len(args) < len(needed):
			return usagef("%s: %s is missing (usage: %s)", c.CommandPath(), needed[len(args)], c.UseLine())
		case len(args) > len(all):
			return usagef("%s: %q is one argument too many (usage: %s)", c.CommandPath(), args[len(all)], c.UseLine())
		}
		return err
	}
}

// operands reads the arguments out of a line of usage: those that must stand, and all.
// Flags and their values are none.
func operands(use string) (needed, all []string) {
	words := strings.Fields(use)[1:]
	for i := 0; i < len(words); i++ {
		if strings.HasPrefix(words[i], "-") {
			i++
			continue
		}
		all = append(all, strings.Trim(words[i], "[]"))
		if !strings.HasPrefix(words[i], "[") {
			needed = append(needed, words[i])
		}
	}
	return needed, all
}
