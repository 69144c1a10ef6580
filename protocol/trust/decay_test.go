package trust

import (
	"math"
	"testing"
	"time"

	"tocsin/protocol/pattern"
)

func TestHalvesTable(t *testing.T) {
	for k, got := range halves {
		if want := math.Exp2(-float64(k)/64) * 1e9; math.Abs(float64(got)-want) > 0.51 {
			t.Errorf("halves[%d] = %d, want %f", k, got, want)
		}
	}
	if halves[0] != 2*halves[64] {
		t.Error("the table's end does not meet its start")
	}
}

func TestDecay(t *testing.T) {
	const day = 24 * time.Hour
	tests := []struct {
		kind pattern.Type
		age  time.Duration
		want int
	}{
		{pattern.IPv4, 0, 10000},
		{pattern.IPv4, -time.Hour, 10000},
		{pattern.IPv4, 4 * day, 5000},
		{pattern.IPv6, 8 * day, 2500},
		{pattern.URL, 7 * day, 5000},
		{pattern.CIDR, 7 * day, 5000},
		{pattern.Domain, 30 * day, 5000},
		{pattern.Domain, 15 * day, 7071},
		{pattern.Email, 30 * day, 5000},
		{pattern.MD5, 365 * day, 5000},
		{pattern.SHA512, 730 * day, 2500},
		{pattern.Text, 90 * day, 5000},
		{pattern.ASN, 90 * day, 5000},
		{pattern.MAC, 90 * day, 5000},
		{pattern.Type("of a later version"), 90 * day, 5000},
		{pattern.IPv4, 14 * 4 * day, 1}, // 2^-14 = 0.6 of 1/10,000
		{pattern.IPv4, 15 * 4 * day, 0},
		{pattern.IPv4, math.MaxInt64, 0},
	}
	for _, test := range tests {
		if got := Decay(test.kind, test.age); got != test.want {
			t.Errorf("Decay(%s, %s) = %d, want %d", test.kind, test.age, got, test.want)
		}
	}
	if HalfLife(pattern.IPv4) != 4*day {
		t.Errorf("HalfLife(ipv4) = %s", HalfLife(pattern.IPv4))
	}
}

// TestDecayFollowsTheCurve walks two kinds second by second in part: never up, and
// never off the exact curve by more than 0.7 of 1/10,000 (0.2 for the
// straight line, 0.5 for rounding).
func TestDecayFollowsTheCurve(t *testing.T) {
	for _, half := range []int64{4 * secondsPerDay, 365 * secondsPerDay} {
		last := one
		for age := int64(0); age < 16*half; age += half / 4999 {
			got := decay(age, half)
			if got > last {
				t.Fatalf("decay rises at %d s of half-life %d: %d after %d", age, half, got, last)
			}
			last = got
			want := one * math.Exp2(-float64(age)/float64(half))
			if age < gone*half && math.Abs(float64(got)-want) > 0.7 {
				t.Fatalf("decay(%d, %d) = %d, want %f", age, half, got, want)
			}
		}
		for age := half - 2000; age < half+2000; age++ {
			if decay(age+1, half) > decay(age, half) {
				t.Fatalf("decay rises at the seam, age %d", age)
			}
		}
	}
}
