package api

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tocsin/protocol/reason"
)

// A stream may break off anywhere: where to go on is behind the last event that came whole (ADM-41).
func TestReadEvents(t *testing.T) {
	stop := errors.New("stop")
	for name, c := range map[string]struct {
		stream, last string
		kinds        []string
		code         reason.Code
		broken       bool
	}{
		"events":         {"retry: 1\nid: 4\n\nid: 5\nevent: held\ndata: {}\n\n: heartbeat\n\nevent: gap\ndata: {}\n\n", "5", []string{"held", "gap"}, "", false},
		"a place alone":  {": heartbeat\nid: 9.1.a.2\n\n", "9.1.a.2", nil, "", false},
		"within data":    {"id: 4\n\nid: 5\nevent: held\ndata: {}", "4", nil, "", true},
		"within an id":   {"id: 123.abc\nevent: held\ndata: {}\n\nid: 12", "123.abc", []string{"held"}, "", true},
		"behind an id":   {"id: 4\nevent: held\ndata: {}\n\nid: 5\n", "4", []string{"held"}, "", true},
		"behind data":    {"id: 5\nevent: held\ndata: {}\n", "", nil, "", true},
		"a problem":      {"event: problem\ndata: {\"code\":\"login.expired\"}\n\nevent: held\ndata: {}\n\n", "", nil, reason.LoginExpired, false},
		"no problem":     {"event: problem\ndata: {}\n\n", "", nil, reason.Internal, false},
		"no JSON":        {"event: held\ndata: {\n\n", "", nil, reason.Internal, false},
		"too long":       {"data: " + strings.Repeat("x", maxEvent) + "\n\n", "", nil, "", true},
		"empty":          {"", "", nil, "", false},
		"nothing known":  {"x: y\nz\n\n", "", nil, "", false},
		"the reader had": {"event: stop\ndata: {}\n\n", "", []string{"stop"}, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			last, kinds := "", []string(nil)
			err := readEvents(strings.NewReader(c.stream), &last, func(h Happening) error {
				kinds = append(kinds, h.Kind)
				if h.Kind == "stop" {
					return stop
				}
				return nil
			})
			if last != c.last || strings.Join(kinds, " ") != strings.Join(c.kinds, " ") || codeOf(err) != c.code {
				t.Errorf("last %q, kinds %q, %v", last, kinds, err)
			}
			if _, broken := errors.AsType[*brokenStream](err); broken != c.broken || errors.Is(err, stop) != (name == "the reader had") {
				t.Errorf("%v", err)
			}
		})
	}
}

// piped is a client whose one connection is answered by serve.
func piped(t *testing.T, serve func(net.Conn)) *Client {
	t.Helper()
	return &Client{socket: "s", http: &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		go func() {
			defer far.Close()
			if _, err := http.ReadRequest(bufio.NewReader(far)); err == nil {
				serve(far)
			}
			_, _ = io.Copy(io.Discard, far) // it hangs until the client lets go
		}()
		return near, nil
	}}}}
}

// A node that hangs keeps its connections: three heartbeats that do not come end the stream, and no time that the reader takes (ADM-42).
func TestFollowNoticesSilence(t *testing.T) {
	const opened = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nid: 4\n\n"
	for name, c := range map[string]struct {
		serve func(net.Conn)
		last  string
		after time.Duration
		told  bool
	}{
		"from the first": {func(net.Conn) {}, "", silence, false},
		"later": {func(n net.Conn) {
			_, _ = io.WriteString(n, opened)
			for range 8 {
				time.Sleep(Heartbeat)
				_, _ = io.WriteString(n, ": heartbeat\n\n")
			}
		}, "4", 8*Heartbeat + silence, true},
		"behind a slow reader": {func(n net.Conn) {
			_, _ = io.WriteString(n, opened+"event: held\ndata: {}\n\n")
			time.Sleep(time.Hour)
		}, "4", time.Hour + silence, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := piped(t, c.serve)
				defer client.Close()
				start, told := time.Now(), false
				last, err := client.Follow(t.Context(), EventParams{Opened: func() { told = true }}, func(Happening) error {
					time.Sleep(time.Hour)
					return nil
				})
				if codeOf(err) != reason.TimedOut || last != c.last || told != c.told || time.Since(start) != c.after {
					t.Errorf("after %v: last %q, opened %v, %v", time.Since(start), last, told, err)
				}
			})
		})
	}
}

// codeOf is the code of a problem.
func codeOf(err error) reason.Code {
	if p, ok := errors.AsType[*Problem](err); ok {
		return reason.Code(p.Code)
	}
	return reason.Of(err)
}

func FuzzReadEvents(f *testing.F) {
	f.Add("id: 4\nevent: held\ndata: {}\n\n: heartbeat\n\n")
	f.Add("event: problem\ndata: {\"code\":\"x\"}\n\n")
	f.Fuzz(func(t *testing.T, stream string) {
		last := ""
		_ = readEvents(strings.NewReader(stream), &last, func(h Happening) error {
			if h.ID != last {
				t.Errorf("go on behind %q in event %q", last, h.ID)
			}
			if h.Kind == EventProblem || h.Data == nil || strings.Contains(h.ID, "\n") {
				t.Errorf("event %+v", h)
			}
			return nil
		})
	})
}
