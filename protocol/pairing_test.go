package protocol

import (
	"crypto/hmac"
	"crypto/sha256"
	"slices"
	"testing"
)

func testMeeting() Meeting {
	return Meeting{Invite: testInvitation(), Accepter: OrgID{7}, InviterPeer: []byte("in"), AccepterPeer: []byte("out")}
}

// INV-07 INV-08: the bytes that another implementation has to hash.
func TestMeetingBytes(t *testing.T) {
	m, nonce := testMeeting(), [NonceBytes]byte{1, 2}
	pair := PairDigest(m.Invite, m.Accepter)
	words := slices.Concat([]byte{0x84, 0x68}, []byte("tocsin/1"), []byte{0x65}, []byte("words"), []byte{0x58, 0x20}, pair[:], []byte{0x50}, nonce[:])
	if got, want := m.SpokenDigest(nonce), Digest(sha256.Sum256(words)); got != want {
		t.Errorf("spoken %s, want %s", got, want)
	}
	proof := func(side string, last []byte) []byte {
		h := hmac.New(sha256.New, m.Invite.Secret[:])
		h.Write(slices.Concat([]byte{0x88, 0x68}, []byte("tocsin/1"), []byte{0x60 + byte(len(side))}, []byte(side), []byte{0x64}, []byte("main"),
			[]byte{0x58, 0x20}, m.Invite.Org[:], []byte{0x58, 0x20}, m.Accepter[:], []byte{0x42}, []byte("in"), []byte{0x43}, []byte("out"), last))
		return h.Sum(nil)
	}
	if got := m.AskProof(); !hmac.Equal(got[:], proof("ask", []byte{0x40})) {
		t.Errorf("proof of the accepter %s", got)
	}
	if got := m.AnswerProof(nonce); !hmac.Equal(got[:], proof("answer", append([]byte{0x50}, nonce[:]...))) {
		t.Errorf("proof of the inviter %s", got)
	}
}

// INV-07 INV-08: whatever differs between two meetings, no proof of one serves in the
// other, and the words tell whom each side means.
func TestMeetingBinds(t *testing.T) {
	nonce := [NonceBytes]byte{1}
	proofs, words := map[Digest]string{}, map[Digest]string{}
	for name, change := range map[string]func(*Meeting){
		"itself":          func(*Meeting) {},
		"network":         func(m *Meeting) { m.Invite.Network = "test" },
		"inviter":         func(m *Meeting) { m.Invite.Org[3] ^= 1 },
		"secret":          func(m *Meeting) { m.Invite.Secret[15] ^= 1 },
		"accepter":        func(m *Meeting) { m.Accepter[31] ^= 1 },
		"peers":           func(m *Meeting) { m.InviterPeer, m.AccepterPeer = m.AccepterPeer, m.InviterPeer },
		"inviter's peer":  func(m *Meeting) { m.InviterPeer = []byte("other") },
		"accepter's peer": func(m *Meeting) { m.AccepterPeer = []byte("other") },
	} {
		m := testMeeting()
		change(&m)
		for _, d := range []Digest{m.AskProof(), m.AnswerProof(nonce), m.AnswerProof([NonceBytes]byte{2})} {
			if same := proofs[d]; same != "" {
				t.Errorf("another %s gives a proof of %s", name, same)
			}
			proofs[d] = name
		}
		switch name {
		case "peers", "inviter's peer", "accepter's peer":
			continue // words are about organisations
		}
		for _, d := range []Digest{m.SpokenDigest(nonce), m.SpokenDigest([NonceBytes]byte{2})} {
			if same := words[d]; same != "" {
				t.Errorf("another %s gives the words of %s", name, same)
			}
			words[d] = name
		}
	}
}
