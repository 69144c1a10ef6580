package storage

import (
	"crypto/rand"
	"encoding/binary"
	"math/bits"
	"net/netip"
	"time"

	"github.com/gaissmai/bart"

	"tocsin/protocol"
	"tocsin/protocol/pattern"
	"tocsin/protocol/recon"
)

// tables is what the store keeps in memory, all of it derived from packed
// values. A leaf has a number: its record's base plus its index; so one uint32
// names an object anywhere. Numbers and ordinals change in compact and on every
// start, and never leave this package. The caller holds Store.mu.
type tables struct {
	seed    [2]uint64
	records []record
	// next is the number of the next leaf, dead counts leaves of dead records.
	next, dead  uint32
	deadRecords int

	hashes
	// networks holds the prefixes of all CIDR observables, to find those around an address.
	networks *bart.Lite

	keyLogs
	// kinds lists the records of each kind but objects, dead ones among them.
	kinds map[protocol.Kind][]dated

	counts Counts
	held   heldIndex
	sets   reconSets
}

// keyLogs are all key logs, by number and by name.
type keyLogs struct {
	logs  []keyLog
	logOf map[logKey]uint32
}

// hashes lead from what is asked for to what has it.
type hashes struct {
	ids     *hashTable // record id -> ordinal
	places  *hashTable // log and sequence -> ordinal
	objects *hashTable // STIX id -> leaf number; nameless pieces are left out
	values  *hashTable // observable -> leaf number
}

// record is what memory knows of one record.
type record struct {
	id   protocol.RecordID
	base uint32
	tally
	span
	space    space // where its keys are
	live     bool
	lacks    bool // something is missing of it that was not erased here
	sequence uint64
	log      uint32
	gen      uint32 // generation of the packed value
	raw      uint32 // bytes as sent
	hold     uint32 // line of the ledger when it is held as a whole, else 0
}

// span is how long a record is stored, in Unix ms.
type span struct {
	created, expires int64
}

// item is a record in the set of its topic.
func (r *record) item() recon.Item { return recon.Item{Timestamp: uint64(r.created), ID: r.id} }

// tally counts the leaves of a record.
type tally struct {
	count   uint16
	held    uint16 // all but refused ones when the record is held as a whole
	objects uint16 // those that count
}

// dated is a record and its created, in Unix ms.
type dated struct {
	ord     uint32
	created int64
}

// keyLog is a log, how many of its records have expired, which Log.Count has in it, and the highest place of these.
type keyLog struct {
	Log
	expired, top uint64
}

// logKey names a key log. The organisation is part of it: whoever has taken a record key
// can have an organisation of his own certify it, and must not reach into the other's log.
type logKey struct {
	org   protocol.OrgID
	key   protocol.KeyID
	topic protocol.Topic
}

// newTables returns empty tables with room for some records, objects and values.
func newTables(records, objects, values int) *tables {
	t := &tables{
		records:  make([]record, 0, records),
		hashes:   hashes{newHashTable(records), newHashTable(records), newHashTable(objects), newHashTable(values)},
		keyLogs:  keyLogs{logOf: map[logKey]uint32{}},
		kinds:    map[protocol.Kind][]dated{},
		held:     newHeldIndex(),
		sets:     newReconSets(),
		networks: new(bart.Lite),
	}
	var b [16]byte
	rand.Read(b[:])
	t.seed = [2]uint64{binary.LittleEndian.Uint64(b[:]), binary.LittleEndian.Uint64(b[8:]) | 1}
	return t
}

// mix keys a hash with the secret of this process, so that nobody outside can
// choose values that crowd one part of a table.
func (t *tables) mix(h uint64) uint64 {
	high, low := bits.Mul64(h^t.seed[0], t.seed[1])
	return high ^ low
}

func (t *tables) idKey(id protocol.RecordID) uint64 { return t.mix(binary.LittleEndian.Uint64(id[:])) }

func (t *tables) placeKey(log uint32, seq uint64) uint64 {
	return t.mix(t.mix(uint64(log)) ^ seq)
}

// find returns the ordinal of a live record.
func (t *tables) find(id protocol.RecordID) (ord uint32, ok bool) {
	for c := t.ids.find(t.idKey(id)); c.more(); c = c.after() {
		if r := &t.records[c.ref()]; r.live && r.id == id {
			return c.ref(), true
		}
	}
	return 0, false
}

// at returns the ordinal of the live record at a place of a log.
func (t *tables) at(k logKey, seq uint64) (ord uint32, ok bool) {
	log, ok := t.logOf[k]
	if !ok {
		return 0, false
	}
	return t.place(log, seq)
}

func (t *tables) place(log uint32, seq uint64) (ord uint32, ok bool) {
	for c := t.places.find(t.placeKey(log, seq)); c.more(); c = c.after() {
		if r := &t.records[c.ref()]; r.live && r.log == log && r.sequence == seq {
			return c.ref(), true
		}
	}
	return 0, false
}

// spot is an object's place, copied out of the tables.
type spot struct {
	id    protocol.RecordID
	index int
	gen   uint32
	space space
	whole bool // its record is held as a whole
}

func (r *record) spot(index int) spot { return spot{r.id, index, r.gen, r.space, r.whole()} }

// body names the leaves of a record as they are now.
type body struct {
	id    protocol.RecordID
	gen   uint32
	space space
}

func (at spot) body() body { return body{at.id, at.gen, at.space} }

// underHold reports whether the record is held in the place of an accepted one.
func (at spot) underHold() bool { return at.whole && at.space == spaceAccepted }

// counted is the space whose records it counts with.
func (at spot) counted() space {
	if at.whole {
		return spaceHeld
	}
	return at.space
}

// mention is a leaf that may be what is asked for, and whose it is.
type mention struct {
	spot
	org protocol.OrgID
}

// owner returns the ordinal of the record that a leaf number belongs to: the
// last one whose base is not above it and which has leaves.
func (t *tables) owner(number uint32) int {
	low, high := 0, len(t.records)
	for low < high {
		mid := (low + high) / 2
		if r := &t.records[mid]; r.base+uint32(r.count) <= number {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low
}

// room reports whether n more leaves can be numbered.
func (t *tables) room(n int) bool { return uint64(t.next)+uint64(n) < maxRef }

// add takes in a record from its packed value.
func (t *tables) add(id protocol.RecordID, sp space, p packed) error {
	topic, err := p.topic()
	if err != nil {
		return err
	}
	networks, err := p.networks()
	if err != nil {
		return err
	}
	line := uint32(0)
	if sp == spaceHeld {
		info, err := p.info()
		if err != nil {
			return err
		}
		line = t.held.open(hold{info.source.received.UnixMilli(), info.fate.why})
	}
	ord := uint32(len(t.records))
	c := countsOf(p, sp)
	r := record{
		id: id, base: t.next, tally: tally{uint16(p.leaves()), uint16(c.Held), uint16(c.Objects)}, space: sp,
		span: span{p.createdMS(), p.expiresMS()}, lacks: p.shape()&shapeLacks != 0, sequence: p.sequence(), gen: p.generation(), raw: uint32(p.rawLength()), hold: line,
	}
	r.log = t.note(Log{
		Org: p.org(), Key: p.key(), Topic: topic, Head: p.sequence(), HeadID: id, Count: 1,
		HeadCreated: time.UnixMilli(p.createdMS()).UTC(),
	})
	t.records = append(t.records, r)
	t.change(ord, func(r *record) { r.live = true })
	t.sets.add(ending{r.expires, topic, r.item()})
	if kind := p.kind(); kind != protocol.KindObjects {
		t.kinds[kind] = append(t.kinds[kind], dated{ord, p.createdMS()})
	}
	t.next += uint32(p.leaves())
	t.ids.add(t.idKey(id), ord)
	t.places.add(t.placeKey(r.log, r.sequence), ord)
	t.addLeaves(p, r.base)
	for _, n := range networks {
		t.networks.Insert(n)
	}
	return nil
}

// addLeaves numbers the leaves of a record from base on.
func (t *tables) addLeaves(p packed, base uint32) {
	var buf [2 * protocol.MaxLeaves]uint64
	keys := buf[:0]
	for i := range p.leaves() {
		keys = append(keys, t.mix(p.leafHash(i)))
	}
	t.objects.touch(keys)
	nameless := t.mix(hashObject(""))
	for i, key := range keys {
		if key != nameless {
			t.objects.add(key, base+uint32(i))
		}
	}
	keys = keys[:0]
	for v := range p.values() {
		hash, _ := p.value(v)
		keys = append(keys, t.mix(hash))
	}
	t.values.touch(keys)
	for i := range p.leaves() {
		first, n := p.leafValues(i)
		for _, key := range keys[first : first+n] {
			t.values.add(key, base+uint32(i))
		}
	}
}

// networks decodes the prefixes among a record's values.
func (p packed) networks() ([]netip.Prefix, error) {
	var out []netip.Prefix
	for i := range p.leaves() {
		first, n := p.leafValues(i)
		for v := first; v < first+n; v++ {
			if _, flags := p.value(v); flags&valueNetwork == 0 {
				continue
			}
			l, err := p.leafAt(i)
			if err != nil {
				return nil, err
			}
			for _, val := range l.Values {
				if prefix, ok := networkOf(val.Observable); ok {
					out = append(out, prefix)
				}
			}
			break
		}
	}
	return out, nil
}

// networkOf reads a CIDR observable; pattern's normal form is the masked prefix.
func networkOf(o pattern.Observable) (netip.Prefix, bool) {
	if o.Type != pattern.CIDR {
		return netip.Prefix{}, false
	}
	prefix, err := netip.ParsePrefix(o.Value)
	return prefix.Masked(), err == nil
}

// note takes part of a log in: its head if it is higher, its count added.
func (t *tables) note(l Log) uint32 {
	k := l.logKey()
	i, ok := t.logOf[k]
	if !ok {
		i = uint32(len(t.logs))
		t.logOf[k] = i
		t.logs = append(t.logs, keyLog{Log: l})
		return i
	}
	have := &t.logs[i]
	if l.Head > have.Head {
		have.Head, have.HeadID, have.HeadCreated = l.Head, l.HeadID, l.HeadCreated
	}
	have.Count += l.Count
	return i
}

// kill forgets a record. Its place in the log's count stays: an expired record
// was held to its end and is not missing. A record that moves to another space
// is counted again there, so moved takes it out here.
func (t *tables) kill(ord uint32, moved bool) {
	t.change(ord, func(r *record) {
		r.live = false
		t.dead += uint32(r.count)
		t.deadRecords++
		if moved {
			t.logs[r.log].Count--
		} else {
			t.sets.remove(t.logs[r.log].Topic, r.item())
		}
		t.held.shut(r.hold)
	})
}

// exchange puts another index value in the place of a record that stays where it is, held or not.
func (t *tables) exchange(id protocol.RecordID, p packed) error {
	ord, ok := t.find(id)
	if !ok {
		return notFound(id)
	}
	r := &t.records[ord]
	sp, line := r.space, t.held.ledger[r.hold]
	underHold := r.spot(0).underHold()
	t.kill(ord, true)
	if err := t.add(id, sp, p); err != nil {
		return err
	}
	if underHold {
		t.hold(uint32(len(t.records)-1), line)
	}
	return nil
}

// mentions returns the live leaves under a key of a table, of those organisations
// that are asked for.
func (t *tables) mentions(c chain, whose func(protocol.OrgID) bool) []mention {
	var out []mention
	for ; c.more(); c = c.after() {
		r := &t.records[t.owner(c.ref())]
		if org := t.logs[r.log].Org; r.live && whose(org) {
			out = append(out, mention{r.spot(int(c.ref() - r.base)), org})
		}
	}
	return out
}

// named returns the leaves that may name an observable or, for an address, a
// network around it. It does not allocate when there are none.
func (t *tables) named(o pattern.Observable, hash uint64) []mention {
	out := t.mentions(t.values.find(t.mix(hash)), anybody)
	if o.Type != pattern.IPv4 && o.Type != pattern.IPv6 || t.networks.Size() == 0 {
		return out
	}
	addr, err := netip.ParseAddr(o.Value)
	if err != nil || !t.networks.Contains(addr) {
		return out
	}
	for prefix := range t.networks.Supernets(netip.PrefixFrom(addr, addr.BitLen())) {
		network := pattern.Observable{Type: pattern.CIDR, Value: prefix.String()}
		out = append(out, t.mentions(t.values.find(t.mix(hashObservable(network))), anybody)...)
	}
	return out
}

// worthCompacting says that dead leaves take up too much, or numbers run out.
func (t *tables) worthCompacting() bool {
	return t.dead > t.next/2 && t.dead > 1<<16 || t.dead > 0 && !t.room(1<<20) ||
		t.deadRecords > len(t.records)/2 && t.deadRecords > 1<<14
}

// gone is the new number of what compact drops.
const gone = 1<<32 - 1

// compact drops dead records and numbers the leaves anew. Readers wait for it, so it looks
// new numbers up in a list for the time being rather than search for each leaf's record.
func (t *tables) compact() {
	ordinals := make([]uint32, len(t.records))
	numbers := make([]uint32, t.next)
	live := make([]record, 0, len(t.records)-t.deadRecords)
	next := uint32(0)
	for i, r := range t.records {
		leaves := numbers[r.base : r.base+uint32(r.count)]
		if !r.live {
			ordinals[i] = gone
			for n := range leaves {
				leaves[n] = gone
			}
			continue
		}
		ordinals[i], r.base = uint32(len(live)), next
		for n := range leaves {
			leaves[n] = next
			next++
		}
		live = append(live, r)
	}
	records := func(ref uint32) (uint32, bool) { return ordinals[ref], ordinals[ref] != gone }
	leaves := func(ref uint32) (uint32, bool) { return numbers[ref], numbers[ref] != gone }
	t.ids, t.places = t.ids.remap(records), t.places.remap(records)
	t.objects, t.values = t.objects.remap(leaves), t.values.remap(leaves)
	for kind, list := range t.kinds {
		kept := list[:0]
		for _, d := range list {
			if t.records[d.ord].live {
				kept = append(kept, dated{ordinals[d.ord], d.created})
			}
		}
		t.kinds[kind] = kept
	}
	t.records, t.next, t.dead, t.deadRecords = live, next, 0, 0
	networks := new(bart.Lite)
	for prefix := range t.networks.All() {
		o := pattern.Observable{Type: pattern.CIDR, Value: prefix.String()}
		if t.values.find(t.mix(hashObservable(o))).more() {
			networks.Insert(prefix)
		}
	}
	t.networks = networks
}

// countsOf says what one record adds to the totals.
func countsOf(p packed, sp space) (c Counts) {
	switch sp {
	case spaceAccepted:
		c.Records = 1
	case spaceHeld:
		c.HeldRecords, c.HeldBytes = 1, int64(p.rawLength())
	default:
		return c
	}
	for i := range p.leaves() {
		switch state := p.leafState(i); {
		case state == Refused:
		case sp == spaceHeld || state == Held:
			c.Held++
		default:
			c.Objects++
		}
	}
	return c
}

func (c Counts) plus(d Counts) Counts {
	return Counts{c.Records + d.Records, c.Objects + d.Objects, c.Held + d.Held, c.HeldRecords + d.HeldRecords, c.HeldBytes + d.HeldBytes}
}

func (c Counts) minus(d Counts) Counts {
	return Counts{c.Records - d.Records, c.Objects - d.Objects, c.Held - d.Held, c.HeldRecords - d.HeldRecords, c.HeldBytes - d.HeldBytes}
}
