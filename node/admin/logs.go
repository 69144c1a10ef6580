package admin

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"runtime"
	"runtime/trace"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tocsin/node/admin/api"
	"tocsin/node/audit"
	"tocsin/node/logs"
)

// The bounds of what is told about the process.
const (
	maxStacks = 8 << 20
	maxTrace  = 4 << 20 // a wish: the recorder may need a little more
)

// logResource turns log levels, and gives what a bug report needs of the process. What it gives names peers and
// addresses; whoever makes a report of it takes that out.
type logResource struct {
	book  *logs.Book
	audit *audit.Log
	slot  chan struct{} // taken by the one trace that runs
}

func (l *logResource) register(a huma.API) {
	handle(a, huma.Operation{
		OperationID: "log-levels", Method: http.MethodGet, Path: "/log-levels", Summary: "What each part of the node logs",
		Description: "In the order of their names, with when a changed one goes back.",
	}, l.levels)
	handle(a, huma.Operation{
		OperationID: "log-levels-set", Method: http.MethodPut, Path: "/log-levels", Summary: "Log more or less of some parts for a time",
		Description: "The level goes back by itself after for_s seconds, and at the end of the process. " +
			"subsystem is a name, or the beginning of names and a *. The answer lists what was changed. The audit log has log-level.set.",
	}, l.set)
	handle(a, huma.Operation{
		OperationID: "log-levels-reset", Method: http.MethodDelete, Path: "/log-levels", Summary: "Log as configured again, at once",
		Description: "Ends every change of PUT /log-levels before its time. The answer lists what was changed. The audit log has log-level.reset.",
	}, l.reset)
	handle(a, huma.Operation{
		OperationID: "diagnostics-log", Method: http.MethodGet, Path: "/diagnostics/log", Summary: "The log lines of the last minutes, one JSON object a line",
		Description: "As they were written: nothing is taken out, so they name peers and addresses. What memory keeps of them, newest last.",
	}, l.recent)
	handle(a, huma.Operation{
		OperationID: "diagnostics-goroutines", Method: http.MethodGet, Path: "/diagnostics/goroutines", Summary: "The stacks of everything that the node is doing",
		Description: "Text in the form of Go's stack traces, of 8 MiB at most.",
	}, l.goroutines)
	handle(a, huma.Operation{
		OperationID: "diagnostics-trace", Method: http.MethodGet, Path: "/diagnostics/trace", Summary: "What the node's runtime does for some seconds",
		Description: "In the form of \"go tool trace\"; the answer comes when the seconds are over. One at a time: conflict says that another one runs.",
	}, l.trace)
}

func (l *logResource) levels(_ context.Context, in *PageIn) (*body[api.List[api.LogLevel]], error) {
	return paged("log-levels", levelList(l.book.Levels()), *in, func(v api.LogLevel) string { return v.Subsystem })
}

func levelList(levels []logs.Level) api.List[api.LogLevel] {
	list := api.List[api.LogLevel]{Items: []api.LogLevel{}}
	for _, v := range levels {
		list.Items = append(list.Items, api.LogLevel(v))
	}
	return list
}

func (l *logResource) set(ctx context.Context, in *struct{ Body api.LogLevelRequest }) (*body[api.List[api.LogLevel]], error) {
	d := time.Duration(in.Body.For) * time.Second
	var set []logs.Level
	err := recorded(ctx, l.audit, audit.Event{
		Action: "log-level.set", Target: in.Body.Subsystem, Detail: map[string]string{"level": in.Body.Level, "for": d.String()},
	}, func() (err error) {
		set, err = l.book.Set(in.Body.Subsystem, in.Body.Level, d)
		return err
	})
	if err != nil {
		return nil, err
	}
	return answer(levelList(set))
}

func (l *logResource) reset(ctx context.Context, _ *nothing) (*body[api.List[api.LogLevel]], error) {
	err := recorded(ctx, l.audit, audit.Event{Action: "log-level.reset"}, func() error {
		l.book.Reset()
		return nil
	})
	if err != nil {
		return nil, err
	}
	return answer(levelList(l.book.Levels()))
}

func (l *logResource) recent(context.Context, *nothing) (*rawOut, error) {
	return &rawOut{api.MediaNDJSON, l.book.Recent()}, nil
}

func (l *logResource) goroutines(context.Context, *nothing) (*rawOut, error) {
	for size := 256 << 10; ; size *= 2 {
		buf := make([]byte, min(size, maxStacks))
		if n := runtime.Stack(buf, true); n < len(buf) || size >= maxStacks {
			return &rawOut{"text/plain; charset=utf-8", buf[:n]}, nil
		}
	}
}

func (l *logResource) trace(ctx context.Context, in *struct {
	Seconds int `query:"seconds" default:"2" minimum:"1" maximum:"10" doc:"For how long"`
}) (*rawOut, error) {
	release, err := place(l.slot, "trace the node: another trace is being made")
	if err != nil {
		return nil, err
	}
	defer release()
	window := time.Duration(in.Seconds) * time.Second
	recorder := trace.NewFlightRecorder(trace.FlightRecorderConfig{MinAge: window, MaxBytes: maxTrace})
	if err := recorder.Start(); err != nil {
		return nil, fmt.Errorf("trace the node: %w", err)
	}
	defer recorder.Stop()
	over := time.NewTimer(window)
	defer over.Stop()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-over.C:
	}
	var out bytes.Buffer
	if _, err := recorder.WriteTo(&out); err != nil {
		return nil, fmt.Errorf("trace the node: %w", err)
	}
	return &rawOut{"application/octet-stream", out.Bytes()}, nil
}
