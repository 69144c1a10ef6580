package main

import (
	"cmp"
	"fmt"
	"io"
	"os"

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
	// Lang is the language of both.
	Lang string `json:"lang"`
	// Exit is the exit code of a command that ends with this reason.
	Exit int `json:"exit"`
}

func newReasonsCommand(g *globals) *cobra.Command {
	var lang string
	cmd := &cobra.Command{
		Use:   "reasons [CODE]",
		Short: "Explain reason codes",
		Long: `Explain one reason code, or list them all: what each means, whose doing it is, and what to do. It asks no node.

The texts are there in English, French, Spanish, Arabic, Chinese and Russian: --lang en, fr, es, ar, zh or ru.
Without --lang the language of the environment is taken (LC_ALL, LC_MESSAGES, LANG), or else English.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			l, err := chosenLang(lang)
			if err != nil {
				return err
			}
			list := api.List[reasonItem]{}
			for _, e := range reason.AllIn(l) {
				if len(args) == 0 || string(e.Code) == args[0] {
					list.Items = append(list.Items, reasonItem{string(e.Code), string(e.Blame), e.Text, e.Fix, string(l), exitOfCode(e.Code)})
				}
			}
			if len(list.Items) == 0 {
				return reason.New(reason.NotFound, fmt.Sprintf("reason code %q: no such code; tocsin reasons lists them", args[0]))
			}
			return emitList(g, list, func(w io.Writer) { g.showReasons(w, list.Items) })
		},
	}
	cmd.Flags().StringVar(&lang, "lang", "", "language of the texts: en, fr, es, ar, zh or ru")
	return cmd
}

// chosenLang is the language asked for, or that of the environment where the catalogue has it.
func chosenLang(flag string) (reason.Lang, error) {
	if flag == "" {
		l, _ := reason.ParseLang(cmp.Or(os.Getenv("LC_ALL"), os.Getenv("LC_MESSAGES"), os.Getenv("LANG")))
		return l, nil
	}
	l, ok := reason.ParseLang(flag)
	if !ok {
		return l, usagef("--lang %q: the texts are there in en, fr, es, ar, zh and ru", flag)
	}
	return l, nil
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
