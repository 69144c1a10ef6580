package admin

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

// bodyRate is how many bytes of a body give it another second.
const bodyRate = 16 << 10

// paced bounds how long the body of a request may take: patience, and a second for each bodyRate bytes that came. What
// trickles in holds no connection for long, and what is large has its time; only waiting for the client counts (ADM-02).
// A body that nobody reads has the time too: the server reads on to find the next request. Where there is none, the server only watches
// whether the client leaves, however long the answer takes.
func paced(w http.ResponseWriter, r *http.Request, patience time.Duration) *http.Request {
	if r.ContentLength == 0 {
		_ = http.NewResponseController(w).SetReadDeadline(time.Time{}) // what has no deadlines (tests) waits for nothing
		return r
	}
	b := &pacedBody{ReadCloser: r.Body, control: http.NewResponseController(w), left: patience}
	_ = b.control.SetReadDeadline(time.Now().Add(patience))
	r = r.WithContext(r.Context())
	r.Body = b
	return r
}

type pacedBody struct {
	io.ReadCloser
	control *http.ResponseController
	left    time.Duration
	login   login
	fixed   bool // what comes gives no more time
}

// Read gives the client what is left of its time, and of its login.
func (b *pacedBody) Read(p []byte) (int, error) {
	began := time.Now()
	if err := b.login.over(began); err != nil {
		return 0, err
	}
	_ = b.control.SetReadDeadline(began.Add(b.left))
	_ = b.control.SetWriteDeadline(began.Add(b.left)) // the server may have to say that it waits (100-continue)
	n, err := b.ReadCloser.Read(p)
	b.left -= time.Since(began)
	if !b.fixed {
		b.left += time.Duration(n) * time.Second / bodyRate
	}
	if errors.Is(err, io.EOF) {
		// From here the server watches whether the client leaves; that must not end with the body's time.
		_ = b.control.SetReadDeadline(time.Time{})
	}
	return n, err
}

// hurry gives the client so much time and no more for what is left of the body.
func (b *pacedBody) hurry(most time.Duration) { b.left, b.fixed = min(b.left, most), true }

// login is what a request came with: while a long body comes or a long answer goes, it is asked once in a while whether
// that is still in force (ADM-21). Where next is not set, that begins with the first part.
type login struct {
	still func() error // nil asks nobody
	every time.Duration
	next  time.Time
}

// over says why nothing more is read or written.
func (l *login) over(now time.Time) error {
	if l.still == nil || now.Before(l.next) {
		return nil
	}
	first := l.next.IsZero()
	l.next = now.Add(l.every)
	if first { // what a handler found for whoever came in is theirs: no answer is cut before it begins
		return nil
	}
	return l.still()
}

// partBytes is how much of an answer goes out within one deadline.
const partBytes = 256 << 10

// awaitedWriter gives the client a time for each part of an answer, counted from when it is written: what a handler takes
// to find the answer is not the client's fault, and whoever does not read is let go (ADM-02), and so is whose login is over.
type awaitedWriter struct {
	http.ResponseWriter
	control  *http.ResponseController
	patience time.Duration
	login    login
	begun    bool  // the status is said, so that no other answer can be given
	cut      error // why nothing more goes out; see lastWords
}

// lastWords lets a stream say why it ends, where its form has a place for that: it counts as whole then. Any other answer that
// is cut ends with its connection, since its client could not tell it from a whole one (ADM-16).
func lastWords(w http.ResponseWriter) {
	for {
		if a, ok := w.(*awaitedWriter); ok {
			a.cut, a.login = nil, login{}
			return
		}
		below, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return
		}
		w = below.Unwrap()
	}
}

// wait begins the client's time anew.
func (a *awaitedWriter) wait() {
	_ = a.control.SetWriteDeadline(time.Now().Add(a.patience)) // what has no deadlines (tests) waits for nobody
}

// WriteHeader passes on.
func (a *awaitedWriter) WriteHeader(status int) {
	a.begun = a.begun || status >= http.StatusOK // what comes before it is no answer yet
	a.ResponseWriter.WriteHeader(status)
}

// Write passes on.
func (a *awaitedWriter) Write(p []byte) (n int, err error) {
	for {
		if a.cut == nil {
			a.cut = a.login.over(time.Now())
		}
		if a.cut != nil {
			return n, a.cut
		}
		a.begun = true
		part := p[n:min(len(p), n+partBytes)]
		a.wait()
		done, err := a.ResponseWriter.Write(part)
		n += done
		if err != nil || n == len(p) {
			return n, err
		}
	}
}

// FlushError implements what a ResponseController looks for.
func (a *awaitedWriter) FlushError() error {
	a.wait()
	a.begun = true
	return a.control.Flush()
}

// Unwrap gives the writer below, for deadlines.
func (a *awaitedWriter) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// maxRefusals is how many refused requests a second the log names: a stranger does not fill it.
const maxRefusals = 10

// refusals says which refused requests are logged.
type refusals struct {
	mu         sync.Mutex
	since      time.Time // when the second began
	said, left int       // in this second; since the last that was said
}

// told reports whether to log the one of now, and how many were left out since the last that was logged.
func (f *refusals) told(now time.Time) (yes bool, left int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now.Sub(f.since) >= time.Second {
		f.since, f.said = now, 0
	}
	if f.said == maxRefusals {
		f.left++
		return false, 0
	}
	f.said++
	left, f.left = f.left, 0
	return true, left
}
