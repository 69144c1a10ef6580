// Package once remembers what was answered to requests that must not be done twice,
// by the key that the client gave each. It knows no HTTP beyond a status and a body, and does nothing itself.
package once

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	logging "github.com/ipfs/go-log/v2"

	"tocsin/node/durable"
	"tocsin/protocol/reason"
)

var log = logging.Logger("tocsin/once")

const (
	// Life is how long a key is remembered.
	Life = 24 * time.Hour
	// MaxKeys bounds the keys that are remembered at a time: one every nine seconds for a whole day.
	MaxKeys = 10_000
	// MaxKeysEach bounds those of one client.
	MaxKeysEach = MaxKeys / 4
	// MaxBody bounds an answer that is kept; of a longer one only the fact is.
	MaxBody = 256 << 10
	// MaxKey bounds a key, in bytes.
	MaxKey = 128
	// maxFile is room for the largest answer as JSON.
	maxFile = 2*MaxBody + 4096
	suffix  = ".json"
	// tidyEvery is how often keys that are over are looked for; only when another one comes.
	tidyEvery = time.Hour
)

// ErrRunning says that the first request with a key is not answered yet.
var ErrRunning = errors.New("its first request is still under way")

// Request is what a key stands for.
type Request struct {
	// Who sent it: keys of different people have nothing to do with each other.
	Who string
	Key string
	// What is the operation with its parameters, without the body.
	What string
}

// Answer is what the first request was answered.
type Answer struct {
	Status int    `json:"status"`
	Type   string `json:"type"`
	Body   []byte `json:"body,omitempty"`
	// TooLong says that the body was not kept.
	TooLong bool `json:"too_long,omitempty"`
	// Sent is the digest of the request's body.
	Sent string `json:"sent"`
}

// entry is one file. It has no answer from when something may have gone out until the request is answered.
type entry struct {
	At     time.Time `json:"at"`
	What   string    `json:"what"`
	Answer *Answer   `json:"answer,omitempty"`
	// Who is a digest of whose key it is.
	Who string `json:"who,omitempty"`
}

// key is when a key came and whose it is, as in its file.
type key struct {
	at  time.Time
	who string
}

// Book remembers, one file for each key, so that nothing is lost in a power cut. It may be used concurrently.
type Book struct {
	dir string
	mu  sync.Mutex
	// keys are those that are remembered, by their files' names; guarded by mu.
	keys map[string]key
	// running are the keys whose first request this process is working on; guarded by mu.
	running map[string]bool
	tidied  time.Time // guarded by mu
}

// Open reads which keys are remembered in a folder, which it makes when it is absent. Files that cannot be read are
// taken for requests whose answer is lost: their keys are refused, as nobody knows what came of them.
func Open(dir string) (*Book, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of answers: %w", err)
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read the folder of answers: %w", err)
	}
	b := &Book{dir: dir, keys: map[string]key{}, running: map[string]bool{}}
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), suffix) {
			continue
		}
		info, err := f.Info()
		if err != nil {
			continue // removed meanwhile
		}
		b.keys[f.Name()] = key{at: info.ModTime()}
		if e, err := b.read(f.Name()); err == nil {
			b.keys[f.Name()] = key{e.At, e.Who}
		}
	}
	return b, nil
}

// nameOf is the file of a key. Keys are other people's text: only their digest becomes a name.
func nameOf(r Request) string {
	d := sha256.Sum256([]byte(r.Who + "\x00" + r.Key))
	return hex.EncodeToString(d[:]) + suffix
}

// whoOf shortens whose key it is.
func whoOf(r Request) string {
	d := sha256.Sum256([]byte(r.Who))
	return hex.EncodeToString(d[:8])
}

// count is how many keys of one client are remembered. The caller holds mu.
func (b *Book) count(who string) (n int) {
	for _, k := range b.keys {
		if k.who == who {
			n++
		}
	}
	return n
}

// Begin notes that a request is under way and gives it: the caller does it, with a context of With, and then calls End. For a
// key that was answered it gives that answer instead, which the caller compares with the body sent now. key.reused says that
// the key came with another operation, conflict that the first request is still under way (ErrRunning) or that its answer is lost, though
// something may have gone out, request.rate that too many keys are remembered. Nothing is on the disk before the first Mark:
// what a stop of the node ends earlier did nothing.
func (b *Book) Begin(r Request, now time.Time) (*Doing, *Answer, error) {
	name, who := nameOf(r), whoOf(r)
	b.mu.Lock()
	defer b.mu.Unlock()
	if k, known := b.keys[name]; known && (b.running[name] || now.Sub(k.at) < Life) {
		a, err := b.before(name, r)
		return nil, a, err
	}
	full := func() bool { return len(b.keys) >= MaxKeys || b.count(who) >= MaxKeysEach }
	if now.Sub(b.tidied) > tidyEvery || full() {
		b.forget(now)
		b.tidied = now
	}
	if len(b.keys) >= MaxKeys {
		return nil, nil, reason.New(reason.RequestRate, fmt.Sprintf("%d idempotency keys came within a day, which is as many as are remembered", MaxKeys))
	}
	if full() {
		return nil, nil, reason.New(reason.RequestRate, fmt.Sprintf("%d idempotency keys of this client came within a day, which is as many as are remembered of one", MaxKeysEach))
	}
	b.keys[name], b.running[name] = key{now, who}, true
	return &Doing{book: b, req: r, at: now}, nil, nil
}

// before gives what came of a key's first request. The caller holds mu.
func (b *Book) before(name string, r Request) (*Answer, error) {
	if b.running[name] {
		return nil, reason.Wrap(reason.Conflict, fmt.Sprintf("idempotency key %q", r.Key), ErrRunning)
	}
	e, err := b.read(name)
	if err == nil && e.What != r.What {
		return nil, reason.New(reason.KeyReused, fmt.Sprintf("idempotency key %q came with another request before", r.Key))
	}
	if err != nil || e.Answer == nil {
		return nil, reason.New(reason.Conflict, fmt.Sprintf("idempotency key %q: something may have gone out or been changed under it, and its answer is lost, as the node stopped meanwhile; see in the audit log what came of it, and use a new key", r.Key))
	}
	return e.Answer, nil
}

// begun notes, durably, that a request is not to be done again.
func (b *Book) begun(d *Doing) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.write(nameOf(d.req), entry{At: d.at.UTC(), What: d.req.What, Who: whoOf(d.req)})
}

// end keeps the answer of a request, or forgets its key.
func (b *Book) end(d *Doing, a Answer, keep bool, now time.Time) error {
	name, who := nameOf(d.req), whoOf(d.req)
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.running, name)
	if !keep {
		delete(b.keys, name)
		return b.remove(name)
	}
	if len(a.Body) > MaxBody {
		a.Body, a.TooLong = nil, true
	}
	b.keys[name] = key{now, who}
	return b.write(name, entry{At: now.UTC(), What: d.req.What, Who: who, Answer: &a})
}

// forget lets go of keys that are over. The caller holds mu.
func (b *Book) forget(now time.Time) {
	for name, k := range b.keys {
		if now.Sub(k.at) < Life || b.running[name] {
			continue
		}
		delete(b.keys, name)
		if err := b.remove(name); err != nil {
			log.Warnw("an answer that is over stays on the disk", "file", name, "err", err)
		}
	}
}

func (b *Book) remove(name string) error {
	err := os.Remove(filepath.Join(b.dir, name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forget an idempotency key: %w", err)
	}
	return nil
}

func (b *Book) write(name string, e entry) error {
	raw, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("keep an answer: %w", err)
	}
	return durable.Write(filepath.Join(b.dir, name), raw, 0o600)
}

func (b *Book) read(name string) (entry, error) {
	path := filepath.Join(b.dir, name)
	info, err := os.Stat(path)
	if err != nil {
		return entry{}, fmt.Errorf("read an answer: %w", err)
	}
	if info.Size() > maxFile {
		return entry{}, reason.New(reason.InputSize, fmt.Sprintf("read answer %s: it has %d bytes", path, info.Size()))
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return entry{}, fmt.Errorf("read an answer: %w", err)
	}
	return decode(raw)
}

// decode reads a file's bytes.
func decode(raw []byte) (e entry, err error) {
	if err := json.Unmarshal(raw, &e); err != nil {
		return entry{}, fmt.Errorf("read an answer: %w", err)
	}
	if a := e.Answer; e.At.IsZero() || a != nil && (a.Status < 100 || a.Status > 599 || len(a.Body) > MaxBody) {
		return entry{}, errors.New("read an answer: it says what no answer says")
	}
	return e, nil
}
