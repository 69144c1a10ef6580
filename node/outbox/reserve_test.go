package outbox

import (
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
		{"killed in the first block", 3, false, 3, false},
		{"killed in the second block", 1002, false, 1002, false},
		{"killed before the second block's first record was stored", 1001, false, 1000, false},
		{"restored from before the second block", 1001, false, 999, true},
		{"restored to nothing", 1001, false, 0, true},
		{"clean", 3, true, 3, false},
		{"clean, restored by one record", 3, true, 2, true},
		{"clean, file older than the store", 3, true, 4, false},
	} {
		path := filepath.Join(t.TempDir(), "reserved.json")
		r := reservations(t, path)
		for n := uint64(1); n <= c.signed; n++ {
			check(t, r.Reserve(key, fraud, n))
		}
		if c.clean {
			check(t, r.Settle(key, []protocol.Head{{Key: key, Topic: fraud, Sequence: c.signed}}))
		}
		again := reservations(t, path)
		at, behind := again.Behind(key, func(protocol.Topic) uint64 { return c.head })
		if behind != c.restored || behind && at != fraud {
			t.Errorf("%s: behind %v on %s", c.name, behind, at)
		}
		if _, behind := again.Behind(protocol.KeyID{8}, func(protocol.Topic) uint64 { return 0 }); behind {
			t.Errorf("%s: another key is behind", c.name)
		}
		// A stop after a clean one is judged by blocks again.
		if c.clean && !c.restored {
			check(t, again.Reserve(key, fraud, c.head+1))
			if _, behind := reservations(t, path).Behind(key, func(protocol.Topic) uint64 { return c.head }); behind {
				t.Errorf("%s: behind after the next start", c.name)
			}
		}
	}
}

// TestReservationsWriteRarely: a block costs one write, so that it costs nothing to sign.
func TestReservationsWriteRarely(t *testing.T) {
	path := filepath.Join(t.TempDir(), "reserved.json")
	r := reservations(t, path)
	writes := 0
	for n := uint64(1); n <= 3*reserveBlock; n++ {
		check(t, os.RemoveAll(path))
		check(t, r.Reserve(protocol.KeyID{7}, topic(t, "fraud"), n))
		if _, err := os.Stat(path); err == nil {
			writes++
		}
	}
	if writes != 3 {
		t.Errorf("%d writes for three blocks", writes)
	}
}

// TestReservationsFailClosed: what could not be noted is not reserved.
func TestReservationsFailClosed(t *testing.T) {
	dir := t.TempDir()
	r := reservations(t, filepath.Join(dir, "gone", "reserved.json"))
	for range 2 {
		if err := r.Reserve(protocol.KeyID{7}, topic(t, "fraud"), 1); err == nil {
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
	check(t, r.Reserve(key, topic(t, "fraud"), 1))
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
	check(t, r.Reserve(key, topic(t, "fraud"), 1))
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
	damaged := filepath.Join(t.TempDir(), "reserved.json")
	check(t, os.WriteFile(damaged, []byte("{"), 0o600))
	check(t, reservations(t, damaged).Restore("why"))
	if reservations(t, damaged).Restored() != "why" {
		t.Error("a damaged file forgets the restore")
	}
}

func TestReservationsDamaged(t *testing.T) {
	for _, text := range []string{"", "{", `{"x":null}`, `[]`, strings.Repeat(" ", maxReserveFile+1)} {
		path := filepath.Join(t.TempDir(), "reserved.json")
		check(t, os.WriteFile(path, []byte(text), 0o600))
		r := reservations(t, path)
		check(t, r.Reserve(protocol.KeyID{7}, topic(t, "fraud"), 1))
		if _, err := os.Stat(path + ".damaged"); err != nil {
			t.Errorf("%.10q is not kept aside: %v", text, err)
		}
	}
}
