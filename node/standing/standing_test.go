package standing

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/protocoltest"
	"tocsin/protocol/reason"
	"tocsin/protocol/stix"
)

const testNetwork = "test"

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func topic(t testing.TB, name string) protocol.Topic {
	t.Helper()
	on, err := protocol.ParseTopic(name)
	check(t, err)
	return on
}

// bench is a book and an author whose records it judges.
type bench struct {
	*Book
	t      testing.TB
	path   string
	author *protocoltest.Author
}

func newBench(t testing.TB) *bench {
	t.Helper()
	a, err := protocoltest.Found(testNetwork, "Author", time.Now().Truncate(time.Millisecond), rand.Reader)
	check(t, err)
	b := &bench{t: t, path: filepath.Join(t.TempDir(), "standing.json"), author: a}
	b.reopen()
	return b
}

func (b *bench) reopen() {
	b.t.Helper()
	book, err := Open(b.path, func() *protocol.Chains { return b.author.Chains })
	check(b.t, err)
	b.Book = book
}

func (b *bench) place(on string, sequence uint64) error {
	return b.Place(b.author.Org, protocol.Head{Key: b.key(), Topic: topic(b.t, on), Sequence: sequence}, time.Now())
}

func (b *bench) key() protocol.KeyID { return b.author.Key.Public().ID() }

func (b *bench) fork(on string, sequence uint64) bool {
	b.t.Helper()
	first, err := b.Forked(&protocol.ForkProof{Org: b.author.Org, Key: b.key(), Topic: topic(b.t, on), Sequence: sequence}, time.Now())
	check(b.t, err)
	return first
}

// want holds places against codes, also after the file was read again.
func (b *bench) want(places map[string]reason.Code) {
	b.t.Helper()
	for range 2 {
		for place, code := range places {
			on, number, _ := strings.Cut(place, " ")
			var sequence uint64
			fmt.Sscan(number, &sequence)
			if err := b.place(on, sequence); reason.Of(err) != code {
				b.t.Errorf("%s: %v, want %q", place, err, code)
			}
		}
		around := b.around.Load()
		b.reopen()
		b.Attach(*around)
	}
}

// TestCauses holds each cause against places on both sides of its limit (FRK-07).
func TestCauses(t *testing.T) {
	tests := map[string]struct {
		do   func(b *bench)
		want map[string]reason.Code
	}{
		"nothing": {func(*bench) {}, map[string]reason.Code{"fraud 1": "", "fraud 1000000": ""}},
		"rollback on one topic": {
			func(b *bench) {
				check(b.t, b.RollBack(Rollback{Org: b.author.Org, Key: b.key(), Topic: "fraud", After: 5}))
			},
			map[string]reason.Code{"fraud 5": "", "fraud 6": reason.KeyRolledBack, "drill 6": ""},
		},
		"rollback of all topics": {
			func(b *bench) { check(b.t, b.RollBack(Rollback{Org: b.author.Org, Key: b.key(), After: 0})) },
			map[string]reason.Code{"fraud 1": reason.KeyRolledBack, "drill 9": reason.KeyRolledBack},
		},
		"rollback of another key": {
			func(b *bench) { check(b.t, b.RollBack(Rollback{Org: b.author.Org, Key: protocol.KeyID{9}})) },
			map[string]reason.Code{"fraud 1": ""},
		},
		"a wider rollback wins, whichever comes last": {
			func(b *bench) {
				for _, after := range []uint64{5, 3, 7} {
					check(b.t, b.RollBack(Rollback{Org: b.author.Org, Key: b.key(), Topic: "fraud", After: after}))
				}
				if n := len(b.Rollbacks()); n != 1 {
					b.t.Errorf("%d rollbacks, want 1", n)
				}
			},
			map[string]reason.Code{"fraud 3": "", "fraud 4": reason.KeyRolledBack},
		},
		"fork": {
			func(b *bench) { b.fork("fraud", 5) },
			map[string]reason.Code{"fraud 4": "", "fraud 5": reason.LogFork, "fraud 6": reason.LogFork, "drill 1": reason.LogFork},
		},
		"fork, other topics stand as far as they were held": {
			func(b *bench) {
				b.Attach(Surroundings{Heads: func(protocol.OrgID, protocol.KeyID) []protocol.Head {
					return []protocol.Head{{Topic: topic(b.t, "drill"), Sequence: 7}, {Topic: topic(b.t, "fraud"), Sequence: 9}}
				}})
				b.fork("fraud", 5)
			},
			map[string]reason.Code{"fraud 4": "", "fraud 5": reason.LogFork, "drill 7": "", "drill 8": reason.LogFork, "other 1": reason.LogFork},
		},
		"an earlier fork moves the limit, a later one does not": {
			func(b *bench) {
				b.Attach(Surroundings{Heads: func(protocol.OrgID, protocol.KeyID) []protocol.Head {
					return []protocol.Head{{Topic: topic(b.t, "drill"), Sequence: 7}}
				}})
				first := []bool{b.fork("fraud", 5), b.fork("fraud", 3), b.fork("fraud", 8), b.fork("drill", 6), b.fork("drill", 9)}
				if !first[0] || first[1] || first[2] || first[3] || first[4] {
					b.t.Errorf("first: %v, want only the first", first)
				}
			},
			map[string]reason.Code{"fraud 2": "", "fraud 3": reason.LogFork, "drill 5": "", "drill 6": reason.LogFork},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			tt.do(b)
			b.want(tt.want)
		})
	}
}

// forkFresh forks a key that the author's operations key certifies for it.
func (b *bench) forkFresh() protocol.KeyID {
	b.t.Helper()
	a := b.author
	old, cert := a.Key, a.Certificate
	defer func() { a.Key, a.Certificate = old, cert }()
	_, err := a.Renew()
	check(b.t, err)
	key := a.Key.Public().ID()
	_, err = b.Forked(&protocol.ForkProof{Org: a.Org, Key: key, Topic: protocol.TopicDrill, Sequence: 1}, time.Now())
	check(b.t, err)
	return key
}

// TestThreeForks: two forked keys hold themselves, the third within 90 days the
// whole organisation, until the oldest of three is 90 days past.
func TestThreeForks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		for i := range MaxForks {
			if err := b.place("fraud", 1); err != nil {
				t.Errorf("after %d forks of other keys: %v", i, err)
			}
			time.Sleep(24 * time.Hour)
			b.forkFresh()
		}
		b.want(map[string]reason.Code{"fraud 1": reason.LogFork})
		time.Sleep(ForkWindow - 3*24*time.Hour)
		version := b.Version()
		if b.Changed(time.Now()); b.Version() != version {
			t.Error("a day on which nothing comes back is a change")
		}
		b.want(map[string]reason.Code{"fraud 1": reason.LogFork})
		time.Sleep(24 * time.Hour)
		if err := b.place("fraud", 1); reason.Of(err) != reason.LogFork {
			t.Errorf("the clock alone changed an answer: %v", err)
		}
		if b.Changed(time.Now()); b.Version() == version {
			t.Error("the end of the hold is no change")
		}
		b.want(map[string]reason.Code{"fraud 1": ""})
	})
}

// TestBreaker: an open breaker voids what was created after it and holds all that
// arrives, on its topic alone, until it is restored.
func TestBreaker(t *testing.T) {
	b := newBench(t)
	now := time.Now().Truncate(time.Millisecond)
	sign := func(on string, created time.Time) *protocol.Record {
		r, err := b.author.Record(protocol.Draft{Topic: topic(t, on), Kind: protocol.KindObjects, TLP: stix.Green, Created: created,
			Objects: [][]byte{[]byte(`{"type":"x-nothing"}`)}})
		check(t, err)
		return r
	}
	before, after, elsewhere := sign("fraud", now.Add(-time.Hour)), sign("fraud", now.Add(time.Minute)), sign("drill", now.Add(time.Minute))
	for _, want := range []bool{true, false} {
		first, err := b.Trip(Trip{Org: b.author.Org, Topic: "fraud", Why: "three hard hits", At: now})
		check(t, err)
		if first != want {
			t.Errorf("first %v, want %v", first, want)
		}
	}
	check(t, b.RollBack(Rollback{Org: b.author.Org, Key: b.key(), After: 50}))
	for range 2 {
		for _, tt := range []struct {
			r               *protocol.Record
			record, arrives reason.Code
		}{{before, "", reason.OrgTripped}, {after, reason.OrgTripped, reason.OrgTripped}, {elsewhere, "", ""}} {
			if err := b.Record(tt.r); reason.Of(err) != tt.record {
				t.Errorf("stands: %v, want %q", err, tt.record)
			}
			if err := b.Arriving(tt.r); reason.Of(err) != tt.arrives {
				t.Errorf("arrives: %v, want %q", err, tt.arrives)
			}
		}
		if code := b.Org(b.author.Org, topic(t, "fraud"), now); code != reason.OrgTripped {
			t.Errorf("organisation: %q", code)
		}
		b.reopen()
	}
	for _, tt := range []struct {
		on   string
		want int
	}{{"drill", 0}, {"fraud", 1}, {"", 1}, {"", 0}} {
		n, err := b.Restore(b.author.Org, tt.on)
		check(t, err)
		if n != tt.want {
			t.Errorf("restored %d on %q, want %d", n, tt.on, tt.want)
		}
	}
	if err := b.Arriving(after); err != nil || len(b.Trips())+len(b.Rollbacks()) != 0 {
		t.Errorf("after restoring: %v", err)
	}
}

// TestStrangersFork: forks of strangers give way to each other, never those of
// listed organisations.
func TestStrangersFork(t *testing.T) {
	b := newBench(t)
	b.Attach(Surroundings{Listed: func(o protocol.OrgID) bool { return o == b.author.Org }})
	start := time.Now()
	b.fork("fraud", 5)
	forks := []Fork{}
	for i := range maxStrangers {
		forks = append(forks, Fork{Org: protocol.OrgID{1, byte(i), byte(i >> 8)}, Key: protocol.KeyID{2, byte(i), byte(i >> 8)}, Topic: "fraud", Sequence: 1,
			At: start.Add(time.Duration(i+1) * time.Second)})
	}
	b.kept.Forks = append(b.kept.Forks, forks...)
	check(t, b.replace(b.kept))
	_, err := b.Forked(&protocol.ForkProof{Org: protocol.OrgID{3}, Key: protocol.KeyID{3}, Topic: topic(t, "fraud"), Sequence: 1}, start.Add(time.Hour))
	check(t, err)
	if got := len(b.Forks()); got != maxStrangers+1 || !b.HeldKey(b.author.Org, b.key()) || !b.HeldKey(protocol.OrgID{3}, protocol.KeyID{3}) || b.HeldKey(forks[0].Org, forks[0].Key) || !b.HeldKey(forks[1].Org, forks[1].Key) {
		t.Errorf("%d forks; own %v, new %v, oldest %v, second oldest %v", got, b.HeldKey(b.author.Org, b.key()), b.HeldKey(protocol.OrgID{3}, protocol.KeyID{3}), b.HeldKey(forks[0].Org, forks[0].Key), b.HeldKey(forks[1].Org, forks[1].Key))
	}
}

// TestFile: what the program did not write is refused, never overlooked.
func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "standing.json")
	for text, good := range map[string]bool{
		`{"version":1}`:                true,
		`{"version":1,"rollbacks":[]}`: true,
		``:                             false,
		`{}`:                           false,
		`{"version":2}`:                false,
		`{"version":1}{}`:              false,
		`{"version":1,"rolbacks":[]}`:  false,
		`{"version":1,"forks":[{}]}`:   false,
		`{"version":1,"trips":[{"org":"sha256:12"}]}`: false,
	} {
		check(t, os.WriteFile(path, []byte(text), 0o600))
		_, err := Open(path, nil)
		if good != (err == nil) || !good && (reason.Of(err) != reason.ConfigInvalid || !strings.Contains(err.Error(), path)) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestNotWritten: what cannot be written is not in force.
func TestNotWritten(t *testing.T) {
	b := newBench(t)
	b.path = filepath.Join(b.path, "no", "folder")
	b.Book.path = b.path
	if err := b.RollBack(Rollback{Org: b.author.Org, Key: b.key()}); err == nil {
		t.Error("no error")
	}
	if err := b.place("fraud", 1); err != nil || b.Version() != 0 {
		t.Errorf("in force all the same: %v, version %d", err, b.Version())
	}
}

// TestWait: whoever waits wakes at each change.
func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		for _, change := range []func(){func() { _, _ = b.Trip(Trip{Org: b.author.Org, Topic: "drill"}) }, func() { b.fork("fraud", 1) }} {
			v, woke := b.Version(), make(chan error, 1)
			go func() { woke <- b.Wait(context.Background(), v) }()
			synctest.Wait()
			if len(woke) != 0 {
				t.Fatal("woke before anything changed")
			}
			change()
			synctest.Wait()
			if len(woke) != 1 || <-woke != nil || b.Version() <= v {
				t.Error("did not wake")
			}
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := b.Wait(ctx, b.Version()); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	})
}

// TestConcurrent reads while everything changes; the race detector looks on.
func TestConcurrent(t *testing.T) {
	b := newBench(t)
	r, err := b.author.Record(protocol.Draft{Topic: topic(t, "fraud"), Kind: protocol.KindObjects, TLP: stix.Green, Objects: [][]byte{[]byte(`{"type":"x-nothing"}`)}})
	check(t, err)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 2000 {
				_, _ = b.Record(r), b.Arriving(r)
				b.Org(b.author.Org, r.Header().Topic, time.Now())
				b.Rollbacks()
			}
		})
	}
	for i := range 10 {
		check(t, b.RollBack(Rollback{Org: b.author.Org, Key: protocol.KeyID{byte(i)}}))
		_, err := b.Trip(Trip{Org: b.author.Org, Topic: fmt.Sprint("t", i)})
		check(t, err)
		b.Changed(time.Now())
	}
	wg.Wait()
	if n, err := b.Restore(b.author.Org, ""); n != 20 || err != nil {
		t.Errorf("restored %d, %v", n, err)
	}
}

func BenchmarkRecord(b *testing.B) {
	book := newBench(b)
	for i := range 100 {
		check(b, book.RollBack(Rollback{Org: book.author.Org, Key: protocol.KeyID{byte(i)}}))
	}
	r, err := book.author.Record(protocol.Draft{Topic: topic(b, "fraud"), Kind: protocol.KindObjects, TLP: stix.Green, Objects: [][]byte{[]byte(`{"type":"x-nothing"}`)}})
	check(b, err)
	h, key := r.Header(), r.Key()
	b.Run("record", func(b *testing.B) {
		for b.Loop() {
			_ = book.Record(r)
		}
	})
	b.Run("place", func(b *testing.B) {
		for b.Loop() {
			_ = book.Place(r.Org(), protocol.Head{Key: key, Topic: h.Topic, Sequence: 1, ID: r.ID()}, h.Created)
		}
	})
	b.Run("org", func(b *testing.B) {
		for b.Loop() {
			book.Org(r.Org(), h.Topic, h.Created)
		}
	})
}

// TestOrg: a dispute comes before an open breaker, that before silence; the own
// organisation is never silent to itself.
func TestOrg(t *testing.T) {
	b := newBench(t)
	now := time.Now()
	if code := b.Org(b.author.Org, protocol.TopicDrill, now); code != reason.OrgStale {
		t.Errorf("an old certificate and no status: %q", code)
	}
	if code := b.Org(protocol.OrgID{1}, protocol.TopicDrill, now); code != "" {
		t.Errorf("an organisation that nobody knows: %q", code)
	}
	b.Attach(Surroundings{Own: b.author.Org})
	if code := b.Org(b.author.Org, protocol.TopicDrill, now); code != "" {
		t.Errorf("the own one: %q", code)
	}
	b.Attach(Surroundings{})
	_, err := b.Trip(Trip{Org: b.author.Org, Topic: "drill", At: now})
	check(t, err)
	if code := b.Org(b.author.Org, protocol.TopicDrill, now); code != reason.OrgTripped {
		t.Errorf("tripped and silent: %q", code)
	}
}

// TestLearned: what only adds keys or says that somebody lives wakes nobody; what may
// void records does.
func TestLearned(t *testing.T) {
	b := newBench(t)
	before := b.Version()
	b.Learned(b.author.Statements)
	if b.Version() != before {
		t.Error("a founding is a change of standing")
	}
	revocation, err := protocol.SignRevocation(testNetwork, protocol.Revocation{
		Org: b.author.Org, Key: b.key(), Created: time.Now().Truncate(time.Millisecond),
	}, b.author.Operations)
	check(t, err)
	next, _, errs := b.author.Chains.With(revocation)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	b.author.Chains = next
	b.Learned([]*protocol.Statement{revocation})
	if b.Version() == before {
		t.Error("a revocation is no change")
	}
	b.want(map[string]reason.Code{"fraud 1": reason.KeyRevoked, "drill 7": reason.KeyRevoked})
}
