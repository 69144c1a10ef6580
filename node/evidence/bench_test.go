package evidence

import (
	"crypto/rand"
	"testing"

	"tocsin/protocol"
)

// BenchmarkOpen reads the facts of 100,000 records, ten million objects, as a start does.
func BenchmarkOpen(b *testing.B) {
	const n = 100_000
	path := b.TempDir() + "/facts"
	l, err := openLedger(path, factBytes)
	ok(b, err)
	facts := make([][]byte, n)
	for i := range facts {
		f := Fact{Seen: when, From: "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN"}
		_, _ = rand.Read(f.Record[:])
		facts[i] = encodeFact(f, false)
	}
	ok(b, l.append(facts))
	ok(b, l.close())
	for b.Loop() {
		l, err := openLedger(path, factBytes)
		ok(b, err)
		if l.size() != n || len(l.find(protocol.RecordID(facts[n/2][:32]))) != 1 {
			b.Fatal("facts are missing")
		}
		b.ReportMetric(float64(len(l.index.slots)*8)/n, "index-B/fact")
		ok(b, l.close())
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/fact")
}
