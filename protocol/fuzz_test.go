package protocol

import (
	"bytes"
	"flag"
	"maps"
	"regexp"
	"runtime"
	"testing"
	"time"

	"tocsin/node/cputime"
)

// What one input from outside may cost at most.
const (
	fuzzMaxTime   = 50 * time.Millisecond
	fuzzMaxMemory = 64 << 20
)

// withinBounds runs f and fails when it took more time or memory than any
// input may. A slow run counts only when it is slow again: the first one pays
// for memory and collection.
func withinBounds(t *testing.T, f func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	limit := fuzzMaxTime
	if flag.Lookup("test.fuzz").Value.String() != "" {
		limit *= 4 // code that counts its coverage is slow
	}
	best := time.Duration(1<<63 - 1)
	for range 5 {
		start := cputime.Used()
		f()
		if best = min(best, cputime.Used()-start); best <= limit {
			break
		}
		runtime.ReadMemStats(&before)
	}
	runtime.ReadMemStats(&after)
	if best > limit {
		t.Errorf("took %s, the limit is %s", best, limit)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > fuzzMaxMemory {
		t.Errorf("allocated %d bytes, the limit is %d", used, fuzzMaxMemory)
	}
}

// seedFrom adds the inputs of all vectors of a type.
func seedFrom(f *testing.F, typ string, add func(*vector, []byte)) {
	f.Helper()
	for _, v := range readVectors(f) {
		if v.get("type") == typ {
			add(v, v.input(f))
		}
	}
}

// REC-03: what Verify accepts is the only encoding of what it says.
func FuzzVerify(f *testing.F) {
	orgs := []*testOrg{
		newTestOrg(f, "Vector CERT", nil), newTestOrgWith(f, ES256, "Vector CERT with ES256", nil),
	}
	chains := testChains(f, orgs...)
	seedFrom(f, "record", func(_ *vector, raw []byte) {
		if len(raw) < 64<<10 {
			f.Add(raw)
		}
	})
	f.Fuzz(func(t *testing.T, raw []byte) {
		withinBounds(t, func() {
			_, _ = VerifyOffline(raw, chains)
			r, err := Verify(raw, chains, testNow)
			if err != nil {
				if VerdictOf(err) == Accept {
					t.Fatalf("an error that is accepted: %v", err)
				}
				return
			}
			checkReencoding(t, r)
			_, _ = r.Open()
		})
	})
}

// checkReencoding writes a record anew from what was read of it.
func checkReencoding(t *testing.T, r *Record) {
	t.Helper()
	w, err := splitRecord(r.Raw())
	if err != nil {
		t.Fatal(err)
	}
	c := r.header.claims()
	maps.Copy(c, laterClaims(w.payload))
	m := w.message
	m.Payload = mustEncode(c)
	m.Protected = mustEncode(claims{protectedAlg: int64(w.alg()), protectedCertificate: r.header.Certificate[:]})
	again := bytes.Join([][]byte{headSign1, mustEncode(m), w.body}, nil)
	if !bytes.Equal(again, r.Raw()) {
		t.Fatalf("record %s is written anew with other bytes:\n%x\n%x", r.ID(), r.Raw(), again)
	}
}

// laterClaims are the claims that this version keeps without knowing them.
func laterClaims(c claims) claims {
	out := maps.Clone(c)
	maps.DeleteFunc(out, func(key uint64, _ any) bool { return key < firstOptionalClaim })
	return out
}

// REC-15: no body takes more than its raw length allows.
func FuzzOpen(f *testing.F) {
	seedFrom(f, "record", func(v *vector, raw []byte) {
		w, err := splitRecord(raw)
		if err != nil {
			return
		}
		if h, err := w.readHeader(); err == nil && len(w.body) < 64<<10 {
			f.Add(w.body, uint32(h.RawLength), uint16(h.Count))
		}
	})
	for _, b := range bombs() {
		f.Add(b.body, uint32(b.size), uint16(1))
	}
	f.Fuzz(func(t *testing.T, body []byte, size uint32, count uint16) {
		if len(body) > MaxRecordBytes {
			return
		}
		r := &Record{raw: body, header: Header{
			Kind:      KindObjects,
			RawLength: min(int(size), MaxRawBytes, MaxRawRatio*len(body)),
			Count:     min(int(count), MaxLeaves),
		}}
		withinBounds(t, func() {
			leaves, err := r.Open()
			if err == nil && len(leaves) != r.header.Count {
				t.Fatalf("%d leaves, the count is %d", len(leaves), r.header.Count)
			}
		})
	})
}

// PRF-06: a file that is read and written again is the same file.
func FuzzReadFile(f *testing.F) {
	seedFrom(f, "file", func(_ *vector, raw []byte) { f.Add(raw) })
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) > 64<<10 { // a file may be long: what is bounded is an item
			return
		}
		withinBounds(t, func() {
			items, err := ReadFile(testNetwork, raw)
			if err != nil {
				return
			}
			again, err := AppendFile(nil, items...)
			if err != nil {
				t.Fatal(err)
			}
			// Statements of a later revision are left out, so it may be shorter.
			if len(again) > len(raw) || len(again) == len(raw) && !bytes.Equal(again, raw) {
				t.Fatalf("a file of %d bytes is written anew with %d", len(raw), len(again))
			}
		})
	})
}

// PRF-02: a proof has one encoding.
func FuzzProof(f *testing.F) {
	org := newTestOrg(f, "Vector CERT", nil)
	seedFrom(f, "proof", func(_ *vector, raw []byte) { f.Add(raw) })
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) > MaxRecordBytes {
			return
		}
		withinBounds(t, func() {
			if m, err := readProof(raw); err == nil && !bytes.Equal(mustEncode(m), raw) {
				t.Fatalf("a proof is written anew with other bytes: %x", raw)
			}
			p, err := VerifyProof(raw, org.chains)
			if err == nil && (p.Index() >= p.Header().Count || len(p.Object()) == 0) {
				t.Fatalf("object %d of %d", p.Index(), p.Header().Count)
			}
		})
	})
}

// TOP-01: a topic is exactly its name.
func FuzzTopic(f *testing.F) {
	seedFrom(f, "topic", func(v *vector, _ []byte) { f.Add(v.get("text")) })
	name := regexp.MustCompile(`\A[a-z0-9-]{1,40}\z`)
	f.Fuzz(func(t *testing.T, text string) {
		topic, err := ParseTopic(text)
		if (err == nil) != name.MatchString(text) {
			t.Fatalf("topic %q: %v", text, err)
		}
		if err == nil && topic.String() != text {
			t.Fatalf("topic %q reads as %q", text, topic)
		}
	})
}
