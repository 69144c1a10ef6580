package outbox

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tocsin/protocol"
)

func reservations(t *testing.T, path string) *Reservations {
	t.Helper()
	r, err := OpenReservations(path)
	check(t, err)
	return r
}

// sign notes places 1 to n of a log as the outbox does; the last one is in the store or was on its way there.
func sign(t *testing.T, r *Reservations, key protocol.KeyID, on protocol.Topic, n uint64) {
	t.Helper()
	for at := uint64(1); at <= n; at++ {
		check(t, r.Reserve(key, on, at, []byte{byte(at)}))
		if at < n {
			r.Stored(key)
		}
	}
}

// TestReservations: what a start makes of a log of a given length, after a clean stop and after a kill.
func TestReservations(t *testing.T) {
	fraud := topic(t, "fraud")
	key := protocol.KeyID{7}
	for _, c := range []struct {
		name     string
		signed   uint64 // places filled
		clean    bool
		head     uint64 // what the store has at the next start
		restored bool
	}{
		{"nothing signed", 0, false, 0, false},
		{"first record lost by the kill itself", 1, false, 0, false},
		{"killed", 3, false, 3, false},
		{"killed before the last record was stored", 3, false, 2, false},
		{"killed, and two records lost", 3, false, 1, true},
		{"killed, and the whole store lost", 900, false, 0, true},
		{"killed, and the store rolled back", 900, false, 500, true},
		{"clean", 3, true, 3, false},
		{"clean, restored by one record", 3, true, 2, true},
		{"clean, file older than the store", 3, true, 4, false},
	} {
		path := filepath.Join(t.TempDir(), "reserved.json")
		r := reservations(t, path)
		if c.signed > 20 {
			check(t, r.Reserve(key, fraud, c.signed-1, nil))
			r.Stored(key)
			check(t, r.Reserve(key, fraud, c.signed, nil))
		} else {
			sign(t, r, key, fraud, c.signed)
		}
		if c.clean {
			check(t, r.Settle(key, []protocol.Head{{Key: key, Topic: fraud, Sequence: c.signed}}))
		}
		again := reservations(t, path)
		at, behind := again.Behind(key, func(protocol.Topic) uint64 { return c.head })
		if behind != c.restored || behind && at != fraud {
			t.Errorf("%s: behind %v on %s", c.name, behind, at)
		}
		if p := again.Pending(key); (p != nil) != (c.signed > 0 && !c.clean) || p != nil && p.Sequence != c.signed {
			t.Errorf("%s: pending %+v", c.name, p)
		}
		if _, behind := again.Behind(protocol.KeyID{8}, func(protocol.Topic) uint64 { return 0 }); behind {
			t.Errorf("%s: another key is behind", c.name)
		}
	}
}

// TestReservationsOfBlocks: a file of an earlier version, which noted a thousand places at a time.
func TestReservationsOfBlocks(t *testing.T) {
	key, fraud := protocol.KeyID{7}, topic(t, "fraud")
	for text, least := range map[string]uint64{`"up_to":1000`: 1, `"up_to":2000`: 1000, `"up_to":5,"exact":true`: 5} {
		path := filepath.Join(t.TempDir(), "reserved.json")
		check(t, os.WriteFile(path, []byte(`{"`+key.String()+`":{"topics":{"`+fraud.String()+`":{`+text+`}}}}`), 0o600))
		r := reservations(t, path)
		for head, want := range map[uint64]bool{least - 1: true, least: false} {
			if _, behind := r.Behind(key, func(protocol.Topic) uint64 { return head }); behind != want {
				t.Errorf("%s, head %d: behind %v", text, head, behind)
			}
		}
	}
}

// TestReservationsOfManyTopics: the end of a log stays noted when another log goes on, and the last body does not stay for ever.
func TestReservationsOfManyTopics(t *testing.T) {
	path := filepath.Join(t.TempDir(), "reserved.json")
	key, fraud, control := protocol.KeyID{7}, topic(t, "fraud"), protocol.TopicControl
	r := reservations(t, path)
	sign(t, r, key, fraud, 5)
	r.Stored(key)
	check(t, r.Reserve(key, control, 1, []byte("refused")))
	r.Refused(key)
	check(t, r.Reserve(key, control, 1, []byte("body")))
	r.Stored(key)
	check(t, r.Drop(key))
	again := reservations(t, path)
	for lost, head := range map[protocol.Topic]map[protocol.Topic]uint64{
		fraud: {fraud: 4, control: 1}, control: {fraud: 5}, {}: {fraud: 5, control: 1},
	} {
		if at, _ := again.Behind(key, func(t protocol.Topic) uint64 { return head[t] }); at != lost {
			t.Errorf("heads %v: behind on %q", head, at)
		}
	}
	if again.Pending(key) != nil {
		t.Error("the body is still there")
	}
}

// TestReservationsFailClosed: what could not be noted is not reserved.
func TestReservationsFailClosed(t *testing.T) {
	dir := t.TempDir()
	r := reservations(t, filepath.Join(dir, "gone", "reserved.json"))
	for range 2 {
		if err := r.Reserve(protocol.KeyID{7}, topic(t, "fraud"), 1, nil); err == nil {
			t.Fatal("reserved without a file")
		}
	}
	if err := r.Stop(protocol.KeyID{7}, "why"); err == nil {
		t.Error("stopped without a file")
	}
}

func TestReservationsStop(t *testing.T) {
	path := filepath.Join(t.TempDir(), "reserved.json")
	key := protocol.KeyID{7}
	r := reservations(t, path)
	check(t, r.Reserve(key, topic(t, "fraud"), 1, nil))
	check(t, r.Stop(key, "restored"))
	check(t, r.Settle(key, []protocol.Head{{Key: key, Topic: topic(t, "fraud"), Sequence: 1}}))
	again := reservations(t, path)
	if again.Stopped(key) != "restored" || again.Stopped(protocol.KeyID{8}) != "" {
		t.Errorf("stopped: %q", again.Stopped(key))
	}
	check(t, again.Forget(key))
	if reservations(t, path).Stopped(key) != "" {
		t.Error("a key that is gone is still stopped")
	}
}

// TestReservationsRestored: a restore speaks against whatever key is there, until another one signs.
func TestReservationsRestored(t *testing.T) {
	path := filepath.Join(t.TempDir(), "reserved.json")
	key := protocol.KeyID{7}
	r := reservations(t, path)
	check(t, r.Reserve(key, topic(t, "fraud"), 1, nil))
	check(t, r.Settle(key, []protocol.Head{{Key: key, Topic: topic(t, "fraud"), Sequence: 1}}))
	check(t, r.Restore("from a backup"))
	check(t, reservations(t, path).Stop(key, "no new key"))
	again := reservations(t, path)
	if again.Restored() != "from a backup" || again.Stopped(key) != "no new key" || again.Stopped(protocol.KeyID{8}) != "" {
		t.Errorf("restored: %q, stopped: %q", again.Restored(), again.Stopped(key))
	}
	check(t, again.Forget(key))
	if why := reservations(t, path).Restored(); why != "" {
		t.Errorf("still restored: %q", why)
	}
}

// TestReservationsDamaged: whatever was in a damaged file, nobody signs on as if it had said nothing, at this start or a later one.
func TestReservationsDamaged(t *testing.T) {
	good := filepath.Join(t.TempDir(), "reserved.json")
	key := protocol.KeyID{7}
	r := reservations(t, good)
	sign(t, r, key, topic(t, "fraud"), 3)
	check(t, r.Stop(key, "the key log went on elsewhere"))
	whole, err := os.ReadFile(good)
	check(t, err)
	texts := []string{"", "{", "null", `{"x":null}`, `[]`, strings.Repeat(" ", maxReserveFile+1), string(whole[:len(whole)/2])}
	for at := range whole {
		flipped := bytes.Clone(whole)
		flipped[at] ^= 1 << (at % 8)
		if keys, err := parseReservations(flipped); err == nil {
			t.Errorf("with a flipped bit in byte %d it says %v", at, keys)
		}
	}
	for _, text := range texts {
		path := filepath.Join(t.TempDir(), "reserved.json")
		check(t, os.WriteFile(path, []byte(text), 0o600))
		for range 2 { // again, when the file has been put aside
			if reservations(t, path).Restored() == "" {
				t.Errorf("%.40q is taken for sound", text)
			}
		}
		if _, err := os.Stat(path + ".damaged"); err != nil {
			t.Errorf("%.10q is not kept aside: %v", text, err)
		}
	}
}
