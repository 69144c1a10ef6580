package evidence

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tocsin/node/audit"
	"tocsin/node/p2p"
	"tocsin/node/tlog"
	"tocsin/protocol"
)

// write puts entries into the log.
func (w *world) write(n int) {
	w.t.Helper()
	for i := range n {
		_, err := w.log.Append(w.t.Context(), audit.Event{Action: "trust.set", Target: fmt.Sprint(i)})
		ok(w.t, err)
	}
}

// shown is a request with the newest checkpoint of the maker's log.
func (w *world) shown(old uint64) p2p.WitnessRequest {
	w.t.Helper()
	h, err := w.checkpoints.Make()
	ok(w.t, err)
	tree := w.log.Tree()
	path, err := tree.Consistency(min(old, h.Size), h.Size, tree.Leaves)
	ok(w.t, err)
	s, err := tlog.Open(h.Note, w.chains)
	ok(w.t, err)
	alone, err := s.Alone()
	ok(w.t, err)
	return p2p.WitnessRequest{Old: old, Proof: path, Checkpoint: alone}
}

func (w *world) answer(q p2p.WitnessRequest) p2p.WitnessAnswer {
	w.t.Helper()
	a, err := w.witness.Answer(w.t.Context(), []byte("peer of Maker"), q)
	ok(w.t, err)
	return a
}

// EVD-13: a witness cosigns what continues what it saw, and says what that was to who does not know.
func TestWitnessFollows(t *testing.T) {
	w := newWorld(t)
	w.write(3)
	one := w.shown(0)
	a := w.answer(one)
	if a.Code != p2p.WitnessCosigned || a.Size != 3 {
		t.Fatalf("the first: %+v", a)
	}
	w.write(60)
	two := w.shown(3)
	if a := w.answer(w.shown(0)); a.Code != p2p.WitnessElsewhere || a.Size != 3 || string(a.Bytes) != string(one.Checkpoint) {
		t.Errorf("with another old size: %+v", a)
	}
	w.witness = w.openWitness() // it remembers over a restart
	if a = w.answer(two); a.Code != p2p.WitnessCosigned || a.Size != 63 {
		t.Fatalf("the second: %+v", a)
	}
	if s, err := w.checkpoints.Cosigned(mustPeek(t, two.Checkpoint), a.Bytes); err != nil || len(s.Cosignatures) != 1 || s.Cosignatures[0].Org != w.friend.Org {
		t.Errorf("the line: %v", err)
	}
	two.Old, two.Proof = 63, nil
	if a := w.answer(two); a.Code != p2p.WitnessCosigned {
		t.Errorf("the same again: %+v", a)
	}
	if list := w.witness.List(); len(list) != 1 || list[0].Conflict != "" || list[0].Note != string(two.Checkpoint) {
		t.Errorf("held: %+v", list)
	}
}

func mustPeek(t testing.TB, raw []byte) tlog.Checkpoint {
	t.Helper()
	cp, err := tlog.Peek(raw)
	ok(t, err)
	return cp
}

// EVD-12: for whom nothing is cosigned; nobody is told why.
func TestWitnessRefuses(t *testing.T) {
	w := newWorld(t)
	w.write(2)
	good := w.shown(0)
	of := func(org protocol.OrgID, key protocol.Signer) []byte {
		raw, err := tlog.Sign(tlog.Checkpoint{Origin: tlog.AuditOrigin(network, org, protocol.Digest{}), Size: 1}, key)
		ok(t, err)
		return raw
	}
	cosigned, err := tlog.Cosign(mustPeek(t, good.Checkpoint), w.author.Org, network, w.author.Key, time.Now())
	ok(t, err)
	for name, c := range map[string]struct {
		from string
		q    p2p.WitnessRequest
	}{
		"not listed":                  {"peer of Author", p2p.WitnessRequest{Checkpoint: of(w.author.Org, w.author.Key)}},
		"our own":                     {"peer of Friend", p2p.WitnessRequest{Checkpoint: of(w.friend.Org, w.friend.Key)}},
		"another's peer":              {"peer of Author", good},
		"another's log":               {"peer of Maker", p2p.WitnessRequest{Checkpoint: of(w.author.Org, w.maker.Key)}},
		"no checkpoint":               {"peer of Maker", p2p.WitnessRequest{Checkpoint: []byte("x")}},
		"an old size above it":        {"peer of Maker", p2p.WitnessRequest{Old: 3, Checkpoint: good.Checkpoint}},
		"with somebody's cosignature": {"peer of Maker", p2p.WitnessRequest{Checkpoint: append(append([]byte(nil), good.Checkpoint...), cosigned...)}},
	} {
		a, err := w.witness.Answer(t.Context(), []byte(c.from), c.q)
		if err != nil || a.Code != p2p.WitnessRefused || a.Size != 0 || len(a.Bytes) != 0 {
			t.Errorf("%s: %+v, %v", name, a, err)
		}
	}
	revoke, err := w.maker.Revoke(w.maker.Key.Public().ID())
	ok(t, err)
	chains, _, errs := w.chains.With(revoke)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	w.chains = chains
	if a := w.answer(good); a.Code != p2p.WitnessRefused {
		t.Errorf("a revoked key: %+v", a)
	}
	if len(w.witness.List()) != 0 {
		t.Error("something is witnessed")
	}
}

// EVD-12: there is an end to the logs of one organisation.
func TestWitnessBounds(t *testing.T) {
	w := newWorld(t)
	for i := range maxWitnessed - 1 { // as if it had cosigned them
		w.witness.logs[fmt.Sprint(i)] = Witnessed{Org: w.maker.Org}
	}
	for i, want := range []uint64{p2p.WitnessCosigned, p2p.WitnessRefused} {
		raw, err := tlog.Sign(tlog.Checkpoint{Origin: tlog.AuditOrigin(network, w.maker.Org, protocol.Digest{byte(i)}), Size: 1}, w.maker.Key)
		ok(t, err)
		if a := w.answer(p2p.WitnessRequest{Checkpoint: raw}); a.Code != want {
			t.Errorf("log %d: %+v", maxWitnessed+i, a)
		}
	}
}

// EVD-15, EVD-16: a log that was cut back is found out by the checkpoint that a peer holds, even when every trace at home is
// gone; and both sides have it in writing.
func TestCutLogIsCaught(t *testing.T) {
	w := newWorld(t)
	w.write(20)
	_, err := w.cosigner.Now(t.Context())
	ok(t, err)
	held := w.witness.List()[0]
	w.reopen(func() {
		raw, err := os.ReadFile(w.path("audit.log"))
		ok(t, err)
		lines := strings.SplitAfter(string(raw), "\n")
		ok(t, os.WriteFile(w.path("audit.log"), []byte(strings.Join(lines[:5], "")), 0o600))
		ok(t, os.Remove(w.path("checkpoints")))
	})
	for range 2 {
		cp, err := w.cosigner.Now(t.Context())
		ok(t, err)
		if len(cp.Cosignatures) != 0 {
			t.Error("a witness cosigned a log that was cut")
		}
	}
	if got := w.witness.List()[0]; got.Note != held.Note || !strings.Contains(got.Why, "its end was cut off") || got.Conflict == "" {
		t.Errorf("held: %+v", got)
	}
	w.grown(held)
	v, err := audit.VerifyAgainst(w.path("audit.log"), nil, []tlog.Checkpoint{mustPeek(t, []byte(held.Note))})
	ok(t, err)
	if len(v.Problems) != 1 {
		t.Errorf("problems %q", v.Problems)
	}
}

// EVD-13, EVD-15: a smaller checkpoint accuses nobody by itself: it may be late, or an old one that anybody can show. Only
// who knows what the witness holds, and cannot show that its own is the beginning of that, is written down.
func TestSmallerCheckpointIsNoConflict(t *testing.T) {
	w := newWorld(t)
	w.write(3)
	small := w.shown(0)
	w.write(60)
	large := w.shown(0)
	if a := w.answer(large); a.Code != p2p.WitnessCosigned {
		t.Fatalf("%+v", a)
	}
	tree := w.log.Tree()
	path, err := tree.Consistency(3, 63, tree.Leaves)
	ok(t, err)
	for name, c := range map[string]struct {
		old   uint64
		proof [][]byte
	}{"late": {}, "late, and before it": {old: 2}, "shown to be its beginning": {63, path}} {
		a := w.answer(p2p.WitnessRequest{Old: c.old, Proof: c.proof, Checkpoint: small.Checkpoint})
		if a.Code != p2p.WitnessElsewhere || a.Size != 63 || string(a.Bytes) != string(large.Checkpoint) {
			t.Errorf("%s: %+v", name, a)
		}
	}
	if l := w.witness.List()[0]; l.Conflict != "" {
		t.Errorf("accused: %s", l.Why)
	}
	if a := w.answer(p2p.WitnessRequest{Old: 63, Proof: path[1:], Checkpoint: small.Checkpoint}); a.Code != p2p.WitnessInconsistent {
		t.Errorf("not shown: %+v", a)
	}
	if l := w.witness.List()[0]; !strings.Contains(l.Why, "its end was cut off") || l.Note != string(large.Checkpoint) {
		t.Errorf("held: %+v", l)
	}
}

// asks gives the world a cosigner whose requests to the witness go through ask.
func (w *world) asks(ask func(pass func() (p2p.WitnessAnswer, error)) (p2p.WitnessAnswer, error)) *Cosigner {
	return NewCosigner(w.checkpoints, w.log, CosignerDeps{
		Chains:    w.know,
		Witnesses: func() map[protocol.OrgID]string { return map[protocol.OrgID]string{w.friend.Org: friendPeer} },
		Ask: func(ctx context.Context, _ string, q p2p.WitnessRequest) (p2p.WitnessAnswer, error) {
			return ask(func() (p2p.WitnessAnswer, error) { return w.witness.Answer(ctx, []byte("peer of Maker"), q) })
		},
	})
}

// quiet fails when somebody accuses somebody.
func (w *world) quiet() {
	w.t.Helper()
	for _, l := range w.witness.List() {
		if l.Conflict != "" {
			w.t.Errorf("the witness accuses: %s", l.Why)
		}
	}
	for _, action := range []string{audit.ActionCut, ActionConflict} {
		if entries, err := w.log.Last(10, audit.Filter{Action: action}); err != nil || len(entries) != 0 {
			w.t.Errorf("%d entries %s, %v", len(entries), action, err)
		}
	}
}

// A request that the network delays is overtaken by a newer one, whose checkpoint the log has and our view of it at the
// time of the request had not: neither side may see a log that was cut.
func TestOvertakenRequestAccusesNobody(t *testing.T) {
	w := newWorld(t)
	w.write(3)
	older, err := w.checkpoints.Make()
	ok(t, err)
	asked := 0
	c := w.asks(func(pass func() (p2p.WitnessAnswer, error)) (p2p.WitnessAnswer, error) {
		if asked++; asked == 1 {
			w.write(5)
			w.answer(w.shown(0))
		}
		return pass()
	})
	c.ask(t.Context(), older, time.Now())
	if asked != 1 || w.witness.List()[0].Note == string(older.Note) {
		t.Errorf("asked %d times", asked)
	}
	w.quiet()
	if cp, err := c.Now(t.Context()); err != nil || len(cp.Cosignatures) != 1 {
		t.Errorf("the newest: %v", err)
	}
}

// A witness is asked one thing at a time: a person's request waits for the one under way.
func TestWitnessIsAskedOneThingAtATime(t *testing.T) {
	w := newWorld(t)
	w.write(3)
	older, err := w.checkpoints.Make()
	ok(t, err)
	first, second := make(chan struct{}), make(chan struct{}, 1)
	var asked atomic.Int32
	c := w.asks(func(pass func() (p2p.WitnessAnswer, error)) (p2p.WitnessAnswer, error) {
		if asked.Add(1) > 1 {
			second <- struct{}{}
			return pass()
		}
		close(first)
		select {
		case <-second:
			t.Error("two requests at once")
		case <-time.After(100 * time.Millisecond):
		}
		return pass()
	})
	var wg sync.WaitGroup
	wg.Go(func() { c.ask(t.Context(), older, time.Now().Add(-witnessEvery)) })
	<-first
	w.write(5)
	cp, err := c.Now(t.Context())
	wg.Wait()
	if err != nil || len(cp.Cosignatures) != 1 {
		t.Errorf("the newest: %v", err)
	}
	w.quiet()
}

// A witness that says code 2 or 3 and shows nothing, or what is no smaller checkpoint, has not cosigned: another one is asked.
func TestOnlyACosignatureCounts(t *testing.T) {
	for name, a := range map[string]p2p.WitnessAnswer{
		"elsewhere, larger": {Code: p2p.WitnessElsewhere, Size: 1000}, "elsewhere, none": {Code: p2p.WitnessElsewhere},
		"inconsistent": {Code: p2p.WitnessInconsistent, Size: 1}, "refused": {Code: p2p.WitnessRefused}, "no such code": {Code: 9},
	} {
		w := newWorld(t)
		w.write(3)
		made, err := w.checkpoints.Make()
		ok(t, err)
		c := w.asks(func(func() (p2p.WitnessAnswer, error)) (p2p.WitnessAnswer, error) { return a, nil })
		cp, err := tlog.Open(made.Note, w.chains)
		ok(t, err)
		if c.askAlone(t.Context(), cp, w.friend.Org, friendPeer) == nil {
			t.Errorf("%s counts as a cosignature", name)
		}
		w.quiet()
		w.shut()
	}
}

// grown lets the cut log grow over what was witnessed: then it is another one.
func (w *world) grown(held Witnessed) {
	w.t.Helper()
	w.write(30)
	if _, err := w.cosigner.Now(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	for action, want := range map[string]int{ActionConflict: 1, audit.ActionCut: 1} {
		if entries, err := w.log.Last(10, audit.Filter{Action: action}); err != nil || len(entries) != want {
			w.t.Errorf("%d entries %s, %v", len(entries), action, err)
		}
	}
	if got := w.witness.List()[0]; got.Note != held.Note {
		w.t.Error("the witness goes on from another log")
	}
}

// A witness is asked every five minutes at most, unless a person asks, and no more than are wanted.
func TestWitnessesAreAskedSeldom(t *testing.T) {
	w := newWorld(t)
	w.write(2)
	h, err := w.checkpoints.Make()
	ok(t, err)
	for range 3 {
		w.cosigner.ask(t.Context(), h, time.Now().Add(-witnessEvery))
	}
	if w.asked != 1 {
		t.Errorf("asked %d times", w.asked)
	}
	w.write(1)
	h, err = w.checkpoints.Make()
	ok(t, err)
	w.cosigner.ask(t.Context(), h, time.Now().Add(-witnessEvery))
	if w.asked != 1 {
		t.Error("asked again at once")
	}
	cp, err := w.cosigner.Now(t.Context())
	ok(t, err)
	if w.asked != 2 || len(cp.Cosignatures) != 1 {
		t.Errorf("asked %d times by a person, %d cosignatures", w.asked, len(cp.Cosignatures))
	}
}
