package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"tocsin/node/durable"
	"tocsin/protocol/reason"
	"tocsin/storage"
)

// The folders of a node and of a restore under way.
const (
	stateFolder  = "state"
	storeFolder  = "store"
	keysFolder   = "keys"
	configFolder = "config"
	aside        = ".restore"
	readyFile    = "ready" // says that all is in the folder aside and only needs to be moved
)

// placed is the order in which folders are put into their place: nothing starts without state.
func placed() []string { return []string{storeFolder, keysFolder, stateFolder} }

// RestoreOptions say what to restore, and where.
type RestoreOptions struct {
	Folder string
	// At is the backup; "" means the newest that is complete.
	At     string
	Access Access
	// Data is the data folder, which must hold no node; Config gets the configuration files that it lacks.
	Data, Config string
	// Network, when given, is what the backup must be of.
	Network string
	// Keys is a file of private keys to put in place as well, KeysAccess opens it.
	Keys       string
	KeysAccess Access
	// Prepare is called with the new state folder before anything is put in place; may be nil.
	Prepare func(state string, m *Manifest) error
	// Free tells how many bytes are free where a folder is, 0 when nobody can say; may be nil.
	Free func(folder string) int64
}

// Restored is what a restore brought back.
type Restored struct {
	ID      string    `json:"id"`
	Created time.Time `json:"created"`
	Org     string    `json:"org"`
	Network string    `json:"network"`
	Records int       `json:"records"`
	Objects int       `json:"objects"`
	Files   int       `json:"files"`
	// Keys reports whether private keys came with it.
	Keys bool `json:"keys"`
	// Kept are configuration files that were there already and stay as they are.
	Kept []string `json:"kept,omitempty"`
	// Later are complete backups that are newer: what was erased before they were made may have come back.
	Later []string `json:"later,omitempty"`
}

// Restore makes a node's folders from a backup. Everything is written and checked aside and then
// moved into place. If we stop before that, the next restore begins anew; after, it moves what is left.
func Restore(ctx context.Context, o RestoreOptions) (Restored, error) {
	r, err := restore(ctx, o)
	if err != nil {
		return r, fmt.Errorf("restore from %s: %w", o.Folder, err)
	}
	return r, nil
}

func restore(ctx context.Context, o RestoreOptions) (r Restored, err error) {
	dir := filepath.Join(o.Data, aside)
	if _, err := os.Lstat(filepath.Join(dir, readyFile)); err != nil {
		if err := refuseExisting(o.Data); err != nil {
			return r, err
		}
	}
	c, err := openChain(o.Folder, o.At, o.Access)
	if err != nil {
		return r, err
	}
	defer c.close()
	m := c.manifest()
	if o.Network != "" && o.Network != m.Network {
		return r, reason.New(reason.Conflict, fmt.Sprintf("backup %s is of network %q, and this node of %q", m.ID, m.Network, o.Network))
	}
	r = Restored{ID: m.ID, Created: m.Created, Org: m.Org, Network: m.Network, Files: m.Files,
		Records: m.Store.Counts.Records, Objects: m.Store.Counts.Objects, Keys: o.Keys != "", Later: later(o.Folder, m.ID)}
	ready, err := readSmall(filepath.Join(dir, readyFile))
	switch {
	case err == nil && string(ready) != m.ID:
		return r, reason.New(reason.Conflict, fmt.Sprintf("a restore of backup %s was interrupted in %s; restore that one (--at %s), or empty the folder", ready, o.Data, ready))
	case err != nil:
		if err := o.fill(ctx, dir, c); err != nil {
			return r, errors.Join(err, os.RemoveAll(dir))
		}
	}
	if r.Kept, err = o.configure(filepath.Join(dir, configFolder)); err != nil {
		return r, err
	}
	return r, place(o.Data, dir)
}

// later are the complete backups after one.
func later(folder, id string) (out []string) {
	all, err := List(folder)
	if err != nil {
		return nil
	}
	for _, f := range all {
		if _, err := chainOf(all, f.ID); err == nil && f.ID > id {
			out = append(out, f.ID)
		}
	}
	return out
}

func refuseExisting(data string) error {
	for _, name := range append(placed(), "recovery") {
		path := filepath.Join(data, name)
		if _, err := os.Lstat(path); err == nil {
			return reason.New(reason.NodeExists, path+" exists already; restore into an empty folder, or move it away")
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// fill makes the folder aside.
func (o *RestoreOptions) fill(ctx context.Context, dir string, c *chain) error {
	if err := os.RemoveAll(dir); err != nil { // what an interrupted restore left
		return err
	}
	for _, name := range []string{stateFolder, configFolder} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
			return err
		}
	}
	if o.Free != nil {
		if free := o.Free(o.Data); free > 0 && free < c.raw()+c.raw()/4 {
			return reason.New(reason.StoreFull, fmt.Sprintf("%s has %d MB free, and the backup needs about %d MB", o.Data, free>>20, (c.raw()+c.raw()/4)>>20))
		}
	}
	if o.Keys != "" {
		if _, err := restoreKeys(o.Keys, o.KeysAccess, c.manifest().Org, filepath.Join(dir, keysFolder)); err != nil {
			return err
		}
	}
	if err := refill(ctx, c, dir); err != nil {
		return err
	}
	if o.Prepare != nil {
		if err := o.Prepare(filepath.Join(dir, stateFolder), c.manifest()); err != nil {
			return err
		}
	}
	if err := syncFolders(dir); err != nil {
		return err
	}
	return durable.Write(filepath.Join(dir, readyFile), []byte(c.manifest().ID), 0o600)
}

// refill writes store and files of a backup under a folder and compares what came out with the manifest.
func refill(ctx context.Context, c *chain, dir string) error {
	m := c.manifest()
	loader, err := storage.NewLoader(filepath.Join(dir, storeFolder))
	if err != nil {
		return err
	}
	err = c.read(ctx, sink{pair: loader.Set, file: func(name string, mode uint32, _ uint64) (io.WriteCloser, error) {
		return newRestoredFile(dir, name, fs.FileMode(mode))
	}})
	if err != nil {
		return errors.Join(err, loader.Abort())
	}
	if err := loader.Close(); err != nil {
		return err
	}
	s, err := storage.Open(filepath.Join(dir, storeFolder), storage.Options{Network: m.Network})
	if err != nil {
		return err
	}
	facts := s.Facts(m.Store.At)
	if err := errors.Join(s.Damage(), s.Close()); err != nil {
		return damaged(m.ID, err)
	}
	if why := m.Differs(facts); why != "" {
		return damaged(m.ID, errors.New("the restored store is not the one that was backed up: "+why))
	}
	return nil
}

// restoredFile is one file on its way to the disk.
type restoredFile struct{ *os.File }

// Close makes it durable.
func (f restoredFile) Close() error { return errors.Join(f.Sync(), f.File.Close()) }

// newRestoredFile makes a file of a backup under a folder. A name that leads anywhere else is refused.
func newRestoredFile(dir, name string, mode fs.FileMode) (io.WriteCloser, error) {
	first, _, _ := strings.Cut(name, "/")
	if path.Clean(name) != name || !filepath.IsLocal(filepath.FromSlash(name)) || first != stateFolder && first != configFolder || first == name {
		return nil, reason.New(reason.BackupDamaged, fmt.Sprintf("the backup holds a file %q, which has no place", name))
	}
	to := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode&0o777|0o200)
	if err != nil {
		return nil, err
	}
	return restoredFile{f}, nil
}

func syncFolders(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		return durable.SyncFolder(path)
	})
}

// configure puts configuration files where there are none. What is there is the operator's.
func (o *RestoreOptions) configure(from string) (kept []string, err error) {
	err = filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		to := filepath.Join(o.Config, rel)
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if there, err := os.ReadFile(to); err == nil {
			if string(there) != string(raw) {
				kept = append(kept, to)
			}
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		return durable.Write(to, raw, info.Mode().Perm())
	})
	return kept, err
}

// place moves the folders into their place. It goes on where an interrupted one stopped.
func place(data, dir string) error {
	for _, name := range placed() {
		from, to := filepath.Join(dir, name), filepath.Join(data, name)
		if _, err := os.Lstat(from); errors.Is(err, fs.ErrNotExist) {
			continue // moved already, or not in the backup
		}
		if err := os.Rename(from, to); err != nil {
			return err
		}
		if err := durable.SyncFolder(data); err != nil {
			return err
		}
	}
	return errors.Join(os.RemoveAll(dir), durable.SyncFolder(data))
}
