package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"tocsin/node/durable"
	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/protocol/trust"
)

// maxDemotionsFile is more than maxDemotions come to.
const maxDemotionsFile = 64 << 20

// demotionsBeside is where the demotions are kept, beside the state file of the list.
func demotionsBeside(stateFile string) string {
	return filepath.Join(filepath.Dir(stateFile), "demotions.json")
}

// kept is a demotion in the file.
type kept struct {
	Org   protocol.OrgID `json:"org"`
	Topic string         `json:"topic"`
	Level string         `json:"level"`
	Why   string         `json:"why"`
	At    time.Time      `json:"at"`
}

// readDemotions reads the demotions; a file that is not there holds none. One that cannot be read
// is refused: without it organisations would have trust back that nobody gave them.
func readDemotions(path string) ([]Demotion, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, reason.Wrap(reason.TrustFile, "open demotions "+path, err)
	}
	defer f.Close()
	d, err := decodeDemotions(io.LimitReader(f, maxDemotionsFile))
	if err != nil {
		return nil, reason.Wrap(reason.TrustFile, "read demotions "+path+" (put it right, or move it away: then all that the node lowered is lifted)", err)
	}
	return d, nil
}

func decodeDemotions(r io.Reader) ([]Demotion, error) {
	d := json.NewDecoder(r)
	d.DisallowUnknownFields()
	var list []kept
	if err := d.Decode(&list); err != nil {
		return nil, err
	}
	if len(list) > maxDemotions {
		return nil, fmt.Errorf("%d demotions, limit %d", len(list), maxDemotions)
	}
	var out []Demotion
	for _, k := range list {
		if _, err := protocol.ParseTopic(k.Topic); err != nil {
			return nil, err
		}
		level, err := trust.ParseLevel(k.Level)
		if err == nil && level != trust.Observed && level != trust.Partner {
			err = fmt.Errorf("nobody is demoted to %s", level)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, Demotion{k.Org, k.Topic, level, k.Why, k.At})
	}
	return out, nil
}

// writeDemotions replaces the file. It is durable on return.
func writeDemotions(path string, list []Demotion) error {
	out := make([]kept, len(list))
	for i, d := range list {
		out[i] = kept{d.Org, d.Topic, d.Level.String(), d.Why, d.At}
	}
	var raw bytes.Buffer
	j := json.NewEncoder(&raw)
	j.SetEscapeHTML(false)
	j.SetIndent("", " ")
	err := j.Encode(out)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o700)
	}
	if err == nil {
		err = durable.Write(path, raw.Bytes(), 0o600)
	}
	if err != nil {
		return fmt.Errorf("write demotions %s: %w", path, err)
	}
	return nil
}
