package outbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"

	"tocsin/node/durable"
	"tocsin/protocol"
)

// reserveBlock is how many places of a key log are noted ahead at a time.
const reserveBlock = 1000

// maxReserveFile bounds what is read of the file: a few keys on 64 topics have about 10 KiB.
const maxReserveFile = 1 << 20

// Reservations notes, in a file outside the store, how far each key log of this node
// may have gone: written ahead in blocks, and exactly at a clean stop. A store that is
// further behind than that was restored from an earlier day. The file only detects: no
// number is ever taken from it. It also keeps that a key has stopped, so that a restart does not
// forget. All methods may be called concurrently.
type Reservations struct {
	path string

	mu   sync.Mutex // guards keys and the file
	keys map[string]*keyReservation
}

type keyReservation struct {
	Topics map[string]reservation `json:"topics,omitempty"`
	// Stopped says why the key signs no more.
	Stopped string `json:"stopped,omitempty"`
	// Restored stands under anyKey only: how this node came back from a backup.
	Restored string `json:"restored,omitempty"`
}

// anyKey stands for whatever key is in place when a restored node starts: nobody knows how far its logs
// went after the backup.
const anyKey = "*"

type reservation struct {
	UpTo uint64 `json:"up_to"`
	// Exact is true after a clean stop: the log ended there.
	Exact bool `json:"exact,omitempty"`
}

// OpenReservations reads the file; absent is empty. What is damaged is moved aside: it
// would say something about the past only.
func OpenReservations(path string) (*Reservations, error) {
	r := &Reservations{path: path, keys: map[string]*keyReservation{}}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read reservations: %w", err)
	}
	var raw []byte
	if info.Size() > maxReserveFile {
		err = fmt.Errorf("%d bytes, at most %d", info.Size(), maxReserveFile)
	} else if raw, err = os.ReadFile(path); err == nil {
		err = json.Unmarshal(raw, &r.keys)
	}
	for _, k := range r.keys {
		if k == nil {
			err = errors.New("a key without reservations")
		}
	}
	if err != nil {
		log.Warnw("reservations are damaged: moved aside", "file", path, "err", err)
		r.keys = map[string]*keyReservation{}
		if err := os.Rename(path, path+".damaged"); err != nil {
			return nil, fmt.Errorf("move damaged reservations aside: %w", err)
		}
	}
	return r, nil
}

// Knows reports whether anything was noted of a key's logs: an empty file proves nothing.
func (r *Reservations) Knows(key protocol.KeyID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	k, ok := r.keys[key.String()]
	return ok && len(k.Topics) > 0
}

// Behind names a topic on which a key's log is shorter than it must have been: the store
// is not the one that this node last wrote.
func (r *Reservations) Behind(key protocol.KeyID, head func(protocol.Topic) uint64) (protocol.Topic, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	k, ok := r.keys[key.String()]
	if !ok {
		return protocol.Topic{}, false
	}
	for name, at := range k.Topics {
		topic, err := protocol.ParseTopic(name)
		if err != nil {
			continue
		}
		least := at.UpTo
		if !at.Exact {
			// The block was noted when its first place was about to be filled.
			least -= min(least, reserveBlock)
		}
		if head(topic) < least {
			return topic, true
		}
	}
	return protocol.Topic{}, false
}

// Reserve notes, durably, that a place of a key log is about to be filled. Mostly that
// is known already and costs nothing.
func (r *Reservations) Reserve(key protocol.KeyID, topic protocol.Topic, sequence uint64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := r.key(key)
	if at := k.Topics[topic.String()]; sequence <= at.UpTo && !at.Exact {
		return nil
	}
	before, had := k.Topics[topic.String()]
	k.Topics[topic.String()] = reservation{UpTo: sequence + reserveBlock - 1}
	err := r.save()
	if err != nil {
		if k.Topics[topic.String()] = before; !had {
			delete(k.Topics, topic.String())
		}
		return fmt.Errorf("reserve place %d on %s: %w", sequence, topic, err)
	}
	return nil
}

// Settle notes where a key's logs end, at a clean stop.
func (r *Reservations) Settle(key protocol.KeyID, heads []protocol.Head) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := r.key(key)
	if k.Stopped != "" {
		return nil // where it ends is not known
	}
	for _, h := range heads {
		k.Topics[h.Topic.String()] = reservation{UpTo: h.Sequence, Exact: true}
	}
	if err := r.save(); err != nil {
		return fmt.Errorf("note where the key logs end: %w", err)
	}
	return nil
}

// Restore notes, durably, that the files around this one came from a backup: the key that is in place, whichever,
// must not go on with its logs. It is over when a new key signs.
func (r *Reservations) Restore(why string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keys[anyKey] = &keyReservation{Restored: why}
	if err := r.save(); err != nil {
		return fmt.Errorf("note that the node was restored: %w", err)
	}
	return nil
}

// Restored says how this node came back from a backup, "" when it did not or has a new key since.
func (r *Reservations) Restored() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if k, ok := r.keys[anyKey]; ok {
		return k.Restored
	}
	return ""
}

// Stop notes, durably, that a key signs no more.
func (r *Reservations) Stop(key protocol.KeyID, why string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.key(key).Stopped = why
	if err := r.save(); err != nil {
		return fmt.Errorf("note that key %s has stopped: %w", key, err)
	}
	return nil
}

// Stopped says why a key signs no more, "" when it does.
func (r *Reservations) Stopped(key protocol.KeyID) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if k, ok := r.keys[key.String()]; ok {
		return k.Stopped
	}
	return ""
}

// Forget drops what is noted of a key that is gone, because another one signs now.
func (r *Reservations) Forget(key protocol.KeyID) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.keys, key.String())
	delete(r.keys, anyKey)
	if err := r.save(); err != nil {
		return fmt.Errorf("forget reservations of %s: %w", key, err)
	}
	return nil
}

// key is the entry of a key, made when there is none; the lock is held.
func (r *Reservations) key(id protocol.KeyID) *keyReservation {
	k, ok := r.keys[id.String()]
	if !ok {
		k = &keyReservation{}
		r.keys[id.String()] = k
	}
	if k.Topics == nil {
		k.Topics = map[string]reservation{}
	}
	return k
}

func (r *Reservations) save() error {
	raw, err := json.MarshalIndent(r.keys, "", " ")
	if err != nil {
		return err
	}
	return durable.Write(r.path, append(raw, '\n'), 0o600)
}
