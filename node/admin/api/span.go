package api

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// ParseSpan reads a duration as commands and requests write it, with days and weeks too: 14d, 2w, 36h, 90s.
func ParseSpan(text string) (time.Duration, error) {
	for unit, length := range map[string]time.Duration{"d": 24 * time.Hour, "w": 7 * 24 * time.Hour} {
		number, ok := strings.CutSuffix(text, unit)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(number, 10, 16)
		if err != nil || time.Duration(n) > math.MaxInt64/length {
			return 0, fmt.Errorf("want a number of days or weeks before %q, of less than 292 years", unit)
		}
		return time.Duration(n) * length, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, errors.New("want a span such as 14d, 36h or 90s")
	}
	return d, nil
}
