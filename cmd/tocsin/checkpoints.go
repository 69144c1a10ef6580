package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tocsin/node/admin/api"
	"tocsin/node/audit"
	"tocsin/node/tlog"
	"tocsin/protocol/reason"
)

// maxCheckpointFile bounds a file of checkpoints.
const maxCheckpointFile = 64 << 20

func newCheckpointCommand(g *globals) *cobra.Command {
	return group("checkpoint", "The audit log's signed heads, and those of others that this node witnesses",
		newCheckpointListCommand(g), newCheckpointMakeCommand(g), newCheckpointHeldCommand(g))
}

func newCheckpointListCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the newest checkpoints of this node's audit log",
		Long: `List the newest checkpoints of this node's audit log, newest first. The node signs one after
1,000 entries, five minutes after an entry, and when it stops, and has two other listed
organisations cosign it where it can.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return g.withNode(cmd.Context(), func(ctx context.Context, c *api.Client) error {
				list, err := c.Checkpoints(ctx)
				if err != nil {
					return err
				}
				return emitList(g, *list, func(w io.Writer) {
					if len(list.Items) == 0 {
						fmt.Fprintln(w, "No checkpoint was signed yet: tocsin audit checkpoint make")
					}
					for _, cp := range list.Items {
						g.showCheckpoint(w, cp)
					}
				})
			})
		},
	}
}

func (g *globals) showCheckpoint(w io.Writer, cp api.Checkpoint) {
	fmt.Fprintf(w, "%s  %s  root %s", g.stamp(cp.At), auditCount(cp.Size), short(cp.Root))
	for _, s := range cp.Cosigned {
		name := clean(s.Petname)
		if name == "" {
			name = short(s.Org)
		}
		fmt.Fprintf(w, "  witnessed by %s", name)
	}
	if cp.Contradicted != "" {
		fmt.Fprintf(w, "  %s", g.paint("NOT CONTINUED by the log: "+clean(cp.Contradicted), colorBad))
	}
	fmt.Fprintln(w)
}

func newCheckpointMakeCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "make",
		Short: "Sign a checkpoint now and ask witnesses to cosign it",
		Long: `Sign the head of the audit log as it stands, and ask two connected organisations of the trust
list (observed or above) to cosign it. It is printed as a signed note, which anybody can
keep: tocsin audit verify --checkpoint FILE later says whether the log still holds it.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return g.withNode(cmd.Context(), func(ctx context.Context, c *api.Client) error {
				cp, err := c.MakeCheckpoint(ctx)
				if err != nil {
					return err
				}
				return g.emit(cp, func(w io.Writer) { printNote(w, cp.Note) })
			})
		},
	}
}

// printNote prints a signed note with nothing around it, so that it can be kept as it is.
func printNote(w io.Writer, note string) {
	for line := range strings.Lines(note) {
		fmt.Fprintln(w, clean(strings.TrimSuffix(line, "\n")))
	}
}

func newCheckpointHeldCommand(g *globals) *cobra.Command {
	var notes bool
	c := &cobra.Command{
		Use:   "held",
		Short: "List what this node holds of other organisations' audit logs",
		Long: `List the newest checkpoint of each audit log that this node witnesses. A log that went back
or was changed since is marked: both checkpoints are kept, and -o json shows them. With
--notes they are printed as signed notes, one after the other.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return g.withNode(cmd.Context(), func(ctx context.Context, c *api.Client) error {
				list, err := c.Witnessed(ctx)
				if err != nil {
					return err
				}
				return emitList(g, *list, func(w io.Writer) {
					if len(list.Items) == 0 && !notes {
						fmt.Fprintln(w, "Nothing is witnessed yet.")
					}
					for _, held := range list.Items {
						if notes {
							printNote(w, held.Note)
						} else {
							g.showWitnessed(w, held, time.Now())
						}
					}
				})
			})
		},
	}
	c.Flags().BoolVar(&notes, "notes", false, "print the checkpoints as signed notes")
	return c
}

func (g *globals) showWitnessed(w io.Writer, held api.Witnessed, now time.Time) {
	name := clean(held.Petname)
	if name == "" {
		name = short(held.Org)
	}
	fmt.Fprintf(w, "%s  %s  %s, seen %s\n", name, short(held.Org), auditCount(held.Size), g.when(held.At, now))
	if held.Conflict != "" {
		fmt.Fprintf(w, "  %s  %s: %s\n", g.paint("CONFLICT", colorBad), g.stamp(held.ConflictAt), clean(held.Why))
	}
}

// heldAgainst are the checkpoints that a log is held against: those that its node keeps beside it, and those of files.
func (g *globals) heldAgainst(own string, files []string) ([]tlog.Checkpoint, error) {
	var out []tlog.Checkpoint
	if own != "" {
		list, err := audit.ReadCheckpoints(own)
		if err != nil {
			return nil, err
		}
		for _, h := range list {
			out = append(out, h.Checkpoint)
		}
	}
	for _, file := range files {
		raw, err := g.readAll(file, maxCheckpointFile)
		if err != nil {
			return nil, err
		}
		cp, err := tlog.Peek(raw)
		if err != nil {
			return nil, reason.Wrap(reason.UsageInvalid, fmt.Sprintf("read the checkpoint in %s", file), err)
		}
		out = append(out, cp)
	}
	return out, nil
}
