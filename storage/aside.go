package storage

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"tocsin/protocol/reason"
)

// What a repair makes beside the store:
//
//	STORE.repair        a repaired store in the making
//	STORE.new           a whole one, about to take the place of the damaged one
//	STORE.damaged-TIME  the damaged one, kept for people
//	STORE.loose         records that the node judges anew
const (
	suffixRepair  = ".repair"
	suffixDamaged = ".damaged-"
)

// Settle ends what a vacuum or a repair left off, so that there is one store, and refuses to take a store for new that is only
// missing: store.damaged when a repair's folders are there and the store is not.
func Settle(dir string) error {
	if err := finishSwap(dir); err != nil {
		return err
	}
	if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var found []string
	for _, path := range Aside(dir) {
		if name := filepath.Base(path); name == filepath.Base(dir+suffixRepair) || strings.HasPrefix(name, filepath.Base(dir+suffixDamaged)) {
			found = append(found, name)
		}
	}
	if len(found) == 0 {
		return nil
	}
	return reason.New(reason.StoreDamaged, fmt.Sprintf("the store %s is missing, and beside it is what a repair left: %s; nothing was changed. "+
		"Rename the newest damaged one to %s and run: %s", dir, strings.Join(found, ", "), filepath.Base(dir), RepairCommand))
}

// Aside lists what repairs left beside a store: the folders have records in them, also such as were erased since.
func Aside(dir string) []string {
	entries, err := os.ReadDir(filepath.Dir(dir))
	if err != nil {
		return nil // there is nothing that could be read
	}
	var out []string
	for _, e := range entries {
		rest, beside := strings.CutPrefix(e.Name(), filepath.Base(dir))
		if e.IsDir() && beside && (rest == suffixRepair || rest == filepath.Base(LooseDir("")) || strings.HasPrefix(rest, suffixDamaged)) {
			out = append(out, filepath.Join(filepath.Dir(dir), e.Name()))
		}
	}
	return out
}

// Aside lists what repairs left beside the store.
func (s *Store) Aside() []string {
	if s.memory {
		return nil
	}
	return Aside(s.dir)
}

// WipeAside overwrites and removes what repairs left beside the store. Records that wait there to be judged anew are gone with it.
func (s *Store) WipeAside() error {
	s.work.vacuuming.Lock()
	defer s.work.vacuuming.Unlock()
	var errs []error
	for _, path := range s.Aside() {
		errs = append(errs, wipeTree(path))
	}
	return errors.Join(errs...)
}

// copyFloor is store.full when a copy that is under way in dir would leave badger no room: it asks once at its beginning, and others write meanwhile.
func copyFloor(dir string) error {
	free, ok := freeBytes(dir)
	if least := int64(logRoom + flushRoom + otherRoom); ok && free < least {
		return reason.New(reason.StoreFull, fmt.Sprintf("fill store %s: %d bytes are free, the copy needs %d at any time", dir, free, least))
	}
	return nil
}
