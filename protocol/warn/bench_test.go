package warn

import (
	"bytes"
	"fmt"
	"runtime"
	"testing"

	"tocsin/protocol/pattern"
)

// million makes a file with a million entries of one kind.
func million(kind string) []byte {
	const n = 1_000_000
	var b bytes.Buffer
	typ := TypeHostname
	if kind != "names" {
		typ = TypeCIDR
	}
	fmt.Fprintf(&b, `{"name": "a million %s", "version": 1, "type": %q, "list": [`, kind, typ)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		a := uint32(i)*2654435761 | 0x0b000000 // spread, and never 10/8
		switch kind {
		case "names":
			fmt.Fprintf(&b, `"h%d.zone%d.example"`, i, i%5000)
		case "addresses":
			fmt.Fprintf(&b, `"%d.%d.%d.%d"`, a>>24, a>>16&255, a>>8&255, a&255)
		case "networks":
			fmt.Fprintf(&b, `"%d.%d.%d.0/24"`, 11+i>>16, i>>8&255, i&255)
		}
	}
	b.WriteString("]}")
	return b.Bytes()
}

// BenchmarkLoad reads and compiles a million entries: the issue wants 3 s and 150 MiB.
func BenchmarkLoad(b *testing.B) {
	for _, kind := range []string{"names", "addresses", "networks"} {
		b.Run(kind, func(b *testing.B) {
			raw := million(kind)
			before := heap()
			var x *Index
			for b.Loop() {
				l, err := Parse("a.json", raw, Soft)
				if err != nil || len(l.Skipped) > 0 {
					b.Fatal(err, len(l.Skipped))
				}
				x = Compile([]*List{l})
			}
			b.ReportMetric(float64(heap()-before)/(1<<20), "MiB")
			runtime.KeepAlive(x)
			runtime.KeepAlive(raw)
		})
	}
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// BenchmarkMatch asks an index of three million entries and the built-in pack: the issue wants 5 us.
func BenchmarkMatch(b *testing.B) {
	lists := Builtin()
	for _, kind := range []string{"names", "addresses", "networks"} {
		l, err := Parse("a.json", million(kind), Soft)
		if err != nil {
			b.Fatal(err)
		}
		lists = append(lists, l)
	}
	x := Compile(lists)
	for _, value := range []string{"203.0.113.7", "11.1.2.3", "8.8.8.8", "2001:db8::1", "2002:cb00:7107::1", "203.0.113.0/24", "11.0.0.0/8", "0.0.0.0/0",
		"www.mail.never-listed.example", "h77.zone77.example", "www.h77.zone77.example", "https://www.never-listed.example/a/b?c=d",
		"someone@never-listed.example", "d41d8cd98f00b204e9800998ecf8427e", "some text"} {
		o := pattern.Refang(value)
		b.Run(value, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				x.Match(o)
			}
		})
	}
}
