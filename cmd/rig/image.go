package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// memoryFolder is a file system in memory, where images cost no disk.
const memoryFolder = "/dev/shm"

// needRoot skips a rig that must mount.
func needRoot() error {
	if os.Getuid() != 0 || os.Getenv(isolated) == "" {
		return skipped("needs root and a mount namespace, for loop devices")
	}
	for _, tool := range []string{"mkfs.ext4", "mount"} {
		if _, err := exec.LookPath(tool); err != nil {
			return skipped("needs " + tool)
		}
	}
	if _, err := os.Stat("/dev/loop-control"); err != nil {
		return skipped("needs loop devices")
	}
	return nil
}

// memoryDir makes a scratch folder in memory, which goes with the run.
func (r *run) memoryDir() (string, error) {
	dir, err := os.MkdirTemp(memoryFolder, "rig")
	if err != nil {
		return "", skipped("needs a file system in memory at " + memoryFolder)
	}
	r.atEnd(func() error { return os.RemoveAll(dir) })
	return dir, nil
}

// makeImage makes a file with an empty ext4 of some MB in it.
func makeImage(path string, megabytes int) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Truncate(int64(megabytes)<<20), f.Close()); err != nil {
		return err
	}
	return command1("mkfs.ext4", "-q", "-F", "-m", "0", "-E", "lazy_itable_init=0,lazy_journal_init=0", path)
}

// mountImage loop-mounts an image on a fresh folder and returns it. The run unmounts what is still mounted at its end; unmount does it before.
func (r *run) mountImage(image, options string) (folder string, err error) {
	folder, err = os.MkdirTemp(r.dir, "m")
	if err != nil {
		return "", err
	}
	all := strings.Trim("loop,"+options, ",")
	if err := command1("mount", "-t", "ext4", "-o", all, image, folder); err != nil {
		return "", err
	}
	r.atEnd(func() error { return unmount(folder) })
	return folder, nil
}

// mountMemory mounts a file system in memory of some MB on a fresh folder.
func (r *run) mountMemory(megabytes int) (folder string, err error) {
	folder, err = os.MkdirTemp(r.dir, "m")
	if err != nil {
		return "", err
	}
	if err := syscall.Mount("rig", folder, "tmpfs", 0, fmt.Sprintf("size=%dm", megabytes)); err != nil {
		return "", fmt.Errorf("mount %d MB of memory: %w", megabytes, err)
	}
	r.atEnd(func() error { return unmount(folder) })
	return folder, nil
}

// unmount undoes a mount; what is not mounted is fine. A loop device goes with its mount.
func unmount(folder string) error {
	err := syscall.Unmount(folder, 0)
	if errors.Is(err, syscall.EBUSY) {
		err = syscall.Unmount(folder, syscall.MNT_DETACH)
	}
	if err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("unmount %s: %w", filepath.Base(folder), err)
	}
	return nil
}

// command1 runs a tool; its error says what the tool said.
func command1(name string, args ...string) error {
	var said bytes.Buffer
	c := exec.Command(name, args...)
	c.Stdout, c.Stderr = &said, &said
	if err := c.Run(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, bytes.TrimSpace(said.Bytes()))
	}
	return nil
}
