package audit

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tocsin/node/tlog"
)

// said are the reasons of the entries with an action.
func said(t *testing.T, l *Log, action string) (out []string) {
	t.Helper()
	entries, err := l.Last(20, Filter{Action: action, Text: action})
	ok(t, err)
	for _, e := range entries {
		out = append(out, e.Reason)
	}
	return out
}

// linesOf are a file's lines.
func linesOf(t *testing.T, path string) []string {
	t.Helper()
	return slices.Collect(strings.Lines(string(read(t, path))))
}

// cutTo cuts a file after some lines.
func cutTo(t *testing.T, path string, lines int) {
	t.Helper()
	ok(t, os.WriteFile(path, []byte(strings.Join(linesOf(t, path)[:lines], "")), 0o600))
}

// EVD-10: one damaged line takes no other checkpoint with it, hides no cut, and stays beside the file as it was.
func TestDamagedCheckpointsHideNoCut(t *testing.T) {
	o := newOffice(t)
	l := open(t, o.log())
	c := o.checkpoints(t, l)
	for range 10 {
		many(t, l, 10)
		_, err := c.Make()
		ok(t, err)
	}
	ok(t, l.Close())
	lines := linesOf(t, c.path)
	lines[2] = "!" + lines[2][1:]
	lines[6] = "\x00" + lines[6][1:]
	damaged := strings.Join(lines, "")
	ok(t, os.WriteFile(c.path, []byte(damaged), 0o600))
	cutTo(t, o.log(), 25)
	l = open(t, o.log())
	c = o.checkpoints(t, l)
	if len(c.List()) != 8 || len(linesOf(t, c.path)) != 8 {
		t.Errorf("%d of 8 sound checkpoints are kept", len(c.List()))
	}
	if why := said(t, l, ActionCut); len(why) != 1 || !strings.Contains(why[0], "covers 100") {
		t.Errorf("75 entries are gone, and said is %q", why)
	}
	if why := said(t, l, ActionDamaged); len(why) != 1 || !strings.Contains(why[0], "2 lines") {
		t.Errorf("said of the file: %q", why)
	}
	if aside := string(read(t, c.path+".damaged-1")); aside != damaged {
		t.Error("the file as it was is not kept")
	}
	o.checkpoints(t, l) // in order by now
	if again := said(t, l, ActionDamaged); len(again) != 1 {
		t.Errorf("said again: %q", again)
	}
	if _, err := os.Stat(c.path + ".damaged-2"); err == nil {
		t.Error("a sound file is copied")
	}
}

// A file that cannot be put in order (no room, say) is not put in order without a copy; the next checkpoint does it.
func TestDamagedCheckpointsWithoutRoom(t *testing.T) {
	o := newOffice(t)
	l := open(t, o.log())
	c := o.checkpoints(t, l)
	for range 3 {
		many(t, l, 1)
		_, err := c.Make()
		ok(t, err)
	}
	lines := linesOf(t, c.path)
	damaged := lines[0] + "damage\n" + lines[1] + lines[2]
	ok(t, os.WriteFile(c.path, []byte(damaged), 0o600))
	blocked := c.path + ".damaged-1"
	ok(t, os.Symlink(filepath.Join(o.dir, "no", "folder"), blocked)) // the copy goes to the next name
	c = o.checkpoints(t, l)
	if string(read(t, c.path+".damaged-2")) != damaged || len(c.List()) != 3 {
		t.Fatal("no copy")
	}
	c.damaged = true
	c.size = -1
	c.path = filepath.Join(o.dir, strings.Repeat("n", 250)) // a name with no room for its copy's
	ok(t, os.WriteFile(c.path, []byte(damaged), 0o600))
	many(t, l, 1)
	if _, err := c.Make(); err == nil || string(read(t, c.path)) != damaged || len(c.List()) != 3 {
		t.Errorf("written anew without a copy: %v", err)
	}
}

// EVD-10: the present segment must have begun behind what the newest checkpoint covers, in this file.
func TestCutBetweenSegments(t *testing.T) {
	build := func(t *testing.T) (*office, *Checkpoints) {
		o := newOffice(t)
		damage := func(target, by string) {
			raw := string(read(t, o.log()))
			if !strings.Contains(raw, target) {
				t.Fatal("no " + target)
			}
			ok(t, os.WriteFile(o.log(), []byte(strings.Replace(raw, target, by, 1)), 0o600))
		}
		l := open(t, o.log())
		many(t, l, 5)
		ok(t, l.Close())
		damage(`"target":"3"`, `"target":"9"`)
		l, _ = Open(o.log()) // the second segment begins with entry 6
		many(t, l, 2)
		add(t, l, "trust.set", "middle")
		add(t, l, "trust.set", "last")
		c := o.checkpoints(t, l)
		_, err := c.Make()
		ok(t, err)
		ok(t, l.Close())
		damage(`"target":"middle"`, `"target":"muddle"`)
		return o, c
	}
	for name, cut := range map[string]struct {
		lines   int // of the log that are left; 0 for all
		third   bool
		damages string // in what is left
		why     string
	}{
		"damage alone":               {0, true, "", ""},
		"the newest segment is gone": {8, true, "", "another one"},
		"cut, then damaged":          {7, false, `"target":"1"`, "6 to 10: the last of them"},
	} {
		t.Run(name, func(t *testing.T) {
			o, _ := build(t)
			if cut.third {
				l, _ := Open(o.log()) // the third segment begins with entry 11
				c := o.checkpoints(t, l)
				if cut.lines > 0 {
					_, err := c.Make()
					ok(t, err)
				}
				ok(t, l.Close())
			}
			if cut.lines > 0 {
				cutTo(t, o.log(), cut.lines)
			}
			raw := string(read(t, o.log()))
			ok(t, os.WriteFile(o.log(), []byte(strings.Replace(raw, cut.damages, strings.Replace(cut.damages, "1", "2", 1), 1)), 0o600))
			l, _ := Open(o.log())
			o.checkpoints(t, l)
			why := said(t, l, ActionCut)
			if len(why) != min(len(cut.why), 1) || len(why) == 1 && !strings.Contains(why[0], cut.why) {
				t.Errorf("said %q, want %q; %d entries left", why, cut.why, len(linesOf(t, o.log())))
			}
			ok(t, l.Close())
		})
	}
}

// What a full disk leaves of a line swallows nothing: no line is written behind half a one.
func TestHalfALineSwallowsNothing(t *testing.T) {
	o := newOffice(t)
	l := open(t, o.log())
	c := o.checkpoints(t, l)
	many(t, l, 3)
	_, err := c.Make()
	ok(t, err)
	f, err := os.OpenFile(c.path, os.O_APPEND|os.O_WRONLY, 0)
	ok(t, err)
	_, err = f.WriteString(`{"at":"2026-01-0`)
	ok(t, err)
	ok(t, f.Close())
	for range 5 {
		many(t, l, 3)
		_, err := c.Make()
		ok(t, err)
	}
	if list, err := ReadCheckpoints(c.path); err != nil || len(list) != 6 {
		t.Errorf("%d of 6 checkpoints that were said to be durable are in the file: %v", len(list), err)
	}
	c.path = filepath.Join(o.dir, "no", "folder")
	many(t, l, 1)
	if _, err := c.Make(); err == nil || len(c.List()) != 6 {
		t.Errorf("%d are kept, one of them nowhere: %v", len(c.List()), err)
	}
	if newest, _ := c.Newest(); newest.Checkpoint == (tlog.Checkpoint{}) {
		t.Error("none is the newest")
	}
}
