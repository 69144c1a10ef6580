package admin

import (
	"crypto/tls"
	"fmt"
	"os"
	"sync"
	"time"
)

// certificate is the port's TLS certificate. Its files are read anew when they change, so that one that is renewed
// every few weeks needs no restart. It may be used concurrently.
type certificate struct {
	cert, key string

	mu    sync.Mutex // guards what follows
	read  *tls.Certificate
	as    [2]time.Time // when the files read were written
	asked time.Time    // when they were looked at
}

// certificateRest is how long the files are not looked at again.
const certificateRest = 10 * time.Second

// get is the certificate to show. A new one that cannot be read (its key may be still to come) leaves the one before it in use.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if c.read != nil && now.Sub(c.asked) < certificateRest {
		return c.read, nil
	}
	c.asked = now
	written := [2]time.Time{modified(c.cert), modified(c.key)}
	if c.read != nil && written == c.as {
		return c.read, nil
	}
	fresh, err := tls.LoadX509KeyPair(c.cert, c.key)
	switch {
	case err == nil:
		c.read, c.as = &fresh, written
	case c.read == nil:
		return nil, fmt.Errorf("read the certificate of the admin port: %w", err)
	default:
		log.Warnw("the new certificate of the admin port cannot be read; the old one stays in use", "err", err)
	}
	return c.read, nil
}

// modified is when a file was written, zero when it cannot be seen.
func modified(path string) time.Time {
	info, err := os.Stat(path)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}
