package audit

import (
	"context"
	"maps"
)

// requestKey is the context's key for the id of a request.
type requestKey struct{}

// detailRequest is the detail that names the request behind an entry.
const detailRequest = "request"

// WithRequest gives a context whose entries name the request that caused them.
func WithRequest(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestKey{}, id)
}

// RequestOf is the id of the request that a context belongs to, "" for none.
func RequestOf(ctx context.Context) string {
	id, _ := ctx.Value(requestKey{}).(string)
	return id
}

// from adds the request of ctx to an event. Details that are there already are not changed.
func (e Event) from(ctx context.Context) Event {
	id := RequestOf(ctx)
	if id == "" {
		return e
	}
	if e.Detail = maps.Clone(e.Detail); e.Detail == nil {
		e.Detail = make(map[string]string, 1)
	}
	if _, taken := e.Detail[detailRequest]; !taken {
		e.Detail[detailRequest] = id
	}
	return e
}
