package outbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"sync"

	"tocsin/node/durable"
	"tocsin/protocol"
)

// reserveBlock is how many places earlier versions noted ahead at a time.
const reserveBlock = 1000

// maxReserveFile bounds what is read of the file: a few keys on 64 topics have about 10 KiB, the last record as text is larger.
const maxReserveFile = 2*protocol.MaxRecordBytes + 1<<20

// reserveMagic begins the line over the file, which has the checksum of the rest: a flipped bit in a number is no number. Files
// of earlier versions have no such line.
const reserveMagic = "tocsin reservations 2 "

// Reservations notes, in a file outside the store, where each key log of this node ends, and the record that
// was signed last, before it is in the store or anywhere else. A store that is
// behind that is not the one that this node last wrote: it was restored, or lost. When only the last record is
// missing, that very record takes its place again. So no place is ever signed twice, even by a node
// that was killed and has nobody to ask. The file also keeps that a key has stopped, so that a restart does not
// forget. All methods may be called concurrently.
type Reservations struct {
	path string

	mu   sync.Mutex // guards keys, stored and the file
	keys map[string]*keyReservation
	// stored says of a key that its pending record is in the store.
	stored map[string]bool
}

type keyReservation struct {
	Topics map[string]reservation `json:"topics,omitempty"`
	// Stopped says why the key signs no more.
	Stopped string `json:"stopped,omitempty"`
	// Proven is what is proven of where the key's logs end, nil when nothing is.
	Proven *provenEnds `json:"proven,omitempty"`
	// Restored stands under anyKey only: how this node came back from a backup.
	Restored string `json:"restored,omitempty"`
	// Pending is the record that was signed last, as long as nobody noted that it is in the store.
	Pending *Pending `json:"pending,omitempty"`
}

type provenEnds struct {
	Parted bool       `json:"parted,omitempty"`
	Heads  []keyPlace `json:"heads,omitempty"`
}

type keyPlace struct {
	Topic    string            `json:"topic"`
	Sequence uint64            `json:"sequence"`
	Record   protocol.RecordID `json:"record"`
}

// Pending is a record that was signed and may not be in the store.
type Pending struct {
	Topic    string `json:"topic"`
	Sequence uint64 `json:"sequence"`
	Record   []byte `json:"record"`
}

// anyKey stands for whatever key is in place when a restored node starts: nobody knows how far its logs
// went after the backup.
const anyKey = "*"

type reservation struct {
	UpTo uint64 `json:"up_to"`
	// Exact is false in files of earlier versions, after a kill: a block was noted when its first place was about to be filled.
	Exact bool `json:"exact,omitempty"`
}

// damagedReservations is what a damaged file leaves to say, under anyKey.
const damagedReservations = "the notes of how far this node signed were damaged, so nobody knows which places are free"

// OpenReservations reads the file; absent is empty. A damaged one is kept aside, and speaks against whatever key is in
// place: it may have said that the key had stopped, or how far it was.
func OpenReservations(path string) (*Reservations, error) {
	r := &Reservations{path: path, keys: map[string]*keyReservation{}, stored: map[string]bool{}}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read reservations: %w", err)
	}
	if info.Size() > maxReserveFile {
		return r, r.damaged(nil, fmt.Errorf("%d bytes, at most %d", info.Size(), maxReserveFile))
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read reservations: %w", err)
	}
	if r.keys, err = parseReservations(raw); err != nil {
		return r, r.damaged(raw, err)
	}
	return r, nil
}

func parseReservations(raw []byte) (keys map[string]*keyReservation, err error) {
	if !bytes.HasPrefix(raw, []byte("{")) { // as earlier versions wrote it
		head, body, _ := bytes.Cut(raw, []byte("\n"))
		if string(head) != reserveHead(body) {
			return nil, errors.New("they do not have their checksum")
		}
		raw = body
	}
	if err := json.Unmarshal(raw, &keys); err != nil {
		return nil, err
	}
	for name, k := range keys {
		if k == nil {
			return nil, fmt.Errorf("key %s without reservations", name)
		}
	}
	return keys, nil
}

func reserveHead(body []byte) string {
	return fmt.Sprintf("%s%08x", reserveMagic, crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)))
}

// damaged notes, durably, that nobody knows what the file said. If we stop between the two writes, the next start finds the damage again.
func (r *Reservations) damaged(raw []byte, why error) error {
	log.Errorw("reservations are damaged: kept aside", "file", r.path+".damaged", "err", why)
	if err := durable.Write(r.path+".damaged", raw, 0o600); err != nil {
		return fmt.Errorf("keep damaged reservations aside: %w", err)
	}
	r.keys = map[string]*keyReservation{}
	return r.Restore(damagedReservations)
}

// Knows reports whether anything was noted of a key's logs: an empty file proves nothing.
func (r *Reservations) Knows(key protocol.KeyID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	k, ok := r.keys[key.String()]
	return ok && len(k.Topics) > 0
}

// Behind names a topic on which a key's log is shorter than it must have been: the store
// is not the one that this node last wrote. The record that is pending does not count: see Pending.
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
			// One block was noted at a time; whether its first place was filled nobody knows, but an empty log had none before it.
			least = max(1, at.UpTo-min(at.UpTo, reserveBlock))
		}
		if head(topic) < least {
			return topic, true
		}
	}
	return protocol.Topic{}, false
}

// Pending is the record of a key that was signed last, nil when it is noted that it is in the store.
func (r *Reservations) Pending(key protocol.KeyID) *Pending {
	r.mu.Lock()
	defer r.mu.Unlock()
	if k, ok := r.keys[key.String()]; ok {
		return k.Pending
	}
	return nil
}

// Reserve notes, durably, the record that is about to fill a place of a key log, and that the log ends before it. It must be in the
// store, or refused by it, before the next.
func (r *Reservations) Reserve(key protocol.KeyID, topic protocol.Topic, sequence uint64, raw []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := r.key(key)
	before, had := k.Topics[topic.String()]
	pending := k.Pending
	k.Topics[topic.String()] = reservation{UpTo: sequence - 1, Exact: true}
	k.Pending = &Pending{Topic: topic.String(), Sequence: sequence, Record: raw}
	if err := r.save(); err != nil {
		k.Pending = pending
		if k.Topics[topic.String()] = before; !had {
			delete(k.Topics, topic.String())
		}
		return fmt.Errorf("reserve place %d on %s: %w", sequence, topic, err)
	}
	r.stored[key.String()] = false
	return nil
}

// Stored takes note that the pending record of a key is in the store. It is written with what is written next.
func (r *Reservations) Stored(key protocol.KeyID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if k, ok := r.keys[key.String()]; ok && k.Pending != nil {
		k.Topics[k.Pending.Topic] = reservation{UpTo: k.Pending.Sequence, Exact: true}
		r.stored[key.String()] = true
	}
}

// Refused takes note that the pending record of a key went nowhere: its place is free.
func (r *Reservations) Refused(key protocol.KeyID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if k, ok := r.keys[key.String()]; ok && k.Pending != nil {
		k.Pending = nil
		if err := r.save(); err != nil {
			log.Warnw("a record that was refused may be published after a kill", "key", key, "err", err)
		}
	}
}

// Drop writes what Stored took note of, so that the record's body does not stay in the file.
func (r *Reservations) Drop(key protocol.KeyID) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.stored[key.String()] {
		return nil
	}
	k := r.key(key)
	pending := k.Pending
	k.Pending = nil
	if err := r.save(); err != nil {
		k.Pending = pending
		return fmt.Errorf("note where the key logs end: %w", err)
	}
	r.stored[key.String()] = false
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
	k.Pending, r.stored[key.String()] = nil, false
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

// Prove notes, durably, what is proven of where a key's logs end; what is not proven is not noted.
func (r *Reservations) Prove(key protocol.KeyID, e Ends) error {
	if !e.Proven {
		return nil
	}
	p := &provenEnds{Parted: e.Parted}
	for _, h := range e.Heads {
		p.Heads = append(p.Heads, keyPlace{Topic: h.Topic.String(), Sequence: h.Sequence, Record: h.ID})
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.key(key).Proven = p
	if err := r.save(); err != nil {
		return fmt.Errorf("note where the logs of key %s end: %w", key, err)
	}
	return nil
}

// Ends is what is noted of where a key's logs end.
func (r *Reservations) Ends(key protocol.KeyID) (e Ends) {
	r.mu.Lock()
	defer r.mu.Unlock()
	k, ok := r.keys[key.String()]
	if !ok || k.Proven == nil {
		return e
	}
	e.Proven, e.Parted = true, k.Proven.Parted
	for _, at := range k.Proven.Heads {
		if topic, err := protocol.ParseTopic(at.Topic); err == nil {
			e.Heads = append(e.Heads, protocol.Head{Key: key, Topic: topic, Sequence: at.Sequence, ID: at.Record})
		}
	}
	return e
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
	raw = append(raw, '\n')
	return durable.Write(r.path, append([]byte(reserveHead(raw)+"\n"), raw...), 0o600)
}
