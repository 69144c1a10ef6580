package protocol

import (
	"slices"
	"time"

	"tocsin/protocol/reason"
)

// keyVectors makes the vectors of roots, revocations and statuses (SPEC 3.5 to 3.9)
// from an organisation with three roots, two of which sign.
type keyVectors struct {
	*lineage
	m    *vectorMaker
	base []*Statement
}

func (m *vectorMaker) keysOverTime() {
	l := newLineage(m.t, "Rotating CERT", 2, 3)
	k := &keyVectors{lineage: l, m: m, base: l.base()}
	k.rootVectors()
	k.revocationVectors()
	k.statusVectors()
	k.voidRecords()
}

// add makes a vector of statements that come to a chain.
func (k *keyVectors) add(name, comment string, code reason.Code, known []*Statement, input ...*Statement) {
	v := k.m.start("chain-"+name, "chain", comment)
	v.add("network", testNetwork)
	v.addHex("chain", joinStatements(known))
	v.addHex("input", joinStatements(input))
	v.expect(code)
	if code != "" {
		return
	}
	next, _, errs := chainsWith(k.t, known...).With(input...)
	if len(errs) > 0 {
		k.t.Fatalf("vector %s: %v", v.name, errs)
	}
	v.add("org", "%s", k.org)
	for _, s := range input {
		v.add("statement", "%s %s", s.Type(), s.Digest())
	}
	v.add("root", "%s", rootState(next, k.org))
}

func joinStatements(list []*Statement) (out []byte) {
	for _, s := range list {
		out = append(out, s.Raw()...)
	}
	return out
}

// STM-14 to STM-18
func (k *keyVectors) rootVectors() {
	r := k.draftRoot()
	r.Heads = []Head{place(k.record, "fraud", 7), place(k.record, "control", 2)}
	root := k.root(r, k.signers(false)...)
	k.add("root", "a second root, signed by two revealed keys and two of the first root", "", k.base, root)
	k.add("root-all", "the same, signed by all six", "", k.base, k.root(r, append(k.keys(1), k.keys(2)...)...))
	compromised := r
	compromised.Compromise = true
	k.add("root-compromise", "a second root for compromise, signed by the revealed keys alone", "", k.base, k.root(compromised, k.keys(2)[1:]...))
	k.add("root-stolen", "the keys of the first root sign a root of their own", reason.ChainInvalid, k.base,
		k.root(k.with(func(r *Root) { r.Roots, r.Next = publicKeys(k.keys(1)), keyIDsOf(k.keys(9)) }), k.keys(1)...))
	k.add("root-few-revealed", "one revealed key signs, the threshold is two", reason.ChainInvalid, k.base, k.root(r, append(k.keys(1), k.keys(2)[0])...))
	k.add("root-few-old", "one key of the first root signs, the threshold is two", reason.ChainInvalid, k.base, k.root(r, append(k.keys(2), k.keys(1)[0])...))
	k.add("root-compromise-old", "a key of the first root signs along for compromise", reason.ChainInvalid, k.base,
		k.root(compromised, append(k.keys(2), k.keys(1)[0])...))
	k.add("root-version", "a root of version 3 after version 1", reason.ChainInvalid, k.base, k.root(k.with(func(r *Root) { r.Version = 3 }), k.signers(false)...))
	k.add("root-again", "a root whose successor was a root before", reason.ChainInvalid, k.base,
		k.root(k.with(func(r *Root) { r.Next = keyIDsOf(k.keys(1)) }), k.signers(false)...))
	k.add("root-previous", "a root after one that is not known", reason.CertUnknown, k.base,
		k.root(k.with(func(r *Root) { r.Version, r.Previous = 3, Digest{1} }), k.signers(false)...))
	spoilt := k.with(func(r *Root) { r.Version = 1 })
	raw, err := writeSign(mustEncode(spoilt.claims()), externalAAD(testNetwork, "root"), k.signers(false))
	if err != nil {
		k.t.Fatal(err)
	}
	v := k.m.start("chain-root-claims", "chain", "a root of version 1")
	v.add("network", testNetwork)
	v.addHex("chain", joinStatements(k.base))
	v.addHex("input", raw)
	v.expect(reason.WireClaims)
	k.add("root-signature", "one bit of a signature is flipped", reason.SigInvalid, k.base, k.flip(root))
	twin := k.root(k.with(func(r *Root) { r.Created = r.Created.Add(time.Second) }), k.signers(false)...)
	k.add("root-disputed", "two valid roots of version 2: neither is in force", "", k.base, root, twin)
	k.roots = append(k.roots, root)
	under := k.delegate(2, k.key("fresh operations"), nil)
	k.roots = k.roots[:1]
	k.add("operations-later", "an operations statement under the second root", "", append(slices.Clone(k.base), root), under)
	k.add("operations-root-unknown", "the same, the second root is not known", reason.CertUnknown, k.base, under)
	k.add("operations-disputed", "the same, the second root is disputed", reason.ChainLimit, append(slices.Clone(k.base), root, twin), under)
}

func (k *keyVectors) flip(s *Statement) *Statement {
	out, err := ParseStatement(s.network, flipAt(s.Raw(), len(s.Raw())-1))
	if err != nil {
		k.t.Fatal(err)
	}
	return out
}

// STM-19 STM-20 STM-21
func (k *keyVectors) revocationVectors() {
	r := Revocation{Key: k.record.Public().ID(), Reason: RevokedCompromised, Heads: []Head{place(k.record, "fraud", 7)}}
	k.add("revocation", "the operations key revokes a record key", "", k.base, k.revoke(r, k.operations))
	k.add("revocation-roots", "two of three roots do", "", k.base, k.revoke(r, k.keys(1)[1:]...))
	emergency := Revocation{Key: r.Key, Emergency: true}
	k.add("revocation-emergency", "one that was signed in advance, for an emergency", "", k.base, k.revoke(emergency, k.operations))
	k.add("revocation-few", "one of three roots revokes", reason.CertUnknown, k.base, k.revoke(r, k.keys(1)[0]))
	k.add("revocation-signer", "a record key revokes itself", reason.CertUnknown, k.base, k.revoke(r, k.record))
	k.add("revocation-signature", "one bit of the signature is flipped", reason.SigInvalid, k.base, k.flip(k.revoke(r, k.operations)))
	dropped := append(slices.Clone(k.base), k.root(k.with(func(r *Root) { r.Keep = nil }), k.signers(false)...))
	k.add("revocation-ended", "an operations key revokes that a root dropped", reason.KeyRevoked, dropped, k.revoke(r, k.operations))
	k.add("status-ended", "a status by an operations key that a root dropped", reason.KeyRevoked, dropped, k.beat(1, time.Hour, k.operations, nil))
	taken := append(slices.Clone(k.base), k.root(k.with(func(r *Root) { r.Compromise = true }), k.signers(true)...))
	k.add("revocation-compromised", "roots revoke that were replaced for compromise", reason.ChainLimit, taken, k.revoke(r, k.keys(1)...))
	spoilt := r
	spoilt.Emergency, spoilt.Org = true, k.org
	raw, err := writeSign(mustEncode(spoilt.claims()), externalAAD(testNetwork, "revocation"), []Signer{k.operations})
	if err != nil {
		k.t.Fatal(err)
	}
	v := k.m.start("chain-revocation-claims", "chain", "an emergency revocation that names heads")
	v.add("network", testNetwork)
	v.addHex("chain", joinStatements(k.base))
	v.addHex("input", raw)
	v.expect(reason.WireClaims)
}

// STM-23 STM-24 STM-25
func (k *keyVectors) statusVectors() {
	heads := func(s *Status) {
		s.Heads, s.Certificates, s.Revocations = []Head{place(k.record, "fraud", 7)}, []Digest{k.base[2].Digest()}, 1
	}
	status := k.beat(5, time.Hour, k.operations, heads)
	held := append(slices.Clone(k.base), status)
	k.add("status", "a status", "", k.base, status)
	k.add("status-next", "the one after it", "", held, k.beat(6, 2*time.Hour, k.operations, heads))
	k.add("status-old", "a status with a lower counter than the one held", reason.StatusOld, held, k.beat(4, 3*time.Hour, k.operations, heads))
	k.add("status-ahead-most", "the highest counter two hours after the founding", "", k.base, k.beat(MaxStatusLead+2, 2*time.Hour, k.operations, nil))
	k.add("status-ahead", "one more than that", reason.StatusOld, k.base, k.beat(MaxStatusLead+3, 2*time.Hour, k.operations, nil))
	k.add("status-signer", "a status by a record key", reason.CertUnknown, k.base, k.beat(1, time.Hour, k.record, nil))
	k.add("status-window", "a status after the end of its operations key", reason.CertUnknown, k.base,
		k.beat(1, MaxOperationsWindow+time.Millisecond, k.operations, nil))
	k.add("status-root", "a status under a root that is not known", reason.CertUnknown, k.base,
		k.beat(1, time.Hour, k.operations, func(s *Status) { s.RootVersion = 2 }))
	k.add("status-signature", "one bit of the signature is flipped", reason.SigInvalid, k.base, k.flip(status))
}

// voidRecords makes records at, below and above the last good place of their key: VER-16.
func (k *keyVectors) voidRecords() {
	m := k.m
	signed := func(sequence uint64, change func(*Draft)) *Record {
		d := testDraft(testObjects(1)...)
		d.Sequence = sequence
		if sequence > 1 {
			d.Previous = RecordID{byte(sequence)}
		}
		if change != nil {
			change(&d)
		}
		return m.org.sign(m.t, d)
	}
	last := signed(2, nil)
	twin := signed(2, func(d *Draft) { d.Objects = testObjects(2) })
	revocation, err := SignRevocation(testNetwork, Revocation{
		Org: m.org.genesis.Org(), Key: last.Key(), Created: testNow,
		Heads: []Head{{Key: last.Key(), Topic: last.Header().Topic, Sequence: 2, ID: last.ID()}},
	}, m.org.operations)
	if err != nil {
		m.t.Fatal(err)
	}
	add := func(name, comment string, now time.Time, r *Record, code reason.Code) {
		v := m.start("record-revoked-"+name, "record", comment)
		v.add("network", testNetwork)
		if !now.IsZero() {
			v.add("now", "%d", now.UnixMilli())
		}
		v.addHex("chain", append(chainBytes(m.org), revocation.Raw()...))
		v.addHex("input", r.Raw())
		v.expect(code)
		if code == "" {
			v.add("record-id", "%s", r.ID())
			for _, object := range r.leavesOf(m.t) {
				v.addHex("object", object)
			}
		}
	}
	add("below", "a record below the last good place of a revoked key", testNow, signed(1, nil), "")
	add("at", "the record at that place", testNow, last, "")
	add("twin", "another record at that place", testNow, twin, reason.KeyRevoked)
	add("above", "a record above it", testNow, signed(3, nil), reason.KeyRevoked)
	add("topic", "a record on a topic that the revocation does not name", testNow,
		signed(1, func(d *Draft) { d.Topic = Topic{"fraud"} }), reason.KeyRevoked)
	add("above-later", "a record above it from a file: whether it stands is asked apart", time.Time{}, signed(3, nil), "")
}

func (r *Record) leavesOf(t interface{ Fatal(...any) }) (objects [][]byte) {
	leaves, err := r.Open()
	if err != nil {
		t.Fatal(err)
	}
	for _, leaf := range leaves {
		objects = append(objects, leaf.Object)
	}
	return objects
}
