package breaker

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"tocsin/node/standing"
	"tocsin/protocol"
)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// panel is a book with its standing and what it told.
type panel struct {
	*Book
	t     *testing.T
	dir   string
	stand *standing.Book
	mu    sync.Mutex // guards told
	told  []standing.Trip
}

func newPanel(t *testing.T) *panel {
	t.Helper()
	p := &panel{t: t, dir: t.TempDir()}
	stand, err := standing.Open(filepath.Join(p.dir, "standing.json"), func() *protocol.Chains { return protocol.NewChains("test") })
	check(t, err)
	p.stand = stand
	p.reopen()
	return p
}

func (p *panel) reopen() {
	p.Book = Open(filepath.Join(p.dir, "breakers.json"), p.stand, func(t standing.Trip) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.told = append(p.told, t)
	})
}

func (p *panel) note(topic string, records, hits, refuted int) bool {
	p.t.Helper()
	open, err := p.Note(protocol.OrgID{1}, topic, records, hits, refuted, time.Now())
	check(p.t, err)
	return open
}

// TestTrip: the third hit opens the breaker durably and is told once; other topics and
// organisations do not notice.
func TestTrip(t *testing.T) {
	p := newPanel(t)
	for i, want := range []bool{false, false, true, true} {
		if got := p.note("fraud", 1, 1, 0); got != want {
			t.Errorf("hit %d: open %v, want %v", i+1, got, want)
		}
	}
	if p.note("drill", 1, 0, 0) || len(p.told) != 1 || p.told[0].Topic != "fraud" || !p.stand.Tripped(protocol.OrgID{1}, "fraud") {
		t.Errorf("told %+v", p.told)
	}
	if open, err := p.Note(protocol.OrgID{2}, "fraud", 1, 1, 0, time.Now()); open || err != nil {
		t.Errorf("another organisation: %v, %v", open, err)
	}
}

// TestRefuted: refutations open it too, but not those of records from before the day.
func TestRefuted(t *testing.T) {
	p := newPanel(t)
	p.note("fraud", 60, 0, 0)
	now := time.Now()
	old := now.Add(-25 * time.Hour)
	check(t, p.Refuted(protocol.OrgID{1}, "fraud", []time.Time{now, now, old, old, old, old}))
	if p.stand.Tripped(protocol.OrgID{1}, "fraud") {
		t.Error("open at 2 of 60")
	}
	check(t, p.Refuted(protocol.OrgID{1}, "fraud", []time.Time{now}))
	if !p.stand.Tripped(protocol.OrgID{1}, "fraud") {
		t.Error("not open at 3 of 60")
	}
}

// TestRestored: after a person closed it, it begins anew, also across a restart; what
// came while it was open does not count.
func TestRestored(t *testing.T) {
	p := newPanel(t)
	for range 3 {
		p.note("fraud", 1, 1, 0)
	}
	p.note("fraud", 1, 3, 0)
	check(t, p.Save(true))
	p.reopen()
	_, err := p.stand.Restore(protocol.OrgID{1}, "")
	check(t, err)
	for i, want := range []bool{false, false, true} {
		if got := p.note("fraud", 1, 1, 0); got != want {
			t.Errorf("hit %d after the restore: open %v, want %v", i+1, got, want)
		}
	}
}

// TestSave: hits are kept at the next Save, mere counts within the hour and at the end.
func TestSave(t *testing.T) {
	p := newPanel(t)
	exists := func() bool {
		_, err := os.Stat(filepath.Join(p.dir, "breakers.json"))
		return err == nil
	}
	p.note("fraud", 1, 0, 0)
	check(t, p.Save(false))
	if exists() {
		t.Error("mere counts were written at once")
	}
	p.note("fraud", 1, 2, 0)
	check(t, p.Save(false))
	if !exists() {
		t.Fatal("hits were not written")
	}
	p.reopen()
	if !p.note("fraud", 1, 1, 0) {
		t.Error("two hits before the restart and one after are three")
	}
}

// TestDamagedFile: counts that cannot be read begin anew, and are no reason not to start.
func TestDamagedFile(t *testing.T) {
	for _, text := range []string{"", "{}", "[null]", `[{"org":"x"}]`, `[{"hits":["a"]}]`} {
		p := newPanel(t)
		check(t, os.WriteFile(filepath.Join(p.dir, "breakers.json"), []byte(text), 0o600))
		p.reopen()
		if p.note("fraud", 1, 2, 0) || !p.note("fraud", 1, 1, 0) {
			t.Errorf("%q: does not count", text)
		}
	}
}

// TestBound: of many organisations the one that was idle longest gives way.
func TestBound(t *testing.T) {
	p := newPanel(t)
	start := time.Now()
	for i := range MaxCircuits + 1 {
		_, err := p.Note(protocol.OrgID{1, byte(i), byte(i >> 8)}, "fraud", 1, 0, 0, start.Add(time.Duration(i)*time.Second))
		check(t, err)
	}
	if n := len(p.circuits); n != MaxCircuits || p.circuits[scope{protocol.OrgID{1}, "fraud"}] != nil {
		t.Errorf("%d circuits, the oldest is there: %v", n, p.circuits[scope{protocol.OrgID{1}, "fraud"}] != nil)
	}
}

// TestNotOpened: a breaker that cannot be opened durably is an error and trips again at the
// next record, so that nothing slips through.
func TestNotOpened(t *testing.T) {
	p := newPanel(t)
	p.note("fraud", 1, 2, 0)
	check(t, os.RemoveAll(p.dir))
	for range 2 {
		if _, err := p.Note(protocol.OrgID{1}, "fraud", 1, 1, 0, time.Now()); err == nil {
			t.Error("no error")
		}
	}
	if len(p.told) != 0 {
		t.Error("told although it did not open")
	}
}

// TestConcurrent opens once, however many count.
func TestConcurrent(t *testing.T) {
	p := newPanel(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				_, err := p.Note(protocol.OrgID{1}, "fraud", 1, 1, 0, time.Now())
				if err != nil {
					t.Error(err)
				}
				_ = p.Save(false)
			}
		})
	}
	wg.Wait()
	if len(p.told) != 1 || len(p.stand.Trips()) != 1 {
		t.Errorf("told %d times, %d open", len(p.told), len(p.stand.Trips()))
	}
}
