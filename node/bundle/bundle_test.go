package bundle

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	mrand "math/rand/v2"
	"slices"
	"strings"
	"testing"

	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/protocol/stix"
	"tocsin/storage"
)

// same holds two stores against each other: records, bytes and reconciliation digests.
func same(t *testing.T, a, b *house) {
	t.Helper()
	_, of := a.store.Inventory()
	_, other := b.store.Inventory()
	if len(of) != len(other) {
		t.Fatalf("%d records here, %d there", len(of), len(other))
	}
	for _, p := range of {
		x, _, err := a.store.Record(p.ID)
		must(t, err)
		y, _, err := b.store.Record(p.ID)
		must(t, err)
		if !bytes.Equal(x, y) {
			t.Errorf("record %s differs", p.ID)
		}
	}
	for _, name := range []string{"control", "fraud", "phishing"} {
		x, y := a.store.Set(topicOf(t, name)), b.store.Set(topicOf(t, name))
		if x.Len() != y.Len() || x.Fingerprint(0, x.Len()) != y.Fingerprint(0, y.Len()) {
			t.Errorf("topic %s: %d and %d records, or other digests", name, x.Len(), y.Len())
		}
	}
}

// filled is a house with records of three authors, one identity record among them.
func filled(t *testing.T) *house {
	a := newHouse(t)
	a.publish(a.author, "fraud", 5)
	one, two := newAuthor(t, "One"), newAuthor(t, "Two")
	a.publish(one, "fraud", 7)
	a.publish(one, "phishing", 3)
	a.publish(two, "phishing", 4)
	a.publish(two, "control", 1, func(d *protocol.Draft) {
		d.Kind, d.Objects, d.Statements, d.TLP = protocol.KindIdentity, nil, two.Statements, stix.Clear
	})
	return a
}

// A bundle gives another store the same records, with their signatures and what the exporter says of them; a second import changes nothing.
// BND-01 BND-02 BND-06 BND-09 BND-10
func TestRoundTrip(t *testing.T) {
	a, c := filled(t), newHouse(t)
	raw, e := a.export()
	if e.Manifest.Records != 20 || len(e.Kept) != 0 || !slices.Equal(e.Manifest.Topics, []string{"control", "fraud", "phishing"}) {
		t.Errorf("manifest %+v, kept %v", e.Manifest, e.Kept)
	}
	out := c.read(raw)
	if out.Taken != 20 || out.Already+out.Quarantined != 0 || len(out.Refused) != 0 || len(out.Faults) != 0 || out.Facts != 20 {
		t.Errorf("imported %+v", out)
	}
	same(t, a, c)
	for _, f := range c.told {
		if at, from, err := a.store.Source(f.Record); err != nil || f.By != a.author.Org || f.From != from || f.Seen.UnixMilli() != at.UnixMilli() {
			t.Errorf("told %+v, it was %s from %s", f, at, from)
		}
	}
	if len(c.from) != 1 || !c.from["bundle:"+a.author.Org.String()] {
		t.Errorf("came from %v", c.from)
	}
	l, err := c.list.Find(e.Bundle.String())
	must(t, err)
	if whole, missing, known := l.Progress(); !known || len(missing) > 0 || whole.String() != "1" {
		t.Errorf("whole %s, missing %s, %v", whole, missing, known)
	}
	again := c.read(raw)
	if again.Taken+again.Quarantined != 0 || again.Already != 20 || len(again.Faults) != 0 {
		t.Errorf("the second import: %+v", again)
	}
}

// large makes a bundle of several chunks and segments: records hold what does not compress.
func large(t *testing.T) (*house, []byte, *Exported) {
	a := newHouse(t)
	noise := make([]byte, 7<<10)
	for range 24 {
		_, err := rand.Read(noise)
		must(t, err)
		a.publish(a.author, "fraud", 1, func(d *protocol.Draft) {
			d.Objects = [][]byte{fmt.Appendf(nil, `{"id":"indicator--1","n":%q}`, base64.StdEncoding.EncodeToString(noise))}
		})
	}
	raw, e := a.export(func(s *Selection) { s.ChunkBytes, s.target = 80<<10, 10<<10 })
	if len(e.Manifest.Chunks) < 2 {
		t.Fatalf("only %d chunks of %d bytes", len(e.Manifest.Chunks), len(raw))
	}
	for _, c := range e.Manifest.Chunks {
		if c.Bytes > 80<<10 {
			t.Errorf("chunk %d has %d bytes", c.Chunk, c.Bytes)
		}
	}
	return a, raw, e
}

// Any order, repeated, in pieces and with a stop in between: the store is the same, and what is missing is named. BND-07 BND-10
func TestAnyOrder(t *testing.T) {
	a, raw, e := large(t)
	parts := split(t, raw)
	shuffled := append(slices.Clone(parts), parts[1], parts[0])
	mrand.New(mrand.NewPCG(1, 2)).Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	// Chunks carry what they need: each part that lacks a chain follows one of its own chunk, as in files.
	slices.SortStableFunc(shuffled, func(x, y part) int { return y.Chunk - x.Chunk })
	c := newHouse(t)
	c.learn(a.author.Statements...)
	out := c.read(join(shuffled...))
	if len(out.Faults) > 0 || out.Taken != e.Manifest.Records || out.Taken+out.Already <= e.Manifest.Records {
		t.Errorf("shuffled: %+v", out)
	}
	same(t, a, c)

	d := newHouse(t)
	var second []part
	var rest []part
	for _, p := range parts {
		if p.Chunk == 2 {
			second = append(second, p)
		} else {
			rest = append(rest, p)
		}
	}
	if out := d.read(join(rest...)); len(out.Faults) > 0 {
		t.Errorf("without a chunk: %+v", out)
	}
	l, err := d.list.Find(e.Bundle.String())
	must(t, err)
	if _, missing, known := l.Progress(); !known || missing.String() != "2" {
		t.Errorf("missing %s, %v", missing, known)
	}
	d.read(join(second...)) // alone, by a node that knows the exporter from nothing but the chunk
	l, err = d.list.Find(e.Bundle.String())
	must(t, err)
	if _, missing, _ := l.Progress(); len(missing) != 0 {
		t.Errorf("still missing %s", missing)
	}
	same(t, a, d)
}

// brokenAfter fails after some bytes, as a process that is killed or a cable that is pulled.
type brokenAfter struct {
	in io.Reader
	n  int
}

func (b *brokenAfter) Read(p []byte) (int, error) {
	if b.n == 0 {
		return 0, errors.New("pulled")
	}
	n, err := b.in.Read(p[:min(len(p), b.n)])
	b.n -= n
	return n, err
}

// An import that breaks anywhere is started again and ends with the same store.
func TestResume(t *testing.T) {
	a, raw, e := large(t)
	c := newHouse(t)
	if _, err := Import(context.Background(), c.sink(), &brokenAfter{bytes.NewReader(raw), len(raw) / 2}); err == nil {
		t.Fatal("no error of a stream that broke")
	}
	before := c.store.Counts().Records
	if before == 0 || before == e.Manifest.Records {
		t.Fatalf("%d records before the break", before)
	}
	if out := c.read(raw); out.Already != before || out.Taken != e.Manifest.Records-before {
		t.Errorf("resumed: %+v, %d were here", out, before)
	}
	same(t, a, c)

	// The node's own trouble ends an import and counts nothing as refused.
	d := newHouse(t)
	d.fail = reason.New(reason.StoreFull, "no room")
	out, err := Import(context.Background(), d.sink(), bytes.NewReader(raw))
	wantCode(t, err, reason.StoreFull)
	if len(out.Refused) > 0 || len(d.list.All()) > 0 {
		t.Errorf("refused %v, listed %v", out.Refused, d.list.All())
	}
	d.fail = reason.New(reason.QuarantineFull, "strangers")
	if out := d.read(raw); out.Refused[reason.QuarantineFull] != e.Manifest.Records || out.Facts != 0 {
		t.Errorf("a full quarantine: %+v", out)
	}
}

// Each kind of damage is named by chunk and place, and costs what is damaged and no more. BND-05 BND-09
func TestDamage(t *testing.T) {
	_, raw, e := large(t)
	parts := split(t, raw)
	at := slices.IndexFunc(parts, func(p part) bool { return p.Chunk == 1 && p.Place == 3 })
	lost := parts[at].Records
	for name, tc := range map[string]struct {
		change func([]part) []byte
		says   string
		lost   int
	}{
		"a bit of a body": {func(p []part) []byte { p[at].raw[len(p[at].raw)-100] ^= 1; return join(p...) }, "chunk 1 segment 3 of bundle " + e.Bundle.Short(), lost},
		"a bit of a head": {func(p []part) []byte {
			i := bytes.Index(p[at].raw, []byte(network))
			p[at].raw[i+200] ^= 1
			return join(p...)
		}, "byte ", lost},
		"cut out of a body": {func(p []part) []byte {
			p[at].raw = append(p[at].raw[:3000:3000], p[at].raw[3100:]...)
			return join(p...)
		}, "chunk 1 segment 3", lost},
		"cut short":    {func(p []part) []byte { return join(p[:at]...)[:len(join(p[:at]...))-5] }, "cut short", -1},
		"noise before": {func(p []part) []byte { return append([]byte("tocs and more"), join(p...)...) }, "no segment of a bundle", 0},
		"noise between": {func(p []part) []byte {
			return slices.Concat(join(p[:at]...), bytes.Repeat([]byte("x"), 100_000), join(p[at:]...))
		}, "no segment of a bundle", 0},
		"a length beyond the limit": {func(p []part) []byte {
			copy(p[at].raw[8:], "\xff\xff\xff\xff")
			return join(p...)
		}, "the limit is", lost},
	} {
		t.Run(name, func(t *testing.T) {
			own := make([]part, len(parts))
			for i, p := range parts {
				own[i] = part{p.Head, bytes.Clone(p.raw)}
			}
			c := newHouse(t)
			out := c.read(tc.change(own))
			if len(out.Faults) != 1 || !strings.Contains(out.Faults[0].Error(), tc.says) {
				t.Fatalf("faults %v, want one that says %q", out.Faults, tc.says)
			}
			if tc.lost >= 0 && out.Taken != e.Manifest.Records-tc.lost {
				t.Errorf("%d taken, want all %d but %d", out.Taken, e.Manifest.Records, tc.lost)
			}
			if tc.lost > 0 {
				l, err := c.list.Find(e.Bundle.String())
				must(t, err)
				if _, missing, known := l.Progress(); !known || missing.String() != "1" {
					t.Errorf("missing %s, %v", missing, known)
				}
			}
			if out := c.read(raw); len(out.Faults) > 0 || c.store.Counts().Records != e.Manifest.Records {
				t.Errorf("a good copy afterwards: %+v", out)
			}
		})
	}
}

// Who may not, and what is not for us, is refused by its code. BND-03 BND-04
func TestWhose(t *testing.T) {
	a := filled(t)
	raw, _ := a.export()
	parts := split(t, raw)
	chain := int(parts[0].raw[8])<<24 | int(parts[0].raw[9])<<16 | int(parts[0].raw[10])<<8 | int(parts[0].raw[11])
	bare := append([]byte(magic+"\x00\x00\x00\x00"), parts[0].raw[12+chain:]...)
	other := protocol.NewChains("other")
	revoke, err := a.author.Revoke(a.author.Key.Public().ID())
	must(t, err)
	for name, tc := range map[string]struct {
		raw    []byte
		change func(*house)
		chains *protocol.Chains
		code   reason.Code
	}{
		"of another network": {raw: raw, chains: other, code: reason.BundleDamaged},
		"without a chain":    {raw: bare, code: reason.CertUnknown},
		"of a revoked key":   {raw: raw, change: func(h *house) { h.learn(a.author.Statements...); h.learn(revoke) }, code: reason.KeyRevoked},
		"of one we block":    {raw: raw, change: func(h *house) { h.blocked[a.author.Org] = true }, code: reason.OrgBlocked},
		"encrypted":          {raw: []byte(ageIntro + "\n-> X25519 abc\n"), code: reason.BundleLocked},
	} {
		t.Run(name, func(t *testing.T) {
			c := newHouse(t)
			if tc.change != nil {
				tc.change(c)
			}
			if tc.chains != nil {
				c.chains = tc.chains
			}
			out := c.read(tc.raw)
			if out.Segments != 0 || out.total() != 0 || len(out.Faults) == 0 || reason.Of(out.Faults[0]) != tc.code {
				t.Errorf("imported %+v, want only faults of code %s", out, tc.code)
			}
		})
	}
	// A signature by another key over the same claims.
	thief := newAuthor(t, "Thief")
	doc, err := protocol.SignDocument(network, protocol.DocumentBundle, []byte{0xa0}, a.author.Certificate, thief.Key)
	wantCode(t, err, reason.SigInvalid)
	if doc != nil {
		t.Error("a document by the wrong key")
	}
}

// Nothing above the label leaves, and no head may claim less than its records say. BND-08
func TestLabels(t *testing.T) {
	a := newHouse(t)
	a.publish(a.author, "fraud", 2, func(d *protocol.Draft) { d.TLP = stix.Clear })
	a.publish(a.author, "fraud", 3)
	sealed := func(d *protocol.Draft) {
		d.Kind, d.Objects, d.Body, d.TLP = protocol.KindSealed, nil, []byte("sealed"), stix.Amber
	}
	a.publish(a.author, "sealed", 1, sealed)
	_, e := a.export(func(s *Selection) { s.MaxTLP = stix.Clear })
	if e.Manifest.Records != 2 || e.Kept[reason.OutTLP] != 4 {
		t.Errorf("up to clear: %d, kept %v", e.Manifest.Records, e.Kept)
	}
	_, e = a.export()
	if e.Manifest.Records != 5 || e.Kept[reason.OutTLP] != 1 {
		t.Errorf("up to green: %d, kept %v", e.Manifest.Records, e.Kept)
	}
	raw, e := a.export(func(s *Selection) { s.MaxTLP = stix.Red })
	if e.Manifest.Records != 6 {
		t.Errorf("up to red: %d, kept %v", e.Manifest.Records, e.Kept)
	}
	if out := newHouse(t).read(raw); out.Taken != 6 {
		t.Errorf("read %+v", out)
	}
	// A writer that lies about the label of its records.
	var b bytes.Buffer
	signer, _ := a.source().Signer()
	w, err := NewWriter(&b, Head{Network: network, Bundle: ID{1}, Created: a.author.Certificate.NotBefore, MaxTLP: stix.Clear}, signer, 0)
	must(t, err)
	green := a.publish(a.author, "phishing", 1)[0]
	entry := Entry{Raw: green.Raw(), Note: Note{Form: storage.Full}, Log: LogHead{Org: a.author.Org, Key: green.Key(), Topic: "phishing"}, Sequence: 1, TLP: stix.Green}
	wantCode(t, w.Add(entry, a.chains.Chain), reason.OutTLP)
	entry.TLP = stix.Clear
	must(t, w.Add(entry, a.chains.Chain))
	_, err = w.Close()
	must(t, err)
	if out := newHouse(t).read(b.Bytes()); out.Taken != 0 || out.Refused[reason.BundleDamaged] != 1 {
		t.Errorf("a lying head: %+v", out)
	}
}

// What is held, and what blocked organisations said, stays unless it is asked for.
func TestHeldStays(t *testing.T) {
	a := newHouse(t)
	stranger, blocked := newAuthor(t, "Stranger"), newAuthor(t, "Blocked")
	a.held[stranger.Org] = true
	a.publish(stranger, "fraud", 3)
	a.publish(blocked, "fraud", 2)
	a.publish(a.author, "fraud", 1)
	a.blocked[blocked.Org] = true
	_, e := a.export()
	if e.Manifest.Records != 1 || e.Kept[Quarantined] != 3 || e.Kept[reason.OrgBlocked] != 2 {
		t.Errorf("%d left, kept %v", e.Manifest.Records, e.Kept)
	}
	raw, e := a.export(func(s *Selection) { s.Held = true })
	if e.Manifest.Records != 6 || len(e.Kept) != 0 {
		t.Errorf("asked for: %d left, kept %v", e.Manifest.Records, e.Kept)
	}
	c := newHouse(t)
	c.held[stranger.Org] = true
	if out := c.read(raw); out.Taken != 3 || out.Quarantined != 3 {
		t.Errorf("read %+v", out)
	}
	same(t, a, c)
}
