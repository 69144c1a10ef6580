package storage

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"

	"tocsin/node/cputime"
	"tocsin/protocol"
	"tocsin/protocol/pattern"
)

// benchEntries signs n records of 100 indicators of about 1 KB.
func benchEntries(b *testing.B, n int) []Entry {
	b.Helper()
	a := newAuthor(b, "bench")
	out := make([]Entry, n)
	for i := range out {
		leaves := indicators(i*100, 100)
		objects := make([][]byte, len(leaves))
		for j, l := range leaves {
			v := l.Values[0].Observable.Value
			objects[j] = fmt.Appendf(nil, `{"type":"indicator","spec_version":"2.1","id":%q,"created":"2026-01-01T00:00:00.000Z","modified":"2026-01-01T00:00:00.000Z",`+
				`"name":"%s seen by %x","description":"%s","indicator_types":["malicious-activity"],"pattern":"[domain-name:value = '%s']",`+
				`"pattern_type":"stix","valid_from":"2026-01-01T00:00:00Z","labels":["%x"],"external_references":[{"source_name":"feed","external_id":"%x"}]}`,
				l.Object, v, rand.Uint64(), strings.Repeat("This domain was seen in a campaign. ", 10), v, rand.Uint64(), rand.Uint64())
		}
		out[i] = a.entry(draft{leaves: leaves, objects: objects})
	}
	return out
}

// BenchmarkAccept stores records of 100 objects, durable, with some callers at once.
func BenchmarkAccept(b *testing.B) {
	for _, callers := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			entries := benchEntries(b, b.N)
			s := openDisk(b, b.TempDir())
			var next atomic.Int64
			var wg sync.WaitGroup
			cpu := cputime.Used().Seconds()
			b.ResetTimer()
			for range callers {
				wg.Go(func() {
					for i := next.Add(1) - 1; i < int64(b.N); i = next.Add(1) - 1 {
						if err := s.Accept(b.Context(), entries[i]); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.StopTimer()
			objects := float64(b.N * 100)
			b.ReportMetric(objects/b.Elapsed().Seconds(), "objects/s")
			b.ReportMetric((cputime.Used().Seconds()-cpu)*1e6/objects, "cpu-us/object")
		})
	}
}

func benchStore(b *testing.B, records int) *Store {
	b.Helper()
	s, err := Open("", Options{Memory: true})
	must(b, err)
	b.Cleanup(func() { s.Close() })
	for _, e := range benchEntries(b, records) {
		must(b, s.Accept(b.Context(), e))
	}
	return s
}

// BenchmarkLookup asks for values that nobody named, and for one that somebody did.
func BenchmarkLookup(b *testing.B) {
	s := benchStore(b, 1000)
	ask := func(b *testing.B, values []pattern.Observable, want int) {
		b.ReportAllocs()
		cpu := cputime.Used().Seconds()
		defer func() { b.ReportMetric((cputime.Used().Seconds()-cpu)*1e9/float64(b.N), "cpu-ns/op") }()
		for i := 0; b.Loop(); i++ {
			hits, _, err := s.Lookup(values[i%len(values)], nil)
			if err != nil || len(hits) != want {
				b.Fatal(hits, err)
			}
		}
	}
	var hit, miss, address []pattern.Observable
	for i := range 1 << 14 {
		hit = append(hit, domain(i*6%100_000))
		miss = append(miss, domain(200_000+i))
		address = append(address, pattern.Observable{Type: pattern.IPv4, Value: fmt.Sprintf("10.%d.%d.1", i>>8, i&255)})
	}
	b.Run("miss", func(b *testing.B) { ask(b, miss, 0) })
	b.Run("miss-address", func(b *testing.B) { ask(b, address, 0) })
	b.Run("hit", func(b *testing.B) { ask(b, hit, 1) })
	b.Run("hit-near", func(b *testing.B) { ask(b, hit[:10], 1) })
}

// fillPacked writes a million objects as packed values alone, with as many raw bytes
// beside them as records of this kind have.
func fillPacked(b *testing.B, dir string, records int) {
	b.Helper()
	db, err := badger.Open(badgerOptions(dir, Options{}).WithSyncWrites(false))
	must(b, err)
	batch := db.NewWriteBatch()
	noise := make([]byte, 18<<10)
	for i := range noise {
		noise[i] = byte(rand.Uint32())
	}
	var c Counts
	for i := range records {
		leaves := make([]packedLeaf, 100)
		for j, l := range indicators(i*100, 100) {
			leaves[j].Leaf = l
		}
		var id protocol.RecordID
		binary.BigEndian.PutUint64(id[:], rand.Uint64())
		binary.BigEndian.PutUint64(noise, uint64(i))
		info := recordInfo{
			topic: topicOf(b, "malicious-code"), sequence: uint64(i + 1), kind: 1, created: testNow, expires: testNow.AddDate(1, 0, 0),
			fate: fate{state: Accepted}, stored: stored{rawLength: len(noise), bodyLength: len(noise)},
		}
		p := pack(info, leaves, 0)
		c = c.plus(countsOf(p, spaceAccepted))
		must(b, batch.Set(recordKey(spaceAccepted, kindPacked, id), p))
		must(b, batch.Set(recordKey(spaceAccepted, kindRaw, id), append([]byte(nil), noise...)))
	}
	must(b, batch.Set(metaKey(metaVersion), binary.BigEndian.AppendUint32(nil, schemaVersion)))
	must(b, batch.Set(metaKey(metaTotals), packTotals(c, 0)))
	must(b, batch.Flush())
	must(b, db.Close())
}

// BenchmarkOpen opens a store of a million objects in a process of its own, and
// reports time and memory there.
func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	fillPacked(b, dir, 10_000)
	for b.Loop() {
		out, err := child(b.Context(), "open", dir).Output()
		must(b, err)
		for line := range strings.Lines(string(out)) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
			n, err := strconv.ParseFloat(value, 64)
			must(b, err)
			b.ReportMetric(n, name)
		}
	}
}

// childOpen is the other side of BenchmarkOpen.
func childOpen(dir string) error {
	began, cpu := time.Now(), cputime.Used().Seconds()
	s, err := Open(dir, Options{})
	if err != nil {
		return err
	}
	fmt.Printf("open-ms %d\nopen-cpu-ms %.0f\n", time.Since(began).Milliseconds(), (cputime.Used().Seconds()-cpu)*1e3)
	peak, err := anonymousMB()
	if err != nil {
		return err
	}
	debug.FreeOSMemory()
	steady, err := anonymousMB()
	if err != nil {
		return err
	}
	fmt.Printf("opened-anon-MB %.1f\nsteady-anon-MB %.1f\n", peak, steady)
	if n := s.Counts().Objects; n != 1_000_000 {
		return fmt.Errorf("%d objects", n)
	}
	return s.Close()
}

// anonymousMB reads how much memory of the process no file stands behind.
func anonymousMB() (float64, error) {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(text), "RssAnon:")
	kb, err := strconv.Atoi(strings.Fields(rest)[0])
	return float64(kb) / 1024, err
}
