package admin

import (
	"context"
	"net/http"
	"path/filepath"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"tocsin/node/access"
	"tocsin/node/admin/api"
	"tocsin/node/audit"
	"tocsin/node/backup"
	"tocsin/protocol/reason"
)

// backupResource makes backups of the running node and checks them.
type backupResource struct {
	runner *backup.Runner
	audit  *audit.Log
}

func (b *backupResource) register(a huma.API) {
	handle(a, huma.Operation{
		OperationID: "backup-create", Method: http.MethodPost, Path: "/backups", Summary: "Back up the node to a folder on its machine",
		Description: "Writes a backup while the node runs and answers when it is done, which may take minutes. " +
			"Without recipients, passphrase or plain it is sealed as those before it or as the configuration says. " +
			"Another folder, other readers, plain, the keys, and keeping fewer than the schedule does take the owner at the socket. The audit log has backup.create.",
	}, b.create)
	handle(a, huma.Operation{
		OperationID: "backup-check", Method: http.MethodPost, Path: "/backups/checks", Summary: "Verify a backup, or rehearse its restore",
		Description: "Reads a backup and all that it builds upon, and checks every digest and record; " +
			"with drill it is restored into a scratch folder, compared and deleted again. " +
			"Changes nothing in the node and answers when it is done. Not written to the audit log.",
	}, b.check)
}

func (b *backupResource) create(ctx context.Context, in *struct{ Body api.BackupRequest }) (*body[api.BackupMade], error) {
	r := in.Body
	if r.Keys != "" || r.Plain || r.Folder != "" || len(r.Recipients) > 0 || r.Passphrase != "" || r.KeysPassphrase != "" {
		// ADM-28: whoever says where it goes and who can open it has all that the node has.
		if err := access.Of(ctx).May(access.Owner, "back up with the keys, to another folder or for other readers than the configuration says"); err != nil {
			return nil, err
		}
	}
	if schedule := b.runner.Keeps(); r.Keep != 0 && (schedule == 0 || r.Keep < schedule) {
		if err := access.Of(ctx).May(access.Owner, "remove backups that the configuration keeps"); err != nil {
			return nil, err
		}
	}
	folder, err := b.folder(r.Folder)
	if err != nil {
		return nil, err
	}
	if r.Keys != "" && !filepath.IsAbs(r.Keys) {
		return nil, reason.New(reason.UsageInvalid, "back up the keys: want the whole path of a file")
	}
	o := backup.CreateOptions{Folder: folder, Full: r.Full, Keep: r.Keep,
		Sealing: backup.Sealing{Recipients: r.Recipients, Passphrase: r.Passphrase, Plain: r.Plain}}
	detail := map[string]string{"full": strconv.FormatBool(r.Full), "plain": strconv.FormatBool(r.Plain)}
	if r.Keys != "" {
		detail["keys"] = r.Keys
	}
	var made api.BackupMade
	err = recorded(ctx, b.audit, audit.Event{Action: "backup.create", Target: folder, Detail: detail}, func() error {
		m, err := b.runner.Create(ctx, o)
		if err != nil {
			return err
		}
		made = madeBackup(m)
		if r.Keys != "" {
			made.Keys, err = b.runner.CreateKeys(r.Keys, backup.Sealing{Recipients: m.Recipients, Passphrase: r.KeysPassphrase})
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return answer(made)
}

func madeBackup(m backup.Made) api.BackupMade {
	return api.BackupMade{ID: m.ID, Folder: m.Folder, Base: m.Base, Bytes: m.Bytes, Records: m.Records, Objects: m.Objects,
		Recipients: m.Recipients, Identity: m.Identity, Removed: m.Removed, Unsigned: m.Unsigned}
}

// folder is where to look: a whole path, since the node's folder is not the caller's.
func (b *backupResource) folder(given string) (string, error) {
	if given == "" {
		given = b.runner.Status().Folder
	}
	if !filepath.IsAbs(given) {
		return "", reason.New(reason.UsageInvalid, "backups: name a folder by its whole path, or set backup_to in the configuration")
	}
	return given, nil
}

func (b *backupResource) check(ctx context.Context, in *struct{ Body api.BackupCheck }) (*body[api.BackupChecked], error) {
	if in.Body.Folder != "" {
		if err := access.Of(ctx).May(access.Owner, "look at backups in another folder than the configuration's"); err != nil {
			return nil, err
		}
	}
	folder, err := b.folder(in.Body.Folder)
	if err != nil {
		return nil, err
	}
	do := b.runner.Verify
	if in.Body.Drill {
		do = b.runner.Drill
	}
	c, err := do(ctx, folder, in.Body.ID, backup.Access{Identities: in.Body.Identity, Passphrase: in.Body.Passphrase, Plain: in.Body.Plain, Unsigned: in.Body.Unsigned})
	if err != nil {
		return nil, err
	}
	return answer(api.BackupChecked{ID: c.ID, Created: c.Created, Chain: c.Chain, Org: c.Org, Records: c.Records, Keys: c.Keys,
		Files: c.Files, Restored: c.Restored, Seconds: c.Took.Seconds()})
}

// backupStatus is nil for a node that has no backups and shall have none.
func backupStatus(r *backup.Runner) *api.BackupStatus {
	if r == nil || r.Status().Folder == "" {
		return nil
	}
	s := api.BackupStatus(r.Status())
	return &s
}
