package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"tocsin/node"
	"tocsin/node/admin/api"
	"tocsin/node/backup"
	"tocsin/node/figures"
	"tocsin/protocol/reason"
)

// backupAccess are the flags that say with what backups are opened.
type backupAccess struct {
	identity   string
	passphrase bool
	plain      bool
	unsigned   bool
}

func (a *backupAccess) flags(c *cobra.Command) {
	c.Flags().StringVar(&a.identity, "identity", "", "file with the age identity that opens it")
	c.Flags().BoolVar(&a.passphrase, "passphrase", false, "open it by a passphrase, asked for or from "+passphraseEnv)
	c.Flags().BoolVar(&a.plain, "plain", false, "take a backup that is not sealed")
	c.Flags().BoolVar(&a.unsigned, "unsigned", false, "take a backup that its node did not sign")
}

func (a *backupAccess) read(ctx context.Context, g *globals) (out backup.Access, err error) {
	out.Plain, out.Unsigned = a.plain, a.unsigned
	if a.identity != "" {
		raw, err := os.ReadFile(a.identity)
		if err != nil {
			return out, fileError(err)
		}
		out.Identities = string(raw)
	}
	if a.passphrase {
		out.Passphrase, err = g.passphrase(ctx, false)
	}
	return out, err
}

// newBackupVerifyCommand makes the two commands that say whether a backup is good.
func newBackupVerifyCommand(g *globals, drill bool) *cobra.Command {
	var folder string
	var access backupAccess
	c := &cobra.Command{
		Use:   "verify [BACKUP]",
		Short: "Read a backup whole and check every digest and every record",
		Long: `Read a backup, with those that it follows, from the first byte to the last: every digest, every
file, every record against its id. Nothing is restored. Without a name the newest is read.

It is opened with --identity or --passphrase, or on the node's own machine by the key that the node keeps
for this purpose. Its node must have signed it; one that is not sealed needs --plain, unless it is the node's last one.

Exit codes: 0 good, 2 usage error, 6 there is no such backup, 8 it is damaged or does not open.`,
		Args: cobra.MaximumNArgs(1),
	}
	if drill {
		c.Use = "drill [BACKUP]"
		c.Short = "Restore a backup into a scratch folder, and compare"
		c.Long = `Restore a backup into a scratch folder beside the node's data, open the store, compare counts, key logs
and the digest of each topic with the manifest, and clean up. The node itself goes on, and "tocsin
status" shows when this was last done. Without a name the newest is restored.

Exit codes: 0 it can be restored, 1 there is no room for it, 2 usage error, 6 there is no such backup,
8 it is damaged or does not open.`
	}
	c.RunE = func(cmd *cobra.Command, args []string) error {
		id := ""
		if len(args) > 0 {
			id = args[0]
		}
		return g.checkBackup(cmd.Context(), folder, id, access, drill)
	}
	c.Flags().StringVar(&folder, "from", "", "folder of the backups (default backup_to of the configuration)")
	access.flags(c)
	return c
}

func (g *globals) checkBackup(ctx context.Context, folder, id string, access backupAccess, drill bool) error {
	folder, cfg, err := g.backupFolder(folder)
	if err != nil {
		return err
	}
	a, err := access.read(ctx, g)
	if err != nil {
		return err
	}
	var checked *api.BackupChecked
	if drill {
		checked, err = g.drillBackup(ctx, cfg, folder, id, a)
	} else {
		checked, err = g.verifyBackup(ctx, folder, id, a)
	}
	if err != nil {
		return absentBackup(err)
	}
	return g.emit(checked, func(w io.Writer) {
		did := "Every byte of it is as it was written"
		if checked.Restored {
			did = "It was restored and is what was backed up"
		}
		fmt.Fprintf(w, "%s backup %s of %s: %s, %s\n", g.paint("good", colorGood), checked.ID, g.stamp(checked.Created),
			figures.Count(checked.Records, "record"), figures.Count(checked.Files, "file"))
		fmt.Fprintf(w, "%s (%s, in %.1f s).\n", did, figures.Count(len(checked.Chain), "backup"), checked.Seconds)
	})
}

// absentBackup says where to look for a backup that is not there.
func absentBackup(err error) error {
	if p := api.ProblemOf(err); p.Code == string(reason.NotFound) {
		return p.WithFix("See what is in the folder with 'tocsin backup list --from FOLDER'; a disk may not be mounted.")
	}
	return err
}

// verifyBackup reads the folder itself: no node is needed.
func (g *globals) verifyBackup(ctx context.Context, folder, id string, a backup.Access) (*api.BackupChecked, error) {
	if paths, err := g.paths(); err == nil {
		a.Data = paths.Data
	}
	c, err := backup.Verify(ctx, folder, id, a)
	return checkedBackup(c), err
}

func checkedBackup(c backup.Checked) *api.BackupChecked {
	return &api.BackupChecked{ID: c.ID, Created: c.Created, Chain: c.Chain, Org: c.Org, Records: c.Records, Keys: c.Keys,
		Files: c.Files, Restored: c.Restored, Seconds: c.Took.Seconds()}
}

// drillBackup has the node do it, so that its status knows; without one a scratch folder of the system's serves.
func (g *globals) drillBackup(ctx context.Context, cfg node.Config, folder, id string, a backup.Access) (checked *api.BackupChecked, err error) {
	err = g.onNodeOrOffline(ctx, cfg, func(ctx context.Context, c *api.Client) (err error) {
		checked, err = c.CheckBackup(ctx, api.BackupCheck{Folder: folder, ID: id, Identity: a.Identities, Passphrase: a.Passphrase, Drill: true, Plain: a.Plain, Unsigned: a.Unsigned})
		return err
	}, func(b *backup.Runner) error {
		c, err := b.Drill(ctx, folder, id, a)
		checked = checkedBackup(c)
		return err
	})
	if reason.Of(err) == reason.NodeNotFound && checked == nil {
		c, err := backup.Drill(ctx, folder, id, a, "", nil)
		return checkedBackup(c), err
	}
	return checked, err
}

// restoreOptions are the flags of restore.
type restoreOptions struct {
	backup.RestoreOptions
	access         backupAccess
	keysPassphrase bool
	org            string
	yes            bool
}

// restoredReport is the answer of restore.
type restoredReport struct {
	backup.Restored
	Seconds float64 `json:"seconds"`
	Data    string  `json:"data"`
}

func newRestoreCommand(g *globals) *cobra.Command {
	var o restoreOptions
	c := &cobra.Command{
		Use:   "restore --from FOLDER --yes",
		Short: "Bring the node back from a backup, into an empty folder",
		Long: `Bring the node back from a backup, into a data folder that holds none. All is written and compared
aside and then moved into place; when it is interrupted, run it again. Configuration files that are
there already stay as they are.

A backup is signed by its node. Name the organisation with --org, or give its keys: what another one signed is refused
then. What is not signed, or not sealed, is taken only with --unsigned and --plain.

The private keys come from their own file (--keys, or later by tocsin backup keys), or are put into keys/ by hand. Whatever key is there,
it does not go on with its logs, since nobody knows what was signed after the backup: before its first signature the
node makes a new record key with the operations key, or without one does not sign and says so.

What was erased after the backup was made comes back with it. The newest backup is restored unless --at says
otherwise; the answer names those that are newer.

Exit codes: 0 restored, 1 there is no room for it, 2 usage error, 6 there is no such backup,
8 it is damaged or does not open, 9 the folder holds a node already, or the backup is of another network.`,
		Example: `  tocsin restore --from /mnt/backups --identity key.txt --keys /mnt/safe/keys.age --yes`,
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return g.restore(cmd.Context(), o) },
	}
	f := c.Flags()
	f.StringVar(&o.Folder, "from", "", "folder of the backups")
	f.StringVar(&o.At, "at", "", "which backup (default the newest that is complete)")
	f.StringVar(&o.Network, "network", "", "refuse a backup of any other network")
	f.StringVar(&o.org, "org", "", "refuse a backup of any other organisation")
	f.StringVar(&o.Keys, "keys", "", "file with the private keys, as made by backup create --keys")
	f.BoolVar(&o.keysPassphrase, "keys-passphrase", false, "open the private keys by a passphrase of their own (env "+keysPassphraseEnv+")")
	f.BoolVar(&o.yes, "yes", false, "really do it")
	o.access.flags(c)
	return c
}

func (g *globals) restore(ctx context.Context, o restoreOptions) error {
	if o.Folder == "" {
		return usagef("say where the backups are: --from FOLDER")
	}
	if !o.yes {
		return usagef("restore puts a whole node into the data folder: say --yes")
	}
	paths, err := g.paths()
	if err != nil {
		return err
	}
	if exists(paths.ConfigFile()) && o.Network == "" {
		cfg, _, err := loadConfig(g)
		if err != nil {
			return err
		}
		o.Network = cfg.Network
	}
	if o.Access, err = o.access.read(ctx, g); err != nil {
		return err
	}
	o.Access.Data, o.Access.Org = paths.Data, o.org
	o.KeysAccess = o.Access
	if o.keysPassphrase {
		if o.KeysAccess.Passphrase = os.Getenv(keysPassphraseEnv); o.KeysAccess.Passphrase == "" {
			if o.KeysAccess.Passphrase, err = g.passphrase(ctx, false); err != nil {
				return err
			}
		}
	}
	begun := time.Now()
	r, err := node.Restore(ctx, paths, o.RestoreOptions)
	if err != nil {
		if reason.Of(err) == reason.NodeExists {
			return api.ProblemOf(err).WithFix("Name an empty folder with --data, or move away what is there. Keys alone: 'tocsin backup keys FILE'.")
		}
		return absentBackup(err)
	}
	report := restoredReport{r, time.Since(begun).Seconds(), paths.Data}
	return g.emit(report, func(w io.Writer) { g.showRestored(w, report, o.org != "") })
}

func (g *globals) showRestored(w io.Writer, r restoredReport, named bool) {
	fmt.Fprintf(w, "Restored backup %s of %s into %s: %s, %s, in %.1f s.\n", r.ID, g.stamp(r.Created), clean(r.Data),
		figures.Count(r.Records, "record"), figures.Count(r.Objects, "object"), r.Seconds)
	for _, path := range r.Kept {
		fmt.Fprintf(w, "%s differs from the backup's and stays as it is.\n", clean(path))
	}
	if len(r.Later) > 0 {
		fmt.Fprintln(w, g.paint(fmt.Sprintf("%s there: what was erased before they were made may be back.", newerBackups(len(r.Later))), colorWarn))
	}
	if !r.Keys && !named {
		fmt.Fprintln(w, g.paint("Nothing says that it is yours: it is of "+clean(r.Org)+". Compare that, or name it with --org.", colorWarn))
	}
	if !r.Keys {
		fmt.Fprintln(w, g.paint("The private keys are not there. Before the node runs: tocsin backup keys FILE, or put them into keys/.", colorWarn))
	}
	g.hint("Next: tocsin run. Before it signs anything the node takes a new record key; what it published after the backup comes back from its peers.")
}

func newerBackups(n int) string {
	if n == 1 {
		return "1 newer backup is"
	}
	return fmt.Sprintf("%d newer backups are", n)
}

// showBackups is the line of the status about backups.
func (g *globals) showBackups(w io.Writer, s *api.BackupStatus) {
	if s == nil {
		return
	}
	now := time.Now()
	fmt.Fprintf(w, "Backup    last %s · last verified by a restore %s · %s\n", g.when(s.Made, now), g.when(s.Drilled, now), clean(s.Folder))
	if s.Why != "" {
		fmt.Fprintf(w, "%s  %s: %s\n", g.paint("Not backed up", colorBad), g.when(s.Failed, now), clean(s.Why))
	}
	if s.UnsoundWhy != "" {
		fmt.Fprintf(w, "%s  %s: %s\n", g.paint("Backup unsound", colorBad), g.when(s.Unsound, now), clean(s.UnsoundWhy))
	}
}
