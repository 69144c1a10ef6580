package storage

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"

	"tocsin/node/cputime"
	"tocsin/protocol"
	"tocsin/protocol/pattern"
	"tocsin/protocol/reason"
)

// benchFill writes accepted records and their changes past the writer, each with some
// objects and as many raw bytes as say nothing about how fast they are signed.
func benchFill(b *testing.B, dir string, records, objects int) (ids []protocol.RecordID) {
	b.Helper()
	db, err := badger.Open(badgerOptions(dir, Options{}).WithSyncWrites(false).WithLogger(nil))
	must(b, err)
	batch := db.NewWriteBatch()
	raw := make([]byte, 1<<10)
	var c Counts
	for i := range records {
		leaves := make([]packedLeaf, objects)
		for j, l := range indicators(i*objects, objects) {
			leaves[j].Leaf = l
		}
		binary.BigEndian.PutUint64(raw, rand.Uint64())
		id := protocol.RecordID(sha256.Sum256(raw))
		ids = append(ids, id)
		info := recordInfo{
			topic: topicOf(b, "malicious-code"), sequence: uint64(i + 1), kind: protocol.KindObjects, created: testNow, expires: testNow.AddDate(1, 0, 0),
			fate: fate{state: Accepted}, stored: stored{len(raw), len(raw) / 2, sha256.Sum256(raw), 0}, source: source{received: testNow},
		}
		p := pack(info, leaves, 0)
		c = c.plus(countsOf(p, spaceAccepted))
		must(b, batch.Set(recordKey(spaceAccepted, kindPacked, id), p))
		must(b, batch.Set(recordKey(spaceAccepted, kindRaw, id), append([]byte(nil), raw...)))
		must(b, batch.Set(changeKey(uint64(i+1)), packChange(Change{At: testNow, Kind: changeAccepted, Record: id, Topic: info.topic, Objects: objects})))
	}
	must(b, batch.Set(metaKey(metaVersion), binary.BigEndian.AppendUint32(nil, schemaVersion)))
	must(b, batch.Set(metaKey(metaTotals), packTotals(c, uint64(records))))
	must(b, batch.Flush())
	must(b, db.Close())
	return ids
}

// BenchmarkHold holds 100,000 records (threat model K1: under 30 s), pages through
// the quarantine, and drops them again. Run it with -benchtime 1x.
func BenchmarkHold(b *testing.B) {
	const n = 100_000
	for _, objects := range []int{1, 100} {
		b.Run(fmt.Sprintf("objects=%d", objects), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				dir := b.TempDir()
				ids := benchFill(b, dir, n, objects)
				s := openDisk(b, dir)
				b.StartTimer()
				took := func(name string, fn func()) {
					began, cpu := time.Now(), cputime.Used().Seconds()
					fn()
					b.ReportMetric(time.Since(began).Seconds(), name+"-s")
					b.ReportMetric(cputime.Used().Seconds()-cpu, name+"-cpu-s")
				}
				took("hold", func() {
					moved, err := s.Hold(b.Context(), ids, reason.KeyRevoked)
					if len(moved) != n || err != nil {
						b.Fatal(len(moved), err)
					}
				})
				if c := s.Counts(); c.HeldRecords != n || c.Held != n*objects || s.HeldTotal().Records != n {
					b.Fatalf("%+v", c)
				}
				took("1000-pages", func() {
					after := Ref{}
					for range 1000 {
						items, next, err := s.Quarantine(after, 20)
						if err != nil || len(items) != 20 {
							b.Fatal(len(items), err)
						}
						after = next
					}
				})
				must(b, s.Close())
				took("open", func() { s = openDisk(b, dir) })
				if s.Damage() != nil {
					b.Fatal(s.Damage())
				}
				took("expire", func() {
					if gone, err := s.ExpireHeld(b.Context(), time.Now().Add(time.Hour)); gone != n || err != nil {
						b.Fatal(gone, err)
					}
				})
				must(b, s.Close())
			}
		})
	}
}

// BenchmarkSurvey visits a million values.
func BenchmarkSurvey(b *testing.B) {
	dir := b.TempDir()
	fillPacked(b, dir, 10_000)
	s := openDisk(b, dir)
	for b.Loop() {
		heap := func() float64 {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return float64(m.HeapAlloc) / (1 << 20)
		}
		runtime.GC()
		before, n, peak, cpu := heap(), 0, 0.0, cputime.Used().Seconds()
		must(b, s.Survey(b.Context(), time.Time{}, func(pattern.Observable) error {
			if n++; n%20_000 == 0 {
				peak = max(peak, heap())
			}
			return nil
		}))
		if n != 1_000_000 {
			b.Fatal(n)
		}
		b.ReportMetric(cputime.Used().Seconds()-cpu, "cpu-s")
		b.ReportMetric(peak-before, "peak-heap-MB")
	}
}
