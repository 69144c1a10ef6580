package node

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"tocsin/node/backup"
	"tocsin/node/identity"
	"tocsin/node/keystore"
	"tocsin/node/outbox"
	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/storage"
)

// backupTrees are the files beside the store that a backup holds: all state, and the configuration.
func backupTrees(paths Paths, cfg Config) []backup.Tree {
	return []backup.Tree{
		{Name: "state", Path: paths.State()},
		{Name: "config/tocsin.toml", Path: paths.ConfigFile()},
		{Name: "config/conf.d", Path: filepath.Join(paths.Config, "conf.d")},
		{Name: "config/trust.toml", Path: paths.TrustFile()},
		{Name: "config/" + defaultWarningLists, Path: paths.WarningLists(cfg)},
	}
}

// openBackups wires the backups of the running node.
func (n *Node) openBackups(paths Paths, cfg Config, chains *identity.Book, o Options) error {
	src := backup.Source{Network: cfg.Network, Org: n.own.String(), Peer: n.Host.PeerID(), Program: o.Version,
		Store: n.Store, Data: paths.Data, Trees: backupTrees(paths, cfg), Room: n.backupRoom(paths),
		Signer: func() (backup.Signer, error) {
			cert, key, err := n.Outbox.Certified()
			return backup.Signer{Chain: chains.Chains().Chain(n.own), Certificate: cert, Key: key}, err
		}}
	if n.disk.lack != nil {
		src.Store = nil // the one that runs instead holds nothing
	}
	n.backups = backup.NewRunner(backup.Deps{Source: src, Folder: cfg.BackupTo, Recipients: cfg.BackupRecipients, Keep: cfg.BackupKeep, Free: freeBytes})
	return backup.Sweep(paths.Data)
}

// backupRoom keeps a backup on the disk of the data from taking what the store needs.
func (n *Node) backupRoom(paths Paths) func(string, int64) error {
	return func(folder string, bytes int64) error {
		if n.disk.keeper == nil || !sameDisk(folder, paths.Data) {
			return nil
		}
		if s := n.disk.keeper.Status(); s.Disk.Total > 0 && s.Disk.Free-bytes < s.Floor {
			return reason.New(reason.StoreFull, fmt.Sprintf("%d MB are free on the disk of %s, where the data lies too; the store needs %d MB of them, and the next part up to %d MB",
				s.Disk.Free>>20, filepath.Dir(folder), s.Floor>>20, bytes>>20))
		}
		return nil
	}
}

// OfflineBackups opens the backups of a node that does not run: node.running when it does. close releases the
// store and the node's folder.
func OfflineBackups(paths Paths, cfg Config, version string) (r *backup.Runner, close func() error, err error) {
	cfg = cfg.WithDefaults()
	n := &Node{}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.Close())
		}
	}()
	if n.lock, err = lock(paths); err != nil {
		return nil, nil, err
	}
	chains, err := identity.Open(filepath.Join(paths.State(), "identity.cbor"), cfg.Network)
	if err != nil {
		return nil, nil, err
	}
	keys, err := keystore.Load(paths.Data)
	if err != nil {
		return nil, nil, err
	}
	if n.own, err = owner(chains, keys); err != nil {
		return nil, nil, err
	}
	peer, err := keys.PeerID()
	if err != nil {
		return nil, nil, err
	}
	if n.Store, err = storage.Open(paths.Store(), storage.Options{Network: cfg.Network}); err != nil {
		return nil, nil, err
	}
	if err = n.openSpace(paths, cfg, Options{}); err != nil {
		return nil, nil, err
	}
	src := backup.Source{Network: cfg.Network, Org: n.own.String(), Peer: peer.String(), Program: version,
		Store: n.Store, Data: paths.Data, Trees: backupTrees(paths, cfg), Room: n.backupRoom(paths),
		Signer: func() (backup.Signer, error) { return offlineSigner(chains.Chains(), n.own, keys) }}
	return backup.NewRunner(backup.Deps{Source: src, Folder: cfg.BackupTo, Recipients: cfg.BackupRecipients, Keep: cfg.BackupKeep, Free: freeBytes}), n.Close, nil
}

// offlineSigner is what signs while the node does not run: its record key, as long as a certificate of it is valid.
func offlineSigner(chains *protocol.Chains, own protocol.OrgID, keys *keystore.Keys) (backup.Signer, error) {
	cert, ok := identity.Certificate(chains, own, keys.Record.Public())
	if now := time.Now(); !ok || now.Before(cert.NotBefore) || now.After(cert.NotAfter) {
		return backup.Signer{}, reason.New(reason.CertExpired, "no certificate of this node's record key is valid now")
	}
	return backup.Signer{Chain: chains.Chain(own), Certificate: cert, Key: keys.Record}, nil
}

// RestoreKeys puts private keys from their file into a node that was restored without them: node.absent when there is none.
func RestoreKeys(paths Paths, cfg Config, file string, access backup.Access) (names []string, err error) {
	l, err := lock(paths)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	chains, err := identity.Open(filepath.Join(paths.State(), "identity.cbor"), cfg.WithDefaults().Network)
	if err != nil {
		return nil, err
	}
	own, ok := chains.Own()
	if !ok {
		return nil, reason.New(reason.NodeNotFound, "the identity file names no own organisation")
	}
	return backup.RestoreKeys(file, access, own.String(), paths.Data)
}

// maxSkip bounds how many numbers of statuses a restore leaves out: partners take no jump of more than 1,000.
const maxSkip = 900

// Restore brings a node back from a backup, into empty folders. What it signed after the backup was made
// nobody knows here: before its first signature it takes a new record key, or does not sign.
func Restore(ctx context.Context, paths Paths, o backup.RestoreOptions) (backup.Restored, error) {
	o.Data, o.Config, o.Free = paths.Data, paths.Config, freeBytes
	o.Prepare = func(state string, m *backup.Manifest) error {
		reserved, err := outbox.OpenReservations(filepath.Join(state, "reserved.json"))
		if err != nil {
			return err
		}
		// If we stop after this line, nothing is in its place yet; once it is, the mark is there.
		if err := reserved.Restore(fmt.Sprintf("this node was restored from backup %s of %s", m.ID, m.Created.Format(time.RFC3339))); err != nil {
			return err
		}
		if err := restoredProofs(state, paths, m); err != nil {
			return err
		}
		counter, err := identity.OpenCounter(filepath.Join(state, "status.json"))
		if err != nil {
			return err
		}
		// At most one status is made in each StatusRest.
		return counter.Skip(min(maxSkip, 2+uint64(max(0, time.Since(m.Created))/identity.StatusRest)))
	}
	return backup.Restore(ctx, o)
}
