package trust

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin/protocol"
)

// sent is a record as a breaker sees it.
type sent struct {
	key      protocol.KeyID
	sequence uint64
	created  time.Time
}

// publisher makes records of one key log.
type publisher struct {
	key      protocol.KeyID
	sequence uint64
}

func (p *publisher) make(at time.Time) sent {
	p.sequence++
	return sent{p.key, p.sequence, at}
}

func (b *Breaker) take(s sent, at time.Time) string {
	return b.Came(s.key, s.sequence, s.created, 0, at)
}

// steady is a breaker that has seen so many hours of 20 records each, up to epoch.
func steady(t *testing.T, p *publisher, hours int) *Breaker {
	t.Helper()
	b := new(Breaker)
	for h := -hours; h < 0; h++ {
		for range 20 {
			at := epoch.Add(time.Duration(h) * time.Hour)
			if why := b.take(p.make(at), at); why != "" {
				t.Fatal(why)
			}
		}
	}
	return b
}

// TestCatchingUpIsNoBurst: whoever publishes steadily never trips, whatever the outage, in whatever order the
// backlog comes, on one key log or several, and with whatever the history before.
func TestCatchingUpIsNoBurst(t *testing.T) {
	for seed := range uint64(16) {
		r := rand.New(rand.NewPCG(seed, 5))
		one := &publisher{key: protocol.KeyID{1}}
		b := steady(t, one, 24*(8+r.IntN(30)))
		logs := []*publisher{one, {key: protocol.KeyID{2}}}[:1+r.IntN(2)]
		outage := 1 + r.IntN([]int{48, 24 * 60}[r.IntN(2)])
		var backlog []sent
		for h := range outage {
			for range 15 + r.IntN(10) {
				backlog = append(backlog, logs[r.IntN(len(logs))].make(epoch.Add(time.Duration(h)*time.Hour)))
			}
		}
		switch r.IntN(4) {
		case 0: // in order
		case 1: // the newest is heard of first
			n := len(backlog) - 1
			backlog = append([]sent{backlog[n]}, backlog[:n]...)
		case 2:
			slices.Reverse(backlog)
		case 3: // from several peers at once: order is kept only roughly
			for range len(backlog) {
				if i := r.IntN(len(backlog) - 1); i > 0 {
					backlog[i], backlog[i+1] = backlog[i+1], backlog[i]
				}
			}
		}
		for i, s := range backlog {
			at := epoch.Add(time.Duration(outage)*time.Hour + time.Duration(i)*time.Millisecond)
			if why := b.take(s, at); why != "" {
				t.Fatalf("seed %d: an outage of %d hours trips at record %d of %d: %s", seed, outage, i, len(backlog), why)
			}
		}
	}
}

// TestABurstCannotBeSpread: a key that was stolen sends a lot now. It trips, whatever `created` the thief writes, and
// whatever places of the log he takes.
func TestABurstCannotBeSpread(t *testing.T) {
	for name, s := range map[string]struct {
		created func(i int) time.Time
		skip    func(i int) uint64
	}{
		"made now":           {func(int) time.Time { return epoch }, nil},
		"said to be old":     {func(i int) time.Time { return epoch.Add(-time.Duration(i) * time.Hour) }, nil},
		"said to be ancient": {func(int) time.Time { return time.Unix(0, 0) }, nil},
		"said to be to come": {func(i int) time.Time { return epoch.Add(time.Duration(i) * time.Hour) }, nil},
		"with a gap at each": {func(i int) time.Time { return epoch.Add(-time.Duration(i) * time.Hour) }, func(int) uint64 { return 2 }},
		"with a gap first":   {func(i int) time.Time { return epoch.Add(-time.Duration(i) * time.Hour) }, func(i int) uint64 { return uint64(max(0, 5-i)) }},
	} {
		p := &publisher{key: protocol.KeyID{1}}
		b := steady(t, p, 20*24)
		why := ""
		for i := 0; i < 300 && why == ""; i++ {
			if s.skip != nil {
				p.sequence += s.skip(i)
			}
			why = b.take(p.make(s.created(i)), epoch)
		}
		if !strings.Contains(why, "records in an hour") {
			t.Errorf("%s: %q", name, why)
		}
	}
}

// TestLogsOfABreakerAreBounded: any places, keys and times leave little behind, in order, that reads back.
func TestLogsOfABreakerAreBounded(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 6))
	var b Breaker
	places := []uint64{1, 2, 3, math.MaxUint64, math.MaxUint64 - 1, 1 << 40}
	for i := range 20_000 {
		place := places[r.IntN(len(places))]
		if r.IntN(2) == 0 {
			place = 1 + r.Uint64N(200)
		}
		at := epoch.Add(time.Duration(i) * time.Minute)
		b.Came(protocol.KeyID{byte(r.IntN(40))}, place, at.Add(time.Duration(r.Int64N(int64(1000*time.Hour)))-500*time.Hour), 0, at)
		if len(b.Logs) > keptLogs {
			t.Fatalf("%d logs", len(b.Logs))
		}
		for _, l := range b.Logs {
			if len(l.Runs) > keptRuns {
				t.Fatalf("%d runs", len(l.Runs))
			}
			for j, run := range l.Runs {
				if run.From > run.To {
					t.Fatalf("run %+v", run)
				}
				if j > 0 && run.From <= l.Runs[j-1].To+1 {
					t.Fatalf("runs %+v are not apart", l.Runs)
				}
			}
		}
	}
	raw, err := json.Marshal(b)
	var again Breaker
	if err != nil || json.Unmarshal(raw, &again) != nil || !reflect.DeepEqual(again, b) {
		t.Errorf("reads back as %+v, %v", again, err)
	}
}
