package p2p

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// inviting starts a host on a real socket that answers invitations; it gossips nothing.
func inviting(t testing.TB, invited func([]byte, InviteRequest) (InviteAnswer, error)) *Host {
	t.Helper()
	key, id := newTransportKey(t)
	deps := newNode(t, id).deps()
	deps.Invited = func(_ context.Context, from []byte, q InviteRequest) (InviteAnswer, error) { return invited(from, q) }
	h, err := New(Config{Listen: []string{"/ip4/127.0.0.1/tcp/0"}, Key: key}, deps)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return h
}

func nobody([]byte, InviteRequest) (InviteAnswer, error) { return InviteAnswer{Code: 1}, nil }

func testRequest() InviteRequest {
	return InviteRequest{Handle: "01234567", Org: protocol.OrgID{1}, Proof: protocol.Digest{2}, Chain: [][]byte{{3}, {4, 5}}}
}

// INV-09: what is asked and answered comes through, and who asks is who the connection says.
func TestAskInvite(t *testing.T) {
	want := InviteAnswer{Code: 0, Proof: protocol.Digest{7}, Nonce: [16]byte{8}, Chain: [][]byte{{9}}}
	var got InviteRequest
	var from []byte
	host := inviting(t, func(p []byte, q InviteRequest) (InviteAnswer, error) { from, got = p, q; return want, nil })
	guest := inviting(t, nobody)
	addrs := must[[][]byte](t)(host.InviteAddrs(nil))
	a, err := guest.AskInvite(t.Context(), addrs, testRequest())
	if err != nil || !reflect.DeepEqual(a, want) || !reflect.DeepEqual(got, testRequest()) || string(from) != string(guest.host.ID()) {
		t.Errorf("answer %+v, %v to %+v of %x", a, err, got, from)
	}
	if _, err := guest.AskInvite(t.Context(), must[[][]byte](t)(guest.InviteAddrs(nil)), testRequest()); reason.Of(err) != reason.InviteInvalid {
		t.Errorf("asked itself: %v", err)
	}
	// The right address of another peer is not the inviter.
	_, other := newTransportKey(t)
	wrong := bytes.Replace(addrs[0], []byte(host.host.ID()), []byte(other), 1)
	if _, err := guest.AskInvite(t.Context(), [][]byte{wrong}, testRequest()); reason.Of(err) != reason.PeerDial || !strings.Contains(err.Error(), "not reached") {
		t.Errorf("somebody else at that address: %v", err)
	}
	if _, err := guest.AskInvite(t.Context(), [][]byte{addrs[0], wrong}, testRequest()); reason.Of(err) != reason.InviteInvalid {
		t.Errorf("two peers in one invitation: %v", err)
	}
	for _, p := range guest.Peers() {
		if p.Kept {
			t.Errorf("%s is kept", p.ID)
		}
	}
}

// INV-09: garbage reaches nobody who decides, and one peer is not answered without end.
func TestInviteHostile(t *testing.T) {
	var asked atomic.Int32
	host := inviting(t, func([]byte, InviteRequest) (InviteAnswer, error) { asked.Add(1); return InviteAnswer{Code: 1}, nil })
	to := must[peer.AddrInfo](t)(InvitedTo(must[[][]byte](t)(host.InviteAddrs(nil))))
	send := func(guest *Host, raw []byte) (answer []byte, err error) {
		if err := guest.host.Connect(t.Context(), to); err != nil {
			t.Fatal(err)
		}
		s, err := guest.host.NewStream(t.Context(), to.ID, inviteProtocol)
		if err != nil {
			return nil, err
		}
		defer func() { _ = s.Reset() }()
		_ = s.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err = s.Write(raw); err == nil {
			err = s.CloseWrite()
		}
		answer, readErr := io.ReadAll(s)
		return answer, errors.Join(err, readErr)
	}
	good := must[[]byte](t)(encodeInvite(new(testRequest())))
	noise := make([]byte, 5000)
	_, _ = rand.Read(noise)
	for name, raw := range map[string][]byte{
		"nothing": {}, "noise": noise, "torn": good[:len(good)-1], "more": append(bytes.Clone(good), 0), "too long": make([]byte, maxInvite+1),
		"an answer": must[[]byte](t)(encodeInvite(&InviteAnswer{Chain: [][]byte{}})),
	} {
		if answer, err := send(inviting(t, nobody), raw); err == nil && len(answer) > 0 || asked.Load() != 0 {
			t.Errorf("%s: answered %x, %v, asked %d", name, answer, err, asked.Load())
		}
	}
	guest := inviting(t, nobody)
	answered := 0
	for range 100 {
		if answer, err := send(guest, good); err == nil && len(answer) > 0 {
			answered++
		}
	}
	if most := inviteServe.burst + 5; answered < inviteServe.burst || answered > most || int(asked.Load()) != answered {
		t.Errorf("%d of 100 answered, %d asked; want %d to %d", answered, asked.Load(), inviteServe.burst, most)
	}
	if other, err := send(inviting(t, nobody), good); err != nil || len(other) == 0 {
		t.Errorf("another peer is not answered: %v", err)
	}
}

// An inviter that says too much, nothing or nonsense is an error that says what to do, and not a hang.
func TestInviteBadAnswer(t *testing.T) {
	for name, answer := range map[string]func(network.Stream){
		"reset":    func(s network.Stream) { _ = s.Reset() },
		"nothing":  func(s network.Stream) { _ = s.Close() },
		"nonsense": func(s network.Stream) { _, _ = s.Write([]byte("nonsense")); _ = s.Close() },
		"too much": func(s network.Stream) { _, _ = s.Write(make([]byte, maxInvite+1)); _ = s.Close() },
	} {
		host := inviting(t, nobody)
		host.host.SetStreamHandler(inviteProtocol, answer)
		a, err := inviting(t, nobody).AskInvite(t.Context(), must[[][]byte](t)(host.InviteAddrs(nil)), testRequest())
		if reason.Of(err) != reason.PeerDial || !strings.Contains(err.Error(), "did not answer") || !reflect.DeepEqual(a, InviteAnswer{}) {
			t.Errorf("%s: %+v, %v", name, a, err)
		}
	}
}

// The addresses that reach farthest come first, loopback only where there is nothing else, and never more than fit.
func TestInviteAddrs(t *testing.T) {
	h := inviting(t, nobody)
	id := "/p2p/" + h.PeerID()
	for given, want := range map[string]string{
		"/ip4/192.0.2.7/tcp/8469":                   "/ip4/192.0.2.7/tcp/8469" + id,
		"/dns4/node.example.org/udp/1/quic-v1" + id: "/dns4/node.example.org/udp/1/quic-v1" + id,
		"192.0.2.7:8469":                            "", "/ip4/192.0.2.7/tcp/1/p2p/12D3KooWQYhTNQdmr3ArTeUHRYzFg94BKyTkoWBDWez9kSCVe2Xo": "", id: "",
		"/dns4/" + strings.Repeat("long.", 40) + "example/tcp/1": "",
	} {
		got, err := h.InviteAddrs([]string{given})
		if text := strings.Join(AddrTexts(got), " "); text != want || (err == nil) != (want != "") || err != nil && reason.Of(err) != reason.UsageInvalid {
			t.Errorf("%s: %q, %v", given, text, err)
		}
	}
	if _, err := h.InviteAddrs([]string{"/ip4/192.0.2.1/tcp/1", "/ip4/192.0.2.1/tcp/2", "/ip4/192.0.2.1/tcp/3", "/ip4/192.0.2.1/tcp/4", "/ip4/192.0.2.1/tcp/5"}); reason.Of(err) != reason.UsageInvalid {
		t.Errorf("five addresses: %v", err)
	}
	var list []multiaddr.Multiaddr
	for _, text := range []string{"/ip4/127.0.0.1/tcp/1", "/ip4/10.0.0.1/tcp/1", "/ip4/8.8.4.4/tcp/1", "/ip6/::1/tcp/1", "/ip4/10.0.0.2/tcp/1", "/ip4/10.0.0.3/tcp/1", "/ip4/10.0.0.4/tcp/1"} {
		list = append(list, multiaddr.StringCast(text))
	}
	far := farthest(list)
	if len(far) != protocol.MaxInviteAddrs || far[0].String() != "/ip4/8.8.4.4/tcp/1" || far[1].String() != "/ip4/10.0.0.1/tcp/1" {
		t.Errorf("farthest: %v", far)
	}
	if alone := farthest([]multiaddr.Multiaddr{multiaddr.StringCast("/ip4/127.0.0.1/tcp/1")}); len(alone) != 1 {
		t.Errorf("nothing but loopback: %v", alone)
	}
}

// INV-09: the bounds of a message at N and N+1.
func TestInviteLimits(t *testing.T) {
	q := testRequest()
	q.Chain = make([][]byte, maxInviteChain)
	for i := range q.Chain {
		q.Chain[i] = []byte{1}
	}
	if err := decodeInvite(must[[]byte](t)(encodeInvite(&q)), new(InviteRequest)); err != nil {
		t.Errorf("%d statements: %v", maxInviteChain, err)
	}
	q.Chain = append(q.Chain, []byte{1})
	if err := decodeInvite(must[[]byte](t)(encodeInvite(&q)), new(InviteRequest)); err == nil {
		t.Errorf("%d statements are taken", len(q.Chain))
	}
	q.Chain = [][]byte{make([]byte, maxInvite)}
	if _, err := encodeInvite(&q); !errors.Is(err, errInvite) {
		t.Errorf("a message over the limit is written: %v", err)
	}
}

// FuzzInvite: what decodes re-encodes to the same bytes.
func FuzzInvite(f *testing.F) {
	f.Add(must[[]byte](f)(encodeInvite(new(testRequest()))))
	f.Add(must[[]byte](f)(encodeInvite(&InviteAnswer{Nonce: [16]byte{1}, Chain: [][]byte{{1}}})))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var q InviteRequest
		if err := decodeInvite(raw, &q); err == nil && !bytes.Equal(must[[]byte](t)(encodeInvite(&q)), raw) {
			t.Errorf("request %x is not canonical", raw)
		}
		var a InviteAnswer
		if err := decodeInvite(raw, &a); err == nil && !bytes.Equal(must[[]byte](t)(encodeInvite(&a)), raw) {
			t.Errorf("answer %x is not canonical", raw)
		}
	})
}
