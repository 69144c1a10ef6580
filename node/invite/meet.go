package invite

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// Request is what the accepter's node says (INV-09).
type Request struct {
	Handle string
	Org    protocol.OrgID
	Proof  protocol.Digest
	Chain  [][]byte
}

// Answer is what the inviter's node says to it; with another code than Taken it is empty.
type Answer struct {
	Code  uint64
	Proof protocol.Digest
	Nonce [protocol.NonceBytes]byte
	Chain [][]byte
}

// The codes of an Answer (INV-09).
const (
	Taken       = 0
	Unknown     = 1 // no such invitation, or a wrong proof
	Used        = 2
	Ended       = 3
	Uncertified = 4
)

// MaxChain is how many statements either side sends, and MaxChainBytes how much that is together.
const (
	MaxChain      = 256
	MaxChainBytes = 60 << 10
)

// Answer answers a peer that says it was invited. It trusts nobody: it says who
// asked, for a person to compare words with. from is the peer's transport id in binary form.
func (d *Desk) Answer(ctx context.Context, from []byte, q Request) (Answer, error) {
	p, err := d.Find(q.Handle)
	if err != nil || !p.Made || q.Org == d.deps.Own {
		return Answer{Code: Unknown}, nil
	}
	meeting := protocol.Meeting{Invite: p.Invite, Accepter: q.Org, InviterPeer: d.deps.Peer, AccepterPeer: from}
	// INV-08 INV-10
	if want := meeting.AskProof(); subtle.ConstantTimeCompare(want[:], q.Proof[:]) != 1 {
		return Answer{Code: Unknown}, nil
	}
	if code := p.taker(q.Org, time.Now()); code != Taken {
		return Answer{Code: code}, nil
	}
	statements, err := d.certified(q.Org, from, q.Chain)
	if err != nil {
		log.Infow("an invitation was answered without a certificate", "handle", p.Handle, "org", q.Org, "err", err)
		return Answer{Code: Uncertified}, nil
	}
	if p, err = d.take(ctx, p.Handle, q.Org); err != nil {
		return Answer{}, err
	}
	if p.State == Open || p.Org != q.Org { // somebody else was faster, or it was cancelled
		return Answer{Code: p.taker(q.Org, time.Now())}, nil
	}
	d.deps.Learn(statements...)
	return Answer{Code: Taken, Proof: meeting.AnswerProof(p.Nonce), Nonce: p.Nonce, Chain: d.chain()}, nil
}

// taker says whether an organisation may answer this invitation now.
func (p *Pairing) taker(org protocol.OrgID, now time.Time) uint64 {
	// INV-11
	switch {
	case p.State == Cancelled || p.Over(now):
		return Ended
	case p.State != Open && p.Org != org:
		return Used
	}
	return Taken
}

// take gives the invitation to the first organisation that answers it, and gives what
// stands then. The nonce is made here: who answers must not know it before.
func (d *Desk) take(ctx context.Context, handle string, org protocol.OrgID) (Pairing, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	i := d.index(handle)
	if i < 0 {
		return Pairing{Handle: handle, State: Cancelled}, nil
	}
	p := d.list[i]
	if p.State != Open || p.Over(time.Now()) {
		return p, nil
	}
	if err := d.deps.Note(ctx, handle, org); err != nil {
		return p, fmt.Errorf("invitation %s is not given to %s: %w", handle, org, err)
	}
	p.State, p.Org, p.At = Compare, org, time.Now().UTC()
	_, _ = rand.Read(p.Nonce[:]) // never fails
	log.Infow("an invitation was answered", "handle", handle, "org", org)
	return p, d.put(p)
}

// certified parses statements and checks, together with what is known, that they make peer a
// node of org now.
func (d *Desk) certified(org protocol.OrgID, peer []byte, chain [][]byte) ([]*protocol.Statement, error) {
	// INV-10
	var statements []*protocol.Statement
	var errs []error
	for _, raw := range chain {
		s, err := protocol.ParseStatement(d.deps.Network, raw)
		if err == nil && s.Org() != org {
			err = fmt.Errorf("a statement of %s", s.Org())
		}
		if err != nil {
			errs = append(errs, err) // a later version may know it
			continue
		}
		statements = append(statements, s)
	}
	known, _, refused := d.deps.Chains().With(statements...)
	if slices.Contains(known.PeerOrgs(peer, time.Now()), org) {
		return statements, nil
	}
	return nil, fmt.Errorf("no live certificate of %s names this peer: %w", org, errors.Join(append(errs, refused...)...))
}

// chain is the own chain as far as it may be sent; what is over the limit comes with the regular exchange.
func (d *Desk) chain() [][]byte {
	list, size := [][]byte{}, 0
	for _, s := range d.deps.Chains().Chain(d.deps.Own) {
		if size += len(s.Raw()); size > MaxChainBytes || len(list) == MaxChain {
			break
		}
		list = append(list, s.Raw())
	}
	return list
}

// Read reads the text of an invitation that somebody here accepts; invite.invalid
// says what is wrong with it and what to do.
func (d *Desk) Read(text string) (protocol.Invitation, error) {
	i, err := protocol.ParseInvitation(text)
	if err != nil {
		return i, err
	}
	invalid := func(why string) error {
		return reason.New(reason.InviteInvalid, fmt.Sprintf("accept invitation %s: %s", i.Handle(), why))
	}
	switch {
	case i.Network != d.deps.Network:
		return i, invalid(fmt.Sprintf("it is for the network %q, and this node is in %q", i.Network, d.deps.Network))
	case i.Org == d.deps.Own:
		return i, invalid("it was made by this organisation itself; another one has to accept it")
	case !time.Now().Before(i.Expires):
		return i, invalid(fmt.Sprintf("it is over since %s; ask for a new one", i.Expires.Format(time.RFC3339)))
	}
	return i, nil
}

// Accept answers an invitation of another organisation: it connects to the inviter, each node
// proves to the other who it is, and then there are words to compare. Accepting again
// asks again, and gives the same words. petname is how the inviter will be called here.
func (d *Desk) Accept(ctx context.Context, text, petname string) (Pairing, error) {
	i, err := d.Read(text)
	if err == nil {
		err = checkPetname(petname)
	}
	if err != nil {
		return Pairing{}, err
	}
	meeting := protocol.Meeting{Invite: i, Accepter: d.deps.Own, AccepterPeer: d.deps.Peer}
	if meeting.InviterPeer, err = d.deps.PeerOf(i.Addrs); err != nil {
		return Pairing{}, reason.Wrap(reason.InviteInvalid, "accept invitation "+i.Handle(), err)
	}
	a, err := d.deps.Ask(ctx, i.Addrs, Request{Handle: i.Handle(), Org: d.deps.Own, Proof: meeting.AskProof(), Chain: d.chain()})
	if err != nil {
		return Pairing{}, err
	}
	if err := d.checkAnswer(meeting, a); err != nil {
		return Pairing{}, err
	}
	if text, err = i.Encode(); err != nil { // without the white space that mail put in
		return Pairing{}, err
	}
	now := time.Now().UTC()
	p := Pairing{Handle: i.Handle(), Petname: petname, Invite: i, Text: text, Org: i.Org, Nonce: a.Nonce, State: Compare, Created: now, At: now}
	d.mu.Lock()
	defer d.mu.Unlock()
	if k := d.index(p.Handle); k >= 0 {
		if d.list[k].State == Confirmed && d.list[k].Nonce == p.Nonce {
			return d.list[k], nil
		}
		p.Created = d.list[k].Created
	}
	return p, d.put(p)
}

// checkAnswer takes an answer for what it proves, and learns the inviter's chain.
func (d *Desk) checkAnswer(m protocol.Meeting, a Answer) error {
	handle := m.Invite.Handle()
	invalid := func(why string) error {
		return reason.New(reason.InviteInvalid, fmt.Sprintf("accept invitation %s: %s", handle, why))
	}
	switch a.Code {
	case Taken:
	case Unknown:
		return invalid("the inviter's node does not know it; ask for a new one")
	case Used:
		return invalid("another organisation has used it already; tell the inviter by telephone, who cancels it and makes a new one")
	case Ended:
		return invalid("it is over, or the inviter cancelled it; ask for a new one")
	case Uncertified:
		return invalid("the inviter's node does not take this one for a node of this organisation; look at the certificates with 'tocsin keys show', and at both clocks")
	default:
		return invalid(fmt.Sprintf("the inviter's node refused with code %d, which this version does not know", a.Code))
	}
	// INV-08 INV-10
	want := m.AnswerProof(a.Nonce)
	if subtle.ConstantTimeCompare(want[:], a.Proof[:]) != 1 {
		return invalid("who answers at its address does not know its secret: somebody else than the inviter answers there, or changed the text")
	}
	statements, err := d.certified(m.Invite.Org, m.InviterPeer, a.Chain)
	if err != nil {
		return reason.Wrap(reason.InviteInvalid, fmt.Sprintf("accept invitation %s: who answers at its address is no node of the organisation that it names", handle), err)
	}
	d.deps.Learn(statements...)
	return nil
}
