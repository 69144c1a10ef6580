package nodetest

//bubble: a flood lives inside Run, where time is virtual.

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"tocsin/protocol"
)

// volleyEvery is how often each flooding peer sends.
const volleyEvery = 10 * time.Millisecond

// Flood is what strangers send at once: good records of organisations that nobody lists, signed
// before, so that sending them costs nearly nothing.
type Flood struct {
	strangers []*Hostile
	records   [][]shot // of each stranger, in the order of its logs
	sending   sync.WaitGroup
}

type shot struct {
	topic string
	raw   []byte
}

// heavy is how many records of each stranger are large: with them it spends its budget,
// so that the many small ones that follow are an empty purse's.
const heavy = 40

// Arm signs what strangers will send: n records in all. After the large ones one in ten is on control,
// and one in a hundred is an identity record, the dearest kind.
func (f *Fleet) Arm(strangers []*Hostile, topic string, n int) *Flood {
	f.t.Helper()
	flood := &Flood{strangers: strangers, records: make([][]shot, len(strangers))}
	on, err := protocol.ParseTopic(topic)
	if err != nil {
		f.t.Fatal(err)
	}
	content := make([]byte, 28<<10)
	for i := range n {
		h, turn := strangers[i%len(strangers)], i/len(strangers)
		d := protocol.Draft{Topic: on, Kind: protocol.KindObjects, Rand: noise{}}
		size := 100
		switch {
		case turn < heavy:
			size = len(content)
		case turn%100 == 99:
			d.Topic, d.Kind, d.Statements = protocol.TopicControl, protocol.KindIdentity, h.author.Statements
		case turn%10 == 9:
			d.Topic, d.Kind, d.Body = protocol.TopicControl, floodKind, content[:size]
		default:
			d.Kind, d.Body = floodKind, content[:size] // cheaper to sign than objects
		}
		_, _ = noise{}.Read(content[:size])
		if d.Kind == protocol.KindObjects {
			d.Objects = [][]byte{fmt.Appendf(nil, `{"type":"note","id":"note--00000000-0000-4000-8000-%012x","content":"%x"}`, i, content[:size])}
		}
		flood.records[i%len(strangers)] = append(flood.records[i%len(strangers)], shot{d.Topic.String(), h.sign(d).Raw()})
	}
	return flood
}

// floodKind is a kind of record that this version does not know, and so relays.
const floodKind protocol.Kind = 900

// Start sends everything within d, and returns at once.
func (fl *Flood) Start(d time.Duration) {
	for i, h := range fl.strangers {
		fl.sending.Go(func() {
			records, volleys := fl.records[i], int(d/volleyEvery)
			for v := range volleys {
				for _, s := range records[len(records)*v/volleys : len(records)*(v+1)/volleys] {
					if err := h.topics[s.topic].Publish(h.fleet.ctx, s.raw); err != nil {
						h.fleet.t.Errorf("%s floods %s: %v", h.name, s.topic, err)
						return
					}
				}
				time.Sleep(volleyEvery)
			}
		})
	}
}

// Wait returns when everything is sent.
func (fl *Flood) Wait() { fl.sending.Wait() }

// noise is a cheap source of bytes that do not compress.
type noise struct{}

// Read fills p.
func (noise) Read(p []byte) (int, error) {
	for i := 0; i < len(p); i += 8 {
		var b [8]byte
		binary.LittleEndian.PutUint64(b[:], rand.Uint64())
		copy(p[i:], b[:])
	}
	return len(p), nil
}
