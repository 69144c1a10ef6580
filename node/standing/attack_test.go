package standing

import (
	"testing"
	"testing/synctest"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/protocol/stix"
)

// say signs the next record of the author on fraud, or the one at a place.
func (b *bench) say(sequence uint64) *protocol.Record {
	b.t.Helper()
	r, err := b.author.Record(protocol.Draft{Topic: topic(b.t, "fraud"), Kind: protocol.KindObjects, TLP: stix.Green, Sequence: sequence,
		Created: time.Now().Truncate(time.Millisecond), Objects: [][]byte{[]byte(`{"type":"x-nothing"}`)}})
	check(b.t, err)
	return r
}

// prove forks the author's key with two records.
func (b *bench) prove(one, other *protocol.Record) {
	b.t.Helper()
	body, err := protocol.NewForkProof(one, other)
	check(b.t, err)
	proof, err := protocol.ReadForkProof(body, b.author.Chains)
	check(b.t, err)
	_, err = b.Forked(proof, time.Now())
	check(b.t, err)
}

// TestForksOfEndedOperationsKey: whoever stole an operations key that a root has dropped since can
// still certify keys and fork them, but no longer hold the organisation with it (FRK-08).
func TestForksOfEndedOperationsKey(t *testing.T) {
	b := newBench(t)
	a := b.author
	for range 5 {
		b.say(0)
	}
	last, thief := a.Heads()[0], a.Operations
	_, err := a.Rotate(func(r *protocol.Root) { r.Compromise, r.Keep, r.Heads = true, nil, []protocol.Head{last} })
	check(t, err)
	_, err = a.Delegate()
	check(t, err)
	_, err = a.Renew()
	check(t, err)
	mine := a.Operations
	a.Operations = thief
	for range maxForksOfOrg + MaxForks {
		b.forkFresh()
	}
	a.Operations = mine
	fresh := protocol.Head{Key: b.key(), Topic: last.Topic, Sequence: 1}
	for name, h := range map[string]protocol.Head{"the new key": fresh, "the last good place": last} {
		if err := b.Place(a.Org, h, time.Now()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := len(b.Forks()); n != maxForksOfOrg {
		t.Errorf("%d forks of one organisation are kept, want %d", n, maxForksOfOrg)
	}
	// The same many forks of keys that count do hold it, and find room.
	for range MaxForks {
		if err := b.Place(a.Org, fresh, time.Now()); err != nil {
			t.Errorf("before the third fork: %v", err)
		}
		b.forkFresh()
	}
	if err := b.Place(a.Org, fresh, time.Now()); reason.Of(err) != reason.LogFork {
		t.Errorf("three keys that count forked: %v", err)
	}
}

// TestForkOfRevokedKey: a stolen key that is revoked can still fork any place, but what the
// heads of the revocation reach stands, and of two records there the one that they name (FRK-08).
func TestForkOfRevokedKey(t *testing.T) {
	for name, after := range map[string]bool{"forked before": false, "forked after": true} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			first := b.say(0)
			for range 9 {
				b.say(0)
			}
			last := b.author.Heads()[0]
			evil, twin := b.say(1), b.say(last.Sequence)
			if !after {
				b.prove(first, evil)
				if err := b.Record(first); reason.Of(err) != reason.LogFork {
					t.Errorf("a fork of a key in force: %v", err)
				}
			}
			_, err := b.author.Revoke(b.key(), func(r *protocol.Revocation) { r.Heads = []protocol.Head{last} })
			check(t, err)
			if after {
				b.prove(first, evil)
			}
			for range 2 {
				if err := b.Position(b.author.Org, last); err != nil {
					t.Errorf("the last good place: %v", err)
				}
				if err := b.Record(first); err != nil {
					t.Errorf("the forked place below it: %v", err)
				}
				if err := b.Record(twin); reason.Of(err) != reason.KeyRevoked {
					t.Errorf("the other record at the last good place: %v", err)
				}
				b.reopen()
			}
		})
	}
}

// TestForksOfOneOrg: a listed organisation that forks key after key takes a share of the room, and
// nothing of it stands for as long as it leaves them in force.
func TestForksOfOneOrg(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		for i := range maxForksOfOrg + 5 {
			b.forkFresh()
			if n := len(b.Forks()); n != min(i+1, maxForksOfOrg) {
				t.Fatalf("%d forks are kept after %d", n, i+1)
			}
		}
		time.Sleep(2 * ForkWindow)
		b.Changed(time.Now())
		b.want(map[string]reason.Code{"fraud 1": reason.LogFork})
	})
}

// TestTalkChangesNothing: what strangers say of themselves, and what an organisation says
// that voids nothing, wakes nobody, however often it comes.
func TestTalkChangesNothing(t *testing.T) {
	b := newBench(t)
	a, known := b.author, true
	b.Attach(Surroundings{Listed: func(protocol.OrgID) bool { return known }})
	learn := func(what string, s *protocol.Statement, err error, changes bool) {
		t.Helper()
		check(t, err)
		before := b.Version()
		if b.Learned([]*protocol.Statement{s}); (b.Version() != before) != changes {
			t.Errorf("%s: a change %v, want %v", what, !changes, changes)
		}
	}
	old := b.key()
	s, err := a.Renew()
	learn("a certificate", s, err, false)
	s, err = a.Revoke(old)
	learn("a revocation", s, err, true)
	learn("the same again", s, nil, false)
	for i := range 3 {
		s, err = a.Beat(time.Now().Truncate(time.Millisecond).Add(time.Duration(i) * time.Second))
		learn("a status beside a revocation", s, err, false)
		s, err = a.Renew()
		learn("a certificate beside a revocation", s, err, false)
	}
	known = false
	s, err = a.Revoke(b.key())
	learn("a revocation of a stranger", s, err, false)
	known = true
	learn("of one that is known since", s, nil, true)
}
