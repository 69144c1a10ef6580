package node

import (
	"slices"

	"tocsin/node/access"
	"tocsin/node/audit"
	"tocsin/node/doctor"
	"tocsin/node/identity"
	"tocsin/node/keystore"
	"tocsin/node/settings"
	"tocsin/protocol/reason"
)

// openAccess opens the book of tokens and sessions. Without a file that makes sense there is none: nobody comes in but by
// the socket, and the file stays for somebody to look at.
func openAccess(paths Paths, written *audit.Log) (*access.Book, error) {
	book, err := access.Open(paths.Access(), written)
	if reason.Of(err) == reason.StateDamaged {
		log.Errorw("no token and no browser is let in: the file of tokens is damaged; move it away and start again, then make new tokens", "err", err)
		return nil, nil
	}
	return book, err
}

// openAdmin opens the admin port, and what only it needs.
func (n *Node) openAdmin(paths Paths, cfg Config, o Options, set *settings.Book, keys *keystore.Keys, chains *identity.Book) (err error) {
	if err = cfg.CheckAdmin(paths); err != nil {
		return err
	}
	checks := doctor.OneAtATime(n.Checks(paths, cfg))
	n.examiner = &examiner{checks: func() []doctor.Check { return slices.Clone(checks) }}
	n.feed = n.newFeed()
	if n.access, err = openAccess(paths, n.Audit); err != nil {
		return err
	}
	n.admin, err = n.adminServer(paths, cfg, o, set, keys, chains)
	return err
}
