package bundle

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"tocsin/protocol"
	"tocsin/protocol/protocoltest"
	"tocsin/protocol/reason"
	"tocsin/storage"
)

// Wishes leave out exactly what the receiver holds, holes included. BND-11
func TestWishes(t *testing.T) {
	a := newHouse(t)
	records := a.publish(a.author, "fraud", 9)
	c := newHouse(t)
	c.learn(a.author.Statements...)
	for _, i := range []int{1, 2, 5, 6} { // places 2, 3, 6, 7
		_, err := c.take(context.Background(), records[i], "x")
		must(t, err)
	}
	text, n, err := WishesOf(c.store, network)
	must(t, err)
	if n != 1 {
		t.Errorf("%d logs", n)
	}
	w, err := ReadWishes(network, " "+text[:20]+"\n"+text[20:]+"\n")
	must(t, err)
	raw, e := a.export(func(s *Selection) { s.Wishes = w })
	if e.Manifest.Records != 5 {
		t.Errorf("%d records, want 1, 4, 5, 8, 9", e.Manifest.Records)
	}
	if out := c.read(raw); out.Taken != 5 || out.Already != 0 {
		t.Errorf("read %+v", out)
	}
	same(t, a, c)
	for _, bad := range []string{"", "tocsin:wishes/", text[:len(text)-2], strings.Replace(text, "A", "B", 1), text + "A", "tocsin:invite/" + text[14:]} {
		if _, err := ReadWishes(network, bad); reason.Of(err) != reason.UsageInvalid && bad != text {
			t.Errorf("wishes %q: %v", bad, err)
		}
	}
	_, err = ReadWishes("other", text)
	wantCode(t, err, reason.UsageInvalid)
}

// Of a log with more holes than fit more is asked for, never less.
func TestManyHoles(t *testing.T) {
	places := make([]storage.Place, 0, 2*maxMissing+4)
	for n := uint64(2); len(places) < maxMissing+2; n += 2 {
		places = append(places, storage.Place{Sequence: n})
	}
	head, missing := missingIn(places[:maxMissing])
	if head != 2*maxMissing || len(missing) != maxMissing {
		t.Errorf("head %d with %d holes", head, len(missing))
	}
	if head, missing := missingIn(places); head != 2*maxMissing || len(missing) != maxMissing {
		t.Errorf("one hole more: head %d with %d holes", head, len(missing))
	}
}

// Increments are runs of the change sequence; what came of a series is known, and what never did is named. BND-12
func TestSeries(t *testing.T) {
	a, c := newHouse(t), newHouse(t)
	series := ID{7, 7, 7}
	var sent [][]byte
	after := uint64(0)
	for n := range uint64(6) {
		a.publish(a.author, "fraud", 2)
		until := a.store.Sequence()
		raw, e := a.export(func(s *Selection) { s.Series, s.Increment, s.After, s.Until = series, n+1, after, until })
		if e.Manifest.Records != 2 {
			t.Fatalf("increment %d has %d records", n+1, e.Manifest.Records)
		}
		sent, after = append(sent, raw), until
	}
	for _, n := range []int{5, 1, 2, 1} {
		c.read(sent[n-1])
	}
	c.read(sent[5][:len(sent[5])-10]) // its manifest is cut: not whole
	all := c.list.AllSeries()
	if len(all) != 1 || all[0].ID != series || all[0].Came.String() != "1-2,5" || all[0].Gaps().String() != "3-4" {
		t.Errorf("series %+v", all)
	}
	reopened, err := Open(c.list.path)
	must(t, err)
	if again := reopened.AllSeries(); len(again) != 1 || again[0].Came.String() != "1-2,5" {
		t.Errorf("after a restart: %+v", again)
	}
}

// Since is about when records came here, and topics restrict all but control.
func TestSelection(t *testing.T) {
	a := filled(t)
	_, e := a.export(func(s *Selection) { s.Topics = []protocol.Topic{topicOf(t, "fraud")} })
	if e.Manifest.Records != 13 || !slices.Equal(e.Manifest.Topics, []string{"control", "fraud"}) {
		t.Errorf("one topic: %+v", e.Manifest)
	}
	_, e = a.export(func(s *Selection) { s.Since = a.author.Certificate.NotAfter })
	if e.Manifest.Records != 0 || len(e.Manifest.Chunks) != 0 {
		t.Errorf("since tomorrow: %+v", e.Manifest)
	}
}

// The chains of records are in each chunk that holds them.
func TestUnknownAuthors(t *testing.T) {
	a := newHouse(t)
	authors := map[protocol.OrgID]*protocoltest.Author{}
	for i := range 5 {
		author := newAuthor(t, fmt.Sprint("Author ", i))
		authors[author.Org] = author
		a.publish(author, "fraud", 2)
	}
	raw, _ := a.export()
	c := newHouse(t)
	if out := c.read(raw); out.Taken != 10 {
		t.Errorf("%+v", out)
	}
	for org := range authors {
		if _, ok := c.known().Org(org); !ok {
			t.Errorf("nobody told of %s", org)
		}
	}
}

// objectsOf gives every object of a stream: packed as they are in it, nobody finds their bytes.
func objectsOf(t *testing.T, h *house, raw []byte) (out []string) {
	t.Helper()
	r := NewReader(bytes.NewReader(raw), network, h.known)
	for {
		s, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		must(t, err)
		if s.Kind == KindManifest {
			continue
		}
		c, err := r.Content(s)
		must(t, err)
		for i, record := range c.Records {
			if c.Notes[i].Form == storage.Pruned {
				record, err = unpackPruned(record)
				must(t, err)
			}
			_, leaves, err := protocol.OpenStored(record)
			must(t, err)
			for _, l := range leaves {
				out = append(out, string(l.Object))
			}
		}
	}
}

// A record that lost an object goes as what is left of it, and a receiver that has all of it keeps that.
func TestPruned(t *testing.T) {
	a, whole, c := newHouse(t), newHouse(t), newHouse(t)
	three := func(d *protocol.Draft) {
		d.Objects = [][]byte{[]byte(`{"id":"a"}`), []byte(`{"id":"b"}`), []byte(`{"id":"c"}`)}
	}
	r := a.publish(a.author, "fraud", 1, three)[0]
	raw, _ := a.export()
	if got := objectsOf(t, a, raw); !slices.Equal(got, []string{`{"id":"a"}`, `{"id":"b"}`, `{"id":"c"}`}) {
		t.Errorf("before the erasure the bundle holds %q", got)
	}
	whole.read(raw)
	must(t, a.store.Erase(context.Background(), r.ID(), []int{1}, reason.OperatorRejected))
	raw, e := a.export()
	if e.Manifest.Records != 1 {
		t.Fatalf("%d records, kept %v", e.Manifest.Records, e.Kept)
	}
	if got := objectsOf(t, a, raw); !slices.Equal(got, []string{`{"id":"a"}`, "", `{"id":"c"}`}) {
		t.Errorf("after the erasure it holds %q", got)
	}
	if out := c.read(raw); out.Taken != 1 {
		t.Fatalf("read %+v", out)
	}
	same := func(x, y *house) bool {
		s, o := x.store.Set(topicOf(t, "fraud")), y.store.Set(topicOf(t, "fraud"))
		return s.Fingerprint(0, s.Len()) == o.Fingerprint(0, o.Len())
	}
	if form, _, err := c.store.Fetch(r.ID()); err != nil || form != storage.Pruned || !same(a, c) {
		t.Errorf("form %d, %v", form, err)
	}
	if out := whole.read(raw); out.Already != 1 || out.Taken != 0 {
		t.Errorf("where all of it is: %+v", out)
	}
	if form, _, err := whole.store.Fetch(r.ID()); err != nil || form != storage.Full {
		t.Errorf("form %d, %v", form, err)
	}
}

// A frame that promises more than a pruned record has, or than it could hold, gets no memory for it.
func TestPrunedBombs(t *testing.T) {
	enc, err := zstd.NewWriter(nil, zstd.WithSingleSegment(true))
	must(t, err)
	for name, tc := range map[string]struct {
		frame []byte
		code  reason.Code
	}{
		"all zeros":    {enc.EncodeAll(make([]byte, 1<<20), nil), reason.WireSize},
		"no frame":     {[]byte("pruned"), reason.WireFraming},
		"torn":         {enc.EncodeAll([]byte(strings.Repeat("abcdefgh", 20)), nil)[:12], reason.WireFraming},
		"beyond limit": {append([]byte("\x28\xb5\x2f\xfd\xa0\x01\x80\x80\x00"), make([]byte, 1<<18)...), reason.WireSize},
	} {
		_, err := unpackPruned(tc.frame)
		if reason.Of(err) != tc.code {
			t.Errorf("%s: %v, want %s", name, err, tc.code)
		}
	}
}
