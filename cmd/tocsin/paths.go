package main

import (
	"cmp"
	"os"
	"path/filepath"

	"github.com/adrg/xdg"

	"tocsin/node"
	"tocsin/protocol/reason"
)

// systemPaths are those of a node that the system's service manager runs.
func systemPaths() node.Paths {
	return node.Paths{
		Config:  cmp.Or(os.Getenv("CONFIGURATION_DIRECTORY"), "/etc/tocsin"),
		Data:    cmp.Or(os.Getenv("STATE_DIRECTORY"), "/var/lib/tocsin"),
		Runtime: cmp.Or(os.Getenv("RUNTIME_DIRECTORY"), "/run/tocsin"),
	}
}

// userPaths are those of a node that a person runs (XDG base directories).
func userPaths() node.Paths {
	p := node.Paths{
		Config: filepath.Join(xdg.ConfigHome, "tocsin"),
		Data:   filepath.Join(xdg.DataHome, "tocsin"),
	}
	p.Runtime = filepath.Join(p.Data, "run")
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		p.Runtime = filepath.Join(dir, "tocsin")
	}
	return p
}

// paths says where the node keeps its files: all in --data when that is given,
// else the system's folders for root and for services, else the user's.
func (g *globals) paths() (node.Paths, error) {
	if g.data != "" {
		dir, err := filepath.Abs(g.data)
		if err != nil {
			return node.Paths{}, reason.Wrap(reason.UsageInvalid, "resolve --data "+g.data, err)
		}
		return node.Paths{Config: dir, Data: dir, Runtime: dir}, nil
	}
	if os.Geteuid() == 0 || os.Getenv("STATE_DIRECTORY") != "" {
		return systemPaths(), nil
	}
	return userPaths(), nil
}

// socket is the admin socket to talk to. Without --data a user who runs no
// node of their own reaches the system's.
func (g *globals) socket() (string, error) {
	p, err := g.paths()
	if err != nil || g.data != "" {
		return p.Socket(), err
	}
	system, own := systemPaths().Socket(), p.Socket()
	if own == system || !exists(system) {
		return own, nil
	}
	if exists(own) {
		g.hint("two nodes are here: using %s, not %s (choose with --data)", own, system)
		return own, nil
	}
	return system, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
