package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"tocsin/node/admin/api"
	"tocsin/protocol/reason"
)

// fakeNode answers on the socket of a folder, whose path it returns.
func fakeNode(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	isolate(t)
	dir, err := os.MkdirTemp("", "node")
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(dir, "admin.sock"))
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: handler, ReadHeaderTimeout: time.Second}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		_ = s.Close()
		<-done
		_ = os.RemoveAll(dir)
	})
	return dir
}

func writeStatus(w http.ResponseWriter, state string) {
	_ = json.NewEncoder(w).Encode(api.Status{State: state})
}

// A node that starts: status says so at once, others wait for it within --timeout.
func TestStartingNode(t *testing.T) {
	var asked atomic.Int32
	dir := fakeNode(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/api/v1/peers":
			_, _ = w.Write([]byte(`{"items":[]}`))
		case asked.Add(1) > 4:
			writeStatus(w, api.StateRunning)
		default:
			writeStatus(w, api.StateStarting)
		}
	})
	exit, out, errs := capture(t, strings.NewReader(""), "status", "-o", "json", "--data", dir)
	if exit != exitNoNode || len(out) > 0 || !strings.Contains(errs, `"code":"node.starting"`) {
		t.Errorf("status: exit %d, %s%s", exit, out, errs)
	}
	exit, _, errs = capture(t, strings.NewReader(""), "peers", "-o", "json", "--data", dir, "--timeout", "150ms")
	if exit != exitNoNode {
		t.Errorf("too short a wait: exit %d, %s", exit, errs)
	}
	exit, out, errs = capture(t, strings.NewReader(""), "peers", "-o", "json", "--data", dir)
	if exit != exitDone || string(out) != `{"items":[]}`+"\n" {
		t.Errorf("peers: exit %d, %s%s", exit, out, errs)
	}
}

// A node that takes connections and says nothing: exit code 124, or 130 when the
// person has had enough.
func TestSilentNode(t *testing.T) {
	dir := fakeNode(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/v1/status" && r.Header.Get("User-Agent") != "" {
			writeStatus(w, api.StateRunning)
			return
		}
		<-r.Context().Done()
	})
	exit, out, errs := capture(t, strings.NewReader(""), "peers", "-o", "json", "--data", dir, "--timeout", "100ms")
	if exit != exitTimedOut || len(out) > 0 || !strings.Contains(errs, `"code":"timed.out"`) {
		t.Errorf("exit %d, %s%s", exit, out, errs)
	}
	for _, command := range [][]string{{"peers"}, {"publish", "--topic", "fraud", "-"}, {"tail"}} {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		time.AfterFunc(50*time.Millisecond, cancel)
		var stdout, stderr bytes.Buffer
		args := append(command, "-o", "jsonl", "--data", dir)
		exit := run(ctx, args, streams{in: strings.NewReader("{}"), out: &stdout, err: &stderr})
		if exit != exitInterrupted || stdout.Len() > 0 {
			t.Errorf("%v interrupted: exit %d, %s%s", command, exit, &stdout, &stderr)
		}
	}
}

// Answers that no node of ours gives are errors, not crashes and not empty answers.
func TestStrangeAnswers(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"no JSON":      func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) },
		"cut off":      func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"state":`)) },
		"bare failure": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "oops\x1b[31m", http.StatusBadGateway) },
		"hang up":      func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := fakeNode(t, handler)
			exit, out, errs := capture(t, strings.NewReader(""), "status", "-o", "text", "--data", dir)
			if exit == exitDone || len(out) > 0 || errs == "" || strings.Contains(errs, "\x1b") {
				t.Errorf("exit %d, stdout %q, stderr %q", exit, out, errs)
			}
		})
	}
}

// A stream that breaks off or ends leaves nobody to follow: exit code 4 for whoever does not want to wait, and where it ended.
func TestTailEnds(t *testing.T) {
	for _, abort := range []bool{false, true} {
		dir := fakeNode(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/api/v1/status" {
				writeStatus(w, api.StateRunning)
				return
			}
			_, _ = w.Write([]byte("id: 1\nevent: held\ndata: {\"seq\":1,\"kind\":\"held\"}\n\n: heartbeat\n\n"))
			_ = http.NewResponseController(w).Flush()
			if abort {
				panic(http.ErrAbortHandler)
			}
		})
		exit, out, errs := capture(t, strings.NewReader(""), "tail", "-o", "jsonl", "--reconnect=false", "--data", dir)
		if exit != exitNoNode || countJSON(t, out) != 1 {
			t.Errorf("abort %v: exit %d, %s%s", abort, exit, out, errs)
		}
		if !strings.Contains(errs, `"code":"node.absent"`) || !strings.Contains(errs, "tocsin tail --after 1'") {
			t.Errorf("abort %v: stderr %s", abort, errs)
		}
	}
}

// A follower whose stream breaks off goes on behind the last event, once the node is back.
func TestTailGoesOn(t *testing.T) {
	var asked []string
	dir := fakeNode(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/v1/status" {
			writeStatus(w, api.StateRunning)
			return
		}
		asked = append(asked, r.URL.Query().Get("after"))
		switch len(asked) {
		case 1:
			_, _ = w.Write([]byte("id: 7\n\n"))
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		case 2:
			panic(http.ErrAbortHandler)
		}
		_, _ = w.Write([]byte("id: 8\nevent: held\ndata: {\"seq\":8,\"kind\":\"held\"}\n\n"))
	})
	exit, out, errs := capture(t, strings.NewReader(""), "tail", "-o", "jsonl", "--limit", "1", "--data", dir)
	if exit != exitDone || countJSON(t, out) != 1 || asked[0] != "" || asked[2] != "7" {
		t.Errorf("exit %d, asked behind %q, %s%s", exit, asked, out, errs)
	}
}

// What keeps a running tail from its node for a while does not end it, and it says that the node is back when events flow again: not
// while the node starts, has no store, or hangs.
func TestTailWaitsItOut(t *testing.T) {
	problem := func(code reason.Code) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusServiceUnavailable)
			_ = json.NewEncoder(w).Encode(api.NewProblem(code, "because"))
		}
	}
	stream := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) }
	}
	for name, c := range map[string]struct {
		answers []http.HandlerFunc
		hints   []string
		exit    int
	}{
		"it starts":         {[]http.HandlerFunc{stream("id: 7\n\n"), problem(reason.NodeStarting)}, []string{"is gone", "is back"}, exitDone},
		"without its store": {[]http.HandlerFunc{stream("id: 7\n\n"), problem(reason.NodeStarting), problem(reason.StoreFull)}, []string{"is gone", "without its store", "is back"}, exitDone},
		"too many follow":   {[]http.HandlerFunc{stream("id: 7\n\n"), problem(reason.RequestRate)}, []string{"is gone", "is back"}, exitDone},
		"it hangs":          {[]http.HandlerFunc{stream("id: 7\n\nevent: problem\ndata: {\"code\":\"timed.out\"}\n\n")}, []string{"does not answer", "is back"}, exitDone},
		"no store at first": {[]http.HandlerFunc{problem(reason.StoreFull)}, nil, exitFailed},
		"not permitted":     {[]http.HandlerFunc{stream("id: 7\n\n"), problem(reason.RoleDenied)}, []string{"is gone"}, exitDenied},
	} {
		t.Run(name, func(t *testing.T) {
			asked := 0
			dir := fakeNode(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/api/v1/status" {
					writeStatus(w, api.StateRunning)
					return
				}
				if asked++; asked <= len(c.answers) {
					c.answers[asked-1](w, r)
					return
				}
				stream("id: 8\nevent: held\ndata: {\"seq\":8,\"kind\":\"held\"}\n\n")(w, r)
			})
			exit, _, errs := capture(t, strings.NewReader(""), "tail", "--limit", "1", "--data", dir)
			var hints []string
			for line := range strings.Lines(errs) {
				if strings.HasPrefix(line, "The node ") {
					hints = append(hints, line)
				}
			}
			if exit != c.exit || len(hints) != len(c.hints) {
				t.Fatalf("exit %d, %s", exit, errs)
			}
			for i, want := range c.hints {
				if !strings.Contains(hints[i], want) {
					t.Errorf("it says %q, want %q", hints[i], want)
				}
			}
		})
	}
}

// Who does not want to wait is told that the node hangs, and where to go on.
func TestTailOfAHungNodeEnds(t *testing.T) {
	dir := fakeNode(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/v1/status" {
			writeStatus(w, api.StateRunning)
			return
		}
		_, _ = w.Write([]byte("id: 7\n\nevent: problem\ndata: {\"code\":\"timed.out\",\"detail\":\"no sign of life\"}\n\n"))
	})
	exit, _, errs := capture(t, strings.NewReader(""), "tail", "--reconnect=false", "--data", dir)
	if exit != exitTimedOut || !strings.Contains(errs, "no sign of life") || !strings.Contains(errs, "tocsin tail --after 7'") {
		t.Errorf("exit %d, %s", exit, errs)
	}
}

// fullDisk loses whatever is written to it.
type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

// What nobody gets is not followed on, in any form.
func TestTailEndsWithItsOutput(t *testing.T) {
	dir := fakeNode(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/v1/status" {
			writeStatus(w, api.StateRunning)
			return
		}
		for i := range 5 {
			_, _ = fmt.Fprintf(w, "id: %d\nevent: held\ndata: {\"seq\":%d,\"kind\":\"held\"}\n\n", i, i)
		}
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	for _, format := range []string{"text", "jsonl"} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		var stderr bytes.Buffer
		exit := run(ctx, []string{"tail", "--after", "0", "-o", format, "--data", dir}, streams{in: strings.NewReader(""), out: fullDisk{}, err: &stderr})
		late := ctx.Err()
		cancel()
		if late != nil || exit != exitFailed || !strings.Contains(stderr.String(), "no space left") {
			t.Errorf("%s: exit %d, %s (%v)", format, exit, &stderr, late)
		}
	}
}

// A node that answers and then hangs is given up, and its files are examined.
func TestDoctorOfAHungNode(t *testing.T) {
	dir := fakeNode(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/v1/status" {
			writeStatus(w, api.StateRunning)
			return
		}
		<-r.Context().Done()
	})
	exit, out, errs := capture(t, strings.NewReader(""), "doctor", "--timeout", "2s", "--check", "node,config,mesh,admin-port", "--data", dir)
	want := "FAIL  node        it says that it is running and does not examine itself in time"
	if exit != exitFailed || !strings.HasPrefix(string(out), want) {
		t.Errorf("exit %d, %s%s", exit, out, errs)
	}
	for _, line := range []string{"OK    config ", "SKIP  mesh        not measured: only a running node knows", "SKIP  admin-port "} {
		if !strings.Contains(string(out), line) {
			t.Errorf("no %q in\n%s", line, out)
		}
	}
}

// Who may not ask a running node is told that, and not what its files look like.
func TestDoctorRefused(t *testing.T) {
	dir := fakeNode(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/v1/status" {
			writeStatus(w, api.StateRunning)
			return
		}
		w.WriteHeader(http.StatusForbidden)
		_ = json.NewEncoder(w).Encode(api.NewProblem(reason.RoleDenied, "an operator is needed"))
	})
	exit, out, errs := capture(t, strings.NewReader(""), "doctor", "--data", dir)
	if exit != exitDenied || len(out) > 0 || !strings.Contains(errs, "an operator is needed") {
		t.Errorf("exit %d, %s%s", exit, out, errs)
	}
}

// When the node changes one level and refuses the next, the first is not kept quiet.
func TestLogLevelsPartly(t *testing.T) {
	changed := 0
	dir := fakeNode(t, func(w http.ResponseWriter, r *http.Request) {
		if changed > 0 && r.Method == http.MethodPut {
			w.WriteHeader(http.StatusTooManyRequests)
			_ = json.NewEncoder(w).Encode(api.NewProblem(reason.RequestRate, "too much"))
			return
		}
		if r.Method == http.MethodPut {
			changed++
		}
		_, _ = w.Write([]byte(`{"state":"running","items":[{"subsystem":"a","level":"info"},{"subsystem":"b","level":"info"}]}`))
	})
	exit, out, errs := capture(t, strings.NewReader(""), "debug", "log-level", "a=debug", "b*=debug", "--data", dir)
	if exit != exitPartly || len(out) > 0 || !strings.Contains(errs, "too much; what stands before b*=debug was changed") {
		t.Errorf("exit %d, %s%s", exit, out, errs)
	}
	exit, _, errs = capture(t, strings.NewReader(""), "debug", "log-level", "a=debug", "c*=debug", "--data", dir)
	if exit != exitNotFound || !strings.Contains(errs, "nothing was changed") {
		t.Errorf("exit %d, %s", exit, errs)
	}
}

// More values than one call takes are asked in several, in order.
func TestCheckInParts(t *testing.T) {
	var calls []int
	dir := fakeNode(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/v1/status" {
			writeStatus(w, api.StateRunning)
			return
		}
		var in api.CheckRequest
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			t.Error(err)
		}
		calls = append(calls, len(in.Values))
		list := api.List[api.CheckItem]{}
		for _, v := range in.Values {
			list.Items = append(list.Items, api.CheckItem{Value: v})
		}
		_ = json.NewEncoder(w).Encode(list)
	})
	in := strings.Repeat("a.example\n", api.MaxCheckValues) + "last.example\n"
	exit, out, errs := capture(t, strings.NewReader(in), "check", "-", "-o", "jsonl", "--data", dir)
	if exit != exitDone || len(calls) != 2 || calls[0] != api.MaxCheckValues || calls[1] != 1 {
		t.Fatalf("exit %d, calls %v, %s", exit, calls, errs)
	}
	if countJSON(t, out) != api.MaxCheckValues+1 || !bytes.Contains(out[len(out)-200:], []byte("last.example")) {
		t.Error("the answers are not all there, or not in order")
	}
}

// Whoever asks a node that hangs is told so soon, and what to do, in the words of the doctor; a program gets them at the end.
func TestHungNode(t *testing.T) {
	dir := fakeNode(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	exit, _, errs := capture(t, strings.NewReader(""), "peers", "--data", dir, "--timeout", "3s")
	if exit != exitTimedOut || !strings.Contains(errs, "it hangs or was stopped, or has very much to do") || strings.Count(errs, api.Wake) != 2 {
		t.Errorf("exit %d, %s", exit, errs)
	}
}
