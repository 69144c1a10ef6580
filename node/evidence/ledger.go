package evidence

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"tocsin/node/durable"
	"tocsin/node/tlog"
	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// A ledger's file is a header of one entry's length and then entries, each a fact and its leaf hash. The hash finds
// damage, and stands for the fact in the tree when the fact itself is damaged: so the others can still be proved.
const (
	ledgerMagic = "tocsin first-seen facts 1\n"
	hashBytes   = 32
	maxPlace    = 1<<32 - 2 // what the index has room for
	tornHeader  = 1 << 20   // a file system leaves no more zeros behind a header that it tore
	soundPlaces = 1 << 16   // behind a damaged header, how many entries are looked at for a sound one
)

// ledger is a file of facts that only grows. All methods may be called concurrently.
type ledger struct {
	path  string
	width int // bytes of a fact

	mu      sync.Mutex // guards all that follows
	file    *os.File   // nil once closed
	n       uint64     // entries that are synced: nothing behind them is read
	tree    tlog.Tree
	index   index
	bad     []uint64 // places of damaged facts, the first few
	badN    int
	torn    int64  // bytes that were cut back
	unknown error  // why nothing can be written any more
	healed  string // what was done about damage that hid the whole file; "" for nothing
}

func (l *ledger) entry() int64              { return int64(l.width + hashBytes) }
func (l *ledger) offset(place uint64) int64 { return int64(place+1) * l.entry() }
func (l *ledger) header() []byte {
	return append([]byte(ledgerMagic), make([]byte, l.entry()-int64(len(ledgerMagic)))...)
}
func (l *ledger) wrap(do string, e error) error {
	return fmt.Errorf("%s the facts in %s: %w", do, l.path, e)
}

// openLedger opens or creates a file. A file that is none of these is put aside and begun anew; whatever is wrong is kept in damage.
func openLedger(path string, width int) (*ledger, error) {
	l := &ledger{path: path, width: width, index: newIndex()}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, l.wrap("open", err)
	}
	l.file = f // load may open another
	if err := l.load(); err != nil {
		return nil, l.wrap("open", errors.Join(err, l.file.Close()))
	}
	if err := l.damage(); err != nil {
		log.Errorw("first-seen facts are damaged", "path", path, "err", err)
	}
	return l, nil
}

// load reads the file from its beginning.
func (l *ledger) load() error {
	info, err := l.file.Stat()
	if err != nil {
		return err
	}
	if info.Size() <= tornHeader {
		raw, err := os.ReadFile(l.path)
		if err != nil {
			return err
		}
		// Nothing, or what a power cut left of a header: no fact was ever behind it.
		if written := bytes.TrimRight(raw, "\x00"); len(written) < len(ledgerMagic) && strings.HasPrefix(ledgerMagic, string(written)) || int64(len(raw)) < l.entry() && bytes.HasPrefix(l.header(), raw) {
			l.torn = int64(len(raw))
			return l.create()
		}
	}
	head := make([]byte, l.entry())
	if _, err := l.file.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if !bytes.Equal(head, l.header()) {
		if !l.sound(info.Size()) {
			return l.begin()
		}
		l.healed = "its header was damaged and is written anew; the facts behind it verify"
		if _, err := l.file.WriteAt(l.header(), 0); err != nil {
			return err
		}
		if err := l.file.Sync(); err != nil {
			return err
		}
	}
	return l.scan(info.Size())
}

// sound reports whether a fact stands among the first entries: then this is a file of such facts. A file that has none there
// is something else, or lost.
func (l *ledger) sound(size int64) bool {
	raw := make([]byte, l.entry())
	for place := uint64(0); place < soundPlaces && l.offset(place+1) <= size; place++ {
		if _, err := l.file.ReadAt(raw, l.offset(place)); err != nil {
			return false
		}
		if _, err := decodeFact(raw[:l.width]); err == nil && tlog.LeafHash(raw[:l.width]) == protocol.Digest(raw[l.width:]) {
			return true
		}
	}
	return false
}

// begin puts the file aside and begins a new one.
func (l *ledger) begin() error {
	name, err := durable.PutAside(l.path)
	if err != nil {
		return err
	}
	l.healed = "it was no file of facts; it is kept as " + filepath.Base(name) + ", and the facts begin anew"
	f, err := os.OpenFile(l.path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = l.file.Close()
	l.file = f
	return errors.Join(err, l.create())
}

func (l *ledger) create() error {
	if err := l.file.Truncate(0); err != nil {
		return err
	}
	if _, err := l.file.WriteAt(l.header(), 0); err != nil {
		return err
	}
	return errors.Join(l.file.Sync(), durable.SyncFolder(filepath.Dir(l.path)))
}

// scan reads every entry. What is no entry at the end was torn and is cut back; anywhere else it is damage.
func (l *ledger) scan(size int64) error {
	in := bufio.NewReaderSize(io.NewSectionReader(l.file, l.entry(), size-l.entry()), 1<<20)
	raw := make([]byte, l.entry())
	var doubt []protocol.Digest // leaf hashes of entries that are none, until a sound one follows
	for place := uint64(0); place <= maxPlace; place++ {
		if _, err := io.ReadFull(in, raw); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			break
		} else if err != nil {
			return err
		}
		leaf := protocol.Digest(raw[l.width:])
		if tlog.LeafHash(raw[:l.width]) != leaf {
			doubt = append(doubt, leaf)
			continue
		}
		for _, d := range doubt {
			l.blame(l.n)
			l.tree.Append(d)
			l.n++
		}
		doubt = doubt[:0]
		l.tree.Append(leaf)
		l.index.add(protocol.RecordID(raw[:32]), l.n)
		l.n++
	}
	if l.torn = size - l.offset(l.n); l.torn == 0 {
		return nil
	}
	return errors.Join(l.file.Truncate(l.offset(l.n)), l.file.Sync())
}

// blame remembers a damaged place. The caller holds mu, or is openLedger.
func (l *ledger) blame(place uint64) {
	if l.badN++; len(l.bad) < 8 {
		l.bad = append(l.bad, place)
	}
}

func (l *ledger) damage() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var errs []error
	if l.healed != "" {
		errs = append(errs, reason.New(reason.StateDamaged, l.path+": "+l.healed))
	}
	if l.badN > 0 {
		errs = append(errs, reason.New(reason.StateDamaged, fmt.Sprintf("%s: %d facts are damaged, the first at %v", l.path, l.badN, l.bad)))
	}
	if l.torn > 0 {
		errs = append(errs, fmt.Errorf("%s: its last %d bytes were torn and are cut back", l.path, l.torn))
	}
	return errors.Join(errs...)
}

// append writes entries behind the others, durable and visible when it returns nil; all of them or none.
func (l *ledger) append(facts [][]byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case len(facts) == 0:
		return nil
	case l.file == nil:
		return l.wrap("write", os.ErrClosed)
	case l.unknown != nil:
		return l.wrap("write", l.unknown)
	case l.n+uint64(len(facts)) > maxPlace:
		return l.wrap("write", errors.New("there is no room for more than four thousand million"))
	}
	raw := make([]byte, 0, int64(len(facts))*l.entry())
	leaves := make([]protocol.Digest, len(facts))
	for i, f := range facts {
		leaves[i] = tlog.LeafHash(f)
		raw = append(append(raw, f...), leaves[i][:]...)
	}
	if _, err := l.file.WriteAt(raw, l.offset(l.n)); err != nil {
		if err := l.file.Truncate(l.offset(l.n)); err != nil {
			l.unknown = err
		}
		return l.wrap("write", err)
	}
	if err := l.file.Sync(); err != nil { // the system may have dropped what it could not write
		l.unknown = err
		return l.wrap("write", err)
	}
	for i, f := range facts {
		l.index.add(protocol.RecordID(f[:32]), l.n)
		l.tree.Append(leaves[i])
		l.n++
	}
	return nil
}

// size counts the entries.
func (l *ledger) size() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.n
}

// snapshot is the tree as it stands.
func (l *ledger) snapshot() tlog.Tree {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tree.Snapshot()
}

// find gives the places of a record's facts.
func (l *ledger) find(id protocol.RecordID) (places []uint64) {
	l.mu.Lock()
	candidates := l.index.find(id)
	l.mu.Unlock()
	for _, p := range candidates {
		if raw, err := l.read(p, 1); err == nil && protocol.RecordID(raw[:32]) == id {
			places = append(places, p)
		}
	}
	return places
}

// read gives n entries as they stand.
func (l *ledger) read(place uint64, n int) ([]byte, error) {
	l.mu.Lock()
	file, all := l.file, l.n
	l.mu.Unlock()
	if file == nil || place+uint64(n) > all {
		return nil, l.wrap("read", os.ErrClosed)
	}
	raw := make([]byte, int64(n)*l.entry())
	if _, err := file.ReadAt(raw, l.offset(place)); err != nil {
		return nil, l.wrap("read", err)
	}
	return raw, nil
}

// fact reads the fact at a place.
func (l *ledger) fact(place uint64) (Fact, error) {
	raw, err := l.read(place, 1)
	if err != nil {
		return Fact{}, err
	}
	if tlog.LeafHash(raw[:l.width]) != protocol.Digest(raw[l.width:]) {
		return Fact{}, reason.New(reason.StateDamaged, fmt.Sprintf("fact %d in %s is damaged", place, l.path))
	}
	return decodeFact(raw[:l.width])
}

// leaves gives the leaf hashes of a whole chunk, as the file has them.
func (l *ledger) leaves(chunk uint64) ([]protocol.Digest, error) {
	raw, err := l.read(chunk*tlog.ChunkLeaves, tlog.ChunkLeaves)
	if err != nil {
		return nil, err
	}
	out := make([]protocol.Digest, tlog.ChunkLeaves)
	for i := range out {
		end := int64(i+1) * l.entry()
		out[i] = protocol.Digest(raw[end-hashBytes : end])
	}
	return out, nil
}

func (l *ledger) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return nil
	}
	file := l.file
	l.file = nil
	return file.Close()
}
