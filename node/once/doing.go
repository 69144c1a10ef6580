package once

import (
	"context"
	"sync"
	"time"
)

// Doing is a request that Begin noted and that is under way. It may be used concurrently.
type Doing struct {
	book *Book
	req  Request
	at   time.Time

	mu sync.Mutex
	// marks counts what may have gone out or been changed for good under it; guarded by mu.
	marks int
}

// underKey is the context's key of what is under way.
type underKey struct{}

// With gives a context for what is done for a request.
func With(ctx context.Context, d *Doing) context.Context {
	return context.WithValue(ctx, underKey{}, d)
}

// Mark notes, durably for the first, that something is about to go out or to be changed for good: from here on the request has
// an answer that is kept. It is called just before that is done, which is left when it fails. Without a key nothing is noted.
func Mark(ctx context.Context) error {
	d, ok := ctx.Value(underKey{}).(*Doing)
	if !ok {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.marks == 0 {
		if err := d.book.begun(d); err != nil {
			return err
		}
	}
	d.marks++
	return nil
}

// Unmark takes the newest Mark back: it is certain that what was announced by it came to nothing.
func Unmark(ctx context.Context) {
	if d, ok := ctx.Value(underKey{}).(*Doing); ok {
		d.mu.Lock()
		d.marks--
		d.mu.Unlock()
	}
}

// End keeps the answer, durably, when something may have gone out or been changed for good under the key, and forgets
// the key otherwise, whatever the answer says: then the same request may be tried again.
func (d *Doing) End(a Answer, now time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.book.end(d, a, d.marks > 0, now)
}
