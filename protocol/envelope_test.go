package protocol

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"errors"
	"slices"
	"testing"

	"github.com/veraison/go-cose"

	"tocsin/protocol/reason"
)

// STM-01, STM-02: framing, canonical form and limits of the COSE messages.
func TestEnvelopeRefused(t *testing.T) {
	f := newFounding(t, "envelope", 1, 3)
	payload := mustEncode(f.genesisClaims())
	aad := externalAAD("test", "genesis")
	var good []any
	for _, r := range sorted(f.roots, func(a, b Signer) int { return comparePublicKeys(a.Public(), b.Public()) }) {
		header := protectedHeader(r.Public())
		sig, err := r.Sign(sigStructure(header, aad, payload))
		if err != nil {
			t.Fatal(err)
		}
		good = append(good, []any{header, map[any]any{}, sig})
	}
	entry := func(i, field int, v any) []any {
		all := slices.Clone(good)
		one := slices.Clone(all[i].([]any))
		one[field] = v
		all[i] = one
		return all
	}
	id := f.roots[0].Public().ID()
	header := func(m map[any]any) []byte { return mustEncode(m) }
	build := func(head []byte, m ...any) []byte { return append(slices.Clone(head), mustEncode(m)...) }
	empty, none := []byte{}, map[any]any{}
	if _, err := ParseStatement("test", build(headSign, empty, none, payload, good)); err != nil {
		t.Fatalf("the good one: %v", err)
	}
	many := make([]any, 11)
	for i := range many {
		many[i] = []any{header(map[any]any{1: -8, 4: append(make([]byte, 31), byte(i))}), none, make([]byte, 64)}
	}
	tests := map[string]struct {
		raw  []byte
		code reason.Code
	}{
		"nothing":                  {nil, reason.WireFraming},
		"no tag":                   {mustEncode([]any{empty, none, payload, good}), reason.WireFraming},
		"another tag":              {build([]byte{0xd3}, empty, none, payload, good), reason.WireFraming},
		"a tag written long":       {build([]byte{0xd8, 18}, header(map[any]any{1: -8, 4: id[:]}), none, payload, make([]byte, 64)), reason.WireFraming},
		"tag only":                 {headSign, reason.WireCanonical},
		"header {} as a map":       {build(headSign, header(none), none, payload, good), reason.WireFraming},
		"header of its own":        {build(headSign, header(map[any]any{1: -8}), none, payload, good), reason.WireFraming},
		"unprotected claim":        {build(headSign, empty, map[any]any{4: id[:]}, payload, good), reason.WireCanonical},
		"unprotected null":         {build(headSign, empty, nil, payload, good), reason.WireCanonical},
		"payload null":             {build(headSign, empty, none, nil, good), reason.WireCanonical},
		"payload text":             {build(headSign, empty, none, string("x"), good), reason.WireCanonical},
		"no signature":             {build(headSign, empty, none, payload, []any{}), reason.WireFraming},
		"eleven signatures":        {build(headSign, empty, none, payload, many), reason.WireFraming},
		"five elements":            {build(headSign, empty, none, payload, good, true), reason.WireCanonical},
		"signers descending":       {build(headSign, empty, none, payload, []any{good[1], good[0]}), reason.WireCanonical},
		"a signer twice":           {build(headSign, empty, none, payload, []any{good[0], good[0]}), reason.WireCanonical},
		"signature of 63 bytes":    {build(headSign, empty, none, payload, entry(0, 2, make([]byte, 63))), reason.SigInvalid},
		"unprotected in signature": {build(headSign, empty, none, payload, entry(0, 1, map[any]any{1: 1})), reason.WireCanonical},
		"header without signer":    {build(headSign, empty, none, payload, entry(0, 0, header(map[any]any{1: -8}))), reason.WireFraming},
		"header with more":         {build(headSign, empty, none, payload, entry(0, 0, header(map[any]any{1: -8, 4: id[:], 5: 1}))), reason.WireFraming},
		"signer of 31 bytes":       {build(headSign, empty, none, payload, entry(0, 0, header(map[any]any{1: -8, 4: id[:31]}))), reason.WireFraming},
		"another algorithm":        {build(headSign, empty, none, payload, entry(0, 0, header(map[any]any{1: -35, 4: id[:]}))), reason.AlgUnknown},
		"payload of no map":        {build(headSign, empty, none, mustEncode([]any{uint64(1)}), good), reason.WireClaims},
		"payload with text keys":   {build(headSign, empty, none, mustEncode(map[any]any{"0": 1}), good), reason.WireClaims},
		"payload not canonical":    {build(headSign, empty, none, []byte{0xa1, 0x18, 0x00, 0x01}, good), reason.WireCanonical},
		"payload key twice":        {build(headSign, empty, none, []byte{0xa2, 0x00, 0x01, 0x00, 0x01}, good), reason.WireClaims},
		"payload of open length":   {build(headSign, empty, none, []byte{0xbf, 0x00, 0x01, 0xff}, good), reason.WireClaims},
		"genesis in a Sign1":       {build(headSign1, good[0].([]any)[0], none, payload, make([]byte, 64)), reason.WireFraming},
		"trailing byte":            {append(build(headSign, empty, none, payload, good), 0), reason.WireCanonical},
	}
	for name, test := range tests {
		if _, err := ParseStatement("test", test.raw); reason.Of(err) != test.code {
			t.Errorf("%s: %v, want %s", name, err, test.code)
		}
	}
	cert := mustEncode(f.certificateClaims())
	_, err := ParseStatement("test", build(headSign, empty, none, cert, good))
	wantCode(t, err, reason.WireFraming)
}

// LIM: a statement of the largest size is read, one byte more is not.
func TestStatementSize(t *testing.T) {
	f := newFounding(t, "size", 1, 1)
	sized := func(pad int) []byte {
		c := f.genesisClaims()
		c[99] = make([]byte, pad)
		return f.write(t, c, StatementGenesis, f.roots[0])
	}
	pad := MaxStatementBytes - len(sized(MaxStatementBytes/2)) + MaxStatementBytes/2
	if raw := sized(pad); len(raw) != MaxStatementBytes {
		t.Fatalf("%d bytes", len(raw))
	} else if _, err := ParseStatement("test", raw); err != nil {
		t.Error(err)
	}
	_, err := ParseStatement("test", sized(pad+1))
	wantCode(t, err, reason.WireSize)
}

// STM-02: another COSE implementation finds the same signatures valid.
func TestStatementsAgainstOtherCOSE(t *testing.T) {
	f := newFounding(t, "cose", 3, 5)
	chain := f.chain(t)
	verifier := func(k PublicKey) cose.Verifier {
		t.Helper()
		var v cose.Verifier
		var err error
		if k.Alg() == EdDSA {
			v, err = cose.NewVerifier(cose.AlgorithmEdDSA, ed25519.PublicKey(k.Bytes()))
		} else {
			pub, perr := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), []byte(k.point))
			if perr != nil {
				t.Fatal(perr)
			}
			v, err = cose.NewVerifier(cose.AlgorithmES256, pub)
		}
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	var roots []cose.Verifier
	for _, k := range chain[0].claims.(*Genesis).Roots {
		roots = append(roots, verifier(k))
	}
	for _, s := range chain[:2] {
		var m cose.SignMessage
		if err := m.UnmarshalCBOR(s.Raw()); err != nil {
			t.Fatal(err)
		}
		if err := m.Verify(externalAAD("test", string(s.Type())), roots...); err != nil {
			t.Errorf("%s: %v", s.Type(), err)
		}
		if err := m.Verify(externalAAD("main", string(s.Type())), roots...); !errors.Is(err, cose.ErrVerification) {
			t.Errorf("%s of another network: %v", s.Type(), err)
		}
	}
	var m cose.Sign1Message
	if err := m.UnmarshalCBOR(chain[2].Raw()); err != nil {
		t.Fatal(err)
	}
	if err := m.Verify(externalAAD("test", "certificate"), verifier(f.operations.Public())); err != nil {
		t.Errorf("certificate: %v", err)
	}
}

// STM-12: sequences keep what can be read and refuse what is malformed.
func TestReadStatements(t *testing.T) {
	f := newFounding(t, "sequence", 1, 1)
	chain := f.chain(t)
	later := f.write(t, claims{0: uint64(7)}, StatementCertificate, f.operations)
	whole := slices.Concat(chain[0].Raw(), later, chain[1].Raw(), chain[2].Raw())
	got, err := ReadStatements("test", whole)
	if err != nil || len(got) != 3 || got[1].Digest() != chain[1].Digest() {
		t.Fatalf("%d statements: %v", len(got), err)
	}
	if got, err := ReadStatements("test", nil); err != nil || len(got) != 0 {
		t.Errorf("nothing: %d, %v", len(got), err)
	}
	for name, raw := range map[string][]byte{
		"cut":     whole[:len(whole)-1],
		"garbage": append(slices.Clone(whole), 0x01),
		"spoilt":  bytes.Replace(whole, []byte("sequence"), []byte("sequenc\x01"), 1),
	} {
		if got, err := ReadStatements("test", raw); VerdictOf(err) != Reject || got != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A file that was being appended to ends at any byte, or in zeros.
	ends := map[int]bool{0: true, len(chain[0].Raw()): true}
	for n := range len(chain[0].Raw()) + 50 {
		cut, torn := CutStatements(whole[:n])
		if !ends[cut] || torn == ends[n] {
			t.Fatalf("%d bytes: cut at %d, torn %v", n, cut, torn)
		}
	}
	if cut, torn := CutStatements(append(slices.Clone(whole), 0, 0, 0)); cut != len(whole) || !torn {
		t.Errorf("zeros at the end: cut at %d, torn %v", cut, torn)
	}
	if _, torn := CutStatements(append(slices.Clone(whole), 0, 1)); torn {
		t.Error("a zero and more is no torn end")
	}
}

// FuzzParseStatement: what is read is written again byte for byte from its parts.
func FuzzParseStatement(f *testing.F) {
	for _, m := range []int{1, 3} {
		o := newFounding(f, "fuzz", 1, m)
		for _, s := range o.chain(f) {
			f.Add(s.Raw())
		}
		extra := o.genesisClaims()
		extra[40] = []any{true, "x", int64(-5)}
		f.Add(o.write(f, extra, StatementGenesis, o.roots[0]))
		f.Add(o.write(f, o.certificateClaims(), StatementCertificate, o.operations))
		l := newLineage(f, "fuzz later", 1, m)
		heads := []Head{place(o.record, "control", 1), place(o.record, "fraud", 1<<40), place(o.operations, "fraud", 2)}
		f.Add(l.rotate(func(r *Root) { r.Compromise, r.Heads = true, heads }).Raw())
		f.Add(l.revoke(Revocation{Key: KeyID{1}, Reason: RevokedCeased, Heads: heads}, l.keys(1)...).Raw())
		f.Add(l.revoke(Revocation{Key: KeyID{1}, Emergency: true}, l.operations).Raw())
		f.Add(l.beat(9, 0, l.operations, func(s *Status) { s.Heads, s.Certificates = heads, []Digest{{1}, {2}} }).Raw())
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		s, err := ParseStatement("test", raw)
		if err != nil {
			if reason.Of(err) == "" {
				t.Fatalf("an error without a code: %v", err)
			}
			return
		}
		c, _ := decodeClaims(s.env.payload)
		var known claims
		switch v := s.claims.(type) {
		case *Genesis:
			known = v.claims()
		case *Operations:
			known = v.claims()
		case *Certificate:
			known = v.claims()
		case *Root:
			known = v.claims()
		case *Revocation:
			known = v.claims()
		case *Status:
			known = v.claims()
		}
		for key, v := range c {
			if key >= firstOptionalClaim {
				known[key] = v
			}
		}
		if again := s.env.write(mustEncode(known)); !bytes.Equal(again, raw) {
			t.Fatalf("read %x\nwrote %x", raw, again)
		}
		if _, _, errs := NewChains("test").With(s); len(errs) > 1 {
			t.Fatal(errs)
		}
	})
}

// write puts an envelope together from its parts and a payload.
func (e *envelope) write(payload []byte) []byte {
	header := func(s signature) []byte { return mustEncode(signHeader{Alg: int64(s.alg), Signer: s.signer[:]}) }
	if e.single {
		s := e.signatures[0]
		return append(slices.Clone(headSign1), mustEncode(sign1Message{Protected: header(s), Payload: payload, Signature: s.bytes})...)
	}
	m := signMessage{Payload: payload}
	for _, s := range e.signatures {
		m.Signatures = append(m.Signatures, signMessageEntry{Protected: header(s), Signature: s.bytes})
	}
	return append(slices.Clone(headSign), mustEncode(m)...)
}
