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
	// Origin is the log's name: whose it is.
	Origin string `json:"origin"`
	// Size is how many entries of the log it covers.
	Size uint64 `json:"size"`
	// Root is the root hash over them.
	Root string `json:"root"`
	// At is when it was signed.
	At time.Time `json:"at"`
	// Cosigned are the witnesses, as far as their keys are known.
	Cosigned []Cosignature `json:"cosigned"`
	// Note is the checkpoint with all its signatures (C2SP signed-note).
	Note string `json:"note"`
	// Contradicted names the witness that showed that the log does not continue it; absent when all is well.
	Contradicted string `json:"contradicted,omitempty"`
}

// Cosignature is a witness's word for a checkpoint.
type Cosignature struct {
	// Org is the witness: sha256: and 64 hex digits.
	Org string `json:"org"`
	// Petname is what the trust list calls it; absent for a stranger.
	Petname string `json:"petname,omitempty"`
	// At is when it cosigned, by its own clock.
	At time.Time `json:"at"`
}

// Witnessed is what this node holds of another node's audit log.
type Witnessed struct {
	// Org is the organisation whose log it is: sha256: and 64 hex digits.
	Org string `json:"org"`
	// Petname is what the trust list calls it; absent for a stranger.
	Petname string `json:"petname,omitempty"`
	// Origin is the log's name.
	Origin string `json:"origin"`
	// Size is how many entries the newest good checkpoint covers.
	Size uint64 `json:"size"`
	// At is when this node cosigned it.
	At time.Time `json:"at"`
	// Note is that checkpoint with its signatures (C2SP signed-note).
	Note string `json:"note"`
	// Conflict is a checkpoint that did not continue it; absent for none.
	Conflict string `json:"conflict,omitempty"`
	// Why says in what it did not.
	Why string `json:"why,omitempty"`
	// ConflictAt is when it came.
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
