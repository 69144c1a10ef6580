package protocol

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"tocsin/protocol/reason"
)

// quicAddr is /ip4/192.0.2.7/udp/8469/quic-v1/p2p/<an Ed25519 peer id> in binary form.
func quicAddr() []byte {
	return slices.Concat([]byte{4, 192, 0, 2, 7, 0x91, 2, 0x21, 0x15, 0xcd, 3, 0xa5, 3, 38, 0, 36, 8, 1, 18, 32}, noise("peer", 32))
}

func testInvitation() Invitation {
	return Invitation{
		Network: "main", Org: OrgID(noise("inviter", 32)), Addrs: [][]byte{quicAddr(), append([]byte{4, 192, 0, 2, 7, 6, 0x21, 0x15}, quicAddr()[11:]...)},
		Secret: [16]byte(noise("secret", 16)), Expires: testNow.Add(72 * time.Hour),
	}
}

func mustInvite(t testing.TB, i Invitation) string {
	t.Helper()
	text, err := i.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// INV-01 INV-02 INV-04: what is written is read, however it was wrapped, and a usual one makes an easy QR code.
func TestInvitation(t *testing.T) {
	i := testInvitation()
	text := mustInvite(t, i)
	if len(text) >= 300 || !strings.HasPrefix(text, "tocsin:invite/") || strings.ContainsFunc(text, unicode.IsSpace) {
		t.Errorf("%d characters: %s", len(text), text)
	}
	var wrapped strings.Builder
	for n, c := range text {
		if n%31 == 0 {
			wrapped.WriteString("\r\n\t ")
		}
		wrapped.WriteRune(c)
	}
	for _, form := range []string{text, " " + text + "\n", wrapped.String(), strings.ReplaceAll(text, "/", "/\u00a0")} {
		got, err := ParseInvitation(form)
		if err != nil || !reflect.DeepEqual(got, i) {
			t.Errorf("%q: %+v, %v", form, got, err)
		}
	}
	i.Expires = i.Expires.Add(300 * time.Millisecond)
	if got, err := ParseInvitation(mustInvite(t, i)); err != nil || !got.Expires.Equal(i.Expires.Truncate(time.Second)) {
		t.Errorf("expires %s, %v", got.Expires, err)
	}
}

// INV-03: no torn and no mistyped copy is an invitation.
func TestInvitationTorn(t *testing.T) {
	text := mustInvite(t, testInvitation())
	bad := func(form string) {
		t.Helper()
		if i, err := ParseInvitation(form); reason.Of(err) != reason.InviteInvalid || !reflect.DeepEqual(i, Invitation{}) {
			t.Fatalf("%q was read: %v", form, err)
		}
	}
	for n := range len(text) {
		bad(text[:n])
		bad(text[:n] + text[n+1:])
		for _, c := range "a0-_/=é" {
			if c != rune(text[n]) {
				bad(text[:n] + string(c) + text[n+1:])
			}
		}
	}
	bad(text + "A")
	bad(text + text)
	bad(strings.ToUpper(text))
}

// LIM-01 INV-02: each limit is taken, one more is refused, by the writer and by the reader.
func TestInvitationLimits(t *testing.T) {
	for name, test := range map[string]struct {
		n      int
		change func(i *Invitation, n int)
	}{
		"network": {MaxTopicName, func(i *Invitation, n int) { i.Network = strings.Repeat("n", n) }},
		"addresses": {MaxInviteAddrs, func(i *Invitation, n int) {
			i.Addrs = nil
			for k := range n {
				i.Addrs = append(i.Addrs, []byte{byte(k)})
			}
		}},
		"address": {MaxInviteAddrBytes, func(i *Invitation, n int) { i.Addrs = [][]byte{make([]byte, n)} }},
		"expires": {MaxTime / 1000, func(i *Invitation, n int) { i.Expires = time.Unix(int64(n), 0).UTC() }},
	} {
		i := testInvitation()
		test.change(&i, test.n)
		if got, err := ParseInvitation(mustInvite(t, i)); err != nil || !reflect.DeepEqual(got, i) {
			t.Errorf("%s: at the limit: %v", name, err)
		}
		test.change(&i, test.n+1)
		if _, err := i.Encode(); reason.Of(err) != reason.UsageInvalid {
			t.Errorf("%s: one more is written: %v", name, err)
		}
	}
	most := testInvitation()
	most.Network, most.Addrs = strings.Repeat("n", MaxTopicName), nil
	for k := range MaxInviteAddrs {
		most.Addrs = append(most.Addrs, bytes.Repeat([]byte{byte(k)}, MaxInviteAddrBytes))
	}
	text := mustInvite(t, most)
	spaced := text + strings.Repeat(" ", MaxInviteText-len(text))
	if _, err := ParseInvitation(spaced); err != nil {
		t.Errorf("the longest has %d characters: %v", len(text), err)
	}
	if _, err := ParseInvitation(spaced + " "); reason.Of(err) != reason.InviteInvalid {
		t.Errorf("%d characters: %v", len(spaced)+1, err)
	}
	for name, change := range map[string]func(*Invitation){
		"no network": func(i *Invitation) { i.Network = "" }, "no name": func(i *Invitation) { i.Network = "Main" },
		"no address": func(i *Invitation) { i.Addrs = nil }, "an empty address": func(i *Invitation) { i.Addrs = [][]byte{{}} },
		"an address twice": func(i *Invitation) { i.Addrs = [][]byte{{1}, {1}} }, "no end": func(i *Invitation) { i.Expires = time.Time{} },
	} {
		i := testInvitation()
		change(&i)
		if _, err := i.Encode(); reason.Of(err) != reason.UsageInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// INV-05 INV-06: the handle tells nothing, and the digest is of both sides and their secret.
func TestPairDigest(t *testing.T) {
	i, accepter := testInvitation(), OrgID{7}
	raw := slices.Concat([]byte{0x86, 0x68}, []byte("tocsin/1"), []byte{0x64}, []byte("pair"), []byte{0x64}, []byte("main"),
		[]byte{0x58, 0x20}, i.Org[:], []byte{0x58, 0x20}, accepter[:], []byte{0x50}, i.Secret[:])
	if got, want := PairDigest(i, accepter), Digest(sha256.Sum256(raw)); got != want {
		t.Errorf("digest %s, want %s", got, want)
	}
	seen := map[Digest]string{PairDigest(i, accepter): "itself"}
	handles := map[string]string{i.Handle(): "itself"}
	for name, change := range map[string]func(*Invitation){
		"network": func(i *Invitation) { i.Network = "test" }, "inviter": func(i *Invitation) { i.Org[3] ^= 1 }, "secret": func(i *Invitation) { i.Secret[15] ^= 1 },
	} {
		other := testInvitation()
		change(&other)
		if same := seen[PairDigest(other, accepter)]; same != "" {
			t.Errorf("another %s gives the digest of %s", name, same)
		}
		if same := handles[other.Handle()]; same != "" || len(other.Handle()) != 8 {
			t.Errorf("another %s gives the handle of %s", name, same)
		}
		seen[PairDigest(other, accepter)], handles[other.Handle()] = name, name
	}
	if PairDigest(i, OrgID{8}) == PairDigest(i, accepter) {
		t.Error("the accepter does not count")
	}
	other := testInvitation()
	other.Addrs, other.Expires = other.Addrs[:1], testNow
	if PairDigest(other, accepter) != PairDigest(i, accepter) || other.Handle() != i.Handle() {
		t.Error("where to find the inviter counts")
	}
	if strings.Contains(hex.EncodeToString(i.Secret[:]), i.Handle()) {
		t.Error("the handle is of the secret")
	}
}

// INV-01 INV-02: an invitation has one text.
func FuzzInvitation(f *testing.F) {
	for _, v := range readVectors(f) {
		if v.get("type") == "invite" {
			f.Add(v.get("text"))
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		withinBounds(t, func() {
			i, err := ParseInvitation(text)
			if err != nil {
				if reason.Of(err) != reason.InviteInvalid {
					t.Fatalf("refused with %v", err)
				}
				return
			}
			bare := strings.Map(func(c rune) rune {
				if unicode.IsSpace(c) {
					return -1
				}
				return c
			}, text)
			again, err := i.Encode()
			if err != nil || len(again) > len(bare) || len(again) == len(bare) && again != bare {
				t.Fatalf("%q is written anew as %q: %v", bare, again, err)
			}
		})
	})
}

// runInviteVector reads the text of an invitation.
func runInviteVector(t *testing.T, v *vector) error {
	i, err := ParseInvitation(strings.NewReplacer(`\n`, "\n", `\t`, "\t").Replace(v.get("text")))
	if err != nil {
		return err
	}
	var addrs []string
	for _, a := range i.Addrs {
		addrs = append(addrs, hex.EncodeToString(a))
	}
	accepter, err := ParseOrgID(v.get("accepter"))
	if err != nil {
		t.Fatal(err)
	}
	expectFields(t, v, map[string]string{
		"network": i.Network, "org": i.Org.String(), "address": strings.Join(addrs, "\n"), "secret": hex.EncodeToString(i.Secret[:]),
		"expires": fmt.Sprint(i.Expires.Unix()), "handle": i.Handle(), "pair": PairDigest(i, accepter).String(),
	})
	return nil
}

// INV-01 INV-02 INV-03 INV-04 INV-05 INV-06
func (m *vectorMaker) invitations() {
	good := func(name, comment, text string) {
		v := m.start("invite-"+name, "invite", comment)
		v.add("text", "%s", text)
		accepter := m.org.genesis.Org()
		v.add("accepter", "%s", accepter)
		v.expect("")
		i, err := ParseInvitation(strings.ReplaceAll(text, `\n`, "\n"))
		if err != nil {
			m.t.Fatalf("vector %s: %v", name, err)
		}
		v.add("network", "%s", i.Network)
		v.add("org", "%s", i.Org)
		for _, a := range i.Addrs {
			v.addHex("address", a)
		}
		v.addHex("secret", i.Secret[:])
		v.add("expires", "%d", i.Expires.Unix())
		v.add("handle", "%s", i.Handle())
		v.add("pair", "%s", PairDigest(i, accepter))
	}
	text := mustInvite(m.t, testInvitation())
	good("accept", "an invitation with two addresses", text)
	good("accept-wrapped", "the same, wrapped by a mail program", text[:70]+`\n`+text[70:140]+`\n`+text[140:])
	good("accept-later", "a claim that need not be understood", m.invite(func(c map[any]any) { c[32] = "x" }))
	bad := func(name, comment, text string) {
		v := m.start("invite-"+name, "invite", comment)
		v.add("text", "%s", text)
		v.expect(reason.InviteInvalid)
	}
	bad("empty", "nothing", "")
	bad("prefix", "no prefix", strings.TrimPrefix(text, invitePrefix))
	bad("torn", "the end is missing", text[:len(text)-5])
	bad("changed", "one character is another", text[:40]+flipLetter(text[40:41])+text[41:])
	bad("padding", "base64 with padding", text+"=")
	set := func(name, comment string, key int, value any) {
		bad(name, comment, m.invite(func(c map[any]any) { c[key] = value }))
	}
	set("claim", "a claim that must be understood", lastInvite+1, 1)
	set("network", "a network that is no name", inviteNetwork, "Main")
	set("org", "an organisation of 31 bytes", inviteOrg, make([]byte, 31))
	set("addresses", "five addresses", inviteAddrs, []any{[]byte{1}, []byte{2}, []byte{3}, []byte{4}, []byte{5}})
	set("no-address", "no address", inviteAddrs, []any{})
	set("secret", "a secret of 15 bytes", inviteSecret, make([]byte, 15))
	set("expires", "it ends after the year 9999", inviteExpires, MaxTime/1000+1)
	bad("missing", "no secret", m.invite(func(c map[any]any) { delete(c, inviteSecret) }))
}

// invite is the text of an invitation whose claims were changed, with a good checksum.
func (m *vectorMaker) invite(change func(map[any]any)) string {
	i := testInvitation()
	c := map[any]any{inviteNetwork: i.Network, inviteOrg: i.Org[:], inviteAddrs: i.Addrs, inviteSecret: i.Secret[:], inviteExpires: i.Expires.Unix()}
	change(c)
	raw := mustEncode(c)
	sum := inviteSum(raw)
	return invitePrefix + base64.RawURLEncoding.EncodeToString(append(raw, sum[:]...))
}

func flipLetter(s string) string {
	if s == "A" {
		return "B"
	}
	return "A"
}
