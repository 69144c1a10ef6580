package api

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"time"
)

// Checkpoint is a signed head of an audit log.
type Checkpoint struct {
	Origin string    `json:"origin"`
	Size   uint64    `json:"size"`
	Root   string    `json:"root"`
	At     time.Time `json:"at"`
	// Cosigned are the witnesses, as far as their keys are known.
	Cosigned []Cosignature `json:"cosigned"`
	// Note is the checkpoint with all its signatures (C2SP signed-note).
	Note string `json:"note"`
	// Contradicted says that the log does not continue it; a witness showed it.
	Contradicted string `json:"contradicted,omitempty"`
}

// Cosignature is a witness's word for a checkpoint.
type Cosignature struct {
	Org     string    `json:"org"`
	Petname string    `json:"petname,omitempty"`
	At      time.Time `json:"at"`
}

// Witnessed is what this node holds of another node's audit log.
type Witnessed struct {
	Org     string    `json:"org"`
	Petname string    `json:"petname,omitempty"`
	Origin  string    `json:"origin"`
	Size    uint64    `json:"size"`
	At      time.Time `json:"at"`
	Note    string    `json:"note"`
	// Conflict is a checkpoint that did not continue it; Why and ConflictAt say what and when.
	Conflict   string    `json:"conflict,omitempty"`
	Why        string    `json:"why,omitempty"`
	ConflictAt time.Time `json:"conflict_at,omitzero"`
}

// Evidence makes an evidence pack of an object.
func (c *Client) Evidence(ctx context.Context, id string) ([]byte, error) {
	resp, err := c.do(ctx, request{method: http.MethodPost, path: "/objects/" + url.PathEscape(id) + "/evidence"})
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, c.dialProblem(ctx, err)
	}
	return raw, nil
}

// Checkpoints lists the kept checkpoints of this node's audit log, newest first.
func (c *Client) Checkpoints(ctx context.Context) (*List[Checkpoint], error) {
	return call[List[Checkpoint]](ctx, c, http.MethodGet, "/checkpoints", nil, nil)
}

// MakeCheckpoint signs a checkpoint now and asks witnesses.
func (c *Client) MakeCheckpoint(ctx context.Context) (*Checkpoint, error) {
	return call[Checkpoint](ctx, c, http.MethodPost, "/checkpoints", nil, nil)
}

// Witnessed lists what this node holds of others' audit logs.
func (c *Client) Witnessed(ctx context.Context) (*List[Witnessed], error) {
	return pages[Witnessed](ctx, c, "/checkpoints/witnessed", nil, 0)
}
