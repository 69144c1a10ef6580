package evidence

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tocsin/node/audit"
	"tocsin/node/p2p"
	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// damaged are the files that the audit log says were damaged, with what it says.
func (w *world) damaged() (out []string) {
	w.t.Helper()
	entries, err := w.log.Last(20, audit.Filter{Action: audit.ActionDamaged, Text: audit.ActionDamaged})
	ok(w.t, err)
	for _, e := range entries {
		out = append(out, e.Target+": "+e.Reason)
	}
	return out
}

// One flipped bit keeps no node from starting. In the header of the facts it costs none of them.
func TestFlippedBitInAHeader(t *testing.T) {
	w := newWorld(t)
	ids := w.publish(3, when, "local")
	w.follow()
	told := Fact{ids[0], when.AddDate(0, 0, -1), "bundle", protocol.OrgID{7}}
	ok(t, w.book.Told(t.Context(), []Fact{told}))
	_, err := w.book.Commit(t.Context())
	ok(t, err)
	for n, at := range []int64{2, 60} {
		w.reopen(func() {
			flip(t, w.path(ownFile), at)
			flip(t, w.path(toldFile), at)
		})
		if said := w.damaged(); len(said) != 2*(n+1) || !strings.Contains(said[0]+said[1], "header") {
			t.Errorf("said: %q", said)
		}
		if err := w.book.Damage(); reason.Of(err) != reason.StateDamaged {
			t.Errorf("damage: %v", err)
		}
		if own, told, committed := w.book.Counts(); own != 3 || told != 1 || committed != 3 {
			t.Errorf("%d facts, %d of others, %d committed to", own, told, committed)
		}
		w.reopen(func() {}) // in order by now
		if err := w.book.Damage(); err != nil || len(w.damaged()) != 2*(n+1) {
			t.Errorf("said again: %v", err)
		}
	}
	if left, err := filepath.Glob(w.path("*.damaged-*")); err != nil || len(left) > 0 {
		t.Errorf("put aside: %v", left)
	}
}

// What is no file of facts is kept beside, and the facts begin anew: of records that the store holds, with its times.
func TestFactsThatAreNone(t *testing.T) {
	w := newWorld(t)
	ids := w.publish(3, when, "local")
	w.follow()
	other := strings.Repeat("something else that stood there. ", 50)
	w.reopen(func() {
		ok(t, os.WriteFile(w.path(ownFile), []byte(other), 0o600))
		ok(t, os.WriteFile(w.path(toldFile), []byte(other), 0o600))
	})
	for _, name := range []string{ownFile, toldFile} {
		if raw, err := os.ReadFile(w.path(name) + ".damaged-1"); err != nil || string(raw) != other {
			t.Errorf("%s is not kept: %v", name, err)
		}
	}
	if said := w.damaged(); len(said) != 2 || !strings.Contains(said[0], ".damaged-1") {
		t.Errorf("said: %q", said)
	}
	if _, err := os.Stat(w.path(cursorFile)); err == nil {
		t.Error("what is followed goes on behind records that have no fact any more")
	}
	w.follow()
	for _, id := range ids {
		if got := w.book.Facts(id); len(got) != 1 || !got[0].Seen.Equal(when) {
			t.Errorf("facts of %s: %v", id, got)
		}
	}
	ok(t, w.book.Told(t.Context(), []Fact{{ids[0], when, "", protocol.OrgID{1}}, {ids[1], when, "", protocol.OrgID{1}}}))
	toldFile, err := os.ReadFile(w.path(toldFile))
	ok(t, err)
	// A header alone, damaged, is no file of facts either; nor are facts of another width.
	for n, raw := range [][]byte{append([]byte("x"), w.book.own.header()[1:]...), append([]byte("x"), toldFile[1:]...)} {
		path := w.path("other")
		ok(t, os.WriteFile(path, raw, 0o600))
		l, err := openLedger(path, factBytes)
		ok(t, err)
		if l.n != 0 || l.healed == "" {
			t.Errorf("file %d: %d facts, %q", n, l.n, l.healed)
		}
		ok(t, l.append([][]byte{encodeFact(Fact{Record: ids[0], Seen: when}, false)}))
		ok(t, l.close())
		if l, err = openLedger(path, factBytes); err != nil || l.n != 1 || l.damage() != nil {
			t.Errorf("file %d, begun anew: %d facts, %v", n, l.n, err)
		}
		ok(t, l.close())
	}
}

// Others' facts fill up; what brings more of them does not fail for that.
func TestToldIsFull(t *testing.T) {
	w := newWorld(t)
	w.book.room = 5
	for n := range byte(4) {
		ok(t, w.book.Told(t.Context(), []Fact{{protocol.RecordID{n}, when, "", protocol.OrgID{1}}, {protocol.RecordID{n}, when, "", protocol.OrgID{2}}}))
	}
	if _, told, _ := w.book.Counts(); told != 5 {
		t.Errorf("%d facts of others are kept, want 5", told)
	}
	if len(w.book.Facts(protocol.RecordID{2})) != 1 || len(w.book.Facts(protocol.RecordID{3})) != 0 {
		t.Error("not the first five are kept")
	}
	w.book.room = 2 // a limit that came down
	ok(t, w.book.Told(t.Context(), []Fact{{protocol.RecordID{9}, when, "", protocol.OrgID{1}}}))
}

// What was witnessed cannot be read: the node starts, cosigns nothing and changes nothing until a person moves the file away.
func TestDamagedWitnessCosignsNothing(t *testing.T) {
	w := newWorld(t)
	w.write(3)
	if a := w.answer(w.shown(0)); a.Code != p2p.WitnessCosigned {
		t.Fatalf("%+v", a)
	}
	sound, err := os.ReadFile(w.path("witness.json"))
	ok(t, err)
	w.write(3)
	for n, bad := range []string{"{", "", "null", strings.Replace(string(sound), "tocsin/audit", "tocsin/oudit", 1), strings.Replace(string(sound), `"note": "`, `"note": "x`, 1)} {
		ok(t, os.WriteFile(w.path("witness.json"), []byte(bad), 0o600))
		w.witness = w.openWitness()
		if a := w.answer(w.shown(0)); a.Code != p2p.WitnessRefused || len(w.witness.List()) != 0 {
			t.Errorf("file %d: %+v", n, a)
		}
		if raw, err := os.ReadFile(w.path("witness.json")); err != nil || string(raw) != bad {
			t.Errorf("file %d was written: %v", n, err)
		}
		if said := w.damaged(); len(said) != n+1 || !strings.Contains(said[0], "witness.json: nothing is cosigned") {
			t.Errorf("file %d: said %q", n, said)
		}
	}
	ok(t, os.WriteFile(w.path("witness.json"), sound, 0o600))
	w.witness = w.openWitness()
	if a := w.answer(w.shown(3)); a.Code != p2p.WitnessCosigned {
		t.Errorf("with the file back: %+v", a)
	}
}
