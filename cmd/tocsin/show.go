package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tocsin/node/admin/api"
	"tocsin/node/figures"
)

func newShowCommand(g *globals) *cobra.Command {
	var raw, proof bool
	c := &cobra.Command{
		Use:   "show ID",
		Short: "Show an object or a record",
		Long: `Show what is held under an id: a STIX id (the newest version that is believed),
RECORD#INDEX for one object of a record, or a record's id. Unique prefixes of 8
characters or more serve (of a STIX id: behind its type).

--raw prints the bytes exactly as published, nothing added. --proof prints a
record file that "tocsin verify" checks without this node: the signer's chain, then
the object with its proof, or the whole record. With -o json it comes as base64.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if raw && proof {
				return usagef("show: give --raw or --proof, not both")
			}
			return g.withNode(cmd.Context(), func(ctx context.Context, c *api.Client) error {
				switch {
				case raw || proof:
					return g.showBytes(ctx, c, args[0], proof)
				case isRecord(args[0]):
					return g.showRecord(ctx, c, args[0])
				}
				o, err := c.Object(ctx, args[0])
				if err != nil {
					return err
				}
				return g.emit(o, func(w io.Writer) { g.showObject(w, o) })
			})
		},
	}
	c.Flags().BoolVar(&raw, "raw", false, "the bytes exactly as published")
	c.Flags().BoolVar(&proof, "proof", false, "a record file that proves who published it")
	return c
}

// binary is what is no text, for those who ask for JSON.
type binary struct {
	ID    string `json:"id"`
	Bytes []byte `json:"base64"`
}

// isRecord reports whether an id names a whole record.
func isRecord(id string) bool { return !strings.Contains(id, "--") && !strings.Contains(id, "#") }

// showBytes writes bytes to stdout: they are the answer. What is no JSON itself is
// wrapped where JSON was asked for.
func (g *globals) showBytes(ctx context.Context, c *api.Client, id string, proof bool) error {
	get := c.RawObject
	switch {
	case proof && isRecord(id):
		get = c.RecordFile
	case proof:
		get = c.Proof
	case isRecord(id):
		get = c.RawRecord
	}
	raw, err := get(ctx, id)
	if err != nil {
		return err
	}
	if proof || isRecord(id) {
		if g.format != "text" {
			return g.emit(binary{ID: id, Bytes: raw}, nil)
		}
		if isTerminal(g.out) {
			return usagef("show %s: this is not text; send it to a file: tocsin show ... > FILE", id)
		}
	}
	_, err = g.out.Write(raw)
	return err
}

func (g *globals) showRecord(ctx context.Context, c *api.Client, id string) error {
	r, err := c.Record(ctx, id)
	if err != nil {
		return err
	}
	return g.emit(r, func(w io.Writer) {
		now := time.Now()
		fmt.Fprintf(w, "Record    %s\n", r.ID)
		fmt.Fprintf(w, "By        %s (%s)  %s\n", clean(cmp.Or(r.Petname, "a stranger")), clean(r.Level), r.Org)
		if r.Key != "" {
			fmt.Fprintf(w, "Key       %s\n", r.Key)
		}
		fmt.Fprintf(w, "Topic     %s, number %d of its key log · kind %d · %s · %s\n", clean(r.Topic), r.Sequence, r.Kind, clean(r.TLP), clean(r.State))
		fmt.Fprintf(w, "Created   %s (%s), expires %s\n", g.stamp(r.Created), g.when(r.Created, now), g.stamp(r.Expires))
		fmt.Fprintf(w, "Received  %s from %s, %s\n", g.stamp(r.Received), clean(r.From), figures.Bytes(int64(r.Bytes)))
		var rows [][]cell
		for _, o := range r.Objects {
			rows = append(rows, plain(fmt.Sprint(o.Index), o.Type, o.ID, o.State, o.Reason))
		}
		g.table(w, []string{"#", "TYPE", "OBJECT", "STATE", "REASON"}, rows)
	})
}

func (g *globals) showObject(w io.Writer, o *api.Object) {
	now := time.Now()
	fmt.Fprintf(w, "%s  %s\n", clean(o.ID), clean(stateText(*o)))
	if o.Reason != "" {
		fmt.Fprintf(w, "Reason    %s\n", clean(o.Reason))
	}
	fmt.Fprintf(w, "By        %s (%s)  %s\n", clean(cmp.Or(o.Petname, "a stranger")), clean(o.Level), o.Org)
	fmt.Fprintf(w, "Record    %s #%d · %s · %s\n", o.Record, o.Index, clean(o.Topic), clean(o.TLP))
	fmt.Fprintf(w, "Version   %s (%s)", g.stamp(o.Modified), g.when(o.Modified, now))
	if o.Versions > 1 {
		fmt.Fprintf(w, ", one of %d versions and voices", o.Versions)
	}
	fmt.Fprintf(w, "\nReceived  %s from %s\n", g.stamp(o.Received), clean(o.From))
	for _, v := range o.Values {
		fmt.Fprintf(w, "Value     %s  %s\n", clean(v.Type), g.defang(v.Type, v.Value))
	}
	var pretty bytes.Buffer
	if json.Indent(&pretty, o.STIX, "", "  ") == nil {
		for line := range strings.Lines(pretty.String()) {
			fmt.Fprintln(w, clean(strings.TrimRight(line, "\n")))
		}
	}
}
