package stix

import (
	"encoding/json"
	"math"
	"math/big"
	"strconv"
	"strings"
	"testing"

	"tocsin/protocol/reason"
)

// threshold is the least number that rounds to no finite double, plus d.
func threshold(d int64) string {
	n := new(big.Int).Lsh(big.NewInt(1), 1024)
	n.Sub(n, new(big.Int).Lsh(big.NewInt(1), 970))
	return n.Add(n, big.NewInt(d)).String()
}

var numbers = []string{
	"0.0", "-0.0", "0e9", "-0.000e-999999", "1e308", "1e309", "-1e309", "1e-400", "-1e-400", "1.5E+3", "1e+999999999999",
	"17976931348623157e292", "17976931348623158e292", "17976931348623159e292", "1.7976931348623157e308",
	threshold(0) + ".0", threshold(-1) + ".9", threshold(-1) + "e0", threshold(1) + "e0", "-" + threshold(0) + "e0",
	threshold(0)[:1] + "." + threshold(0)[1:] + "e308", threshold(0)[:1] + "." + threshold(0)[1:] + "0e308",
	"0." + strings.Repeat("0", 900) + "1e1209", "0." + strings.Repeat("0", 900) + "1e1210",
	strings.Repeat("9", 309) + "e0", strings.Repeat("9", 308) + "e0", "0" + "." + strings.Repeat("9", 1000) + "e309",
	"90.0", "90.00000001", "-90.1", "1e17", "9.99e17", "1e18", "1e-20", "-1e-21", "0.00001e6", "9007199254740993.0",
}

// TestFinite agrees with the standard library on what rounds to a finite
// double, the edge included. OBJ-08
func TestFinite(t *testing.T) {
	for _, n := range numbers {
		_, err := strconv.ParseFloat(n, 64)
		if got := finite([]byte(n)); got != (err == nil) {
			t.Errorf("finite(%s) = %v, %v", n, got, err)
		}
		if err := Scan([]byte(n)); (reason.Of(err) == reason.JSONNumber) == finite([]byte(n)) {
			t.Errorf("Scan(%s): %v", n, err)
		}
	}
}

// sameSide compares as numeric does: with integers whose doubles are exact.
func sameSide(t *testing.T, number string) {
	t.Helper()
	exact, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return
	}
	got := nearly([]byte(number))
	for _, edge := range []float64{-maxWhole, -180, -90, -1, 0, 1, 90, 180, 65535, maxWhole} {
		if (got < edge) != (exact < edge) && exact != 0 || (got > edge) != (exact > edge) && exact != 0 {
			t.Errorf("%s: %v and %v lie on two sides of %v", number, got, exact, edge)
		}
	}
}

// OBJ-15
func TestNearly(t *testing.T) {
	for _, n := range numbers {
		sameSide(t, n)
	}
	if n := nearly([]byte("-1e-999")); !(n < 0) || math.IsInf(n, 0) {
		t.Errorf("a number below zero became %v", n)
	}
}

func FuzzNumber(f *testing.F) {
	for _, n := range numbers {
		f.Add(n)
	}
	f.Fuzz(func(t *testing.T, n string) {
		if !json.Valid([]byte(n)) || strings.Trim(n, "-+.eE0123456789") != "" || len(n) > maxNumber {
			return
		}
		if _, err := strconv.ParseFloat(n, 64); finite([]byte(n)) != (err == nil) {
			t.Fatalf("finite(%s): %v", n, err)
		}
		sameSide(t, n)
	})
}
