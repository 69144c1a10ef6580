package main

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tocsin/node/admin/api"
	"tocsin/protocol/reason"
)

func newUICommand(g *globals) *cobra.Command {
	var r api.LoginCodeCreate
	var only, open, draw bool
	c := &cobra.Command{
		Use:   "ui",
		Short: "Log a browser in to the admin port: print a link that works once",
		Long: `Ask the node for a link that logs one browser in, and print it. The link works once, for 60 seconds; the session lasts 8 hours and
ends when the node stops. The code stands behind the # of the link, which browsers send nowhere. On a machine without a
browser come through a tunnel: ssh -L 8470:127.0.0.1:8470 HOST.

--open starts a browser with it, at a terminal only. The list of processes then shows the link for a moment to the other
accounts of the machine, one of which could be faster than your browser: where there are such, open the printed link yourself.

Exit codes: 0 done, 2 usage error, 4 no node answers, 5 not permitted, 6 the node listens at its socket only.`,
		Example: "  tocsin ui\n  tocsin ui --open\n  tocsin ui --print --role viewer\n  tocsin ui --qr",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := loginRole(r.Role); r.Role != "" && err != nil {
				return err
			}
			return g.withNode(cmd.Context(), func(ctx context.Context, c *api.Client) error {
				code, err := c.CreateLoginCode(ctx, r)
				if err != nil {
					return err
				}
				if len(code.Links) == 0 {
					return api.NewProblem(reason.NotFound, "open the admin port: the node listens at its socket only").
						WithFix("set admin = [\"127.0.0.1:8470\"] in tocsin.toml and start the node again")
				}
				return g.openUI(code, open && !only, draw)
			})
		},
	}
	f := c.Flags()
	f.BoolVar(&only, "print", false, "print the link only, whatever else is said")
	f.BoolVar(&open, "open", false, "start a browser with the link")
	f.BoolVar(&draw, "qr", false, "draw the link as a QR code, too")
	f.StringVar(&r.Role, "role", "", "let the browser do no more than viewer, analyst or operator (default: as much as you may, up to operator)")
	return c
}

// openUI has a browser open the link, or shows it.
func (g *globals) openUI(code *api.LoginCode, open, draw bool) error {
	if open && !draw && g.format == "text" && isTerminal(g.out) && openBrowser(code.Links[0]) {
		g.hint("A browser opens the admin port. If none does: tocsin ui")
		return nil
	}
	return g.emit(code, func(w io.Writer) {
		fmt.Fprintln(w, code.Links[0])
		if draw {
			fmt.Fprintln(w)
			g.showQR(w, code.Links[:1])
		}
		g.hint("It logs one browser in, once, until %s.", g.stamp(code.Expires))
		for _, other := range code.Links[1:] {
			link, _, _ := strings.Cut(other, "#")
			g.hint("The same works at %s", link)
		}
	})
}

// browserPatience is how long the program that finds the browser has; it leaves the browser running.
const browserPatience = 5 * time.Second

// openBrowser hands a link to the desktop; false when there is none.
func openBrowser(link string) bool {
	name, args := "xdg-open", []string{link}
	switch runtime.GOOS {
	case "darwin":
		name = "open"
	case "windows":
		name, args = "rundll32", []string{"url.dll,FileProtocolHandler", link}
	}
	ctx, cancel := context.WithTimeout(context.Background(), browserPatience)
	defer cancel()
	return exec.CommandContext(ctx, name, args...).Run() == nil
}
