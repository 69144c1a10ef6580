package admin

import (
	"errors"
	"io"
	"net/http"
	"time"
)

// bodyRate is how many bytes of a body give it another second.
const bodyRate = 16 << 10

// paced bounds how long the body of a request may take: patience, and a second for each bodyRate bytes that came. What
// trickles in holds no connection for long, and what is large has its time; only waiting for the client counts (ADM-02).
// A body that nobody reads has the time too: the server reads on to find the next request.
func paced(w http.ResponseWriter, r *http.Request, patience time.Duration) *http.Request {
	if r.ContentLength == 0 {
		return r
	}
	b := &pacedBody{ReadCloser: r.Body, control: http.NewResponseController(w), left: patience}
	_ = b.control.SetReadDeadline(time.Now().Add(patience)) // what has no deadlines (tests) waits for nothing
	r = r.WithContext(r.Context())
	r.Body = b
	return r
}

type pacedBody struct {
	io.ReadCloser
	control *http.ResponseController
	left    time.Duration
}

// Read gives the client what is left of its time.
func (b *pacedBody) Read(p []byte) (int, error) {
	began := time.Now()
	_ = b.control.SetReadDeadline(began.Add(b.left))
	n, err := b.ReadCloser.Read(p)
	b.left += time.Duration(n)*time.Second/bodyRate - time.Since(began)
	if errors.Is(err, io.EOF) {
		// From here the server watches whether the client leaves; that must not end with the body's time.
		_ = b.control.SetReadDeadline(time.Time{})
	}
	return n, err
}
