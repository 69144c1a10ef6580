package upkeep

import (
	"context"
	"crypto/rand"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"tocsin/node/audit"
	"tocsin/node/standing"
	"tocsin/protocol"
	"tocsin/protocol/protocoltest"
	"tocsin/protocol/reason"
	"tocsin/protocol/stix"
	"tocsin/protocol/trust"
	"tocsin/storage"
)

// guest is an organisation that the household lists as an anchor.
type guest struct {
	*protocoltest.Author
	h *household
	t *testing.T
	n int
}

func (h *household) guest(t *testing.T, level trust.Level) *guest {
	t.Helper()
	a, err := protocoltest.Found(testNetwork, "Guest", time.Now().Truncate(time.Millisecond), rand.Reader)
	check(t, err)
	h.d.Intake.Learn(a.Statements...)
	if level > trust.Unknown {
		check(t, h.d.Policy.Set(trust.Entry{Org: a.Org, Petname: "Guest", Level: level, Expires: time.Now().AddDate(0, 6, 0)}))
	}
	return &guest{Author: a, h: h, t: t}
}

// sign makes the next record on a topic, with one claim about a value.
func (g *guest) sign(topic, value string, change ...func(*protocol.Draft)) *protocol.Record {
	g.t.Helper()
	on, err := protocol.ParseTopic(topic)
	check(g.t, err)
	g.n++
	d := protocol.Draft{Topic: on, Kind: protocol.KindObjects, TLP: stix.Green, Created: time.Now().Truncate(time.Millisecond), Objects: [][]byte{fmt.Appendf(nil,
		`{"type":"indicator","spec_version":"2.1","id":"indicator--00000000-0000-4000-8000-%012d","created":"2000-01-01T00:00:00.000Z","modified":"2000-01-01T00:00:00.000Z","pattern":"[domain-name:value = '%s']","pattern_type":"stix","valid_from":"2000-01-01T00:00:00Z"}`,
		g.n, value)}}
	for _, edit := range change {
		edit(&d)
	}
	r, err := g.Record(d)
	check(g.t, err)
	return r
}

// send signs records and takes them in.
func (g *guest) send(topic string, n int) []*protocol.Record {
	g.t.Helper()
	var sent []*protocol.Record
	for range n {
		r := g.sign(topic, fmt.Sprintf("bad-%d.net", g.n))
		_, err := g.h.d.Intake.Receive(context.Background(), r, "peer")
		check(g.t, err)
		sent = append(sent, r)
	}
	return sent
}

// want holds the fates of records against a code each, "" for accepted.
func (h *household) want(t *testing.T, when string, records []*protocol.Record, codes func(i int) reason.Code) {
	t.Helper()
	for i, r := range records {
		_, state, err := h.d.Store.Record(r.ID())
		check(t, err)
		var got reason.Code
		if state == storage.Held {
			page, _, err := h.d.Store.QuarantineWhere(storage.HeldFilter{Record: r.ID()}, storage.Ref{}, 1)
			check(t, err)
			if len(page) > 0 {
				got = page[0].RecordReason
			}
		}
		if want := codes(i); got != want || (state == storage.Accepted) != (want == "") {
			t.Errorf("%s, record %d: %v %q, want %q", when, i+1, state, got, want)
		}
	}
}

func accepted(int) reason.Code { return "" }

// above gives a code from a sequence number on.
func above(sequence int, code reason.Code) func(int) reason.Code {
	return func(i int) reason.Code {
		if i+1 > sequence {
			return code
		}
		return ""
	}
}

// running keeps a keeper at work while f changes things; pause lets it see to them.
func (h *household) running(t *testing.T, f func(pause func())) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	f(func() { time.Sleep(time.Second) })
	cancel()
	check(t, <-done)
}

// actions counts what the audit log says was done.
func (h *household) actions(t *testing.T, action string) int {
	t.Helper()
	entries, err := h.d.Audit.Last(1000, audit.Filter{Action: action})
	check(t, err)
	return len(entries)
}

// TestRollback is threat model 3.8: everything that a key said after a position is held,
// and only that; restoring brings it back, and no true positive is lost.
func TestRollback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHousehold(t)
		g := h.guest(t, trust.Anchor)
		sent, elsewhere := g.send("fraud", 8), g.send("drill", 3)
		late := g.sign("fraud", "late.net")
		roll := standing.Rollback{Org: g.Org, Key: g.Key.Public().ID(), Topic: "fraud", After: 5, At: time.Now(), Why: "stolen"}
		h.running(t, func(pause func()) {
			check(t, h.d.Standing.RollBack(roll))
			pause()
			h.want(t, "rolled back", sent, above(5, reason.KeyRolledBack))
			h.want(t, "on another topic", elsewhere, accepted)
			roll.After = 3
			check(t, h.d.Standing.RollBack(roll))
			pause()
			h.want(t, "rolled back further", sent, above(3, reason.KeyRolledBack))
			_, err := h.d.Intake.Receive(context.Background(), late, "peer")
			check(t, err)
			h.want(t, "arriving afterwards", []*protocol.Record{late}, above(0, reason.KeyRolledBack))
		})
		h.sweep = sweep{} // a restart
		h.running(t, func(pause func()) {
			pause()
			h.want(t, "after a restart", sent, above(3, reason.KeyRolledBack))
			_, err := h.d.Standing.Restore(g.Org, "")
			check(t, err)
			pause()
			h.want(t, "restored", append(sent, late), accepted)
			check(t, h.d.Standing.RollBack(roll))
			pause()
			h.want(t, "rolled back again", sent, above(3, reason.KeyRolledBack))
			roll.Topic = ""
			_, err = h.d.Standing.Restore(g.Org, "")
			check(t, err)
			check(t, h.d.Standing.RollBack(roll))
			pause()
			h.want(t, "rolled back on all topics", sent, above(3, reason.KeyRolledBack))
			h.want(t, "rolled back on all topics, another", elsewhere, accepted)
		})
		if n := h.actions(t, "records.hold"); n < 3 {
			t.Errorf("%d holds are in the audit log", n)
		}
	})
}

// TestRestoredWhileStopped: what was restored while the node was down comes back at start.
func TestRestoredWhileStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHousehold(t)
		g := h.guest(t, trust.Anchor)
		sent := g.send("fraud", 4)
		check(t, h.d.Standing.RollBack(standing.Rollback{Org: g.Org, Key: g.Key.Public().ID()}))
		h.running(t, func(pause func()) { pause() })
		h.want(t, "rolled back", sent, above(0, reason.KeyRolledBack))
		_, err := h.d.Standing.Restore(g.Org, "")
		check(t, err)
		h.sweep = sweep{}
		h.running(t, func(pause func()) { pause() })
		h.want(t, "restored", sent, accepted)
	})
}

// TestSweepFork is threat model P3 on the side of the store: what the key said before the
// fork stands, the rest is held, the proof is published once and written down.
func TestSweepFork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHousehold(t)
		g := h.guest(t, trust.Anchor)
		sent := g.send("fraud", 6)
		second := g.sign("fraud", "other.net", func(d *protocol.Draft) { d.Sequence, d.Previous = 4, sent[2].ID() })
		h.running(t, func(pause func()) {
			for range 2 {
				if _, err := h.d.Intake.Receive(context.Background(), second, "peer"); reason.Of(err) != reason.LogFork {
					t.Errorf("the second record: %v", err)
				}
				pause()
			}
			h.want(t, "forked", sent, above(3, reason.LogFork))
		})
		ids, err := h.d.Store.Records(protocol.KindFork)
		check(t, err)
		if len(ids) != 1 || h.actions(t, "fork.seen") != 1 {
			t.Fatalf("%d proofs published, %d written down; want 1 and 1", len(ids), h.actions(t, "fork.seen"))
		}
		raw, state, err := h.d.Store.Record(ids[0])
		check(t, err)
		r, err := protocol.VerifyOffline(raw, h.d.Identity.Chains())
		check(t, err)
		if f := r.Fork(); state != storage.Accepted || f == nil || f.Key != g.Key.Public().ID() || f.Sequence != 4 || r.Org() != h.d.Own {
			t.Errorf("the proof is %v: %+v", state, f)
		}
	})
}

// TestTripped: a trip is written down and lowers the organisation there by one level; the
// person who restores gets everything back.
func TestTripped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHousehold(t)
		g := h.guest(t, trust.Anchor)
		before := g.send("fraud", 2)
		h.running(t, func(pause func()) {
			check(t, h.d.Breakers.Refuted(g.Org, "fraud", nil))
			_, err := h.d.Breakers.Note(g.Org, "fraud", 0, 3, 0, time.Now())
			check(t, err)
			pause()
			after, elsewhere := g.send("fraud", 3), g.send("drill", 1)
			h.want(t, "before the trip", before, accepted)
			h.want(t, "after the trip", after, above(0, reason.OrgTripped))
			h.want(t, "elsewhere", elsewhere, accepted)
			if n := h.actions(t, "breaker.trip"); n != 1 {
				t.Errorf("%d trips are in the audit log", n)
			}
			level := func(topic string) trust.Level { return h.d.Policy.List().Level(g.Org, topic, "", time.Now()) }
			if level("fraud") != trust.Partner || level("drill") != trust.Anchor {
				t.Errorf("levels %v and %v", level("fraud"), level("drill"))
			}
			_, err = h.d.Standing.Restore(g.Org, "fraud")
			check(t, err)
			pause()
			h.want(t, "restored", after, accepted)
		})
	})
}

// TestQuarantineExpiry: what nobody decided on in time goes, a rolled back record that time
// after it was rolled back.
func TestQuarantineExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHousehold(t)
		h.d.QuarantineAge = 3 * 24 * time.Hour
		stranger, g := h.guest(t, trust.Unknown), h.guest(t, trust.Anchor)
		long := func(d *protocol.Draft) { d.Expires = d.Created.Add(300 * 24 * time.Hour) }
		var both []*protocol.Record
		for _, from := range []*guest{stranger, g} {
			r := from.sign("fraud", "bad.net", long)
			_, err := h.d.Intake.Receive(context.Background(), r, "peer")
			check(t, err)
			both = append(both, r)
		}
		here := func() [2]bool {
			var out [2]bool
			for i, r := range both {
				_, _, err := h.d.Store.Record(r.ID())
				out[i] = err == nil
			}
			return out
		}
		h.running(t, func(func()) {
			time.Sleep(2 * 24 * time.Hour)
			check(t, h.d.Standing.RollBack(standing.Rollback{Org: g.Org, Key: g.Key.Public().ID()}))
			time.Sleep(12 * time.Hour)
			if here() != [2]bool{true, true} {
				t.Errorf("after two days and a half: %v", here())
			}
			time.Sleep(2 * 24 * time.Hour)
			if here() != [2]bool{false, true} {
				t.Errorf("after four days and a half: %v, want the stranger's gone and the other there", here())
			}
			time.Sleep(2 * 24 * time.Hour)
			if here() != [2]bool{false, false} {
				t.Errorf("after six days and a half: %v", here())
			}
		})
	})
}

// TestRevoked is threat model K1: a key is void from the position that its revocation
// names on, not from a time on; what it said before stands, and other topics not named do not.
func TestRevoked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHousehold(t)
		g := h.guest(t, trust.Anchor)
		sent, elsewhere := g.send("fraud", 6), g.send("drill", 2)
		fraud := sent[0].Header().Topic
		revocation, err := protocol.SignRevocation(testNetwork, protocol.Revocation{
			Org: g.Org, Key: g.Key.Public().ID(), Reason: protocol.RevokedCompromised, Created: time.Now().Truncate(time.Millisecond),
			Heads: []protocol.Head{{Key: g.Key.Public().ID(), Topic: fraud, Sequence: 4, ID: sent[3].ID()}},
		}, g.Operations)
		check(t, err)
		h.running(t, func(pause func()) {
			pause()
			h.d.Intake.Learn(revocation)
			pause()
			h.want(t, "revoked", sent, above(4, reason.KeyRevoked))
			h.want(t, "revoked, on a topic that is not named", elsewhere, above(0, reason.KeyRevoked))
			backdated := g.sign("fraud", "late.net", func(d *protocol.Draft) { d.Created = sent[0].Header().Created })
			_, err := h.d.Intake.Receive(context.Background(), backdated, "peer")
			check(t, err)
			h.want(t, "arriving, dated back", []*protocol.Record{backdated}, above(0, reason.KeyRevoked))
		})
	})
}

// pledge takes in a record of a kind whose body is encoded.
func (g *guest) pledge(kind protocol.Kind, body []byte, err error) {
	g.t.Helper()
	check(g.t, err)
	r, err := g.Record(protocol.Draft{Topic: protocol.TopicControl, Kind: kind, TLP: stix.Clear, Created: time.Now().Truncate(time.Millisecond), Body: body})
	check(g.t, err)
	_, err = g.h.d.Intake.Receive(context.Background(), r, "peer")
	check(g.t, err)
}

// TestVouched: a vouch of an anchor whom the trust list lets vouch takes the subject's
// records out of quarantine; when the voucher's key is rolled back, its vouch goes too.
func TestVouched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHousehold(t)
		subject, voucher := h.guest(t, trust.Unknown), h.guest(t, trust.Unknown)
		check(t, h.d.Policy.Set(trust.Entry{
			Org: voucher.Org, Petname: "Voucher", Level: trust.Anchor, Expires: time.Now().AddDate(0, 6, 0),
			Vouch: &trust.Vouch{Depth: 1, MaxOrgs: 5, LevelCap: trust.Observed, Scopes: []string{"*"}},
		}))
		sent := subject.send("fraud", 2)
		level := func() trust.Level { return h.d.Policy.List().Level(subject.Org, "fraud", "", time.Now()) }
		h.running(t, func(pause func()) {
			pause()
			h.want(t, "before the vouch", sent, above(0, reason.TrustUnknown))
			body, err := protocol.Vouch{Subject: subject.Org, Until: time.Now().Add(24 * time.Hour), Reason: "met"}.Encode()
			voucher.pledge(protocol.KindVouch, body, err)
			pause()
			h.want(t, "vouched for", sent, accepted)
			check(t, h.d.Standing.RollBack(standing.Rollback{Org: voucher.Org, Key: voucher.Key.Public().ID()}))
			pause()
			if level() != trust.Unknown {
				t.Errorf("the vouch of a rolled back key still gives %v", level())
			}
		})
	})
}

// TestAdvisory: what partners and anchors warn of reaches the review queue, once;
// what others warn of does not, and nothing else happens to the subject.
func TestAdvisory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHousehold(t)
		subject := h.guest(t, trust.Unknown)
		check(t, h.d.Policy.Set(trust.Entry{Org: subject.Org, Petname: "Subject", Level: trust.Partner, Expires: time.Now().AddDate(0, 6, 0)}))
		warn := func(g *guest, text string) {
			body, err := protocol.Advisory{Subject: subject.Org, Text: text, Evidence: []protocol.RecordID{{1}}, Until: time.Now().Add(24 * time.Hour)}.Encode()
			g.pledge(protocol.KindAdvisory, body, err)
		}
		observed := h.guest(t, trust.Unknown)
		check(t, h.d.Policy.Set(trust.Entry{Org: observed.Org, Petname: "Observed", Level: trust.Observed, Expires: time.Now().AddDate(0, 6, 0)}))
		anchor := h.guest(t, trust.Anchor)
		h.running(t, func(pause func()) {
			warn(observed, "do not believe them")
			warn(anchor, "they send junk")
			pause()
			h.d.Pledges.Changed()
			pause()
		})
		items := h.d.Review.List(time.Now())
		if len(items) != 1 || items[0].Org != subject.Org || len(items[0].Detail) != 2 || items[0].Detail[0] != "they send junk" {
			t.Fatalf("%+v", items)
		}
		if level := h.d.Policy.List().Level(subject.Org, "fraud", "", time.Now()); level != trust.Partner {
			t.Errorf("the subject is %v", level)
		}
	})
}

// TestRevokedBesideAnotherOrg: whoever has stolen a record key can found an organisation, certify
// the key under it and take the first place of a topic. What he then says under the victim's
// certificate is held all the same once the key is revoked, and a place in the
// log of his organisation is no fork of the victim's (REC-09).
func TestRevokedBesideAnotherOrg(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHousehold(t)
		g := h.guest(t, trust.Anchor)
		honest := g.send("fraud", 2)
		made, err := protocoltest.Found(testNetwork, "Thief", time.Now().Truncate(time.Millisecond), rand.Reader,
			func(c *protocol.Certificate) { c.RecordKey = g.Key.Public() })
		check(t, err)
		made.Key = g.Key
		h.d.Intake.Learn(made.Statements...)
		thief := &guest{Author: made, h: h, t: t, n: 500}
		thief.send("drill", 1)
		sent := g.send("drill", 1) // at the place where the thief's stands in his own log
		if h.d.Standing.HeldKey(g.Org, g.Key.Public().ID()) {
			t.Error("the victim's key is held for a fork")
		}
		for n := range uint64(3) {
			evil := g.sign("drill", "evil.net", func(d *protocol.Draft) { d.Sequence = n + 2 })
			_, err := h.d.Intake.Receive(context.Background(), evil, "peer")
			check(t, err)
			sent = append(sent, evil)
		}
		h.want(t, "before the revocation", sent, accepted)
		last := honest[1]
		revocation, err := g.Revoke(last.Key(), func(r *protocol.Revocation) {
			r.Heads = []protocol.Head{{Key: last.Key(), Topic: last.Header().Topic, Sequence: 2, ID: last.ID()}}
		})
		check(t, err)
		h.running(t, func(pause func()) {
			h.d.Intake.Learn(revocation)
			pause()
			h.want(t, "revoked", sent, above(0, reason.KeyRevoked))
			h.want(t, "up to the last good place", honest, accepted)
		})
	})
}

// TestRestoreBehindHead: a rollback to the very head voids nothing yet. What comes while it is in
// force is held, and comes back when it is restored.
func TestRestoreBehindHead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHousehold(t)
		g := h.guest(t, trust.Anchor)
		sent := g.send("fraud", 5)
		h.running(t, func(pause func()) {
			pause()
			roll := standing.Rollback{Org: g.Org, Key: g.Key.Public().ID(), After: 5, At: time.Now(), Why: "stolen"}
			check(t, h.d.Standing.RollBack(roll))
			pause()
			sent = append(sent, g.send("fraud", 3)...)
			elsewhere := g.send("drill", 7) // a topic on which the key said nothing before
			pause()
			h.want(t, "rolled back", sent, above(5, reason.KeyRolledBack))
			h.want(t, "rolled back, elsewhere", elsewhere, above(5, reason.KeyRolledBack))
			_, err := h.d.Standing.Restore(g.Org, "")
			check(t, err)
			pause()
			h.want(t, "restored", sent, accepted)
			h.want(t, "restored, elsewhere", elsewhere, accepted)
			sent = append(sent, g.send("fraud", 4)...)
			roll.After = 10
			check(t, h.d.Standing.RollBack(roll))
			pause()
			h.want(t, "rolled back among what came since", sent, above(10, reason.KeyRolledBack))
		})
	})
}
