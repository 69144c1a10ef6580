package p2p

//bubble: every test in this file that sleeps runs inside inBubble, where time is virtual.

import (
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"tocsin/protocol"
)

// The room for records whose signer is not known yet (NET-14).

// putter fills w with records of n bytes at one moment.
func putter(w *waitingRoom, now time.Time) func(from peer.ID, listed bool, certificate byte, n int) bool {
	return func(from peer.ID, listed bool, certificate byte, n int) bool {
		return w.put(protocol.Digest{certificate}, waitingRecord{from: from, listed: listed, raw: make([]byte, n), since: now})
	}
}

// TestWaitingRoom: bounded in all, per forwarder and in time (NET-14).
func TestWaitingRoom(t *testing.T) {
	w, now := newWaitingRoom(), time.Now()
	put := putter(w, now)
	const n = 32 << 10
	for i := range maxWaitingPeer / n {
		if !put("a", true, byte(i), n) {
			t.Fatalf("record %d of one forwarder was not kept", i)
		}
	}
	if put("a", true, 1, 1) {
		t.Error("one forwarder went over its share")
	}
	for f := range maxWaiting/maxWaitingPeer - 1 {
		for range maxWaitingPeer / n {
			if !put(peer.ID(fmt.Sprint(f)), true, 200, n) {
				t.Fatal("a share was not given")
			}
		}
	}
	if put("late", true, 1, 1) {
		t.Error("the whole went over its bound")
	}
	before := w.len()
	took := w.take(func(d protocol.Digest) bool { return d[0] == 200 })
	if len(took) != before-maxWaitingPeer/n || w.len() != maxWaitingPeer/n {
		t.Errorf("took %d of %d, %d left", len(took), before, w.len())
	}
	put("u", false, 1, n)
	w.expire(now.Add(waitingTTL))
	if w.len() == 0 {
		t.Error("expired at its time to live, not after it")
	}
	w.expire(now.Add(waitingTTL + 1))
	if w.len() != 0 || w.bytes != 0 || w.unlisted != 0 || len(w.byPeer) != 0 || len(w.groups) != 0 {
		t.Errorf("not empty after expiry: %d records, %d bytes, %d of them unlisted, %d peers", w.len(), w.bytes, w.unlisted, len(w.byPeer))
	}
}

// TestWaitingForListed: however many strangers fill the room, half of it is there for
// listed forwarders (NET-14).
func TestWaitingForListed(t *testing.T) {
	w := newWaitingRoom()
	put := putter(w, time.Now())
	const n = 32 << 10
	kept, ofOne := 0, 0
	for f := range 20 {
		for range maxWaiting / n {
			if !put(peer.ID(fmt.Sprint(f)), false, byte(f), n) {
				break
			}
			kept += n
		}
		if f == 0 {
			ofOne = kept
		}
	}
	if kept != maxWaitingUnlisted || ofOne != maxWaitingPeer/2 {
		t.Errorf("strangers filled %d bytes, one of them %d; want %d and %d", kept, ofOne, maxWaitingUnlisted, maxWaitingPeer/2)
	}
	for f := range 2 {
		for range maxWaitingPeer / n {
			if !put(peer.ID(fmt.Sprintf("listed%d", f)), true, 200, n) {
				t.Fatal("no room for a listed forwarder's record")
			}
		}
	}
}

// round plays one round of asking at now.
func round(w *waitingRoom, now time.Time, others ...peer.ID) map[peer.ID][]protocol.Digest {
	due := dueOf(w, now, others...)
	for p, wanted := range due {
		w.asked(p, wanted, now)
		w.answered(p)
	}
	return due
}

func dueOf(w *waitingRoom, now time.Time, others ...peer.ID) map[peer.ID][]protocol.Digest {
	return w.due(now, func() []peer.ID { return others })
}

// TestWaitingTurns: every forwarder of a certificate is asked in its turn, a listed one
// first, none more than once in a while (NET-14).
func TestWaitingTurns(t *testing.T) {
	w, now := newWaitingRoom(), time.Now()
	put := putter(w, now)
	const many = 8
	for i := range many {
		put(peer.ID(fmt.Sprintf("junk%d", i)), false, 1, 100)
	}
	put("listed", true, 1, 100)
	put("honest", false, 1, 100)
	var order []peer.ID
	for range many + 2 {
		due := round(w, now)
		if len(due) != 1 {
			t.Fatalf("one certificate is asked of %d peers at once", len(due))
		}
		for p := range due {
			order = append(order, p)
		}
		// Newcomers do not get ahead of those who wait for their turn.
		put(peer.ID(fmt.Sprintf("later%d", len(order))), false, 1, 100)
		if again := dueOf(w, now.Add(askInterval-1)); len(again) != 0 {
			t.Fatalf("asked again too early: %v", again)
		}
		now = now.Add(askInterval)
	}
	if order[0] != "listed" {
		t.Errorf("the first asked is %s", order[0])
	}
	if order[many+1] != "honest" {
		t.Errorf("in order: %q", order)
	}
}

// TestWaitingAsksAgain: the only forwarder is asked again after a while, not before, and for a
// bounded number of certificates at once (NET-14).
func TestWaitingAsksAgain(t *testing.T) {
	w, now := newWaitingRoom(), time.Now()
	put := putter(w, now)
	for i := range maxWanted + 10 {
		put("a", true, byte(i), 100)
	}
	if due := round(w, now); len(due["a"]) != maxWanted {
		t.Errorf("asked for %d certificates, want %d", len(due["a"]), maxWanted)
	}
	if due := round(w, now.Add(askInterval)); len(due["a"]) != 10 {
		t.Errorf("then asked for %d certificates, want the other 10", len(due["a"]))
	}
	if due := dueOf(w, now.Add(askAgain-1)); len(due) != 0 {
		t.Errorf("asked again too early: %v", due)
	}
	if due := dueOf(w, now.Add(askAgain)); len(due["a"]) != maxWanted {
		t.Errorf("not asked again: %d", len(due["a"]))
	}
}

// TestWaitingOthers: when the forwarder had time to answer, other peers are asked turn about, in
// the order given, and none of them before (NET-14).
func TestWaitingOthers(t *testing.T) {
	w, now := newWaitingRoom(), time.Now()
	put := putter(w, now)
	others := []peer.ID{"listed", "other", "last"}
	put("mute", false, 1, 100)
	var order []peer.ID
	for step := range 9 {
		put(peer.ID(fmt.Sprintf("junk%d", step)), false, 1, 100)
		due := round(w, now, others...)
		if len(due) != 1 {
			t.Fatalf("one certificate is asked of %d peers at once", len(due))
		}
		for p := range due {
			order = append(order, p)
		}
		now = now.Add(askInterval)
	}
	want := []peer.ID{"mute", "listed", "junk0", "other", "junk1", "last", "junk2", "listed", "junk3"}
	if !slices.Equal(order, want) {
		t.Errorf("in order %q, want %q", order, want)
	}
}

// TestWaitingBusy: who is being asked is not asked for anything else, and what waits for it goes to
// others (NET-14).
func TestWaitingBusy(t *testing.T) {
	w, now := newWaitingRoom(), time.Now()
	put := putter(w, now)
	put("mute", true, 1, 100)
	w.asked("mute", []protocol.Digest{{1}}, now)
	now = now.Add(2 * askAgain)
	if due := dueOf(w, now); len(due) != 0 {
		t.Errorf("asked while it is being asked: %v", due)
	}
	if due := dueOf(w, now, "mute", "other"); len(due) != 1 || len(due["other"]) != 1 {
		t.Errorf("asked %v, want the other", due)
	}
	w.answered("mute")
	if due := dueOf(w, now); len(due["mute"]) != 1 {
		t.Errorf("not asked when it is free again: %v", due)
	}
}

// TestMuteForwarder: who passes a record on first and answers no question about its chain does
// not hold it back: an honest peer's copy is dropped as seen, but that peer is asked (NET-14).
func TestMuteForwarder(t *testing.T) {
	for name, handler := range map[string]network.StreamHandler{
		"no such protocol": nil,
		"no answer":        func(s network.Stream) { _, _ = io.ReadAll(s) },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, m *mesh) {
				fraud := topic(t, "fraud")
				nodes := m.line(2, fraud)
				mute := m.attacker(nodes[0], fraud)
				if handler != nil {
					mute.host.SetStreamHandler(identityProtocol, handler)
				}
				far := newAuthor(t)
				nodes[1].deps().AddStatements(far.Statements...)
				r := far.sign(t, fraud, 500)
				mute.send(t, fraud, r.Raw())
				if nodes[0].Waiting() != 1 {
					t.Fatal("the record does not wait")
				}
				if err := nodes[1].Announce(m.ctx, r); err != nil {
					t.Fatal(err)
				}
				waitFor(t, 3*askInterval, "the record", func() bool { return nodes[0].has(r.ID()) })
			})
		})
	}
}
