package tlog

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"tocsin/protocol"
	"tocsin/protocol/protocoltest"
	"tocsin/protocol/reason"
)

const network = "main"

// cast is a log, two witnesses and what everybody knows of them. The second witness has an ES256 key.
type cast struct {
	log, one *protocoltest.Author
	two      *protocoltest.Author
	twoKey   *protocol.PrivateKey
	chains   *protocol.Chains
	at       time.Time
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newCast(t testing.TB) *cast {
	t.Helper()
	c := &cast{at: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)}
	var err error
	c.log, err = protocoltest.Found(network, "Log", c.at, rand.Reader)
	ok(t, err)
	c.one, err = protocoltest.Found(network, "One", c.at, rand.Reader)
	ok(t, err)
	c.twoKey, err = protocol.GenerateKey(protocol.ES256, rand.Reader)
	ok(t, err)
	c.two, err = protocoltest.Found(network, "Two", c.at, rand.Reader, func(cert *protocol.Certificate) { cert.RecordKey = c.twoKey.Public() })
	ok(t, err)
	chains, _, errs := c.log.Chains.With(append(append([]*protocol.Statement(nil), c.one.Statements...), c.two.Statements...)...)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	c.chains = chains
	return c
}

func (c *cast) checkpoint() Checkpoint {
	return Checkpoint{Origin: AuditOrigin(network, c.log.Org, protocol.Digest{7}), Size: 42, Root: protocol.Digest{1, 2, 3}}
}

// signed is a checkpoint with both witnesses.
func (c *cast) signed(t testing.TB) *Signed {
	t.Helper()
	raw, err := Sign(c.checkpoint(), c.log.Key)
	ok(t, err)
	s, err := Open(raw, c.chains)
	ok(t, err)
	for i, w := range []struct {
		org protocol.OrgID
		key protocol.Signer
	}{{c.one.Org, c.one.Key}, {c.two.Org, c.twoKey}} {
		line, err := Cosign(s.Checkpoint, w.org, network, w.key, c.at.Add(time.Duration(i)*time.Minute))
		ok(t, err)
		s, err = s.With(line, c.chains)
		ok(t, err)
	}
	return s
}

// EVD-07, EVD-08, EVD-14: who signed, who cosigned and when is read back.
func TestCheckpoint(t *testing.T) {
	c := newCast(t)
	s := c.signed(t)
	got, err := Open(s.Note, c.chains)
	ok(t, err)
	if got.Checkpoint != c.checkpoint() || got.Org != c.log.Org || got.Key != c.log.Key.Public().ID() {
		t.Errorf("read back as %+v", got)
	}
	if len(got.Cosignatures) != 2 || got.Cosignatures[0] != (Cosignature{c.one.Org, c.one.Key.Public().ID(), c.at}) ||
		got.Cosignatures[1] != (Cosignature{c.two.Org, c.twoKey.Public().ID(), c.at.Add(time.Minute)}) {
		t.Errorf("cosignatures %+v", got.Cosignatures)
	}
	again, err := s.With(bytes.SplitAfter(s.Note, []byte("\n"))[5], c.chains)
	if err == nil && len(again.Cosignatures) != 2 {
		t.Error("one witness counts twice")
	}
	alone, err := got.Alone()
	ok(t, err)
	if first, err := Open(alone, c.chains); err != nil || len(first.Cosignatures) != 0 || first.Checkpoint != s.Checkpoint {
		t.Errorf("alone: %v", err)
	}
	// A witness whose chain is forgotten is left out where that is asked for, and refused elsewhere.
	forgotten := c.chains.Without(c.one.Org)
	if _, err := Open(s.Note, forgotten); reason.Of(err) != reason.CertUnknown {
		t.Errorf("with an unknown witness: %v", err)
	}
	if known, err := OpenKnown(s.Note, forgotten); err != nil || len(known.Cosignatures) != 1 || known.Cosignatures[0].Org != c.two.Org {
		t.Errorf("the known ones of it: %+v, %v", known, err)
	}
	if _, err := Open(s.Note, protocol.NewChains("other")); reason.Of(err) != reason.SigInvalid {
		t.Errorf("of another network: %v", err)
	}
}

// A log with an ES256 key signs likewise.
func TestCheckpointES256(t *testing.T) {
	c := newCast(t)
	cp := Checkpoint{Origin: AuditOrigin(network, c.two.Org, protocol.Digest{}), Size: 1}
	raw, err := Sign(cp, c.twoKey)
	ok(t, err)
	if s, err := Open(raw, c.chains); err != nil || s.Key != c.twoKey.Public().ID() {
		t.Errorf("%v", err)
	}
}

// Other programs read it: x/mod's own verifier takes the log's line, and the text of a cosignature is that of C2SP.
func TestForeignReaders(t *testing.T) {
	c := newCast(t)
	s := c.signed(t)
	vkey, err := note.NewEd25519VerifierKey(s.Origin, ed25519.PublicKey(c.log.Key.Public().Bytes()))
	ok(t, err)
	v, err := note.NewVerifier(vkey)
	ok(t, err)
	n, err := note.Open(s.Note, note.VerifierList(v))
	ok(t, err)
	if len(n.Sigs) != 1 || len(n.UnverifiedSigs) != 2 || n.Text != s.Text() {
		t.Errorf("%d and %d signatures", len(n.Sigs), len(n.UnverifiedSigs))
	}
	if got, want := string(cosigned([]byte(s.Text()), 1679315147)), "cosignature/v1\ntime 1679315147\n"+s.Text(); got != want {
		t.Errorf("%q is cosigned", got)
	}
}

// EVD-07: nothing that a record key signs as a note begins like what it signs as a record, and a signature for one
// purpose is none for another.
func TestDomains(t *testing.T) {
	c := newCast(t)
	s := c.signed(t)
	for _, text := range []string{s.Text(), string(cosigned([]byte(s.Text()), 1)), PackOrigin(network, c.log.Org) + "\n"} {
		if text[0] >= 0x80 || text[0] == 0x84 {
			t.Errorf("%q begins as a Sig_structure may", text[:8])
		}
	}
	plain, err := SignNote(s.Text(), WitnessName(network, c.one.Org), c.one.Key)
	ok(t, err)
	line := plain[len(s.Text())+1:]
	if _, err := s.With(line, c.chains); err == nil {
		t.Error("a plain signature passes for a cosignature")
	}
	if _, _, err := OpenNote(s.Note, s.Origin, c.chains); err == nil {
		t.Error("a checkpoint passes for a note of one signature")
	}
	own, err := Cosign(s.Checkpoint, c.log.Org, network, c.log.Key, c.at)
	ok(t, err)
	if _, err := Open(append([]byte(s.Text()+"\n"), own...), c.chains); reason.Of(err) != reason.SigInvalid {
		t.Errorf("a checkpoint that its log only cosigned: %v", err)
	}
}

// Every byte of a checkpoint counts: whichever is changed, it is refused.
func TestEveryByteCounts(t *testing.T) {
	c := newCast(t)
	raw := c.signed(t).Note
	for i := range raw {
		for _, flip := range []byte{1, 0x20, 0x80} {
			bad := bytes.Clone(raw)
			bad[i] ^= flip
			if _, err := Open(bad, c.chains); err == nil {
				t.Fatalf("byte %d (%q) changed by %#x, and it holds", i, raw[i], flip)
			}
		}
	}
	for n := range raw {
		if s, err := Open(raw[:n], c.chains); err == nil && len(s.Cosignatures) == 2 {
			t.Fatalf("cut after %d bytes, and it holds", n)
		}
	}
}

func TestMalformedCheckpoints(t *testing.T) {
	c := newCast(t)
	good := c.signed(t)
	origin, text := good.Origin, good.Text()
	sigs := string(good.Note[len(text):])
	root := strings.Split(text, "\n")[2]
	for name, bad := range map[string]string{
		"empty":                "",
		"no signature":         text + "\n",
		"an extension":         text + "more\n" + sigs,
		"two lines":            origin + "\n42\n" + sigs,
		"size 0":               origin + "\n0\n" + root + "\n" + sigs,
		"size with a zero":     origin + "\n042\n" + root + "\n" + sigs,
		"a size of 2^63":       origin + "\n9223372036854775808\n" + root + "\n" + sigs,
		"a short root":         origin + "\n42\nAAAA\n" + sigs,
		"another origin":       "example.com/log\n42\n" + root + "\n" + sigs,
		"an origin that lacks": strings.TrimSuffix(origin, "00") + "\n42\n" + root + "\n" + sigs,
		"17 signatures":        text + "\n" + strings.Repeat(strings.SplitAfter(sigs, "\n")[1], 17),
		"one twice":            text + sigs + strings.SplitAfter(sigs, "\n")[1],
		"too long":             text + sigs + strings.Repeat("— a AAAA\n", MaxNoteBytes/9),
		"a loose end":          text + sigs + "— x",
	} {
		if _, err := Open([]byte(bad), c.chains); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	if _, err := Sign(Checkpoint{Origin: "no origin", Size: 1}, c.log.Key); err == nil {
		t.Error("a checkpoint of no log is signed")
	}
	line, err := Cosign(good.Checkpoint, c.one.Org, network, c.one.Key, time.Unix(1<<41, 0))
	ok(t, err)
	alone, err := good.Alone()
	ok(t, err)
	if _, err := Open(append(alone, line...), c.chains); err == nil {
		t.Error("a cosignature from beyond all calendars is taken")
	}
}

// What Peek reads is written again as it stood, and nothing crashes Open.
func FuzzCheckpoint(f *testing.F) {
	c := newCast(f)
	s := c.signed(f)
	f.Add(s.Note)
	f.Add([]byte(s.Text() + "\n— x AAAA\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		cp, err := Peek(raw)
		if err != nil {
			return
		}
		if !bytes.HasPrefix(raw, []byte(cp.Text()+"\n— ")) {
			t.Fatalf("%q is read as %q", raw, cp.Text())
		}
		if s, err := Open(raw, c.chains); err == nil {
			if again, err := OpenKnown(raw, c.chains); err != nil || again.Checkpoint != s.Checkpoint {
				t.Fatalf("known: %v", err)
			}
		}
	})
}
