package pledges

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/protocoltest"
	"tocsin/protocol/reason"
	"tocsin/protocol/stix"
	"tocsin/storage"
)

const testNetwork = "test"

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// shelf is a book over a store in memory, and authors whose pledges it reads.
type shelf struct {
	*Book
	t      *testing.T
	now    time.Time
	chains *protocol.Chains
	a, b   *protocoltest.Author
}

func newShelf(t *testing.T) *shelf {
	t.Helper()
	s := &shelf{t: t, now: time.Now().Truncate(time.Millisecond), chains: protocol.NewChains(testNetwork)}
	s.a, s.b = s.found("A"), s.found("B")
	store, err := storage.Open("", storage.Options{Memory: true, Network: testNetwork})
	check(t, err)
	t.Cleanup(func() { check(t, store.Close()) })
	s.Book = New(store, func() *protocol.Chains { return s.chains })
	return s
}

func (s *shelf) found(name string) *protocoltest.Author {
	s.t.Helper()
	a, err := protocoltest.Found(testNetwork, name, s.now, rand.Reader)
	check(s.t, err)
	next, _, errs := s.chains.With(a.Statements...)
	if len(errs) > 0 {
		s.t.Fatal(errs)
	}
	s.chains = next
	return a
}

// put stores a pledge as the way in does, created some minutes after the start.
func (s *shelf) put(a *protocoltest.Author, kind protocol.Kind, minutes int, state storage.State, body []byte) *protocol.Record {
	s.t.Helper()
	r, err := a.Record(protocol.Draft{Topic: protocol.TopicControl, Kind: kind, TLP: stix.Clear, Created: s.now.Add(time.Duration(minutes) * time.Minute), Body: body})
	check(s.t, err)
	e := storage.Entry{Record: r, State: state, Received: s.now, From: "peer"}
	if state == storage.Held {
		e.Reason = reason.TrustUnknown
	}
	check(s.t, s.store.Accept(context.Background(), e))
	return r
}

func (s *shelf) vouch(a *protocoltest.Author, minutes int, subject protocol.OrgID, edit ...func(*protocol.Vouch)) *protocol.Record {
	s.t.Helper()
	v := protocol.Vouch{Subject: subject, Until: s.now.Add(30 * 24 * time.Hour), Reason: "met"}
	for _, f := range edit {
		f(&v)
	}
	body, err := v.Encode()
	check(s.t, err)
	return s.put(a, protocol.KindVouch, minutes, storage.Accepted, body)
}

func (s *shelf) refresh(want bool) {
	s.t.Helper()
	different, err := s.Refresh()
	check(s.t, err)
	if different != want {
		s.t.Errorf("different %v, want %v", different, want)
	}
}

// vouches lists the facts as voucher and subject.
func (s *shelf) vouches() []string {
	names := map[protocol.OrgID]string{s.a.Org: "A", s.b.Org: "B"}
	var out []string
	for _, f := range s.Vouches() {
		out = append(out, fmt.Sprintf("%s vouches for %x", names[f.Voucher], f.Subject[0]))
	}
	slices.Sort(out)
	return out
}

func (s *shelf) want(want ...string) {
	s.t.Helper()
	if got := s.vouches(); !slices.Equal(got, want) {
		s.t.Errorf("%v, want %v", got, want)
	}
}

// TestNewest: the newest of an author about a subject stands, in whatever order they
// came; one that takes back leaves nothing; one that is held counts for nothing.
func TestNewest(t *testing.T) {
	s := newShelf(t)
	s.refresh(false)
	s.want()
	one, two := protocol.OrgID{1}, protocol.OrgID{2}
	s.vouch(s.a, 1, one)
	s.vouch(s.a, 2, two)
	s.vouch(s.b, 1, one)
	s.refresh(true)
	s.refresh(false)
	s.want("A vouches for 1", "A vouches for 2", "B vouches for 1")
	back := func(v *protocol.Vouch) { v.Withdrawn, v.Reason = true, "" }
	s.vouch(s.a, 5, one, back)
	s.refresh(true)
	s.want("A vouches for 2", "B vouches for 1")
	s.vouch(s.a, 5-1, one) // it came late: what takes back is newer
	s.refresh(false)
	s.want("A vouches for 2", "B vouches for 1")
	last := s.vouch(s.a, 9, one)
	s.refresh(true)
	s.want("A vouches for 1", "A vouches for 2", "B vouches for 1")
	_, err := s.store.Hold(context.Background(), []protocol.RecordID{last.ID()}, reason.KeyRolledBack)
	check(t, err)
	s.refresh(true)
	s.want("A vouches for 2", "B vouches for 1")
}

// TestCommitmentAndAdvisory: each with its end.
func TestCommitmentAndAdvisory(t *testing.T) {
	s := newShelf(t)
	end := s.now.Add(24 * time.Hour)
	body, err := protocol.Commitment{Retraction: time.Hour, Retention: 24 * time.Hour, Will: []string{"answer"}, Until: end}.Encode()
	check(t, err)
	c := s.put(s.a, protocol.KindCommitment, 0, storage.Accepted, body)
	body, err = protocol.Advisory{Subject: protocol.OrgID{7}, Text: "sends junk", Evidence: []protocol.RecordID{{9}}, Until: end}.Encode()
	check(t, err)
	a := s.put(s.b, protocol.KindAdvisory, 0, storage.Accepted, body)
	s.put(s.a, protocol.KindAdvisory, 0, storage.Held, body)
	s.refresh(true)
	if got, ok := s.Commitment(s.a.Org, end.Add(-time.Second)); !ok || got.Record != c.ID() || got.Will[0] != "answer" {
		t.Errorf("commitment %+v, %v", got, ok)
	}
	if _, ok := s.Commitment(s.a.Org, end); ok {
		t.Error("the commitment outlives its end")
	}
	if _, ok := s.Commitment(s.b.Org, s.now); ok {
		t.Error("B committed itself to nothing")
	}
	got := s.Advisories(end.Add(-time.Second))
	if len(got) != 1 || got[0].Author != s.b.Org || got[0].Record != a.ID() || got[0].Subject != (protocol.OrgID{7}) {
		t.Errorf("advisories %+v", got)
	}
	if got := s.Advisories(end); len(got) != 0 {
		t.Errorf("over: %+v", got)
	}
}

// TestUnreadable: a body that is no pledge, or whose signer nobody knows any more, stops
// nothing and counts for nothing.
func TestUnreadable(t *testing.T) {
	s := newShelf(t)
	s.put(s.a, protocol.KindVouch, 0, storage.Accepted, []byte("nonsense"))
	s.vouch(s.a, 1, protocol.OrgID{1})
	s.refresh(true)
	s.want("A vouches for 1")
	forgotten := New(s.store, func() *protocol.Chains { return protocol.NewChains(testNetwork) })
	if _, err := forgotten.Refresh(); err != nil || len(forgotten.Vouches()) != 0 {
		t.Errorf("%v, %v", forgotten.Vouches(), err)
	}
}

// TestBound: of one author's vouches the newest are remembered, others' all the same.
func TestBound(t *testing.T) {
	list := map[protocol.RecordID]pledge{}
	add := func(author byte, n int) {
		id := protocol.RecordID{author, byte(n), byte(n >> 8)}
		list[id] = pledge{id: id, kind: protocol.KindVouch, author: protocol.OrgID{author}, about: protocol.OrgID{byte(n), byte(n >> 8)},
			made: time.Unix(int64(n), 0), vouch: &protocol.Vouch{}}
	}
	for n := range MaxSubjects + 5 {
		add(1, n)
	}
	add(2, 3)
	kept := standing(list)
	oldest := slices.MinFunc(kept[:MaxSubjects], func(a, b pledge) int { return a.made.Compare(b.made) })
	if len(kept) != MaxSubjects+1 || oldest.made.Unix() != 5 || kept[MaxSubjects].author != (protocol.OrgID{2}) {
		t.Errorf("%d kept, the oldest is number %d", len(kept), oldest.made.Unix())
	}
}

// TestRun: it reads at start and after each Changed, and tells when something is different.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf(t)
		s.vouch(s.a, 1, protocol.OrgID{1})
		ctx, cancel := context.WithCancel(context.Background())
		done, told := make(chan error, 1), 0
		go func() { done <- s.Run(ctx, func() { told++ }) }()
		synctest.Wait()
		if told != 1 {
			t.Errorf("told %d times at start", told)
		}
		s.Changed()
		synctest.Wait()
		s.vouch(s.a, 2, protocol.OrgID{2})
		s.Changed()
		s.Changed()
		synctest.Wait()
		if told != 2 || len(s.Vouches()) != 2 {
			t.Errorf("told %d times, %d vouches", told, len(s.Vouches()))
		}
		cancel()
		check(t, <-done)
	})
}

// A stranger's held pledges once were read from disk at each pledge of anybody, and
// accepted ones again each time.
func TestRefreshReadsOnlyWhatIsNew(t *testing.T) {
	s := newShelf(t)
	const many = 300
	s.vouch(s.a, 0, protocol.OrgID{1})
	v := protocol.Vouch{Subject: protocol.OrgID{2}, Until: s.now.Add(30 * 24 * time.Hour), Reason: "met"}
	body, err := v.Encode()
	check(t, err)
	for n := range many {
		s.put(s.b, protocol.KindVouch, n, storage.Held, body)
	}
	s.refresh(true)
	if n := testing.AllocsPerRun(3, func() { s.refresh(false) }); n > many {
		t.Errorf("%.0f allocations with %d held pledges", n, many)
	}
	for n := range many {
		s.vouch(s.a, n+1, protocol.OrgID{1})
	}
	s.refresh(true)
	if n := testing.AllocsPerRun(3, func() { s.refresh(false) }); n > 3*many { // to read one takes ten times that
		t.Errorf("%.0f allocations with %d pledges read before", n, many)
	}
	s.want("A vouches for 1")
}
