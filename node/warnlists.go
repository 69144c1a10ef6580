package node

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strconv"

	"tocsin/node/audit"
	"tocsin/node/warnings"
	"tocsin/protocol/reason"
)

// openWarnings opens the folder of warning lists. One that the configuration names must
// be there: a node must not run without the lists that it was told to heed.
func openWarnings(paths Paths, cfg Config) (*warnings.Book, error) {
	dir := paths.WarningLists(cfg)
	if cfg.WarningLists != defaultWarningLists {
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			return nil, reason.Wrap(reason.ConfigInvalid, "warninglists = "+strconv.Quote(cfg.WarningLists), err)
		}
	}
	return warnings.Open(dir)
}

// noteWarnings writes into the audit log that other lists are in force, whether a person
// asked for it or a file changed.
func (n *Node) noteWarnings(ctx context.Context) error {
	for version := n.warnings.Version(); n.warnings.Wait(ctx, version) == nil; {
		version = n.warnings.Version()
		own, entries := 0, 0
		for _, l := range n.warnings.Lists() {
			entries += l.Entries
			if l.File != "" {
				own++
			}
		}
		e := audit.Event{Action: "warnings.change", Detail: map[string]string{"files": strconv.Itoa(own), "entries": strconv.Itoa(entries)}}
		if _, err := n.Audit.Append(context.WithoutCancel(ctx), e); err != nil {
			log.Errorw("not in the audit log", "action", e.Action, "err", err)
		}
	}
	return nil
}
