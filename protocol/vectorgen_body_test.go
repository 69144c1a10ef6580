package protocol

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/klauspost/compress/zstd"

	"tocsin/protocol/reason"
)

// brokenBodies are records that every relay accepts, since it does not open
// the body, and whose body does not hold.
func (m *vectorMaker) brokenBodies() {
	objects := testObjects(3)
	broken := func(name, comment string, code reason.Code, change func(raw []byte, f *forgery)) {
		data := m.org.forge(m.t, testDraft(objects...), func(f *forgery) {
			change(f.raw(m.t), f)
		})
		m.acceptedBut("body-"+name, comment, code, testNow, data, m.org)
	}
	broken("root", "leaves that do not hash to the signed root", reason.BodyRoot, func(raw []byte, f *forgery) {
		f.setRaw(flipAt(raw, len(raw)-1))
	})
	broken("salt", "another salt than the one hashed", reason.BodyRoot, func(raw []byte, f *forgery) {
		f.setRaw(flipAt(raw, 4))
	})
	broken("count-more", "a count of one more than there are leaves", reason.BodyFraming, func(_ []byte, f *forgery) {
		f.payload[claimCount] = 4
	})
	broken("count-less", "a count of one less than there are leaves", reason.BodyFraming, func(_ []byte, f *forgery) {
		f.payload[claimCount] = 2
	})
	broken("leaf-cut", "the last leaf is cut short", reason.BodyFraming, func(raw []byte, f *forgery) { f.setRaw(cutLast(raw)) })
	broken("leaf-tail", "bytes behind the last leaf", reason.BodyFraming, func(raw []byte, f *forgery) { f.setRaw(append(raw, 0, 0)) })
	broken("leaf-empty", "a leaf without an object", reason.BodyFraming, func(raw []byte, f *forgery) {
		clear(raw[:4])
		f.setRaw(raw)
	})
	broken("leaf-length", "a leaf of 4 GiB", reason.BodyFraming, func(raw []byte, f *forgery) {
		binary.BigEndian.PutUint32(raw, 1<<32-1)
		f.setRaw(raw)
	})
	broken("not-zstd", "a body that is not compressed", reason.BodyFraming, func(raw []byte, f *forgery) { f.setBody(raw) })
	broken("frame-cut", "the last byte of the frame is missing", reason.BodyFraming, func(_ []byte, f *forgery) {
		f.setBody(cutLast(f.body))
	})
	broken("frame-tail", "a byte behind the frame", reason.BodyFraming, func(_ []byte, f *forgery) {
		f.setBody(append(f.body, 0))
	})
	broken("frame-two", "a second, empty frame", reason.BodyFraming, func(_ []byte, f *forgery) {
		f.setBody(append(f.body, rawFrame(0, zstdBlock(true, blockRaw, 0))...))
	})
	broken("frame-skippable", "a skippable frame before the real one", reason.BodyFraming, func(_ []byte, f *forgery) {
		f.setBody(slices.Concat([]byte{0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 0}, f.body))
	})
	broken("frame-block", "a block of the reserved type", reason.BodyFraming, func(raw []byte, f *forgery) {
		f.setBody(rawFrame(len(raw), zstdBlock(true, 3, len(raw), raw...)))
	})
	broken("frame-dictionary", "a frame that wants dictionary 7", reason.BodyFraming, func(raw []byte, f *forgery) {
		frame := rawFrame(len(raw), zstdBlock(true, blockRaw, len(raw), raw...))
		frame[4] |= 1 // a dictionary id of one byte
		f.setBody(slices.Insert(frame, 5, 7))
	})
	broken("frame-window", "a window of 16 MiB", reason.BodyFraming, func(raw []byte, f *forgery) {
		f.setBody(foreignFrame(m.t, raw, zstd.WithWindowSize(16<<20)))
	})
	broken("frame-checksum", "a checksum that does not hold", reason.BodyFraming, func(raw []byte, f *forgery) {
		f.setBody(flipLast(foreignFrame(m.t, raw, zstd.WithWindowSize(1<<20))))
	})
	broken("size-content", "a frame whose content size is not the raw length", reason.BodySize, func(raw []byte, f *forgery) {
		f.payload[claimRawLength] = len(raw) + 1
	})
	broken("size-short", "a frame that gives less than the raw length", reason.BodySize, func(raw []byte, f *forgery) {
		f.setBody(foreignFrame(m.t, cutLast(raw)))
	})
	broken("bomb", "a frame that gives more than the raw length: 1,000 blocks of 128 KiB", reason.BodyFraming,
		func(raw []byte, f *forgery) { f.setBody(bombFrame(raw)) })
}

// bombFrame is raw followed by 125 MiB of zeros, without a content size.
func bombFrame(raw []byte) []byte {
	out := []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x38} // a window of 128 KiB
	out = append(out, zstdBlock(false, blockRaw, len(raw), raw...)...)
	out = append(out, bytes.Repeat(zstdBlock(false, blockRLE, zstdMaxBlock, 0), 999)...)
	return append(out, zstdBlock(true, blockRLE, zstdMaxBlock, 0)...)
}

// PRF-02 PRF-03 PRF-04
func (m *vectorMaker) proofs() {
	r := m.org.sign(m.t, testDraft(testObjects(7)...))
	single := m.org.sign(m.t, testDraft([]byte("{}")))
	prove := func(r *Record, i int) []byte {
		raw, err := Prove(r, i)
		if err != nil {
			m.t.Fatal(err)
		}
		return raw
	}
	begin := func(name, comment string, raw []byte, known ...*testOrg) *vector {
		v := m.start("proof-"+name, "proof", comment)
		v.add("network", testNetwork)
		v.addHex("chain", chainBytes(known...))
		v.addHex("input", raw)
		return v
	}
	good := func(name, comment string, r *Record, index int, object []byte) {
		v := begin(name, comment, prove(r, index), m.org)
		v.expect("")
		v.add("record-id", "%s", r.ID())
		v.add("org", "%s", r.Org())
		v.add("index", "%d", index)
		v.add("root", "%s", r.Header().Root)
		v.addHex("object", object)
	}
	good("first", "the first of seven objects", r, 0, testObject(0))
	good("last", "the last of seven objects: its path is shorter", r, 6, testObject(6))
	good("single", "the only object: an empty path", single, 0, []byte("{}"))

	spoil := func(name, comment string, code reason.Code, change func(*proofMessage)) {
		var message proofMessage
		if err := decodeStrict(prove(r, 2), &message); err != nil {
			m.t.Fatal(err)
		}
		change(&message)
		begin(name, comment, mustEncode(message), m.org).expect(code)
	}
	spoil("object", "another object", reason.ProofInvalid, func(p *proofMessage) { p.Object = testObject(3) })
	spoil("salt", "another salt", reason.ProofInvalid, func(p *proofMessage) { p.Salt = flipAt(p.Salt, 0) })
	spoil("salt-short", "a salt of 15 bytes", reason.ProofInvalid, func(p *proofMessage) { p.Salt = cutLast(p.Salt) })
	spoil("index", "another index", reason.ProofInvalid, func(p *proofMessage) { p.Index = 3 })
	spoil("index-beyond", "an index beyond the count", reason.ProofInvalid, func(p *proofMessage) { p.Index = 7 })
	spoil("path", "a flipped bit in the path", reason.ProofInvalid, func(p *proofMessage) { p.Path[1] = flipAt(p.Path[1], 9) })
	spoil("path-short", "a path without its last digest", reason.ProofInvalid, func(p *proofMessage) { p.Path = p.Path[:2] })
	spoil("path-long", "a path with one digest too many", reason.ProofInvalid, func(p *proofMessage) {
		p.Path = append(p.Path, make([]byte, 32))
	})
	spoil("path-digest", "a digest of 31 bytes in the path", reason.ProofInvalid, func(p *proofMessage) { p.Path[0] = cutLast(p.Path[0]) })
	spoil("header", "a flipped bit in the signature of the header", reason.SigInvalid, func(p *proofMessage) {
		p.Header = flipLast(slices.Clone(p.Header))
	})
	spoil("header-tail", "a byte behind the header", reason.WireFraming, func(p *proofMessage) { p.Header = append(p.Header, 0) })
	begin("unknown", "nothing is known of the signer", prove(r, 2)).expect(reason.CertUnknown)
	begin("order", "the map's keys exchanged", wrongOrder(prove(single, 0)), m.org).expect(reason.ProofInvalid)
	begin("cut", "cut off", cutLast(prove(r, 2)), m.org).expect(reason.ProofInvalid)
}

// wrongOrder moves the index of a proof before its header.
func wrongOrder(raw []byte) []byte {
	at := bytes.LastIndex(raw, []byte{0x02, 0x00, 0x03, 0x50})
	return slices.Concat(raw[:1], raw[at:at+2], raw[1:at], raw[at+2:])
}

// PRF-05 PRF-06
func (m *vectorMaker) files() {
	r := m.org.sign(m.t, testDraft(testObjects(2)...))
	proof, err := Prove(r, 1)
	if err != nil {
		m.t.Fatal(err)
	}
	var items []FileItem
	for _, s := range m.org.chain() {
		items = append(items, FileItem{Statement: s})
	}
	items = append(items, FileItem{Record: r.Raw()}, FileItem{Proof: proof})
	whole, err := AppendFile(nil, items...)
	if err != nil {
		m.t.Fatal(err)
	}
	begin := func(name, comment string, raw []byte, code reason.Code) *vector {
		v := m.start("file-"+name, "file", comment)
		v.add("network", testNetwork)
		v.addHex("input", raw)
		v.expect(code)
		return v
	}
	v := begin("all", "a chain, a record and a proof", whole, "")
	for _, line := range fileLines(items) {
		v.add("item", "%s", line)
	}
	begin("empty", "an empty file", nil, "")
	later := m.laterStatement()
	v = begin("later", "a statement of a later revision is left out", slices.Concat(later, mustEncode(r.Raw())), "")
	v.add("item", "%s", fileLines([]FileItem{{Record: r.Raw()}})[0])
	begin("cut", "cut off within the last item", cutLast(whole), reason.WireFraming)
	begin("number", "an item that is neither statement, record nor proof", append(slices.Clone(whole), 1), reason.WireFraming)
	begin("indefinite", "a record in chunks", []byte{0x5f, 0x41, 0x00, 0xff}, reason.WireFraming)
	begin("long-head", "the length of a record in a longer form than needed", []byte{0x58, 0x01, 0x00}, reason.WireCanonical)
	begin("large", "a record that says it has 4 GiB", []byte{0x5a, 0xff, 0xff, 0xff, 0xff, 0xd2}, reason.WireSize)
	begin("larger", "a length of eight bytes", []byte{0x5b, 0, 0, 0, 1, 0, 0, 0, 0}, reason.WireFraming)
	begin("head-cut", "cut off within a length", []byte{0x59, 0x01}, reason.WireFraming)
	v = m.start("file-statement-size", "file", "a statement of more than 8 KiB")
	v.add("network", testNetwork)
	v.addHex("input", []byte{0xd2, 0x59, 0x20, 0x00})
	v.add("zeros", "%d", MaxStatementBytes)
	v.expect(reason.WireSize)
}
