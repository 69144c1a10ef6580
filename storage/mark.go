package storage

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// What is kept beside the database and not in it, since badger shows some kinds of damage as keys that were never there.
const (
	// markName is overwritten in place after each commit: how far the change sequence is acknowledged. It is not synced, so that it
	// may be behind after a power cut, but never ahead.
	markName = "MARK"
	// checkpointName is replaced at a clean stop and now and then: what there is per topic.
	checkpointName = "CHECKPOINT"
)

const (
	markSlot  = 512 // a sector each, so that one is whole whatever happens
	markBytes = 24
	markMagic = 0x746f6373
)

// mark is the open file; its fields belong to the writer, and to Close after it.
type mark struct {
	file *os.File
	next int64
}

// openMark opens the file, which is made at its full size.
func openMark(dir string) (*mark, error) {
	f, err := os.OpenFile(filepath.Join(dir, markName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && info.Size() < 2*markSlot {
		_, err = f.WriteAt(make([]byte, 2*markSlot), 0)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &mark{file: f}, nil
}

// set notes a sequence number, and whether the store is closed after it.
func (m *mark) set(seq uint64, clean bool) error {
	if m == nil {
		return nil
	}
	var b [markBytes]byte
	le := binary.LittleEndian
	le.PutUint32(b[:], markMagic)
	le.PutUint64(b[4:], seq)
	if clean {
		b[12] = 1
	}
	le.PutUint32(b[20:], crc32.ChecksumIEEE(b[:20]))
	m.next = markSlot - m.next
	_, err := m.file.WriteAt(b[:], m.next)
	return err
}

func (m *mark) close() error {
	if m == nil {
		return nil
	}
	return errors.Join(m.file.Sync(), m.file.Close())
}

// readMark gives the highest sequence noted, and whether the store was closed after it. An absent or damaged file says
// nothing.
func readMark(dir string) (seq uint64, clean bool) {
	raw, err := os.ReadFile(filepath.Join(dir, markName))
	if err != nil {
		return 0, false
	}
	for at := 0; at+markBytes <= len(raw) && at <= markSlot; at += markSlot {
		b, le := raw[at:at+markBytes], binary.LittleEndian
		if le.Uint32(b) != markMagic || le.Uint32(b[20:]) != crc32.ChecksumIEEE(b[:20]) {
			continue
		}
		if n := le.Uint64(b[4:]); n > seq || n == seq && !clean {
			seq, clean = n, b[12] == 1
		}
	}
	return seq, clean
}

// checkpoint is what stands in the file of that name.
type checkpoint struct {
	Sequence uint64                `json:"sequence"`
	Counts   Counts                `json:"counts"`
	Topics   map[string]topicCount `json:"topics"`
	At       time.Time             `json:"at"`
}

// topicCount counts the records of a topic, and folds their ids.
type topicCount struct {
	Records int             `json:"records"`
	Fold    protocol.Digest `json:"fold"`
}

// count makes a checkpoint of what the tables hold; the caller holds mu.
func (s *Store) count() checkpoint {
	c := checkpoint{Sequence: s.seq, Counts: s.tables.counts, Topics: map[string]topicCount{}, At: time.Now().UTC()}
	perLog := make([]topicCount, len(s.tables.logs))
	for i := range s.tables.records {
		r := &s.tables.records[i]
		if !r.live {
			continue
		}
		t := &perLog[r.log]
		t.Records++
		for j := range t.Fold {
			t.Fold[j] ^= r.id[j]
		}
	}
	for i, n := range perLog {
		name := s.tables.logs[i].Topic.String()
		sum := c.Topics[name]
		sum.Records += n.Records
		for j := range sum.Fold {
			sum.Fold[j] ^= n.Fold[j]
		}
		c.Topics[name] = sum
	}
	return c
}

// Checkpoint notes outside the database what the store holds now. A start after a clean stop, Scrub and Check hold the
// store against it.
func (s *Store) Checkpoint() error {
	if s.memory {
		return nil
	}
	s.mu.RLock()
	c := s.count()
	s.mu.RUnlock()
	return writeCheckpoint(s.dir, c)
}

func writeCheckpoint(dir string, c checkpoint) error {
	raw, err := json.Marshal(c)
	if err != nil {
		return err
	}
	raw = append(raw, fmt.Sprintf("\n%08x\n", castagnoli(raw))...)
	path := filepath.Join(dir, checkpointName)
	if err := replaceFile(path, raw); err != nil {
		return fmt.Errorf("write checkpoint of the store: %w", err)
	}
	return nil
}

// replaceFile puts a new file in the place of path, whole or not at all.
func replaceFile(path string, raw []byte) error {
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(raw)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(path+".new"))
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// readCheckpoint is nil when there is none; a damaged one says nothing, and is an error.
func readCheckpoint(dir string) (*checkpoint, error) {
	raw, err := os.ReadFile(filepath.Join(dir, checkpointName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	body, sum, ok := bytes.Cut(raw, []byte("\n"))
	if !ok || string(sum) != fmt.Sprintf("%08x\n", castagnoli(body)) {
		return nil, errors.New("the checkpoint does not have its checksum")
	}
	c := new(checkpoint)
	return c, json.Unmarshal(body, c)
}

// against says how what the tables hold differs from a checkpoint, nil when it does not or when it is of another moment.
func (c *checkpoint) against(now checkpoint) error {
	switch {
	case c.Sequence > now.Sequence:
		return reason.New(reason.StoreDamaged, fmt.Sprintf("the last change should be %d at least, it is %d", c.Sequence, now.Sequence))
	case c.Sequence < now.Sequence:
		return nil
	}
	for name, want := range c.Topics {
		if have := now.Topics[name]; have != want {
			return reason.New(reason.StoreDamaged, fmt.Sprintf("topic %s should have %d records, %d could be read", name, want.Records, have.Records))
		}
	}
	if c.Counts != now.Counts {
		return reason.New(reason.StoreDamaged, fmt.Sprintf("the store should hold %+v, %+v could be read", c.Counts, now.Counts))
	}
	return nil
}
