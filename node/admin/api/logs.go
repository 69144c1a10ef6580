package api

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// LogLevel is what one part of the node logs now.
type LogLevel struct {
	// Subsystem is the name of a part of the node.
	Subsystem string `json:"subsystem"`
	// Level is one of debug, info, warn or error.
	Level string `json:"level"`
	// Until is when it goes back to Before by itself; absent while it is as configured.
	Until time.Time `json:"until,omitzero"`
	// Before is the level that it goes back to; absent while it is as configured.
	Before string `json:"before,omitempty"`
}

// LogLevelRequest asks for a level for a time.
type LogLevelRequest struct {
	// Subsystem is a name, or the beginning of names and a *.
	Subsystem string `json:"subsystem" minLength:"1" maxLength:"100"`
	// Level is one of debug, info, warn or error.
	Level string `json:"level" enum:"debug,info,warn,error"`
	// For is for how many seconds; at most a day.
	For int `json:"for_s" minimum:"1" maximum:"86400"`
}

// LogLevels lists the logging subsystems.
func (c *Client) LogLevels(ctx context.Context) (*List[LogLevel], error) {
	return call[List[LogLevel]](ctx, c, http.MethodGet, "/log-levels", nil, nil)
}

// SetLogLevel changes levels for a time, and gives those that it changed.
func (c *Client) SetLogLevel(ctx context.Context, r LogLevelRequest) (*List[LogLevel], error) {
	return call[List[LogLevel]](ctx, c, http.MethodPut, "/log-levels", nil, r)
}

// ResetLogLevels puts every subsystem to its configured level at once.
func (c *Client) ResetLogLevels(ctx context.Context) (*List[LogLevel], error) {
	return call[List[LogLevel]](ctx, c, http.MethodDelete, "/log-levels", nil, nil)
}

// RecentLog gives the log lines of the last minutes as they were written: one JSON object a line. They name
// peers and addresses; nothing is taken out.
func (c *Client) RecentLog(ctx context.Context) ([]byte, error) {
	return c.read(ctx, "/diagnostics/log")
}

// Goroutines gives the stacks of everything that the node is doing.
func (c *Client) Goroutines(ctx context.Context) ([]byte, error) {
	return c.read(ctx, "/diagnostics/goroutines")
}

// Trace records what the node's runtime does for some seconds, in the form of "go tool trace".
func (c *Client) Trace(ctx context.Context, seconds int) ([]byte, error) {
	return c.readBytes(ctx, request{method: http.MethodGet, path: "/diagnostics/trace", query: url.Values{"seconds": {strconv.Itoa(seconds)}}})
}

// Metrics gives what Prometheus reads. It is not one of the resources under Prefix.
func (c *Client) Metrics(ctx context.Context) ([]byte, error) {
	return c.readBytes(ctx, request{method: http.MethodGet, path: "/metrics", root: true})
}

// Raw gives a resource's answer as it came, for reports.
func (c *Client) Raw(ctx context.Context, resource string) ([]byte, error) {
	return c.read(ctx, resource)
}
