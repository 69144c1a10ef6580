package trust

import "slices"

// key is a voice in its order: 2 bits of class, 24 of group, 24 of index.
type key uint64

const (
	voiceBits = 24
	groupBits = 24
)

func (v *voice) key(i int) key {
	return key(v.class)<<(groupBits+voiceBits) | key(v.group)<<voiceBits | key(i)
}

// voice is the index of the voice.
func (k key) voice() int { return int(k & (1<<voiceBits - 1)) }

// seat is class and group: voices of one seat count as one.
func (k key) seat() key { return k >> voiceBits }

// arrange puts the voices in order and leaves of each group the strongest one. Of the
// strangers it keeps how strong the strongest is; who that is, terms finds out.
func (t *tally) arrange() {
	t.order = make([]key, 0, len(t.voices))
	for i := range t.voices {
		switch v := &t.voices[i]; {
		case v.why != counts:
		case v.class != strange:
			t.order = append(t.order, v.key(i))
		default:
			t.stranger = max(t.stranger, v.v)
			v.why = weakerStranger
		}
	}
	t.order = ordered(t.order)
	for rest := t.order; len(rest) > 0; {
		n := run(rest)
		t.lead(rest[:n])
		rest = rest[n:]
	}
}

// run is how many keys at the start share a seat.
func run(keys []key) int {
	n := 1
	for n < len(keys) && keys[n].seat() == keys[0].seat() {
		n++
	}
	return n
}

// lead leaves the strongest voice of a group; among voices of one strength what they
// say decides, not the order in which they came.
func (t *tally) lead(group []key) {
	best := group[0].voice()
	for _, k := range group[1:] {
		i := k.voice()
		if t.strength(i, best) < 0 {
			i, best = best, i
		}
		t.voices[i].why = weaker
	}
}

// name lets the strongest stranger count, for explanations; the scores know its strength already.
func (t *tally) name() {
	best := -1
	for i := range t.voices {
		if t.voices[i].why == weakerStranger && (best < 0 || t.strength(i, best) < 0) {
			best = i
		}
	}
	if best >= 0 {
		t.voices[best].why = counts
	}
}

// ordered sorts keys by seat. Many are sorted by digits of 8 bits, from the lowest that
// differs up, in a fraction of the time that comparing takes.
func ordered(keys []key) []key {
	const few = 64
	if len(keys) < few {
		slices.Sort(keys)
		return keys
	}
	differ := key(0)
	for _, k := range keys {
		differ |= k ^ keys[0]
	}
	to := make([]key, len(keys))
	for shift := voiceBits; differ>>shift != 0; shift += 8 {
		if differ>>shift&0xff == 0 {
			continue
		}
		var next [256]int32
		for _, k := range keys {
			next[k>>shift&0xff]++
		}
		sum := int32(0)
		for digit, n := range next {
			next[digit] = sum
			sum += n
		}
		for _, k := range keys {
			digit := k >> shift & 0xff
			to[next[digit]] = k
			next[digit]++
		}
		keys, to = to, keys
	}
	return keys
}
