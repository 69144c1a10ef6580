package backup

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"tocsin/node/durable"
)

// stateFile is, under the data folder, what the node remembers of its backups. It is in
// none: after a restore the first backup is a full one.
const stateFile = "state/backup.json"

// tokensFile is where the admin port keeps its tokens.
const tokensFile = "state/access.json"

// memory is the content of stateFile.
type memory struct {
	// Recipients are those that were made at the first backup, when the configuration named none.
	Recipients []string `json:"recipients,omitempty"`
	// Last is what the next backup can go on from; nil when it must be a full one.
	Last *lastBackup `json:"last,omitempty"`
	Status
}

// Status is how a node's backups stand.
type Status struct {
	Folder string `json:"folder,omitempty"`
	// Made and Full are when the last backup and the last full one were written, Drilled when the
	// last one was restored and found good; zero for never.
	Made    time.Time `json:"made,omitzero"`
	Full    time.Time `json:"full,omitzero"`
	Drilled time.Time `json:"drilled,omitzero"`
	// Failed is when making the last one failed, Why the cause; zero when it did not.
	Failed time.Time `json:"failed,omitzero"`
	Why    string    `json:"why,omitempty"`
	// Unsound is when a drill found a backup bad, UnsoundWhy what was wrong; zero once one was found good.
	Unsound    time.Time `json:"unsound,omitzero"`
	UnsoundWhy string    `json:"unsound_why,omitempty"`
}

// lastBackup is what an increment needs to know of its base.
type lastBackup struct {
	Folder string `json:"folder"`
	ID     string `json:"id"`
	// Digest is that of its manifest.
	Digest  string `json:"digest"`
	Lineage string `json:"lineage"`
	Version uint64 `json:"version"`
	// Seal is how it is sealed: those who can read the base must be able to read what hangs on it.
	Seal string `json:"seal"`
	// Org is whose it is.
	Org string `json:"org,omitempty"`
	// Length is how many backups the chain has with it.
	Length int `json:"length"`
	// Files are the digests of the files beside the store.
	Files map[string]string `json:"files"`
}

// readMemory reads what the node remembers. What is damaged is forgotten: a full backup mends it.
func readMemory(data string) memory {
	var m memory
	if data == "" {
		return m
	}
	raw, err := os.ReadFile(filepath.Join(data, filepath.FromSlash(stateFile)))
	if err == nil {
		err = json.Unmarshal(raw, &m)
	}
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			log.Warnw("what is known of earlier backups is unreadable: the next is a full one", "err", err)
		}
		return memory{}
	}
	return m
}

func (m *memory) write(data string) error {
	if data == "" {
		return nil
	}
	raw, err := json.Marshal(m)
	if err == nil {
		err = durable.Write(filepath.Join(data, filepath.FromSlash(stateFile)), append(raw, '\n'), 0o600)
	}
	if err != nil {
		return fmt.Errorf("remember the backup: %w", err)
	}
	return nil
}
