package storage

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// TestExpire: what ends goes wholly, at its time and not before; its log keeps
// its place and its head, also after a restart.
func TestExpire(t *testing.T) {
	dir := t.TempDir()
	s := openDisk(t, dir)
	a := newAuthor(t, "A")
	topic := topicOf(t, "malicious-code")
	end := testNow.AddDate(0, 0, 5)
	short := a.entry(draft{leaves: indicators(0, 2), sequence: 2, expires: end})
	long := a.entry(draft{leaves: indicators(10, 2), sequence: 1, expires: end.Add(time.Hour)})
	held := newAuthor(t, "B").entry(draft{leaves: indicators(20, 2), state: Held, expires: end})
	for _, e := range []Entry{short, long, held} {
		accept(t, s, e)
	}
	for _, c := range []struct {
		now  time.Time
		want int
	}{{end.Add(-time.Hour), 0}, {end, 0}, {end.Add(time.Millisecond), 2}, {end.Add(time.Millisecond), 0}} {
		if n, err := s.Expire(t.Context(), c.now); n != c.want || err != nil {
			t.Fatalf("at %s: %d expired, %v; want %d", c.now, n, err, c.want)
		}
	}
	check := func() {
		t.Helper()
		if s.Counts() != (Counts{Records: 1, Objects: 2}) {
			t.Errorf("counts %+v", s.Counts())
		}
		for _, e := range []Entry{short, held} {
			id := e.Record.ID()
			_, _, err := s.Record(id)
			wantCode(t, err, reason.NotFound)
			_, err = s.Object(Ref{id, 0})
			wantCode(t, err, reason.NotFound)
			if s.Has(id) {
				t.Errorf("record %s is still there", id)
			}
		}
		if lookup(t, s, domain(0)) != nil || lookup(t, s, domain(20)) != nil || len(lookup(t, s, domain(10))) != 1 {
			t.Error("look-ups are wrong")
		}
		l, ok := s.Head(short.Record.Org(), short.Record.Key(), topic)
		if !ok || l.Head != 2 || l.HeadID != short.Record.ID() || l.Count != 2 || !l.HeadCreated.Equal(testNow) {
			t.Errorf("log %+v", l)
		}
	}
	check()
	changes, err := s.Changes(3, 10)
	must(t, err)
	if len(changes) != 2 || changes[0].Kind != "expired" || changes[0].Objects != 2 || changes[1].Kind != "expired" {
		t.Errorf("changes %+v", changes)
	}
	must(t, s.Close())
	s = openDisk(t, dir)
	check()
	accept(t, s, a.entry(draft{leaves: indicators(30, 1), sequence: 3, expires: end}))
	if n, err := s.Expire(t.Context(), end.AddDate(0, 0, 1)); n != 2 || err != nil {
		t.Fatalf("%d expired, %v", n, err)
	}
	must(t, s.Close())
	s = openDisk(t, dir)
	if l, ok := s.Head(short.Record.Org(), short.Record.Key(), topic); !ok || l.Head != 3 || l.Count != 3 {
		t.Errorf("log %+v", l)
	}
}

// TestReclaim vacuums after much has expired, while a record is accepted: what
// lives stays readable, the disk gets smaller.
func TestReclaim(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	small := badgerOptions(dir, Options{}).WithValueLogFileSize(1 << 20)
	s, err := openWith(dir, Options{Network: testNetwork}, small)
	must(t, err)
	a := newAuthor(t, "A")
	noise := make([]byte, 48<<10)
	entry := func(i int, expires time.Time) Entry {
		rand.Read(noise)
		leaves := indicators(i, 1)
		object := fmt.Appendf(nil, `{"id":%q,"x":%q}`, leaves[0].Object, base64.StdEncoding.EncodeToString(noise))
		return a.entry(draft{leaves: leaves, objects: [][]byte{object}, expires: expires})
	}
	kept := map[protocol.RecordID][]byte{}
	for i := range 160 {
		e := entry(i, testNow.AddDate(0, 0, 1+i%8/7))
		id := accept(t, s, e)
		if i%8 == 7 {
			kept[id] = e.Record.Raw()
		}
	}
	logs := func() int {
		files, err := filepath.Glob(filepath.Join(dir, "*.vlog"))
		must(t, err)
		return len(files)
	}
	before := logs()
	if n, err := s.Expire(t.Context(), testNow.AddDate(0, 0, 1).Add(time.Hour)); n != 140 || err != nil {
		t.Fatalf("%d expired, %v", n, err)
	}
	accepted := make(chan error)
	go func() { accepted <- s.Accept(t.Context(), entry(1000, testNow.AddDate(0, 0, 9))) }()
	_, err = s.Vacuum(t.Context())
	must(t, err)
	must(t, <-accepted)
	if after := logs(); after >= before {
		t.Errorf("%d files of the value log before, %d after", before, after)
	}
	for range 2 {
		for id, want := range kept {
			raw, _, err := s.Record(id)
			must(t, err)
			if !bytes.Equal(raw, want) {
				t.Errorf("record %s has changed", id)
			}
		}
		must(t, s.Close())
		s = openDisk(t, dir)
	}
	report, err := checkClosed(t, s, dir)
	must(t, err)
	if len(report.Problems) > 0 || report.Records != len(kept)+1 {
		t.Errorf("report %+v", report)
	}
}
