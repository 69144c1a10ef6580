package audit

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tocsin/node/tlog"
)

// EVD-06: a log that comes back from a backup goes on under another name, which its first entry explains; its chain is sound, the
// checkpoints of before stay good, and nobody finds a log that was cut.
func TestRestoredLogIsAnotherOne(t *testing.T) {
	o := newOffice(t)
	l := open(t, o.log())
	c := o.checkpoints(t, l)
	many(t, l, 5)
	old, err := c.Make()
	ok(t, err)
	backup := read(t, o.log())
	many(t, l, 7)
	later, err := c.Make() // the file of checkpoints was copied a moment after the log
	ok(t, err)
	ok(t, l.Close())

	ok(t, os.WriteFile(o.log(), backup, 0o600))
	l = open(t, o.log())
	before := l.Tree()
	made := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	e, err := l.Restored("20260102T030405Z", made)
	ok(t, err)
	want := map[string]string{"made": "2026-01-02T03:04:05Z", "entries": "5", "log": before.ID.String(), "root": before.Root().String()}
	if fmt.Sprint(e.Detail) != fmt.Sprint(want) || e.Target != "20260102T030405Z" || e.Seq != 6 {
		t.Errorf("entry %+v", e)
	}
	add(t, l, "node.start", "")
	for range 2 { // as it stands, and after a start
		tree := l.Tree()
		if tree.First != 6 || tree.ID != e.Hash || tree.Size() != 2 {
			t.Fatalf("the tree begins with entry %d and has %d", tree.First, tree.Size())
		}
		ok(t, l.Close())
		l = open(t, o.log())
	}
	c = o.checkpoints(t, l)
	fresh, err := c.Make()
	ok(t, err)
	if list := c.List(); len(list) != 3 || list[0].Checkpoint != old.Checkpoint || fresh.Origin != tlog.AuditOrigin("main", o.Org, e.Hash) || fresh.Size != 2 {
		t.Errorf("%d checkpoints, the new one %+v", len(list), fresh.Checkpoint)
	}
	if cuts, err := l.Last(5, Filter{Action: ActionCut}); err != nil || len(cuts) != 0 {
		t.Errorf("%d entries %s, %v", len(cuts), ActionCut, err)
	}
	ok(t, l.Close())
	for name, x := range map[string]struct {
		held []tlog.Checkpoint
		want string
	}{
		"before and after the restore": {[]tlog.Checkpoint{old.Checkpoint, fresh.Checkpoint}, ""},
		"of what was lost":             {[]tlog.Checkpoint{later.Checkpoint}, "covers 12 entries, the file holds 5 of them and then begins anew"},
	} {
		v, err := VerifyAgainst(o.log(), nil, x.held)
		ok(t, err)
		if got := strings.Join(v.Problems, "\n"); (got == "") != (x.want == "") || !strings.Contains(got, x.want) {
			t.Errorf("%s: problems %q", name, got)
		}
	}
}

// A restored log that is cut back behind the restore, or before it, is found out all the same.
func TestRestoredLogCutIsCaught(t *testing.T) {
	for _, keep := range []int{4, 6} { // before the restore; behind it
		o := newOffice(t)
		l := open(t, o.log())
		many(t, l, 5)
		_, err := l.Restored("backup", time.Now())
		ok(t, err)
		many(t, l, 5)
		c := o.checkpoints(t, l)
		_, err = c.Make()
		ok(t, err)
		ok(t, l.Close())
		lines := strings.SplitAfter(string(read(t, o.log())), "\n")
		ok(t, os.WriteFile(o.log(), []byte(strings.Join(lines[:keep], "")), 0o600))
		l = open(t, o.log())
		o.checkpoints(t, l)
		if cuts, err := l.Last(5, Filter{Action: ActionCut}); err != nil || len(cuts) != 1 {
			t.Errorf("cut to %d: %d entries %s, %v", keep, len(cuts), ActionCut, err)
		}
		ok(t, l.Close())
	}
}

// A log of which the backup had nothing begins with the word that it was restored.
func TestRestoredEmptyLog(t *testing.T) {
	l := open(t, filepath.Join(t.TempDir(), "audit.log"))
	if e, err := l.Restored("backup", time.Now()); err != nil || e.Seq != 1 || e.Detail["entries"] != "0" || e.Detail["root"] != "" {
		t.Errorf("%+v, %v", e, err)
	}
	ok(t, l.Close())
}
