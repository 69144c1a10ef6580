package protocol

import (
	"slices"
	"testing"
	"time"

	"tocsin/protocol/reason"
)

// STM-07, STM-23: every claim of a status.
func TestStatusClaims(t *testing.T) {
	l := newLineage(t, "claims", 1, 1)
	s := Status{
		Org: l.org, Counter: 7, RootVersion: 3, Certificates: []Digest{{2}, {1}}, Revocations: 4,
		Heads: []Head{place(l.record, "fraud", 1)}, Created: l.start,
	}
	st := l.must(SignStatus("test", s, l.operations))
	got := st.claims.(*Status)
	if got.Counter != 7 || got.RootVersion != 3 || got.Revocations != 4 || !slices.Equal(got.Certificates, []Digest{{1}, {2}}) ||
		!slices.Equal(got.Heads, s.Heads) || !got.Created.Equal(l.start) || st.Org() != l.org || st.Type() != StatementStatus {
		t.Errorf("%+v", got)
	}
	l.checkClaims(t, StatementStatus, s.claims(), []claimCase{
		{1, nil}, {2, nil}, {2, uint64(0)}, {2, uint64(1 << 63)}, {3, nil}, {3, uint64(0)}, {4, []any{}}, {4, idList(65)}, {4, []any{idList(2)[1], idList(2)[0]}},
		{4, []any{make([]byte, 31)}}, {4, "all"}, {5, nil}, {5, int64(-1)}, {5, uint64(1 << 63)}, {7, nil},
	}, []claimCase{{2, uint64(1<<63 - 1)}, {4, nil}, {4, idList(64)}, {5, uint64(0)}, {6, nil}, {7, uint64(MaxTime)}})
}

// STM-24: the newest stands, in whatever order they come; two of one counter never flap.
func TestNewestStatusStands(t *testing.T) {
	l := newLineage(t, "newest", 1, 1)
	base := l.base()
	base = append(base, l.rotate(nil))
	under2 := func(s *Status) { s.RootVersion = 2 }
	ascending := []*Statement{
		l.beat(1, time.Hour, l.operations, nil),
		l.beat(900, 2*time.Hour, l.operations, nil),
		l.beat(1, 3*time.Hour, l.operations, under2),
	}
	a, b := l.beat(2, 4*time.Hour, l.operations, under2), l.beat(2, 5*time.Hour, l.operations, under2)
	if compareDigests(a.digest, b.digest) < 0 {
		a, b = b, a
	}
	ascending = append(ascending, a, b) // b has the lower digest
	for i, s := range ascending {
		c := l.after(append(slices.Clone(base), s)...)
		for _, older := range ascending[:i] {
			wantRefused(t, "an older one", c, older, reason.StatusOld)
			next, added, errs := l.after(append(slices.Clone(base), older)...).With(s)
			if added != 1 || len(errs) != 0 || picture(next) != picture(c) {
				t.Errorf("%d after an older one: %v", i, errs)
			}
		}
		if status, want := l.orgIn(c).Status, s.claims.(*Status); status == nil || status.Counter != want.Counter || !status.Created.Equal(want.Created) {
			t.Errorf("%d: %+v", i, status)
		}
	}
}

// STM-23: who may sign a status, and when.
func TestStatusRefused(t *testing.T) {
	l := newLineage(t, "refused", 1, 1)
	c := l.after(l.base()...)
	end := MaxOperationsWindow
	for name, test := range map[string]struct {
		s    *Statement
		code reason.Code
	}{
		"by the record key":            {l.beat(1, 0, l.record, nil), reason.CertUnknown},
		"by a root":                    {l.beat(1, 0, l.keys(1)[0], nil), reason.CertUnknown},
		"under a root not known":       {l.beat(1, 0, l.operations, func(s *Status) { s.RootVersion = 2 }), reason.CertUnknown},
		"before the operations window": {l.beat(1, -time.Millisecond, l.operations, nil), reason.CertUnknown},
		"after the operations window":  {l.beat(1, end+time.Millisecond, l.operations, nil), reason.CertUnknown},
		"another organisation":         {l.beat(1, 0, l.operations, func(s *Status) { s.Org = OrgID{7} }), reason.CertUnknown},
		"spoilt":                       {flipped(t, l.beat(1, 0, l.operations, nil)), reason.SigInvalid},
	} {
		wantRefused(t, name, c, test.s, test.code)
	}
	for _, created := range []time.Duration{0, end} {
		if _, added, errs := c.With(l.beat(1, created, l.operations, nil)); added != 1 {
			t.Errorf("at %v: %v", created, errs)
		}
	}
}

// STM-25: a stolen operations key cannot take the counter out of reach, and the
// organisation goes on an hour later at the latest.
func TestFastForward(t *testing.T) {
	l := newLineage(t, "forward", 1, 1)
	c := l.after(l.base()...)
	for _, test := range []struct {
		counter uint64
		after   time.Duration
		ok      bool
	}{
		{MaxStatusLead, 0, true}, {MaxStatusLead + 1, 0, false}, {1<<63 - 1, 0, false}, {MaxStatusLead + 1, time.Hour - time.Millisecond, false},
		{MaxStatusLead + 1, time.Hour, true}, {MaxStatusLead + 100, 100 * time.Hour, true}, {MaxStatusLead + 101, 100 * time.Hour, false},
	} {
		s := l.beat(test.counter, test.after, l.operations, nil)
		if !test.ok {
			wantRefused(t, "too far ahead", c, s, reason.StatusOld)
			continue
		}
		next, added, errs := c.With(s)
		if added != 1 {
			t.Errorf("%d after %v: %v", test.counter, test.after, errs)
		}
		// The thief took all that there was; one hour later there is one more.
		if _, added, errs := next.With(l.beat(test.counter+1, test.after+time.Hour, l.operations, nil)); added != 1 {
			t.Errorf("the organisation cannot go on after %d: %v", test.counter, errs)
		}
	}
}

// K3 of the threat model, as far as it is true on paper: a frozen victim sees that
// it hears nothing, or that something is kept from it (STM-26).
func TestK3WithheldRevocation(t *testing.T) {
	l := newLineage(t, "k3", 1, 1)
	base := l.base() // the certificate begins an hour after the founding
	at := func(d time.Duration) time.Time { return l.start.Add(d) }
	silent := l.orgIn(l.after(base...))
	alive := l.orgIn(l.after(append(slices.Clone(base), l.beat(1, 100*time.Hour, l.operations, nil))...))
	for _, test := range []struct {
		name  string
		org   *Org
		now   time.Duration
		stale bool
	}{
		{"never a status, a new certificate", silent, time.Hour, false},
		{"never a status, a certificate of a week", silent, time.Hour + StatusLife, false},
		{"never a status, an older one", silent, time.Hour + StatusLife + time.Millisecond, true},
		{"a fresh status", alive, 100 * time.Hour, false},
		{"a status of a week", alive, 100*time.Hour + StatusLife, false},
		{"a status of more than a week", alive, 100*time.Hour + StatusLife + time.Millisecond, true},
		{"a status a little ahead of our clock", alive, 100*time.Hour - ClockSkew, false},
		{"a status from the future says nothing of now", alive, 100*time.Hour - ClockSkew - time.Millisecond, true},
		{"no certificate at all", &Org{}, 0, true},
	} {
		if got := test.org.Stale(at(test.now)); got != test.stale {
			t.Errorf("%s: stale %v", test.name, got)
		}
	}
	// The status counts a revocation that somebody keeps back.
	counted := l.beat(2, 101*time.Hour, l.operations, func(s *Status) { s.Revocations = 1 })
	c := l.after(append(slices.Clone(base), counted)...)
	if !l.orgIn(c).Withheld() || alive.Withheld() || silent.Withheld() {
		t.Error("a revocation that is kept back does not show")
	}
	c, _, _ = c.With(l.revoke(Revocation{Key: l.record.Public().ID()}, l.operations))
	if l.orgIn(c).Withheld() {
		t.Error("it came, and still counts as kept back")
	}
	// Rollback: the status before the revocation, replayed, changes nothing.
	wantRefused(t, "a status replayed", c, l.beat(1, 100*time.Hour, l.operations, nil), reason.StatusOld)
}

// STM-26: a status from the future is told by its time, other statements have none.
func TestFutureStatus(t *testing.T) {
	l := newLineage(t, "future", 1, 1)
	s := l.beat(1, time.Hour, l.operations, nil)
	now := l.start.Add(time.Hour - ClockSkew)
	if s.Future(now) || !s.Future(now.Add(-time.Millisecond)) || l.roots[0].Future(time.Time{}) {
		t.Error("ten minutes are the bound")
	}
}

// VER-09: an identity record may carry statements that stand no more, but no status
// from the future; from a file it has no present.
func TestIdentityRecordOfLaterStatements(t *testing.T) {
	org := newTestOrg(t, "identity", nil)
	beat := func(counter uint64, created time.Time) *Statement {
		s, err := SignStatus(testNetwork, Status{Org: org.genesis.Org(), Counter: counter, RootVersion: 1, Created: created}, org.operations)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	record := func(more ...*Statement) *Record {
		return org.sign(t, Draft{
			Topic: TopicControl, Kind: KindIdentity, Sequence: 1, Created: testNow, Expires: testNow.Add(day), Statements: append(org.chain(), more...),
		})
	}
	newest, old := beat(9, testNow), beat(8, testNow.Add(-time.Hour))
	ahead := beat(10, testNow.Add(ClockSkew+time.Millisecond))
	for name, test := range map[string]struct {
		r    *Record
		code reason.Code
	}{
		"the newest":              {record(newest), ""},
		"an old one beside it":    {record(newest, old), ""},
		"at the edge of now":      {record(beat(10, testNow.Add(ClockSkew))), ""},
		"beyond it":               {record(ahead), reason.TimeFuture},
		"beyond it, not in force": {record(beat(1<<40, testNow.Add(day))), reason.TimeFuture},
	} {
		for what, chains := range map[string]*Chains{"nothing": NewChains(testNetwork), "the newest": chainsWith(t, append(org.chain(), newest)...)} {
			if _, err := Verify(test.r.Raw(), chains, testNow); reason.Of(err) != test.code {
				t.Errorf("%s, %s known: %v, want %q", name, what, err, test.code)
			}
			if _, err := VerifyOffline(test.r.Raw(), chains); err != nil {
				t.Errorf("%s from a file: %v", name, err)
			}
		}
	}
	// VER-16: a record's own statements count: here they revoke the key that signed it.
	revocation, err := SignRevocation(testNetwork, Revocation{Org: org.genesis.Org(), Key: org.record.Public().ID(), Created: testNow}, org.operations)
	if err != nil {
		t.Fatal(err)
	}
	r := record(revocation)
	if _, err := Verify(r.Raw(), NewChains(testNetwork), testNow); reason.Of(err) != reason.KeyRevoked {
		t.Errorf("a record that revokes its own key: %v", err)
	}
	if _, err := VerifyOffline(r.Raw(), NewChains(testNetwork)); err != nil {
		t.Errorf("the same from a file: %v", err)
	}
}
