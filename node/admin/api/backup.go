package api

import (
	"context"
	"net/http"
	"time"
)

// BackupRequest asks for a backup. Without recipients, passphrase or plain it is sealed as those before.
type BackupRequest struct {
	// Folder is a whole path, "" the one of the configuration.
	Folder     string   `json:"folder,omitempty" maxLength:"4096"`
	Full       bool     `json:"full,omitempty"`
	Recipients []string `json:"recipients,omitempty" maxItems:"20"`
	Passphrase string   `json:"passphrase,omitempty" maxLength:"1024"`
	Plain      bool     `json:"plain,omitempty"`
	// Keep is how many full backups are kept, with what hangs on them; 0 keeps all.
	Keep int `json:"keep,omitempty" minimum:"0" maximum:"1000"`
	// Keys is the whole path of a file for the private keys, which is sealed by recipients or by KeysPassphrase.
	Keys           string `json:"keys,omitempty" maxLength:"4096"`
	KeysPassphrase string `json:"keys_passphrase,omitempty" maxLength:"1024"`
}

// BackupMade is a backup that was written.
type BackupMade struct {
	ID         string   `json:"id"`
	Folder     string   `json:"folder"`
	Base       string   `json:"base,omitempty"`
	Bytes      int64    `json:"bytes"`
	Records    int      `json:"records"`
	Objects    int      `json:"objects"`
	Recipients []string `json:"recipients,omitempty"`
	// Identity is the file of a key that was made for it just now: to be taken away.
	Identity string   `json:"identity,omitempty"`
	Removed  []string `json:"removed,omitempty"`
	// Unsigned says why it is not signed; "" when it is.
	Unsigned string `json:"unsigned,omitempty"`
	// Keys are the names of the private keys in the file that was asked for.
	Keys []string `json:"keys,omitempty"`
}

// BackupCheck asks to read a backup whole or, with Drill, to restore it into a scratch folder.
type BackupCheck struct {
	Folder string `json:"folder,omitempty" maxLength:"4096"`
	// ID is the backup; "" the newest that is complete.
	ID string `json:"id,omitempty" maxLength:"64"`
	// Identity is the text of an age identity file. Without it the node's own key is tried.
	Identity   string `json:"identity,omitempty" maxLength:"65536"`
	Passphrase string `json:"passphrase,omitempty" maxLength:"1024"`
	Drill      bool   `json:"drill,omitempty"`
	// Plain takes one that is not sealed, Unsigned one that nobody signed; the node's last one needs neither.
	Plain    bool `json:"plain,omitempty"`
	Unsigned bool `json:"unsigned,omitempty"`
}

// BackupChecked is a backup that was found good.
type BackupChecked struct {
	ID       string    `json:"id"`
	Created  time.Time `json:"created"`
	Chain    []string  `json:"chain"`
	Org      string    `json:"org"`
	Records  int       `json:"records"`
	Keys     uint64    `json:"keys"`
	Files    int       `json:"files"`
	Restored bool      `json:"restored"`
	Seconds  float64   `json:"seconds"`
}

// BackupStatus is how the backups stand.
type BackupStatus struct {
	Folder string    `json:"folder"`
	Made   time.Time `json:"made,omitzero"`
	Full   time.Time `json:"full,omitzero"`
	// Drilled is when one was last restored and found good.
	Drilled time.Time `json:"drilled,omitzero"`
	// Failed and Unsound say since when backups, or rehearsals, fail; Why and UnsoundWhy the cause.
	Failed     time.Time `json:"failed,omitzero"`
	Why        string    `json:"why,omitempty"`
	Unsound    time.Time `json:"unsound,omitzero"`
	UnsoundWhy string    `json:"unsound_why,omitempty"`
}

// CreateBackup makes a backup; it takes as long as it takes.
func (c *Client) CreateBackup(ctx context.Context, r BackupRequest) (*BackupMade, error) {
	return call[BackupMade](ctx, c, http.MethodPost, "/backups", nil, r)
}

// CheckBackup verifies or rehearses a backup.
func (c *Client) CheckBackup(ctx context.Context, r BackupCheck) (*BackupChecked, error) {
	return call[BackupChecked](ctx, c, http.MethodPost, "/backups/checks", nil, r)
}
