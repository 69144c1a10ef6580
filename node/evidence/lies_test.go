package evidence

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"tocsin/node/tlog"
	"tocsin/protocol"
)

// unpack gives the contents of a pack.
func unpack(t *testing.T, raw []byte) *contents {
	t.Helper()
	o, err := splitPack(raw)
	ok(t, err)
	c, err := decodeContents(o.contents)
	ok(t, err)
	return c
}

// fails holds that one step of a pack does not hold, and no other.
func fails(t *testing.T, raw []byte, step, why string) {
	t.Helper()
	r := Verify(raw, network)
	found := false
	for _, s := range r.Steps {
		if s.Name == step && !s.OK && strings.Contains(s.Text, why) {
			found = true
		} else if !s.OK {
			t.Errorf("%s: %s", s.Name, s.Text)
		}
	}
	if r.OK || !found {
		t.Errorf("%s holds, want %q: %+v", step, why, r.Steps)
	}
}

// EVD-21: a maker that signs a cover sheet which says something else than the contents prove does not get through.
func TestCoverThatLies(t *testing.T) {
	w, raw := packed(t)
	c := unpack(t, raw)
	for name, lie := range map[string]func(Found) string{
		"another time":         func(f Found) string { f.Seen = f.Seen.AddDate(-3, 0, 0); return cover(f) },
		"another object":       func(f Found) string { f.Object = "indicator--ffffffff-ffff-4fff-8fff-ffffffffffff"; return cover(f) },
		"another value":        func(f Found) string { f.Content = "x[.]org"; return cover(f) },
		"another author":       func(f Found) string { f.AuthorName = "Somebody Else"; return cover(f) },
		"one more witness":     func(f Found) string { f.Witnesses = append(f.Witnesses, f.Witnesses[0]); return cover(f) },
		"terminal escapes":     func(f Found) string { return "\x1b]0;x\x07\x1b[2Jall is well\n" },
		"an escape at the end": func(f Found) string { return cover(f) + "\x1b[2J" },
		"nothing":              func(Found) string { return "" },
	} {
		t.Run(name, func(t *testing.T) {
			found, _ := examine(c)
			forged, err := signPack(c, lie(found), w.maker.Key)
			ok(t, err)
			fails(t, forged, "cover sheet", "does not say what the contents prove")
		})
	}
}

// EVD-21: the sheet of version 1 is what it was, to the byte; SPEC says what follows when a word of it must change.
func TestCoverOfVersionOneStands(t *testing.T) {
	at := time.Date(2026, 5, 4, 10, 11, 12, 0, time.UTC)
	f := Found{Network: network, Author: protocol.OrgID{1}, AuthorName: `A "quoted" \ näme ` + "\U0010fffd\u0378", Record: protocol.RecordID{2}, Index: 3, Object: "indicator--1", Type: "indicator", Content: harmless("[url:value = 'http://a@x.example/']") + strings.Repeat("y", 500), Topic: "fraud", TLP: "green",
		Created: at, Seen: at, From: "local", Told: []Fact{{By: protocol.OrgID{4}, Seen: at, From: "bundle"}}, Maker: protocol.OrgID{5}, MakerName: "Maker",
		Made: at, Program: "1.2.3", Committed: at, Witnesses: []Testimony{{protocol.OrgID{6}, "Friend", at}}}
	alone := f
	alone.Witnesses, alone.Told, alone.Content, alone.Warnings = nil, nil, "", sha256.Sum256(nil)
	sum := sha256.Sum256([]byte(wholeCover(cover(f)) + wholeCover(cover(alone))))
	if got := hex.EncodeToString(sum[:]); got != "6f277045f2a4f7b24c9803f76e27dfa6430472a16ff5ba9c00913be418d7fe34" {
		t.Errorf("another sheet, %s:\n%s", got, cover(f))
	}
	if !strings.Contains(cover(alone), "warning lists of that tocsin, and no others\n") || !strings.Contains(cover(alone), "It says    no pattern, value or name\n") ||
		!strings.Contains(cover(f), `It says    "[url:value = 'http[://]a[@]x[.]example/']yyy`) || strings.Contains(cover(f), strings.Repeat("y", 200)) {
		t.Errorf("%s", cover(alone))
	}
	if !strings.Contains(cover(f), `which calls itself "A \"quoted\" \\ näme ?`+"\u0378\"\n") {
		t.Errorf("%s", cover(f))
	}
}

// EVD-20: a witness's key dates its word within its certificate, and not before what it is about.
func TestCosignedBeforeTheCertificate(t *testing.T) {
	w, raw := packed(t)
	for name, forged := range map[string]struct {
		at  time.Time
		why string
	}{
		"in 2001":                {time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC), "before what it is about"},
		"an hour before":         {time.Now().Add(-time.Hour), "before what it is about"},
		"behind the certificate": {w.friend.Certificate.NotAfter.Add(time.Hour), "no certificate of key"},
		"in a hundred years":     {time.Now().AddDate(100, 0, 0), "no certificate of key"},
	} {
		t.Run(name, func(t *testing.T) {
			c := unpack(t, raw)
			w.recosign(c, forged.at)
			found, _ := examine(c)
			if len(found.Witnesses) != 0 {
				t.Errorf("counted: %+v", found.Witnesses)
			}
			pack, err := signPack(c, cover(found), w.maker.Key)
			ok(t, err)
			fails(t, pack, "witness", forged.why)
		})
	}
	c := unpack(t, raw)
	w.recosign(c, time.Now().Add(-protocol.ClockSkew+time.Minute)) // a clock that is behind
	pack, err := w.desk.seal(c)
	ok(t, err)
	if r := Verify(pack, network); !r.OK {
		t.Errorf("%+v", r.Steps)
	}
}

// recosign puts a cosignature of another time in the place of the witness's.
func (w *world) recosign(c *contents, at time.Time) {
	w.t.Helper()
	cp, err := tlog.Open(c.Place.Checkpoint, w.chains)
	ok(w.t, err)
	alone, err := cp.Alone()
	ok(w.t, err)
	bare, err := tlog.Open(alone, w.chains)
	ok(w.t, err)
	line, err := tlog.Cosign(cp.Checkpoint, w.friend.Org, network, w.friend.Key, at)
	ok(w.t, err)
	more, err := bare.With(line, w.chains)
	ok(w.t, err)
	c.Place.Checkpoint = more.Note
}

// EVD-20: a revoked witness is not counted, and a node makes no pack that rests on one; a pack signed by a revoked key is none.
func TestRevokedKeysProveNothing(t *testing.T) {
	w, raw := packed(t)
	learn := func(s *protocol.Statement, err error) {
		t.Helper()
		ok(t, err)
		var errs []error
		if w.chains, _, errs = w.chains.With(s); len(errs) > 0 {
			t.Fatal(errs)
		}
	}
	learn(w.friend.Revoke(w.friend.Key.Public().ID()))
	c := unpack(t, raw)
	var err error
	orgs := []protocol.OrgID{w.author.Org, w.maker.Org, w.friend.Org}
	proof := look(c).chain(c)
	c.File, err = recordFile(w.chains, orgs, proof)
	ok(t, err)
	pack, err := w.desk.seal(c)
	ok(t, err)
	if r := Verify(pack, network); !r.OK || len(r.Found.Witnesses) != 0 || !strings.Contains(r.Cover, "No other organisation has witnessed the log") ||
		!strings.Contains(r.Steps[len(r.Steps)-1].Text, "is not counted") {
		t.Errorf("%+v", r.Steps)
	}
	w.write(1)
	fresh, err := w.desk.Pack(t.Context(), w.refs[1])
	ok(t, err)
	if r := Verify(fresh, network); !r.OK || len(r.Found.Witnesses) != 0 {
		t.Errorf("the node counts on a revoked witness: %+v", r.Steps)
	}

	learn(w.maker.Revoke(w.maker.Key.Public().ID()))
	c.File, err = recordFile(w.chains, orgs, proof)
	ok(t, err)
	pack, err = w.desk.seal(c)
	ok(t, err)
	fails(t, pack, "signature of the pack", "was revoked")
}

// EVD-20: a pack is dated within its signer's certificate, and not before the entry that it shows.
func TestPackDates(t *testing.T) {
	w, raw := packed(t)
	for made, why := range map[time.Time]string{
		time.Now().Add(-time.Hour):                    "before the entry",
		w.maker.Certificate.NotAfter.Add(time.Second): "no certificate of key",
		time.Now().AddDate(200, 0, 0):                 "no certificate of key",
	} {
		c := unpack(t, raw)
		c.Made = made.UnixMilli()
		pack, err := w.desk.seal(c)
		ok(t, err)
		fails(t, pack, "signature of the pack", why)
	}
}

// A cosignature that no verifier would count is not taken when it comes.
func TestCosignatureThatCannotBe(t *testing.T) {
	w := newWorld(t)
	w.write(3)
	h, err := w.checkpoints.Make()
	ok(t, err)
	take := func(at time.Time) error {
		line, err := tlog.Cosign(h.Checkpoint, w.friend.Org, network, w.friend.Key, at)
		ok(t, err)
		_, err = w.checkpoints.Cosigned(h.Checkpoint, line)
		return err
	}
	for _, at := range []time.Time{time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC), time.Now().Add(-time.Hour), time.Now().Add(time.Hour)} {
		if err := take(at); err == nil {
			t.Errorf("a cosignature of %s is kept", at)
		}
	}
	ok(t, take(time.Now()))
}
