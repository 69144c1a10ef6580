package top

import (
	"strings"
	"time"

	"tocsin/node/admin/api"
)

// samples is how many looks are remembered: a minute of them.
const samples = 60

// traffic remembers the counters of the last minute.
type traffic struct {
	at     []time.Time
	counts []map[string]api.Topic
}

// add remembers a look. Counters that went back are those of a node that began anew: what was before says nothing then.
func (t *traffic) add(at time.Time, topics []api.Topic) {
	now := make(map[string]api.Topic, len(topics))
	for _, topic := range topics {
		now[topic.Name] = topic
	}
	if n := len(t.counts); n > 0 {
		for name, before := range t.counts[n-1] {
			if after, ok := now[name]; ok && (after.Received < before.Received || after.Rejected < before.Rejected || after.Ignored < before.Ignored) {
				*t = traffic{}
				break
			}
		}
	}
	t.at, t.counts = append(t.at, at), append(t.counts, now)
	if len(t.at) > samples {
		t.at, t.counts = t.at[1:], t.counts[1:]
	}
}

// perMinute is how much of something came, over what is remembered; ok is false before there are two looks.
func (t *traffic) perMinute(topic string, what func(api.Topic) uint64) (rate float64, ok bool) {
	last := len(t.at) - 1
	if last < 1 {
		return 0, false
	}
	d := t.at[last].Sub(t.at[0]).Minutes()
	if d <= 0 {
		return 0, false
	}
	return float64(t.sum(last, topic, what)-t.sum(0, topic, what)) / d, true
}

// sum is a counter at a look, of one topic or ("") of all.
func (t *traffic) sum(i int, topic string, what func(api.Topic) uint64) int64 {
	if topic != "" {
		return int64(what(t.counts[i][topic]))
	}
	n := int64(0)
	for _, c := range t.counts[i] {
		n += int64(what(c))
	}
	return n
}

// curve draws what came between looks, the newest at the right, on a scale of its own highest.
func (t *traffic) curve(width int) string {
	var steps []int64
	highest := int64(0)
	for i := max(1, len(t.at)-width); i < len(t.at); i++ {
		d := max(0, t.sum(i, "", received)-t.sum(i-1, "", received))
		steps, highest = append(steps, d), max(highest, d)
	}
	levels := []rune("▁▂▃▄▅▆▇█")
	var out strings.Builder
	for _, s := range steps {
		n := 0
		if highest > 0 {
			n = int(s * int64(len(levels)-1) / highest)
		}
		out.WriteRune(levels[n])
	}
	return out.String()
}

func received(t api.Topic) uint64 { return t.Received }
func rejected(t api.Topic) uint64 { return t.Rejected }
