package audit

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, path string) *Log {
	t.Helper()
	l, err := Open(path)
	ok(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// add writes an entry and gives it.
func add(t testing.TB, l *Log, action, target string) Entry {
	t.Helper()
	e, err := l.Append(t.Context(), Event{Action: action, Target: target, Reason: "because \"so\" <&>", Detail: map[string]string{"after": "partner", "before": "observed"}})
	ok(t, err)
	return e
}

// filled is the path of a closed log with some entries.
func filled(t testing.TB, entries int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "audit.log")
	l := open(t, path)
	for i := range entries {
		add(t, l, "trust.set", fmt.Sprintf("sha256:%04x", i))
	}
	ok(t, l.Close())
	return path
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	raw, err := os.ReadFile(path)
	ok(t, err)
	return raw
}

func sound(t testing.TB, path string, entries uint64) {
	t.Helper()
	v, err := Verify(path)
	ok(t, err)
	if len(v.Problems) > 0 || v.Entries != entries {
		t.Fatalf("%d entries, want %d; problems %q", v.Entries, entries, v.Problems)
	}
}

// What is appended is read again, after a restart too, and by whom is told.
func TestAppendAndRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	l := open(t, path)
	if seq, hash := l.Head(); seq != 0 || hash != (protocol.Digest{}) {
		t.Errorf("head of an empty log: %d %s", seq, hash)
	}
	alice := Actor{UID: 1000, User: "alice", Via: "socket"}
	before := time.Now().Add(-time.Second)
	one, err := l.Append(WithActor(t.Context(), alice), Event{Action: "trust.set", Target: "cert-ex", Reason: "Grüße\n\u2028", Detail: map[string]string{"k": "v"}})
	ok(t, err)
	two := add(t, l, "node.stop", "")
	if one.Seq != 1 || two.Seq != 2 || one.Actor != alice || two.Actor != Node() || two.Prev != one.Hash || one.Prev != (protocol.Digest{}) || one.At.Before(before) {
		t.Fatalf("entries %+v, %+v", one, two)
	}
	ok(t, l.Close())
	l = open(t, path)
	three := add(t, l, "node.start", "")
	got, next, err := l.Read(0, 10, Filter{})
	ok(t, err)
	if want := []Entry{one, two, three}; next != 0 || !reflect.DeepEqual(got, want) {
		t.Errorf("read %+v, next %d, want %+v", got, next, want)
	}
	if seq, hash := l.Head(); seq != 3 || hash != three.Hash {
		t.Errorf("head %d %s", seq, hash)
	}
	info, err := os.Stat(path)
	ok(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %o", info.Mode().Perm())
	}
	ok(t, l.Close())
	ok(t, l.Close())
	if _, err := l.Append(t.Context(), Event{Action: "a"}); err == nil {
		t.Error("a closed log took an entry")
	}
	if _, _, err := l.Read(0, 1, Filter{}); err == nil {
		t.Error("a closed log was read")
	}
	sound(t, path, 3)
}

// The chain can be checked by hand: cut the hash off, hash the rest, compare.
func TestFormatByHand(t *testing.T) {
	path := filled(t, 4)
	prev := "sha256:" + strings.Repeat("0", 64)
	form := regexp.MustCompile(`^(\{"seq":(\d+),.*,"prev":"(sha256:[0-9a-f]{64})"),"hash":"(sha256:[0-9a-f]{64})"\}$`)
	for i, line := range strings.Split(strings.TrimSuffix(string(read(t, path)), "\n"), "\n") {
		m := form.FindStringSubmatch(line)
		if m == nil || m[2] != fmt.Sprint(i+1) || m[3] != prev {
			t.Fatalf("line %d: %s", i+1, line)
		}
		sum := sha256.Sum256([]byte(m[1] + "}"))
		if prev = "sha256:" + hex.EncodeToString(sum[:]); m[4] != prev {
			t.Fatalf("line %d: hash %s, want %s", i+1, m[4], prev)
		}
		if strings.Contains(line, `\u003c`) {
			t.Errorf("line %d is escaped for HTML: %s", i+1, line)
		}
	}
}

func TestActorOf(t *testing.T) {
	if got := ActorOf(t.Context()); got != Node() {
		t.Errorf("nobody named: %+v", got)
	}
	for a, want := range map[Actor]string{
		Node(): "the node", {UID: UIDUnknown, Via: "socket"}: "unknown", {UID: 0, User: "root"}: "root", {UID: 12}: "uid 12",
	} {
		if got := ActorOf(WithActor(t.Context(), a)); got != a || got.String() != want {
			t.Errorf("%+v: %q, want %q", got, got, want)
		}
	}
}

// What is too long is cut and says so; nothing that a caller can say breaks the line.
func TestBounds(t *testing.T) {
	l := open(t, filepath.Join(t.TempDir(), "audit.log"))
	for _, bad := range []string{"", "Trust.set", "a b", "a\n", strings.Repeat("a", MaxAction+1)} {
		if _, err := l.Append(t.Context(), Event{Action: bad}); reason.Of(err) != reason.UsageInvalid {
			t.Errorf("action %q: %v", bad, err)
		}
	}
	many := map[string]string{}
	for i := range MaxPairs {
		many[fmt.Sprintf("k%03d", i)] = strings.Repeat("\x01", MaxDetail/MaxPairs-4)
	}
	e, err := l.Append(t.Context(), Event{Action: strings.Repeat("a", MaxAction), Target: strings.Repeat("\x02", MaxTarget), Reason: strings.Repeat("\xff", MaxReason), Detail: many})
	ok(t, err)
	if len(e.Target) != MaxTarget || len(e.Reason) != MaxReason || len(e.Detail) != MaxPairs || e.Detail["k000"] != many["k000"] {
		t.Errorf("the last that fits was cut: %d, %d, %d pairs", len(e.Target), len(e.Reason), len(e.Detail))
	}
	many["k999"] = "x"
	e, err = l.Append(t.Context(), Event{Action: "a", Target: strings.Repeat("é", MaxTarget), Reason: strings.Repeat("y", MaxReason+1), Detail: many})
	ok(t, err)
	if len(e.Detail) > MaxPairs || e.Detail[cutKey] == "" || !strings.HasSuffix(e.Target, cutMark) || !strings.HasSuffix(e.Reason, cutMark) || len(e.Reason) != MaxReason || len(e.Target) > MaxTarget {
		t.Errorf("one more: %d pairs, %q, target of %d, reason of %d", len(e.Detail), e.Detail[cutKey], len(e.Target), len(e.Reason))
	}
	e, err = l.Append(t.Context(), Event{Action: "a", Detail: map[string]string{"a": strings.Repeat("z", 10*MaxDetail), "b": "gone"}})
	ok(t, err)
	if size := len(e.Detail["a"]); size > MaxDetail || size < MaxDetail-200 || !strings.HasSuffix(e.Detail["a"], cutMark) || e.Detail["b"] != "" || e.Detail[cutKey] == "" {
		t.Errorf("one long value: %d bytes, %q", size, e.Detail[cutKey])
	}
	for line := range bytes.Lines(read(t, l.path)) {
		if len(line) > maxLine || !json.Valid(line) {
			t.Errorf("a line of %d bytes", len(line))
		}
	}
	sound(t, l.path, 3)
}

// Filters select, pages go on where the page before ended, and nothing is given twice.
func TestReadPages(t *testing.T) {
	l := open(t, filepath.Join(t.TempDir(), "audit.log"))
	const n = 3*markEvery + 17
	var all []Entry
	for i := range n { // in one batch: a sync for each would take its time
		e := Entry{Actor: Node(), Event: Event{Action: "trust.set", Target: fmt.Sprintf("Org-%d", i)}}
		if i%100 == 99 {
			e.Actor, e.Action = Actor{UID: 7, User: "bob", Via: "socket"}, "trust.remove"
		}
		_, err := l.queue(&e, nil)
		ok(t, err)
		all = append(all, e)
	}
	ok(t, l.write(l.batch))
	if len(l.marks) != 4 {
		t.Errorf("%d marks for %d lines", len(l.marks), n)
	}
	for range 2 { // as written, and as read anew
		for _, limit := range []int{999, n, n + 1} {
			var got []Entry
			for after := uint64(0); ; {
				page, next, err := l.Read(after, limit, Filter{})
				ok(t, err)
				if len(page) > limit {
					t.Fatalf("%d entries, at most %d wanted", len(page), limit)
				}
				got = append(got, page...)
				if after = next; next == 0 {
					break
				}
			}
			if !reflect.DeepEqual(got, all) {
				t.Fatalf("pages of %d give %d of %d entries", limit, len(got), n)
			}
		}
		for _, after := range []uint64{0, 1, markEvery - 1, markEvery, markEvery + 1, 2*markEvery + 5, n - 1, n, n + 1, 1<<64 - 2} {
			page, _, err := l.Read(after, 1, Filter{})
			ok(t, err)
			switch {
			case after >= n && len(page) > 0, after < n && (len(page) != 1 || page[0].Seq != after+1):
				t.Errorf("after %d: %+v", after, page)
			}
		}
		for _, want := range []int{0, 1, markEvery, markEvery + 18, n, n + 5} {
			got, err := l.Last(want, Filter{})
			ok(t, err)
			if exp := all[max(0, n-want):]; len(got) != len(exp) || len(got) > 0 && !reflect.DeepEqual(got, exp) {
				t.Errorf("the last %d: %d entries", want, len(got))
			}
		}
		ok(t, l.Close())
		l = open(t, l.path)
	}
	removed, err := l.Last(3, Filter{Action: "trust.remove"})
	ok(t, err)
	if len(removed) != 3 || removed[2].Target != "Org-2999" || removed[0].Actor.User != "bob" {
		t.Errorf("the last removals: %+v", removed)
	}
}

func TestFilter(t *testing.T) {
	l := open(t, filepath.Join(t.TempDir(), "audit.log"))
	for i, e := range []Event{
		{Action: "trust.set", Target: "CERT-EX", Reason: `he said "yes"`},
		{Action: "trust.remove", Target: "cert-ex"},
		{Action: "trustee.set", Detail: map[string]string{"file": `C:\lists`}},
		{Action: "node.stop"},
	} {
		_, err := l.Append(WithActor(t.Context(), Actor{UID: i, User: fmt.Sprintf("u%d", i), Via: "socket"}), e)
		ok(t, err)
	}
	all, _, err := l.Read(0, 9, Filter{})
	ok(t, err)
	uid := 2
	for name, c := range map[string]struct {
		f    Filter
		want string
	}{
		"all":              {Filter{}, "1 2 3 4"},
		"first part":       {Filter{Action: "trust"}, "1 2"},
		"whole":            {Filter{Action: "trust.set"}, "1"},
		"half a part":      {Filter{Action: "trust.s"}, ""},
		"target":           {Filter{Target: "Cert"}, "1 2"},
		"text":             {Filter{Text: "SAID \"Yes\""}, "1"},
		"text, backslash":  {Filter{Text: `c:\l`}, "3"},
		"text, action":     {Filter{Text: "node.st"}, "4"},
		"uid":              {Filter{UID: &uid}, "3"},
		"user":             {Filter{User: "u1"}, "2"},
		"part of a user":   {Filter{User: "u"}, ""},
		"since":            {Filter{Since: all[0].At}, "1 2 3 4"},
		"until":            {Filter{Until: all[0].At}, ""},
		"since the future": {Filter{Since: time.Now().Add(time.Hour)}, ""},
		"until the future": {Filter{Until: time.Now().Add(time.Hour), Action: "node"}, "4"},
	} {
		got, next, err := l.Read(0, 9, c.f)
		ok(t, err)
		last, err := l.Last(9, c.f)
		ok(t, err)
		var seqs []string
		for _, e := range got {
			seqs = append(seqs, fmt.Sprint(e.Seq))
		}
		if strings.Join(seqs, " ") != c.want || next != 0 || !slices.EqualFunc(got, last, func(a, b Entry) bool { return a.Seq == b.Seq }) {
			t.Errorf("%s: %v, want %s; next %d", name, seqs, c.want, next)
		}
	}
}

func TestWait(t *testing.T) {
	l := open(t, filepath.Join(t.TempDir(), "audit.log"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Wait(ctx, 0); err != context.Canceled {
		t.Errorf("nothing there: %v", err)
	}
	done := make(chan error)
	for _, after := range []uint64{0, 1} {
		go func() { done <- l.Wait(t.Context(), after) }()
		add(t, l, "a.b", "")
		ok(t, <-done)
	}
	ok(t, l.Wait(ctx, 1)) // it is there already
	go func() { done <- l.Wait(t.Context(), 2) }()
	ok(t, l.Close())
	if err := <-done; err == nil {
		t.Error("waited for a closed log, and something came")
	}
}

func TestExport(t *testing.T) {
	path := filled(t, 3)
	l := open(t, path)
	r, n, err := l.Export()
	ok(t, err)
	add(t, l, "a.b", "later")
	var b bytes.Buffer
	_, err = b.ReadFrom(r)
	ok(t, err)
	if whole := read(t, path); int64(b.Len()) != n || !bytes.HasPrefix(whole, b.Bytes()) || b.Len() == len(whole) {
		t.Errorf("exported %d of %d bytes, said %d", b.Len(), len(whole), n)
	}
}
