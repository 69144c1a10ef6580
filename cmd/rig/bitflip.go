package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/storage"
)

// flipper is the state of the bit flip rig.
type flipper struct {
	*run
	// homes are folders of stopped nodes: one was killed, one left as told.
	homes []string
	load  *load
	kinds map[string]int // flips by kind of file
	// What became of the flips.
	unseen, refused, repaired, lost, loose int
}

// flipLoad is how many objects are published before anything is damaged.
const flipLoad = 4000

// runBitflip turns single bits of a node's files around, each in a fresh copy of its folder, and starts the node. Nothing wrong is
// ever served, nothing panics, and what is missing is said by the node, by fsck, or by both.
func runBitflip(ctx context.Context, r *run) error {
	f := &flipper{run: r, load: newLoad(r.rand.Uint32()), kinds: map[string]int{}}
	if err := f.found(ctx); err != nil {
		return err
	}
	acked := f.load.snapshot()
	files := make([]map[string][]string, len(f.homes))
	kindSet := map[string]bool{}
	for i, home := range f.homes {
		var err error
		if files[i], err = filesOf(home); err != nil {
			return err
		}
		for kind := range files[i] {
			kindSet[kind] = true
		}
	}
	all := slices.SortedFunc(maps.Keys(kindSet), storeFirst)
	for n := range r.cycles {
		// Each kind in turn, now of the one node and now of the other.
		kind, at := all[n%len(all)], (n/len(all)+n)%len(f.homes)
		if len(files[at][kind]) == 0 {
			at = (at + 1) % len(f.homes)
		}
		name := files[at][kind][r.rand.IntN(len(files[at][kind]))]
		if err := f.flip(ctx, f.homes[at], name, acked); err != nil {
			return fmt.Errorf("flip %d, in %s: %w", n, name, err)
		}
		if (n+1)%25 == 0 {
			r.progress("%d flips", n+1)
		}
	}
	kinds := make([]string, 0, len(f.kinds))
	for kind, n := range f.kinds {
		kinds = append(kinds, fmt.Sprintf("%s %d", kind, n))
	}
	slices.Sort(kinds)
	r.figure("%d flips over %s", r.cycles, strings.Join(kinds, ", "))
	r.figure("%d harmless, %d named at the start; %d stores repaired, %d records judged anew, %d lost and named", f.unseen, f.refused, f.repaired, f.loose, f.lost)
	return nil
}

// found makes a node with data, killed, and a copy of it that was stopped as told.
func (f *flipper) found(ctx context.Context) error {
	killed := filepath.Join(f.dir, "killed")
	n, err := f.newProgram(f.bin, killed, "Flipped")
	if err != nil {
		return err
	}
	for _, stop := range []func() error{n.stop, n.kill} { // once through a table, once in the logs
		if _, err := n.start(ctx); err != nil {
			return err
		}
		for sent, i := 0, 0; sent < flipLoad/2; i++ {
			size := []int{1, 5, 40, 1, 150}[i%5]
			if _, err := f.load.publish(ctx, n.client, topics[i%len(topics)], size); err != nil {
				return err
			}
			sent += size
		}
		if err := stop(); err != nil {
			return err
		}
	}
	clean := filepath.Join(f.dir, "clean")
	if err := copyTree(clean, killed); err != nil {
		return err
	}
	c := &program{r: f.run, bin: f.bin, dir: clean}
	if _, err := c.start(ctx); err != nil {
		return err
	}
	f.homes = []string{killed, clean}
	return c.stop()
}

// storeFirst orders kinds of files: those of the store come first.
func storeFirst(a, b string) int {
	beside := func(kind string) int { return strings.Count(kind, "/") }
	return cmp.Or(beside(a)-beside(b), strings.Compare(a, b))
}

// filesOf lists the files of a node by their kind, each by name within its folder: all but sockets, locks and the ballast.
func filesOf(home string) (names map[string][]string, err error) {
	names = map[string][]string{}
	err = filepath.WalkDir(home, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		name, err := filepath.Rel(home, path)
		if base := d.Name(); base != "lock" && base != "LOCK" && base != "ballast" {
			names[kindOf(name)] = append(names[kindOf(name)], name)
		}
		return err
	})
	return names, err
}

// kindOf names the kind of a file.
func kindOf(name string) string {
	if dir, base := filepath.Split(name); dir == "store/" {
		if ext := filepath.Ext(base); ext != "" {
			return ext[1:]
		}
		return base
	}
	return name
}

// flip damages one file in a copy, and looks what becomes of it.
func (f *flipper) flip(ctx context.Context, home, name string, acked map[protocol.RecordID]string) error {
	dir := filepath.Join(f.dir, "flip")
	defer os.RemoveAll(dir)
	if err := copyTree(dir, home); err != nil {
		return err
	}
	at, err := f.flipBit(filepath.Join(dir, name))
	if err != nil || at < 0 {
		return err
	}
	kind := kindOf(name)
	f.kinds[kind]++
	what := fmt.Sprintf("%s byte %d of a node in %s", name, at, filepath.Base(home))
	n := &program{r: f.run, bin: f.bin, dir: dir}
	defer func() { err = errors.Join(err, n.kill()) }()
	_, startErr := n.start(ctx)
	if strings.Contains(n.stderr.String(), "panic") || strings.Contains(n.stderr.String(), "SIG") {
		f.breach("%s: %s", what, n.stderr.String())
	}
	if startErr != nil {
		f.refused++
		return f.repair(n, what, kind, acked)
	}
	f.unseen++
	return f.served(ctx, n, what, acked)
}

// flipBit turns one bit around of what was ever written to a file; at is negative when nothing was.
func (f *flipper) flipBit(path string) (at int, err error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return -1, err
	}
	used := len(bytes.TrimRight(raw, "\x00"))
	if used == 0 {
		return -1, nil
	}
	at = f.rand.IntN(used)
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return at, err
	}
	_, err = file.WriteAt([]byte{raw[at] ^ 1<<f.rand.IntN(8)}, int64(at))
	return at, errors.Join(err, file.Close())
}

// repair does what the node says when it does not start: the store is made anew, and opens. Damage to other files the node names
// by itself, and a person has to see to it.
func (f *flipper) repair(n *program, what, kind string, acked map[protocol.RecordID]string) error {
	said := n.stderr.String()
	if !strings.Contains(said, string(reason.StoreDamaged)) {
		if !strings.Contains(said, `"code":"`) || strings.Contains(said, `"code":"internal"`) && !strings.Contains(said, filepath.Base(kind)) {
			f.breach("%s: the node does not say what is wrong: %s", what, said)
		}
		return nil
	}
	if !strings.Contains(said, storage.RepairCommand) {
		f.breach("%s: the node does not say what to do: %s", what, said)
	}
	raw, err := n.tool("fsck", "--repair", "-o", "json")
	if err != nil {
		f.breach("%s: %v", what, err)
		return nil
	}
	var done struct {
		Loose int      `json:"loose"`
		Lost  []string `json:"lost"`
	}
	if err := json.Unmarshal(raw, &done); err != nil {
		return err
	}
	f.repaired++
	f.loose += done.Loose
	f.lost += len(done.Lost)
	missing, err := f.read(n.dir, what, acked)
	if err != nil {
		return err
	}
	if missing > done.Loose+len(done.Lost) {
		f.breach("%s: after the repair %d records are missing, and %d are named", what, missing, done.Loose+len(done.Lost))
	}
	if _, err := n.tool("fsck"); err != nil {
		f.breach("%s: the repaired store is not sound: %v", what, err)
	}
	return nil
}

// served has the node that started look at its store, and holds what it says against what is missing.
func (f *flipper) served(ctx context.Context, n *program, what string, acked map[protocol.RecordID]string) error {
	found, err := n.client.ScrubNow(ctx)
	if err != nil {
		f.breach("%s: %v", what, err)
		return nil
	}
	if !n.alive() {
		f.breach("%s: the process died: %s", what, n.stderr.String())
	}
	if err := n.kill(); err != nil {
		return err
	}
	missing, err := f.read(n.dir, what, acked)
	if err != nil {
		return err
	}
	f.lost += len(found.Lost)
	if missing > 0 && found.OK {
		f.breach("%s: %d records are missing, and nobody says so", what, missing)
	}
	return nil
}

// read opens a store and counts the acknowledged records that it does not give back. None is other than what it was.
func (f *flipper) read(dir, what string, acked map[protocol.RecordID]string) (missing int, err error) {
	s, err := storage.Open(filepath.Join(dir, "store"), storage.Options{Network: "main"})
	if err != nil {
		return 0, fmt.Errorf("%s: %w", what, err)
	}
	defer s.Close() // it was only read
	for id := range acked {
		raw, _, err := s.Record(id)
		if err != nil {
			missing++
			continue
		}
		if got, err := protocol.StoredID("main", raw); err != nil || got != id {
			f.breach("%s: record %s is served as %s, %v", what, id, got, err)
		}
	}
	return missing, nil
}

// copyTree copies a folder with what is in it, holes as holes.
func copyTree(to, from string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		switch target := filepath.Join(to, name); {
		case d.IsDir():
			return os.MkdirAll(target, 0o700)
		case d.Type().IsRegular() && d.Name() != "ballast":
			if err := copySparse(target, path); err != nil {
				return err
			}
			return os.Chmod(target, 0o600)
		}
		return nil
	})
}
