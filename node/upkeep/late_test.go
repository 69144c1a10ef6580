package upkeep

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/protocol/trust"
	"tocsin/storage"
)

// TestLateIsNamed is VER-18: what came after the end of a key's certificate is held, comes out as far as a status names it, and all
// of it when the key is certified again; what came in time is never taken back.
func TestLateIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		h := newHousehold(t)
		g := h.guest(t, trust.Partner)
		life := func(d *protocol.Draft) { d.Expires = d.Created.Add(200 * 24 * time.Hour) }
		created := time.Now().Truncate(time.Millisecond)
		before := func(d *protocol.Draft) { d.Created = created; life(d) }
		var records []*protocol.Record
		take := func(want storage.State) {
			t.Helper()
			r := g.sign("fraud", "a.example", before)
			out, err := h.d.Intake.Receive(ctx, r, "peer")
			check(t, err)
			if out.State != want {
				t.Fatalf("record %d is %v, want %v", len(records), out.State, want)
			}
			records = append(records, r)
		}
		want := func(when string, accepted int) {
			t.Helper()
			check(t, h.Sweep(ctx))
			for i, r := range records {
				_, state, err := h.d.Store.Record(r.ID())
				check(t, err)
				if (state == storage.Accepted) != (i < accepted) {
					t.Errorf("%s: record %d is %v", when, i, state)
				}
			}
		}
		learn := func(s *protocol.Statement, err error) {
			t.Helper()
			check(t, err)
			version := h.d.Standing.Version()
			h.d.Intake.Learn(s)
			if h.d.Standing.Version() == version {
				t.Error("nobody was told")
			}
		}
		take(storage.Accepted)
		want("at first", 1)
		time.Sleep(time.Until(g.Certificate.NotAfter) + protocol.ClockSkew + time.Second)
		take(storage.Held)
		want("after the end", 1)
		check(t, h.d.Policy.Set(trust.Entry{Org: g.Org, Petname: "Guest", Level: trust.Partner, Expires: time.Now().AddDate(0, 6, 0)}))
		learn(g.Beat(time.Now().Truncate(time.Millisecond)))
		take(storage.Held)
		want("named", 2)
		if held, err := h.d.Store.HeldRecords(reason.CertExpired); len(held) != 1 || err != nil {
			t.Errorf("%d are held as late, %v", len(held), err)
		}
		learn(protocol.SignCertificate(testNetwork, protocol.Certificate{
			Org: g.Org, Serial: 2, RecordKey: g.Key.Public(), PeerIDs: g.Certificate.PeerIDs, EncryptionKey: g.Certificate.EncryptionKey,
			MaxTLP: g.Certificate.MaxTLP, NotBefore: time.Now().Truncate(time.Millisecond), NotAfter: time.Now().Add(24 * time.Hour).Truncate(time.Millisecond),
		}, g.Operations))
		want("certified again", 3)
		time.Sleep(48 * time.Hour)
		want("and over again", 3)
	})
}
