package backup

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"path/filepath"

	"tocsin/protocol/reason"
)

// live is the digest over the keys of a store and their versions, in order.
type live struct {
	h   hash.Hash
	n   uint64
	buf []byte
}

func newLive() *live { return &live{h: sha256.New()} }

func (l *live) add(key []byte, version uint64) {
	l.n++
	l.buf = binary.AppendUvarint(appendText(l.buf[:0], key), version)
	l.h.Write(l.buf)
}

func (l *live) sum() string { return hex.EncodeToString(l.h.Sum(nil)) }

// stream reads one backup of a chain from front to back.
type stream struct {
	m      *Manifest
	chunks *chunkReader
	e      entry
	ended  bool
	files  *list
	live   *live
	before []byte // the key before
}

// next reads the next entry into e; ended says that there is none. What was read to the end is what the
// manifest says.
func (s *stream) next() error {
	r, err := s.chunks.entry()
	if errors.Is(err, io.EOF) {
		s.ended = true
		return s.complete()
	}
	if err != nil {
		return damaged(s.m.ID, err)
	}
	if err := s.e.read(r); err != nil {
		return damaged(s.m.ID, s.chunks.about(err))
	}
	switch s.e.kind {
	case entryFile:
		s.files.add(s.e.name, s.e.digest[:])
	case entryPair:
		if s.live.n > 0 && bytes.Compare(s.before, s.e.key) >= 0 {
			return damaged(s.m.ID, fmt.Errorf("key %x is out of order", s.e.key))
		}
		s.before = append(s.before[:0], s.e.key...)
		s.live.add(s.e.key, s.e.version)
	}
	return nil
}

func (s *stream) complete() error {
	if s.live.n != s.m.Keys || s.live.sum() != s.m.Live {
		return damaged(s.m.ID, fmt.Errorf("it has %d keys that are not those of its manifest (%d)", s.live.n, s.m.Keys))
	}
	if s.files.n != s.m.Files || s.files.sum() != s.m.FileList {
		return damaged(s.m.ID, fmt.Errorf("it has %d files that are not those of its manifest (%d)", s.files.n, s.m.Files))
	}
	return nil
}

// chain is a backup with all that it goes on from, opened. It is used by one goroutine.
type chain struct {
	streams []*stream // the full one first
	// odd says what a backup of it tells in the open and not inside. It restores nobody anything else, but deceives whoever lists.
	odd error
}

// openChain opens manifests and holds them against each other.
func openChain(folder, id string, access Access) (*chain, error) {
	all, err := List(folder)
	if err != nil {
		return nil, err
	}
	if id == "" {
		if id, err = newest(all); err != nil {
			return nil, err
		}
	}
	found, err := chainOf(all, id)
	if err != nil {
		return nil, err
	}
	c := &chain{}
	sum := ""
	for i, f := range found {
		dir := filepath.Join(folder, f.ID)
		open, err := access.open(dir, f.About)
		if err != nil {
			return nil, err
		}
		m, digest, err := readManifest(dir, open)
		if err == nil && m.ID != f.ID {
			err = fmt.Errorf("its manifest is that of %s", m.ID)
		}
		if err == nil && i == 0 && m.Base != "" {
			err = errors.New("it is no full one")
		}
		if err == nil && i > 0 {
			err = m.follows(c.streams[i-1].m, sum)
		}
		if err != nil {
			return nil, damaged(f.ID, err)
		}
		if i == len(found)-1 { // the digests below hang on this one
			if err := access.genuine(dir, f.About, m, digest); err != nil {
				return nil, err
			}
		}
		if c.odd == nil {
			c.odd = f.About.contradicts(dir, m)
		}
		sum = digest
		c.streams = append(c.streams, &stream{m: m, files: newList(), live: newLive(), chunks: &chunkReader{dir: dir, open: open, chunks: m.Chunks}})
	}
	return c, nil
}

// manifest is that of the newest.
func (c *chain) manifest() *Manifest { return c.streams[len(c.streams)-1].m }

// raw is how many bytes all chunks hold before compression: no restore needs more.
func (c *chain) raw() (n int64) {
	for _, s := range c.streams {
		for _, chunk := range s.m.Chunks {
			n += chunk.Raw
		}
	}
	return n
}

func (c *chain) close() error {
	var errs []error
	for _, s := range c.streams {
		errs = append(errs, s.chunks.close())
	}
	return errors.Join(errs...)
}

// sink takes what a backup holds. file returns where the bytes go, or nil for nowhere; it is closed.
type sink struct {
	file func(name string, mode uint32, size uint64) (io.WriteCloser, error)
	pair func(key, value []byte) error
}

// read gives the whole content of the newest backup to a sink: the files, then the keys in
// order. Everything is checked on the way, and all chunks of the whole chain are read to their ends.
func (c *chain) read(ctx context.Context, to sink) error {
	if err := c.readFiles(ctx, to); err != nil {
		return err
	}
	return c.readPairs(ctx, to)
}

// readFiles reads the file part of each backup, the newest first: that one says which files there are,
// and each comes from the newest that carries it.
func (c *chain) readFiles(ctx context.Context, to sink) error {
	wanted := map[string][sha256.Size]byte{}
	for i := len(c.streams) - 1; i >= 0; i-- {
		s := c.streams[i]
		top := i == len(c.streams)-1
		if err := s.next(); err != nil {
			return err
		}
		for !s.ended && s.e.kind == entryFile {
			if err := ctx.Err(); err != nil {
				return err
			}
			if top {
				if _, twice := wanted[s.e.name]; twice || len(wanted) >= maxFiles {
					return damaged(s.m.ID, fmt.Errorf("file %q is there twice", s.e.name))
				}
				wanted[s.e.name] = s.e.digest
			}
			digest, ok := wanted[s.e.name]
			take := ok && s.e.carried && digest == s.e.digest
			if take {
				delete(wanted, s.e.name)
			}
			if err := s.readFile(to, take); err != nil {
				return err
			}
		}
	}
	for name := range wanted {
		return damaged(c.manifest().ID, fmt.Errorf("no backup of the chain carries file %q", name))
	}
	return nil
}

// readFile reads the blocks of a file whose head is in e, and the entry behind them.
func (s *stream) readFile(to sink, take bool) (err error) {
	name, left, want, carried := s.e.name, s.e.size, s.e.digest, s.e.carried
	var out io.WriteCloser
	if take {
		if out, err = to.file(name, s.e.mode, s.e.size); err != nil {
			return err
		}
	}
	h := sha256.New()
	for {
		if err = s.next(); err != nil || s.ended || s.e.kind != entryBlock {
			break
		}
		if !carried || uint64(len(s.e.block)) > left {
			err = damaged(s.m.ID, fmt.Errorf("file %q is longer than it should be", name))
			break
		}
		left -= uint64(len(s.e.block))
		h.Write(s.e.block)
		if out != nil {
			if _, err = out.Write(s.e.block); err != nil {
				break
			}
		}
	}
	if err == nil && carried && (left != 0 || !bytes.Equal(h.Sum(nil), want[:])) {
		err = damaged(s.m.ID, fmt.Errorf("file %q is not what it should be", name))
	}
	if out != nil {
		err = errors.Join(err, out.Close())
	}
	return err
}

// readPairs merges the keys: the newest backup says which keys live, and of each the value comes from the one
// that was made when it was new. All streams are in order, so each is read once.
func (c *chain) readPairs(ctx context.Context, to sink) error {
	top := c.streams[len(c.streams)-1]
	for !top.ended {
		if top.e.kind != entryPair {
			return damaged(top.m.ID, fmt.Errorf("an entry of kind %q among the keys", top.e.kind))
		}
		value, err := c.value(len(c.streams)-1, top.e.key, top.e.version)
		if err == nil {
			err = to.pair(top.e.key, value)
		}
		if err == nil {
			err = top.step(ctx)
		}
		if err != nil {
			return err
		}
	}
	for _, s := range c.streams {
		for !s.ended {
			if err := s.step(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *stream) step(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.next()
}

// value finds a key's value in the stream at i, which stands on it, or in one before.
func (c *chain) value(i int, key []byte, version uint64) ([]byte, error) {
	for ; ; i-- {
		s := c.streams[i]
		for !s.ended && bytes.Compare(s.e.key, key) < 0 {
			if err := s.next(); err != nil {
				return nil, err
			}
		}
		if s.ended || !bytes.Equal(s.e.key, key) || s.e.version != version {
			return nil, reason.New(reason.BackupDamaged, fmt.Sprintf("backup %s: key %x of version %d is not in it, and %s needs it", s.m.ID, key, version, c.manifest().ID))
		}
		if s.e.fresh {
			return s.e.value, nil
		}
		if i == 0 {
			return nil, damaged(s.m.ID, fmt.Errorf("key %x has no value in a full backup", key))
		}
	}
}
