package p2p

import (
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/protocol/trust"
)

// Who pays for what is dear to verify (NET-11, NET-13).

// unverifiable is an identity record of somebody's that ends in a statement which
// rests on nothing: it costs a verification and nobody may blame its forwarder.
func unverifiable(t *testing.T, a *author) []byte {
	t.Helper()
	orphan := newAuthor(t)
	statements := append(a.Statements[:len(a.Statements):len(a.Statements)], orphan.Statements[len(orphan.Statements)-1])
	return a.append(t, protocol.Draft{Topic: protocol.TopicControl, Kind: protocol.KindIdentity, Statements: statements}).Raw()
}

// looked counts how many times the same message gets past the forwarder's budget.
func looked(t *testing.T, j *judge, on protocol.Topic, from peer.ID, listed bool, raw []byte, now time.Time) int {
	t.Helper()
	for n := range 1000 {
		if _, err := j.check(on, from, listed, raw, now); reason.Of(err) == reason.RateForwarder {
			return n
		} else if err == nil {
			t.Fatal("what should not verify does")
		}
	}
	return 1000
}

// TestIdentityPaidBefore: identity records are paid for before they are verified, also
// those that no verification can blame on anybody, and on whatever topic they come (NET-11, NET-13).
func TestIdentityPaidBefore(t *testing.T) {
	stranger := newAuthor(t)
	_, j := newTestJudge(t)
	raw, now := unverifiable(t, stranger), time.Now()
	if _, err := j.check(protocol.TopicControl, "first", false, raw, now); reason.Of(err) != reason.CertUnknown {
		t.Fatalf("the record is refused for another reason: %v", err)
	}
	if n := looked(t, j, protocol.TopicControl, "unlisted", false, raw, now); n != identityUnlisted.burst {
		t.Errorf("%d identity records of one peer were verified, want %d", n, identityUnlisted.burst)
	}
	if n := looked(t, j, topic(t, "fraud"), "on data", false, raw, now); n != identityUnlisted.burst {
		t.Errorf("%d identity records on a data topic were verified, want %d", n, identityUnlisted.burst)
	}
	if n := looked(t, j, protocol.TopicControl, "listed", true, raw, now); n != identityListed.burst {
		t.Errorf("%d identity records of a listed peer were verified, want %d", n, identityListed.burst)
	}
	if n := looked(t, j, protocol.TopicControl, "unlisted", false, raw, now.Add(3*time.Second)); n != 3 {
		t.Errorf("%d after three seconds, want 3", n)
	}
}

// TestIdentityOfListedPasses: strangers' identity records through a neighbour do not keep out
// those of listed organisations, known or new in their certificate (NET-13).
func TestIdentityOfListedPasses(t *testing.T) {
	listed, stranger := newAuthor(t), newAuthor(t)
	n, j := newTestJudge(t, listed)
	n.list(listed, trust.Partner)
	now := time.Now()
	looked(t, j, protocol.TopicControl, "f", false, unverifiable(t, stranger), now)
	for i := range controlListed.burst {
		if _, err := j.check(protocol.TopicControl, "f", false, listed.identity(t).Raw(), now); err != nil {
			t.Fatalf("record %d of a listed organisation: %v", i, err)
		}
	}
	// A listed organisation whose certificate is new pays from the total and gets it back.
	newcomer := newAuthor(t)
	n.list(newcomer, trust.Partner)
	for range controlListed.burst {
		if _, err := j.check(protocol.TopicControl, "g", false, newcomer.identity(t).Raw(), now); err != nil {
			t.Fatal(err)
		}
	}
	if got := looked(t, j, protocol.TopicControl, "g", false, unverifiable(t, stranger), now); got != identityUnlisted.burst {
		t.Errorf("after a listed organisation's records %d of the budget are left, want %d", got, identityUnlisted.burst)
	}
	// Whoever lies about the certificate has a bucket of its own to empty.
	if got := looked(t, j, protocol.TopicControl, "liar", false, unverifiable(t, listed), now); got != identityClaimed.burst {
		t.Errorf("%d records that name a listed certificate were verified, want %d", got, identityClaimed.burst)
	}
}

// TestControlShare: one forwarder cannot use up what all strangers have on control (NET-13).
func TestControlShare(t *testing.T) {
	flood, honest := newAuthor(t), newAuthor(t)
	_, j := newTestJudge(t, flood, honest)
	now := time.Now()
	take := func(a *author, from peer.ID) int {
		for i := range 1000 {
			r := a.append(t, protocol.Draft{Topic: protocol.TopicControl, Kind: protocol.KindVouch, Body: []byte("x")})
			if _, err := j.check(protocol.TopicControl, from, false, r.Raw(), now); err != nil {
				return i
			}
		}
		return 1000
	}
	if got := take(flood, "evil"); got != controlForwarder.burst {
		t.Errorf("one forwarder brought %d records of strangers, want %d", got, controlForwarder.burst)
	}
	if got := take(honest, "good"); got != controlForwarder.burst {
		t.Errorf("another one brought %d, want %d", got, controlForwarder.burst)
	}
}
