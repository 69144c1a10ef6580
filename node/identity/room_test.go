package identity

import (
	"os"
	"testing"
	"time"

	"tocsin/protocol"
)

func TestBookIsBounded(t *testing.T) {
	dir := t.TempDir()
	own := found(t, "Own", time.Now())
	if err := WriteOwn(dir, own.chain); err != nil {
		t.Fatal(err)
	}
	b := open(t, dir)
	live, listed := found(t, "Live", time.Now()), cheap(t, 1)[0]
	b.Protect(func(id protocol.OrgID) bool { return id == listed.Org() })
	if b.max != MaxOrgs {
		t.Fatalf("a book of %d", b.max)
	}
	b.max = 50
	all := cheap(t, b.max-2)
	add(t, b, all...)
	add(t, b, live.chain...)
	add(t, b, listed)
	if b.Chains().Len() != b.max+1 {
		t.Fatalf("%d organisations in a full book", b.Chains().Len())
	}
	more := found(t, "More", time.Now())
	add(t, b, more.chain...)
	for _, id := range []protocol.OrgID{own.id, live.id, more.id, listed.Org()} {
		if _, ok := b.Chains().Org(id); !ok {
			t.Errorf("%v was forgotten before those without a live certificate", id)
		}
	}
	// The file still names the one that went. Who was listed stays, however early in
	// the file it stands.
	again := open(t, dir)
	again.max = b.max
	again.Protect(func(id protocol.OrgID) bool { return id == all[0].Org() || id == listed.Org() })
	if b.Chains().Len() != b.max+1 || again.Chains().Len() != b.max+1 {
		t.Errorf("%d organisations, %d on disk", b.Chains().Len(), again.Chains().Len())
	}
	for _, id := range []protocol.OrgID{own.id, listed.Org(), all[0].Org()} {
		if _, ok := again.Chains().Org(id); !ok {
			t.Errorf("%v was forgotten by the restart", id)
		}
	}
	// With everybody protected the book grows: what is listed is never forgotten.
	b.Protect(func(protocol.OrgID) bool { return true })
	extra := found(t, "Extra", time.Now())
	add(t, b, extra.chain...)
	if b.Chains().Len() != b.max+2 {
		t.Errorf("%d organisations", b.Chains().Len())
	}
}

// The file of others does not grow with what is of no use.
func TestFileIsRewritten(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir)
	o := found(t, "One", time.Now())
	add(t, b, o.chain...)
	b.size = 4 * minRewrite // as if it had grown
	two := found(t, "Two", time.Now())
	add(t, b, two.chain...)
	want := length(b.others(b.Chains()))
	if info, err := os.Stat(b.path); err != nil || info.Size() != want || b.size != want {
		t.Errorf("size %d, file %v, want %d: %v", b.size, info.Size(), want, err)
	}
}

// A flood of strangers into a full book only appends: the file is written anew
// once for as many of them as the book holds, never names more than twice that,
// and a crash in the middle of an append costs only what was being appended.
func TestFloodAppends(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir)
	b.max = 20
	rewrites, listed := 0, cheap(t, 1)[0]
	protect := func(id protocol.OrgID) bool { return id == listed.Org() }
	b.Protect(protect)
	add(t, b, listed)
	var file os.FileInfo // of the file as it was last seen
	for i, s := range cheap(t, 200) {
		add(t, b, s)
		info, err := os.Stat(b.path)
		if err != nil {
			t.Fatal(err)
		}
		if i > 0 && !os.SameFile(file, info) {
			rewrites++
			if b.forgotten != 0 || info.Size() != length(b.others(b.Chains())) {
				t.Errorf("after %d: %d forgotten in a new file of %d bytes", i, b.forgotten, info.Size())
			}
		}
		file = info
		if !holds(b.Chains(), s) || b.Chains().Len() > b.max || b.size != info.Size() {
			t.Fatalf("after %d: %d organisations, size %d of %d", i, b.Chains().Len(), b.size, info.Size())
		}
		if named := open(t, dir).Chains().Len(); named > 2*b.max {
			t.Fatalf("after %d: the file names %d organisations", i, named)
		}
	}
	// 181 were driven out: each 21st of them has the file written anew.
	if rewrites != 8 {
		t.Errorf("written anew %d times", rewrites)
	}
	if err := os.Truncate(b.path, b.size-1); err != nil {
		t.Fatal(err)
	}
	torn := open(t, dir)
	torn.max = b.max
	torn.Protect(protect)
	if torn.Chains().Len() != b.max || !torn.stale || !holds(torn.Chains(), listed) {
		t.Fatalf("%d organisations after a crash", torn.Chains().Len())
	}
	add(t, torn, cheap(t, 1)[0])
	if healed := open(t, dir); healed.Chains().Len() != b.max || healed.stale || !holds(healed.Chains(), listed) {
		t.Errorf("%d organisations after the next change", healed.Chains().Len())
	}
}

// One that was forgotten and comes back stands in the file twice, and is known once.
func TestForgottenComesBack(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir)
	b.max = 3
	all := cheap(t, 4)
	for range 2 {
		for _, s := range all {
			if _, errs := b.Add(s); len(errs) > 0 || !holds(b.Chains(), s) {
				t.Fatalf("%v: %v", s.Org(), errs)
			}
		}
	}
	again := open(t, dir)
	again.max = b.max
	if again.Protect(func(protocol.OrgID) bool { return false }); again.Chains().Len() != b.max {
		t.Errorf("%d organisations", again.Chains().Len())
	}
}

// BenchmarkAddToFullBook is what one more stranger costs.
func BenchmarkAddToFullBook(b *testing.B) {
	book := open(b, b.TempDir())
	add(b, book, cheap(b, MaxOrgs)...)
	more := cheap(b, 2*MaxOrgs)
	for i := 0; b.Loop(); i++ {
		if _, errs := book.Add(more[i%len(more)]); len(errs) > 0 {
			b.Fatal(errs)
		}
	}
}
