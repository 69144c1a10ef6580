package backup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"tocsin/protocol/reason"
	"tocsin/storage"
)

// Checked is what a check found good.
type Checked struct {
	ID      string    `json:"id"`
	Created time.Time `json:"created"`
	// Chain are the backups that it stands on, the full one first, itself last.
	Chain []string `json:"chain"`
	Org   string   `json:"org"`
	// Records counts those whose bytes were held against their ids, Keys the live keys of the store.
	Records int    `json:"records"`
	Keys    uint64 `json:"keys"`
	Files   int    `json:"files"`
	// Restored is true when it was restored into a scratch folder and compared.
	Restored bool          `json:"restored"`
	Took     time.Duration `json:"took_ns"`
}

// Verify reads a backup and all that it goes on from, without restoring anything: every digest, and every
// record against its id. id "" means the newest that is complete.
func Verify(ctx context.Context, folder, id string, access Access) (Checked, error) {
	begun := time.Now()
	c, err := openChain(folder, id, access)
	if err != nil {
		return Checked{}, fmt.Errorf("verify a backup in %s: %w", folder, err)
	}
	defer c.close()
	m := c.manifest()
	records := &storage.RawCheck{Network: m.Network}
	err = c.read(ctx, sink{pair: records.Pair, file: func(string, uint32, uint64) (io.WriteCloser, error) { return nowhere{}, nil }})
	if err == nil {
		err = records.End()
	}
	if err == nil && records.Records < m.Store.Counts.Records {
		err = damaged(m.ID, fmt.Errorf("%d records are there, the manifest says %d", records.Records, m.Store.Counts.Records))
	}
	if err == nil {
		err = c.odd
	}
	if err != nil {
		return Checked{}, fmt.Errorf("verify a backup in %s: %w", folder, asDamage(m.ID, err))
	}
	out := c.checked(records.Records, begun)
	noteGood(folder, m.ID, false)
	return out, nil
}

// asDamage makes what was found wrong in a backup the backup's own: a record that is damaged in it says
// nothing about the store.
func asDamage(id string, err error) error {
	if reason.Of(err) == reason.StoreDamaged {
		return damaged(id, err)
	}
	return err
}

type nowhere struct{}

// Write implements io.Writer.
func (nowhere) Write(b []byte) (int, error) { return len(b), nil }

// Close implements io.Closer.
func (nowhere) Close() error { return nil }

func (c *chain) checked(records int, begun time.Time) Checked {
	m := c.manifest()
	out := Checked{ID: m.ID, Created: m.Created, Org: m.Org, Records: records, Keys: m.Keys, Files: m.Files, Took: time.Since(begun)}
	for _, s := range c.streams {
		out.Chain = append(out.Chain, s.m.ID)
	}
	return out
}

// noteGood writes down that a backup is good, beside it. A folder that cannot be written to keeps nobody from
// checking what is in it.
func noteGood(folder, id string, drill bool) {
	if err := noteChecked(folder, id, drill, time.Now()); err != nil {
		log.Warnw("not written down that a backup is good", "id", id, "err", err)
	}
}

// Drill restores a backup into a scratch folder under scratch, opens the store, compares counts, key logs
// and digests with the manifest, and cleans up. free may be nil: see RestoreOptions.
func Drill(ctx context.Context, folder, id string, access Access, scratch string, free func(string) int64) (out Checked, err error) {
	begun := time.Now()
	c, err := openChain(folder, id, access)
	if err != nil {
		return out, fmt.Errorf("rehearse a restore from %s: %w", folder, err)
	}
	defer c.close()
	dir, err := os.MkdirTemp(scratch, ".drill-*")
	if err != nil {
		return out, fmt.Errorf("rehearse a restore from %s: %w", folder, err)
	}
	defer func() {
		if e := os.RemoveAll(dir); err == nil && e != nil {
			err = e
		}
	}()
	o := RestoreOptions{Data: dir, Free: free}
	if err := cmp.Or(o.fill(ctx, dir, c), c.odd); err != nil {
		return out, fmt.Errorf("rehearse a restore from %s: %w", folder, errors.Join(err, c.close()))
	}
	out = c.checked(c.manifest().Store.Counts.Records, begun)
	out.Restored = true
	noteGood(folder, out.ID, true)
	return out, nil
}
