// Package durable writes small files that are whole after a power cut: the old
// one or the new one, never a mixture, and the new one once the call returned.
package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/google/renameio/v2"

	"tocsin/protocol/reason"
)

// Write replaces a file: temporary file, sync, rename, sync of the folder. Its
// errors name the file; store.full says that the disk has no room, and the old file stands.
func Write(path string, raw []byte, mode fs.FileMode) error {
	err := renameio.WriteFile(path, raw, mode)
	if errors.Is(err, syscall.ENOSPC) {
		return reason.Wrap(reason.StoreFull, "write "+path, err)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return SyncFolder(filepath.Dir(path))
}

// SyncFolder makes durable what was made, renamed or removed in a folder.
func SyncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	return errors.Join(d.Sync(), d.Close())
}
