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
)

// STM-02, STM-14: what was signed is what is read.
func TestRootRoundTrip(t *testing.T) {
	l := newLineage(t, "round", 2, 3)
	r := l.draftRoot()
	r.Compromise = true
	r.Keep = append(r.Keep, KeyID{1})
	r.Heads = []Head{place(l.key("b"), "fraud", 7), place(l.key("a"), "fraud", 1), place(l.key("a"), "control", 1<<63-1)}
	s := l.root(r, l.signers(true)...)
	got := s.claims.(*Root)
	if s.Type() != StatementRoot || s.Org() != l.org || got.Version != 2 || got.Previous != r.Previous || got.Threshold != 2 ||
		got.NextThreshold != 2 || !got.Compromise || !got.Created.Equal(r.Created) || len(got.Roots) != 3 || len(got.Next) != 3 {
		t.Errorf("%+v", got)
	}
	if !slices.Equal(got.Heads, sorted(r.Heads, compareHeads)) || !slices.Equal(got.Keep, sorted(r.Keep, compareKeyIDs)) {
		t.Errorf("heads %v, keep %v", got.Heads, got.Keep)
	}
}

// STM-07, STM-14: every claim of a root at its limits and beyond.
func TestRootClaims(t *testing.T) {
	l := newLineage(t, "claims", 1, 1)
	r := l.draftRoot()
	own := r.Roots[0].ID()
	l.checkClaims(t, StatementRoot, r.claims(), []claimCase{
		{1, nil}, {1, make([]byte, 31)}, {2, nil}, {2, uint64(0)}, {2, uint64(1)}, {2, uint64(1 << 63)}, {3, nil}, {3, "genesis"},
		{4, nil}, {4, []any{}}, {4, rootList(t, 6)}, {5, nil}, {5, uint64(0)}, {5, uint64(2)},
		{6, nil}, {6, []any{}}, {6, idList(6)}, {6, []any{own[:]}}, {7, nil}, {7, uint64(0)}, {7, uint64(2)},
		{8, false}, {8, uint64(1)}, {9, []any{}}, {9, idList(9)}, {9, []any{idList(2)[1], idList(2)[0]}}, {9, "keep"},
		{10, []any{}}, {11, nil}, {11, uint64(MaxTime + 1)},
	}, []claimCase{
		{2, uint64(1<<63 - 1)}, {4, rootList(t, 5)}, {6, idList(5)}, {8, true}, {9, nil}, {9, idList(8)}, {11, uint64(MaxTime)},
	})
}

// STM-27: heads in their one order, up to 80 of them, and nothing else.
func TestHeads(t *testing.T) {
	l := newLineage(t, "heads", 1, 1)
	id := func(i byte) []byte { return bytes.Repeat([]byte{i}, 32) }
	at := func(topic string) []any { return []any{topic, uint64(1), id(9)} }
	group := func(i byte, places ...any) any { return []any{id(i), places} }
	topics := func(n int) []any { return list2(n, func(i int) any { return at(fmt.Sprintf("t%02d", i)) }) }
	keys := func(n int) []any { return list2(n, func(i int) any { return group(byte(i+1), at("t")) }) }
	for _, typ := range []struct {
		typ   StatementType
		key   uint64
		good  claims
		key80 bool
	}{
		{StatementRoot, rootHeads, (&Root{
			Org: l.org, Version: 2, Roots: publicKeys(l.keys(2)), Threshold: 1, Next: keyIDsOf(l.keys(3)), NextThreshold: 1, Created: l.start,
		}).claims(), true},
		{StatementRevocation, revocationHeads, (&Revocation{Org: l.org, Created: l.start}).claims(), true},
		{StatementStatus, statusHeads, (&Status{Org: l.org, Counter: 1, RootVersion: 1, Created: l.start}).claims(), true},
	} {
		l.checkClaims(t, typ.typ, typ.good, []claimCase{
			{typ.key, []any{}}, {typ.key, "heads"}, {typ.key, []any{id(1)}}, {typ.key, []any{[]any{id(1)}}}, {typ.key, []any{[]any{id(1), []any{}}}},
			{typ.key, []any{group(2, at("t")), group(1, at("t"))}}, {typ.key, []any{group(1, at("a")), group(1, at("b"))}},
			{typ.key, []any{group(1, at("b"), at("a"))}}, {typ.key, []any{group(1, at("a"), at("a"))}}, {typ.key, []any{group(1, at("A"))}},
			{typ.key, []any{[]any{id(1)[:31], []any{at("a")}}}}, {typ.key, []any{group(1, []any{"a", uint64(0), id(9)})}},
			{typ.key, []any{group(1, []any{"a", uint64(1 << 63), id(9)})}}, {typ.key, []any{group(1, []any{"a", uint64(1), id(9)[:31]})}},
			{typ.key, []any{group(1, []any{"a", uint64(1)})}}, {typ.key, []any{group(1, topics(81)...)}}, {typ.key, []any{group(1, topics(80)...), group(2, at("t"))}},
			{typ.key, keys(81)},
		}, []claimCase{
			{typ.key, nil}, {typ.key, []any{group(1, topics(80)...)}}, {typ.key, keys(50)},
			{typ.key, []any{group(1, []any{"a", uint64(1<<63 - 1), id(9)}), group(2, at("a"), at("b"))}},
		})
	}
	// Ten nodes on eight topics, which is what MaxHeads is for.
	var heads []Head
	for i := range 10 {
		for _, topic := range DefaultTopics()[:8] {
			heads = append(heads, Head{Key: KeyID{byte(i)}, Topic: topic, Sequence: 1 << 20})
		}
	}
	s := l.beat(1, 0, l.operations, func(s *Status) { s.Heads = heads })
	if got := s.claims.(*Status).Heads; !slices.Equal(got, sorted(heads, compareHeads)) {
		t.Errorf("%d heads in %d bytes", len(got), len(s.Raw()))
	}
}

// STM-16: every pair of thresholds from one of one to five of five, met exactly and
// missed by one, on either side.
func TestRotationThresholds(t *testing.T) {
	for m := 1; m <= MaxRoots; m++ {
		for threshold := 1; threshold <= m; threshold++ {
			l := newLineage(t, "threshold", threshold, m)
			known := l.after(l.roots...)
			old, revealed := l.keys(1), l.keys(2)
			last := m - threshold // the last keys do as well as the first
			for _, test := range []struct {
				compromise    bool
				old, revealed []Signer
				code          reason.Code
			}{
				{false, old[:threshold], revealed[:threshold], ""},
				{false, old[last:], revealed[last:], ""},
				{false, old, revealed, ""},
				{true, nil, revealed[last:], ""},
				{true, nil, revealed, ""},
				{false, old[:threshold-1], revealed, reason.ChainInvalid},
				{false, old, revealed[:threshold-1], reason.ChainInvalid},
				{true, nil, revealed[:threshold-1], reason.ChainInvalid},
				{true, old, revealed[:threshold-1], reason.ChainInvalid},
				{true, old[:1], revealed, reason.ChainInvalid}, // nobody else signs
				{false, old, nil, reason.ChainInvalid},
				{false, nil, revealed, reason.ChainInvalid},
			} {
				signers := slices.Concat(test.old, test.revealed)
				if len(signers) == 0 {
					continue
				}
				r := l.draftRoot()
				r.Compromise = test.compromise
				s := l.root(r, signers...)
				if test.code != "" {
					wantRefused(t, fmt.Sprintf("%d of %d: %d old, %d revealed", threshold, m, len(test.old), len(test.revealed)), known, s, test.code)
					continue
				}
				next := known
				if next, _, _ = known.With(s); len(l.orgIn(next).Roots) != 1 {
					t.Errorf("%d of %d: %d old and %d revealed keys are not enough", threshold, m, len(test.old), len(test.revealed))
				}
				// STM-17: what is not needed is not kept.
				want := threshold
				if !test.compromise {
					want *= 2
				}
				if kept := next.Chain(l.org)[1]; len(kept.env.signatures) != want || kept.Digest() != s.Digest() {
					t.Errorf("%d of %d: %d signatures kept, want %d", threshold, m, len(kept.env.signatures), want)
				}
			}
		}
	}
}

// STM-15: what a root may rest on and name.
func TestRootRefused(t *testing.T) {
	l, stranger := newLineage(t, "honest", 1, 2), newLineage(t, "stranger", 1, 2)
	l.rotate(nil)
	known := l.after(l.roots...)
	good := l.draftRoot()
	with := func(change func(*Root)) *Statement {
		r := good
		change(&r)
		return l.root(r, append(l.signers(false), l.keys(2)[1], l.keys(3)[1])...)
	}
	third := l.root(good, l.signers(false)...)
	for name, test := range map[string]struct {
		s    *Statement
		code reason.Code
	}{
		"a version too high":        {with(func(r *Root) { r.Version = 4 }), reason.ChainInvalid},
		"a version too low":         {with(func(r *Root) { r.Version = 2 }), reason.ChainInvalid},
		"previous not known":        {with(func(r *Root) { r.Previous = Digest{1} }), reason.CertUnknown},
		"previous of another":       {with(func(r *Root) { r.Previous = stranger.roots[0].Digest() }), reason.CertUnknown},
		"genesis as previous":       {with(func(r *Root) { r.Previous = l.roots[0].Digest() }), reason.ChainInvalid},
		"another organisation":      {with(func(r *Root) { r.Org = stranger.org }), reason.CertUnknown},
		"a key nobody named":        {with(func(r *Root) { r.Roots = append(r.Roots[:1:1], stranger.keys(1)[0].Public()) }), reason.ChainInvalid},
		"its successor was a root":  {with(func(r *Root) { r.Next = keyIDsOf(l.keys(2)) }), reason.ChainInvalid},
		"... two versions before":   {with(func(r *Root) { r.Next = append(keyIDsOf(l.keys(4)), l.keys(1)[1].Public().ID()) }), reason.ChainInvalid},
		"signed for another type":   {resign(t, l, good, "operations"), reason.SigInvalid},
		"the right one, flipped":    {flipped(t, third), reason.SigInvalid},
		"the right one, not needed": {l.root(good, append(l.signers(false), stranger.keys(1)[0])...), reason.ChainInvalid},
	} {
		wantRefused(t, name, known, test.s, test.code)
	}
	// Fewer keys than were named, another threshold, and names carried on, are all fine.
	fewer := good
	fewer.Roots, fewer.Threshold, fewer.Next, fewer.NextThreshold = fewer.Roots[1:], 1, append(keyIDsOf(l.keys(4)), l.keys(3)[0].Public().ID()), 2
	if next, added, errs := known.With(l.root(fewer, l.keys(3)[1], l.keys(2)[1])); added != 1 || len(l.orgIn(next).Roots) != 2 {
		t.Errorf("fewer keys: %v", errs)
	}
}

// resign signs claims of a root under the name of another type.
func resign(t *testing.T, l *lineage, r Root, typ string) *Statement {
	t.Helper()
	raw, err := writeSign(mustEncode(r.claims()), externalAAD("test", typ), l.signers(false))
	if err != nil {
		t.Fatal(err)
	}
	return l.must(ParseStatement("test", raw))
}

// flipped is a statement with one bit of its last signature changed.
func flipped(t *testing.T, s *Statement) *Statement {
	t.Helper()
	out, err := ParseStatement(s.network, flipAt(s.Raw(), len(s.Raw())-1))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// STM-09, STM-21: an operations statement is held against the root that it names.
func TestOperationsUnderLaterRoots(t *testing.T) {
	l := newLineage(t, "later", 2, 3)
	second := l.rotate(nil)
	key := l.key("second operations")
	byOld := l.must(SignOperations("test", Operations{
		Org: l.org, RootVersion: 2, Serial: 1, Key: key.Public(), NotBefore: l.start, NotAfter: l.start.Add(time.Hour),
	}, l.keys(1)...))
	under2 := l.delegate(2, key, nil)
	onlyGenesis := l.after(l.roots[0])
	wantRefused(t, "a root that is not known", onlyGenesis, under2, reason.CertUnknown)
	known := l.after(l.roots[0], second)
	// Another root of version 2 may name these keys: nobody is to blame.
	wantRefused(t, "by the root before", known, byOld, reason.CertUnknown)
	wantRefused(t, "of a version that is not known", known, l.delegate(3, key, nil), reason.CertUnknown)
	wantRefused(t, "flipped", known, flipped(t, under2), reason.SigInvalid)
	next := l.after(l.roots[0], second, under2, l.certify(1, l.record, key), l.delegate(1, l.operations, nil))
	org := l.orgIn(next)
	if len(org.Operations) != 2 || org.Ended(key.Public().ID()) || org.Ended(l.operations.Public().ID()) {
		t.Errorf("%d operations statements", len(org.Operations))
	}
}

// STM-18: two valid roots of one version are a dispute in any order, both are
// kept, and nothing rests on either.
func TestDisputed(t *testing.T) {
	l := newLineage(t, "dispute", 1, 1)
	base := l.base()
	a := l.root(l.draftRoot(), l.signers(false)...)
	other := l.draftRoot()
	other.Created = other.Created.Add(time.Second)
	b := l.root(other, l.signers(false)...)
	other.Created = other.Created.Add(time.Second)
	c := l.root(other, l.signers(false)...)
	l.roots = append(l.roots, a)
	above := l.rotate(nil)
	key := l.key("operations of a")
	under2 := l.delegate(2, key, nil)
	cert := l.certify(2, l.key("node"), key)
	undisputed := l.after(slices.Concat(base, []*Statement{a, above, under2, cert})...)
	if org := l.orgIn(undisputed); org.Disputed || len(org.Roots) != 2 {
		t.Fatalf("%+v", org.Roots)
	}
	all := slices.Concat(base, []*Statement{a, b, c, above, under2, cert})
	lowest := sorted([]*Statement{a, b, c}, func(x, y *Statement) int { return compareDigests(x.digest, y.digest) })[:2]
	for i := range all {
		order := append(slices.Clone(all[i:]), all[:i]...)
		next, _, _ := NewChains("test").With(order...)
		for range 3 {
			for _, s := range order {
				next, _, _ = next.With(s)
			}
		}
		org := l.orgIn(next)
		if !org.Disputed || len(org.Roots) != 0 || len(org.Operations) != 1 || len(org.Certificates) != 1 {
			t.Errorf("order %d: disputed %v, %d roots, %d operations, %d certificates", i, org.Disputed, len(org.Roots), len(org.Operations), len(org.Certificates))
		}
		if chain := next.Chain(l.org); chain[1].Digest() != lowest[0].Digest() || chain[2].Digest() != lowest[1].Digest() || len(chain) != 5 {
			t.Errorf("order %d: %d statements kept", i, len(chain))
		}
		again := NewChains("test")
		if again, _, _ = again.With(next.Chain(l.org)...); picture(again) != picture(next) {
			t.Error("the proof does not travel with the chain")
		}
	}
}

// STM-17: the line of roots is bounded for everybody alike, and a dispute at its
// end still fits one identity record.
func TestRootLineBound(t *testing.T) {
	least := map[[2]int]int{{1, 1}: 20, {2, 3}: 10, {3, 5}: 7, {5, 5}: 4}
	for shape, want := range least {
		l := newLineage(t, fmt.Sprint("bound ", shape), shape[0], shape[1])
		for range 40 {
			l.rotate(nil)
		}
		next, _, errs := NewChains("test").With(l.roots...)
		org := l.orgIn(next)
		if len(org.Roots) < want || len(org.Roots) == 40 || org.Disputed || len(org.Roots)+len(errs) != 40 {
			t.Errorf("%v: %d rotations, want at least %d; %d left out", shape, len(org.Roots), want, len(errs))
		}
		for _, err := range errs {
			wantCode(t, err, reason.ChainLimit)
		}
		// Every root comes with all the signatures that it can carry: the same line.
		for i := range l.roots[1:] {
			r := *l.roots[i+1].claims.(*Root)
			l.roots[i+1] = l.root(r, append(l.keys(int(r.Version)), l.keys(int(r.Version)-1)...)...)
		}
		again, _, _ := NewChains("test").With(l.roots...)
		if len(l.orgIn(again).Roots) != len(org.Roots) || chainSize(again.Chain(l.org)) != chainSize(next.Chain(l.org)) {
			t.Errorf("%v: more signatures make it %d rotations", shape, len(l.orgIn(again).Roots))
		}
	}
}

// STM-17, STM-18: the largest dispute that there can be fits an identity record.
func TestLargestDisputeFits(t *testing.T) {
	l := newLineage(t, "large", 5, 5)
	large := func(n int) func(*Root) {
		return func(r *Root) {
			for i := range n {
				r.Heads = append(r.Heads, Head{Key: KeyID{9}, Topic: Topic{fmt.Sprintf("%s-%02d", strings.Repeat("x", 37), i)}, Sequence: 1 << 40})
			}
		}
	}
	l.rotate(large(36))
	base := slices.Concat(l.base(), l.roots[1:])
	one := l.draftRoot()
	large(36)(&one)
	two := one
	two.Created = two.Created.Add(time.Second)
	c := l.after(slices.Concat(base, []*Statement{l.root(one, l.signers(false)...), l.root(two, l.signers(false)...)})...)
	left := chainSize(c.Chain(l.org))
	if org := l.orgIn(c); !org.Disputed || len(c.Chain(l.org)) != 6 || left.exceeded() || left.bytes > 2<<10 {
		t.Errorf("disputed %v, %d statements, %v left", org.Disputed, len(c.Chain(l.org)), left)
	}
}

func chainSize(chain []*Statement) identityRoom {
	return identityRoom{MaxIdentityBytes, MaxIdentitySignatures}.with(chain...)
}

// STM-05: no flipped bit of a later statement gives one that enters the chain.
func TestBitFlipsOfLaterStatements(t *testing.T) {
	l := newLineage(t, "flip", 1, 1)
	base := l.base()
	head := []Head{place(l.record, "fraud", 3)}
	revocation := l.revoke(Revocation{Key: l.record.Public().ID(), Heads: head}, l.operations)
	status := l.beat(1, time.Hour, l.operations, func(s *Status) { s.Heads = head })
	for _, s := range []*Statement{revocation, status, l.rotate(func(r *Root) { r.Heads = head })} {
		known := l.after(base...)
		for bit := range len(s.Raw()) * 8 {
			raw := slices.Clone(s.Raw())
			raw[bit/8] ^= 1 << (bit % 8)
			spoilt, err := ParseStatement("test", raw)
			if err != nil {
				if reason.Of(err) == "" {
					t.Fatalf("%s bit %d: no code: %v", s.Type(), bit, err)
				}
				continue
			}
			if _, added, errs := known.With(spoilt); added != 0 || len(errs) != 1 || reason.Of(errs[0]) == "" {
				t.Fatalf("%s bit %d: added %d, %v", s.Type(), bit, added, errs)
			}
		}
	}
}

// STM-04: claims from 32 on are kept in every type.
func TestLaterClaimsOfNewTypes(t *testing.T) {
	l := newLineage(t, "grease", 1, 1)
	known := l.after(l.base()...)
	r, v, s := l.draftRoot(), Revocation{Org: l.org, Created: l.start}, Status{Org: l.org, Counter: 1, RootVersion: 1, Created: l.start}
	for typ, test := range map[StatementType]struct {
		c       claims
		signers []Signer
	}{
		StatementRoot:       {r.claims(), l.signers(false)},
		StatementRevocation: {v.claims(), []Signer{l.operations}},
		StatementStatus:     {s.claims(), []Signer{l.operations}},
	} {
		c := maps.Clone(test.c)
		c[32], c[1<<40] = "grease", []any{true}
		st := l.must(ParseStatement("test", l.write(t, c, typ, test.signers...)))
		if _, added, errs := known.With(st); added != 1 {
			t.Errorf("%s: %v", typ, errs)
		}
	}
}
