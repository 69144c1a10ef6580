package storage

import (
	"bufio"
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// TestMain lets the test binary play the node that is killed.
func TestMain(m *testing.M) {
	children := map[string]func(dir string) error{"accept": childAccept, "hold": childHold, "open": childOpen, "fill": childFill}
	run, ok := children[os.Getenv("STORAGE_TEST_CHILD")]
	if !ok {
		os.Exit(m.Run())
	}
	if err := run(os.Getenv("STORAGE_TEST_DIR")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// child is this test binary in another role.
func child(ctx context.Context, role, dir string) *exec.Cmd {
	c := exec.CommandContext(ctx, os.Args[0])
	c.Env = append(os.Environ(), "STORAGE_TEST_CHILD="+role, "STORAGE_TEST_DIR="+dir)
	c.Stderr = os.Stderr
	return c
}

// childAccept accepts records from several callers until it is killed, and
// prints the id of each that was acknowledged.
func childAccept(dir string) error {
	s, err := Open(dir, Options{Network: testNetwork})
	if err != nil {
		return err
	}
	failed := make(chan error)
	for range 4 {
		go func() { failed <- acceptForever(s) }()
	}
	return <-failed
}

func acceptForever(s *Store) error {
	var t testing.T // fixtures report to it; this process has no test
	a := newAuthor(&t, rand.Text())
	for i := 0; ; i++ {
		e := a.entry(draft{leaves: indicators(i*10, 10)})
		if i%5 == 4 {
			e.State = Held
		}
		if err := s.Accept(context.Background(), e); err != nil {
			return err
		}
		fmt.Println(e.Record.ID())
	}
}

// childHold takes records in and out of quarantine from several callers until it is
// killed, and prints what was acknowledged of which record.
func childHold(dir string) error {
	s, err := Open(dir, Options{Network: testNetwork})
	if err != nil {
		return err
	}
	failed := make(chan error)
	for range 3 {
		go func() { failed <- holdForever(s) }()
	}
	go func() {
		for {
			if _, err := s.ExpireHeld(context.Background(), testNow); err != nil {
				failed <- err
				return
			}
		}
	}()
	return <-failed
}

func holdForever(s *Store) error {
	ctx := context.Background()
	var t testing.T // fixtures report to it; this process has no test
	a := newAuthor(&t, rand.Text())
	for i := 0; ; i++ {
		var ids []protocol.RecordID
		var entries []Entry
		for j := range 8 {
			e := a.entry(draft{leaves: indicators(i*100+j*10, 5)})
			if j == 7 { // one that ExpireHeld takes
				e.State, e.Received = Held, testNow.AddDate(-1, 0, 0)
			}
			if err := s.Accept(ctx, e); err != nil {
				return err
			}
			fmt.Println([]string{"accepted", "old"}[j/7], e.Record.ID())
			ids, entries = append(ids, e.Record.ID()), append(entries, e)
		}
		moved, err := s.Hold(ctx, ids[:7], reason.KeyRevoked)
		if err != nil {
			return err
		}
		for _, id := range moved {
			fmt.Println("held", id)
		}
		for _, e := range entries[:3] {
			if err := s.Accept(ctx, e); err != nil {
				return err
			}
			fmt.Println("released", e.Record.ID())
		}
		if err := s.Reject(ctx, ids[6], reason.OperatorRejected); err != nil {
			return err
		}
		fmt.Println("rejected", ids[6])
	}
}

// TestKillHold kills a node that holds, releases and expires: whatever was
// acknowledged last of a record is so or the next thing is, wholly.
func TestKillHold(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	last := map[protocol.RecordID]string{}
	note := func(line string) {
		word, text, _ := strings.Cut(line, " ")
		if id, err := protocol.ParseRecordID(text); err == nil { // the last line may be cut off
			last[id] = word
		}
	}
	for cycle := range 5 {
		c := child(t.Context(), "hold", dir)
		out, err := c.StdoutPipe()
		must(t, err)
		must(t, c.Start())
		lines := bufio.NewScanner(out)
		for n := 0; n < 60+31*cycle && lines.Scan(); n++ {
			note(lines.Text())
		}
		must(t, c.Process.Kill())
		for lines.Scan() {
			note(lines.Text())
		}
		c.Wait()
		report, err := Check(dir)
		must(t, err)
		if len(report.Problems) > 0 {
			t.Fatalf("problems %q", report.Problems)
		}
	}
	s := openDisk(t, dir)
	if s.Damage() != nil {
		t.Error(s.Damage())
	}
	may := map[string][]string{
		"accepted": {"accepted", "held"}, "held": {"held", "accepted", "gone"}, "released": {"accepted"}, "rejected": {"gone"}, "old": {"held", "gone"},
	}
	found := map[string]int{}
	for id, word := range last {
		_, state, err := s.Record(id)
		is := state.String()
		if reason.Of(err) == reason.NotFound && s.Has(id) {
			is = "gone" // but for its header
		} else if err != nil {
			t.Errorf("%s and lost: %v", word, err)
		}
		if !slices.Contains(may[word], is) {
			t.Errorf("record %s was %s and is %s", id, word, is)
		}
		found[word+", now "+is]++
	}
	if found["held, now held"] == 0 || found["released, now accepted"] == 0 || found["rejected, now gone"] == 0 || found["old, now gone"] == 0 {
		t.Errorf("not everything happened: %v", found)
	}
	t.Logf("%v, counts %+v", found, s.Counts())
}

// TestKill kills a node in the middle of its work, again and again: every record
// that was acknowledged is there, and what is there is sound.
func TestKill(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	acknowledged := map[protocol.RecordID]bool{}
	for cycle := range 5 {
		c := child(t.Context(), "accept", dir)
		out, err := c.StdoutPipe()
		must(t, err)
		must(t, c.Start())
		lines := bufio.NewScanner(out)
		for n := 0; n < 30+20*cycle && lines.Scan(); n++ {
			id, err := protocol.ParseRecordID(lines.Text())
			must(t, err)
			acknowledged[id] = true
		}
		must(t, c.Process.Kill())
		for lines.Scan() { // what it still printed was acknowledged too; the last line may be cut off
			if id, err := protocol.ParseRecordID(lines.Text()); err == nil {
				acknowledged[id] = true
			}
		}
		c.Wait()
	}
	if len(acknowledged) < 5*30 {
		t.Fatalf("only %d records were acknowledged", len(acknowledged))
	}
	s := openDisk(t, dir)
	if s.Damage() != nil {
		t.Error(s.Damage())
	}
	for id := range acknowledged {
		if _, _, err := s.Record(id); err != nil {
			t.Errorf("acknowledged and lost: %v", err)
		}
	}
	counts := s.Counts()
	if held := counts.Records + counts.HeldRecords; held < len(acknowledged) {
		t.Errorf("%d records, %d were acknowledged", held, len(acknowledged))
	}
	report, err := checkClosed(t, s, dir)
	must(t, err)
	if len(report.Problems) > 0 || report.Records != counts.Records || report.Objects != counts.Objects || report.Held != counts.Held {
		t.Errorf("report %+v, counts %+v", report, counts)
	}
	t.Logf("%d records were acknowledged, %+v kept", len(acknowledged), counts)
}
