package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tocsin/node"
	"tocsin/node/admin/api"
	"tocsin/node/backup"
	"tocsin/node/figures"
	"tocsin/protocol/reason"
)

func newBackupCommand(g *globals) *cobra.Command {
	return group("backup", "Back up the node, and make sure that it can be restored",
		newBackupListCommand(g), newBackupCreateCommand(g), newBackupVerifyCommand(g, false), newBackupVerifyCommand(g, true), newBackupKeysCommand(g))
}

// backupOptions are the flags of backup create.
type backupOptions struct {
	api.BackupRequest
	passphrase     bool
	keysPassphrase bool
}

func newBackupCreateCommand(g *globals) *cobra.Command {
	var o backupOptions
	c := &cobra.Command{
		Use:   "create",
		Short: "Back up the node to a folder, all of it or what is new",
		Long: `Back up the node to a folder: every record, and all files of its state and configuration, but
no private key. What follows an earlier backup in the same folder holds only what is new; it is restored
together with those before it. A node that runs does the work itself, and goes on meanwhile.

A backup is sealed for the recipients of age that are given or configured (backup_recipients). When
there are none, a key is made at the first backup, and the file that holds it named: TAKE IT OFF THIS
MACHINE. Without it nobody restores anything.

--keys FILE writes the private keys to a file of their own, always sealed: for the same recipients, or
by a passphrase of their own. Root keys are not among them: they belong elsewhere.

Another folder, other readers, the keys, and keeping fewer than the configuration take the node's own account or root.

Exit codes: 0 written, 2 usage error, 5 not the owner, 8 the store is damaged, 9 the folder belongs to another node.`,
		Example: `  tocsin backup create --to /mnt/backups
  tocsin backup create --to /mnt/backups --full --keep 7 --keys /mnt/safe/keys.age --keys-passphrase`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return g.createBackup(cmd.Context(), o) },
	}
	f := c.Flags()
	f.StringVar(&o.Folder, "to", "", "folder of the backups (default backup_to of the configuration)")
	f.BoolVar(&o.Full, "full", false, "make one that needs no other")
	f.StringArrayVar(&o.Recipients, "recipient", nil, "age recipient that can open it (repeatable)")
	f.BoolVar(&o.passphrase, "passphrase", false, "seal it by a passphrase; it is then always a full one")
	f.BoolVar(&o.Plain, "plain", false, "do not seal it: whoever reads the folder reads everything")
	f.IntVar(&o.Keep, "keep", 0, "keep this many full backups with what follows them, remove older ones (default all)")
	f.StringVar(&o.Keys, "keys", "", "write the private keys to this new file, sealed")
	f.BoolVar(&o.keysPassphrase, "keys-passphrase", false, "seal the private keys by a passphrase of their own (env "+keysPassphraseEnv+")")
	return c
}

// keysPassphraseEnv is where the passphrase of private keys is taken from without a terminal.
const keysPassphraseEnv = "TOCSIN_KEYS_PASSPHRASE"

// request is what the flags ask for.
func (o *backupOptions) request(ctx context.Context, g *globals, cfg node.Config) (r api.BackupRequest, err error) {
	r = o.BackupRequest
	ways := 0
	for _, given := range []bool{len(r.Recipients) > 0, o.passphrase, r.Plain} {
		if given {
			ways++
		}
	}
	if ways > 1 {
		return r, usagef("--recipient, --passphrase and --plain are three ways to seal: give one")
	}
	if r.Keys == "" && o.keysPassphrase {
		return r, usagef("--keys-passphrase is for --keys FILE")
	}
	if ways == 0 {
		r.Recipients = cfg.BackupRecipients
	}
	if err := backup.CheckRecipients(r.Recipients); err != nil {
		return r, err
	}
	for _, path := range []*string{&r.Folder, &r.Keys} {
		if *path != "" {
			if *path, err = filepath.Abs(*path); err != nil {
				return r, reason.Wrap(reason.UsageInvalid, "resolve "+*path, err)
			}
		}
	}
	if r.Folder == "" {
		r.Folder = cfg.BackupTo
	}
	if r.Folder == "" {
		return r, usagef("name a folder: --to FOLDER, or backup_to in the configuration")
	}
	if o.passphrase {
		if r.Passphrase, err = g.passphrase(ctx, true); err != nil {
			return r, err
		}
	}
	if r.Keys != "" {
		err = o.keysSeal(ctx, g, &r)
	}
	return r, err
}

// keysSeal says how the private keys are sealed: never not at all.
func (o *backupOptions) keysSeal(ctx context.Context, g *globals, r *api.BackupRequest) (err error) {
	switch {
	case o.keysPassphrase:
		if r.KeysPassphrase = os.Getenv(keysPassphraseEnv); r.KeysPassphrase == "" {
			g.hint("Now the passphrase of the private keys.")
			r.KeysPassphrase, err = g.passphrase(ctx, true)
		}
	case r.Passphrase != "":
		r.KeysPassphrase = r.Passphrase
	case r.Plain:
		err = usagef("private keys are always sealed: --keys with --plain needs --keys-passphrase")
	}
	return err
}

func (g *globals) createBackup(ctx context.Context, o backupOptions) error {
	cfg, _, err := loadConfig(g)
	if err != nil {
		return err
	}
	r, err := o.request(ctx, g, cfg)
	if err != nil {
		return err
	}
	var made *api.BackupMade
	err = g.onNodeOrOffline(ctx, cfg, func(ctx context.Context, c *api.Client) (err error) {
		made, err = c.CreateBackup(ctx, r)
		return err
	}, func(b *backup.Runner) error {
		m, err := b.Create(ctx, backup.CreateOptions{Folder: r.Folder, Full: r.Full, Keep: r.Keep,
			Sealing: backup.Sealing{Recipients: r.Recipients, Passphrase: r.Passphrase, Plain: r.Plain}})
		if err != nil {
			return err
		}
		made = &api.BackupMade{ID: m.ID, Folder: m.Folder, Base: m.Base, Bytes: m.Bytes, Records: m.Records, Objects: m.Objects,
			Recipients: m.Recipients, Identity: m.Identity, Removed: m.Removed, Unsigned: m.Unsigned}
		if r.Keys != "" {
			made.Keys, err = b.CreateKeys(r.Keys, backup.Sealing{Recipients: m.Recipients, Passphrase: r.KeysPassphrase})
		}
		return err
	})
	if err != nil {
		return err
	}
	return g.emit(made, func(w io.Writer) { g.showBackup(w, made, r) })
}

// onNodeOrOffline has the node that runs do the work, else opens its files.
func (g *globals) onNodeOrOffline(ctx context.Context, cfg node.Config, online func(context.Context, *api.Client) error, offline func(*backup.Runner) error) error {
	err := g.withNodeOpen(ctx, online)
	if err == nil || api.ProblemOf(err).Code != string(reason.NodeNotFound) {
		return err
	}
	paths, pathErr := g.paths()
	if pathErr != nil {
		return pathErr
	}
	b, release, openErr := node.OfflineBackups(paths, cfg, readBuildInfo().Version)
	if openErr != nil {
		return openErr
	}
	err = offline(b)
	if e := release(); err == nil {
		err = e
	}
	return err
}

func (g *globals) showBackup(w io.Writer, m *api.BackupMade, r api.BackupRequest) {
	kind := "full"
	if m.Base != "" {
		kind = "follows " + m.Base
	}
	fmt.Fprintf(w, "Backup %s (%s): %s, %s in %s of %s\n", m.ID, kind, figures.Count(m.Records, "record"), figures.Count(m.Objects, "object"), figures.Bytes(m.Bytes), clean(m.Folder))
	if len(m.Keys) > 0 {
		fmt.Fprintf(w, "Private keys, sealed, in %s: %s\n", clean(r.Keys), clean(strings.Join(m.Keys, ", ")))
	}
	for _, id := range m.Removed {
		fmt.Fprintf(w, "Removed %s\n", id)
	}
	if m.Identity != "" {
		fmt.Fprintln(w, g.paint("\nTake this file off this machine. Only who has it can restore the backups:", colorWarn))
		fmt.Fprintf(w, "  %s\n", clean(m.Identity))
	}
	if m.Unsigned != "" {
		g.hint("This backup is not signed (%s): a restore takes it only with --unsigned.", m.Unsigned)
	}
	if r.Plain {
		g.hint("This backup is not sealed: whoever reads the folder reads everything but the private keys.")
	}
}

// backupItem is one line of backup list.
type backupItem struct {
	ID       string    `json:"id"`
	Created  time.Time `json:"created"`
	Base     string    `json:"base,omitempty"`
	Sealed   string    `json:"sealed,omitempty"`
	Bytes    int64     `json:"bytes"`
	Verified time.Time `json:"verified,omitzero"`
	Drilled  time.Time `json:"drilled,omitzero"`
	Broken   string    `json:"broken,omitempty"`
	// Lacks says why it cannot be restored though it is sound itself.
	Lacks string `json:"lacks,omitempty"`
}

func newBackupListCommand(g *globals) *cobra.Command {
	var folder string
	c := &cobra.Command{
		Use:   "list",
		Short: "List the backups in a folder",
		Long: `List the backups in a folder: when they were made, what they follow, and when they were last
verified or restored for a rehearsal. No key is needed, and no node. What is shown is
what stands there in the open; "tocsin backup verify" looks inside.

Exit codes: 0 listed, 2 usage error, 6 there is no such folder.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return g.listBackups(folder) },
	}
	c.Flags().StringVar(&folder, "from", "", "folder of the backups (default backup_to of the configuration)")
	return c
}

// backupFolder is the folder that was given, else the configured one.
func (g *globals) backupFolder(given string) (string, node.Config, error) {
	cfg, _, err := loadConfig(g)
	if err != nil {
		return "", cfg, err
	}
	if given == "" {
		given = cfg.BackupTo
	}
	if given == "" {
		return "", cfg, usagef("name a folder: --from FOLDER, or backup_to in the configuration")
	}
	given, err = filepath.Abs(given)
	return given, cfg, err
}

func (g *globals) listBackups(folder string) error {
	folder, _, err := g.backupFolder(folder)
	if err != nil {
		return err
	}
	all, err := backup.List(folder)
	if err != nil {
		return err
	}
	list := api.List[backupItem]{Items: []backupItem{}}
	for _, f := range all {
		list.Items = append(list.Items, backupItem{f.ID, f.Created, f.Base, f.Sealed, f.Bytes, f.Verified, f.Drilled, f.Broken, f.Lacks})
	}
	return g.emit(list, func(w io.Writer) {
		if len(list.Items) == 0 {
			fmt.Fprintf(w, "No backups in %s.\n", clean(folder))
			return
		}
		now := time.Now()
		var rows [][]cell
		for _, i := range list.Items {
			base := i.Base
			if base == "" {
				base = "full"
			}
			state := g.when(i.Verified, now)
			if i.Broken != "" {
				base, state = "broken", i.Broken
			} else if i.Lacks != "" {
				state = "cannot be restored: " + i.Lacks
			}
			rows = append(rows, []cell{{text: i.ID}, {text: g.stamp(i.Created)}, {text: base}, {text: clean(i.Sealed)}, {text: figures.Bytes(i.Bytes)}, {text: clean(state)}})
		}
		g.table(w, []string{"BACKUP", "MADE", "FOLLOWS", "SEALED BY", "SIZE", "VERIFIED"}, rows)
	})
}
