package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"tocsin/node/admin/api"
	"tocsin/node/figures"
	"tocsin/protocol"
)

func newTopicsCommand(g *globals) *cobra.Command {
	return group("topics", "List, join and leave topics", newTopicsListCommand(g), newTopicsJoinCommand(g), newTopicsLeaveCommand(g))
}

func newTopicsListCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List joined topics and the well-known others",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return g.withNode(cmd.Context(), func(ctx context.Context, c *api.Client) error {
				list, err := c.Topics(ctx)
				if err != nil {
					return err
				}
				return emitList(g, *list, func(w io.Writer) { g.showTopics(w, list.Items) })
			})
		},
	}
}

func newTopicsJoinCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "join TOPIC",
		Short: "Join a topic, also after a restart",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := topicName(args[0]); err != nil {
				return err
			}
			return g.withNode(cmd.Context(), func(ctx context.Context, c *api.Client) error {
				t, err := c.JoinTopic(ctx, args[0])
				if err != nil {
					return err
				}
				return g.emit(t, func(w io.Writer) {
					fmt.Fprintf(w, "Joined %s: %s there\n", clean(t.Name), figures.Count(t.Peers, "peer"))
				})
			})
		},
	}
}

func newTopicsLeaveCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "leave TOPIC",
		Short: "Leave a topic, also after a restart; what is stored stays",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := topicName(args[0]); err != nil {
				return err
			}
			return g.withNode(cmd.Context(), func(ctx context.Context, c *api.Client) error {
				t, err := c.LeaveTopic(ctx, args[0])
				if err != nil {
					return err
				}
				return g.emit(t, func(w io.Writer) { fmt.Fprintf(w, "Left %s\n", clean(t.Name)) })
			})
		},
	}
}

// topicName refuses what is no name before it becomes part of a path.
func topicName(name string) error {
	if _, err := protocol.ParseTopic(name); err != nil {
		return usagef("topic %q: want 1 to %d of a-z, 0-9 and the hyphen; tocsin topics list names the well-known ones", name, protocol.MaxTopicName)
	}
	return nil
}

// named refuses an argument that names nothing and would not survive as part of a path.
func named(what, arg string) error {
	if strings.Trim(arg, ". ") == "" {
		return usagef("%q names nothing: want %s", arg, what)
	}
	return nil
}

func (g *globals) showTopics(w io.Writer, topics []api.Topic) {
	var rows [][]cell
	for _, t := range topics {
		state := cell{"joined", colorGood}
		if !t.Joined {
			state = cell{"not joined", colorDim}
		}
		row := plain(t.Name, "", fmt.Sprint(t.Peers), fmt.Sprint(t.Mesh), fmt.Sprint(t.Received), fmt.Sprint(t.Ignored), fmt.Sprint(t.Rejected))
		row[1] = state
		rows = append(rows, row)
	}
	g.table(w, []string{"TOPIC", "STATE", "PEERS", "MESH", "RECEIVED", "IGNORED", "REJECTED"}, rows)
}
