package logs

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	logging "github.com/ipfs/go-log/v2"

	"tocsin/protocol/reason"
)

// run runs a book in a bubble until the test's work is done.
func run(t *testing.T, work func(b *Book)) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		b := New("info")
		done := make(chan error, 1)
		go func() { done <- b.Run(ctx) }()
		synctest.Wait()
		work(b)
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if l := levelOf(b, "tocsin/logs"); l.Level != "info" || !l.Until.IsZero() {
			t.Errorf("after the end it stands at %+v", l)
		}
	})
}

func levelOf(b *Book, name string) Level {
	for _, l := range b.Levels() {
		if l.Subsystem == name {
			return l
		}
	}
	return Level{}
}

// told reports whether a debug line of a logger reaches the log.
func told(b *Book, l *logging.ZapEventLogger, word string) bool {
	l.Debugw(word)
	synctest.Wait()
	return bytes.Contains(b.Recent(), []byte(word))
}

// A level is in force at once, goes back by itself when its time is over and not a second before.
func TestLevelGoesBack(t *testing.T) {
	a, other := logging.Logger("tocsin/logs"), logging.Logger("tocsin/logs-b")
	if err := logging.SetLogLevelRegex("^tocsin/", "info"); err != nil {
		t.Fatal(err)
	}
	run(t, func(b *Book) {
		if told(b, a, "early") {
			t.Fatal("debug is told although the level is info")
		}
		set, err := b.Set("tocsin/logs", "debug", 10*time.Minute)
		if err != nil || len(set) != 1 || set[0].Before != "info" || set[0].Level != "debug" || time.Until(set[0].Until) != 10*time.Minute {
			t.Fatalf("set: %+v, %v", set, err)
		}
		if !told(b, a, "within") || told(b, other, "elsewhere") {
			t.Error("not exactly the named subsystem tells")
		}
		time.Sleep(10*time.Minute - time.Second)
		if !told(b, a, "almost") || levelOf(b, "tocsin/logs").Level != "debug" {
			t.Error("given back too early")
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if told(b, a, "after") || levelOf(b, "tocsin/logs") != (Level{Subsystem: "tocsin/logs", Level: "info"}) {
			t.Errorf("not given back: %+v", levelOf(b, "tocsin/logs"))
		}
		if !bytes.Contains(b.Recent(), []byte("log level given back")) {
			t.Error("the log does not say so")
		}
	})
}

// A prefix names several; setting anew replaces level and time, and what was before stays the configured level; the earlier end is none.
func TestSetAnewAndReset(t *testing.T) {
	_ = logging.Logger("tocsin/logs-b")
	run(t, func(b *Book) {
		set, err := b.Set("tocsin/logs*", "debug", time.Minute)
		if err != nil || len(set) < 2 {
			t.Fatalf("a prefix sets %+v, %v", set, err)
		}
		if _, err := b.Set("tocsin/logs", "error", time.Hour); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if l := levelOf(b, "tocsin/logs"); l.Level != "error" || l.Before != "info" {
			t.Errorf("set anew: %+v", l)
		}
		if l := levelOf(b, "tocsin/logs-b"); l.Level != "info" {
			t.Errorf("the other did not go back: %+v", l)
		}
		if _, err := b.Set("swarm2", "debug", time.Minute); err != nil {
			t.Error("libp2p's subsystems are not known before their first line:", err)
		}
		b.Reset()
		for _, l := range b.Levels() {
			if !l.Until.IsZero() || l.Before != "" || l.Level != "info" && l.Level != "error" {
				t.Errorf("after the reset: %+v", l)
			}
		}
	})
}

func TestSetRefuses(t *testing.T) {
	b := New("info")
	for _, c := range []struct {
		match, level string
		d            time.Duration
		want         reason.Code
	}{
		{"tocsin/logs", "debug", MaxFor, ""},
		{"tocsin/logs", "debug", MaxFor + 1, reason.UsageInvalid},
		{"tocsin/logs", "debug", 0, reason.UsageInvalid},
		{"tocsin/logs", "debug", -time.Second, reason.UsageInvalid},
		{"tocsin/logs", "fatal", time.Minute, reason.UsageInvalid},
		{"tocsin/logs", "", time.Minute, reason.UsageInvalid},
		{"tocsin/nonsense", "debug", time.Minute, reason.NotFound},
		{"nonsense*", "debug", time.Minute, reason.NotFound},
		{"", "debug", time.Minute, reason.NotFound},
		{"p2p-config", "debug", time.Minute, reason.NotFound}, // silenced on purpose
	} {
		_, err := b.Set(c.match, c.level, c.d)
		if reason.Of(err) != c.want || err != nil && c.want == "" {
			t.Errorf("%q=%q for %v: %v, want %q", c.match, c.level, c.d, err, c.want)
		}
	}
	b.Reset()
}

// What is kept is bounded by age and by size, newest last; a line that is too long is cut, and the next one is whole.
func TestKept(t *testing.T) {
	var k kept
	t0 := time.Now()
	k.add(t0, []byte("old\n"))
	k.add(t0.Add(time.Second), []byte("young\n"))
	if got := string(k.recent(t0.Add(Keep))); got != "old\nyoung\n" {
		t.Errorf("after %v: %q", Keep, got)
	}
	if got := string(k.recent(t0.Add(Keep + 1))); got != "young\n" {
		t.Errorf("a moment later: %q", got)
	}
	long := strings.Repeat("x", 1<<20)
	for i := range 8 {
		k.add(t0.Add(time.Minute), []byte(fmt.Sprint(i)+long))
	}
	got := k.recent(t0.Add(time.Minute))
	if len(got) > MaxKept || len(got) < MaxKept/2 || !bytes.Contains(got, []byte("7x")) || bytes.Contains(got, []byte("0x")) {
		t.Errorf("%d bytes are kept", len(got))
	}

	var cut kept
	cut.read(strings.NewReader(strings.Repeat("a", 3*maxLine) + "\nshort\n\nlast"))
	lines := strings.Split(strings.TrimSuffix(string(cut.recent(time.Now())), "\n"), "\n")
	if len(lines) != 4 || len(lines[0]) != maxLine || lines[1] != "short" || lines[2] != "" || lines[3] != "last" {
		t.Errorf("%d lines, the first of %d bytes, then %q", len(lines), len(lines[0]), lines[1:])
	}
}
