package api

import (
	"context"
	"net/http"
)

// EraseRequest says what to erase.
type EraseRequest struct {
	// Record is the record's id or a unique beginning of 8 hex digits or more.
	Record string `json:"record" minLength:"1" maxLength:"128"`
	// Object is the number of one object in the record or its STIX id; "" means all of the record.
	Object string `json:"object,omitempty" maxLength:"512"`
	// Reason says why; it is needed, and kept in the audit log.
	Reason string `json:"reason" minLength:"1" maxLength:"1000"`
}

// Erased is what an erasure did.
type Erased struct {
	// Record is the id of the record.
	Record string `json:"record"`
	// Org is the organisation that signed it: sha256: and 64 hex digits.
	Org string `json:"org"`
	// Petname is what the trust list calls that organisation; absent for a stranger.
	Petname string `json:"petname,omitempty"`
	// Objects are the objects that were erased, all of a record without objects being none.
	Objects []Ref `json:"objects"`
	// Left counts the record's objects that stay.
	Left int `json:"left"`
	// Elsewhere are objects under the ids of those that were erased, in other records: they stay.
	Elsewhere []Ref `json:"elsewhere"`
}

// Vacuumed is what a vacuum of the store did.
type Vacuumed struct {
	// Before is the size of the store's files before, in bytes.
	Before int64 `json:"before"`
	// After is their size after it, in bytes.
	After int64 `json:"after"`
	// PausedMS is for how many milliseconds nothing could be written.
	PausedMS int64 `json:"paused_ms"`
	// SwapMS is for how many of them nothing could be read either.
	SwapMS int64 `json:"swap_ms"`
	// Aside are folders of former repairs beside the store, which may have what was erased since; absent for none.
	Aside []string `json:"aside,omitempty"`
	// Wiped is true when those folders were deleted, as asked for.
	Wiped bool `json:"wiped,omitempty"`
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
