package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"filippo.io/age"

	"tocsin/node/backup"
	"tocsin/node/cputime"
	"tocsin/storage"
)

// reportRestore backs the store of a folder up, sealed, and restores it into another one. Each is a process of
// its own, so that its peak of memory is its own.
func reportRestore(ctx context.Context, dir string) error {
	for range 2 { // the first finds no backup and makes one
		c := exec.CommandContext(ctx, os.Args[0], "-restore", dir)
		c.Stdout, c.Stderr = os.Stdout, os.Stderr
		if err := c.Run(); err != nil {
			return fmt.Errorf("back up and restore: %w", err)
		}
	}
	return os.RemoveAll(filepath.Join(dir, "restored"))
}

// backupOrRestore is one of the two.
func backupOrRestore(ctx context.Context, dir string) error {
	folder, identity := filepath.Join(dir, "backups"), filepath.Join(dir, "identity.txt")
	began, cpu := time.Now(), cputime.Used()
	if raw, err := os.ReadFile(identity); err == nil {
		data := filepath.Join(dir, "restored")
		if err := os.Mkdir(data, 0o700); err != nil {
			return err
		}
		r, err := backup.Restore(ctx, backup.RestoreOptions{Folder: folder, Access: backup.Access{Identities: string(raw), Unsigned: true}, Data: data, Config: data})
		if err != nil {
			return err
		}
		fmt.Printf("  restore of %d objects (%d records), compared: %v wall, %v CPU (aim 2 min), peak %d MB resident\n",
			r.Objects, r.Records, time.Since(began).Round(time.Millisecond), (cputime.Used() - cpu).Round(time.Millisecond), peakMB())
		return nil
	}
	id, err := age.GenerateX25519Identity()
	if err != nil {
		return err
	}
	if err := os.WriteFile(identity, []byte(id.String()), 0o600); err != nil {
		return err
	}
	s, err := storage.Open(filepath.Join(dir, "store"), storage.Options{})
	if err != nil {
		return err
	}
	m, err := backup.Create(ctx, backup.Source{Network: network, Org: "bench", Store: s},
		backup.CreateOptions{Folder: folder, Sealing: backup.Sealing{Recipients: []string{id.Recipient().String()}}})
	if err = errors.Join(err, s.Close()); err != nil {
		return err
	}
	fmt.Printf("  backup, opening the store included: %v wall, %v CPU, %d MB written, peak %d MB resident\n",
		time.Since(began).Round(time.Millisecond), (cputime.Used() - cpu).Round(time.Millisecond), m.Bytes>>20, peakMB())
	return nil
}

// peakMB is the most that this process had resident, mapped files included, or 0 where the kernel does not say.
func peakMB() int {
	raw, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(raw)) {
		var kb int
		if n, _ := fmt.Sscanf(line, "VmHWM: %d kB", &kb); n == 1 {
			return kb >> 10
		}
	}
	return 0
}
