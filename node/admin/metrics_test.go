package admin

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
)

// TestCounted wants each request counted once, under the pattern of its route and never under its path, with the status
// that went out, and a stream counted while it lasts.
func TestCounted(t *testing.T) {
	var counted []string
	streams, most := 0, 0
	w := &Watching{
		Requested: func(route string, code int) { counted = append(counted, fmt.Sprintf("%s %d", route, code)) },
		Streaming: func(n int) { streams += n; most = max(most, streams) },
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /things/{id}", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("x")) })
	mux.HandleFunc("GET /silent", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /broken", func(http.ResponseWriter, *http.Request) { panic("x") })
	mux.HandleFunc("GET /early", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusTeapot)
	})
	mux.HandleFunc("GET /stream", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
		}
	})
	inner := routed(mux)
	h := w.counted(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if recover() != nil {
				w.WriteHeader(http.StatusInternalServerError)
			}
		}()
		if r.Host == "evil.example" {
			w.WriteHeader(http.StatusMisdirectedRequest)
			return
		}
		inner.ServeHTTP(w, r.WithContext(r.Context())) // a copy, as the gate makes them
	}))
	for _, url := range []string{"http://h/things/17", "http://h/things/secret", "http://h/silent", "http://h/broken", "http://h/early", "http://h/stream", "http://evil.example/things/1"} {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, url, nil))
	}
	want := []string{"GET /things/{id} 200", "GET /things/{id} 200", "GET /silent 200", "GET /broken 500", "GET /early 418", "GET /stream 200", " 421"}
	if !slices.Equal(counted, want) {
		t.Errorf("counted %q, want %q", counted, want)
	}
	if streams != 0 || most != 1 {
		t.Errorf("%d streams are left, %d at most", streams, most)
	}
	if none := (&Watching{}).counted(mux); none != http.Handler(mux) {
		t.Error("without a counter something stands in between")
	}
}
