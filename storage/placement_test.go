package storage

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"

	"tocsin/node/cputime"
	"tocsin/protocol"
)

// placements are the candidates of docs/decisions/020.
func placements() map[string]func(badger.Options) badger.Options {
	lsm := func(b badger.Options) badger.Options {
		return b.WithValueThreshold(1 << 20).WithMemTableSize(16 << 20).WithBaseTableSize(4 << 20).WithBaseLevelSize(64 << 20)
	}
	return map[string]func(badger.Options) badger.Options{
		"chosen": func(b badger.Options) badger.Options { return b },
		"vlog-mem16": func(b badger.Options) badger.Options {
			return b.WithMemTableSize(16 << 20).WithBaseTableSize(4 << 20).WithBaseLevelSize(64 << 20)
		},
		"lsm-mem16":  lsm,
		"lsm-table2": func(b badger.Options) badger.Options { return lsm(b).WithBaseTableSize(2 << 20) },
		"lsm-mem32":  func(b badger.Options) badger.Options { return lsm(b).WithMemTableSize(32 << 20) },
		"lsm-mem8": func(b badger.Options) badger.Options {
			return lsm(b).WithMemTableSize(8 << 20).WithBaseTableSize(2 << 20).WithBaseLevelSize(32 << 20)
		},
	}
}

// BenchmarkPlacement stores a million objects in a process of its own, durably,
// with 8 callers, once per candidate, and reports CPU (the making of the records taken
// off), peak memory, bytes written and disk. Run it with -benchtime 1x.
func BenchmarkPlacement(b *testing.B) {
	for name := range placements() {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				dir := b.TempDir()
				c := child(b.Context(), "fill", dir)
				c.Env = append(c.Env, "STORAGE_TEST_PLACEMENT="+name)
				out, err := c.Output()
				must(b, err)
				for line := range strings.Lines(string(out)) {
					unit, value, _ := strings.Cut(strings.TrimSpace(line), " ")
					n, err := strconv.ParseFloat(value, 64)
					must(b, err)
					b.ReportMetric(n, unit)
				}
				b.ReportMetric(float64(diskBytes(b, dir))/fillObjects, "disk-B/object")
			}
		})
	}
}

const (
	fillRecords  = 10_000
	fillObjects  = fillRecords * 100
	fillRawBytes = 16 << 10
)

// fillOne makes what Accept would hand to the writer for one record.
func fillOne(i int, topic protocol.Topic) (protocol.RecordID, packed, []byte) {
	raw := make([]byte, fillRawBytes)
	for at := 0; at < len(raw); at += 8 {
		binary.LittleEndian.PutUint64(raw[at:], rand.Uint64())
	}
	leaves := make([]packedLeaf, 100)
	for j, l := range indicators(i*100, 100) {
		leaves[j].Leaf = l
	}
	id := protocol.RecordID(sha256.Sum256(raw[:32]))
	info := recordInfo{
		topic: topic, sequence: uint64(i + 1), kind: 1, created: testNow, expires: testNow.AddDate(1, 0, 0),
		fate: fate{state: Accepted}, stored: stored{rawLength: len(raw), bodyLength: len(raw), sum: sha256.Sum256(raw)},
	}
	return id, pack(info, leaves, 0), raw
}

// childFill is the other side of BenchmarkPlacement.
func childFill(dir string) error {
	topic, err := protocol.ParseTopic("malicious-code")
	if err != nil {
		return err
	}
	cpu := cputime.Used().Seconds()
	for i := range fillRecords / 20 {
		fillOne(i, topic)
	}
	making := (cputime.Used().Seconds() - cpu) * 20
	change := placements()[os.Getenv("STORAGE_TEST_PLACEMENT")]
	s, err := openWith(dir, Options{}, change(badgerOptions(dir, Options{})))
	if err != nil {
		return err
	}
	var peak atomic.Uint64
	stop := make(chan struct{})
	go func() {
		for tick := time.Tick(20 * time.Millisecond); ; {
			select {
			case <-tick:
				mb, _ := anonymousMB()
				peak.Store(max(peak.Load(), uint64(mb)))
			case <-stop:
				return
			}
		}
	}()
	cpu, began := cputime.Used().Seconds(), time.Now()
	if err := fillAll(s, topic); err != nil {
		return err
	}
	took := time.Since(began)
	close(stop)
	if err := s.Close(); err != nil {
		return err
	}
	fmt.Printf("cpu-us/object %.2f\n", (cputime.Used().Seconds()-cpu-making)*1e6/fillObjects)
	fmt.Printf("objects/s %.0f\n", fillObjects/took.Seconds())
	fmt.Printf("peak-anon-MB %d\n", peak.Load())
	fmt.Printf("written-B/object %.0f\n", float64(writtenBytes())/fillObjects)
	return nil
}

func fillAll(s *Store, topic protocol.Topic) error {
	var next atomic.Int64
	var failed atomic.Pointer[error]
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := int(next.Add(1) - 1); i < fillRecords; i = int(next.Add(1) - 1) {
				id, p, raw := fillOne(i, topic)
				err := s.do(context.Background(), func() (step, error) {
					st := step{touches: []subject{{id: id}}, counts: countsOf(p, spaceAccepted)}
					st.add(spaceAccepted, id, p, raw)
					st.changes = []Change{{Kind: changeAccepted, Record: id, Topic: topic, Objects: 100}}
					st.apply = func(t *tables) error { return t.add(id, spaceAccepted, p) }
					return st, nil
				})
				if err != nil {
					failed.Store(&err)
					return
				}
			}
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}

// writtenBytes is what the process sent towards the disk.
func writtenBytes() int {
	text, _ := os.ReadFile("/proc/self/io")
	_, rest, _ := strings.Cut(string(text), "\nwrite_bytes:")
	if fields := strings.Fields(rest); len(fields) > 0 {
		n, _ := strconv.Atoi(fields[0])
		return n
	}
	return 0
}

func diskBytes(b *testing.B, dir string) (sum int64) {
	b.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	must(b, err)
	for _, f := range files {
		info, err := os.Stat(f)
		must(b, err)
		sum += info.Size()
	}
	return sum
}
