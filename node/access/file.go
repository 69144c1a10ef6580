package access

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"tocsin/node/durable"
	"tocsin/protocol/reason"
)

// maxFile bounds the file: above what the tokens need that are in force or remembered.
const maxFile = 4 << 20

// fileVersion is the form of the file; another one was written by another program.
const fileVersion = 1

// contents is the file. It holds no secret: who reads it cannot log in.
type contents struct {
	Version int     `json:"version"`
	Tokens  []entry `json:"tokens"`
}

// entry is a token in the file.
type entry struct {
	Token
	SHA256 string `json:"sha256"`
}

// read reads the tokens; none when there is no file.
func read(path string) ([]*held, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read tokens: %w", err)
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read tokens: %w", err)
	}
	tokens, err := decode(raw)
	if err != nil {
		return nil, reason.Wrap(reason.StateDamaged, "read tokens "+path, err)
	}
	return tokens, nil
}

// decode reads the file's bytes. Each token in it is one that Create could have made.
func decode(raw []byte) ([]*held, error) {
	if len(raw) > maxFile {
		return nil, fmt.Errorf("more than %d bytes", maxFile)
	}
	var c contents
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is more behind its end")
	}
	if c.Version != fileVersion {
		return nil, fmt.Errorf("version %d, want %d", c.Version, fileVersion)
	}
	var tokens []*held
	ids := map[string]bool{}
	for _, e := range c.Tokens {
		h := &held{Token: e.Token}
		n, err := hex.Decode(h.Hash[:], []byte(e.SHA256)[:min(len(e.SHA256), 2*len(h.Hash))])
		switch {
		case err != nil || n != len(h.Hash) || len(e.SHA256) != 2*n:
			return nil, fmt.Errorf("token %.80q: its hash is none", e.Name)
		case !isName(e.Name), !strings.HasPrefix(e.ID, tokenID), ids[e.ID]:
			return nil, fmt.Errorf("token %.80q with id %.80q: no name or id of its own", e.Name, e.ID)
		case e.Role < Viewer || e.Role > Operator:
			return nil, fmt.Errorf("token %s: no token has the role %s", e.Name, e.Role)
		case e.Expires.Sub(e.Created) > MaxLife:
			return nil, fmt.Errorf("token %s: it lasts longer than any may", e.Name)
		}
		ids[e.ID] = true
		tokens = append(tokens, h)
	}
	return tokens, nil
}

// write replaces the file.
func write(path string, tokens []*held) error {
	c := contents{Version: fileVersion, Tokens: []entry{}}
	for _, t := range tokens {
		c.Tokens = append(c.Tokens, entry{t.Token, hex.EncodeToString(t.Hash[:])})
	}
	raw, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return fmt.Errorf("write tokens: %w", err)
	}
	raw = append(raw, '\n')
	if _, err := decode(raw); err != nil {
		return fmt.Errorf("write tokens: the next start could not read them: %w", err)
	}
	return durable.Write(path, raw, 0o600)
}
