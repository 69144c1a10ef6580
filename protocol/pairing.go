package protocol

import (
	"crypto/hmac"
	"crypto/sha256"
)

// NonceBytes is the length of the number that the inviter's node adds to a meeting.
const NonceBytes = 16

// Meeting is one answer to an invitation: who meets, and between which two nodes (SPEC 10.7).
// The peer ids are in binary form.
type Meeting struct {
	Invite       Invitation
	Accepter     OrgID
	InviterPeer  []byte
	AccepterPeer []byte
}

// AskProof shows that the accepter holds the secret, to this inviter's node and from this accepter's only.
func (m Meeting) AskProof() Digest {
	// INV-08
	return m.proof("ask", nil)
}

// AnswerProof shows the same of the inviter, and that the nonce is its own.
func (m Meeting) AnswerProof(nonce [NonceBytes]byte) Digest {
	// INV-08
	return m.proof("answer", nonce[:])
}

// SpokenDigest is what both sides read aloud as eight words.
func (m Meeting) SpokenDigest(nonce [NonceBytes]byte) Digest {
	// INV-07
	pair := PairDigest(m.Invite, m.Accepter)
	return sha256.Sum256(mustEncode([]any{protocolVersion, "words", pair[:], nonce[:]}))
}

func (m Meeting) proof(side string, nonce []byte) (d Digest) {
	h := hmac.New(sha256.New, m.Invite.Secret[:])
	h.Write(mustEncode([]any{protocolVersion, side, m.Invite.Network, m.Invite.Org[:], m.Accepter[:], m.InviterPeer, m.AccepterPeer, nonce}))
	h.Sum(d[:0])
	return d
}
