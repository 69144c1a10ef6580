package admin

import (
	"context"
	"net/http"
	"strings"
)

// tallyKey is the context's key for the tally of a request.
type tallyKey struct{}

// tally is what is counted of one request: the pattern that it matched and the status of its answer.
type tally struct {
	http.ResponseWriter
	route string
	code  int
	// streams is told when the answer turns out to be a stream of events, and when that ends; may be nil.
	streams func(int)
	stream  bool
}

// counted counts the requests that next answers, those that it refuses before they reach a resource among them.
func (w *Watching) counted(next http.Handler) http.Handler {
	if w.Requested == nil {
		return next
	}
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		t := &tally{ResponseWriter: rw, streams: w.Streaming}
		defer func() {
			if t.stream {
				t.streams(-1)
			}
			if t.code == 0 {
				t.code = http.StatusOK
			}
			w.Requested(t.route, t.code)
		}()
		next.ServeHTTP(t, r.WithContext(context.WithValue(r.Context(), tallyKey{}, t)))
	})
}

// routed notes which pattern of the mux a request matched: the path itself would make a label without bounds.
func routed(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if t, ok := r.Context().Value(tallyKey{}).(*tally); ok {
			defer func() { t.route = r.Pattern }()
		}
		mux.ServeHTTP(w, r)
	})
}

// WriteHeader implements http.ResponseWriter.
func (t *tally) WriteHeader(code int) {
	if t.code == 0 && code >= http.StatusOK { // what comes before it is no answer yet
		t.code = code
		if t.streams != nil && strings.HasPrefix(t.Header().Get("Content-Type"), "text/event-stream") {
			t.stream = true
			t.streams(1)
		}
	}
	t.ResponseWriter.WriteHeader(code)
}

// Write implements http.ResponseWriter.
func (t *tally) Write(b []byte) (int, error) {
	if t.code == 0 {
		t.WriteHeader(http.StatusOK)
	}
	return t.ResponseWriter.Write(b)
}

// Flush implements http.Flusher.
func (t *tally) Flush() {
	if t.code == 0 {
		t.WriteHeader(http.StatusOK)
	}
	_ = http.NewResponseController(t.ResponseWriter).Flush() // what cannot be flushed goes out with the next write
}

// Unwrap gives the writer below, for deadlines.
func (t *tally) Unwrap() http.ResponseWriter { return t.ResponseWriter }
