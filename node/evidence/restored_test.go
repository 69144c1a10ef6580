package evidence

import (
	"crypto/rand"
	"os"
	"strings"
	"testing"
	"time"

	"tocsin/node/audit"
	"tocsin/node/p2p"
	"tocsin/protocol"
	"tocsin/protocol/protocoltest"
)

// EVD-06, EVD-15: an honest node that comes back from a backup is not accused by a witness that saw more of its log: it shows another log,
// which is cosigned, and both logs stay as they were witnessed.
func TestRestoredMakerIsNotAccused(t *testing.T) {
	w := newWorld(t)
	w.write(5)
	backup, err := os.ReadFile(w.path("audit.log"))
	ok(t, err)
	w.write(20)
	_, err = w.cosigner.Now(t.Context())
	ok(t, err)
	held := w.witness.List()[0]
	w.reopen(func() {
		ok(t, os.WriteFile(w.path("audit.log"), backup, 0o600))
		ok(t, os.Remove(w.path("checkpoints")))
		l, err := audit.Open(w.path("audit.log"))
		ok(t, err)
		_, err = l.Restored("backup", time.Now())
		ok(t, err)
		ok(t, l.Close())
	})
	for range 2 {
		w.write(3)
		cp, err := w.cosigner.Now(t.Context())
		if err != nil || len(cp.Cosignatures) != 1 {
			t.Fatalf("not cosigned: %v", err)
		}
	}
	w.quiet()
	list := w.witness.List()
	if len(list) != 2 || list[0].Note != held.Note && list[1].Note != held.Note {
		t.Errorf("held: %+v", list)
	}
	if told, err := w.log.Last(5, audit.Filter{Action: actionNewLog}); err != nil || len(told) != 1 {
		t.Errorf("the witness's operator is told of the new log %d times, %v", len(told), err)
	}
}

// EVD-14: a witness that comes back from a backup does not know what it cosigned since, so with the key that it had it cosigns
// nothing: neither a log that it knew an older state of, nor one that it forgot. With a new key it goes on, and never with the old one.
func TestRestoredWitnessKeepsItsWord(t *testing.T) {
	w := newWorld(t)
	w.write(3)
	w.answer(w.shown(0))
	backup, err := os.ReadFile(w.path("witness.json"))
	ok(t, err)
	w.write(10)
	if a := w.answer(w.shown(3)); a.Code != p2p.WitnessCosigned {
		t.Fatalf("%+v", a)
	}
	for name, state := range map[string][]byte{"older": backup, "none": nil} {
		ok(t, os.Remove(w.path("witness.json")))
		old := uint64(0)
		if state != nil {
			old = 3
			ok(t, os.WriteFile(w.path("witness.json"), state, 0o600))
		}
		ok(t, WitnessRestored(w.path("witness.json")))
		for range 2 { // the mark outlives a start
			w.witness = w.openWitness()
			if a := w.answer(w.shown(old)); a.Code != p2p.WitnessRefused {
				t.Errorf("%s: with the old key: %+v", name, a)
			}
		}
		used := w.friend.Key
		w.friend.Key = otherKey(t)
		if a := w.answer(w.shown(old)); a.Code != p2p.WitnessCosigned {
			t.Errorf("%s: with a new key: %+v", name, a)
		}
		w.witness = w.openWitness()
		w.friend.Key = used
		if a := w.answer(w.shown(13)); a.Code != p2p.WitnessRefused {
			t.Errorf("%s: with the old key again: %+v", name, a)
		}
	}
}

// EVD-14: a mark that cannot be read stays as it is, and nothing is cosigned with any key; the node starts.
func TestDamagedMarkCosignsNothing(t *testing.T) {
	w := newWorld(t)
	w.write(3)
	mark := markPath(w.path("witness.json"))
	for n, bad := range []string{"{", "", "null", "{}", `{"keys":[]}`, `{"keys":["x"]}`} {
		ok(t, os.WriteFile(mark, []byte(bad), 0o600))
		w.witness = w.openWitness()
		if a := w.answer(w.shown(0)); a.Code != p2p.WitnessRefused {
			t.Errorf("mark %d: %+v", n, a)
		}
		if raw, err := os.ReadFile(mark); err != nil || string(raw) != bad {
			t.Errorf("mark %d was written: %q, %v", n, raw, err)
		}
		if said := w.damaged(); len(said) != n+1 || !strings.Contains(said[0], "witness.json.restored: nothing is cosigned") {
			t.Errorf("mark %d: said %q", n, said)
		}
	}
	ok(t, os.Remove(mark))
	w.witness = w.openWitness()
	if a := w.answer(w.shown(0)); a.Code != p2p.WitnessCosigned {
		t.Errorf("without the mark: %+v", a)
	}
}

func otherKey(t *testing.T) *protocol.PrivateKey {
	t.Helper()
	a, err := protocoltest.Found(network, "Friend", time.Now(), rand.Reader)
	ok(t, err)
	return a.Key
}
