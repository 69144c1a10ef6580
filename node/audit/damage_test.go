package audit

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// rewrite puts other bytes into the file.
func rewrite(t testing.TB, path string, raw []byte) {
	t.Helper()
	ok(t, os.WriteFile(path, raw, 0o600))
}

func problems(t testing.TB, path string) []string {
	t.Helper()
	v, err := Verify(path)
	ok(t, err)
	return v.Problems
}

// Whatever single bit is flipped, Verify says so.
func TestEveryBitCounts(t *testing.T) {
	whole := read(t, filled(t, 3))
	for bit := range 8 * len(whole) {
		raw := bytes.Clone(whole)
		raw[bit/8] ^= 1 << (bit % 8)
		v, err := verify(bytes.NewReader(raw), nil, nil)
		ok(t, err)
		if len(v.Problems) == 0 {
			t.Fatalf("bit %d of byte %d (%q) flipped, and nobody saw it", bit%8, bit/8, whole[bit/8])
		}
	}
}

func lines(raw []byte) [][]byte { return slices.Collect(bytes.Lines(raw)) }

// Lines taken out, put elsewhere or twice are found; so is every cut but one between
// two lines at the end, which takes the hash of a later entry to see.
func TestLinesCount(t *testing.T) {
	path := filled(t, 6)
	whole := read(t, path)
	v, err := Verify(path)
	ok(t, err)
	head := v.Head
	bad := func(what string, raw []byte) {
		t.Helper()
		v, err := verify(bytes.NewReader(raw), nil, nil)
		ok(t, err)
		if len(v.Problems) == 0 {
			t.Errorf("%s, and nobody saw it", what)
		}
	}
	all := lines(whole)
	for i := range all {
		if i < len(all)-1 {
			bad(fmt.Sprintf("line %d taken out", i+1), slices.Concat(slices.Delete(slices.Clone(all), i, i+1)...))
		}
		bad(fmt.Sprintf("line %d twice", i+1), slices.Concat(slices.Insert(slices.Clone(all), i, all[i])...))
		for j := range i {
			other := slices.Clone(all)
			other[i], other[j] = other[j], other[i]
			bad(fmt.Sprintf("lines %d and %d exchanged", i+1, j+1), slices.Concat(other...))
		}
	}
	bad("an empty line", append(bytes.Clone(whole), '\n'))
	bad("other text", append([]byte("# my log\n"), whole...))
	ends := map[int]bool{}
	for n := range whole {
		if n == 0 || whole[n-1] == '\n' {
			ends[n] = true
			if v, err := verify(bytes.NewReader(whole[:n]), &head, nil); err != nil || len(v.Problems) != 1 || !strings.Contains(v.Problems[0], head.String()) {
				t.Errorf("cut to %d bytes, and who knows the head does not see it: %q %v", n, v.Problems, err)
			}
		} else {
			bad(fmt.Sprintf("cut to %d bytes", n), whole[:n])
		}
	}
	if len(ends) != 6 {
		t.Errorf("%d line ends", len(ends))
	}
	if v, err := VerifyHolding(path, head); err != nil || len(v.Problems) > 0 {
		t.Errorf("the whole file: %q, %v", v.Problems, err)
	}
}

// An entry that somebody changed and hashed anew does not fit those behind it.
func TestForgedEntry(t *testing.T) {
	path := filled(t, 3)
	all := lines(read(t, path))
	e, err := decodeLine(bytes.TrimSpace(all[1]))
	ok(t, err)
	e.Reason = "nothing happened here"
	all[1], err = encodeLine(&e)
	ok(t, err)
	rewrite(t, path, slices.Concat(all...))
	if got := problems(t, path); len(got) != 1 || !strings.Contains(got[0], "line 3") {
		t.Errorf("problems %q", got)
	}
	all[2] = nil // and the one behind it goes too: only the head tells
	rewrite(t, path, slices.Concat(all...))
	if got := problems(t, path); len(got) != 0 {
		t.Errorf("problems %q", got)
	}
}

func TestVerifyNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	if _, err := Verify(path); reason.Of(err) != reason.NotFound {
		t.Errorf("no file: %v", err)
	}
	rewrite(t, path, nil)
	sound(t, path, 0)
	rewrite(t, path, bytes.Repeat([]byte("x\n"), maxProblems+10))
	if got := problems(t, path); len(got) != maxProblems+1 || got[maxProblems] != "and 10 problems more" {
		t.Errorf("%d problems, the last %q", len(got), got[len(got)-1])
	}
	rewrite(t, path, bytes.Repeat([]byte("x"), 3*maxLine))
	if got := problems(t, path); len(got) != 1 || got[0] != "line 1 is no entry" {
		t.Errorf("one long line: %q", got)
	}
}

// Wherever the power goes while a line is written, what was acknowledged stays, what is torn is
// kept beside and named, and the log is sound.
func TestTornLine(t *testing.T) {
	path := filled(t, 3)
	whole := read(t, path)
	all := lines(whole)
	kept := len(all[0]) + len(all[1])
	for n := kept + 1; n < len(whole); n += 41 {
		for name, torn := range map[string][]byte{
			"cut": whole[kept:n],
			// the length was written, the bytes were not
			"zeros":  make([]byte, n-kept),
			"mixed":  slices.Concat(whole[kept:n], make([]byte, 50), []byte("\n"), whole[kept:n]),
			"zeroes": slices.Concat(make([]byte, 9), all[2][9:]),
		} {
			rewrite(t, path, append(bytes.Clone(whole[:kept]), torn...))
			l := open(t, path)
			add(t, l, "a.b", "later")
			got, _, err := l.Read(0, 10, Filter{})
			ok(t, err)
			if len(got) != 4 || got[1].Seq != 2 || got[2].Action != ActionTorn || got[3].Seq != 4 {
				t.Fatalf("%s after %d bytes: %+v", name, n, got)
			}
			beside := filepath.Join(filepath.Dir(path), got[2].Target)
			if !bytes.Equal(read(t, beside), torn) || got[2].Detail["bytes"] != fmt.Sprint(len(torn)) {
				t.Errorf("%s after %d bytes: beside lie %d bytes, %v", name, n, len(read(t, beside)), got[2].Detail)
			}
			ok(t, l.Close())
			sound(t, path, 4)
			ok(t, os.Remove(beside))
		}
	}
}

// Two torn lines lie beside each other.
func TestTornTwice(t *testing.T) {
	path := filled(t, 1)
	for range 2 {
		rewrite(t, path, append(read(t, path), `{"seq":`...))
		ok(t, open(t, path).Close())
	}
	for _, n := range []string{"1", "2"} {
		if got := string(read(t, path+".torn-"+n)); got != `{"seq":` {
			t.Errorf("torn-%s holds %q", n, got)
		}
	}
	sound(t, path, 3)
}

// A damaged log is said to be one, once in a segment entry and at every start, and goes on.
func TestDamagedLogGoesOn(t *testing.T) {
	path := filled(t, 5)
	raw := read(t, path)
	at := bytes.Index(raw, []byte(`"sha256:0002"`)) + 1 // with its end, for a hash may begin like this
	raw[at+10] ^= 1
	rewrite(t, path, raw)
	for start := range 3 {
		l, err := Open(path)
		if l == nil || reason.Of(err) != reason.AuditDamaged || !strings.Contains(err.Error(), "line 3 (entry 3) was changed") {
			t.Fatalf("start %d: %v", start, err)
		}
		add(t, l, "a.b", "later")
		got, _, err := l.Read(0, 100, Filter{})
		ok(t, err)
		if len(got) != 6+start || got[4].Action != ActionSegment || got[5].Seq != 7 {
			t.Fatalf("start %d: %+v", start, got)
		}
		ok(t, l.Close())
		if got := problems(t, path); len(got) != 2 || !strings.Contains(got[1], "went on behind it") {
			t.Errorf("start %d: problems %q", start, got)
		}
	}
	// The damaged part is evidence: it cannot be changed unseen any more.
	raw = read(t, path)
	raw[at+10] ^= 1
	rewrite(t, path, raw)
	if got := problems(t, path); len(got) != 1 || !strings.Contains(got[0], "is not what was found then") {
		t.Errorf("mended: problems %q", got)
	}
	raw[at+10] ^= 1
	// New damage is named in one more segment.
	again := bytes.LastIndex(raw, []byte("later"))
	raw[again] ^= 1
	rewrite(t, path, raw)
	l, err := Open(path)
	if reason.Of(err) != reason.AuditDamaged {
		t.Fatal(err)
	}
	segments, err := l.Last(10, Filter{Action: ActionSegment})
	ok(t, err)
	if len(segments) != 2 || !strings.Contains(segments[1].Reason, "line 9") {
		t.Errorf("segments %+v", segments)
	}
	ok(t, l.Close())
	if got := problems(t, path); len(got) != 4 {
		t.Errorf("problems %q", got)
	}
}

// A segment entry that somebody wrote to hide what he took out is a problem like any.
func TestForgedSegment(t *testing.T) {
	path := filled(t, 3)
	all := lines(read(t, path))
	e, err := decodeLine(bytes.TrimSpace(all[2]))
	ok(t, err)
	e.Action, e.Prev = ActionSegment, protocol.Digest{7}
	all[2], err = encodeLine(&e)
	ok(t, err)
	rewrite(t, path, slices.Concat(all[0], all[2]))
	if len(problems(t, path)) == 0 {
		t.Error("nobody saw it")
	}
	// The word alone, in a detail, begins nothing.
	l := open(t, filepath.Join(t.TempDir(), "audit.log"))
	_, err = l.Append(t.Context(), Event{Action: "a.b", Reason: `"action":"audit.segment"`, Detail: map[string]string{"action": ActionSegment}})
	ok(t, err)
	sound(t, l.path, 1)
}

// What cannot be written is refused, and the next that can be written is.
func TestUnwritable(t *testing.T) {
	path := filled(t, 2)
	l := open(t, path)
	good := l.file
	var err error
	l.file, err = os.Open(path) // for reading only
	ok(t, err)
	for range 2 {
		if _, err := l.Append(t.Context(), Event{Action: "a.b"}); err == nil {
			t.Fatal("acknowledged what was not written")
		}
	}
	if seq, _ := l.Head(); seq != 2 {
		t.Errorf("head %d", seq)
	}
	ok(t, l.file.Close())
	l.file, l.broken = good, nil // a file that is read only cannot be cut either
	if e := add(t, l, "a.b", ""); e.Seq != 3 {
		t.Errorf("went on with %d", e.Seq)
	}
	sound(t, path, 3)
}

func TestFullDisk(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_RDWR, 0)
	if err != nil {
		t.Skip("SKIPPED: no /dev/full on this system")
	}
	l := open(t, filepath.Join(t.TempDir(), "audit.log"))
	ok(t, l.file.Close())
	l.file = full
	if _, err := l.Append(t.Context(), Event{Action: "a.b"}); reason.Of(err) != reason.StoreFull {
		t.Errorf("a full disk: %v", err)
	}
}

// Who changes the file under a running node stops the writing, for the chain would not hold.
func TestChangedUnderneath(t *testing.T) {
	path := filled(t, 2)
	l := open(t, path)
	ok(t, os.Truncate(path, int64(len(lines(read(t, path))[0]))))
	for range 2 {
		if _, err := l.Append(t.Context(), Event{Action: "a.b"}); reason.Of(err) != reason.AuditDamaged {
			t.Fatalf("a file that was cut: %v", err)
		}
	}
	ok(t, l.Close())
	l = open(t, path)
	add(t, l, "a.b", "")
	sound(t, path, 2)
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	if l, err := Open(dir); l != nil || err == nil {
		t.Errorf("a folder: %v", err)
	}
	if l, err := Open(filepath.Join(dir, "none", "audit.log")); l != nil || err == nil {
		t.Errorf("no folder: %v", err)
	}
}

// Whatever lies there, a log comes of it that takes entries, and says the same at the next start.
func FuzzOpen(f *testing.F) {
	path := filled(f, 2)
	whole := read(f, path)
	f.Add(whole)
	f.Add(whole[:len(whole)-5])
	f.Add(append(bytes.Clone(whole), 0, 0))
	f.Add([]byte("\n\x00\n{\"seq\":1,"))
	f.Add(slices.Concat(lines(whole)[1], lines(whole)[0]))
	f.Fuzz(func(t *testing.T, raw []byte) {
		path := filepath.Join(t.TempDir(), "audit.log")
		rewrite(t, path, raw)
		if _, err := Verify(path); err != nil {
			t.Fatal(err)
		}
		var size int64
		for start := range 2 {
			l, err := Open(path)
			if err != nil && reason.Of(err) != reason.AuditDamaged {
				t.Fatal(err)
			}
			if start == 1 && l.size != size {
				t.Fatalf("the second start wrote %d bytes", l.size-size)
			}
			add(t, l, "a.b", "")
			seq, hash := l.Head()
			last, err := l.Last(1, Filter{})
			ok(t, err)
			if len(last) != 1 || last[0].Seq != seq || last[0].Hash != hash {
				t.Fatalf("the newest is %+v, the head %d", last, seq)
			}
			v, verr := VerifyHolding(path, hash)
			ok(t, verr)
			if (err == nil) != (reason.Of(err) == "") || len(v.Problems) > 0 != damaged(path) {
				t.Fatalf("problems %q", v.Problems)
			}
			size = l.size
			ok(t, l.Close())
		}
	})
}

// damaged says what Open says.
func damaged(path string) bool {
	l, err := Open(path)
	if l != nil {
		_ = l.Close()
	}
	return err != nil
}
