package api

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"syscall"
	"time"

	"tocsin/protocol/reason"
)

// Prefix is where the resources of this version of the API stand.
const Prefix = "/api/v1"

// maxSocketPath is what a unix socket's address holds on Linux, without its end mark.
const maxSocketPath = 107

// maxAnswer bounds an answer that is read as a whole.
const maxAnswer = 256 << 20

// Client talks to a node over its unix socket. All methods may be called
// concurrently; their errors are *Problem.
type Client struct {
	socket string
	http   *http.Client
}

// NewClient returns a client for the node that listens on socket. It dials on first use.
func NewClient(socket string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	}
	return &Client{
		socket: socket,
		http:   &http.Client{Transport: &http.Transport{DialContext: dial, DisableCompression: true}},
	}
}

// Close drops idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// CheckSocketPath refuses a path that no unix socket can have (socket.path).
func CheckSocketPath(path string) error {
	if len(path) <= maxSocketPath {
		return nil
	}
	return NewProblem(reason.SocketPath,
		fmt.Sprintf("socket path %s has %d bytes, the system allows %d", path, len(path), maxSocketPath)).
		WithFix("use a shorter --data folder, or without --data a shorter XDG_RUNTIME_DIR")
}

// request is one call of the API.
type request struct {
	method, path string // path is escaped
	root         bool   // path is not under Prefix
	query        url.Values
	body         io.Reader
	size         int64 // of body, -1 when unknown
	contentType  string
	accept       string
}

// do sends a request and gives the answer when its status is a success; the
// caller closes the body.
func (c *Client) do(ctx context.Context, r request) (*http.Response, error) {
	if err := CheckSocketPath(c.socket); err != nil {
		return nil, err
	}
	under := Prefix
	if r.root {
		under = ""
	}
	req, err := http.NewRequestWithContext(ctx, r.method, "http://tocsin"+under+r.path+"?"+r.query.Encode(), r.body)
	if err != nil {
		return nil, NewProblem(reason.Internal, err.Error())
	}
	if r.body != nil {
		req.Header.Set("Content-Type", cmp.Or(r.contentType, "application/json"))
		req.ContentLength = r.size
	}
	if r.accept != "" {
		req.Header.Set("Accept", r.accept)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.dialProblem(ctx, err)
	}
	if resp.StatusCode >= 400 {
		defer resp.Body.Close()
		return nil, readProblem(resp)
	}
	return resp, nil
}

// dialProblem says why the node gave no answer.
func (c *Client) dialProblem(ctx context.Context, err error) *Problem {
	if cause, ok := errors.AsType[*url.Error](err); ok {
		err = cause.Err
	}
	switch {
	case errors.Is(err, fs.ErrPermission):
		return NewProblem(reason.AccessDenied, fmt.Sprintf("open admin socket %s: permission denied", c.socket)).
			WithFix("run as the node's user, or join the group that owns the socket")
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ENOTSOCK):
		return NewProblem(reason.NodeNotFound, fmt.Sprintf("no node answers on %s", c.socket)).
			WithFix("start it with tocsin run, or name its folder with --data")
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return NewProblem(reason.TimedOut, fmt.Sprintf("the node on %s did not answer in time", c.socket)).
			WithFix("'tocsin doctor' says whether it hangs; if it only takes long, allow more with --timeout")
	case ctx.Err() != nil:
		return NewProblem(reason.Interrupted, "interrupted while waiting for the node")
	}
	return NewProblem(reason.NodeNotFound, fmt.Sprintf("talk to the node on %s: %v", c.socket, err)).
		WithFix("see whether the node still runs: tocsin status")
}

// readProblem reads the problem object of a failed answer.
func readProblem(resp *http.Response) *Problem {
	raw, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	p := new(Problem)
	if err := json.Unmarshal(raw, p); err != nil || p.Code == "" {
		return NewProblem(reason.Internal, fmt.Sprintf("the node answered %s with: %.200q", resp.Status, raw))
	}
	return p.forPeople()
}

// call sends in (nil for no body) as JSON and reads the answer into a T.
func call[T any](ctx context.Context, c *Client, method, path string, query url.Values, in any) (*T, error) {
	r := request{method: method, path: path, query: query}
	if in != nil {
		raw, err := json.Marshal(in)
		if err != nil {
			return nil, NewProblem(reason.Internal, err.Error())
		}
		r.body, r.size = bytes.NewReader(raw), int64(len(raw))
	}
	resp, err := c.do(ctx, r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	out := new(T)
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(out); err != nil {
		return nil, c.dialProblem(ctx, fmt.Errorf("read the answer: %w", err))
	}
	return out, nil
}

// read gets an answer that is bytes.
func (c *Client) read(ctx context.Context, path string) ([]byte, error) {
	return c.readBytes(ctx, request{method: http.MethodGet, path: path})
}

func (c *Client) readBytes(ctx context.Context, r request) ([]byte, error) {
	resp, err := c.do(ctx, r)
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

// Ready waits until the node runs, be it without its store: it asks again while the node
// says that it is starting, until ctx ends.
func (c *Client) Ready(ctx context.Context) error {
	for {
		s, err := c.Status(ctx)
		if err != nil {
			return err
		}
		if s.State != StateStarting {
			return nil
		}
		select {
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.Canceled) {
				return NewProblem(reason.Interrupted, "interrupted while waiting for the node")
			}
			return NewProblem(reason.NodeStarting, fmt.Sprintf("the node on %s is still starting", c.socket))
		case <-time.After(100 * time.Millisecond):
		}
	}
}
