package backup

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Tree is a file or folder beside the store, and its name in a backup.
type Tree struct {
	Name string
	Path string
}

// found is a file to be backed up.
type found struct {
	name, path string
}

// walk lists the files of all trees in the order in which they are read. What is absent is left out; so is what begins with a
// dot (half written), private keys, links (but for a tree that is one itself), and what only this machine needs.
func walk(trees []Tree) ([]found, error) {
	var out []found
	for _, t := range trees {
		err := filepath.WalkDir(t.Path, func(p string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil // gone, or never there
			}
			if err != nil {
				return err
			}
			rel, err := filepath.Rel(t.Path, p)
			if err != nil {
				return err
			}
			name := path.Join(t.Name, filepath.ToSlash(rel))
			if p != t.Path && strings.HasPrefix(d.Name(), ".") || passedOver(name) {
				if d.IsDir() {
					return fs.SkipDir
				}
				return nil
			}
			look := os.Lstat
			if p == t.Path {
				look = os.Stat // the operator may have linked a file of the configuration
			}
			if info, err := look(p); err != nil || !info.Mode().IsRegular() {
				return nil // a folder, a link, a socket, or gone
			}
			out = append(out, found{name, p})
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", t.Path, err)
		}
	}
	if len(out) > maxFiles {
		return nil, fmt.Errorf("%d files beside the store, at most %d", len(out), maxFiles)
	}
	slices.SortFunc(out, func(a, b found) int {
		return cmp.Or(cmp.Compare(rank(a.name), rank(b.name)), strings.Compare(a.name, b.name))
	})
	return out, nil
}

// rank puts before all others what points into a file that grows: a checkpoint into the audit log, a cursor to the
// facts that were kept. What they point to must be there in the copy. The facts follow the audit log, which commits to them.
func rank(name string) int {
	if name == "state/checkpoints" || strings.HasSuffix(name, ".cursor") {
		return 0
	}
	return 1
}

// keyLine begins the line that holds the key in a file of node/keystore, identityLine the one of an age identity.
const (
	keyLine      = "tocsin-key-1 "
	identityLine = "AGE-SECRET-KEY-"
)

// passedOver leaves out private keys, which are sealed apart, what only this folder of backups means, and the tokens of the admin
// port: a restored node would let in again whose token was revoked since.
func passedOver(name string) bool {
	return name == stateFile || name == tokensFile || strings.HasSuffix(name, ".key")
}

// open is a file as it is at this moment: files are replaced as a whole, and what only grows
// is taken up to its last whole line.
type opened struct {
	f      *os.File
	size   int64
	mode   fs.FileMode
	key    bool // it holds a private key, whatever its name says
	digest [sha256.Size]byte
}

// isKey reports whether a line near the start of a file is one of the keystore or of an age identity.
func isKey(f io.ReaderAt) (bool, error) {
	head := make([]byte, maxKeyFile)
	n, err := f.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	for line := range bytes.Lines(head[:n]) {
		if line = bytes.TrimSpace(line); bytes.HasPrefix(line, []byte(keyLine)) || bytes.HasPrefix(line, []byte(identityLine)) {
			return true, nil
		}
	}
	return false, nil
}

func openFile(f found) (*opened, error) {
	file, err := os.Open(f.path)
	if err != nil {
		return nil, err
	}
	o := &opened{f: file}
	info, err := file.Stat()
	if err == nil {
		o.key, err = isKey(file)
	}
	if err == nil {
		o.size, o.mode = info.Size(), info.Mode().Perm()
		if strings.HasSuffix(f.name, ".log") {
			o.size, err = wholeLines(file, o.size)
		}
	}
	if err == nil {
		h := sha256.New()
		if _, err = io.Copy(h, io.NewSectionReader(file, 0, o.size)); err == nil {
			h.Sum(o.digest[:0])
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read %s: %w", f.path, err), file.Close())
	}
	return o, nil
}

// wholeLines is the size of a file without a last line that is still being written.
func wholeLines(f io.ReaderAt, size int64) (int64, error) {
	buf := make([]byte, 64<<10)
	for end := size; end > 0; {
		n := min(end, int64(len(buf)))
		part := buf[:n]
		if _, err := f.ReadAt(part, end-n); err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		if i := bytes.LastIndexByte(part, '\n'); i >= 0 {
			return end - n + int64(i) + 1, nil
		}
		end -= n
	}
	return 0, nil
}

// list is a digest over names and contents of files, in order.
type list struct {
	h hash.Hash
	n int
}

func newList() *list { return &list{h: sha256.New()} }

func (l *list) add(name string, digest []byte) {
	l.n++
	l.h.Write(appendText(nil, []byte(name)))
	l.h.Write(digest)
}

func (l *list) sum() string { return hex.EncodeToString(l.h.Sum(nil)) }

// writeFiles writes all files of the trees, those that the base has only by name. It
// returns the digests for the next one.
func writeFiles(ctx context.Context, w *chunkWriter, trees []Tree, base map[string]string) (digests map[string]string, l *list, err error) {
	files, err := walk(trees)
	if err != nil {
		return nil, nil, err
	}
	digests, l = map[string]string{}, newList()
	for _, f := range files {
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		o, err := openFile(f)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		if o.key {
			log.Warnw("a file that holds a private key stays out of the backup", "file", f.path)
			if err := o.f.Close(); err != nil {
				return nil, nil, err
			}
			continue
		}
		sum := hex.EncodeToString(o.digest[:])
		e := entry{kind: entryFile, name: f.name, mode: uint32(o.mode), size: uint64(o.size), digest: o.digest, carried: base[f.name] != sum}
		err = w.entry(e.append(nil))
		if err == nil && e.carried {
			err = writeBlocks(w, o)
		}
		if err = errors.Join(err, o.f.Close()); err != nil {
			return nil, nil, fmt.Errorf("back up %s: %w", f.path, err)
		}
		digests[f.name] = sum
		l.add(f.name, o.digest[:])
	}
	return digests, l, nil
}

func writeBlocks(w *chunkWriter, o *opened) error {
	in := io.NewSectionReader(o.f, 0, o.size)
	h := sha256.New()
	buf, out := make([]byte, blockBytes), []byte(nil)
	for {
		n, err := io.ReadFull(in, buf)
		if n > 0 {
			h.Write(buf[:n])
			e := entry{kind: entryBlock, block: buf[:n]}
			out = e.append(out[:0])
			if err := w.entry(out); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	if !bytes.Equal(h.Sum(nil), o.digest[:]) {
		return errors.New("it changed while it was read: try again")
	}
	return nil
}
