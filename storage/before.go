package storage

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// beforeAge is how long the store as it was before an upgrade is kept.
const beforeAge = 7 * 24 * time.Hour

// beforeDir is where the store is kept as a program of an older schema version left it.
func beforeDir(dir string, version uint32) string { return fmt.Sprintf("%s.v%d", dir, version) }

// keepBefore copies the store before an upgrade changes it. Links would not do: badger cuts files off before it removes them.
// Where there is no room the upgrade goes on without: it is done again from the start when it is interrupted.
func (s *Store) keepBefore(version uint32) error {
	if s.memory {
		return nil
	}
	to := beforeDir(s.dir, version)
	if _, err := os.Stat(to); err == nil {
		return nil // an upgrade that was interrupted: what is there is older, and whole
	}
	if err := RepairRoom(s.dir); err != nil {
		log.Warnw("the store is brought forward, and there is no room to keep it as it was", "from", version, "err", err)
		return nil
	}
	part := to + ".part"
	if err := os.RemoveAll(part); err != nil {
		return err
	}
	names, err := listStore(s.dir)
	if err == nil {
		err = os.Mkdir(part, 0o700)
	}
	for _, name := range names {
		if err == nil && name != "LOCK" {
			err = copyUsed(filepath.Join(s.dir, name), filepath.Join(part, name))
		}
	}
	if err == nil {
		err = errors.Join(syncDir(part), os.Rename(part, to), syncDir(filepath.Dir(to)))
	}
	if err != nil {
		return errors.Join(fmt.Errorf("keep the store as it was in schema version %d: %w", version, err), os.RemoveAll(part))
	}
	log.Infow("store kept as it was before it is brought forward", "folder", to)
	return nil
}

// copyUsed copies a file and syncs it; what is all zeros becomes a hole.
func copyUsed(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	buf, at := make([]byte, 1<<20), int64(0)
	for {
		n, err := io.ReadFull(in, buf)
		if n > 0 && !isZero(buf[:n]) {
			if _, err := out.WriteAt(buf[:n], at); err != nil {
				return err
			}
		}
		at += int64(n)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return errors.Join(out.Truncate(at), out.Sync())
		}
		if err != nil {
			return err
		}
	}
}

// dropBefore removes what keepBefore kept, if it is older than an age: erased objects are in it too, so a vacuum takes all of it.
func (s *Store) dropBefore(age time.Duration) error {
	var errs []error
	for version := uint32(1); version < schemaVersion; version++ {
		dir := beforeDir(s.dir, version)
		info, err := os.Stat(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil && time.Since(info.ModTime()) >= age {
			err = wipeTree(dir)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
