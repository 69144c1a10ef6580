// Package durable writes small files that are whole after a power cut: the old
// one or the new one, never a mixture, and the new one once the call returned.
package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
)

// Write replaces a file: temporary file, sync, rename, sync of the folder. Its
// errors name the file.
func Write(path string, raw []byte, mode fs.FileMode) error {
	if err := renameio.WriteFile(path, raw, mode); err != nil {
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
