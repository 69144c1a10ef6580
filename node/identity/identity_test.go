package identity

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tocsin/node/keystore"
	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// org is a founded organisation with the keys of its node.
type org struct {
	id      protocol.OrgID
	chain   []*protocol.Statement
	keys    *keystore.Keys
	founder *keystore.Founder
}

func found(t testing.TB, name string, now time.Time) *org {
	t.Helper()
	keys, founder, err := keystore.Create(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	peerID, err := keys.PeerID()
	if err != nil {
		t.Fatal(err)
	}
	chain, err := Found("test", Profile{Name: name, Country: "KE"}, keys, founder, []byte(peerID), now)
	if err != nil {
		t.Fatal(err)
	}
	return &org{id: chain[0].Org(), chain: chain, keys: keys, founder: founder}
}

// cheap makes genesis statements without touching the disk.
func cheap(t testing.TB, n int) []*protocol.Statement {
	t.Helper()
	root, err := protocol.GenerateKey(protocol.EdDSA, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var out []*protocol.Statement
	for i := range n {
		s, err := protocol.SignGenesis("test", protocol.Genesis{
			Name: fmt.Sprint("org ", i), Country: "XA", Roots: []protocol.PublicKey{root.Public()}, Threshold: 1,
			Next: []protocol.KeyID{{1}}, NextThreshold: 1, Created: time.UnixMilli(int64(i)),
		}, root)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, s)
	}
	return out
}

func open(t testing.TB, dir string) *Book {
	t.Helper()
	b, err := Open(filepath.Join(dir, "identity.cbor"), "test")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func add(t testing.TB, b *Book, statements ...*protocol.Statement) {
	t.Helper()
	if added, errs := b.Add(statements...); added != len(statements) || len(errs) > 0 {
		t.Fatalf("added %d of %d: %v", added, len(statements), errs)
	}
}

func TestFound(t *testing.T) {
	now := time.Now()
	o := found(t, "Found", now)
	chains, added, errs := protocol.NewChains("test").With(o.chain...)
	if added != 3 || len(errs) > 0 {
		t.Fatalf("added %d: %v", added, errs)
	}
	known, _ := chains.Org(o.id)
	cert, ok := Certificate(chains, o.id, o.keys.Record.Public())
	if !ok || cert != known.Certificates[0] || cert.NotAfter.Sub(cert.NotBefore) != protocol.CertificateWindow {
		t.Fatalf("certificate %+v", cert)
	}
	if known.Genesis.Threshold != 1 || known.Genesis.Next[0] != o.founder.Next.Public().ID() || known.Operations[0].Key != o.keys.Operations.Public() {
		t.Errorf("chain %+v", known)
	}
	peerID, _ := o.keys.PeerID()
	for _, at := range []time.Time{now, now.Add(-protocol.ClockSkew / 2)} { // also for a clock set back a little
		if id, ok := chains.PeerOrg([]byte(peerID), at); !ok || id != o.id {
			t.Errorf("at %v the peer is of %v", at, id)
		}
	}
	if !slices.Equal(cert.EncryptionKey, o.keys.EncryptionPublic) || cert.Topics != nil || cert.Kinds != nil {
		t.Errorf("certificate %+v", cert)
	}
	if _, ok := Certificate(chains, o.id, o.keys.Operations.Public()); ok {
		t.Error("a certificate for a key that has none")
	}
	if _, ok := Certificate(chains, protocol.OrgID{}, o.keys.Record.Public()); ok {
		t.Error("a certificate of an unknown organisation")
	}
	peer := []byte("peer")
	for _, p := range []Profile{{Name: "", Country: "KE"}, {Name: "x", Country: "ke"}, {Name: "x\n", Country: "KE"}} {
		if _, err := Found("test", p, o.keys, o.founder, peer, now); reason.Of(err) != reason.WireClaims {
			t.Errorf("%+v: %v", p, err)
		}
	}
}

func TestRenew(t *testing.T) {
	now := time.Now().Truncate(time.Millisecond)
	o := found(t, "Renew", now)
	chains, _, _ := protocol.NewChains("test").With(o.chain...)
	own, _ := Certificate(chains, o.id, o.keys.Record.Public())
	due := own.NotBefore.Add(protocol.CertificateWindow * 2 / 3)
	operationsEnd := own.NotBefore.Add(protocol.MaxOperationsWindow)
	for _, test := range []struct {
		name string
		now  time.Time
		want bool
		end  time.Time
	}{
		{"at once", now, false, time.Time{}},
		{"just before two thirds", due.Add(-time.Millisecond), false, time.Time{}},
		{"at two thirds", due, true, due.Add(-protocol.ClockSkew + protocol.CertificateWindow)},
		{"long after its end", own.NotAfter.Add(24 * time.Hour), true, own.NotAfter.Add(24*time.Hour - protocol.ClockSkew + protocol.CertificateWindow)},
		{"cut by the operations key", operationsEnd.Add(-24 * time.Hour), true, operationsEnd},
	} {
		s, err := Renew(chains, own, o.keys, test.now)
		if err != nil || (s != nil) != test.want {
			t.Errorf("%s: %v, %v", test.name, s, err)
			continue
		}
		if s == nil {
			continue
		}
		next, added, errs := chains.With(s)
		if added != 1 {
			t.Errorf("%s: does not verify: %v", test.name, errs)
		}
		cert, _ := Certificate(next, o.id, o.keys.Record.Public())
		if cert.Digest() != s.Digest() || cert.Serial != 2 || !cert.NotAfter.Equal(test.end) || cert.NotBefore.After(test.now) {
			t.Errorf("%s: %+v, want its end at %v", test.name, cert, test.end)
		}
	}
	if _, err := Renew(chains, own, o.keys, operationsEnd.Add(time.Hour)); reason.Of(err) != reason.CertExpired {
		t.Errorf("after the operations key: %v", err)
	}
	other := found(t, "Other", now)
	moved := *o.keys
	moved.Host = other.keys.Host
	s, err := Renew(chains, own, &moved, now)
	if err != nil || s == nil {
		t.Fatalf("with a new host key: %v, %v", s, err)
	}
	next, _, _ := chains.With(s)
	id, _ := moved.PeerID()
	if org, ok := next.PeerOrg([]byte(id), now); !ok || org != o.id {
		t.Error("the new host key is not certified")
	}
	without := *o.keys
	without.Operations = nil
	if s, err := Renew(chains, own, &without, own.NotAfter); s != nil || err != nil {
		t.Errorf("without the operations key: %v, %v", s, err)
	}
	if _, err := Renew(protocol.NewChains("test"), own, o.keys, due); reason.Of(err) != reason.CertUnknown {
		t.Errorf("of an unknown organisation: %v", err)
	}
	last := *own
	last.NotAfter = operationsEnd
	if s, err := Renew(chains, &last, o.keys, operationsEnd.Add(-time.Hour)); s != nil || err != nil {
		t.Errorf("no longer life to win: %v, %v", s, err)
	}
}

// ID-05
func TestWords(t *testing.T) {
	for _, test := range []struct {
		id   protocol.OrgID
		want string
	}{
		{protocol.OrgID{}, "abandon abandon abandon abandon abandon abandon abandon abandon"},
		{protocol.OrgID(bytes.Repeat([]byte{0xff}, 32)), "zoo zoo zoo zoo zoo zoo zoo zoo"},
		{protocol.OrgID{0, 0x20, 0x04, 0, 0x80, 0x10, 0x02, 0, 0x40, 0x08, 0x01}, "ability ability ability ability ability ability ability ability"},
		{protocol.OrgID{11: 0xff, 12: 0xff}, "abandon abandon abandon abandon abandon abandon abandon abandon"},
		{protocol.OrgID{0x80}, "length abandon abandon abandon abandon abandon abandon abandon"},
	} {
		if got := strings.Join(Words(test.id), " "); got != test.want {
			t.Errorf("%v: %s", test.id, got)
		}
	}
}

func TestBookKeepsChains(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	own, one, two := found(t, "Own", now), found(t, "One", now), found(t, "Two", now)
	if err := WriteOwn(dir, own.chain); err != nil {
		t.Fatal(err)
	}
	if err := WriteOwn(dir, one.chain); reason.Of(err) != reason.NodeExists {
		t.Errorf("own chain written twice: %v", err)
	}
	b := open(t, dir)
	if id, ok := b.Own(); !ok || id != own.id || b.Chains().Len() != 1 {
		t.Fatalf("own %v", id)
	}
	add(t, b, one.chain...)
	add(t, b, two.chain[0])
	add(t, b, two.chain[2], two.chain[1])
	if added, errs := b.Add(one.chain...); added != 0 || len(errs) != 0 {
		t.Errorf("known ones: %d, %v", added, errs)
	}
	stranger := found(t, "Stranger", now)
	if added, errs := b.Add(stranger.chain[2]); added != 0 || len(errs) != 1 {
		t.Errorf("one without its chain: %d, %v", added, errs)
	}
	cert, _ := Certificate(b.Chains(), own.id, own.keys.Record.Public())
	renewed, err := Renew(b.Chains(), cert, own.keys, cert.NotAfter)
	if err != nil {
		t.Fatal(err)
	}
	add(t, b, renewed)

	again := open(t, dir)
	if id, _ := again.Own(); id != own.id || again.Chains().Len() != 3 {
		t.Fatalf("own %v of %d", id, again.Chains().Len())
	}
	for _, id := range b.Chains().Orgs() {
		want, got := b.Chains().Chain(id), again.Chains().Chain(id)
		if !slices.EqualFunc(want, got, func(a, b *protocol.Statement) bool { return a.Digest() == b.Digest() }) {
			t.Errorf("%v: %d statements, then %d", id, len(want), len(got))
		}
	}
	if raw, _ := os.ReadFile(b.path); bytes.Contains(raw, own.chain[0].Raw()) {
		t.Error("the own chain stands among the others")
	}
	for _, path := range []string{b.path, b.ownPath} {
		if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
}

// Without own.cbor there is no own organisation, whoever certifies what.
func TestBookWithoutOwn(t *testing.T) {
	b := open(t, t.TempDir())
	if _, ok := b.Own(); ok || b.Chains().Len() != 0 || b.Chains().Network() != "test" {
		t.Error("an empty folder has something")
	}
	o := found(t, "One", time.Now())
	add(t, b, o.chain...)
	if _, ok := b.Own(); ok {
		t.Error("a stranger became the own organisation")
	}
	if again := open(t, filepath.Dir(b.path)); again.Chains().Len() != 1 {
		t.Error("not kept")
	}
}

// An append that was cut short by a crash is left out, and the next change
// makes the file whole again.
func TestTornFile(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	one, two, three := found(t, "One", now), found(t, "Two", now), found(t, "Three", now)
	b := open(t, dir)
	add(t, b, one.chain...)
	add(t, b, two.chain...)
	whole, err := os.ReadFile(b.path)
	if err != nil {
		t.Fatal(err)
	}
	last := len(two.chain[2].Raw())
	for name, raw := range map[string][]byte{
		"one byte short": whole[:len(whole)-1],
		"one byte begun": whole[:len(whole)-last+1],
		"zeros":          append(slices.Clone(whole[:len(whole)-last]), make([]byte, 4096)...),
	} {
		if err := os.WriteFile(b.path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		torn := open(t, dir)
		if org, ok := torn.Chains().Org(two.id); !ok || len(org.Certificates) != 0 || torn.Chains().Len() != 2 {
			t.Fatalf("%s: %v", name, org)
		}
		add(t, torn, three.chain...)
		if healed := open(t, dir); healed.Chains().Len() != 3 || healed.stale {
			t.Errorf("%s: %d organisations after the next change", name, healed.Chains().Len())
		}
	}
}

func TestDamagedFiles(t *testing.T) {
	own, other := found(t, "Own", time.Now()), found(t, "Other", time.Now())
	spoil := func(raw []byte) []byte {
		raw = slices.Clone(raw)
		raw[len(raw)/2] ^= 0x10
		return raw
	}
	good := join(own.chain)
	for name, test := range map[string]struct {
		file string
		raw  []byte
		says string
	}{
		"others, a flipped bit":   {"identity.cbor", spoil(join(other.chain)), "move it away"},
		"others, text":            {"identity.cbor", []byte("hello"), "move it away"},
		"others, zeros then more": {"identity.cbor", append(make([]byte, 10), join(other.chain)...), "move it away"},
		"others, no genesis":      {"identity.cbor", join(other.chain[1:]), "move it away"},
		"own, a flipped bit":      {"own.cbor", spoil(good), "backup"},
		"own, cut short":          {"own.cbor", good[:len(good)-1], "backup"},
		"own, two organisations":  {"own.cbor", append(join(other.chain), good...), "2 organisations"},
	} {
		dir := t.TempDir()
		if err := WriteOwn(dir, own.chain); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, test.file)
		if err := os.WriteFile(path, test.raw, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Open(filepath.Join(dir, "identity.cbor"), "test")
		if reason.Of(err) != reason.IdentityFile || !strings.Contains(err.Error(), test.says) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
		if raw, _ := os.ReadFile(path); !bytes.Equal(raw, test.raw) {
			t.Errorf("%s: the file was changed", name)
		}
	}
	dir := t.TempDir()
	if err := WriteOwn(dir, own.chain); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(filepath.Join(dir, "identity.cbor"), "main"); reason.Of(err) != reason.IdentityFile || !strings.Contains(err.Error(), "network") {
		t.Errorf("another network: %v", err)
	}
}

// What the disk did not take is not known either.
func TestAddIsDurableOrNothing(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir)
	o := found(t, "One", time.Now())
	if err := os.Mkdir(b.path, 0o700); err != nil { // a folder where the file should be
		t.Fatal(err)
	}
	if added, errs := b.Add(o.chain...); added != 0 || len(errs) != 1 || b.Chains().Len() != 0 {
		t.Fatalf("added %d: %v", added, errs)
	}
	if err := os.Remove(b.path); err != nil {
		t.Fatal(err)
	}
	add(t, b, o.chain...)
	if again := open(t, dir); again.Chains().Len() != 1 {
		t.Error("not kept after the disk came back")
	}
}

func TestBookConcurrently(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir)
	all := cheap(t, 60)
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i, s := range all {
				if i%4 == w || i%3 == 0 {
					if _, errs := b.Add(s); len(errs) > 0 {
						t.Error(errs)
					}
				}
				b.Chains().Orgs()
			}
		})
	}
	wg.Wait()
	if again := open(t, dir); b.Chains().Len() != 60 || again.Chains().Len() != 60 {
		t.Errorf("%d organisations, %d on disk", b.Chains().Len(), again.Chains().Len())
	}
}
