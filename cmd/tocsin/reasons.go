package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"tocsin/node/admin/api"
	"tocsin/protocol/reason"
)

// reasonItem is one line of the catalogue.
type reasonItem struct {
	Code  string `json:"code"`
	Blame string `json:"blame"`
	Text  string `json:"text"`
	Fix   string `json:"fix"`
	// Exit is the exit code of a command that ends with this reason.
	Exit int `json:"exit"`
}

func newReasonsCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "reasons [CODE]",
		Short: "Explain reason codes",
		Long:  "Explain one reason code, or list them all: what each means, whose doing it is, and what to do. It asks no node.",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			list := api.List[reasonItem]{}
			for _, e := range reason.All() {
				if len(args) == 0 || string(e.Code) == args[0] {
					list.Items = append(list.Items, reasonItem{string(e.Code), string(e.Blame), e.Text, e.Fix, exitOfCode(e.Code)})
				}
			}
			if len(list.Items) == 0 {
				return reason.New(reason.NotFound, fmt.Sprintf("reason code %q: no such code; tocsin reasons lists them", args[0]))
			}
			return emitList(g, list, func(w io.Writer) { g.showReasons(w, list.Items) })
		},
	}
}

func (g *globals) showReasons(w io.Writer, items []reasonItem) {
	if len(items) == 1 {
		i := items[0]
		fmt.Fprintf(w, "%s  (blame: %s, exit code %d)\n%s\n%s\n", i.Code, i.Blame, i.Exit, i.Text, i.Fix)
		return
	}
	var rows [][]cell
	for _, i := range items {
		rows = append(rows, plain(i.Code, i.Blame, fmt.Sprint(i.Exit), i.Text))
	}
	g.table(w, []string{"CODE", "BLAME", "EXIT", "MEANING"}, rows)
}
