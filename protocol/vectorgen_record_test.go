package protocol

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/klauspost/compress/zstd"

	"tocsin/protocol/reason"
	"tocsin/protocol/stix"
)

const day = 24 * time.Hour

func (m *vectorMaker) acceptedRecords() {
	m.accepted("accept-minimal", "one object of two bytes, signed with EdDSA", testNow,
		m.org.sign(m.t, testDraft([]byte("{}"))).Raw(), m.org)
	m.accepted("accept-es256", "the same, signed with ES256", testNow,
		m.es256.sign(m.t, testDraft([]byte("{}"))).Raw(), m.es256)

	d := testDraft(testObjects(5)...)
	d.Sequence, d.TLP, d.Upstream = 2, stix.Clear, "feeds.example/daily"
	d.Previous = RecordID(bytes.Repeat([]byte{7}, 32))
	d.Defaults = Defaults{Producer: "Example Feed", Confidence: 60, ValidFor: 90 * day}
	m.accepted("accept-all-claims", "five objects and every optional claim", testNow, m.org.sign(m.t, d).Raw(), m.org)

	d = testDraft([]byte("{}"))
	d.Defaults = Defaults{Confidence: 0, ValidFor: time.Second}
	m.accepted("accept-confidence-0", "defaults without a producer; a confidence of 0 is stated, not absent", testNow,
		m.org.sign(m.t, d).Raw(), m.org)

	m.accepted("accept-unknown-claims", "claims 32 and 4000000000 are kept, and are part of what is signed", testNow,
		m.forge(func(f *forgery) {
			f.payload[32] = []any{"later", map[any]any{"a": true, 1: -5}}
			f.payload[4000000000] = []byte{1, 2, 3}
		}), m.org)

	tiny := make([][]byte, MaxLeaves)
	for i := range tiny {
		tiny[i] = fmt.Appendf(nil, "[%d]", i)
	}
	m.accepted("accept-500-objects", "the largest number of objects", testNow, m.org.sign(m.t, testDraft(tiny...)).Raw(), m.org)

	spaces := append(bytes.Repeat([]byte(" "), 20_000), '1')
	m.accepted("accept-ratio", "text that compresses better than 64 times: the first part of the frame is stored", testNow,
		m.org.sign(m.t, testDraft(spaces)).Raw(), m.org)

	objects := testObjects(4)
	foreign := func(options ...zstd.EOption) func(*forgery) {
		return func(f *forgery) {
			f.setBody(foreignFrame(m.t, f.raw(m.t), options...))
		}
	}
	m.accepted("accept-frame-blocks", "a frame of several blocks with a window, a checksum and no content size", testNow,
		m.org.forge(m.t, testDraft(objects...), foreign(zstd.WithWindowSize(1<<20))), m.org)
	m.accepted("accept-frame-window", "a frame with the largest window", testNow,
		m.org.forge(m.t, testDraft(objects...), foreign(zstd.WithWindowSize(8<<20), zstd.WithEncoderCRC(false))), m.org)
}

func (m *vectorMaker) acceptedControl() {
	identity := Draft{
		Topic: TopicControl, Kind: KindIdentity, Sequence: 1, Created: testNow, Expires: testNow.Add(30 * day),
		TLP: stix.Clear, Statements: m.org.chain(),
	}
	m.accepted("accept-identity-newcomer", "an identity record certifies its own signer: nothing is known before it", testNow,
		m.org.sign(m.t, identity).Raw())
	carried := identity
	carried.Statements = m.scoped.chain()
	m.accepted("accept-identity-carried", "a known organisation carries the chain of another", testNow,
		m.org.sign(m.t, carried).Raw(), m.org)
	backwards := identity
	backwards.Statements = slices.Clone(m.org.chain())
	slices.Reverse(backwards.Statements)
	m.accepted("accept-identity-order", "statements come in any order", testNow, m.org.sign(m.t, backwards).Raw())

	opaque := func(name, comment string, topic Topic, kind Kind, tlp stix.TLP, size int) {
		d := Draft{Topic: topic, Kind: kind, Sequence: 1, Created: testNow, Expires: testNow.Add(30 * day), TLP: tlp}
		d.Body = make([]byte, size)
		(&seeded{seed: name}).Read(d.Body)
		m.accepted(name, comment, testNow, m.org.sign(m.t, d).Raw(), m.org)
	}
	opaque("accept-withdrawal", "a kind whose body other sections describe: its body hash is all that a relay checks",
		TopicControl, KindWithdrawal, stix.Clear, 100)
	opaque("accept-sealed", "a sealed record: the one topic on which TLP is not bounded", TopicSealed, KindSealed, stix.Red, 256)
	opaque("accept-unknown-kind", "a kind of a later version", Topic{"fraud"}, 11, stix.Green, 40)
	opaque("accept-unknown-kind-empty", "a kind of a later version without a body", Topic{"fraud"}, MaxKind-1, stix.Green, 0)
	opaque("accept-unknown-kind-control", "the largest unknown body on the control topic", TopicControl, 11, stix.Green, MaxOpaqueControl)
}

// edgeRecords are accepted: each value is the last that is allowed.
func (m *vectorMaker) edgeRecords() {
	d := testDraft([]byte("{}"))
	d.Created = testNow.Add(ClockSkew)
	d.Expires = d.Created.Add(MaxStorage)
	d.Topic = Topic{"a-topic-name-of-exactly-forty-characters"}
	d.Upstream = string(bytes.Repeat([]byte("u"), MaxUpstream))
	d.Defaults = Defaults{Producer: string(bytes.Repeat([]byte("p"), MaxProducer)), Confidence: 100, ValidFor: MaxValidFor}
	d.Sequence = 1<<63 - 1
	d.Previous = RecordID{}
	m.accepted("edge-limits", "created ten minutes ahead, expires 400 days later, the longest texts, the last sequence",
		testNow, m.org.sign(m.t, d).Raw(), m.org)

	d = testDraft([]byte("{}"))
	d.Expires = testNow.Add(10 * day)
	m.accepted("edge-expires", "one millisecond before it expires", d.Expires.Add(-time.Millisecond), m.org.sign(m.t, d).Raw(), m.org)

	d = testDraft([]byte("{}"))
	d.Created = m.org.cert.NotAfter
	d.Expires = d.Created.Add(day)
	m.accepted("edge-certificate", "created in the last millisecond of the certificate, seen ten minutes later",
		m.org.cert.NotAfter.Add(ClockSkew), m.org.sign(m.t, d).Raw(), m.org)
	m.accepted("offline-old-certificate", "without a present (now is absent) nothing expires", time.Time{},
		m.org.sign(m.t, d).Raw(), m.org)
	d.Created = m.org.cert.NotBefore
	d.Expires = d.Created.Add(MaxStorage)
	m.accepted("edge-certificate-start", "created in the first millisecond of the certificate", testNow,
		m.org.sign(m.t, d).Raw(), m.org)

	d = testDraft([]byte("{}"))
	d.Topic, d.TLP = Topic{"fraud"}, stix.Clear
	m.accepted("edge-scope", "topic, kind and TLP are just within a narrow certificate", testNow,
		m.scoped.sign(m.t, d).Raw(), m.scoped)
}

func (m *vectorMaker) brokenFraming() {
	whole := m.forge(nil)
	m.refused("framing-empty", "nothing at all", reason.WireFraming, nil)
	m.refused("framing-tag", "the tag of another COSE message", reason.WireFraming,
		m.forge(func(f *forgery) { f.head = []byte{0xd8, 0x62} }))
	m.refused("framing-untagged", "no tag", reason.WireFraming, m.forge(func(f *forgery) { f.head = nil }))
	m.refused("framing-cut", "cut off within the header", reason.WireFraming, whole[:100])
	m.refused("framing-elements", "an array of three", reason.WireFraming,
		append([]byte{0xd2}, mustEncode([]any{[]byte{}, map[any]any{}, []byte{}})...))
	m.refused("framing-unprotected", "an unprotected map that is not empty", reason.WireFraming,
		m.forge(func(f *forgery) { f.unprotected = map[any]any{1: -8} }))
	m.refused("framing-signature", "a signature of 63 bytes", reason.WireFraming,
		append([]byte{0xd2}, mustEncode([]any{[]byte{0xa0}, map[any]any{}, []byte{0xa0}, make([]byte, 63)})...))
	m.refused("framing-indefinite", "an array of indefinite length", reason.WireFraming,
		slices.Concat([]byte{0xd2, 0x9f}, whole[2:], []byte{0xff}))
	m.refused("size-header", "a header of more than 4 KiB", reason.WireSize,
		m.forge(func(f *forgery) { f.payload[40] = make([]byte, MaxHeaderBytes) }))
	v := m.record("size-record", "more than 1 MiB", testNow, whole, m.org)
	v.add("zeros", "%d", MaxRecordBytes+1-len(whole))
	v.expect(reason.WireSize)
}

func (m *vectorMaker) brokenCanonical() {
	payload := func(change func([]byte) []byte) []byte {
		return m.forge(func(f *forgery) { f.payloadRaw = change(mustEncode(f.payload)) })
	}
	m.refused("canonical-long-head", "the length of the payload in a longer form than needed", reason.WireCanonical,
		m.longerHead())
	m.refused("canonical-long-int", "version 1 as a two-byte integer", reason.WireCanonical, payload(func(p []byte) []byte {
		return slices.Concat(p[:2], []byte{0x18, 0x01}, p[3:])
	}))
	m.refused("canonical-order", "the first two claims exchanged", reason.WireCanonical, payload(func(p []byte) []byte {
		topic := p[3 : 3+2+len("malicious-code")] // key 2, the text's head and the text
		return slices.Concat(p[:1], topic, p[1:3], p[3+len(topic):])
	}))
	m.refused("canonical-duplicate", "a claim that comes twice", reason.WireCanonical, payload(func(p []byte) []byte {
		return slices.Concat([]byte{p[0] + 1}, p[1:3], p[1:3], p[3:])
	}))
	m.refused("canonical-float", "a float among the claims", reason.WireCanonical, payload(func(p []byte) []byte {
		return slices.Concat([]byte{p[0] + 1}, p[1:], []byte{0x18, 40, 0xf9, 0x3c, 0x00})
	}))
	m.refused("canonical-null", "a null among the claims", reason.WireCanonical, payload(func(p []byte) []byte {
		return slices.Concat([]byte{p[0] + 1}, p[1:], []byte{0x18, 40, 0xf6})
	}))
	m.refused("canonical-tag", "a tag among the claims", reason.WireCanonical, payload(func(p []byte) []byte {
		return slices.Concat([]byte{p[0] + 1}, p[1:], []byte{0x18, 40, 0xc1, 0x01})
	}))
	m.refused("canonical-utf8", "a text that is not UTF-8", reason.WireCanonical, payload(func(p []byte) []byte {
		return slices.Concat([]byte{p[0] + 1}, p[1:], []byte{0x18, 40, 0x61, 0xff})
	}))
	m.refused("canonical-trailing", "a byte behind the claims map", reason.WireCanonical, payload(func(p []byte) []byte {
		return append(p, 0)
	}))
	m.refused("canonical-key-text", "a claim whose key is text", reason.WireCanonical,
		m.forge(func(f *forgery) { f.payload["topic"] = 1 }))
	m.refused("canonical-key-negative", "a claim whose key is below zero", reason.WireCanonical,
		m.forge(func(f *forgery) { f.payload[-1] = 1 }))
	m.refused("canonical-protected", "the protected map with its keys exchanged", reason.WireCanonical,
		m.forge(func(f *forgery) {
			p := mustEncode(f.protected)
			f.protectedRaw = slices.Concat(p[:1], p[3:], p[1:3])
		}))
}

// longerHead writes the head of the payload string with one byte too many.
func (m *vectorMaker) longerHead() []byte {
	whole := m.forge(nil)
	w, err := splitRecord(whole)
	if err != nil {
		m.t.Fatal(err)
	}
	at := bytes.Index(whole, w.message.Payload) - 2 // 58 xx
	return slices.Concat(whole[:at], []byte{0x59, 0x00}, whole[at+1:])
}
