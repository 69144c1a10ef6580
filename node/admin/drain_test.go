package admin

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"tocsin/node/admin/api"
)

// sender is a client that sends on, so much each second, until its server waits no longer.
type sender struct {
	*httptest.ResponseRecorder
	rate  int
	until time.Time
}

func (s *sender) SetReadDeadline(at time.Time) error { s.until = at; return nil }
func (s *sender) SetWriteDeadline(time.Time) error   { return nil }
func (s *sender) Close() error                       { return nil }

func (s *sender) Read(p []byte) (int, error) {
	if s.rate > 0 {
		time.Sleep(min(time.Second, time.Until(s.until)))
		if !time.Now().Before(s.until) {
			return 0, os.ErrDeadlineExceeded
		}
		p = p[:min(len(p), s.rate)]
	}
	return len(p), nil
}

// A bundle that is refused holds no place of the two while what is left of it still comes, and that is not waited for without end,
// however fast it comes (ADM-02).
func TestRefusedBundleHoldsNothing(t *testing.T) {
	for name, rate := range map[string]int{"a trickle": 1, "as fast as pays": 64 << 10} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := auditLog(t)
				ok(t, log.Close()) // what cannot be written down is refused at once
				b := &bundleResource{audit: log, slots: make(chan struct{}, maxCarriers)}
				answer, err := b.importChunks(t.Context(), nil)
				ok(t, err)
				w := &sender{ResponseRecorder: httptest.NewRecorder(), rate: rate}
				r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, api.Prefix+"/bundles/import", w)
				r.ContentLength = 1 << 40
				done := make(chan time.Time, 1)
				go func() {
					answer.Body(humago.NewContext(&huma.Operation{}, paced(w, r, bodyTimeout), w))
					done <- time.Now()
				}()
				began := time.Now()
				time.Sleep(time.Second)
				if len(b.slots) != 0 {
					t.Error("it still holds a place")
				}
				if took := (<-done).Sub(began); took > drainTimeout || w.Code < 500 {
					t.Errorf("answer %d after %s", w.Code, took)
				}
			})
		})
	}
	all := &io.LimitedReader{R: &sender{}, N: 10 * maxDrain}
	if drain(io.NopCloser(all)); all.N != 9*maxDrain {
		t.Errorf("%d bytes are read", 10*maxDrain-all.N)
	}
}

// A request without a body is answered for as long as that takes: the server's own time for reading ends when ours begins (ADM-02).
func TestNoBodyNoDeadline(t *testing.T) {
	w := &sender{until: time.Now()}
	paced(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil), bodyTimeout)
	if !w.until.IsZero() {
		t.Errorf("the connection is read until %s", w.until)
	}
}
