package api

import (
	"context"
	"net/http"
	"time"
)

// BackupRequest asks for a backup. Without recipients, passphrase or plain it is sealed as those before.
type BackupRequest struct {
	// Folder is a whole path on the node's machine, "" for the one of the configuration. Another one takes the owner.
	Folder string `json:"folder,omitempty" maxLength:"4096"`
	// Full is true for a whole backup; else only what is new since the one before is written, where there is one.
	Full bool `json:"full,omitempty"`
	// Recipients are age recipients (age1...) that can open it; none for those of before or the configuration. Takes the owner.
	Recipients []string `json:"recipients,omitempty" maxItems:"20"`
	// Passphrase seals it with a passphrase instead. Takes the owner.
	Passphrase string `json:"passphrase,omitempty" maxLength:"1024"`
	// Plain leaves it unsealed. Takes the owner.
	Plain bool `json:"plain,omitempty"`
	// Keep is how many full backups are kept, with what hangs on them; 0 keeps all.
	Keep int `json:"keep,omitempty" minimum:"0" maximum:"1000"`
	// Keys is the whole path of a file for the private keys, sealed by the recipients or by keys_passphrase; "" for none. Takes the owner.
	Keys string `json:"keys,omitempty" maxLength:"4096"`
	// KeysPassphrase seals the file of the keys. Takes the owner.
	KeysPassphrase string `json:"keys_passphrase,omitempty" maxLength:"1024"`
}

// BackupMade is a backup that was written.
type BackupMade struct {
	// ID is the backup's id, which is its name in the folder.
	ID string `json:"id"`
	// Folder is where it is, on the node's machine.
	Folder string `json:"folder"`
	// Base is the backup that it builds upon; absent for a full one.
	Base string `json:"base,omitempty"`
	// Bytes is its size.
	Bytes int64 `json:"bytes"`
	// Records counts the records in it.
	Records int `json:"records"`
	// Objects counts the objects in them.
	Objects int `json:"objects"`
	// Recipients are those who can open it; absent for a plain one and for a passphrase.
	Recipients []string `json:"recipients,omitempty"`
	// Identity is the file of a key that was made for it just now: to be taken away.
	Identity string `json:"identity,omitempty"`
	// Removed are older backups that were deleted to keep no more than asked for.
	Removed []string `json:"removed,omitempty"`
	// Unsigned says why it is not signed; "" when it is.
	Unsigned string `json:"unsigned,omitempty"`
	// Keys are the names of the private keys in the file that was asked for.
	Keys []string `json:"keys,omitempty"`
}

// BackupCheck asks to read a backup whole or, with Drill, to restore it into a scratch folder.
type BackupCheck struct {
	// Folder is a whole path on the node's machine, "" for the one of the configuration. Another one takes the owner.
	Folder string `json:"folder,omitempty" maxLength:"4096"`
	// ID is the backup; "" the newest that is complete.
	ID string `json:"id,omitempty" maxLength:"64"`
	// Identity is the text of an age identity file. Without it the node's own key is tried.
	Identity string `json:"identity,omitempty" maxLength:"65536"`
	// Passphrase opens a backup that is sealed with one.
	Passphrase string `json:"passphrase,omitempty" maxLength:"1024"`
	// Drill restores it into a scratch folder and examines that, which is then deleted; else it is only read and verified.
	Drill bool `json:"drill,omitempty"`
	// Plain takes one that is not sealed.
	Plain bool `json:"plain,omitempty"`
	// Unsigned takes one that nobody signed. The node's last one needs neither.
	Unsigned bool `json:"unsigned,omitempty"`
}

// BackupChecked is a backup that was found good.
type BackupChecked struct {
	// ID is the backup's id.
	ID string `json:"id"`
	// Created is when it was made.
	Created time.Time `json:"created"`
	// Chain are the ids of the backups that it consists of, the full one first, itself last.
	Chain []string `json:"chain"`
	// Org is the organisation that it is of: sha256: and 64 hex digits.
	Org string `json:"org"`
	// Records counts the records in it.
	Records int `json:"records"`
	// Keys counts the live keys of the store in it.
	Keys uint64 `json:"keys"`
	// Files counts the files that were read.
	Files int `json:"files"`
	// Restored is true for a rehearsal: it was restored and found good.
	Restored bool `json:"restored"`
	// Seconds is how long it took.
	Seconds float64 `json:"seconds"`
}

// BackupStatus is how the backups stand.
type BackupStatus struct {
	// Folder is where backups go, on the node's machine.
	Folder string `json:"folder"`
	// Made is when the last one was made; absent for none.
	Made time.Time `json:"made,omitzero"`
	// Full is when the last full one was made; absent for none.
	Full time.Time `json:"full,omitzero"`
	// Drilled is when one was last restored and found good.
	Drilled time.Time `json:"drilled,omitzero"`
	// Failed is since when backups fail; absent while they do not.
	Failed time.Time `json:"failed,omitzero"`
	// Why is why they fail.
	Why string `json:"why,omitempty"`
	// Unsound is since when rehearsals fail; absent while they do not.
	Unsound time.Time `json:"unsound,omitzero"`
	// UnsoundWhy is why they fail.
	UnsoundWhy string `json:"unsound_why,omitempty"`
}

// CreateBackup makes a backup; it takes as long as it takes.
func (c *Client) CreateBackup(ctx context.Context, r BackupRequest) (*BackupMade, error) {
	return call[BackupMade](ctx, c, http.MethodPost, "/backups", nil, r)
}

// CheckBackup verifies or rehearses a backup.
func (c *Client) CheckBackup(ctx context.Context, r BackupCheck) (*BackupChecked, error) {
	return call[BackupChecked](ctx, c, http.MethodPost, "/backups/checks", nil, r)
}
