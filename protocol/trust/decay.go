package trust

import (
	"time"

	"tocsin/protocol/pattern"
)

// one is 1 in the integers of 1/10,000 that all arithmetic here is done in.
const one = 10_000

// halves[k] is 2^(-k/64) in 1/10^9, rounded half up: one halving in 64 steps.
// Between two steps decay goes in a straight line, which is off by less than
// 0.2 of 1/10,000. A table and integers give the same digits on every
// architecture; floating point would not promise that.
var halves = [65]int64{
	1000000000, 989228013, 978572062, 968030897, 957603281, 947287991, 937083817, 926989563,
	917004043, 907126088, 897354538, 887688246, 878126080, 868666918, 859309649, 850053177,
	840896415, 831838290, 822877739, 814013711, 805245166, 796571076, 787990423, 779502200,
	771105413, 762799075, 754582214, 746453864, 738413073, 730458897, 722590403, 714806669,
	707106781, 699489836, 691954941, 684501211, 677127773, 669833762, 662618322, 655480606,
	648419777, 641435008, 634525479, 627690379, 620928906, 614240268, 607623680, 601078366,
	594603558, 588198496, 581862429, 575594615, 569394317, 563260809, 557193371, 551191292,
	545253866, 539380399, 533570200, 527822589, 522136891, 516512440, 510948574, 505444643,
	500000000,
}

// gone is the number of half-lives after which nothing is left: 2^-15 rounds to 0.
const gone = 15

const secondsPerDay = 24 * 60 * 60

// HalfLife is the age at which a claim about this kind of observable counts half.
// Addresses change hands within days, hashes name the same bytes for ever; a
// network and a URL lie near the address, a device, a network's owner and free
// text (names of files, mutexes, registry keys) lie between.
func HalfLife(kind pattern.Type) time.Duration { return time.Duration(halfLife(kind)) * time.Second }

// halfLife is HalfLife in seconds.
func halfLife(kind pattern.Type) int64 {
	switch kind {
	case pattern.IPv4, pattern.IPv6:
		return 4 * secondsPerDay
	case pattern.URL, pattern.CIDR:
		return 7 * secondsPerDay
	case pattern.Domain, pattern.Email:
		return 30 * secondsPerDay
	case pattern.MD5, pattern.SHA1, pattern.SHA256, pattern.SHA512:
		return 365 * secondsPerDay
	}
	return 90 * secondsPerDay
}

// Decay is 2^(-age/half-life) in 1/10,000, rounded half up: 10,000 at age 0 and
// before, 5,000 after one half-life. It counts whole seconds and never rises with age.
func Decay(kind pattern.Type, age time.Duration) int {
	return decay(int64(age/time.Second), halfLife(kind))
}

// decay works in seconds. It never rises with age: the table falls, lines
// between its steps fall, and halving joins one table's end to the next one's start.
func decay(age, half int64) int {
	switch {
	case age <= 0:
		return one
	case age >= gone*half:
		return 0
	}
	// half-lives are whole days, which 64 divides; ages below gone of them fit in 32 bits
	step := half / 64
	k, rest := uint32(age)/uint32(step), uint32(age)%uint32(step)
	from := halves[k%64]
	value := from - (from-halves[k%64+1])*int64(rest)/step
	whole := k / 64
	const unit = 1_000_000_000 / one
	// halving first and dividing then floors the same as one division would
	return int(((value + unit<<whole/2) >> whole) / unit)
}
