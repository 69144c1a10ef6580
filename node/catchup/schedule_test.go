package catchup

import (
	"errors"
	"slices"
	"testing"
	"time"

	"tocsin/protocol"
)

// TestChoose: SYN-18: in order of preference, the last by chance among the rest; who rests or is busy is left out.
func TestChoose(t *testing.T) {
	now := time.Unix(1000, 0)
	list := func(names ...string) (out []candidate) {
		for _, n := range names {
			c := candidate{id: n}
			switch n[0] {
			case 'r':
				c.next = now.Add(time.Second)
			case 'b':
				c.busy = true
			case 'n':
				c.next = now
			}
			out = append(out, c)
		}
		return out
	}
	for _, tt := range []struct {
		list []candidate
		roll int
		want []string
	}{
		{nil, 0, nil},
		{list("a"), 0, []string{"a"}},
		{list("a", "c", "d"), 0, []string{"a", "c", "d"}},
		{list("a", "c", "d", "e"), 0, []string{"a", "c", "d"}},
		{list("a", "c", "d", "e"), 1, []string{"a", "c", "e"}},
		{list("rest", "a", "busy", "now", "d", "e", "f"), 2, []string{"a", "now", "f"}},
		{list("rest", "busy"), 0, nil},
	} {
		got := choose(now, tt.list, roundPeers, func(n int) int {
			if tt.roll >= n {
				t.Errorf("rolled among %d", n)
			}
			return tt.roll
		})
		if !slices.Equal(got, tt.want) {
			t.Errorf("%v with %d: %v, want %v", tt.list, tt.roll, got, tt.want)
		}
	}
}

// TestAfter: SYN-19: nothing but refused ids doubles the rest, up to half an hour; faults rest, too.
func TestAfter(t *testing.T) {
	fault := errors.New("x")
	type visit struct {
		o    outcome
		want time.Duration
	}
	for name, visits := range map[string][]visit{
		"good":        {{outcome{fetched: 5}, 0}, {outcome{}, 0}, {outcome{fetched: 3, refused: 9}, 0}},
		"refused":     {{outcome{refused: 1}, time.Minute}, {outcome{refused: 1}, 2 * time.Minute}, {outcome{refused: 7}, 4 * time.Minute}, {outcome{}, 0}, {outcome{refused: 1}, time.Minute}},
		"known":       {{outcome{skipped: manySkipped}, 0}, {outcome{skipped: manySkipped + 1}, time.Minute}, {outcome{skipped: manySkipped + 1}, 2 * time.Minute}, {outcome{skipped: 1 << 20, fetched: 1}, 0}},
		"at most":     {{outcome{refused: 1}, time.Minute}, {outcome{refused: 1}, 2 * time.Minute}, {outcome{refused: 1}, 4 * time.Minute}, {outcome{refused: 1}, 8 * time.Minute}, {outcome{refused: 1}, 16 * time.Minute}, {outcome{refused: 1}, 30 * time.Minute}, {outcome{refused: 1}, 30 * time.Minute}},
		"faults":      {{outcome{err: fault}, 30 * time.Second}, {outcome{err: fault}, time.Minute}, {outcome{}, 0}, {outcome{err: fault}, 30 * time.Second}},
		"unsupported": {{outcome{unsupported: true}, failedMost}},
	} {
		var h history
		for i, v := range visits {
			if got := h.after(v.o); got != v.want {
				t.Errorf("%s: after visit %d %v, want %v", name, i, got, v.want)
			}
		}
	}
	h := history{}
	for range 200 {
		if d := h.after(outcome{err: fault}); d > failedMost {
			t.Fatalf("rests %v", d)
		}
	}
}

// TestStretch: SYN-18: equal rounds come less often, a difference brings them back.
func TestStretch(t *testing.T) {
	for _, tt := range []struct {
		last time.Duration
		o    outcome
		want time.Duration
	}{
		{roundEvery, outcome{inTurn: true}, time.Minute},
		{time.Minute, outcome{inTurn: true}, 2 * time.Minute},
		{2 * time.Minute, outcome{inTurn: true}, 2 * time.Minute},
		{roundEvery, outcome{}, roundEvery},
		{time.Minute, outcome{}, time.Minute},
		{2 * time.Minute, outcome{fetched: 1}, roundEvery},
		{2 * time.Minute, outcome{refused: 1}, roundEvery},
		{2 * time.Minute, outcome{lacks: true}, roundEvery},
		{2 * time.Minute, outcome{err: errLies}, roundEvery},
		{roundEvery, outcome{fetched: 1, left: true}, roundSoon},
		{roundEvery, outcome{left: true}, roundEvery},
	} {
		if got := stretch(tt.last, tt.o); got != tt.want {
			t.Errorf("%v after %+v: %v, want %v", tt.last, tt.o, got, tt.want)
		}
	}
}

// TestInOrder: SYN-07: control, then by name, each once.
func TestInOrder(t *testing.T) {
	topic := func(name string) protocol.Topic {
		v, err := protocol.ParseTopic(name)
		check(t, err)
		return v
	}
	got := inOrder([]protocol.Topic{topic("fraud"), topic("drill"), protocol.TopicControl, topic("abusive-content"), topic("fraud")})
	if want := []protocol.Topic{protocol.TopicControl, topic("abusive-content"), topic("drill"), topic("fraud")}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// TestInflight: SYN-16: an id is asked for by one session at a time; what one gives up, drips or leaves goes to another.
func TestInflight(t *testing.T) {
	f := newInflight()
	ids := make([]protocol.RecordID, 10)
	for i := range ids {
		ids[i][0] = byte(i + 1)
	}
	a, b := new(session), new(session)
	la, lb := f.add(ids), f.add(ids)
	first, _ := f.take(a, la, 4)
	second, _ := f.take(b, lb, 100)
	if len(first) != 4 || len(second) != 6 {
		t.Fatalf("a has %d, b %d", len(first), len(second))
	}
	if more, left := f.take(b, lb, 100); len(more) != 0 || !left {
		t.Errorf("b gets %d more, left %v", len(more), left)
	}
	a.clock.total.Store(int64(stealAfter) - 1)
	if more, _ := f.take(b, lb, 100); len(more) != 0 {
		t.Errorf("b steals %d before the time", len(more))
	}
	a.clock.total.Store(int64(stealAfter))
	f.done(ids[0])
	if more, left := f.take(b, lb, 2); len(more) != 2 || !left || slices.Contains(more, ids[0]) {
		t.Errorf("b steals %v, left %v", more, left)
	}
	f.giveUp(b, lb, ids[1])
	if f.count() != 9 {
		t.Errorf("%d wanted; what b's peer lacks a's may have", f.count())
	}
	f.leave(b, lb)
	if more, _ := f.take(a, la, 100); len(more) != 6 { // what was stolen a has asked for before
		t.Errorf("a gets %d of what b left", len(more))
	}
	f.leave(a, la)
	if f.count() != 0 {
		t.Errorf("%d wanted and nobody to ask", f.count())
	}
}
