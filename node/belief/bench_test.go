package belief

import (
	"fmt"
	"path/filepath"
	"testing"

	"tocsin/node/warnings"
	"tocsin/protocol/trust"
	"tocsin/storage"
)

func BenchmarkCheck(b *testing.B) {
	d := newDesk(b)
	a := newAuthor(b, "a")
	d.list(a, "a", trust.Anchor)
	for i := range 20 {
		var leaves []storage.Leaf
		for j := range 100 {
			leaves = append(leaves, claim(i*100+j, 90, fmt.Sprintf("bad-%d.example", i*100+j)))
		}
		d.publish(a, storage.Accepted, now, leaves...)
	}
	lists, err := warnings.Open(filepath.Join(b.TempDir(), "none"))
	must(b, err)
	for _, bench := range []struct {
		name, form string
		lists      *warnings.Book
	}{{"miss/domain", "good-%d.example", nil}, {"miss/ipv4", "10.0.3.%d", nil}, {"hit", "bad-%d.example", nil}, {"hit/lists", "bad-%d.example", lists}} {
		d.Warnings = bench.lists
		values := make([]string, 2000)
		for i := range values {
			if bench.name == "miss/ipv4" {
				values[i] = fmt.Sprintf("10.1.%d.%d", i/250, i%250)
				continue
			}
			values[i] = fmt.Sprintf(bench.form, i)
		}
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := d.Check(values, now); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)*float64(len(values))/b.Elapsed().Seconds(), "values/s")
		})
	}
}
