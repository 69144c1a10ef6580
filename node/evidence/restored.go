package evidence

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"tocsin/node/durable"
	"tocsin/protocol"
)

// restoredMark stands beside the file of what was witnessed when that came from a backup.
type restoredMark struct {
	// Fresh says that the node was not started since.
	Fresh bool `json:"fresh,omitempty"`
	// Keys were in use when it was. They may have cosigned more than the backup knows.
	Keys []protocol.KeyID `json:"keys"`
}

func markPath(path string) string { return path + ".restored" }

// WitnessRestored marks the file of what was witnessed, which need not exist, as one from a backup. What the node cosigned
// later is not in it, so to go on from there with the same key could be to cosign two logs of one name: the
// key with which the node starts then cosigns nothing more.
func WitnessRestored(path string) error {
	m, err := readMark(path)
	if err != nil {
		return err
	}
	m.Fresh = true
	return m.write(path)
}

// errMark is why nothing is cosigned.
var errMark = errors.New("which keys may cosign cannot be read")

// barredKeys are the keys that cosign nothing. The first start after a restore adds the one in use. errMark when the mark cannot be
// read, which stays as it is.
func barredKeys(path string, inUse protocol.KeyID) (map[protocol.KeyID]bool, error) {
	m, err := readMark(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errMark, err)
	}
	if m.Fresh {
		m.Fresh = false
		if !slices.Contains(m.Keys, inUse) {
			m.Keys = append(m.Keys, inUse)
		}
		if err := m.write(path); err != nil {
			return nil, err
		}
	}
	barred := map[protocol.KeyID]bool{}
	for _, key := range m.Keys {
		barred[key] = true
	}
	return barred, nil
}

func readMark(path string) (m restoredMark, err error) {
	raw, err := os.ReadFile(markPath(path))
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	if err == nil {
		err = json.Unmarshal(raw, &m)
	}
	if err == nil && !m.Fresh && len(m.Keys) == 0 {
		err = errors.New("it names no key") // none is ever written so
	}
	if err != nil {
		return m, fmt.Errorf("read which keys may cosign from %s: %w", markPath(path), err)
	}
	return m, nil
}

func (m restoredMark) write(path string) error {
	raw, err := json.MarshalIndent(m, "", " ")
	if err == nil {
		err = durable.Write(markPath(path), raw, 0o600)
	}
	if err != nil {
		return fmt.Errorf("note which keys may cosign: %w", err)
	}
	return nil
}
