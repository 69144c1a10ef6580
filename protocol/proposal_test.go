package protocol

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"tocsin/protocol/reason"
)

// STM-28: a root goes round three people and becomes the statement that its digest names.
func TestCeremony(t *testing.T) {
	l := newLineage(t, "ceremony", 2, 3)
	known := l.after(l.base()...)
	keys := slices.Concat(publicKeys(l.keys(1)), publicKeys(l.keys(2)))
	node := l.record.Public().ID()
	heads := []Head{place(l.record, "fraud", 9)}
	ops := Operations{
		Org: l.org, RootVersion: 1, Serial: 2, Key: l.key("fresh operations").Public(), NotBefore: l.start, NotAfter: l.start.Add(time.Hour),
	}
	revocation := Revocation{Org: l.org, Key: node, Reason: RevokedCeased, Heads: heads, Created: l.start}
	for name, draft := range map[string]struct {
		propose func() (*Proposal, error)
		signers []Signer
		typ     StatementType
	}{
		"root":       {func() (*Proposal, error) { return ProposeRoot("test", l.draftRoot()) }, l.signers(false), StatementRoot},
		"operations": {func() (*Proposal, error) { return ProposeOperations("test", ops) }, l.keys(1)[1:], StatementOperations},
		"revocation": {func() (*Proposal, error) { return ProposeRevocation("test", revocation) }, l.keys(1)[:2], StatementRevocation},
	} {
		p, err := draft.propose()
		if err != nil {
			t.Fatal(err)
		}
		raw := p.Encode()
		if len(raw) > 2<<10 {
			t.Errorf("%s: %d bytes are not for a QR code", name, len(raw))
		}
		var parts [][]byte
		for _, s := range draft.signers {
			there, err := ParseProposal(raw) // each in another place
			if err != nil || there.Digest() != p.Digest() || there.Network() != "test" || there.Type() != draft.typ || there.Claims() == nil {
				t.Fatalf("%s: %v", name, err)
			}
			part, err := there.Sign(s)
			if err != nil || len(part) > 256 {
				t.Fatalf("%s: a part of %d bytes: %v", name, len(part), err)
			}
			parts = append(parts, part)
		}
		s, err := p.Assemble(keys, append(parts, parts[0])...) // one came twice
		if err != nil || s.Digest() != p.Digest() || s.Type() != draft.typ || len(s.env.signatures) != len(draft.signers) {
			t.Fatalf("%s: %v", name, err)
		}
		if _, added, errs := known.With(s); added != 1 {
			t.Errorf("%s: %v", name, errs)
		}
		few, err := p.Assemble(keys, parts[0])
		if err != nil {
			t.Fatal(err)
		}
		if _, added, errs := known.With(few); added != 0 || len(errs) != 1 {
			t.Errorf("%s: one signature is enough", name)
		}
		for spoilt, code := range map[string]reason.Code{
			string(flipAt(parts[0], len(parts[0])-1)): reason.SigInvalid,
			string(flipAt(parts[0], 30)):              reason.UsageInvalid, // another digest
			string(cutLast(parts[0])):                 reason.WireFraming,
			string(raw):                               reason.WireFraming,
			string(append(slices.Clone(parts[0]), 0)): reason.WireFraming,
			string(make([]byte, MaxProposalBytes+1)):  reason.WireSize,
			"":                                        reason.WireFraming,
		} {
			if _, err := p.Assemble(keys, parts[1], []byte(spoilt)); reason.Of(err) != code {
				t.Errorf("%s: a spoilt part: %v, want %s", name, err, code)
			}
		}
		if _, err := p.Assemble(nil, parts...); reason.Of(err) != reason.SigInvalid {
			t.Errorf("%s: keys that may not sign: %v", name, err)
		}
		if _, err := p.Assemble(keys); reason.Of(err) != reason.UsageInvalid {
			t.Errorf("%s: no parts: %v", name, err)
		}
	}
}

// STM-28: what is proposed is held to the rules of statements before anybody signs.
func TestProposalRefused(t *testing.T) {
	l := newLineage(t, "refused", 1, 1)
	many := l.draftRoot()
	for i := range 60 {
		many.Heads = append(many.Heads, Head{Key: KeyID{byte(i)}, Topic: Topic{"fraud"}, Sequence: 1})
	}
	if _, err := ProposeRoot("test", many); reason.Of(err) != reason.WireSize {
		t.Errorf("more than 4 KiB: %v", err)
	}
	if _, err := ProposeRoot("test", Root{Org: l.org}); reason.Of(err) != reason.WireClaims {
		t.Errorf("an empty root: %v", err)
	}
	if _, err := ProposeRevocation("test", Revocation{Emergency: true, Heads: []Head{place(l.record, "fraud", 1)}}); reason.Of(err) != reason.WireClaims {
		t.Errorf("an emergency with heads: %v", err)
	}
	r := l.draftRoot()
	good, err := ProposeRoot("test", r)
	if err != nil {
		t.Fatal(err)
	}
	raw, payload := good.Encode(), mustEncode(r.claims())
	certificate := l.base()[2].env.payload
	write := func(protocol, mark, typ string, payload []byte) []byte {
		return mustEncode([]any{protocol, mark, "test", typ, payload})
	}
	for name, test := range map[string]struct {
		raw  []byte
		code reason.Code
	}{
		"nothing":                 {nil, reason.WireFraming},
		"cut":                     {cutLast(raw), reason.WireFraming},
		"something behind":        {append(slices.Clone(raw), 0), reason.WireFraming},
		"another spelling":        {slices.Concat([]byte{0x98, 5}, raw[1:]), reason.WireCanonical},
		"another protocol":        {write("tocsin/2", "proposal", "root", payload), reason.WireFraming},
		"no proposal":             {write("tocsin/1", "part", "root", payload), reason.WireFraming},
		"another type than it is": {write("tocsin/1", "proposal", "operations", payload), reason.WireClaims},
		"a certificate":           {write("tocsin/1", "proposal", "certificate", certificate), reason.WireFraming},
		"no claims":               {write("tocsin/1", "proposal", "root", nil), reason.WireClaims},
		"a later claim":           {write("tocsin/1", "proposal", "root", mustEncode(claims{0: uint64(2), 31: true})), reason.ClaimUnknown},
		"a genesis":               {write("tocsin/1", "proposal", "genesis", mustEncode(l.genesisClaims())), reason.WireClaims},
	} {
		if _, err := ParseProposal(test.raw); reason.Of(err) != test.code {
			t.Errorf("%s: %v, want %s", name, err, test.code)
		}
	}
	for n, want := range map[int]reason.Code{MaxProposalBytes: "", MaxProposalBytes + 1: reason.WireSize} {
		c := r.claims()
		c[32] = make([]byte, n-len(raw)-6) // key of two bytes, head of three, and one more for the payload
		if _, err := ParseProposal(write("tocsin/1", "proposal", "root", mustEncode(c))); reason.Of(err) != want {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

// STM-28: a proposal and a part have one encoding each.
func FuzzProposal(f *testing.F) {
	l := newLineage(f, "fuzz", 1, 1)
	p, err := ProposeRoot("test", l.draftRoot())
	if err != nil {
		f.Fatal(err)
	}
	part, err := p.Sign(l.keys(1)[0])
	if err != nil {
		f.Fatal(err)
	}
	f.Add(p.Encode())
	f.Add(part)
	keys := publicKeys(l.keys(1))
	f.Fuzz(func(t *testing.T, raw []byte) {
		withinBounds(t, func() {
			if got, err := ParseProposal(raw); err == nil && !bytes.Equal(got.Encode(), raw) {
				t.Fatalf("a proposal is written anew with other bytes: %x", raw)
			}
			if got, err := readPart(raw); err == nil && !bytes.Equal(mustEncode(got), raw) {
				t.Fatalf("a part is written anew with other bytes: %x", raw)
			}
			_, _ = p.Assemble(keys, raw)
		})
	})
}
