//go:build unix

package storage

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// whileFree calls fn while no other process may open the store in dir: badger holds the folder itself locked. free is false
// when another one has it.
func whileFree(dir string, fn func() error) (free bool, err error) {
	d, err := os.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return true, err
	}
	defer d.Close()
	if err := syscall.Flock(int(d.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return !errors.Is(err, syscall.EWOULDBLOCK), err
	}
	return true, fn()
}
