package bundle

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"tocsin/protocol/reason"
)

// Ranges is a set of numbers from 1 as ascending runs that do not touch.
type Ranges [][2]uint64

// With gives the set with a number in it.
func (r Ranges) With(n uint64) Ranges {
	i := 0
	for i < len(r) && r[i][1]+1 < n {
		i++
	}
	switch {
	case i == len(r) || n+1 < r[i][0]:
		return slices.Insert(slices.Clone(r), i, [2]uint64{n, n})
	case n >= r[i][0] && n <= r[i][1]:
		return r
	}
	out := slices.Clone(r)
	out[i] = [2]uint64{min(out[i][0], n), max(out[i][1], n)}
	if i+1 < len(out) && out[i][1]+1 == out[i+1][0] {
		out[i][1] = out[i+1][1]
		out = slices.Delete(out, i+1, i+2)
	}
	return out
}

// Has reports whether a number is in the set.
func (r Ranges) Has(n uint64) bool {
	return slices.ContainsFunc(r, func(run [2]uint64) bool { return n >= run[0] && n <= run[1] })
}

// Len counts the numbers.
func (r Ranges) Len() (n uint64) {
	for _, run := range r {
		n += run[1] - run[0] + 1
	}
	return n
}

// Last is the highest number, 0 in an empty set.
func (r Ranges) Last() uint64 {
	if len(r) == 0 {
		return 0
	}
	return r[len(r)-1][1]
}

// Lacks gives what is missing of the numbers from 1 to last.
func (r Ranges) Lacks(last uint64) (out Ranges) {
	next := uint64(1)
	for _, run := range r {
		if run[0] > last {
			break
		}
		if run[0] > next {
			out = append(out, [2]uint64{next, run[0] - 1})
		}
		next = run[1] + 1
	}
	if next <= last {
		out = append(out, [2]uint64{next, last})
	}
	return out
}

// String gives numbers and runs with commas between them: 17,33-35.
func (r Ranges) String() string {
	parts := make([]string, len(r))
	for i, run := range r {
		parts[i] = strconv.FormatUint(run[0], 10)
		if run[1] > run[0] {
			parts[i] += "-" + strconv.FormatUint(run[1], 10)
		}
	}
	return strings.Join(parts, ",")
}

// maxRuns bounds the runs that are read or kept.
const maxRuns = 1_000

// ParseGaps reads what never came of a series, as a receiver prints it (BND-12): the series' short name and the numbers.
func ParseGaps(text string) (series string, r Ranges, err error) {
	bad := reason.New(reason.UsageInvalid, fmt.Sprintf("read gaps %.80q: want such as 1f2e3d4c:17,33-35", text))
	series, list, ok := strings.Cut(strings.Join(strings.Fields(text), ""), ":")
	if !ok || len(series) != 8 || strings.Trim(series, "0123456789abcdef") != "" || strings.Count(list, ",") >= maxRuns {
		return "", nil, bad
	}
	for part := range strings.SplitSeq(list, ",") {
		from, to, isRun := strings.Cut(part, "-")
		a, err := strconv.ParseUint(from, 10, 53)
		b := a
		if isRun && err == nil {
			b, err = strconv.ParseUint(to, 10, 53)
		}
		if err != nil || a == 0 || b < a || a <= r.Last() {
			return "", nil, bad
		}
		r = append(r, [2]uint64{a, b})
	}
	return series, r, nil
}
