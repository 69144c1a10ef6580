package trust

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestBreakerHits(t *testing.T) {
	type note struct {
		after time.Duration
		hits  int
		trips bool
	}
	tests := []struct {
		name  string
		notes []note
	}{
		{"two are not enough", []note{{0, 1, false}, {time.Minute, 1, false}, {time.Minute, 0, false}}},
		{"the third within the hour", []note{{0, 1, false}, {time.Minute, 1, false}, {59*time.Minute - time.Second, 1, true}}},
		{"the third after an hour", []note{{0, 1, false}, {time.Minute, 1, false}, {59 * time.Minute, 1, false}}},
		{"three at once", []note{{0, 3, true}}},
		{"a thousand at once", []note{{0, 1000, true}, {time.Hour - time.Second, 0, true}, {time.Second, 0, false}}},
		{"a clock that steps back", []note{{0, 2, false}, {-30 * time.Minute, 1, true}}},
		{"a clock that was wrong by a day", []note{{24 * time.Hour, 2, false}, {-24 * time.Hour, 1, false}, {time.Second, 2, true}}},
		{"less than none", []note{{0, -5, false}, {0, math.MinInt, false}, {0, 2, false}, {0, math.MaxInt, true}}},
	}
	for _, test := range tests {
		var b Breaker
		at := epoch
		for i, n := range test.notes {
			at = at.Add(n.after)
			if got := b.Note(1, n.hits, 0, at); (got != "") != n.trips {
				t.Errorf("%s: note %d says %q", test.name, i, got)
			}
			if len(b.Hits) > tripHits {
				t.Errorf("%s: keeps %d hits", test.name, len(b.Hits))
			}
		}
	}
}

// TestBreakerWithinFiveRecords: a publisher turned hostile is stopped before its sixth record.
func TestBreakerWithinFiveRecords(t *testing.T) {
	var b Breaker
	for i := range 5 {
		if b.Note(1, 1, 0, epoch.Add(time.Duration(i)*time.Second)) != "" {
			return
		}
	}
	t.Error("five poisoned records did not trip it")
}

func TestBreakerRefutations(t *testing.T) {
	tests := []struct {
		name             string
		records, refuted int
		trips            bool
	}{
		{"5 % of 100", 100, 5, true},
		{"less than 5 % of 100", 100, 4, false},
		{"3 of 50 is 6 %", 50, 3, true},
		{"2 of 50 is 4 %", 50, 2, false},
		{"49 prove nothing", 49, 49, false},
		{"5 % of 60", 60, 3, true},
		{"just over 5 % of 59", 59, 3, true},
		{"just under 5 % of 61", 61, 3, false},
		{"more refuted than came", 50, 500, true},
	}
	for _, test := range tests {
		var b Breaker
		if got := b.Note(test.records, 0, 0, epoch); got != "" {
			t.Fatalf("%s: %q before anything was refuted", test.name, got)
		}
		if got := b.Note(0, 0, test.refuted, epoch); (got != "") != test.trips {
			t.Errorf("%s: %q", test.name, got)
		}
	}
}

// TestBreakerRefutesTheDay: only of records that came within a day is a share taken, whatever is refuted today
// of older ones; and what came in another hour of the day counts until the day is over.
func TestBreakerRefutesTheDay(t *testing.T) {
	for _, test := range []struct {
		name      string
		came, now time.Duration
		trips     bool
	}{
		{"at once", 0, 0, true},
		{"23 hours later", 0, 23 * time.Hour, true},
		{"a day later", 0, 24 * time.Hour, false},
		{"of a record from before the day, with others of today", -24 * time.Hour, 0, false},
		{"of a record that is older than anything kept", -1000 * 24 * time.Hour, 0, false},
		{"of the evening before", -20 * time.Hour, 0, true},
	} {
		var b Breaker
		b.Note(1, 0, 0, epoch.Add(-24*time.Hour))
		b.Note(60, 0, 0, epoch)
		var got string
		for range 3 {
			got = b.Refuted(epoch.Add(test.came), epoch.Add(test.now))
		}
		if (got != "") != test.trips {
			t.Errorf("%s: %q", test.name, got)
		}
	}
}

func TestBreakerRate(t *testing.T) {
	history := func(days, every, records int) *Breaker {
		b := new(Breaker)
		for h := -24 * days; h < 0; h += every {
			if got := b.Note(records, 0, 0, epoch.Add(time.Duration(h)*time.Hour)); got != "" {
				t.Fatalf("history trips: %s", got)
			}
		}
		return b
	}
	spike := history(30, 1, 10)
	for i := range 8 { // 8 of 720 hours are more than 1 %
		spike.Hours[90*i].Records = 50
	}
	seldom := history(30, 1, 10)
	for i := range 7 { // 7 are less
		seldom.Hours[100*i].Records = 50
	}
	tests := []struct {
		name    string
		b       *Breaker
		records int
		trips   bool
	}{
		{"no history", new(Breaker), 1_000_000, false},
		{"ten times the usual", history(30, 1, 10), 100, false},
		{"more than ten times", history(30, 1, 10), 101, true},
		{"under a hundred", history(30, 1, 1), 99, false},
		{"a hundred", history(30, 1, 1), 100, true},
		{"six days of history", history(6, 1, 10), 1000, false},
		{"seven days of history", history(7, 1, 10), 1000, true},
		{"a batch once a week", history(30, 168, 400), 4000, false},
		{"silent hours are no measure", history(30, 24, 50), 500, false},
		{"spikes in more than 1 % of hours raise the usual", spike, 500, false},
		{"and above them it trips", spike, 501, true},
		{"rarer spikes do not", seldom, 101, true},
	}
	for _, test := range tests {
		b := Breaker{Hours: append([]BreakerHour(nil), test.b.Hours...)}
		if got := b.Note(test.records, 0, 0, epoch); (got != "") != test.trips {
			t.Errorf("%s: %q", test.name, got)
		}
	}
}

func TestBreakerForgive(t *testing.T) {
	var b Breaker
	for h := -200; h < 0; h++ {
		b.Note(10, 0, 0, epoch.Add(time.Duration(h)*time.Hour))
	}
	for _, got := range []string{b.Note(200, 0, 0, epoch), b.Note(0, 0, 60, epoch), b.Note(0, 3, 0, epoch)} {
		if got == "" {
			t.Fatal("does not trip")
		}
	}
	b.Forgive(epoch)
	if got := b.Note(1, 0, 0, epoch.Add(time.Second)); got != "" {
		t.Errorf("trips again at once: %s", got)
	}
	if got := b.Note(200, 0, 0, epoch.Add(time.Minute)); !strings.Contains(got, "records in an hour") {
		t.Errorf("the usual rate is forgotten: %q", got)
	}
}

// TestBreakerIsBounded walks a year at random, with a clock that jumps: the state stays
// small and survives a file.
func TestBreakerIsBounded(t *testing.T) {
	for seed := range uint64(5) {
		r := rand.New(rand.NewPCG(seed, 4))
		var b Breaker
		at := epoch
		for range 9000 {
			at = at.Add(time.Duration(r.Int64N(int64(2 * time.Hour))))
			if r.IntN(500) == 0 {
				at = at.Add(time.Duration(r.Int64N(100*24)-50*24) * time.Hour)
			}
			b.Note(r.IntN(50), r.IntN(2), r.IntN(2), at)
			if len(b.Hours) > keptHours+2 || len(b.Hits) > tripHits {
				t.Fatalf("seed %d: %d hours, %d hits", seed, len(b.Hours), len(b.Hits))
			}
		}
		for i := 1; i < len(b.Hours); i++ {
			if b.Hours[i].Hour <= b.Hours[i-1].Hour {
				t.Fatalf("seed %d: hours out of order", seed)
			}
		}
		raw, err := json.Marshal(b)
		var again Breaker
		if err != nil || json.Unmarshal(raw, &again) != nil || !reflect.DeepEqual(again, b) {
			t.Fatalf("seed %d: reads back as %+v, %v", seed, again, err)
		}
	}
	top := Breaker{Hours: []BreakerHour{{Hour: epoch.Unix() / secondsPerHour, Records: math.MaxUint32, Refuted: math.MaxUint32}}}
	if top.Note(math.MaxInt, math.MaxInt, math.MaxInt, epoch); top.Hours[0].Records != math.MaxUint32 || top.Hours[0].Refuted != math.MaxUint32 {
		t.Errorf("counts overflow: %+v", top.Hours)
	}
}
