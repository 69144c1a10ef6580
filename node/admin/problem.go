package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tocsin/node/access"
	"tocsin/node/admin/api"
	"tocsin/node/figures"
	"tocsin/node/once"
	"tocsin/protocol/reason"
)

// body is an answer of one JSON value.
type body[T any] struct{ Body T }

func answer[T any](v T) (*body[T], error) { return &body[T]{v}, nil }

// nothing is the input of requests without parameters.
type nothing struct{}

// handle registers a plain function for one operation, for those whose role it needs; its errors become problems. A body may
// come slowly, so who sent it is asked for again when it is there (ADM-21).
func handle[I, O any](a huma.API, op huma.Operation, h func(context.Context, *I) (*O, error)) {
	op.Path = api.Prefix + op.Path
	op.Middlewares = append(huma.Middlewares{demanding(op.OperationID)}, op.Middlewares...)
	huma.Register(a, op, func(ctx context.Context, in *I) (*O, error) {
		if err := access.Of(ctx).Still(); err != nil {
			return nil, problemOf(op.OperationID, err)
		}
		out, err := h(ctx, in)
		if err != nil {
			return nil, problemOf(op.OperationID, err)
		}
		return out, nil
	})
}

// problemOf makes the problem for the answer; what is this node's own fault is logged.
func problemOf(operation string, err error) *api.Problem {
	p := api.ProblemOf(err)
	switch {
	case errors.Is(err, access.ErrReadSocket):
		p = p.WithFix("Use the admin socket: at " + readSocket + " nobody is more than a viewer, whatever their account.")
	case errors.Is(err, access.ErrOwner):
		p = p.WithFix("Do it at the node's socket, as the account that the node runs as or as root: no token and no browser session is an owner.")
	case errors.Is(err, once.ErrRunning):
		p = p.WithFix("Wait for as long as Retry-After says, then send the same request with the same key: it is answered as the first one was.")
		p.RetryAfter = retrySoon
	case errors.Is(err, errBusy):
		p = p.WithFix("Send the same again when that has ended; nothing was done.")
		p.RetryAfter = retrySoon
	}
	p.ForPrograms(operation)
	if p.Status >= http.StatusInternalServerError {
		log.Errorw("request failed", "operation", operation, "err", err)
	}
	return p
}

// retrySoon is how long whoever has to wait for another request may wait for its end.
const retrySoon = 2 * time.Second

// errBusy is why something is refused for which another request has to end first.
var errBusy = errors.New("wait until that has ended")

// busy refuses, as a conflict that time undoes.
func busy(detail string) error { return reason.Wrap(reason.Conflict, detail, errBusy) }

// place takes one of the places of a channel, or refuses as busy does.
func place(places chan struct{}, taken string) (release func(), err error) {
	select {
	case places <- struct{}{}:
		return func() { <-places }, nil
	default:
		return nil, busy(taken)
	}
}

// toProblem turns the framework's own errors (validation, sizes) into problems.
func toProblem(ctx huma.Context, _ string, v any) (any, error) {
	e, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	code := reason.UsageInvalid
	switch {
	case e.Status == http.StatusRequestEntityTooLarge:
		code = reason.InputSize
	case e.Status == http.StatusRequestTimeout:
		code = reason.TimedOut
	case e.Status == http.StatusUnsupportedMediaType:
		code = reason.MediaType
	case e.Status >= http.StatusInternalServerError:
		code = reason.Internal
	}
	var text []string
	for _, d := range e.Errors {
		text = append(text, plainly(d))
	}
	if len(text) == 0 {
		text = append(text, e.Detail)
	}
	p := api.NewProblem(code, strings.Join(text, "; "))
	p.Status = e.Status
	return p.ForPrograms(ctx.Operation().OperationID), nil
}

// plainly says in our words what the framework found wrong with one parameter or
// property: its own words speak of where in the request it stands and of schemas.
func plainly(d *huma.ErrorDetail) string {
	_, name, inside := strings.Cut(d.Location, ".")
	if !inside {
		name = "the request"
	}
	switch v := d.Value.(type) {
	case string:
		if inside && v != "" && len(v) <= maxEcho {
			name += " " + strconv.Quote(v)
		}
	case int64, float64:
		name += fmt.Sprintf(" %v", v)
	}
	if items, is := d.Value.([]any); is && strings.HasPrefix(d.Message, "expected array length") {
		name += " of " + figures.Count(len(items), "item")
	}
	for _, w := range wordings {
		rest, ok := strings.CutPrefix(d.Message, w.framework)
		if ok && strings.HasPrefix(w.ours, "want a time") {
			return name + ": " + w.ours // the rest is how Go writes formats
		}
		if ok {
			return name + ": " + w.ours + strings.TrimSuffix(strings.Trim(rest, `", `), " to be present")
		}
	}
	return name + ": " + d.Message
}

// maxEcho bounds the value that a message repeats.
const maxEcho = 100

// wantTime is what is said to a time that cannot be read.
const wantTime = "want a time such as 2026-12-31T12:00:00Z"

// wordings translates the beginnings of the framework's messages, longest first
// where one begins another.
var wordings = []struct{ framework, ours string }{
	{`expected value to be one of "`, "want one of "},
	{"expected number >= ", "want at least "},
	{"expected number <= ", "want at most "},
	{"expected length >= ", "want a length of at least "},
	{"expected length <= ", "want a length of at most "},
	{"expected array length >= ", "want at least "},
	{"expected array length <= ", "want at most "},
	{"expected string to be RFC 3339 date-time", wantTime},
	{"invalid date/time for format ", wantTime},
	{"expected string to be base64 encoded", "want base64"},
	{"expected string to match pattern ^[0-9]*$", "want a number"},
	{"expected required property ", "it lacks "},
	{"unexpected property", "not known"},
	{"required query parameter is missing", "missing"},
	{"expected integer", "want a whole number"},
	{"expected number", "want a number"},
	{"invalid integer", "want a whole number"},
	{"expected string", "want a text"},
	{"expected boolean", "want true or false"},
	{"expected array", "want a list"},
	{"expected object", "want an object"},
}

// writeProblem answers with a problem outside of the framework.
func writeProblem(w http.ResponseWriter, p *api.Problem) {
	p.ForPrograms("")
	for name, values := range p.GetHeaders() {
		if w.Header().Get(name) == "" { // who knows better has said so
			w.Header()[name] = values
		}
	}
	w.Header().Set("Content-Type", p.ContentType(""))
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // a client that left needs no answer
}
