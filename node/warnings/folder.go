package warnings

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"tocsin/protocol/reason"
	"tocsin/protocol/warn"
)

// The limits of a folder. All lists of MISP are 150 files with 100 MB.
const (
	maxFiles   = 2_000
	maxBytes   = 256 << 20
	maxEntries = 4_000_000
)

// assetsFile is the list of what the operator must not be cut off from.
const assetsFile = "assets.txt"

// listing is a folder as it was seen, without the contents of files.
type listing struct {
	files  []file
	absent bool
	fault  string // why it could not be listed
}

// file is what tells that a file changed.
type file struct {
	name     string // from the folder, with slashes
	size     int64
	modified time.Time
}

func (l listing) equal(o listing) bool {
	return l.absent == o.absent && l.fault == o.fault &&
		slices.EqualFunc(l.files, o.files, func(a, b file) bool {
			return a.name == b.name && a.size == b.size && a.modified.Equal(b.modified)
		})
}

// list finds the list files of a folder, by name.
func list(dir string) (listing, error) {
	var l listing
	root, err := filepath.EvalSymlinks(dir)
	if errors.Is(err, fs.ErrNotExist) {
		l.absent = true
		return l, nil
	}
	if err != nil {
		return l, reason.Wrap(reason.WarnFile, "read warning lists", err)
	}
	if info, err := os.Stat(root); err != nil || !info.IsDir() {
		return l, reason.Wrap(reason.WarnFile, "read warning lists in "+dir, cmp.Or(err, errors.New("this is no folder: name the one that holds the lists")))
	}
	total := int64(0)
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		if strings.HasPrefix(d.Name(), ".") || strings.HasPrefix(d.Name(), "_") {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if d.IsDir() || !isList(d.Name()) {
			return nil
		}
		info, err := os.Stat(path) // what a link points at
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			return fmt.Errorf("%s is no regular file: move it away", path)
		}
		if total += info.Size(); total > maxBytes || len(l.files) == maxFiles {
			return fmt.Errorf("more than %d files or %d bytes: leave out what you do not need", maxFiles, maxBytes)
		}
		name, err := filepath.Rel(root, path)
		l.files = append(l.files, file{filepath.ToSlash(name), info.Size(), info.ModTime()})
		return err
	})
	if err != nil {
		return listing{}, reason.Wrap(reason.WarnFile, "read warning lists in "+dir, err)
	}
	return l, nil
}

func isList(name string) bool {
	ending := strings.ToLower(filepath.Ext(name))
	return ending == ".json" || ending == ".txt"
}

// read reads the built-in lists and the files of a listing, and hashes what they hold.
func read(dir string, found listing) ([]*warn.List, []Info, [sha256.Size]byte, error) {
	lists := warn.Builtin()
	infos := make([]Info, 0, len(lists)+len(found.files))
	for _, l := range lists {
		infos = append(infos, Info{Name: l.Name, Type: l.Type, Weight: l.Weight})
	}
	sum := sha256.New()
	entries, bytes := 0, int64(0)
	for _, f := range found.files {
		path := filepath.Join(dir, filepath.FromSlash(f.name))
		raw, err := readFile(path)
		if err != nil {
			return nil, nil, [sha256.Size]byte{}, reason.Wrap(reason.WarnFile, "read warning list "+path, err)
		}
		l, err := warn.Parse(path, raw, weightOf(f.name))
		if err != nil {
			return nil, nil, [sha256.Size]byte{}, err
		}
		l.Own = f.name == assetsFile
		entries += len(l.Entries)
		if bytes += int64(len(raw)); entries > maxEntries || bytes > maxBytes {
			return nil, nil, [sha256.Size]byte{}, reason.New(reason.WarnFile, fmt.Sprintf(
				"read warning lists in %s: more than %d entries or %d bytes in all: leave out what you do not need", dir, maxEntries, maxBytes))
		}
		fmt.Fprintf(sum, "%d %s %d ", len(f.name), f.name, len(raw))
		sum.Write(raw)
		lists = append(lists, l)
		infos = append(infos, Info{Name: l.Name, File: f.name, Type: l.Type, Weight: l.Weight})
	}
	return lists, infos, [sha256.Size]byte(sum.Sum(nil)), nil
}

// readFile reads one byte more than a list may have at most: then it is refused as too large.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(io.LimitReader(f, warn.MaxFile+1))
	return raw, errors.Join(err, f.Close())
}

// weightOf gives the weight of a file's list by where it lies.
func weightOf(name string) int {
	if name == assetsFile || strings.HasPrefix(name, "hard/") {
		return warn.Hard
	}
	return warn.Soft
}
