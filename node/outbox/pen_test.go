package outbox

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"tocsin/node/intake"
	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/protocol/stix"
)

// foreign signs a record with the office's own key, as a clone would.
func (o *office) foreign(on protocol.Topic, sequence uint64, previous protocol.RecordID) *protocol.Record {
	o.t.Helper()
	cert, err := o.certificate(o.identity.Chains(), time.Now())
	check(o.t, err)
	now := time.Now().Truncate(time.Millisecond)
	r, err := protocol.Sign(testNetwork, protocol.Draft{
		Topic: on, Kind: protocol.KindObjects, TLP: stix.Green, Sequence: sequence, Previous: previous,
		Created: now, Expires: now.Add(time.Hour), Objects: [][]byte{[]byte(indicator(99))}, Rand: rand.Reader,
	}, cert, o.pen.signer)
	check(o.t, err)
	return r
}

// try publishes one object and returns what the outbox says.
func (o *office) try(n int) error {
	_, err := o.Publish(context.Background(), Request{Topic: topic(o.t, "malicious-code"), TLP: stix.Green, Confidence: -1, Data: bundle(indicator(n))})
	return err
}

// fresh makes and certifies a key as the node's office would.
func (o *office) fresh() protocol.Signer {
	o.t.Helper()
	key, err := protocol.GenerateKey(protocol.EdDSA, rand.Reader)
	check(o.t, err)
	return key
}

// TestSawStops: a record of the own key that is not held stops the next signature,
// with a clear remedy, and a restart does not forget.
func TestSawStops(t *testing.T) {
	o := newOffice(t)
	path := filepath.Join(t.TempDir(), "reserved.json")
	o.Guard(Safety{Reservations: reservations(t, path)})
	o.publish(indicator(1))
	on := topic(t, "malicious-code")
	head := o.heads(o.Key())
	o.Saw(o.foreign(on, 2, head[0].ID))
	select {
	case <-o.Suspected():
	default:
		t.Fatal("nobody is woken")
	}
	announced := len(o.announced)
	err := o.try(2)
	if reason.Of(err) != reason.KeyStopped || !strings.Contains(err.Error(), "this node does not") {
		t.Fatalf("published after a clone was seen: %v", err)
	}
	if err := o.try(3); reason.Of(err) != reason.KeyStopped || reason.Of(o.Stopped()) != reason.KeyStopped {
		t.Errorf("published after a stop: %v", err)
	}
	if _, err := o.Identity(context.Background()); reason.Of(err) != reason.KeyStopped {
		t.Errorf("identity record after a stop: %v", err)
	}
	if len(o.announced) != announced {
		t.Error("something was announced after a clone was seen")
	}
	check(t, o.Settle())
	o.Guard(Safety{Reservations: reservations(t, path)})
	if reason.Of(o.Stopped()) != reason.KeyStopped {
		t.Error("a restart forgets the stop")
	}
}

// TestSawOwn: own records, and those of other keys, are no sign of a clone.
func TestSawOwn(t *testing.T) {
	o, other := newOffice(t), newOffice(t)
	res := o.publish(indicator(1))
	raw, _, err := o.store.Record(res.Records[0])
	check(t, err)
	r, err := protocol.VerifyOffline(raw, o.identity.Chains())
	check(t, err)
	o.Saw(r)
	o.Saw(other.foreign(topic(t, "fraud"), 1, protocol.RecordID{}))
	o.publish(indicator(2))
}

// TestReplace: with somebody who can certify, publishing goes on by a new key and the old one signs nothing more.
func TestReplace(t *testing.T) {
	o := newOffice(t)
	o.publish(indicator(1))
	old := o.Key()
	var got Loss
	next := o.fresh()
	o.Guard(Safety{Replace: func(_ context.Context, l Loss) (protocol.Signer, error) {
		got = l
		return next, nil
	}})
	on := topic(t, "malicious-code")
	clone := o.foreign(on, 2, o.heads(old)[0].ID)
	o.Saw(clone)
	replaced, err := o.Heal(context.Background())
	if !replaced || err != nil || o.Key() != next.Public().ID() || o.Stopped() != nil {
		t.Fatalf("replaced %v, %v", replaced, err)
	}
	if got.Key != old || len(got.Records) != 1 || got.Records[0] != clone || len(got.Held) != 1 || got.Held[0].Sequence != 1 {
		t.Errorf("loss %+v", got)
	}
	if replaced, err := o.Heal(context.Background()); replaced || err != nil {
		t.Errorf("healed twice: %v, %v", replaced, err)
	}
	// The new key has no certificate here, which is what publishing says now: nothing is signed by the old one.
	if err := o.try(2); reason.Of(err) != reason.CertExpired {
		t.Errorf("published: %v", err)
	}
	o.Saw(clone) // of a key that is gone: no news
	if replaced, err := o.Heal(context.Background()); replaced || err != nil {
		t.Errorf("an old key's record: %v, %v", replaced, err)
	}
}

// TestReplaceFails: when no new key can be made, signing stops and says both causes.
func TestReplaceFails(t *testing.T) {
	o := newOffice(t)
	o.Guard(Safety{Replace: func(context.Context, Loss) (protocol.Signer, error) { return nil, errors.New("no operations key") }})
	o.Saw(o.foreign(topic(t, "fraud"), 1, protocol.RecordID{}))
	if err := o.try(1); reason.Of(err) != reason.KeyStopped || !strings.Contains(err.Error(), "no operations key") {
		t.Errorf("%v", err)
	}
}

// TestAskOnce: peers are asked before the first signature of a run, once, and not at all
// when nothing was ever signed (NET-23).
func TestAskOnce(t *testing.T) {
	o := newOffice(t)
	asked := 0
	safety := Safety{Elsewhere: func(_ context.Context, key protocol.KeyID, heads []protocol.Head, at func(protocol.Topic, uint64) (protocol.RecordID, bool)) []*protocol.Record {
		asked++
		if id, ok := at(heads[0].Topic, 1); key != o.Key() || !ok || id != heads[0].ID {
			t.Errorf("asked about %v %v", key, heads)
		}
		return nil
	}}
	o.Guard(safety)
	o.publish(indicator(1))
	if asked != 0 {
		t.Error("asked about a key that never signed")
	}
	o.pen = newPen(o.pen.signer) // the next run
	o.Guard(safety)
	o.publish(indicator(2))
	o.publish(indicator(3))
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}
}

// TestElsewhere: what peers hold beyond our store stops the first signature of a run.
func TestElsewhere(t *testing.T) {
	o := newOffice(t)
	o.publish(indicator(1))
	head := o.heads(o.Key())[0]
	there := o.foreign(head.Topic, 2, head.ID)
	o.pen = newPen(o.pen.signer)
	o.Guard(Safety{Elsewhere: func(context.Context, protocol.KeyID, []protocol.Head, func(protocol.Topic, uint64) (protocol.RecordID, bool)) []*protocol.Record {
		return []*protocol.Record{there}
	}})
	if err := o.try(2); reason.Of(err) != reason.KeyStopped || !strings.Contains(err.Error(), "up to 2") {
		t.Errorf("%v", err)
	}
}

// TestRestoredStore: a store that is behind the reservations stops the first signature of a run.
func TestRestoredStore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "reserved.json")
	o := newOffice(t)
	o.Guard(Safety{Reservations: reservations(t, path)})
	o.publish(indicator(1))
	o.publish(indicator(2))
	check(t, o.Settle())
	same := reservations(t, path)
	older := newOffice(t) // a store without those records
	older.pen = newPen(o.pen.signer)
	older.Guard(Safety{Reservations: reservations(t, path)})
	if err := older.try(3); reason.Of(err) != reason.KeyStopped || !strings.Contains(err.Error(), "restored") {
		t.Errorf("%v", err)
	}
	check(t, same.Settle(o.Key(), o.heads(o.Key()))) // the file as it was
	o.pen = newPen(o.pen.signer)
	o.Guard(Safety{Reservations: reservations(t, path)})
	o.publish(indicator(3))
}

// between is a context that does something once, when the publisher is about to store what it signed.
type between struct {
	context.Context
	do func()
}

// Value is how package once looks for the request's key.
func (b between) Value(any) any {
	b.do()
	return nil
}

// TestRevokedMeanwhile: a revocation that comes in between the signature and the store ends signing like any other,
// and with a new key the publication goes on.
func TestRevokedMeanwhile(t *testing.T) {
	for _, replaced := range []bool{false, true} {
		o := newOffice(t)
		o.publish(indicator(1))
		old := o.Key()
		if replaced {
			o.Guard(Safety{Replace: func(context.Context, Loss) (protocol.Signer, error) {
				cert, err := o.author.Renew()
				check(t, err)
				_, errs := o.identity.Add(cert)
				return o.author.Key, errors.Join(errs...)
			}})
		}
		ctx := between{context.Background(), sync.OnceFunc(func() {
			s, err := o.author.Revoke(old)
			check(t, err)
			if _, errs := o.identity.Add(s); len(errs) > 0 {
				t.Error(errs)
			}
		})}
		_, err := o.Publish(ctx, Request{Topic: topic(t, "malicious-code"), TLP: stix.Green, Confidence: -1, Data: bundle(indicator(2))})
		if replaced && (err != nil || o.Key() == old || o.Key() != o.author.Key.Public().ID()) {
			t.Errorf("by %s, revoked was %s: %v", o.Key(), old, err)
		}
		if !replaced && (reason.Of(err) != reason.KeyStopped || !strings.Contains(err.Error(), "revoked")) {
			t.Errorf("without a new key: %v", err)
		}
	}
}

// TestRaceWithAClone: a record of the clone that is stored first at our next place keeps ours
// from going out; whoever comes second never reaches the wire.
func TestRaceWithAClone(t *testing.T) {
	o := newOffice(t)
	o.publish(indicator(1))
	head := o.heads(o.Key())[0]
	clone := o.foreign(head.Topic, 2, head.ID)
	_, err := o.intake.Receive(context.Background(), clone, "peer")
	check(t, err)
	// The store has the clone's record, so ours would stand at 3: but it was seen.
	o.suspected(&Loss{Key: o.Key(), Why: "seen"})
	if err := o.try(2); reason.Of(err) != reason.KeyStopped {
		t.Errorf("%v", err)
	}
	if _, err := o.intake.Receive(context.Background(), o.foreign(head.Topic, 2, head.ID), intake.Local); reason.Of(err) != reason.LogFork {
		t.Errorf("two records at one place: %v", err)
	}
}

// TestExchangeWhilePublishing swaps the key under load: every record is signed by the
// key that was active, and nothing is signed by the old one afterwards.
func TestExchangeWhilePublishing(t *testing.T) {
	o := newOffice(t)
	var busy sync.WaitGroup
	for g := range 4 {
		busy.Go(func() {
			for n := range 5 {
				if err := o.try(100*g + n); err != nil && reason.Of(err) != reason.CertExpired {
					t.Error(err)
				}
			}
		})
	}
	old, next := o.Key(), o.fresh()
	var heads []protocol.Head
	check(t, o.Exchange(func(h []protocol.Head) (protocol.Signer, error) {
		heads = h
		return next, nil
	}))
	busy.Wait()
	for _, h := range o.heads(old) {
		if len(heads) != 1 || h != heads[0] {
			t.Errorf("the old key signed after the exchange: %v, then %v", heads, h)
		}
	}
	if err := o.Exchange(func([]protocol.Head) (protocol.Signer, error) { return nil, errors.New("no") }); err == nil || o.Key() != next.Public().ID() {
		t.Errorf("an exchange that failed: %v", err)
	}
}

// TestKilledAndStoreLost: a node that was killed and lost its store, or the end of it, never signs a place twice, with nobody to
// ask. Only the very record that was signed last may take its place again.
func TestKilledAndStoreLost(t *testing.T) {
	path := filepath.Join(t.TempDir(), "reserved.json")
	o := newOffice(t)
	o.Guard(Safety{Reservations: reservations(t, path)})
	first := o.publish(indicator(1)).Records[0]
	atOne, err := os.ReadFile(path)
	check(t, err)
	o.publish(indicator(2))
	lost := func(notes []byte) *office { // the node after a kill, with a store that has nothing
		check(t, os.WriteFile(path, notes, 0o600))
		n := newOfficeOf(t, o.author)
		n.Guard(Safety{Reservations: reservations(t, path)})
		return n
	}
	atTwo, err := os.ReadFile(path)
	check(t, err)
	if err := lost(atTwo).try(3); reason.Of(err) != reason.KeyStopped {
		t.Errorf("two records are lost: %v", err)
	}
	n := lost(atOne)
	check(t, n.try(3))
	if id, ok := n.store.At(n.own, n.Key(), topic(t, "malicious-code"), 1); !ok || id != first {
		t.Errorf("place 1 is %s now, it was %s", id, first)
	}
	if head := n.heads(n.Key())[0]; head.Sequence != 2 {
		t.Errorf("the log goes on at %d", head.Sequence)
	}
	bad := bytes.Replace(atOne, []byte(`"record": "`), []byte(`"record": "AAAA`), 1)
	body := bad[bytes.IndexByte(bad, '\n')+1:]
	if err := lost(append([]byte(reserveHead(body)+"\n"), body...)).try(3); reason.Of(err) != reason.KeyStopped {
		t.Errorf("the last record cannot be stored again: %v", err)
	}
}
