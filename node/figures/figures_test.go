package figures

import (
	"testing"
	"time"
)

func TestCount(t *testing.T) {
	for want, got := range map[string]string{
		"0 objects":       Count(0, "object"),
		"1 object":        Count(1, "object"),
		"-1 objects":      Count(-1, "object"),
		"999 records":     Count(999, "record"),
		"1,000 records":   Count(1000, "record"),
		"-12,345 records": Count(-12345, "record"),
		"1 entry":         Count(1, "entry"),
		"2 entries":       Count(2, "entry"),
		"2 days":          Count(2, "day"),
		"2 keys":          Count(2, "key"),
		"2 more opinions": Count(2, "more opinion"),
		"-100":            Grouped(-100),
		"1,234,567":       Grouped(1234567),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestBytes(t *testing.T) {
	for n, want := range map[int64]string{
		-5: "0 bytes", 0: "0 bytes", 1: "1 byte", 1023: "1,023 bytes", 1024: "1 KiB", 1536: "1.5 KiB", 10<<10 - 1: "9.9 KiB",
		212992: "208 KiB", 1<<20 - 1: "1,023 KiB", 7 << 20: "7 MiB", 7500000: "7.1 MiB", 5 << 30: "5 GiB", 11 << 30: "11 GiB", 3 << 40: "3 TiB",
	} {
		if got := Bytes(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Hour: "0 s", 999 * time.Millisecond: "0 s", 59*time.Second + 999*time.Millisecond: "59 s", time.Minute: "1 min", time.Hour - 1: "59 min",
		time.Hour: "1 h", 48*time.Hour - 1: "47 h", 48 * time.Hour: "2 d", 400 * 24 * time.Hour: "400 d",
	} {
		if got := Span(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}
