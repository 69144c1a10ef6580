package invite

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/protocoltest"
	"tocsin/protocol/reason"
)

// side is one organisation at its desk; a wire connects it with another one's.
type side struct {
	*Desk
	org  protocol.OrgID
	peer []byte
	path string
	deps Deps
	// mu guards the chains and what was noted.
	mu     sync.Mutex
	chains *protocol.Chains
	noted  []string
	// reach answers for the node at an address; who it is stands in the address.
	reach map[string]*side
	deny  error // of the audit log
}

const network = "main"

func newSide(t testing.TB, name string, reach map[string]*side) *side {
	t.Helper()
	s := &side{peer: []byte("peer of " + name), path: filepath.Join(t.TempDir(), "invites.json"), reach: reach}
	a, err := protocoltest.Found(network, name, time.Now(), rand.Reader, func(c *protocol.Certificate) { c.PeerIDs = [][]byte{s.peer} })
	if err != nil {
		t.Fatal(err)
	}
	s.org = a.Org
	chains, _, errs := protocol.NewChains(network).With(a.Statements...)
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	s.chains = chains
	s.deps = Deps{
		Network: network, Own: s.org, Peer: s.peer,
		Chains: func() *protocol.Chains { s.mu.Lock(); defer s.mu.Unlock(); return s.chains },
		Learn: func(list ...*protocol.Statement) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.chains, _, _ = s.chains.With(list...)
		},
		PeerOf: func(addrs [][]byte) ([]byte, error) { return addrs[0], nil },
		Ask: func(ctx context.Context, addrs [][]byte, q Request) (Answer, error) {
			to, ok := s.reach[string(addrs[0])]
			if !ok {
				return Answer{}, reason.New(reason.PeerDial, "nobody there")
			}
			return to.Answer(ctx, s.peer, q)
		},
		Note: func(_ context.Context, handle string, org protocol.OrgID) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.deny == nil {
				s.noted = append(s.noted, handle+" "+org.String())
			}
			return s.deny
		},
	}
	s.reopen(t)
	reach[string(s.peer)] = s
	return s
}

func (s *side) reopen(t testing.TB) {
	t.Helper()
	desk, err := New(s.path, s.deps)
	if err != nil {
		t.Fatal(err)
	}
	s.Desk = desk
}

func (s *side) knows(org protocol.OrgID) bool { _, ok := s.deps.Chains().Org(org); return ok }

func (s *side) invite(t testing.TB) Pairing {
	t.Helper()
	p, err := s.Create("guest", [][]byte{s.peer}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (s *side) find(t testing.TB, handle string) Pairing {
	t.Helper()
	p, err := s.Find(handle)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func sides(t testing.TB, names ...string) (list []*side) {
	t.Helper()
	reach := map[string]*side{}
	for _, n := range names {
		list = append(list, newSide(t, n, reach))
	}
	return list
}

// refusedWith checks the code and a part of the text of an error.
func refusedWith(t testing.TB, err error, code reason.Code, part string) {
	t.Helper()
	if reason.Of(err) != code || !strings.Contains(err.Error(), part) {
		t.Errorf("%v, want %s that says %q", err, code, part)
	}
}

// INV-07 INV-10 INV-12: two desks meet, have the same words, know each other's chain, and after
// a restart all is as it was; each confirms for itself.
func TestMeet(t *testing.T) {
	l := sides(t, "one", "two")
	one, two := l[0], l[1]
	p := one.invite(t)
	if w := p.Words(one.org); w != nil {
		t.Errorf("words before anybody answered: %v", w)
	}
	_, err := one.Comparable(p.Handle)
	refusedWith(t, err, reason.Conflict, "nobody has answered")
	got, err := two.Accept(t.Context(), "\n "+p.Text[:40]+"\n"+p.Text[40:], "host")
	if err != nil {
		t.Fatal(err)
	}
	one.reopen(t)
	two.reopen(t)
	made := one.find(t, p.Handle)
	accepted := two.find(t, p.Handle)
	if made.State != Compare || made.Org != two.org || !made.Made || made.Petname != "guest" ||
		accepted.State != Compare || accepted.Org != one.org || accepted.Made || accepted.Petname != "host" || accepted.Text != p.Text {
		t.Errorf("inviter %+v, accepter %+v", made, accepted)
	}
	words := made.Words(one.org)
	if len(words) != 8 || !slices.Equal(words, accepted.Words(two.org)) || !slices.Equal(words, got.Words(two.org)) {
		t.Errorf("words %v and %v", words, accepted.Words(two.org))
	}
	if !one.knows(two.org) || !two.knows(one.org) || len(one.noted) != 1 || one.noted[0] != p.Handle+" "+two.org.String() {
		t.Errorf("known %v %v, noted %v", one.knows(two.org), two.knows(one.org), one.noted)
	}
	// Again gives the same words and is noted once.
	again, err := two.Accept(t.Context(), p.Text, "host")
	if err != nil || !slices.Equal(again.Words(two.org), words) || len(one.noted) != 1 {
		t.Errorf("again %v %v, noted %v", again, err, one.noted)
	}
	refusedWith(t, one.Confirm(p.Handle, protocol.OrgID{1}, "x"), reason.Conflict, "changed meanwhile")
	if err := one.Confirm(p.Handle, two.org, "two"); err != nil {
		t.Fatal(err)
	}
	if made := one.find(t, p.Handle); made.State != Confirmed || made.Petname != "two" || two.find(t, p.Handle).State != Compare {
		t.Errorf("after one confirmed: %+v, %+v", made, two.find(t, p.Handle))
	}
	_, err = one.Cancel(p.Handle)
	refusedWith(t, err, reason.Conflict, "was confirmed")
	if info, err := os.Stat(one.path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("state file %v, %v", info, err)
	}
}

// INV-11: of many that use one invitation at the same time one is taken, and only its chain is kept.
func TestOneUse(t *testing.T) {
	names := []string{"host"}
	for i := range 8 {
		names = append(names, fmt.Sprint("guest ", i))
	}
	l := sides(t, names...)
	host, guests := l[0], l[1:]
	p := host.invite(t)
	errs := make([]error, len(guests))
	var all sync.WaitGroup
	for i, g := range guests {
		all.Go(func() { _, errs[i] = g.Accept(t.Context(), p.Text, "host") })
	}
	all.Wait()
	taken := 0
	for i, g := range guests {
		if errs[i] == nil {
			taken++
			if host.find(t, p.Handle).Org != g.org || !host.knows(g.org) {
				t.Errorf("%d was taken, but not by the host", i)
			}
			continue
		}
		refusedWith(t, errs[i], reason.InviteInvalid, "another organisation has used it")
		if host.knows(g.org) || len(g.List()) != 0 || g.knows(host.org) {
			t.Errorf("%d was refused, and something is left of it", i)
		}
	}
	if taken != 1 || len(host.noted) != 1 {
		t.Errorf("%d taken, noted %v", taken, host.noted)
	}
}

// INV-08 INV-10: a thousand wrong proofs change nothing, tell nothing and are not looked at further; the
// right one is then taken. No proof serves another organisation or another peer.
func TestWrongProof(t *testing.T) {
	l := sides(t, "one", "two", "three")
	one, two, three := l[0], l[1], l[2]
	p := one.invite(t)
	good := Request{Handle: p.Handle, Org: two.org, Chain: two.chain(),
		Proof: protocol.Meeting{Invite: p.Invite, Accepter: two.org, InviterPeer: one.peer, AccepterPeer: two.peer}.AskProof()}
	empty := func(what string, from []byte, q Request) {
		t.Helper()
		if a, err := one.Answer(t.Context(), from, q); err != nil || a.Code != Unknown || a.Chain != nil || a.Proof != (protocol.Digest{}) {
			t.Fatalf("%s: %+v, %v", what, a, err)
		}
	}
	before, err := os.ReadFile(one.path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 1000 {
		q := good
		q.Proof[i%32] ^= byte(1 + i/32)
		empty("a wrong proof", two.peer, q)
	}
	for what, change := range map[string]func(*Request){
		"another handle": func(q *Request) { q.Handle = "00000000" },
		"no handle":      func(q *Request) { q.Handle = "" },
		"another org":    func(q *Request) { q.Org, q.Chain = three.org, three.chain() },
		"the inviter":    func(q *Request) { q.Org = one.org },
		"the answer's proof": func(q *Request) {
			q.Proof = protocol.Meeting{Invite: p.Invite, Accepter: two.org, InviterPeer: one.peer, AccepterPeer: two.peer}.AnswerProof(p.Nonce)
		},
	} {
		q := good
		change(&q)
		empty(what, two.peer, q)
	}
	empty("another peer", three.peer, good)
	if after, err := os.ReadFile(one.path); err != nil || !bytes.Equal(before, after) || one.knows(two.org) || one.knows(three.org) {
		t.Errorf("something was kept: %v", err)
	}
	// Who knows the secret and shows no live certificate for the peer is not taken either.
	for what, chain := range map[string][][]byte{
		"no chain": {}, "garbage": {[]byte("garbage"), nil}, "another's chain": three.chain(), "half": two.chain()[:1],
	} {
		q := good
		q.Chain = chain
		if a, err := one.Answer(t.Context(), two.peer, q); err != nil || a.Code != Uncertified || one.knows(two.org) || one.find(t, p.Handle).State != Open {
			t.Errorf("%s: %+v, %v", what, a, err)
		}
	}
	thief := good // three knows the secret and says it is two, with two's public chain
	thief.Proof = protocol.Meeting{Invite: p.Invite, Accepter: two.org, InviterPeer: one.peer, AccepterPeer: three.peer}.AskProof()
	if a, err := one.Answer(t.Context(), three.peer, thief); err != nil || a.Code != Uncertified {
		t.Errorf("somebody else in another's name: %+v, %v", a, err)
	}
	if a, err := one.Answer(t.Context(), two.peer, good); err != nil || a.Code != Taken {
		t.Errorf("the right one: %+v, %v", a, err)
	}
}

// INV-07: somebody who reads and changes the invitation on its way, and meets both sides in
// the other's place, meets both with other words.
func TestManInTheMiddle(t *testing.T) {
	l := sides(t, "one", "two", "mallory")
	one, two, mallory := l[0], l[1], l[2]
	p := one.invite(t)
	changed := p.Invite
	changed.Org, changed.Addrs = mallory.org, [][]byte{mallory.peer}
	text, err := changed.Encode()
	if err != nil {
		t.Fatal(err)
	}
	mallory.mu.Lock()
	mallory.list = append(mallory.list, Pairing{Made: true, Handle: changed.Handle(), Invite: changed, Text: text, State: Open, At: time.Now()})
	mallory.mu.Unlock()
	if _, err := mallory.Accept(t.Context(), p.Text, "one"); err != nil {
		t.Fatal(err)
	}
	if _, err := two.Accept(t.Context(), text, "one"); err != nil {
		t.Fatal(err)
	}
	made, accepted := one.find(t, p.Handle), two.find(t, changed.Handle())
	a, b := made.Words(one.org), accepted.Words(two.org)
	if len(a) != 8 || len(b) != 8 || slices.Equal(a, b) {
		t.Errorf("one reads %v, two reads %v", a, b)
	}
	// With the inviter's name left in, the node that answers has no certificate of it.
	changed = p.Invite
	changed.Addrs, changed.Secret[0] = [][]byte{mallory.peer}, changed.Secret[0]^1
	if text, err = changed.Encode(); err != nil {
		t.Fatal(err)
	}
	two.deps.Ask = func(_ context.Context, _ [][]byte, q Request) (Answer, error) {
		m := protocol.Meeting{Invite: changed, Accepter: q.Org, InviterPeer: mallory.peer, AccepterPeer: two.peer}
		return Answer{Proof: m.AnswerProof([16]byte{}), Chain: one.chain()}, nil
	}
	two.reopen(t)
	_, err = two.Accept(t.Context(), text, "one")
	refusedWith(t, err, reason.InviteInvalid, "no node of the organisation")
	// And one that does not know the secret cannot answer.
	two.deps.Ask = func(context.Context, [][]byte, Request) (Answer, error) { return Answer{Chain: one.chain()}, nil }
	two.reopen(t)
	_, err = two.Accept(t.Context(), text, "one")
	refusedWith(t, err, reason.InviteInvalid, "does not know its secret")
	two.deps.Ask = func(context.Context, [][]byte, Request) (Answer, error) { return Answer{Code: 77}, nil }
	two.reopen(t)
	_, err = two.Accept(t.Context(), text, "one")
	refusedWith(t, err, reason.InviteInvalid, "code 77")
	if _, err := two.Find(changed.Handle()); reason.Of(err) != reason.NotFound {
		t.Errorf("kept: %v", err)
	}
}

// Each thing that can be wrong with an invitation is said, and leaves nothing behind.
func TestRefused(t *testing.T) {
	l := sides(t, "one", "two", "three")
	one, two, three := l[0], l[1], l[2]
	accept := func(s *side, text, petname string) error {
		_, err := s.Accept(t.Context(), text, petname)
		return err
	}
	p := one.invite(t)
	refusedWith(t, accept(two, p.Text[:60], "x"), reason.InviteInvalid, "not whole")
	refusedWith(t, accept(one, p.Text, "x"), reason.InviteInvalid, "made by this organisation itself")
	refusedWith(t, accept(two, p.Text, strings.Repeat("x", maxPetname+1)), reason.UsageInvalid, "petname")
	encode := func(change func(*protocol.Invitation)) string {
		i := p.Invite
		change(&i)
		text, err := i.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	refusedWith(t, accept(two, encode(func(i *protocol.Invitation) { i.Network = "test" }), "x"), reason.InviteInvalid, `"test"`)
	refusedWith(t, accept(two, encode(func(i *protocol.Invitation) { i.Expires = time.Now().Add(-time.Second) }), "x"), reason.InviteInvalid, "is over since")
	refusedWith(t, accept(two, encode(func(i *protocol.Invitation) { i.Secret[0] ^= 1 }), "x"), reason.InviteInvalid, "does not know it")
	refusedWith(t, accept(two, encode(func(i *protocol.Invitation) { i.Addrs = [][]byte{[]byte("nowhere")} }), "x"), reason.PeerDial, "nobody there")
	// An invitation that was made to look longer is over all the same.
	one.mu.Lock()
	one.list[0].Invite.Expires = time.Now().Add(-time.Second)
	one.mu.Unlock()
	refusedWith(t, accept(two, p.Text, "x"), reason.InviteInvalid, "it is over")
	one.reopen(t)
	if len(two.List()) != 0 {
		t.Errorf("kept: %+v", two.List())
	}
	one.deny = errors.New("the audit log is full")
	if err := accept(two, p.Text, "x"); !errors.Is(err, one.deny) || one.find(t, p.Handle).State != Open || one.knows(two.org) {
		t.Errorf("what cannot be written down was done: %v", err)
	}
	one.deny = nil
	if _, err := one.Cancel(p.Handle); err != nil {
		t.Fatal(err)
	}
	refusedWith(t, accept(two, p.Text, "x"), reason.InviteInvalid, "cancelled")
	_, err := one.Comparable(p.Handle)
	refusedWith(t, err, reason.Conflict, "cancelled")
	// One who was taken and then cancelled may not come again, nor anybody else.
	q := one.invite(t)
	if err := accept(two, q.Text, "x"); err != nil {
		t.Fatal(err)
	}
	if _, err := one.Cancel(q.Handle); err != nil {
		t.Fatal(err)
	}
	refusedWith(t, accept(two, q.Text, "x"), reason.InviteInvalid, "cancelled")
	refusedWith(t, accept(three, q.Text, "x"), reason.InviteInvalid, "cancelled")
}

// Lives and numbers have limits; what is long over goes.
func TestBounds(t *testing.T) {
	one := sides(t, "one")[0]
	for life, ok := range map[time.Duration]bool{time.Minute: true, time.Minute - 1: false, MaxLife: true, MaxLife + 1: false} {
		if _, err := one.Create("", [][]byte{one.peer}, life); (err == nil) != ok {
			t.Errorf("for %s: %v", life, err)
		}
	}
	p := one.invite(t)
	one.mu.Lock()
	one.list = nil
	for i := range MaxPairings - 1 {
		q := p
		q.Handle = fmt.Sprintf("%08x", i)
		one.list = append(one.list, q)
	}
	one.mu.Unlock()
	last := one.invite(t)
	_, err := one.Create("", [][]byte{one.peer}, time.Hour)
	refusedWith(t, err, reason.Conflict, "1000 are open already")
	if len(one.List()) != MaxPairings {
		t.Errorf("%d kept", len(one.List()))
	}
	if _, err := one.Cancel("00000007"); err != nil {
		t.Fatal(err)
	}
	one.invite(t) // in its place
	if _, err := one.Find("00000007"); reason.Of(err) != reason.NotFound {
		t.Errorf("the cancelled one: %v", err)
	}
	one.mu.Lock()
	for i := range one.list {
		if one.list[i].Handle != last.Handle {
			one.list[i].Invite.Expires = time.Now().Add(-keepOver - time.Minute)
		}
	}
	one.mu.Unlock()
	if got := one.List(); len(got) != 1 || got[0].Handle != last.Handle {
		t.Errorf("%d are shown", len(got))
	}
	one.invite(t)
	one.reopen(t)
	if got := one.List(); len(got) != 2 {
		t.Errorf("%d are kept", len(got))
	}
}

// A damaged file is not taken for an empty one.
func TestDamaged(t *testing.T) {
	one := sides(t, "one")[0]
	p := one.invite(t)
	good, err := os.ReadFile(one.path)
	if err != nil {
		t.Fatal(err)
	}
	for name, raw := range map[string][]byte{
		"torn":       good[:len(good)-9],
		"other text": bytes.Replace(good, []byte(p.Text), []byte(p.Text[:30]), 1),
		"handle":     bytes.Replace(good, []byte(p.Handle), []byte("00000000"), 1),
		"too long":   append(slices.Clone(good), bytes.Repeat([]byte{' '}, maxFile)...),
	} {
		if err := os.WriteFile(one.path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := New(one.path, one.deps); reason.Of(err) != reason.ConfigInvalid || !strings.Contains(err.Error(), "move it away") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
