package protocol

import "time"

// Invitation is what one organisation hands another by any channel, so that the two
// nodes find each other once (SPEC 10.5). It is no secret worth stealing: what it gives
// is a place in a waiting list until people have compared the words.
type Invitation struct {
	Network string
	Org     OrgID
	// Addrs are 1 to MaxInviteAddrs multiaddrs of the inviter's node, in binary form, peer id included.
	Addrs [][]byte
	// Secret is 16 random bytes, good for one acceptance.
	Secret [16]byte
	// Expires is in whole seconds.
	Expires time.Time
}

// Encode writes "tocsin:invite/" and the invitation in base64url, with a checksum
// so that a torn copy is told from a wrong one.
func (i Invitation) Encode() (string, error) { panic("unwritten") }

// ParseInvitation reads what Encode wrote; white space inside is passed over
// (mail wraps lines). Errors are invite.invalid and say what is wrong.
func ParseInvitation(text string) (Invitation, error) { panic("unwritten") }

// Handle names an invitation without giving its secret away: the first 8 hex digits of a hash.
func (i Invitation) Handle() string { panic("unwritten") }

// PairDigest is what both sides turn into eight words and compare by voice: it
// binds both organisations and the secret. SHA-256 over the CBOR array
// ["tocsin/1", "pair", network, inviter, accepter, secret].
func PairDigest(i Invitation, accepter OrgID) Digest { panic("unwritten") }
