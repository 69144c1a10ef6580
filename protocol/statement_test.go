package protocol

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin/protocol/reason"
	"tocsin/protocol/stix"
)

// write signs any claims as a statement, whatever rule they break.
func (f *founding) write(t testing.TB, c claims, typ StatementType, signers ...Signer) []byte {
	t.Helper()
	write := writeSign
	if typ == StatementCertificate || typ == StatementStatus {
		write = writeSign1
	}
	raw, err := write(mustEncode(c), externalAAD(f.network, string(typ)), signers)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func (f *founding) genesisClaims() claims { return f.genesis.claims() }

func (f *founding) operationsClaims() claims {
	o := f.draftOperations(OrgID{1})
	return o.claims()
}

func (f *founding) certificateClaims() claims {
	c := f.draftCertificate(OrgID{1}, 1)
	c.Topics, c.Kinds = []string{"drill", "fraud"}, []Kind{KindObjects, KindIdentity}
	c.EncryptionKey = []byte("key")
	return c.claims()
}

// STM-01 to STM-06: what was signed is what is read.
func TestStatementRoundTrip(t *testing.T) {
	f := newFounding(t, "round", 2, 3)
	g := f.signGenesis(t)
	if g.Type() != StatementGenesis || g.Org() != OrgID(g.Digest()) {
		t.Fatalf("genesis: type %s, org %s, digest %s", g.Type(), g.Org(), g.Digest())
	}
	got := g.claims.(*Genesis)
	if got.Name != "round" || got.Country != "KE" || got.Sector != "government" || len(got.Contacts) != 1 ||
		len(got.Roots) != 3 || got.Threshold != 2 || len(got.Next) != 1 || got.NextThreshold != 1 || !got.Created.Equal(f.start) {
		t.Errorf("genesis: %+v", got)
	}
	o := f.draftOperations(g.Org())
	if s := f.signOperations(t, o); *s.claims.(*Operations) != o || s.Org() != g.Org() {
		t.Errorf("operations: %+v", s.claims)
	}
	c := f.draftCertificate(g.Org(), 7)
	c.PeerIDs = [][]byte{[]byte("b"), []byte("a")}
	c.Topics, c.Kinds, c.EncryptionKey = []string{"fraud", "drill"}, []Kind{9, 1}, []byte("key")
	s := f.signCertificate(t, c)
	cert := s.claims.(*Certificate)
	if cert.Digest() != s.Digest() || cert.Serial != 7 || cert.RecordKey != c.RecordKey || cert.MaxTLP != stix.Green ||
		!slices.Equal(cert.Topics, []string{"drill", "fraud"}) || !slices.Equal(cert.Kinds, []Kind{1, 9}) ||
		string(cert.PeerIDs[0]) != "a" || string(cert.EncryptionKey) != "key" ||
		!cert.NotBefore.Equal(c.NotBefore) || !cert.NotAfter.Equal(c.NotAfter) {
		t.Errorf("certificate: %+v", cert)
	}
	again, err := ParseStatement("test", s.Raw())
	if err != nil || again.Digest() != s.Digest() {
		t.Errorf("parsed again: %v", err)
	}
}

// ID-01, STM-06: other signatures over the same claims are no other statement.
func TestDigestLeavesSignaturesOut(t *testing.T) {
	f := newFounding(t, "digest", 2, 3)
	all := f.signGenesis(t)
	for _, signers := range [][]Signer{f.roots[:2], f.roots[1:], {f.roots[2], f.roots[0]}} {
		some, err := SignGenesis("test", f.genesis, signers...)
		if err != nil || some.Digest() != all.Digest() || bytes.Equal(some.Raw(), all.Raw()) {
			t.Errorf("%v: digest %v, want %v", err, some.Digest(), all.Digest())
		}
	}
	other, err := SignGenesis("main", f.genesis, f.roots...)
	if err != nil || other.Org() == all.Org() {
		t.Errorf("%v: the network is no part of the organisation's id", err)
	}
}

// STM-04: what only a later revision knows is Ignored, before any other rule.
func TestStatementUnknown(t *testing.T) {
	f := newFounding(t, "unknown", 1, 1)
	with := func(c claims, more claims) claims { c = maps.Clone(c); maps.Copy(c, more); return c }
	tests := map[string]struct {
		claims claims
		typ    StatementType
		code   reason.Code
	}{
		"type 7":                {claims{0: uint64(7), 9: true}, StatementCertificate, reason.KindUnknown},
		"root claim 12":         {claims{0: uint64(2), 12: true}, StatementRoot, reason.ClaimUnknown},
		"revocation claim 7":    {claims{0: uint64(5), 7: true}, StatementRevocation, reason.ClaimUnknown},
		"status claim 8":        {claims{0: uint64(6), 8: true}, StatementStatus, reason.ClaimUnknown},
		"type 0":                {claims{0: uint64(0)}, StatementGenesis, reason.KindUnknown},
		"type 1000":             {claims{0: uint64(1000)}, StatementGenesis, reason.KindUnknown},
		"genesis claim 11":      {with(f.genesisClaims(), claims{11: uint64(1), 2: "", 3: true}), StatementGenesis, reason.ClaimUnknown},
		"operations claim 7":    {with(f.operationsClaims(), claims{7: uint64(1)}), StatementOperations, reason.ClaimUnknown},
		"operations claim 31":   {with(f.operationsClaims(), claims{31: uint64(1)}), StatementOperations, reason.ClaimUnknown},
		"certificate claim 11":  {with(f.certificateClaims(), claims{11: uint64(1)}), StatementCertificate, reason.ClaimUnknown},
		"genesis version 2":     {with(f.genesisClaims(), claims{1: uint64(2)}), StatementGenesis, reason.VersionUnknown},
		"root of another alg":   {with(f.genesisClaims(), claims{6: []any{[]any{int64(-48), []byte("k")}}}), StatementGenesis, reason.AlgUnknown},
		"record key, other alg": {with(f.certificateClaims(), claims{3: []any{uint64(7), []byte("k")}}), StatementCertificate, reason.AlgUnknown},
	}
	for name, test := range tests {
		raw := f.write(t, test.claims, test.typ, f.roots[0])
		_, err := ParseStatement("test", raw)
		if reason.Of(err) != test.code || VerdictOf(err) != Ignore {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Claims from 32 on are kept, whatever they hold, and are signed like the rest.
	extra := with(f.genesisClaims(), claims{32: "grease", 1 << 40: []any{map[any]any{"a": uint64(1)}}})
	s, err := ParseStatement("test", f.write(t, extra, StatementGenesis, f.roots[0]))
	if err != nil || s.Digest() == f.signGenesis(t).Digest() {
		t.Fatalf("claims from 32 on: %v", err)
	}
	if _, added, errs := NewChains("test").With(s); added != 1 {
		t.Errorf("claims from 32 on: %v", errs)
	}
}

// claimCase spoils one claim; nil for the value removes it.
type claimCase struct {
	key   uint64
	value any
}

func (f *founding) checkClaims(t *testing.T, typ StatementType, good claims, refused, accepted []claimCase) {
	t.Helper()
	signer := []Signer{f.roots[0]}
	parse := func(c claimCase) error {
		spoilt := maps.Clone(good)
		spoilt[c.key] = c.value
		if c.value == nil {
			delete(spoilt, c.key)
		}
		_, err := ParseStatement("test", f.write(t, spoilt, typ, signer...))
		return err
	}
	for _, c := range refused {
		if err := parse(c); VerdictOf(err) != Reject {
			t.Errorf("%s claim %d = %.80v: %v", typ, c.key, c.value, err)
		}
	}
	for _, c := range accepted {
		if err := parse(c); err != nil {
			t.Errorf("%s claim %d = %.80v: %v", typ, c.key, c.value, err)
		}
	}
}

func list2[T any](n int, element func(i int) T) []any {
	out := make([]any, n)
	for i := range out {
		out[i] = element(i)
	}
	return out
}

// rootList gives n root keys in their order.
func rootList(t testing.TB, n int) []any {
	var keys []PublicKey
	for i := range n {
		keys = append(keys, seededKey(t, EdDSA, fmt.Sprint("list ", i)).Public())
	}
	return list(sorted(keys, comparePublicKeys), func(k PublicKey) any { return k.array() })
}

func idList(n int) []any {
	return list2(n, func(i int) any { return bytes.Repeat([]byte{byte(i + 1)}, 32) })
}

// STM-07, STM-08: every claim of genesis at its limits and beyond.
func TestGenesisClaims(t *testing.T) {
	f := newFounding(t, "genesis", 1, 1)
	root := f.roots[0].Public()
	two := rootList(t, 2)
	small := []any{int64(EdDSA), append([]byte{1}, make([]byte, 31)...)}
	text := func(n int) string { return strings.Repeat("x", n) }
	f.checkClaims(t, StatementGenesis, f.genesisClaims(), []claimCase{
		{0, nil}, {0, "genesis"}, {0, int64(-1)},
		{1, nil}, {1, uint64(0)}, {1, "1"},
		{2, nil}, {2, ""}, {2, text(201)}, {2, []byte("x")}, {2, "a\nb"}, {2, "a\u202eb"}, {2, "a\u0085"}, {2, "\u2028"}, {2, "\u200f"},
		{3, nil}, {3, "K"}, {3, "ke"}, {3, "KEN"}, {3, "K1"}, {3, "É"},
		{4, ""}, {4, text(65)}, {4, "\x00"},
		{5, []any{}}, {5, list2(9, func(int) string { return "m" })}, {5, []any{""}}, {5, []any{text(201)}}, {5, []any{uint64(1)}}, {5, "mail"}, {5, []any{"\x7f"}},
		{6, nil}, {6, []any{}}, {6, rootList(t, 6)}, {6, []any{two[1], two[0]}}, {6, []any{two[0], two[0]}},
		{6, []any{root.Bytes()}}, {6, []any{[]any{int64(EdDSA)}}}, {6, []any{[]any{int64(EdDSA), root.Bytes(), uint64(1)}}},
		{6, []any{[]any{"EdDSA", root.Bytes()}}}, {6, []any{[]any{int64(EdDSA), string(root.ID().String())}}}, {6, []any{small}},
		{7, nil}, {7, uint64(0)}, {7, uint64(2)},
		{8, nil}, {8, []any{}}, {8, idList(6)}, {8, []any{make([]byte, 31)}}, {8, []any{idList(2)[1], idList(2)[0]}}, {8, []any{idList(1)[0], idList(1)[0]}},
		{9, nil}, {9, uint64(0)}, {9, uint64(2)},
		{10, nil}, {10, uint64(MaxTime + 1)}, {10, int64(-1)}, {10, "2024"},
		{32, 1.5}, {33, []any{nil}},
	}, []claimCase{
		{2, text(200)}, {2, "Équipe d'intervention 🛡"}, {4, nil}, {4, text(64)},
		{5, nil}, {5, list2(8, func(int) string { return text(200) })},
		{6, rootList(t, 5)}, {8, idList(5)}, {10, uint64(MaxTime)}, {10, uint64(0)},
	})
	own := root.ID()
	f.checkClaims(t, StatementGenesis, f.genesisClaims(), []claimCase{{8, []any{own[:]}}}, nil)
}

func windowClaims(c claims, from, to uint64, life time.Duration) claims {
	c = maps.Clone(c)
	c[to] = c[from].(uint64) + uint64(life.Milliseconds())
	return c
}

// STM-07, STM-09: every claim of operations.
func TestOperationsClaims(t *testing.T) {
	f := newFounding(t, "operations", 1, 1)
	good := f.operationsClaims()
	f.checkClaims(t, StatementOperations, good, []claimCase{
		{1, nil}, {1, make([]byte, 31)}, {1, "org"}, {2, nil}, {2, uint64(0)}, {3, nil}, {3, uint64(0)}, {3, uint64(1 << 63)},
		{4, nil}, {4, []any{}}, {4, f.operations.Public().Bytes()}, {5, nil}, {6, nil}, {6, good[5]}, {6, uint64(0)},
	}, []claimCase{{3, uint64(1<<63 - 1)}})
	for life, ok := range map[time.Duration]bool{
		time.Millisecond: true, MaxOperationsWindow: true, 0: false, -time.Hour: false, MaxOperationsWindow + time.Millisecond: false,
	} {
		raw := f.write(t, windowClaims(good, operationsNotBefore, operationsNotAfter, life), StatementOperations, f.roots[0])
		if _, err := ParseStatement("test", raw); (err == nil) != ok {
			t.Errorf("life of %v: %v", life, err)
		}
	}
}

// STM-07, STM-10: every claim of a certificate.
func TestCertificateClaims(t *testing.T) {
	f := newFounding(t, "certificate", 1, 1)
	good := f.certificateClaims()
	peers := func(n, size int) []any {
		return list2(n, func(i int) any { return bytes.Repeat([]byte{byte(i + 1)}, size) })
	}
	topics := func(n int) []any { return list2(n, func(i int) string { return fmt.Sprintf("t%02d", i) }) }
	kinds := func(n int) []any { return list2(n, func(i int) uint64 { return uint64(i + 1) }) }
	f.checkClaims(t, StatementCertificate, good, []claimCase{
		{1, nil}, {1, make([]byte, 33)}, {2, nil}, {2, uint64(0)}, {3, nil}, {3, []any{int64(EdDSA), make([]byte, 32)}},
		{4, []any{}}, {4, peers(9, 34)}, {4, peers(1, 65)}, {4, peers(1, 0)}, {4, []any{"peer"}}, {4, []any{peers(2, 3)[1], peers(2, 3)[0]}}, {4, []any{[]byte("a"), []byte("a")}},
		{5, []byte{}}, {5, make([]byte, 1281)}, {5, "key"},
		{6, []any{}}, {6, topics(33)}, {6, []any{"b", "a"}}, {6, []any{"a", "a"}}, {6, []any{"A"}}, {6, []any{""}}, {6, []any{uint64(1)}},
		{7, []any{}}, {7, kinds(33)}, {7, []any{uint64(2), uint64(1)}}, {7, []any{uint64(0)}}, {7, []any{uint64(MaxKind)}}, {7, []any{"1"}}, {7, []any{uint64(1<<16 + 1)}},
		{8, nil}, {8, uint64(5)}, {8, "TLP:RED"}, {9, nil}, {10, nil},
	}, []claimCase{
		{4, nil}, {4, peers(8, 64)}, {5, nil}, {5, make([]byte, 1280)}, {6, nil}, {6, topics(32)}, {7, nil}, {7, kinds(32)}, {7, []any{uint64(MaxKind - 1)}},
		{8, uint64(stix.Red)}, {8, uint64(stix.Clear)},
	})
	for life, ok := range map[time.Duration]bool{
		time.Millisecond: true, MaxCertificateWindow: true, 0: false, MaxCertificateWindow + time.Millisecond: false,
	} {
		raw := f.write(t, windowClaims(good, certificateNotBefore, certificateNotAfter, life), StatementCertificate, f.operations)
		if _, err := ParseStatement("test", raw); (err == nil) != ok {
			t.Errorf("life of %v: %v", life, err)
		}
	}
}

// Genesis, operations and certificate of the largest size fit one identity record.
func TestLargestStatementsFitTogether(t *testing.T) {
	f := newFounding(t, strings.Repeat("x", 200), 5, 5)
	f.genesis.Sector = strings.Repeat("s", 64)
	f.genesis.Contacts = slices.Repeat([]string{strings.Repeat("c", 200)}, 8)
	f.genesis.Next = nil
	for i := range 5 {
		f.genesis.Next = append(f.genesis.Next, KeyID{byte(i)})
	}
	g := f.signGenesis(t)
	o := f.signOperations(t, f.draftOperations(g.Org()))
	c := f.draftCertificate(g.Org(), 1<<62)
	c.PeerIDs, c.Topics, c.Kinds = nil, nil, nil
	for i := range 32 {
		c.Topics = append(c.Topics, fmt.Sprintf("%040d", i))
		c.Kinds = append(c.Kinds, Kind(20000+i))
	}
	for i := range 8 {
		c.PeerIDs = append(c.PeerIDs, bytes.Repeat([]byte{byte(i)}, 64))
	}
	c.EncryptionKey = make([]byte, MaxEncryptionKey)
	s := f.signCertificate(t, c)
	next, added, errs := NewChains("test").With(g, o, s)
	if added != 3 || len(next.Chain(g.Org())) != 3 {
		t.Errorf("sizes %d, %d, %d: %v", len(g.Raw()), len(o.Raw()), len(s.Raw()), errs)
	}
	if 3*MaxStatementBytes > MaxIdentityBytes {
		t.Error("statements grown with claims of a later revision would not fit")
	}
}

// Sign refuses what ParseStatement would, and too few or doubled signers.
func TestSignRefuses(t *testing.T) {
	f := newFounding(t, "sign", 2, 3)
	if _, err := SignGenesis("test", f.genesis, f.roots[0]); reason.Of(err) != reason.ChainInvalid {
		t.Errorf("one of two: %v", err)
	}
	if _, err := SignGenesis("test", f.genesis, f.roots[0], f.roots[0]); reason.Of(err) != reason.WireCanonical {
		t.Errorf("one twice: %v", err)
	}
	if _, err := SignGenesis("test", f.genesis); err == nil {
		t.Error("no signer")
	}
	if _, err := SignGenesis("test", f.genesis, f.roots[0], f.roots[1], f.operations); reason.Of(err) != reason.ChainInvalid {
		t.Errorf("a stranger signs along: %v", err)
	}
	early := f.draftOperations(OrgID{})
	early.NotBefore = time.Time{}
	if _, err := SignOperations("test", early, f.roots...); reason.Of(err) != reason.WireClaims {
		t.Errorf("a time before 1970: %v", err)
	}
	if _, err := SignCertificate("test", Certificate{}, f.operations); err == nil {
		t.Error("an empty certificate")
	}
}
