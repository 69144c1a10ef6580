package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// maxAside bounds how many damaged files stand beside one.
const maxAside = 1000

// PutAside moves a damaged file to PATH.damaged-N beside it, durable when it returns nil, and gives the new name.
func PutAside(path string) (string, error) {
	name, err := free(path)
	if err != nil {
		return "", err
	}
	if err := os.Rename(path, name); err != nil {
		return "", fmt.Errorf("put %s aside: %w", path, err)
	}
	return name, SyncFolder(filepath.Dir(path))
}

// CopyAside writes what a damaged file holds to PATH.damaged-N beside it, durable when it returns nil, and gives the new name.
func CopyAside(path string) (string, error) {
	name, err := free(path)
	if err != nil {
		return "", err
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("keep a copy of %s: %w", path, err)
	}
	return name, Write(name, raw, 0o600)
}

// free is the first name that nothing has.
func free(path string) (string, error) {
	for n := 1; n <= maxAside; n++ {
		name := fmt.Sprintf("%s.damaged-%d", path, n)
		if _, err := os.Lstat(name); errors.Is(err, fs.ErrNotExist) {
			return name, nil
		} else if err != nil {
			return "", fmt.Errorf("put %s aside: %w", path, err)
		}
	}
	return "", fmt.Errorf("put %s aside: %d damaged files stand beside it; remove some", path, maxAside)
}
