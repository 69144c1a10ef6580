package bundle

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	logging "github.com/ipfs/go-log/v2"

	"tocsin/node/durable"
	"tocsin/protocol"
	"tocsin/protocol/reason"
)

var log = logging.Logger("tocsin/bundle")

// The bounds of the list. The oldest go.
const (
	maxListed = 1_000
	maxSeries = 100
	maxFile   = 64 << 20
	// maxRemembered is how many chunks of one bundle are remembered: a terabyte in those of the usual size.
	maxRemembered = 10_000
)

// Listing is an entry of the list: a bundle that this node wrote or read.
type Listing struct {
	ID       ID             `json:"id"`
	Exporter protocol.OrgID `json:"exporter"`
	// Ours is true for one that this node wrote.
	Ours    bool      `json:"ours,omitempty"`
	Created time.Time `json:"created"`
	MaxTLP  string    `json:"max_tlp"`
	// At is when a part of it last came, or when it was written.
	At        time.Time `json:"at"`
	Series    ID        `json:"series,omitzero"`
	Increment uint64    `json:"increment,omitempty"`
	// Chunks are those of which something came.
	Chunks map[int]ChunkState `json:"chunks,omitempty"`
	// Manifest is nil until it came; its heads are not kept.
	Manifest *Contents `json:"manifest,omitempty"`
}

// ChunkState is how much of a chunk came.
type ChunkState struct {
	Places Ranges `json:"places"`
	// Segments is how many there are, 0 until the last one came.
	Segments int `json:"segments,omitempty"`
}

func (c ChunkState) whole(segments int) bool {
	return segments > 0 && len(c.Places.Lacks(uint64(segments))) == 0
}

// Contents is what is kept of a manifest.
type Contents struct {
	Topics  []string `json:"topics"`
	Records int      `json:"records"`
	// Segments has the number of segments of each chunk, from the first.
	Segments []int `json:"segments"`
}

// Progress says which chunks came whole and which are missing or not whole. Known is false as long as the manifest has not come: then
// nobody can tell how many there are.
func (l *Listing) Progress() (whole, missing Ranges, known bool) {
	if l.Manifest == nil {
		for n, c := range l.Chunks {
			if c.whole(c.Segments) {
				whole = whole.With(uint64(n))
			} else {
				missing = missing.With(uint64(n))
			}
		}
		return whole, missing, false
	}
	for i, segments := range l.Manifest.Segments {
		if n := uint64(i + 1); l.Ours || l.Chunks[i+1].whole(segments) {
			whole = whole.With(n)
		} else {
			missing = missing.With(n)
		}
	}
	return whole, missing, true
}

// Series is what came of a series of increments.
type Series struct {
	ID       ID             `json:"id"`
	Exporter protocol.OrgID `json:"exporter"`
	Came     Ranges         `json:"came"`
	At       time.Time      `json:"at"`
}

// Gaps are the increments below the last one that never came whole.
func (s *Series) Gaps() Ranges { return s.Came.Lacks(s.Came.Last()) }

// List remembers bundles in a plain file. Losing it loses no record: what comes again is passed over. All methods may be called concurrently.
type List struct {
	path string

	mu sync.Mutex // guards what follows and the file
	listState
}

type listState struct {
	Bundles []Listing `json:"bundles"`
	Series  []Series  `json:"series"`
}

// Open reads the file; absent is empty. One that cannot be read is put aside, for it must not keep a node from starting.
func Open(path string) (*List, error) {
	l := &List{path: path}
	raw, err := readBounded(path)
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil
	}
	if err == nil {
		err = json.Unmarshal(raw, &l.listState)
	}
	if err == nil {
		return l, nil
	}
	l.listState = listState{}
	log.Errorw("the list of bundles cannot be read and begins anew", "kept", path+".unreadable", "err", err)
	if err := os.Rename(path, path+".unreadable"); err != nil {
		return nil, fmt.Errorf("open the list of bundles: %w", err)
	}
	return l, nil
}

func readBounded(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("%s has %d bytes", path, info.Size())
	}
	return os.ReadFile(path)
}

// entry finds or begins the entry of a segment's bundle; mu is held.
func (l *List) entry(s *Segment) (*Listing, error) {
	i := slices.IndexFunc(l.Bundles, func(b Listing) bool { return b.ID == s.Bundle && !b.Ours })
	if i < 0 {
		if len(l.Bundles) >= maxListed {
			oldest := slices.MinFunc(l.Bundles, func(a, b Listing) int { return a.At.Compare(b.At) })
			l.Bundles = slices.DeleteFunc(l.Bundles, func(b Listing) bool { return b.ID == oldest.ID && b.Ours == oldest.Ours })
		}
		l.Bundles = append(l.Bundles, Listing{
			ID: s.Bundle, Exporter: s.Exporter, Created: s.Created, MaxTLP: s.MaxTLP.String(), Series: s.Series, Increment: s.Increment, Chunks: map[int]ChunkState{},
		})
		i = len(l.Bundles) - 1
	}
	b := &l.Bundles[i]
	if b.Exporter != s.Exporter || b.Series != s.Series || b.Increment != s.Increment {
		return nil, &Fault{Head: &s.Head, Offset: s.Offset, Err: damagedf("it takes the id of a bundle of %s", b.Exporter)}
	}
	b.At = time.Now().UTC().Truncate(time.Second)
	return b, nil
}

// Came notes that a segment was used, durably once its chunk is whole: until then a repetition costs little.
func (l *List) Came(s *Segment) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	b, err := l.entry(s)
	if err != nil {
		return err
	}
	c, known := b.Chunks[s.Chunk]
	if !known && len(b.Chunks) >= maxRemembered {
		return nil // an exporter may number as it likes, and not fill our disk
	}
	c.Places = c.Places.With(uint64(s.Place))
	if s.Last {
		c.Segments = s.Place
	}
	b.Chunks[s.Chunk] = c
	if !c.whole(c.Segments) {
		return nil
	}
	return l.settle(b)
}

// Listed notes that a manifest came.
func (l *List) Listed(s *Segment, m *Manifest) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	b, err := l.entry(s)
	if err != nil {
		return err
	}
	b.Manifest = contentsOf(m)
	return l.settle(b)
}

func contentsOf(m *Manifest) *Contents {
	c := &Contents{Topics: m.Topics, Records: m.Records}
	for _, chunk := range m.Chunks {
		c.Segments = append(c.Segments, chunk.Segments)
	}
	return c
}

// settle looks whether an increment is whole now, and writes the file; mu is held.
func (l *List) settle(b *Listing) error {
	if _, missing, known := b.Progress(); known && len(missing) == 0 && b.Increment > 0 {
		l.arrived(b)
	}
	return l.save()
}

// arrived notes that an increment came whole. Of a series whose numbers leave too many holes no more are opened.
func (l *List) arrived(b *Listing) {
	i := slices.IndexFunc(l.Series, func(s Series) bool { return s.ID == b.Series && s.Exporter == b.Exporter })
	if i < 0 {
		if len(l.Series) >= maxSeries {
			l.Series = slices.DeleteFunc(l.Series, func(s Series) bool {
				return s.ID == slices.MinFunc(l.Series, func(a, b Series) int { return a.At.Compare(b.At) }).ID
			})
		}
		l.Series = append(l.Series, Series{ID: b.Series, Exporter: b.Exporter})
		i = len(l.Series) - 1
	}
	s := &l.Series[i]
	if came := s.Came.With(b.Increment); len(came) <= maxRuns {
		s.Came = came
	}
	s.At = b.At
}

// Wrote notes a bundle that this node made.
func (l *List) Wrote(own protocol.OrgID, e *Exported, sel Selection) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.Bundles) >= maxListed {
		l.Bundles = slices.Delete(l.Bundles, 0, 1)
	}
	l.Bundles = append(l.Bundles, Listing{
		ID: e.Bundle, Exporter: own, Ours: true, Created: e.Created, MaxTLP: sel.MaxTLP.String(), At: e.Created,
		Series: sel.Series, Increment: sel.Increment, Manifest: contentsOf(e.Manifest),
	})
	return l.save()
}

// save writes the file; mu is held. What Open would refuse is never written: the oldest bundles go before.
func (l *List) save() error {
	for l.path != "" { // an inspection keeps nothing

		raw, err := json.Marshal(l.listState)
		if err != nil {
			return err
		}
		if len(raw) <= maxFile {
			return durable.Write(l.path, raw, 0o600)
		}
		slices.SortFunc(l.Bundles, func(a, b Listing) int { return b.At.Compare(a.At) })
		l.Bundles = l.Bundles[:len(l.Bundles)/2]
	}
	return nil
}

// All lists what is remembered, newest first. The caller must not change what they point to.
func (l *List) All() []Listing {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make([]Listing, len(l.Bundles))
	for i, b := range l.Bundles {
		b.Chunks = cloneChunks(b.Chunks)
		out[i] = b
	}
	slices.SortStableFunc(out, func(a, b Listing) int { return cmp.Or(b.At.Compare(a.At), cmp.Compare(b.Increment, a.Increment)) })
	return out
}

func cloneChunks(m map[int]ChunkState) map[int]ChunkState {
	out := make(map[int]ChunkState, len(m))
	// Ranges are never changed in place
	maps.Copy(out, m)
	return out
}

// AllSeries lists the series of which increments came, the newest first.
func (l *List) AllSeries() []Series {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := slices.Clone(l.Series)
	slices.SortStableFunc(out, func(a, b Series) int { return b.At.Compare(a.At) })
	return out
}

// Find gives what is remembered of a bundle by its id or a prefix of at least eight digits.
func (l *List) Find(prefix string) (Listing, error) {
	var found []Listing
	for _, b := range l.All() {
		if strings.HasPrefix(b.ID.String(), prefix) && len(prefix) >= 8 {
			found = append(found, b)
		}
	}
	if len(found) == 0 {
		return Listing{}, reason.New(reason.NotFound, fmt.Sprintf("bundle %.40q is not on the list", prefix))
	}
	if i := slices.IndexFunc(found, func(b Listing) bool { return !b.Ours }); i >= 0 {
		return found[i], nil
	}
	return found[0], nil
}
