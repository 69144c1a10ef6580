package trust

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// today is the day of epoch.
const today = 20605

func TestToday(t *testing.T) {
	if got := epoch.Unix() / secondsPerDay; got != today {
		t.Fatalf("epoch is day %d, the tests say %d", got, today)
	}
}

func TestLedger(t *testing.T) {
	const most = math.MaxUint32
	day := func(good, bad, withdrawn uint32) []Tally { return []Tally{{today, good, bad, withdrawn}} }
	tests := []struct {
		name    string
		tallies []Tally
		want    int
	}{
		{"nothing", nil, one},
		{"40 good, 2 bad", day(40, 2, 0), 8148},     // 0.81
		{"40 good, 10 bad", day(40, 10, 0), 4681},   // 0.47
		{"0 good, 1 bad", day(0, 1, 0), 4444},       // 0.44
		{"200 good, 10 bad", day(200, 10, 0), 8031}, // 0.80
		{"good alone is 1 and no more", day(most, 0, 0), one},
		{"a withdrawal costs a fifth of a false positive", day(0, 0, 5), 4444},
		{"a vouched organisation's abuse", day(0, VouchedAbuse, 0), 1379},
		{"never 0, which would mean no ledger", day(0, most, 0), 1},
		{"all at the top", []Tally{{today, most, most, most}, {today, most, most, most}}, 1429},
		{"one day later", []Tally{{today - 1, 40, 2, 0}}, 8151},
		{"35 days halve it", []Tally{{today - 35, 0, 10, 0}}, 1396},
		{"a year later it is forgiven", []Tally{{today - 365, 0, 10, 0}}, 9922},
		{"long ago is nothing", []Tally{{today - 1024, 0, most, 0}}, one},
		{"the last day that counts", []Tally{{today - 1023, 0, most, 0}}, 1570},
		{"before 1970", []Tally{{-today, 0, 7, 0}}, one},
		{"tomorrow counts in full", []Tally{{today + 1, 0, 1, 0}}, 4444},
		{"days add up", []Tally{{today, 30, 1, 0}, {today, 10, 1, 0}}, 8148},
	}
	for _, test := range tests {
		if got := Q(test.tallies, epoch); got != test.want {
			t.Errorf("%s: %d, want %d", test.name, got, test.want)
		}
	}
}

// TestFading holds the table against floating point.
func TestFading(t *testing.T) {
	for days := range int64(1030) {
		want := math.Pow(0.98, float64(days)) * 1e9
		if days >= 1024 {
			want = 0
		}
		if got := float64(faded(days)); math.Abs(got-want) > 2 {
			t.Fatalf("after %d days %f of 10^9 are left, want %f", days, got, want)
		}
		if faded(days) > faded(days-1) {
			t.Fatalf("more is left on day %d than the day before", days)
		}
	}
}

func TestLedgerProperties(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 3))
		tallies := make([]Tally, 1+r.IntN(60))
		for i := range tallies {
			tallies[i] = Tally{today - r.Int32N(120), r.Uint32N(200), r.Uint32N(20), r.Uint32N(20)}
		}
		want := Q(tallies, epoch)
		r.Shuffle(len(tallies), func(i, j int) { tallies[i], tallies[j] = tallies[j], tallies[i] })
		if got := Q(tallies, epoch); got != want {
			t.Fatalf("seed %d: another order gives %d, not %d", seed, got, want)
		}
		i := r.IntN(len(tallies))
		for name, change := range map[string]struct {
			by    Tally
			worse bool
		}{"good": {Tally{Good: 1}, false}, "bad": {Tally{Bad: 1}, true}, "withdrawn": {Tally{Withdrawn: 1}, true}} {
			more := append([]Tally(nil), tallies...)
			more[i].Good, more[i].Bad, more[i].Withdrawn = more[i].Good+change.by.Good, more[i].Bad+change.by.Bad, more[i].Withdrawn+change.by.Withdrawn
			if got := Q(more, epoch); got < 1 || got > one || change.worse && got > want || !change.worse && got < want {
				t.Fatalf("seed %d: one more %s turns %d into %d", seed, name, want, got)
			}
		}
		if got := Q(tallies, epoch.Add(5*365*24*time.Hour)); got != one {
			t.Fatalf("seed %d: after five years q is %d", seed, got)
		}
	}
}
