package backup

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"tocsin/node/durable"
	"tocsin/protocol/reason"
	"tocsin/storage"
)

// Source is the node that is backed up.
type Source struct {
	Network string
	// Org and Peer name the node: one folder holds the backups of one.
	Org, Peer string
	// Program is the version of the program.
	Program string
	Store   *storage.Store
	// Data is the node's data folder, where it keeps what it remembers of its backups.
	Data string
	// Trees are the files beside the store.
	Trees []Tree
	// Signer gives what signs backups, cert.expired when no certificate is valid now; nil signs none.
	Signer func() (Signer, error)
	// Room is asked before each chunk whether as many bytes may be written where a folder is, store.full when they would take
	// what the store needs; nil asks nobody.
	Room func(folder string, bytes int64) error
}

// CreateOptions say how to back up. The zero value but for the folder and the sealing goes on from the last backup.
type CreateOptions struct {
	Folder  string
	Sealing Sealing
	// Full asks for a backup that needs no other.
	Full bool
	// Keep is how many chains to keep; 0 keeps all.
	Keep int

	chunk int64 // for tests; 0 means chunkRaw
}

// Made is a backup that was written.
type Made struct {
	ID      string `json:"id"`
	Folder  string `json:"folder"`
	Base    string `json:"base,omitempty"`
	Bytes   int64  `json:"bytes"`
	Records int    `json:"records"`
	Objects int    `json:"objects"`
	// Recipients are who can open it, Identity the file of a key that was made for it just now.
	Recipients []string `json:"recipients,omitempty"`
	Identity   string   `json:"identity,omitempty"`
	// Unsigned says why it is not signed; "" when it is.
	Unsigned string `json:"unsigned,omitempty"`
	// Removed are older backups that were pruned.
	Removed []string `json:"removed,omitempty"`
}

// Create writes a backup: into a folder of a temporary name, which gets its name when all of it is
// on the disk. If we stop before that there is no backup, and the next one removes what is there. It
// must not be called concurrently for one folder.
func Create(ctx context.Context, src Source, o CreateOptions) (Made, error) {
	m, err := create(ctx, src, o)
	if err != nil {
		return Made{}, fmt.Errorf("back up to %s: %w", o.Folder, err)
	}
	return m, nil
}

func create(ctx context.Context, src Source, o CreateOptions) (Made, error) {
	if src.Store == nil {
		return Made{}, reason.New(reason.StoreFull, "the node runs without its store: free space first")
	}
	if err := os.MkdirAll(o.Folder, 0o700); err != nil {
		return Made{}, err
	}
	folder, err := filepath.Abs(o.Folder)
	if err != nil {
		return Made{}, err
	}
	o.Folder = folder
	if err := sweep(o.Folder); err != nil {
		return Made{}, err
	}
	all, err := List(o.Folder)
	if err != nil {
		return Made{}, err
	}
	for _, f := range all {
		if f.Broken == "" && (f.Org != src.Org || f.Peer != src.Peer) {
			return Made{}, reason.New(reason.Conflict, fmt.Sprintf("backup %s in it is of another node (%s); give each node a folder of its own", f.ID, f.Org))
		}
	}
	known := readMemory(src.Data)
	identity, err := o.Sealing.complete(src.Data, &known)
	if err != nil {
		return Made{}, err
	}
	w := &writing{src: src, o: o, all: all, now: time.Now().UTC().Truncate(time.Millisecond)}
	if base := known.Last; !o.Full && usable(base, all, o) {
		w.base = base
	}
	made, last, err := w.run(ctx)
	if err != nil {
		return Made{}, err
	}
	made.Identity, known.Last = identity, last
	known.Folder, known.Made, known.Failed, known.Why = o.Folder, w.now, time.Time{}, ""
	if made.Base == "" {
		known.Full = w.now
	}
	if err := known.write(src.Data); err != nil {
		return Made{}, err
	}
	if made.Removed, err = Prune(o.Folder, o.Keep); err != nil {
		log.Warnw("old backups stay", "folder", o.Folder, "err", err)
	}
	return made, nil
}

// usable says whether a backup can be gone on from: the newest one of this folder, whole, and open to
// those who shall read the next.
func usable(base *lastBackup, all []Found, o CreateOptions) bool {
	if base == nil || len(all) == 0 || base.Folder != o.Folder || all[len(all)-1].ID != base.ID ||
		base.Length >= maxChain || base.Seal != o.Sealing.mark() {
		return false
	}
	_, err := chainOf(all, base.ID)
	return err == nil
}

// mark tells sealings apart. One by a passphrase is like no other, so that each backup is a full one: nobody
// can say that the next passphrase is the same without keeping it.
func (s Sealing) mark() string {
	if s.word() == SealedPassphrase {
		return rand.Text()
	}
	raw, _ := json.Marshal([]any{s.word(), s.Recipients}) // texts: cannot fail
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:8])
}

// writing is one backup under way.
type writing struct {
	src  Source
	o    CreateOptions
	base *lastBackup // nil for a full one
	all  []Found     // what is in the folder
	now  time.Time
	id   string
	dir  string // of the temporary name
}

func (w *writing) run(ctx context.Context) (made Made, last *lastBackup, err error) {
	if w.base != nil {
		lineage, err := w.src.Store.Lineage(ctx)
		if err != nil {
			return made, nil, err
		}
		if lineage != w.base.Lineage {
			w.base = nil
		}
	}
	w.id = newID(w.now, w.all)
	w.dir = filepath.Join(w.o.Folder, tempName(w.id))
	if err := os.Mkdir(w.dir, 0o700); err != nil {
		return made, nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(w.dir))
		}
	}()
	seal, err := w.o.Sealing.newKey(w.dir, w.src.Data)
	if err != nil {
		return made, nil, err
	}
	m, digests, err := w.contents(ctx, seal)
	if err != nil {
		return made, nil, err
	}
	sum, _, err := writeManifest(w.dir, m, seal)
	if err != nil {
		return made, nil, err
	}
	unsigned, err := w.sign(m, sum)
	if err != nil {
		return made, nil, err
	}
	size, err := w.publish()
	if err != nil {
		return made, nil, err
	}
	last = &lastBackup{Folder: w.o.Folder, ID: w.id, Digest: sum, Lineage: m.Store.Lineage, Version: m.Store.Version,
		Seal: w.o.Sealing.mark(), Org: w.src.Org, Length: 1, Files: digests}
	if w.base != nil {
		last.Length = w.base.Length + 1
	}
	log.Infow("backup written", "id", w.id, "base", m.Base, "bytes", size, "records", m.Store.Counts.Records)
	return Made{ID: w.id, Folder: w.o.Folder, Base: m.Base, Bytes: size, Records: m.Store.Counts.Records,
		Objects: m.Store.Counts.Objects, Recipients: w.o.Sealing.Recipients, Unsigned: unsigned}, last, nil
}

// contents writes files and then keys: the files are a little older than the store, or the same.
func (w *writing) contents(ctx context.Context, seal sealer) (*Manifest, map[string]string, error) {
	c := &chunkWriter{dir: w.dir, seal: seal, limit: w.o.chunk, room: w.src.Room}
	if c.limit == 0 {
		c.limit = chunkRaw
	}
	m := &Manifest{Format: formatName, ID: w.id, Created: w.now, Network: w.src.Network, Org: w.src.Org, Peer: w.src.Peer, Program: w.src.Program}
	var since uint64
	var kept map[string]string
	if w.base != nil {
		m.Base, m.BaseDigest, since, kept = w.base.ID, w.base.Digest, w.base.Version, w.base.Files
	}
	digests, l, err := writeFiles(ctx, c, w.src.Trees, kept)
	if err == nil {
		m.Files, m.FileList = l.n, l.sum()
		err = w.pairs(ctx, c, m, since)
	}
	if err = c.end(err); err != nil {
		return nil, nil, err
	}
	m.Chunks = c.chunks
	return m, digests, nil
}

func (w *writing) pairs(ctx context.Context, c *chunkWriter, m *Manifest, since uint64) error {
	sn, err := w.src.Store.Snapshot(ctx)
	if err != nil {
		return err
	}
	defer sn.Close()
	if w.base != nil && (sn.Lineage != w.base.Lineage || sn.Version < w.base.Version) {
		return reason.New(reason.Conflict, "the store is not the one of the last backup any more; make a full one")
	}
	m.Store, m.Heads = sn.Facts, headsOf(sn.Logs)
	live := newLive()
	var buf []byte
	err = sn.Each(ctx, since, func(p storage.Pair) error {
		if len(p.Key) > maxKeyBytes || len(p.Value) > maxValueBytes {
			return reason.New(reason.Internal, fmt.Sprintf("key %x is too large for a backup", p.Key))
		}
		live.add(p.Key, p.Version)
		e := entry{kind: entryPair, key: p.Key, version: p.Version, fresh: p.Fresh, value: p.Value}
		buf = e.append(buf[:0])
		return c.entry(buf)
	})
	m.Keys, m.Live = live.n, live.sum()
	return err
}

// publish gives the backup its name: from here on it is one.
func (w *writing) publish() (size int64, err error) {
	if size, err = sizeOf(w.dir); err != nil {
		return 0, err
	}
	about := About{Format: formatName, ID: w.id, Created: w.now, Sealed: w.o.Sealing.word(), Org: w.src.Org, Peer: w.src.Peer, Bytes: size}
	if w.base != nil {
		about.Base = w.base.ID
	}
	raw, err := json.Marshal(about)
	if err != nil {
		return 0, err
	}
	if err := durable.Write(filepath.Join(w.dir, aboutFile), raw, 0o600); err != nil {
		return 0, err
	}
	if err := os.Rename(w.dir, filepath.Join(w.o.Folder, w.id)); err != nil {
		return 0, err
	}
	return size, durable.SyncFolder(w.o.Folder)
}

// sizeOf is what the files of a backup have in all, without about.json and what is written later.
func sizeOf(dir string) (size int64, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		if e.Name() == aboutFile || e.Name() == verifiedFile || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		info, err := e.Info()
		if err != nil {
			return 0, err
		}
		size += info.Size()
	}
	return size, nil
}
