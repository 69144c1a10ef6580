package stix

import (
	"bytes"
	"math"
	"math/big"
	"strconv"
	"strings"
)

// Finding the double that is nearest to a number takes long for some numbers,
// and whoever writes an object chooses its numbers. What is asked here, whether
// a number is finite and whether it lies in a range, needs the nearest double
// for few of them.

// most is the power of ten of the largest double.
const most = 308

// overflow are the digits of the least number that rounds to no finite double:
// half a step above the largest one. It has no zeros at its end.
var overflow = func() string {
	n := new(big.Int).Lsh(big.NewInt(1), 1024)
	n.Sub(n, new(big.Int).Lsh(big.NewInt(1), 970))
	return strings.TrimRight(n.String(), "0")
}()

// finite reports that a number of the grammar rounds to a finite double. OBJ-08
func finite(number []byte) bool {
	digits, power := magnitude(number)
	if power != most {
		return power < most
	}
	limit := overflow
	for _, c := range digits {
		switch {
		case c == '.':
			continue
		case limit == "":
			return false
		case c != limit[0]:
			return c < limit[0]
		}
		limit = limit[1:]
	}
	return limit != ""
}

// nearly gives a number exactly enough to compare it with integers below 2^53:
// what is farther out is infinite, what is very small keeps its sign.
func nearly(number []byte) float64 {
	const beyond, tiny = 17, -20
	_, power := magnitude(number)
	sign := 1
	if number[0] == '-' {
		sign = -1
	}
	switch {
	case power > beyond:
		return math.Inf(sign)
	case power < tiny:
		return float64(sign) * math.SmallestNonzeroFloat64
	}
	n, _ := strconv.ParseFloat(string(number), 64) // the gate let it pass
	return n
}

// magnitude reads a number as d.ddd times a power of ten. The digits begin with
// the first that is not zero and may hold the point; zero has none, and power 0.
func magnitude(number []byte) (digits []byte, power int) {
	digits = bytes.TrimPrefix(number, []byte("-"))
	if e := bytes.IndexAny(digits, "eE"); e >= 0 {
		digits, power = digits[:e], exponent(digits[e+1:])
	}
	point := bytes.IndexByte(digits, '.')
	if point < 0 {
		point = len(digits)
	}
	first := bytes.IndexAny(digits, "123456789")
	switch {
	case first < 0:
		return nil, 0
	case first < point:
		power += point - first - 1
	default:
		power += point - first
	}
	return digits[first:], power
}

// exponent reads what stands after the e. It stops far beyond what the digits
// of a number, which are few, could make up for.
func exponent(text []byte) int {
	const enough = 100 * maxNumber
	digits := bytes.TrimLeft(text, "+-")
	n := 0
	for _, c := range digits {
		n = min(10*n+int(c-'0'), enough)
	}
	if text[0] == '-' {
		return -n
	}
	return n
}
