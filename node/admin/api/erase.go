package api

import (
	"context"
	"net/http"
)

// EraseRequest says what to erase. Object is the number of one object in the record or its STIX id; "" means all
// of the record.
type EraseRequest struct {
	Record string `json:"record" minLength:"1" maxLength:"128"`
	Object string `json:"object,omitempty" maxLength:"512"`
	Reason string `json:"reason" minLength:"1" maxLength:"1000"`
}

// Erased is what an erasure did.
type Erased struct {
	Record  string `json:"record"`
	Org     string `json:"org"`
	Petname string `json:"petname,omitempty"`
	// Objects are the objects that were erased, all of a record without objects being none.
	Objects []Ref `json:"objects"`
	// Left counts the record's objects that stay.
	Left int `json:"left"`
	// Elsewhere are objects under the ids of those that were erased, in other records: they stay.
	Elsewhere []Ref `json:"elsewhere"`
}

// Vacuumed is what a vacuum of the store did. Bytes are those of its files before and after.
type Vacuumed struct {
	Before int64 `json:"before"`
	After  int64 `json:"after"`
	// PausedMS is how long nothing could be written, SwapMS how long nothing could be read.
	PausedMS int64 `json:"paused_ms"`
	SwapMS   int64 `json:"swap_ms"`
	// Aside are folders of former repairs beside the store, which may have what was erased since; Wiped says that they are gone now.
	Aside []string `json:"aside,omitempty"`
	Wiped bool     `json:"wiped,omitempty"`
}

// Erase takes objects away for good at this node.
func (c *Client) Erase(ctx context.Context, r EraseRequest) (*Erased, error) {
	return call[Erased](ctx, c, http.MethodPost, "/erasures", nil, r)
}

// VacuumRequest says how far a vacuum goes.
type VacuumRequest struct {
	// Aside also wipes what former repairs left beside the store.
	Aside bool `json:"aside,omitempty"`
}

// Vacuum takes off the disk what is not live; it takes as long as it takes to copy the store.
func (c *Client) Vacuum(ctx context.Context, r VacuumRequest) (*Vacuumed, error) {
	return call[Vacuumed](ctx, c, http.MethodPost, "/vacuum", nil, r)
}
