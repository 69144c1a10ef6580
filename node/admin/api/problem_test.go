package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"testing"

	"tocsin/protocol/reason"
)

// Any error becomes a problem with a code of the catalogue, without codes in its text.
func TestProblemOf(t *testing.T) {
	inner := reason.New(reason.JSONDepth, "33 deep")
	ready := NewProblem(reason.NotFound, "no such thing").WithFix("look elsewhere")
	for name, c := range map[string]struct {
		err    error
		code   reason.Code
		status int
		detail string
	}{
		"plain":      {errors.New("odd"), reason.Internal, 500, "odd"},
		"coded":      {inner, reason.JSONDepth, 422, "33 deep"},
		"in a chain": {fmt.Errorf("publish: %w", inner), reason.JSONDepth, 422, "publish: 33 deep"},
		"code over code": {reason.Wrap(reason.UsageInvalid, "read it", fmt.Errorf("why: %w", inner)), reason.UsageInvalid, 400,
			"read it: why: 33 deep"},
		"a problem":    {fmt.Errorf("call: %w", ready), reason.NotFound, 404, "no such thing"},
		"deadline":     {context.DeadlineExceeded, reason.TimedOut, 504, "context deadline exceeded"},
		"interrupted":  {fmt.Errorf("x: %w", context.Canceled), reason.Interrupted, 499, "x: context canceled"},
		"no rights":    {&fs.PathError{Op: "open", Path: "/x", Err: fs.ErrPermission}, reason.AccessDenied, 403, "open /x: permission denied"},
		"policy":       {reason.New(reason.OutAudience, "nobody"), reason.OutAudience, 403, "nobody"},
		"store":        {reason.New(reason.StoreFull, "no room"), reason.StoreFull, 500, "no room"},
		"unknown code": {reason.New("no.such", "x"), "no.such", 422, "x"},
	} {
		p := ProblemOf(c.err)
		if p.Code != string(c.code) || p.Status != c.status || p.Detail != c.detail || p.Title == "" || p.Blame == "" || !strings.HasSuffix(p.Type, p.Code) {
			t.Errorf("%s: %+v", name, p)
		}
	}
	if ProblemOf(nil) != nil {
		t.Error("no error gave a problem")
	}
	if ProblemOf(ready).Fix != "look elsewhere" {
		t.Error("the remedy that was given is lost")
	}
}

// Every code of the catalogue gives a complete problem with an error status.
func TestEveryCodeMakesAProblem(t *testing.T) {
	if len(reason.All()) == 0 {
		t.Fatal("the catalogue is empty")
	}
	for _, e := range reason.All() {
		p := NewProblem(e.Code, "x")
		if p.Status < 400 || p.Status > 599 || p.Title == "" || p.Fix == "" || p.Blame == "" {
			t.Errorf("%s: %+v", e.Code, p)
		}
		raw, err := json.Marshal(p)
		if err != nil || !strings.Contains(string(raw), `"code":"`+string(e.Code)+`"`) {
			t.Errorf("%s: %s, %v", e.Code, raw, err)
		}
	}
}

// The problem is what it says on the wire, too: its own status and media type.
func TestProblemOnTheWire(t *testing.T) {
	p := NewProblem(reason.NotFound, "x")
	if p.GetStatus() != http.StatusNotFound || p.ContentType("application/json") != "application/problem+json" || p.Error() != "x" {
		t.Errorf("%+v", p)
	}
}
