package intake

import (
	"context"
	"crypto/rand"
	"fmt"
	"testing"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/protocol/trust"
)

// flood receives records until one is refused, and says how many were taken.
func (d *desktop) flood(n int, next func(i int) *protocol.Record) int {
	d.t.Helper()
	for i := range n {
		if _, err := d.Receive(context.Background(), next(i), "peer"); err != nil {
			if reason.Of(err) != reason.QuarantineFull {
				d.t.Fatalf("record %d: %v", i, err)
			}
			return i
		}
	}
	return n
}

func (d *desktop) bad(i int) *protocol.Record {
	return d.record(protocol.Draft{}, indicator(i, fmt.Sprintf("[domain-name:value = 'x%d.example']", i)))
}

// TestRevokedKeyFloods: whoever holds a revoked key of a listed organisation fills no more than a stranger may, in full or with
// headers, and each record counts 1 KiB at least.
func TestRevokedKeyFloods(t *testing.T) {
	const room = 10
	limit := func(d *Deps) { d.Quarantine = strangerShare * room * minCharge }
	d := newDesktop(t, trust.Partner, limit)
	before := d.bad(0)
	key := d.author.Key.Public().ID()
	revoke, err := d.author.Revoke(key, func(r *protocol.Revocation) {
		r.Heads = []protocol.Head{{Key: key, Topic: before.Header().Topic, Sequence: 1, ID: before.ID()}}
	})
	check(t, err)
	d.Learn(revoke)
	if n := d.flood(3*room, func(i int) *protocol.Record { return d.bad(i + 1) }); n != room {
		t.Errorf("%d records of a revoked key were held, want %d", n, room)
	}
	size := len(d.reduced(d.bad(1)).Raw())
	if n, want := d.flood(4*room, func(i int) *protocol.Record { return d.reduced(d.bad(i + 100)) }), room*minCharge/size; n > want || n < want-2 {
		t.Errorf("%d headers of a revoked key were kept, want about %d", n, want)
	}
	if out := d.receive(before); out.Accepted != 1 {
		t.Errorf("what stands was not taken while the quarantine is full: %+v", out)
	}
}

// TestIdentityFlood: a stranger's identity records are accepted and need room all the same, alone and all together; those of who is
// listed do not, and what came before a start counts after it.
func TestIdentityFlood(t *testing.T) {
	const room = 4
	limit := func(d *Deps) { d.Quarantine = strangerShare * room * (4 << 10) }
	d := newDesktop(t, trust.Partner, limit)
	said := 0
	of := func(statements []*protocol.Statement, sign func(protocol.Draft) (*protocol.Record, error)) func(int) *protocol.Record {
		return func(int) *protocol.Record {
			said++
			now := time.Now().Truncate(time.Millisecond)
			r, err := sign(protocol.Draft{Topic: protocol.TopicControl, Kind: protocol.KindIdentity, Statements: statements,
				Created: now, Expires: now.Add(30*24*time.Hour + time.Duration(said)*time.Second), Rand: rand.Reader})
			check(t, err)
			return r
		}
	}
	a := d.stranger("A")
	next := of(a.Statements, a.Record)
	each := int(d.quota.limit / strangerShare / charge(len(next(0).Raw())))
	if n := d.flood(2*each, next); n != each {
		t.Errorf("%d identity records of one stranger were stored, want %d", n, each)
	}
	d.quota.said = identities{} // as after a start
	if n := d.flood(1, next); n != 0 {
		t.Error("those that came before are forgotten")
	}
	stored := 0
	for i := range 2 * strangerShare {
		b := d.stranger(fmt.Sprint("B", i))
		stored += d.flood(2*each, of(b.Statements, b.Record))
	}
	if all := (strangerShare - 1) * each; stored < all || stored > all+each {
		t.Errorf("%d identity records of many strangers were stored, want about %d", stored, all)
	}
	if n := d.flood(2*each, of(d.author.Statements, d.author.Record)); n != 2*each {
		t.Errorf("%d identity records of a listed organisation were stored of %d", n, 2*each)
	}
}

// TestPartsEvadeBreaker: a listed organisation gone bad trips its breaker as fast when its records come as headers or in
// part first; a hit that was seen in a part does not count again.
func TestPartsEvadeBreaker(t *testing.T) {
	for name, parts := range map[string]struct {
		first func(d *desktop, r *protocol.Record) *protocol.Record
		at    int // at which record it trips
	}{
		"whole":                  {nil, 3},
		"header first":           {func(d *desktop, r *protocol.Record) *protocol.Record { return d.reduced(r) }, 3},
		"without the hit first":  {func(d *desktop, r *protocol.Record) *protocol.Record { return d.reduced(r, 0) }, 3},
		"with nothing but a hit": {func(d *desktop, r *protocol.Record) *protocol.Record { return d.reduced(r, 1) }, 3},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesktop(t, trust.Anchor, guarded(t))
			for n := 1; n <= parts.at+1; n++ {
				r := d.record(protocol.Draft{}, indicator(n, fmt.Sprintf("[ipv4-addr:value = '10.0.0.%d']", n)),
					indicator(1000+n, fmt.Sprintf("[domain-name:value = 'bad-%d.net']", n)))
				if parts.first != nil {
					d.receive(parts.first(d, r))
				}
				d.receive(r)
				if tripped := len(d.d.Standing.Trips()) > 0; tripped != (n >= parts.at) {
					t.Fatalf("after record %d tripped: %v", n, tripped)
				}
			}
		})
	}
}
