package main

import (
	"bytes"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

func newCompletionCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "completion bash|zsh|fish|powershell",
		Short: "Print a script that completes tocsin's commands in a shell",
		Long: `Print a completion script. To have it in every new shell:

  bash        tocsin completion bash > /etc/bash_completion.d/tocsin
  zsh         tocsin completion zsh > "${fpath[1]}/_tocsin"
  fish        tocsin completion fish > ~/.config/fish/completions/tocsin.fish
  powershell  tocsin completion powershell | Out-String | Invoke-Expression`,
		Args:      cobra.ExactArgs(1),
		ValidArgs: []string{"bash", "zsh", "fish", "powershell"},
		RunE: func(cmd *cobra.Command, args []string) error {
			var script bytes.Buffer
			if err := writeCompletion(cmd.Root(), args[0], &script); err != nil {
				return err
			}
			answer := struct {
				Shell  string `json:"shell"`
				Script string `json:"script"`
			}{args[0], script.String()}
			return g.emit(answer, func(w io.Writer) { fmt.Fprint(w, answer.Script) })
		},
	}
}

// writeCompletion writes one shell's script.
func writeCompletion(root *cobra.Command, shell string, w io.Writer) error {
	switch shell {
	case "bash":
		return root.GenBashCompletionV2(w, true)
	case "zsh":
		return root.GenZshCompletion(w)
	case "fish":
		return root.GenFishCompletion(w, true)
	case "powershell":
		return root.GenPowerShellCompletionWithDesc(w)
	}
	return usagef("completion for %q: want bash, zsh, fish or powershell", shell)
}
