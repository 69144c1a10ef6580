package logs

import (
	"bufio"
	"errors"
	"io"
	"slices"
	"sync"
	"time"
)

// maxLine is how much of one line is kept.
const maxLine = 64 << 10

// lineCost is what a line costs beside its bytes, about.
const lineCost = 48

// kept are the last lines. The zero value is ready.
type kept struct {
	mu    sync.Mutex
	lines []line
	size  int
}

// line is one line as it was logged, without its end.
type line struct {
	at  time.Time
	raw []byte
}

// read keeps lines until in ends. It must not log: whoever logs waits for it.
func (k *kept) read(in io.Reader) {
	lines := bufio.NewReaderSize(in, maxLine)
	cut := false // the rest of a line that was too long
	for {
		raw, err := lines.ReadSlice('\n')
		if len(raw) > 0 && !cut {
			k.add(time.Now(), raw)
		}
		cut = errors.Is(err, bufio.ErrBufferFull)
		if err != nil && !cut {
			return
		}
	}
}

// add keeps a copy of a line and lets go of what is too old or too much.
func (k *kept) add(at time.Time, raw []byte) {
	raw = slices.Clone(raw)
	if n := len(raw); raw[n-1] == '\n' {
		raw = raw[:n-1]
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.lines = append(k.lines, line{at, raw})
	k.size += len(raw) + lineCost
	k.trim(at)
}

// trim lets go of the oldest lines; k.mu is held.
func (k *kept) trim(now time.Time) {
	n := 0
	for n < len(k.lines) && (k.size > MaxKept || now.Sub(k.lines[n].at) > Keep) {
		k.size -= len(k.lines[n].raw) + lineCost
		k.lines[n] = line{}
		n++
	}
	// Growing copies what is left to a new array, so that the front does not stay.
	k.lines = k.lines[n:]
}

// recent gives the lines, each with its end.
func (k *kept) recent(now time.Time) []byte {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.trim(now)
	out := make([]byte, 0, k.size)
	for _, l := range k.lines {
		out = append(append(out, l.raw...), '\n')
	}
	return out
}
