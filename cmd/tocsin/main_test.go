package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"tocsin/node/admin/api"
)

// TestMain lets the scripts run the real program as the command "tocsin", and
// other tests start this very binary as a process of its own.
func TestMain(m *testing.M) {
	if os.Getenv(asTocsin) != "" {
		os.Exit(mainExitCode())
	}
	testscript.Main(m, map[string]func(){
		"tocsin": func() { os.Exit(mainExitCode()) },
	})
}

// TestScript runs one script per command; they are the command line's manual.
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "await": await, "jsonenv": jsonenv, "same": same, "eventually": untilPrinted, "expand": expand, "zipped": zipped,
		},
		Setup: func(e *testscript.Env) error {
			// A script sees no node of the machine it runs on, and a socket path fits.
			e.Setenv("TOCSIN_DATA", "")
			e.Setenv("XDG_RUNTIME_DIR", e.WorkDir)
			e.Setenv("XDG_CONFIG_HOME", e.WorkDir+"/config")
			e.Setenv("XDG_DATA_HOME", e.WorkDir+"/data")
			e.Setenv("NO_COLOR", "1")
			e.Setenv("SOON", time.Now().AddDate(0, 0, 100).UTC().Format(time.DateOnly))
			return nil
		},
	})
}

// exits CODE COMMAND... runs a command that must end with an exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	if neg || err != nil {
		ts.Fatalf("usage: exits CODE COMMAND...")
	}
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("%s ended with exit code %d, want %d", strings.Join(args[1:], " "), got, want)
	}
}

// jsonenv VARIABLE PATH sets a variable to a value of the last command's JSON
// answer; PATH is keys and list positions with dots between.
func jsonenv(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: jsonenv VARIABLE PATH")
	}
	var v any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &v))
	for key := range strings.SplitSeq(args[1], ".") {
		switch at := v.(type) {
		case map[string]any:
			v = at[key]
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i >= len(at) {
				ts.Fatalf("no %s in a list of %d", key, len(at))
			}
			v = at[i]
		default:
			v = nil
		}
	}
	if v == nil {
		ts.Fatalf("no %s in %s", args[1], ts.ReadFile("stdout"))
	}
	ts.Setenv(args[0], fmt.Sprint(v))
}

// await DIR [FIELD VALUE] waits until the node in a folder runs, and until a field of
// its status has a value.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 && len(args) != 3 {
		ts.Fatalf("usage: await DIR [FIELD VALUE]")
	}
	c := api.NewClient(ts.MkAbs(args[0]) + "/admin.sock")
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	last := "no answer"
	for ctx.Err() == nil {
		if s, err := c.Status(ctx); err == nil && s.State == api.StateRunning {
			raw, err := json.Marshal(s)
			ts.Check(err)
			var fields map[string]any
			ts.Check(json.Unmarshal(raw, &fields))
			if len(args) == 1 || fmt.Sprint(fields[args[1]]) == args[2] {
				return
			}
			last = string(raw)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	ts.Fatalf("await %s: %s", strings.Join(args, " "), last)
}

// untilPrinted is the command "eventually PATTERN COMMAND...": it runs a command until its output matches, for what another node has
// yet to hear of.
func untilPrinted(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: eventually PATTERN COMMAND...")
	}
	want, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for ctx.Err() == nil {
		if err := ts.Exec(args[1], args[2:]...); err == nil && want.MatchString(ts.ReadFile("stdout")) {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	ts.Fatalf("%s never printed %s, but\n%s%s", strings.Join(args[1:], " "), args[0], ts.ReadFile("stdout"), ts.ReadFile("stderr"))
}

// expand FILE... puts the values of variables into files.
func expand(ts *testscript.TestScript, neg bool, args []string) {
	for _, name := range args {
		path := ts.MkAbs(name)
		ts.Check(os.WriteFile(path, []byte(os.Expand(ts.ReadFile(name), ts.Getenv)), 0o600))
	}
}

// same FILE1 FILE2 holds two files against each other byte for byte, but for the last
// end of line, which a file in a script always has.
func same(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: same FILE1 FILE2")
	}
	if a, b := ts.ReadFile(args[0]), ts.ReadFile(args[1]); a != strings.TrimSuffix(b, "\n") {
		ts.Fatalf("%s and %s differ:\n%q\n%q", args[0], args[1], a, b)
	}
}
