package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"filippo.io/age"

	"tocsin/node/bundle"
	"tocsin/node/durable"
	"tocsin/protocol/reason"
)

// The names of bundle files. They tell the bundle's id and a number, and nothing else (BND-13).
const (
	bundleSuffix = ".tocsin"
	lockedSuffix = bundleSuffix + ".age"
	// partPrefix hides a file that is not whole yet: whoever watches the folder passes it over.
	partPrefix = ".part-"
)

// chunkFiles puts the chunks of a stream into files. Each has its name only once it is whole and synced.
type chunkFiles struct {
	folder string
	// name of the one file, "" for one file a chunk.
	name string
	keys []age.Recipient

	begun bool
	chunk int // of the file that is open
	file  *os.File
	enc   io.WriteCloser
	as    string   // the name that the open file gets
	parts []string // written, not named yet, in order
	names []string // the names they get
}

// write copies a stream of the node into files; finish gives them their names.
func (c *chunkFiles) write(in io.Reader) error {
	s := bundle.NewSplitter(in)
	for {
		h, raw, err := s.Next()
		if errors.Is(err, io.EOF) {
			return c.end()
		}
		if err == nil {
			err = c.segment(h, raw)
		}
		if err != nil {
			return err
		}
	}
}

func (c *chunkFiles) segment(h bundle.Head, raw []byte) error {
	if !c.begun || c.name == "" && h.Chunk != c.chunk {
		if err := c.end(); err != nil {
			return err
		}
		if err := c.begin(h); err != nil {
			return err
		}
	}
	_, err := c.enc.Write(raw)
	return err
}

func (c *chunkFiles) begin(h bundle.Head) (err error) {
	c.begun, c.chunk, c.as = true, h.Chunk, c.name
	if c.as == "" {
		c.as = fmt.Sprintf("tocsin-%s-%05d%s", h.Bundle, h.Chunk, c.suffix())
	}
	if c.file, err = os.CreateTemp(c.folder, partPrefix+"*"); err != nil {
		return fileError(err)
	}
	c.parts, c.names = append(c.parts, c.file.Name()), append(c.names, c.as)
	c.enc, err = locked(c.file, c.keys)
	return err
}

func (c *chunkFiles) suffix() string {
	if len(c.keys) > 0 {
		return lockedSuffix
	}
	return bundleSuffix
}

// end makes the open file whole and durable.
func (c *chunkFiles) end() error {
	if c.file == nil {
		return nil
	}
	f := c.file
	c.file = nil
	return errors.Join(c.enc.Close(), f.Sync(), f.Close())
}

// finish gives the files their names, in order: the manifest comes last. A file of that name is replaced.
func (c *chunkFiles) finish() error {
	for i, part := range c.parts {
		if err := os.Rename(part, filepath.Join(c.folder, c.names[i])); err != nil {
			return err
		}
	}
	c.parts = nil
	return durable.SyncFolder(c.folder)
}

// discard takes away what has no name yet.
func (c *chunkFiles) discard() {
	if c.file != nil {
		_ = c.file.Close()
	}
	for _, part := range c.parts {
		_ = os.Remove(part) // what stays is hidden, and of no use to anybody
	}
}

// target reads --to: a folder, or the name of one file.
func target(to string, keys []age.Recipient) (*chunkFiles, error) {
	c := &chunkFiles{keys: keys}
	info, err := os.Stat(to)
	switch {
	case err == nil && info.IsDir():
		c.folder = to
	case err == nil:
		return nil, reason.New(reason.Conflict, fmt.Sprintf("export a bundle: %s exists already", to))
	case !errors.Is(err, fs.ErrNotExist):
		return nil, fileError(err)
	case strings.HasSuffix(to, "/"):
		if err := os.MkdirAll(to, 0o700); err != nil {
			return nil, fileError(err)
		}
		c.folder = to
	default:
		c.folder, c.name = filepath.Dir(to), filepath.Base(to)
	}
	return c, nil
}

// bundleInputs lists the files that are meant: files as they are named, of folders what looks like a bundle.
func bundleInputs(args []string) ([]string, error) {
	var out []string
	for _, arg := range args {
		info, err := os.Stat(arg)
		switch {
		case arg == "-":
			out = append(out, arg)
			continue
		case err != nil:
			return nil, fileError(err)
		case !info.IsDir():
			out = append(out, arg)
			continue
		}
		names, err := bundlesIn(arg)
		if err != nil {
			return nil, err
		}
		if len(names) == 0 {
			return nil, reason.New(reason.NotFound, fmt.Sprintf("import bundles: no file in %s ends in %s or %s", arg, bundleSuffix, lockedSuffix))
		}
		out = append(out, names...)
	}
	return out, nil
}

// bundlesIn lists what looks like a bundle in a folder, by name.
func bundlesIn(folder string) ([]string, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, fileError(err)
	}
	var out []string
	for _, e := range entries {
		name := e.Name()
		if e.Type().IsRegular() && !strings.HasPrefix(name, ".") && (strings.HasSuffix(name, bundleSuffix) || strings.HasSuffix(name, lockedSuffix)) {
			out = append(out, filepath.Join(folder, name))
		}
	}
	slices.Sort(out)
	return out, nil
}
