package custody

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tocsin/node/audit"
	"tocsin/node/identity"
	"tocsin/node/keystore"
	"tocsin/node/outbox"
	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// TestRun: the chain is announced anew every six hours, a status is made at least daily and at
// most hourly, and a certificate past two thirds of its life is followed by a new one.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		if h.Announcement() != nil {
			t.Error("there is an announcement before Prepare")
		}
		h.prepare()
		first := h.Announcement().Certificate().Digest()
		if s := h.org().Status; s == nil || s.Counter != 1 || len(s.Certificates) != 1 || s.RootVersion != 1 {
			t.Fatalf("first status %+v", s)
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- h.Run(ctx) }()
		time.Sleep(13 * time.Hour)
		h.mu.Lock()
		if n := len(h.announced); n != 2 || h.Announcement() != h.announced[1] {
			t.Errorf("%d announcements in 13 hours, want 2", n)
		}
		h.mu.Unlock()
		for day := range 21 {
			time.Sleep(24 * time.Hour)
			s := h.org().Status
			if age := time.Since(s.Created); age > 24*time.Hour || h.org().Stale(time.Now()) {
				t.Errorf("day %d: the status is %v old", day, age)
			}
		}
		if c := h.org().Status.Counter; c < 20 || c > 30 {
			t.Errorf("status %d after 22 days", c)
		}
		if last := h.Announcement().Certificate(); last.Digest() == first || len(h.org().Certificates) != 2 {
			t.Errorf("%d certificates, the record is under the first: %v", len(h.org().Certificates), last.Digest() == first)
		}
		cancel()
		check(t, <-done)
	})
}

// TestStatusHeads: a status names the ends of the logs, and follows a key event an hour later.
func TestStatusHeads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.prepare()
		check(t, h.publish(protocol.TopicDrill))
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- h.Run(ctx) }()
		old := h.d.Outbox.Key()
		_, err := h.RotateRecord(ctx, true, protocol.RevokedSuperseded, "test")
		check(t, err)
		if s := h.org().Status; s.Counter != 1 {
			t.Errorf("two statuses within an hour: %+v", s)
		}
		time.Sleep(StatusSoon)
		s := h.org().Status
		if s.Counter != 2 || s.Revocations != 1 || len(s.Certificates) != 1 || !slices.ContainsFunc(s.Heads, func(p protocol.Head) bool {
			return p.Key == old && p.Topic == protocol.TopicDrill && p.Sequence == 1
		}) {
			t.Errorf("status after a key event: %+v", s)
		}
		cancel()
		check(t, <-done)
	})
}

// StatusSoon is when the status after a key event is there.
const StatusSoon = identity.StatusRest + 2*lookEvery

// TestRotateRecord: the new key is certified, in its place, and has its emergency
// revocation; the old one is gone from the disk; the event is written down first.
func TestRotateRecord(t *testing.T) {
	h := newHouse(t)
	h.prepare()
	check(t, h.publish(protocol.TopicDrill))
	old := h.d.Outbox.Key()
	fresh, err := h.RotateRecord(context.Background(), false, 0, "test")
	check(t, err)
	keys, err := keystore.Load(h.dir)
	check(t, err)
	if fresh == old || keys.Record.Public().ID() != fresh || h.d.Outbox.Key() != fresh || len(h.RevocationFiles(fresh)) != 2 {
		t.Errorf("old %s, new %s, on disk %s", old, fresh, keys.Record.Public().ID())
	}
	if _, revoked := h.org().Revoked(old); revoked || !slices.Equal(h.actions(), []string{"key.rotate"}) {
		t.Errorf("revoked %v, noted %v", revoked, h.actions())
	}
	if last := h.announced[len(h.announced)-1]; last.Key() != fresh || last.Header().Kind != protocol.KindIdentity {
		t.Errorf("announced last: %s by %s", last.ID(), last.Key())
	}
	check(t, h.publish(protocol.TopicDrill)) // under the new key, from 1 on
	if head, ok := h.d.Store.Head(h.d.Own, fresh, protocol.TopicDrill); !ok || head.Head != 1 {
		t.Errorf("head of the new key %+v", head)
	}
	// The emergency revocation ends it, above the newest status.
	raw, err := os.ReadFile(h.RevocationFiles(fresh)[0])
	check(t, err)
	list, err := h.Submit(context.Background(), raw, fresh.String()[:20])
	check(t, err)
	if len(list) != 1 || list[0].Err != nil || reason.Of(h.Stopped()) != reason.KeyStopped {
		t.Errorf("%+v, stopped: %v", list, h.Stopped())
	}
	_, text, err := identity.Unarmor(string(readFile(t, h.RevocationFiles(fresh)[1])))
	if err != nil || string(text) != string(raw) {
		t.Errorf("the text is not the statement: %v", err)
	}
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	raw, err := os.ReadFile(path)
	check(t, err)
	return raw
}

// TestNotedFirst: what cannot be written down is not done, and leaves nothing behind.
func TestNotedFirst(t *testing.T) {
	h := newHouse(t)
	h.prepare()
	old, chain := h.d.Outbox.Key(), len(h.d.Identity.Chains().Chain(h.d.Own))
	h.deny = errors.New("the disk is full")
	if _, err := h.RotateRecord(context.Background(), true, protocol.RevokedSuperseded, ""); !errors.Is(err, h.deny) {
		t.Errorf("rotate: %v", err)
	}
	if _, err := h.Revoke(context.Background(), Revocation{Key: old}); !errors.Is(err, h.deny) {
		t.Errorf("revoke: %v", err)
	}
	if pending, err := keystore.Pending(h.dir, keystore.RoleRecord); pending != nil || err != nil {
		t.Errorf("pending %v, %v", pending, err)
	}
	if h.d.Outbox.Key() != old || len(h.d.Identity.Chains().Chain(h.d.Own)) != chain || len(keystore.RevocationsOn(h.dir)) != 0 {
		t.Error("something was done all the same")
	}
	check(t, h.publish(protocol.TopicDrill))
}

// TestResume: a kill between the writing of a key and its certificate leaves the old
// key, one between certificate and rename the new one.
func TestResume(t *testing.T) {
	h := newHouse(t)
	h.prepare()
	resume := func() protocol.KeyID {
		t.Helper()
		check(t, Resume(h.dir, h.d.Identity.Chains(), h.d.Own))
		keys, err := keystore.Load(h.dir)
		check(t, err)
		if pending, err := keystore.Pending(h.dir, keystore.RoleRecord); pending != nil || err != nil {
			t.Errorf("still pending: %v, %v", pending, err)
		}
		return keys.Record.Public().ID()
	}
	old := h.d.Outbox.Key()
	if got := resume(); got != old {
		t.Errorf("nothing was interrupted, and the key is %s", got)
	}
	key, err := keystore.MakePending(h.dir, keystore.RoleRecord)
	check(t, err)
	check(t, h.writeEmergency(key.Public().ID(), time.Now()))
	if got := resume(); got != old || len(h.RevocationFiles(key.Public().ID())) != 0 {
		t.Errorf("a key that nobody certified is in place: %s", got)
	}
	key, err = keystore.MakePending(h.dir, keystore.RoleRecord)
	check(t, err)
	cert, _ := identity.Certificate(h.d.Identity.Chains(), h.d.Own, h.keys.Record.Public())
	s, err := identity.Certify(h.d.Identity.Chains(), cert, key.Public(), &h.keys, time.Now())
	check(t, err)
	check(t, h.add(s))
	if got := resume(); got != key.Public().ID() {
		t.Errorf("a certified key is not in place: %s", got)
	}
	// An operations key may wait for its ceremony for days.
	p, err := h.ProposeOperations(context.Background(), false)
	check(t, err)
	resume()
	if _, ok := h.PendingOperations(); !ok {
		t.Error("the waiting operations key is gone")
	}
	part, err := p.Sign(h.founder.Root)
	check(t, err)
	st, err := p.Assemble([]protocol.PublicKey{h.founder.Root.Public()}, part)
	check(t, err)
	check(t, h.add(st))
	resume()
	keys, err := keystore.Load(h.dir)
	check(t, err)
	if _, ok := h.PendingOperations(); ok || keys.Operations.Public() != p.Claims().(*protocol.Operations).Key {
		t.Error("the delegated operations key is not in place")
	}
}

// TestRevokedElsewhere: a key that the organisation ended as compromised stops signing even
// where an operations key is at hand: a person must decide.
func TestRevokedElsewhere(t *testing.T) {
	for why, stops := range map[protocol.RevocationReason]bool{protocol.RevokedCompromised: true, protocol.RevokedSuperseded: false} {
		h := newHouse(t)
		h.prepare()
		check(t, h.publish(protocol.TopicDrill))
		old := h.d.Outbox.Key()
		s, err := h.signRevocation(protocol.Revocation{Key: old, Reason: why, Heads: h.keyHeads(old)}, time.Now())
		check(t, err)
		check(t, h.add(s))
		err = h.publish(protocol.TopicDrill)
		if stops != (reason.Of(err) == reason.KeyStopped) || !stops && err != nil || stops != (h.d.Outbox.Key() == old) {
			t.Errorf("revoked as %d: %v", why, err)
		}
		if want := "key.stop"; h.noted[0].Action != want {
			t.Errorf("noted %v", h.actions())
		}
	}
}

// TestWithoutOperations: a node that does not hold the operations key changes nothing, and says where to go.
func TestWithoutOperations(t *testing.T) {
	h := newHouse(t)
	h.prepare()
	h.keys.Operations = nil
	_, rotate := h.RotateRecord(context.Background(), false, 0, "")
	_, revoke := h.Revoke(context.Background(), Revocation{Key: h.d.Outbox.Key()})
	_, renew := h.ProposeOperations(context.Background(), true)
	_, replace := h.Replace(context.Background(), outbox.Loss{Key: h.d.Outbox.Key()})
	for name, err := range map[string]error{"rotate": rotate, "revoke": revoke, "renew": renew, "replace": replace} {
		if err == nil || reason.Of(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	check(t, h.publish(protocol.TopicDrill))
}

// A damaged file of the counter keeps no node from starting, and is said in the log.
func TestOpenCounterDamaged(t *testing.T) {
	h := newHouse(t)
	check(t, os.WriteFile(filepath.Join(h.dir, "state", "status.json"), []byte("{"), 0o600))
	var said []audit.Event
	h.d.Note = func(_ context.Context, e audit.Event) error {
		said = append(said, e)
		return errors.New("no room")
	}
	_, err := New(h.d)
	check(t, err)
	if len(said) != 1 || said[0].Action != audit.ActionDamaged || !strings.Contains(said[0].Reason, "status.json.damaged-1") {
		t.Errorf("said %+v", said)
	}
	check(t, os.Remove(filepath.Join(h.dir, "state", "status.json")))
	check(t, os.Mkdir(filepath.Join(h.dir, "state", "status.json"), 0o700))
	if _, err := New(h.d); reason.Of(err) != reason.IdentityFile {
		t.Errorf("what cannot be read at all: %v", err)
	}
}

// TestRotateStopped: a key that stopped without an operations key, since peers proved how far its log went, is revoked at that place once
// the operations key is there and somebody rotates; where nothing was proven it is left alone.
func TestRotateStopped(t *testing.T) {
	for _, proven := range []bool{true, false} {
		h := newHouse(t)
		path := filepath.Join(t.TempDir(), "reserved.json")
		notes, err := outbox.OpenReservations(path)
		check(t, err)
		h.prepare()
		check(t, h.publish(protocol.TopicDrill))
		old := h.d.Outbox.Key()
		i := slices.IndexFunc(h.keyHeads(old), func(p protocol.Head) bool { return p.Topic == protocol.TopicDrill })
		held := h.keyHeads(old)[i]
		cert, ok := identity.Certificate(h.d.Identity.Chains(), h.d.Own, h.keys.Record.Public())
		if !ok {
			t.Fatal("no certificate")
		}
		now := time.Now().Truncate(time.Millisecond)
		further, err := protocol.Sign(testNetwork, protocol.Draft{
			Topic: protocol.TopicDrill, Kind: 77, Body: []byte("later"), Sequence: held.Sequence + 1, Previous: held.ID,
			Created: now, Expires: now.Add(time.Hour), Rand: rand.Reader,
		}, cert, h.keys.Record)
		check(t, err)

		// A restored node does not sign, whatever peers say; what they say comes after that.
		operations := h.keys.Operations
		h.keys.Operations = nil
		check(t, notes.Restore("restored from backup"))
		fresh := h.restart(notes)
		if _, err := fresh.Heal(t.Context()); reason.Of(err) != reason.KeyStopped {
			t.Fatalf("a restored node: %v", err)
		}
		if proven {
			fresh.Saw(further)
			if _, err := fresh.Heal(t.Context()); reason.Of(err) != reason.KeyStopped {
				t.Fatalf("with what a peer has: %v", err)
			}
		}

		// The next start has the operations key, and nothing speaks against the old key any more but what was noted.
		h.keys.Operations = operations
		again, err := outbox.OpenReservations(path)
		check(t, err)
		h.d.Outbox = h.restart(again)
		if err := h.Stopped(); reason.Of(err) != reason.KeyStopped {
			t.Fatalf("after a restart: %v", err)
		}
		_, err = h.RotateRecord(t.Context(), false, protocol.RevokedSuperseded, "")
		check(t, err)
		r, revoked := h.org().Revoked(old)
		if revoked != proven {
			t.Fatalf("revoked %v, want %v", revoked, proven)
		}
		at := slices.IndexFunc(r.Heads, func(p protocol.Head) bool { return p.Topic == protocol.TopicDrill })
		if proven && (at < 0 || r.Heads[at].ID != further.ID()) {
			t.Errorf("revoked at %+v, want place %d", r.Heads, held.Sequence+1)
		}
	}
}
