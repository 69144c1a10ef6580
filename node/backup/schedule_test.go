package backup

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin/protocol/reason"
)

// TestWrongKey: without the right key nothing is read.
func TestWrongKey(t *testing.T) {
	w := newWorld(t)
	w.publish(1)
	w.create(w.options())
	for _, a := range []Access{{}, {Identities: newIdentity(t).String()}, {Identities: "nonsense"}, {Passphrase: "x"}, {Data: t.TempDir()}} {
		_, err := Verify(t.Context(), w.folder, "", a)
		wantCode(t, err, reason.BackupKey)
	}
}

// TestPassphrase: each backup by a passphrase is a full one.
func TestPassphrase(t *testing.T) {
	w := newWorld(t)
	w.publish(1)
	o := w.options()
	o.Sealing = Sealing{Passphrase: "correct horse", work: 5}
	w.create(o)
	if again := w.create(o); again.Base != "" {
		t.Errorf("made %+v", again)
	}
	if _, err := Verify(t.Context(), w.folder, "", Access{Passphrase: "correct horse"}); err != nil {
		t.Error(err)
	}
	_, err := Verify(t.Context(), w.folder, "", Access{Passphrase: "wrong"})
	wantCode(t, err, reason.BackupKey)
}

// TestFirstKey: without a word a key is made, once, and put where it can be taken away.
func TestFirstKey(t *testing.T) {
	w := newWorld(t)
	first := w.create(CreateOptions{Folder: w.folder})
	if first.Identity == "" || len(first.Recipients) != 1 {
		t.Fatalf("made %+v", first)
	}
	identity := read(t, first.Identity)
	check(t, os.Remove(first.Identity))
	second := w.create(CreateOptions{Folder: w.folder})
	if second.Identity != "" || second.Base != first.ID || !slices.Equal(second.Recipients, first.Recipients) {
		t.Errorf("made %+v", second)
	}
	if _, err := Verify(t.Context(), w.folder, "", Access{Identities: identity}); err != nil {
		t.Error(err)
	}
}

// TestSchedule: what is due, by what was done when.
func TestSchedule(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	fresh := Status{Made: ago(time.Minute), Full: ago(time.Hour), Drilled: ago(time.Hour)}
	for _, c := range []struct {
		name   string
		change func(*Status)
		want   Duty
	}{
		{"all is fresh", func(*Status) {}, Nothing},
		{"never", func(s *Status) { *s = Status{} }, FullBackup},
		{"an hour, nearly", func(s *Status) { s.Made = ago(backupEvery - 1) }, Nothing},
		{"an hour", func(s *Status) { s.Made = ago(backupEvery) }, Increment},
		{"a day", func(s *Status) { s.Full, s.Made = ago(fullEvery), ago(backupEvery) }, FullBackup},
		{"a week", func(s *Status) { s.Drilled = ago(drillEvery) }, Rehearsal},
		{"never rehearsed", func(s *Status) { s.Drilled = time.Time{} }, Rehearsal},
		{"just failed", func(s *Status) { *s = Status{Failed: ago(restAfterFailure - 1)} }, Nothing},
		{"failed a while ago", func(s *Status) { *s = Status{Failed: ago(restAfterFailure)} }, FullBackup},
		{"found bad", func(s *Status) { s.Unsound = ago(40 * time.Minute) }, FullBackup},
		{"found bad, made anew", func(s *Status) { s.Unsound, s.Full = ago(40*time.Minute), ago(time.Minute) }, Rehearsal},
		{"a clock that was ahead", func(s *Status) { s.Full = now.Add(time.Hour) }, FullBackup},
	} {
		s := fresh
		c.change(&s)
		if got := Due(s, now); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

// TestRunner: scheduled work, its failures, and that they end.
func TestRunner(t *testing.T) {
	w := newWorld(t)
	w.publish(2)
	r := NewRunner(Deps{Source: w.src, Folder: w.folder, Keep: 2})
	if err := r.turn(t.Context()); reason.Of(err) != reason.NotFound {
		t.Errorf("without the folder: %v", err)
	}
	if s := NewRunner(r.d).Status(); s.Why == "" || s.Failed.IsZero() {
		t.Errorf("status %+v", s)
	}
	check(t, os.Mkdir(w.folder, 0o700))
	again := func() {
		t.Helper()
		check(t, r.note(func(m *memory) { m.Failed = time.Time{} }, nil))
		check(t, r.turn(t.Context()))
	}
	again() // a full backup
	if s := r.Status(); s.Why != "" || s.Full.IsZero() || s.Folder != w.folder {
		t.Errorf("status %+v", s)
	}
	again() // a drill
	if s := r.Status(); s.Drilled.IsZero() {
		t.Errorf("status %+v", s)
	}
	all, err := List(w.folder)
	check(t, err)
	check(t, os.Truncate(filepath.Join(w.folder, all[0].ID, chunkName(0)), 10))
	if _, err := r.Drill(t.Context(), w.folder, "", Access{}); reason.Of(err) != reason.BackupDamaged {
		t.Errorf("a cut off backup: %v", err)
	}
	if s := r.Status(); s.UnsoundWhy == "" || s.Drilled.IsZero() {
		t.Errorf("status %+v", s)
	}
	made, err := r.Create(t.Context(), CreateOptions{Folder: w.folder})
	check(t, err)
	if made.Base != "" {
		t.Error("it goes on from a bad one")
	}
	if _, err := r.Drill(t.Context(), w.folder, "", Access{}); err != nil || r.Status().UnsoundWhy != "" {
		t.Errorf("%v, status %+v", err, r.Status())
	}
	check(t, os.Mkdir(filepath.Join(w.src.Data, ".drill-1"), 0o700))
	check(t, Sweep(w.src.Data))
	if left, _ := filepath.Glob(filepath.Join(w.src.Data, ".drill-*")); len(left) > 0 {
		t.Errorf("left %v", left)
	}
}

// TestWhenFull: what an increment could not stand on makes a full backup.
func TestWhenFull(t *testing.T) {
	w := newWorld(t)
	w.publish(2)
	base := w.create(w.options())
	for _, c := range []struct {
		name   string
		change func(*CreateOptions)
		full   bool
	}{
		{"nothing changed", func(*CreateOptions) {}, false},
		{"asked for", func(o *CreateOptions) { o.Full = true }, true},
		{"another reader", func(o *CreateOptions) { o.Sealing.Recipients = []string{newIdentity(t).Recipient().String()} }, true},
		{"in the open", func(o *CreateOptions) { o.Sealing = Sealing{Plain: true} }, true},
		{"another folder", func(o *CreateOptions) { o.Folder = t.TempDir() }, true},
		{"the last one is gone", func(o *CreateOptions) {
			all, err := List(o.Folder)
			check(t, err)
			check(t, os.RemoveAll(filepath.Join(o.Folder, all[len(all)-1].ID)))
		}, true},
		{"what is remembered is damaged", func(*CreateOptions) { w.write(stateFile, "{") }, true},
	} {
		o := w.options()
		w.create(o) // so that there is a fit base
		c.change(&o)
		if m := w.create(o); (m.Base == "") != c.full {
			t.Errorf("%s: made %+v, first was %s", c.name, m, base.ID)
		}
	}
	other := w.src
	other.Peer = "another"
	_, err := Create(t.Context(), other, w.options())
	wantCode(t, err, reason.Conflict)
}

// TestOtherStore: a store that was put in the place of the one that was backed up is not taken for it.
func TestOtherStore(t *testing.T) {
	w := newWorld(t)
	w.publish(3)
	w.create(w.options())
	data, _ := w.restore("")
	check(t, w.src.Store.Close())
	store := filepath.Join(w.src.Data, storeFolder)
	check(t, os.RemoveAll(store))
	check(t, os.Rename(filepath.Join(data, storeFolder), store))
	w.open()
	w.publish(1)
	if m := w.create(w.options()); m.Base != "" {
		t.Errorf("made %+v", m)
	}
	data, _ = w.restore("")
	w.same(data, w.src.Store.Facts(time.Now()))
}

// TestVacuumed: a store that was vacuumed numbers anew; the next backup takes nothing of it for known.
func TestVacuumed(t *testing.T) {
	w := newWorld(t)
	ids := w.publish(3)
	w.create(w.options())
	check(t, w.src.Store.Erase(t.Context(), ids[0], nil, reason.OperatorRejected))
	if _, err := w.src.Store.Vacuum(t.Context()); err != nil {
		t.Fatal(err)
	}
	if m := w.create(w.options()); m.Base != "" {
		t.Errorf("made %+v", m)
	}
	w.publish(1)
	if m := w.create(w.options()); m.Base == "" {
		t.Errorf("made %+v", m)
	}
	data, _ := w.restore("")
	w.same(data, w.src.Store.Facts(time.Now()))
	if holds(t, filepath.Join(data, storeFolder), marker(1)) {
		t.Error("what was erased came back")
	}
}

// TestLongChain: a chain ends before it has too many links.
func TestLongChain(t *testing.T) {
	w := newWorld(t)
	o := w.options()
	o.Sealing = Sealing{Plain: true}
	fulls := 0
	for range maxChain + 2 {
		if w.create(o).Base == "" {
			fulls++
		}
	}
	if fulls != 2 {
		t.Errorf("%d full backups", fulls)
	}
	all, err := List(w.folder)
	check(t, err)
	slices.SortFunc(all, func(a, b Found) int { return strings.Compare(a.ID, b.ID) })
	for _, f := range all {
		if _, err := chainOf(all, f.ID); err != nil {
			t.Error(err)
		}
	}
}
