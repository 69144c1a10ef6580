package admin

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"tocsin/node/admin/api"
	"tocsin/protocol/reason"
)

// socketMode lets the owner and the group in. It is set after listening, since a
// service's umask would otherwise shut the group out.
const socketMode = 0o660

// listen binds the socket. One that a dead process left is taken over; one that
// answers belongs to a running node; anything else at that path is left alone.
func listen(path string) (net.Listener, error) {
	if err := api.CheckSocketPath(path); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, fmt.Errorf("make the folder of the admin socket: %w", err)
	}
	if err := clear(path); err != nil {
		return nil, err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("listen on admin socket: %w", err)
	}
	if err := os.Chmod(path, socketMode); err != nil {
		return nil, errors.Join(fmt.Errorf("open the admin socket to its group: %w", err), l.Close())
	}
	return l, nil
}

// clear removes the socket of a dead process.
func clear(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at admin socket: %w", err)
	}
	if info.Mode().Type() != fs.ModeSocket {
		return reason.New(reason.Conflict, fmt.Sprintf("%s is in the way of the admin socket and is no socket; move it", path))
	}
	c, err := net.DialTimeout("unix", path, time.Second)
	switch {
	case err == nil:
		return errors.Join(reason.New(reason.NodeRunning, "another node answers on "+path), c.Close())
	case errors.Is(err, syscall.ECONNREFUSED):
		log.Infow("took over the socket of a dead process", "socket", path)
		return os.Remove(path)
	default:
		return fmt.Errorf("look at admin socket: %w", err)
	}
}
