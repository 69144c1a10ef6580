package evidence

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"tocsin/node/audit"
	"tocsin/node/identity"
	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/storage"
)

// packed is a world with one pack, with a witness and somebody's word.
func packed(t testing.TB) (*world, []byte) {
	t.Helper()
	w := newWorld(t)
	id := w.publish(3, when, "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN")[1]
	w.follow()
	ok(t, w.book.Told(t.Context(), []Fact{{id, when.AddDate(0, 0, -1), "bundle", w.friend.Org}}))
	raw, err := w.desk.Pack(t.Context(), w.refs[1])
	ok(t, err)
	return w, raw
}

// EVD-17, EVD-18, EVD-19: what is in a pack is found in it, and said in plain words.
func TestPack(t *testing.T) {
	w, raw := packed(t)
	r := Verify(raw, network)
	if !r.OK {
		t.Fatalf("%+v", r.Steps)
	}
	f := r.Found
	if f.Author != w.author.Org || f.Maker != w.maker.Org || f.Record != w.refs[1].Record || f.Object != "indicator--00000000-0000-4000-8000-000000000001" ||
		!f.Seen.Equal(when) || f.LogSize != 1 || len(f.Witnesses) != 1 || f.Witnesses[0].Org != w.friend.Org || f.Witnesses[0].Name != "Friend" ||
		len(f.Told) != 1 || f.TrustList != (protocol.Digest{1}) || f.Warnings != (protocol.Digest{2}) || f.Program != "1.2.3" {
		t.Errorf("found %+v", f)
	}
	for _, want := range []string{packMagic, "first at 2026-05-04 10:11:12 UTC, from 12D3KooW", "Witnessed  by " + w.friend.Org.String(),
		`It says    "[domain-name:value = 'x[.]example']"`, "of type indicator", "eight words: " + strings.Join(identity.Words(w.author.Org), " "), "What it does not prove:", "Told       " + w.friend.Org.String()} {
		if !strings.Contains(r.Cover, want) {
			t.Errorf("the cover sheet lacks %q", want)
		}
	}
	for line := range strings.SplitSeq(strings.Split(string(raw), packBegin)[1], "\n") {
		if len(line) > 400 || strings.Contains(line, "\r") {
			t.Errorf("a line of %d bytes", len(line))
		}
	}
	if r := Verify(raw, "other"); r.OK {
		t.Error("it holds for another network")
	}
	// A second pack rests on the same commitment and checkpoint.
	before, err := w.log.Last(100, audit.Filter{Action: ActionCommit})
	ok(t, err)
	again, err := w.desk.Pack(t.Context(), w.refs[2])
	ok(t, err)
	after, err := w.log.Last(100, audit.Filter{Action: ActionCommit})
	ok(t, err)
	if r := Verify(again, ""); !r.OK || len(before) != 1 || len(after) != 1 || w.asked != 1 {
		t.Errorf("the second pack: %v, %d commitments, asked %d times", r.OK, len(after), w.asked)
	}
}

// A pack without witnesses holds, and says that its times are the maker's word.
func TestPackAlone(t *testing.T) {
	w := newWorld(t)
	w.reachable = false
	w.publish(1, when, "local")
	raw, err := w.desk.Pack(t.Context(), w.refs[0]) // nothing was followed yet
	ok(t, err)
	if r := Verify(raw, ""); !r.OK || len(r.Found.Witnesses) != 0 || !strings.Contains(r.Cover, "No other organisation has witnessed the log") {
		t.Errorf("%+v", r.Steps)
	}
	if _, err := w.desk.Pack(t.Context(), storage.Ref{Record: w.refs[0].Record, Index: 1}); reason.Of(err) != reason.ProofInvalid {
		t.Errorf("an object that is not there: %v", err)
	}
	if _, err := w.desk.Pack(t.Context(), storage.Ref{Record: protocol.RecordID{1}}); reason.Of(err) != reason.NotFound {
		t.Errorf("a record that is not there: %v", err)
	}
}

// No byte of a pack can be changed, put in or taken out, wherever it is, without that some step fails; nothing panics.
func TestEveryByteOfAPackCounts(t *testing.T) {
	_, raw := packed(t)
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 1))
	try := func(what string, at int, bad []byte) {
		t.Helper()
		if bytes.Equal(bad, raw) {
			return
		}
		if report := Verify(bad, ""); report.OK {
			t.Fatalf("seed %d: %s at byte %d of %d, and it holds", seed, what, at, len(raw))
		}
	}
	const step = 53 // a sample of the places, another one each time
	for at := r.IntN(step); at < len(raw); at += 1 + r.IntN(2*step-1) {
		bad := bytes.Clone(raw)
		bad[at] ^= 1 << r.IntN(8)
		try("a bit flipped", at, bad)
		bad = bytes.Clone(raw)
		bad[at] = byte(r.Uint32())
		try("a byte replaced", at, bad)
		if r.IntN(4) == 0 {
			try("a byte taken out", at, append(bytes.Clone(raw[:at]), raw[at+1:]...))
			try("a byte put in", at, append(append(bytes.Clone(raw[:at]), byte(r.Uint32())), raw[at:]...))
			try("cut off", at, raw[:at])
		}
	}
	for at := len(raw) - 60; at < len(raw); at++ { // the end of the signature, where base64 has bits to spare
		bad := bytes.Clone(raw)
		bad[at] ^= 1 << r.IntN(8)
		try("a bit flipped", at, bad)
	}
	try("something behind the end", len(raw), append(bytes.Clone(raw), '\n'))
}

// What was changed is named, and whoever signs anew what was changed does not get through either.
func TestForgedPacks(t *testing.T) {
	w, raw := packed(t)
	named := func(report Report, step string) {
		t.Helper()
		for _, s := range report.Steps {
			if !s.OK {
				if s.Name != step {
					t.Errorf("%q fails first, want %q: %s", s.Name, step, s.Text)
				}
				return
			}
		}
		t.Errorf("nothing fails, want %q", step)
	}
	named(Verify(bytes.Replace(raw, []byte("calls itself"), []byte("calls iteslf"), 1), ""), "cover sheet")
	i := bytes.Index(raw, []byte(packBegin)) + 200
	bad := bytes.Clone(raw)
	bad[i] = 'A' + (bad[i]-'A'+1)%26
	named(Verify(bad, ""), "contents")
	named(Verify(bytes.Replace(raw, []byte("\ncover "), []byte("\nc0ver "), 1), ""), "cover sheet")

	o, err := splitPack(raw)
	ok(t, err)
	for step, change := range map[string]func(*contents){
		"first-seen fact": func(c *contents) { c.Fact = encodeFact(Fact{Record: protocol.RecordID{1}, Seen: when}, false) },
		"fact in the commitment": func(c *contents) {
			c.Fact = encodeFact(Fact{Record: w.refs[1].Record, Seen: when.AddDate(-1, 0, 0), From: "local"}, false)
		},
		"commitment": func(c *contents) {
			c.Commit.Line = bytes.Replace(c.Commit.Line, []byte(`"size":"3"`), []byte(`"size":"4"`), 1)
		},
		"commitment in the checkpoint": func(c *contents) { c.Place.Index++ },
		"checkpoint": func(c *contents) {
			c.Place.Checkpoint = bytes.Replace(c.Place.Checkpoint, []byte("\n1\n"), []byte("\n2\n"), 1)
		},
		"object": func(c *contents) {
			var err error
			c.File, err = protocol.AppendFile(c.File, protocol.FileItem{Record: []byte("one item too many")})
			ok(t, err)
		},
		"signature of the pack": func(c *contents) { c.File = append(bytes.Clone(c.File), 0) },
	} {
		c, err := decodeContents(o.contents)
		ok(t, err)
		change(c)
		forged, err := signPack(c, "forged\n", w.maker.Key)
		ok(t, err)
		named(Verify(forged, ""), step)
	}
	// Nobody else can sign for the maker.
	c, err := decodeContents(o.contents)
	ok(t, err)
	found, _ := examine(c)
	forged, err := signPack(c, cover(found), w.author.Key)
	ok(t, err)
	named(Verify(forged, ""), "signature of the pack")
}

// Names of others do not break the sheet, or end it.
func TestCoverIsPlain(t *testing.T) {
	f := Found{AuthorName: "A\n" + packBegin, Object: packBegin, From: "x\x1b[31m\u202e", MakerName: strings.Repeat("n", 1000)}
	text := cover(f)
	if strings.Contains(text, strings.TrimSpace(packBegin)) || strings.ContainsAny(text, "\x1b\u202e\r") || strings.Contains(text, strings.Repeat("n", 300)) {
		t.Errorf("%s", text)
	}
}

// EVD-17: what mail does to the ends of lines costs nothing, in one of them it does; what stands around a pack is named.
func TestMailedPack(t *testing.T) {
	_, raw := packed(t)
	lines := strings.SplitAfter(string(raw), "\n")
	lines = lines[:len(lines)-1]
	mailed := strings.ReplaceAll(string(raw), "\n", "\r\n")
	if r := Verify([]byte(mailed), network); !r.OK || !strings.Contains(r.Steps[0].Text, "CR LF") || strings.Contains(r.Cover, "\r") {
		t.Errorf("mailed: %+v", r.Steps)
	}
	for text, why := range map[string]string{
		mailed[:len(mailed)-2] + "\n":            fmt.Sprintf("%d of its %d lines end with CR LF", len(lines)-1, len(lines)),
		strings.Replace(mailed, "\r\n", "\n", 1): "lines end with CR LF",
		string(raw) + "-- \nregards\n":           fmt.Sprintf("behind the pack: its own text ends before line %d;", len(lines)+1),
		string(raw) + "\n":                       "behind the pack",
		mailed + "\r\n":                          "behind the pack",
		"Dear all,\n\n" + string(raw):            "before the pack: its own text begins with line 3;",
		"\ufeff" + string(raw):                   "does not begin as one does",
		strings.Repeat("\r\n", MaxPackBytes+1):   "more than",
	} {
		if r := Verify([]byte(text), ""); r.OK || len(r.Steps) != 1 || !strings.Contains(r.Steps[0].Text, why) {
			t.Errorf("want %q: %+v", why, r.Steps)
		}
		if !IsPack([]byte(text)) && why != "more than" {
			t.Errorf("not taken for a pack that was changed: want %q", why)
		}
	}
	if IsPack([]byte(`{"description":"-----BEGIN TOCSIN EVIDENCE-----"}`)) {
		t.Error("what an object says makes a pack of its file")
	}
}

// Limits at N and N+1.
func TestPackLimits(t *testing.T) {
	_, raw := packed(t)
	o, err := splitPack(raw)
	ok(t, err)
	for name, change := range map[string]func(*contents){
		"65 facts of others":  func(c *contents) { c.Told = make([][]byte, maxTold+1) },
		"another version":     func(c *contents) { c.Version = 2 },
		"a long program name": func(c *contents) { c.Program = strings.Repeat("v", maxTexts+1) },
		"before all times":    func(c *contents) { c.Made = -1 },
	} {
		c, err := decodeContents(o.contents)
		ok(t, err)
		change(c)
		body, err := encodeContents(c)
		ok(t, err)
		if _, err := decodeContents(body); err == nil {
			t.Errorf("%s is read", name)
		}
	}
	c, err := decodeContents(o.contents)
	ok(t, err)
	c.Program = strings.Repeat("v", maxTexts)
	body, err := encodeContents(c)
	ok(t, err)
	if _, err := decodeContents(body); err != nil {
		t.Errorf("the longest name: %v", err)
	}
	if _, err := splitPack(append(bytes.Clone(raw), make([]byte, MaxPackBytes)...)); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("a long pack: %v", err)
	}
	for _, other := range []string{"", "x", "tocsin", string(raw[20:40])} {
		if IsPack([]byte(other)) {
			t.Errorf("%q is a pack", other)
		}
	}
}

func FuzzPack(f *testing.F) {
	w, raw := packed(f)
	w.shut()
	o, err := splitPack(raw)
	ok(f, err)
	f.Add(raw)
	f.Add(o.contents)
	f.Add([]byte(packMagic + packBegin + packEnd + "\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		if out, err := splitPack(in); err == nil && !bytes.Equal(out.write(), in) {
			t.Fatalf("%q is written as %q", in, out.write())
		}
		if Verify(in, "").OK { // a whole pack, perhaps of another world: the next one is none
			bad := bytes.Clone(in)
			bad[len(bad)/2] ^= 1
			if Verify(bad, "").OK {
				t.Fatalf("%q holds", bad)
			}
		}
		if c, err := decodeContents(in); err == nil {
			if again, err := encodeContents(c); err != nil || !bytes.Equal(again, in) {
				t.Fatalf("%x is written as %x", in, again)
			}
			examine(c)
		}
	})
}

// Packs are text that people keep: it can be written to a file and read back.
func TestPackIsText(t *testing.T) {
	w, raw := packed(t)
	ok(t, os.WriteFile(w.path("pack"), raw, 0o600))
	for i, b := range raw {
		if b < 0x20 && b != '\n' {
			t.Fatalf("byte %d is %#x", i, b)
		}
	}
}
