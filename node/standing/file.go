package standing

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"tocsin/node/durable"
	"tocsin/protocol/reason"
)

// kept is the file.
type kept struct {
	Version   int        `json:"version"`
	Rollbacks []Rollback `json:"rollbacks,omitempty"`
	Trips     []Trip     `json:"trips,omitempty"`
	Forks     []Fork     `json:"forks,omitempty"`
}

const (
	fileVersion = 1
	// maxFile bounds what is read: more than the bounds of change.go can fill.
	maxFile = 128 << 20
)

// readFile refuses what it does not understand: a rollback that is overlooked would
// let void records stand.
func readFile(path string) (kept, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return kept{Version: fileVersion}, nil
	}
	if err != nil {
		return kept{}, fmt.Errorf("read standing: %w", err)
	}
	defer f.Close()
	k, err := decode(io.LimitReader(f, maxFile))
	if err != nil {
		return kept{}, reason.Wrap(reason.ConfigInvalid,
			"read "+path+" (it holds forks, rollbacks and open breakers: mend it, or move it away and make them anew)", err)
	}
	return k, nil
}

func decode(r io.Reader) (kept, error) {
	d := json.NewDecoder(r)
	d.DisallowUnknownFields()
	var k kept
	if err := d.Decode(&k); err != nil {
		return kept{}, err
	}
	if _, err := d.Token(); err != io.EOF {
		return kept{}, errors.New("something follows the end")
	}
	return k, k.check()
}

// check holds the file to what the program writes.
func (k *kept) check() error {
	if k.Version != fileVersion {
		return fmt.Errorf("version %d, this program reads %d", k.Version, fileVersion)
	}
	if n := max(len(k.Rollbacks), len(k.Trips), len(k.Forks)-maxStrangers); n > maxKept {
		return fmt.Errorf("%d entries of one sort, at most %d are kept", n, maxKept)
	}
	for _, f := range k.Forks {
		if f.Sequence == 0 || f.Topic == "" {
			return fmt.Errorf("the fork of key %s has no place", f.Key)
		}
	}
	return nil
}

func (k kept) write(path string) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", " ")
	if err := e.Encode(k); err != nil {
		return fmt.Errorf("write standing: %w", err)
	}
	return durable.Write(path, b.Bytes(), 0o600)
}
