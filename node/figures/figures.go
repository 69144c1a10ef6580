// Package figures writes counts, sizes and durations for people, so that one quantity reads the same wherever it is
// shown. What programs read (JSON, metrics, files) has plain numbers and does not come from here.
package figures

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Count writes a number with its noun, which is plural unless it is one: "1 entry", "1,240 objects".
func Count(n int, noun string) string {
	if n != 1 {
		noun = plural(noun)
	}
	return Grouped(n) + " " + noun
}

// plural knows the nouns that are counted here: all are regular.
func plural(noun string) string {
	if stem, ok := strings.CutSuffix(noun, "y"); ok && !strings.ContainsAny(stem[max(len(stem)-1, 0):], "aeou") {
		return stem + "ies"
	}
	return noun + "s"
}

// Grouped writes a number with a comma before each three digits.
func Grouped(n int) string {
	digits := strconv.Itoa(n)
	var out strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 && digits[i-1] != '-' {
			out.WriteByte(',')
		}
		out.WriteRune(d)
	}
	return out.String()
}

// Bytes writes a size in its largest fitting unit, with one digit behind the point below ten. Sizes are cut, not
// rounded up: what is said to be free is there.
func Bytes(n int64) string {
	for _, u := range []struct {
		name string
		size int64
	}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		whole, tenth := n/u.size, n%u.size*10/u.size
		switch {
		case whole >= 10, whole > 0 && tenth == 0:
			return Grouped(int(whole)) + " " + u.name
		case whole > 0:
			return fmt.Sprintf("%d.%d %s", whole, tenth, u.name)
		}
	}
	return Count(int(max(n, 0)), "byte")
}

// Span writes a duration in its largest fitting unit, hours up to two days. A negative one is none.
func Span(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", max(0, int(d/time.Second)))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d/time.Minute))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d/time.Hour))
	}
	return fmt.Sprintf("%d d", int(d/(24*time.Hour)))
}
