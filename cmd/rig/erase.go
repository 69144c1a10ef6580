package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/pattern"
	"tocsin/protocol/protocoltest"
	"tocsin/protocol/reason"
	"tocsin/storage"
)

// What marks values of objects that go, and of those that stay.
const (
	goneMark = "zz-this-was-erased-zz"
	liveMark = "zz-this-is-alive-zz"
)

const eraseNetwork = "rig"

// eraser is the state of the erase rig.
type eraser struct {
	*run
	image  string
	author *protocoltest.Author
	now    time.Time
	made   int
	// traces are pieces of the bodies of what has gone, which are compressed and carry no mark.
	traces traceSet
	// gone are entries as sent of records that were erased: they come again and must not be taken.
	gone []storage.Entry
}

// runErase fills a store on a loop-mounted ext4 with marked objects, has them erased, rejected and expired, collects, vacuums and
// restarts, and looks for what has gone on the raw device, its free blocks included.
func runErase(ctx context.Context, r *run) error {
	if err := needRoot(); err != nil {
		return err
	}
	dir, err := r.memoryDir()
	if err != nil {
		return err
	}
	e := &eraser{run: r, image: filepath.Join(dir, "erase.img"), now: time.Now().Truncate(time.Millisecond), traces: traceSet{}}
	if e.author, err = protocoltest.Found(eraseNetwork, "Eraser", e.now, rand.Reader); err != nil {
		return err
	}
	if err := makeImage(e.image, 512); err != nil {
		return err
	}
	for round := range r.cycles {
		if err := e.round(ctx, round); err != nil {
			return fmt.Errorf("round %d: %w", round, err)
		}
	}
	r.figure("%d rounds, %d records, %d traces of what has gone looked for on the raw device", r.cycles, e.made/3, len(e.traces))
	return nil
}

// round mounts, lets things go, unmounts and looks at the image.
func (e *eraser) round(ctx context.Context, round int) error {
	folder, err := e.mountImage(e.image, "")
	if err != nil {
		return err
	}
	dir := filepath.Join(folder, "store")
	if err := e.live(ctx, dir, round); err != nil {
		return err
	}
	if err := unmount(folder); err != nil {
		return err
	}
	began := time.Now()
	gone, alive, err := e.search()
	if err != nil {
		return err
	}
	if gone > 0 {
		e.breach("round %d: what was erased is on the raw device in %d places", round, gone)
	}
	if alive == 0 {
		e.breach("round %d: what is alive is not found on the raw device, so the search finds nothing", round)
	}
	e.progress("round %d: %d places with what was erased, %d with what is alive; searched in %v", round, gone, alive, time.Since(began).Round(time.Millisecond))
	return nil
}

// live is the life of the store in one round, with a restart between erasing and vacuum.
func (e *eraser) live(ctx context.Context, dir string, round int) error {
	s, err := storage.Open(dir, storage.Options{Network: eraseNetwork})
	if err != nil {
		return err
	}
	err = e.fillAndErase(ctx, s, round)
	if err = errors.Join(err, s.Close()); err != nil {
		return err
	}
	if s, err = storage.Open(dir, storage.Options{Network: eraseNetwork}); err != nil {
		return err
	}
	err = e.again(ctx, s)
	if err == nil {
		_, err = s.Vacuum(ctx)
	}
	if err == nil {
		err = e.again(ctx, s)
	}
	if err = errors.Join(err, s.Close()); err != nil {
		return err
	}
	report, err := storage.Check(dir)
	for _, p := range report.Problems {
		e.breach("round %d: fsck: %s", round, p)
	}
	return err
}

// fillAndErase stores records of each fate, and has all that are to go gone.
func (e *eraser) fillAndErase(ctx context.Context, s *storage.Store, round int) error {
	brief := e.now.Add(time.Duration(round+1) * time.Hour)
	for n := range e.records {
		state, life, mark := storage.Accepted, e.now.AddDate(0, 2, 0), goneMark
		switch n % 5 {
		case 0:
			mark = liveMark
		case 1:
			life = brief
		case 2:
			state = storage.Held
		}
		entry, err := e.entry(mark, state, life)
		if err != nil {
			return err
		}
		if err := s.Accept(ctx, entry); err != nil {
			return err
		}
		id := entry.Record.ID()
		switch n % 5 {
		case 2:
			err = s.Reject(ctx, id, reason.OperatorRejected)
		case 3:
			err = s.Erase(ctx, id, nil, reason.ObjectErased)
			e.gone = append(e.gone, entry)
		case 4: // the last object stays
			err = s.Erase(ctx, id, []int{0, 1}, reason.ObjectErased)
			e.gone = append(e.gone, entry)
		}
		if err != nil {
			return err
		}
		if mark == goneMark {
			if err := e.traces.add(entry.Record, n%5 != 4); err != nil {
				return err
			}
		}
	}
	// It collects the value log, too, which moves what is left of its files.
	_, err := s.Expire(ctx, brief.Add(time.Second))
	return err
}

// again offers what was erased once more, and asks for it.
func (e *eraser) again(ctx context.Context, s *storage.Store) error {
	for _, entry := range e.gone {
		if err := s.Accept(ctx, entry); reason.Of(err) != reason.DupHeld {
			e.breach("record %s, which was erased, is taken again: %v", entry.Record.ID(), err)
		}
		if _, err := s.Object(storage.Ref{Record: entry.Record.ID()}); reason.Of(err) != reason.NotFound {
			e.breach("object 0 of record %s, which was erased, is there: %v", entry.Record.ID(), err)
		}
	}
	hits, _, err := s.Lookup(pattern.Observable{Type: pattern.Domain, Value: goneMark + ".example"}, nil)
	if len(hits) > 0 {
		e.breach("a look-up finds %d objects that were erased", len(hits))
	}
	return err
}

// entry makes a record of three objects; of those that are marked as alive or go in part the last one carries no mark of what goes.
func (e *eraser) entry(mark string, state storage.State, expires time.Time) (storage.Entry, error) {
	topic, err := protocol.ParseTopic("malicious-code")
	if err != nil {
		return storage.Entry{}, err
	}
	d := protocol.Draft{Topic: topic, Kind: protocol.KindObjects, Created: e.now, Expires: expires, Rand: rand.Reader}
	var leaves []storage.Leaf
	for n := range 3 {
		e.made++
		here := mark
		if n == 2 && state == storage.Accepted {
			here = liveMark
		}
		id := fmt.Sprintf("indicator--%08d-0000-4000-8000-%012d", e.made, n)
		d.Objects = append(d.Objects, fmt.Appendf(nil, `{"type":"indicator","id":%q,"name":"%s %s"}`, id, here, rand.Text()))
		leaves = append(leaves, storage.Leaf{
			Object: id, Type: "indicator", Modified: e.now, State: storage.Accepted, Claim: true, Confidence: -1,
			Values: []pattern.Value{{Observable: pattern.Observable{Type: pattern.Domain, Value: here + ".example"}, Alone: true}},
		})
	}
	r, err := e.author.Record(d)
	return storage.Entry{Record: r, State: state, Reason: reason.TrustUnknown, Leaves: leaves, Received: e.now, From: "rig"}, err
}

// traceBytes is how long a trace is: a salt, long enough that it is nowhere by chance.
const traceBytes = protocol.SaltBytes

// traceSet holds pieces of bytes, found by where they begin.
type traceSet map[[traceBytes]byte]bool

// add keeps the salts of the first two objects of a record and, when all of it goes, a piece of its body as sent, near the
// end.
func (t traceSet) add(r *protocol.Record, all bool) error {
	leaves, err := r.Open()
	if err != nil {
		return err
	}
	for _, l := range leaves[:2] {
		t[l.Salt] = true
	}
	if raw := r.Raw(); all {
		t[[traceBytes]byte(raw[len(raw)-3*traceBytes:])] = true
	}
	return nil
}

// search counts on the raw device what has gone and what is alive.
func (e *eraser) search() (gone, alive int, err error) {
	f, err := os.Open(e.image)
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	var first [256]bool
	for t := range e.traces {
		first[t[0]] = true
	}
	const overlap, step = 64, 256 << 10
	buf, zeros, kept := make([]byte, overlap+step), make([]byte, overlap+step), 0
	for {
		n, err := io.ReadFull(f, buf[kept:])
		part := buf[:kept+n]
		if !bytes.Equal(part, zeros[:len(part)]) { // most of it is empty
			gone += bytes.Count(part, []byte(goneMark)) + e.traces.count(part, &first)
			alive += bytes.Count(part, []byte(liveMark))
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return gone, alive, nil
		}
		if err != nil {
			return gone, alive, err
		}
		kept = copy(buf, slices.Clone(part[len(part)-overlap:]))
	}
}

// count looks for traces at every place.
func (t traceSet) count(part []byte, first *[256]bool) (n int) {
	for at := 0; at+traceBytes <= len(part); at++ {
		if first[part[at]] && t[[traceBytes]byte(part[at:])] {
			n++
		}
	}
	return n
}
