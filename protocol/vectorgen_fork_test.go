package protocol

import (
	"bytes"
	"crypto/sha256"
	"slices"
	"testing"
	"time"

	"tocsin/protocol/reason"
	"tocsin/protocol/stix"
)

// forkOf is the body that lists the headers of records as they come.
func forkOf(t testing.TB, raws ...[]byte) []byte {
	t.Helper()
	headers := [][]byte{}
	for _, raw := range raws {
		w, err := splitRecord(raw)
		if err != nil {
			t.Fatal(err)
		}
		headers = append(headers, w.header)
	}
	return mustEncode(headers)
}

// inOrder sorts records by id, as a fork proof wants them.
func inOrder(t testing.TB, raws ...[]byte) [][]byte {
	t.Helper()
	id := func(raw []byte) []byte {
		w, err := splitRecord(raw)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(w.signedBytes(testNetwork))
		return sum[:]
	}
	return slices.SortedFunc(slices.Values(raws), func(a, b []byte) int { return bytes.Compare(id(a), id(b)) })
}

// forkDraft is a record of kind fork with a body.
func forkDraft(body []byte) Draft {
	return Draft{Topic: TopicControl, Kind: KindFork, Sequence: 1, Created: testNow, Expires: testNow.Add(30 * day), TLP: stix.Clear, Body: body}
}

// at is a record of objects at a place of its key log.
func (o *testOrg) at(t testing.TB, sequence uint64, change func(*forgery), objects ...[]byte) []byte {
	t.Helper()
	d := testDraft(objects...)
	if d.Sequence = sequence; sequence > 1 {
		d.Previous = RecordID{9}
	}
	return o.forge(t, d, change)
}

// FRK-01 FRK-02 FRK-03 FRK-04 FRK-05 VER-17
func (m *vectorMaker) forks() {
	t := m.t
	one, two := testObject(1), testObject(2)
	pair := inOrder(t, m.org.at(t, 5, nil, one), m.org.at(t, 5, nil, two))
	carry := func(raws ...[]byte) []byte { return m.es256.sign(t, forkDraft(forkOf(t, raws...))).Raw() }
	m.accepted("accept-fork", "two records at one place, shown by another organisation", testNow, carry(pair...), m.es256, m.org)
	m.accepted("accept-fork-own", "the key shows its own fork", testNow, m.org.sign(t, forkDraft(forkOf(t, pair...))).Raw(), m.org)
	m.accepted("accept-fork-expired", "a fork stays one when the certificate has ended and the records have expired",
		testNow.Add(299*day), m.late(forkDraft(forkOf(t, pair...))), m.lateOrg(), m.org)
	m.accepted("accept-fork-kinds", "kind, TLP, previous record and all else may differ", testNow, carry(inOrder(t,
		m.org.at(t, 5, func(f *forgery) {
			f.payload[claimKind], f.payload[claimRawLength], f.payload[claimTLP] = 11, len(f.body), 0
			f.payload[claimPrevious] = bytes.Repeat([]byte{3}, 32)
		}, one), pair[0])...), m.es256, m.org)

	bad := func(name, comment string, body []byte) {
		v := m.record("fork-"+name, comment, testNow, m.es256.sign(t, forkDraft(body)).Raw(), m.es256, m.org, m.scoped)
		v.expect(reason.ForkInvalid)
	}
	bad("empty", "no bytes at all", []byte{})
	bad("map", "a map", []byte{0xa0})
	bad("null", "two nulls", []byte{0x82, 0xf6, 0xf6})
	bad("text", "two texts", mustEncode([]any{"a", "b"}))
	bad("one", "one header", forkOf(t, pair[0]))
	bad("three", "three headers", forkOf(t, pair[0], pair[1], pair[1]))
	bad("tail", "a byte behind the array", append(forkOf(t, pair...), 0))
	bad("long-head", "the length of a header in a longer form than needed", longHead(forkOf(t, pair...)))
	bad("order", "the headers exchanged", forkOf(t, pair[1], pair[0]))
	bad("same", "one header twice", forkOf(t, pair[0], pair[0]))
	bad("body", "whole records in place of headers", mustEncode(pair))
	bad("cut", "a header cut short", mustEncode([][]byte{pair[0][:100], pair[1][:100]}))
	bad("sequence", "two records at two places", forkOf(t, inOrder(t, pair[0], m.org.at(t, 6, nil, two))...))
	bad("topic", "two records of two topics", forkOf(t, inOrder(t, pair[0], m.org.at(t, 5, func(f *forgery) { f.payload[claimTopic] = "fraud" }, two))...))
	bad("key", "records of two keys", forkOf(t, inOrder(t, pair[0], m.es256.at(t, 5, nil, two))...))
	bad("signature", "one bit of a signature is flipped", forkOf(t, inOrder(t, pair[0], m.org.at(t, 5, func(f *forgery) { f.key = m.org.operations }, two))...))
	bad("network", "a header that was signed for another network", forkOf(t, inOrder(t, pair[0], m.org.at(t, 5, func(f *forgery) { f.network = "main" }, two))...))
	bad("claims", "a header that no record may have", forkOf(t, inOrder(t, pair[0], m.org.at(t, 5, func(f *forgery) { f.payload[claimTLP] = 4 }, two))...))
	bad("window", "a header out of the window of its certificate", forkOf(t, inOrder(t, pair[0],
		m.org.at(t, 5, func(f *forgery) { f.payload[claimCreated] = m.org.cert.NotBefore.UnixMilli() - 1 }, two))...))
	bad("scope", "headers out of the scope of their certificate", forkOf(t, inOrder(t, m.scoped.at(t, 5, nil, one), m.scoped.at(t, 5, nil, two))...))

	unknown := m.record("fork-unknown", "a header whose certificate is not known", testNow, carry(pair...), m.es256)
	unknown.expect(reason.CertUnknown)
	unknown.add("unknown-certificate", "%s", m.org.certificate.Digest())
	later := func(name, comment string, code reason.Code, change func(*forgery)) {
		m.record("fork-"+name, comment, testNow, carry(inOrder(t, pair[0], m.org.at(t, 5, change, two))...), m.es256, m.org).expect(code)
	}
	later("version", "a header of a later version: another node may see a fork there", reason.VersionUnknown, func(f *forgery) { f.payload[claimVersion] = 2 })
	later("claim", "a header with a claim that must be understood", reason.ClaimUnknown, func(f *forgery) { f.payload[20] = 1 })
	m.refused("fork-size", "a body larger than two headers", reason.KindSize, m.org.forge(t, forkDraft(forkOf(t, pair...)), func(f *forgery) {
		f.setBody(make([]byte, MaxForkBytes+1))
		f.payload[claimRawLength] = MaxForkBytes + 1
	}))
}

// longHead writes the first byte string of an array with a length of four bytes.
func longHead(body []byte) []byte {
	return slices.Concat(body[:1], []byte{0x5a, 0, 0}, body[2:])
}

// lateOrg carries a fork long after everything in it has ended.
func (m *vectorMaker) lateOrg() *testOrg {
	return newTestOrg(m.t, "Late CERT", func(c *Certificate) {
		c.NotBefore, c.NotAfter = testNow.Add(270*day), testNow.Add(300*day-time.Hour)
	})
}

// late signs a draft near the end of lateOrg's certificate.
func (m *vectorMaker) late(d Draft) []byte {
	d.Created = testNow.Add(299 * day)
	d.Expires = d.Created.Add(60 * day)
	return m.lateOrg().sign(m.t, d).Raw()
}
