package protocol

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"tocsin/protocol/reason"
)

// Invitation is what one organisation hands another by any channel, so that the two
// nodes find each other once (SPEC 10.7). It is no secret worth stealing: what it gives
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

// invitePrefix begins the text of an invitation.
const invitePrefix = "tocsin:invite/"

// inviteCheck is the length of the checksum at the end.
const inviteCheck = 4

// The claims of an invitation (SPEC 10.7).
const (
	inviteNetwork = iota + 1
	inviteOrg
	inviteAddrs
	inviteSecret
	inviteExpires
	lastInvite = inviteExpires
)

// Encode writes "tocsin:invite/" and the invitation in base64url, with a checksum
// so that a torn copy is told from a wrong one. Errors name the limit (usage.invalid).
func (i Invitation) Encode() (string, error) {
	c := claims{
		inviteNetwork: i.Network, inviteOrg: i.Org[:], inviteSecret: i.Secret[:], inviteExpires: uint64(i.Expires.Unix()),
		inviteAddrs: list(i.Addrs, func(b []byte) any { return b }),
	}
	raw, err := encode(c)
	if err == nil {
		_, err = readInvite(raw)
	}
	if err != nil {
		return "", reason.Wrap(reason.UsageInvalid, "write an invitation", err)
	}
	sum := inviteSum(raw)
	return invitePrefix + base64.RawURLEncoding.EncodeToString(append(raw, sum[:]...)), nil
}

// ParseInvitation reads what Encode wrote; white space inside is passed over
// (mail wraps lines). Errors are invite.invalid and say what is wrong.
func ParseInvitation(text string) (Invitation, error) {
	invalid := func(why string) error { return reason.New(reason.InviteInvalid, "read an invitation: "+why) }
	if len(text) > MaxInviteText {
		return Invitation{}, invalid(fmt.Sprintf("%d characters, the limit is %d", len(text), MaxInviteText))
	}
	// INV-04
	text = strings.Map(func(c rune) rune {
		if unicode.IsSpace(c) {
			return -1
		}
		return c
	}, text)
	// INV-01
	code, ok := strings.CutPrefix(text, invitePrefix)
	if !ok {
		return Invitation{}, invalid(fmt.Sprintf("it does not begin with %q", invitePrefix))
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(code)
	if err != nil || len(raw) <= inviteCheck {
		return Invitation{}, invalid("it is not whole: a part is missing, or a character was changed")
	}
	// INV-03
	raw, check := raw[:len(raw)-inviteCheck], raw[len(raw)-inviteCheck:]
	if sum := inviteSum(raw); !bytes.Equal(sum[:], check) {
		return Invitation{}, invalid("it is not whole: a part is missing, or a character was changed")
	}
	i, err := readInvite(raw)
	if err != nil {
		return Invitation{}, reason.Wrap(reason.InviteInvalid, "read an invitation", err)
	}
	return i, nil
}

// readInvite reads the claims of an invitation.
func readInvite(raw []byte) (Invitation, error) {
	// INV-02
	c, err := decodeClaims(raw)
	if err != nil {
		return Invitation{}, err
	}
	for key := range c {
		if key == 0 || key > lastInvite && key < firstOptionalClaim {
			return Invitation{}, fmt.Errorf("claim %d is not of this version", key)
		}
	}
	r := &claimReader{claims: c}
	i := Invitation{
		Network: r.topic(inviteNetwork).String(), // a network's name has the form of a topic's (STM-03)
		Org:     OrgID(r.digest(inviteOrg)),
		Expires: time.Unix(int64(r.number(inviteExpires, 0, MaxTime/1000)), 0).UTC(),
	}
	secret, ok := c[inviteSecret].([]byte)
	if !ok || len(secret) != len(i.Secret) {
		r.fail(inviteSecret)
	}
	copy(i.Secret[:], secret)
	for _, e := range r.list(inviteAddrs, MaxInviteAddrs, false) {
		b, ok := e.([]byte)
		if !ok || len(b) == 0 || len(b) > MaxInviteAddrBytes || slices.ContainsFunc(i.Addrs, func(o []byte) bool { return bytes.Equal(o, b) }) {
			r.fail(inviteAddrs)
		}
		i.Addrs = append(i.Addrs, b)
	}
	return i, r.err
}

// inviteSum is the checksum of an invitation.
func inviteSum(raw []byte) [inviteCheck]byte {
	sum := sha256.Sum256(append([]byte(invitePrefix), raw...))
	return [inviteCheck]byte(sum[:inviteCheck])
}

// Handle names an invitation without giving its secret away: the first 8 hex digits of a hash.
func (i Invitation) Handle() string {
	// INV-05
	sum := sha256.Sum256(mustEncode([]any{protocolVersion, "invite", i.Network, i.Org[:], i.Secret[:]}))
	return hex.EncodeToString(sum[:4])
}

// PairDigest is what both sides turn into eight words and compare by voice: it
// binds both organisations and the secret. SHA-256 over the CBOR array
// ["tocsin/1", "pair", network, inviter, accepter, secret].
func PairDigest(i Invitation, accepter OrgID) Digest {
	// INV-06
	return sha256.Sum256(mustEncode([]any{protocolVersion, "pair", i.Network, i.Org[:], accepter[:], i.Secret[:]}))
}
