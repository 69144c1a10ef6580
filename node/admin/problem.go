package admin

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"tocsin/node/admin/api"
	"tocsin/protocol/reason"
)

// body is an answer of one JSON value.
type body[T any] struct{ Body T }

func answer[T any](v T) (*body[T], error) { return &body[T]{v}, nil }

// nothing is the input of requests without parameters.
type nothing struct{}

// handle registers a plain function for one operation; its errors become problems.
func handle[I, O any](a huma.API, op huma.Operation, h func(context.Context, *I) (*O, error)) {
	op.Path = api.Prefix + op.Path
	huma.Register(a, op, func(ctx context.Context, in *I) (*O, error) {
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
	if p.Status >= http.StatusInternalServerError {
		log.Errorw("request failed", "operation", operation, "err", err)
	}
	return p
}

// toProblem turns the framework's own errors (validation, sizes) into problems.
func toProblem(_ huma.Context, _ string, v any) (any, error) {
	e, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	code := reason.UsageInvalid
	switch {
	case e.Status == http.StatusRequestEntityTooLarge:
		code = reason.InputSize
	case e.Status >= http.StatusInternalServerError:
		code = reason.Internal
	}
	text := []string{e.Detail}
	for _, d := range e.Errors {
		text = append(text, strings.TrimSpace(d.Location+" "+d.Message))
	}
	p := api.NewProblem(code, strings.Join(text, "; "))
	p.Status = e.Status
	return p, nil
}

// writeProblem answers with a problem outside of the framework.
func writeProblem(w http.ResponseWriter, p *api.Problem) {
	w.Header().Set("Content-Type", p.ContentType(""))
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // a client that left needs no answer
}
