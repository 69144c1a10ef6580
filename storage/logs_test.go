package storage

import (
	"crypto/rand"
	"crypto/sha256"
	"slices"
	"testing"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/protocoltest"
	"tocsin/protocol/reason"
)

// rangeOf asks for places of a log and numbers the answer by what ids says.
func rangeOf(s *Store, e Entry, from, to uint64) []protocol.RecordID {
	return s.Range(e.Record.Org(), e.Record.Key(), e.Record.Header().Topic, from, to)
}

// TestRange: in order, with gaps, whatever the states; and no publisher's number makes it long.
func TestRange(t *testing.T) {
	s := openMemory(t)
	a := newAuthor(t, "A")
	byPlace := map[uint64]protocol.RecordID{}
	var one Entry
	for i, seq := range []uint64{5, 2, 9, 3, 1 << 62, 7} {
		one = a.entry(draft{leaves: indicators(i, 1), sequence: seq, state: []State{Accepted, Held}[i%2]})
		byPlace[seq] = accept(t, s, one)
	}
	accept(t, s, a.entry(draft{leaves: indicators(50, 1), sequence: 6, topic: topicOf(t, "fraud")}))
	accept(t, s, newAuthor(t, "B").entry(draft{leaves: indicators(51, 1), sequence: 4}))
	holdOne(t, s, byPlace[9], reason.KeyRevoked)
	must(t, s.Reject(t.Context(), byPlace[2], ""))
	for _, c := range []struct {
		from, to uint64
		want     []uint64
	}{
		{0, 1<<64 - 1, []uint64{2, 3, 5, 7, 9, 1 << 62}}, {1, 1 << 62, []uint64{2, 3, 5, 7, 9, 1 << 62}},
		{1, 1<<62 - 1, []uint64{2, 3, 5, 7, 9}}, {3, 9, []uint64{3, 5, 7, 9}}, {4, 8, []uint64{5, 7}}, {3, 3, []uint64{3}},
		{4, 4, nil}, {6, 5, nil}, {0, 0, nil}, {0, 1, nil}, {10, 1<<62 - 1, nil}, {1 << 62, 1 << 62, []uint64{1 << 62}}, {1<<62 + 1, 1<<64 - 1, nil},
	} {
		var want []protocol.RecordID
		for _, seq := range c.want {
			want = append(want, byPlace[seq])
		}
		if got := rangeOf(s, one, c.from, c.to); !slices.Equal(got, want) {
			t.Errorf("places %d to %d: %d records, want %v", c.from, c.to, len(got), c.want)
		}
	}
	if got := s.Range(protocol.OrgID{1}, protocol.KeyID{1}, topicOf(t, "fraud"), 1, 10); got != nil {
		t.Errorf("an unknown log has %v", got)
	}
	must(t, s.Reject(t.Context(), byPlace[9], ""))
	began := time.Now()
	for range 1000 {
		rangeOf(s, one, 0, 1<<64-1)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("1000 times a log of 6 records and 2^62 places take %s", took)
	}
}

// TestRecords lists kinds other than objects by created, through every state and a compaction.
func TestRecords(t *testing.T) {
	dir := t.TempDir()
	s := openDisk(t, dir)
	topic, raw := topicOf(t, "control"), make([]byte, 100)
	put := func(n int, kind protocol.Kind, state State, created time.Time) protocol.RecordID {
		id := protocol.RecordID{byte(n)}
		info := recordInfo{
			org: protocol.OrgID{1}, topic: topic, sequence: uint64(n), kind: kind, created: created, expires: testNow.AddDate(0, 0, n),
			fate: fate{state: state}, stored: stored{100, 50, sha256.Sum256(raw), 0}, source: source{received: testNow},
		}
		p := pack(info, nil, 0)
		must(t, s.do(t.Context(), func() (step, error) { return s.planAccept(arrival{id: id, info: info, packed: p, raw: raw}) }))
		return id
	}
	list := func(kind protocol.Kind, want ...protocol.RecordID) {
		t.Helper()
		if got, err := s.Records(kind); err != nil || !slices.Equal(got, want) {
			t.Errorf("records of kind %d: %v, %v; want %v", kind, got, err, want)
		}
	}
	first := put(9, protocol.KindVouch, Accepted, testNow.Add(-time.Hour))
	late := put(1, protocol.KindVouch, Accepted, testNow.Add(time.Hour))
	tie2, tie1 := put(5, protocol.KindVouch, Held, testNow), put(4, protocol.KindVouch, Accepted, testNow)
	gone := put(3, protocol.KindVouch, Held, testNow)
	fork := put(6, protocol.KindFork, Accepted, testNow)
	unknown := put(7, 4711, Accepted, testNow)
	put(8, protocol.KindObjects, Accepted, testNow)
	holdOne(t, s, late, reason.KeyRevoked)
	must(t, s.Reject(t.Context(), gone, ""))
	for range 3 {
		list(protocol.KindVouch, first, tie1, tie2, late)
		list(protocol.KindFork, fork)
		list(4711, unknown)
		list(protocol.KindAdvisory)
		s.mu.Lock()
		s.tables.compact()
		s.mu.Unlock()
		list(protocol.KindVouch, first, tie1, tie2, late)
		must(t, s.Close())
		s = openDisk(t, dir)
	}
	_, err := s.Records(protocol.KindObjects)
	wantCode(t, err, reason.Internal)
	if n, err := s.Expire(t.Context(), testNow.AddDate(0, 0, 4).Add(time.Hour)); n != 3 || err != nil {
		t.Errorf("%d expired, %v", n, err)
	}
	list(protocol.KindVouch, first, tie2)
}

// TestLogOfTwoOrgs: a record key that two organisations certified has two logs. Neither takes
// a place of the other, moves its head or counts its records, also after a restart (REC-09).
func TestLogOfTwoOrgs(t *testing.T) {
	dir := t.TempDir()
	s := openDisk(t, dir)
	victim, on := newAuthor(t, "Victim"), topicOf(t, "fraud")
	made, err := protocoltest.Found(testNetwork, "Thief", testNow, rand.Reader, func(c *protocol.Certificate) { c.RecordKey = victim.Key.Public() })
	must(t, err)
	made.Key = victim.Key
	thief := &author{made, t}
	squat := thief.entry(draft{leaves: indicators(0, 1), topic: on, expires: testNow.Add(time.Hour)})
	squatted := accept(t, s, squat)
	var ids []protocol.RecordID
	for i := range 3 {
		ids = append(ids, accept(t, s, victim.entry(draft{leaves: indicators(10+i, 1), topic: on})))
	}
	key := victim.Key.Public().ID()
	for range 2 {
		if got, ok := s.At(victim.Org, key, on, 1); !ok || got != ids[0] {
			t.Errorf("place 1 of the victim holds %s", got)
		}
		if got, ok := s.At(thief.Org, key, on, 1); ok && got != squatted {
			t.Errorf("place 1 of the thief holds %s", got)
		}
		if got := s.Range(victim.Org, key, on, 1, 9); !slices.Equal(got, ids) {
			t.Errorf("the victim's log is %v, want %v", got, ids)
		}
		for org, want := range map[protocol.OrgID]uint64{victim.Org: 3, thief.Org: 1} {
			if l, ok := s.Head(org, key, on); !ok || l.Org != org || l.Head != want || l.Count != want {
				t.Errorf("head of %s: %+v, want %d", org, l, want)
			}
		}
		if n := len(s.Logs()); n != 2 {
			t.Errorf("%d logs, want 2", n)
		}
		_, err := s.Expire(t.Context(), testNow.Add(2*time.Hour))
		must(t, err)
		report, err := checkClosed(t, s, dir)
		must(t, err)
		if len(report.Problems) > 0 {
			t.Errorf("problems %q", report.Problems)
		}
		s = openDisk(t, dir)
	}
}
