package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"tocsin/protocol/reason"
)

func TestOperands(t *testing.T) {
	for use, want := range map[string][2]string{
		"version":                              {"", ""},
		"show ID":                              {"ID", "ID"},
		"search [QUERY]":                       {"", "QUERY"},
		"publish --topic TOPIC FILE|-":         {"FILE|-", "FILE|-"},
		"init --name NAME --country CC":        {"", ""},
		"add ORG --petname NAME --level LEVEL": {"ORG", "ORG"},
	} {
		needed, all := operands(use)
		if strings.Join(needed, " ") != want[0] || strings.Join(all, " ") != want[1] {
			t.Errorf("operands(%q) = %q, %q", use, needed, all)
		}
	}
}

// What stands on the command line is refused in words, not in those of a library, and
// the remedy names the command.
func TestUsageErrorsArePlain(t *testing.T) {
	isolate(t)
	for line, want := range map[string][2]string{
		"show":                    {"tocsin show: ID is missing", "tocsin help show"},
		"trust show":              {"tocsin trust show: ORG is missing", "tocsin help trust show"},
		"publish --topic fraud":   {"tocsin publish: FILE|- is missing", "tocsin help publish"},
		"search a b":              {`tocsin search: \"b\" is one argument too many`, "tocsin help search"},
		"status now":              {`tocsin status: \"now\" is one argument too many`, "tocsin help status"},
		"search --limit x":        {`--limit \"x\": want a whole number`, "tocsin help search"},
		"search --limit -3":       {"--limit -3: want 1 to 1000", "tocsin help search"},
		"search --limit 1001":     {"--limit 1001: want 1 to 1000", "tocsin help search"},
		"check --min-score 200 a": {"--min-score 200: want 0 to 100", "tocsin help check"},
		"check --min-score -1 a":  {"--min-score -1: want 0 to 100", "tocsin help check"},
		"status --timeout x":      {`--timeout \"x\": want a span such as 90s`, "tocsin help status"},
		"tail --after -1":         {`--after \"-1\": want a whole number from 0 on`, "tocsin help tail"},
		"ui --role owner":         {"--role owner: the owner acts at the socket only; want viewer, analyst or operator", "tocsin help ui"},
		"ui --role root":          {`--role \"root\": want viewer, analyst or operator`, "tocsin help ui"},
		"token create x":          {"--role is missing: want viewer, analyst or operator", "tocsin help token create"},
		"token create x --role a": {`--role \"a\": want viewer, analyst or operator`, "tocsin help token create"},
		"tail --tlp pink":         {`--tlp \"pink\": want clear, green, amber, amber+strict or red`, "tocsin help tail"},
		"reasons --lang de":       {`--lang \"de\": the texts are there in en, fr, es, ar, zh and ru`, "tocsin help reasons"},
		"nonsense":                {`unknown command \"nonsense\"`, "tocsin help"},
	} {
		exit, out, errs := capture(t, strings.NewReader(""), append(strings.Fields(line), "-o", "json")...)
		if exit != exitUsage || len(out) > 0 || !strings.Contains(errs, want[0]) || !strings.Contains(errs, want[1]) ||
			strings.Contains(errs, "strconv") || strings.Contains(errs, "arg(s)") {
			t.Errorf("%s: exit %d, stderr %s", line, exit, errs)
		}
	}
}

// An empty value is a slip of the shell, not a question.
func TestEmptyValue(t *testing.T) {
	isolate(t)
	for _, args := range [][]string{{"check", ""}, {"check", "192.0.2.1", " "}} {
		if exit, _, errs := capture(t, strings.NewReader(""), args...); exit != exitUsage || !strings.Contains(errs, "empty") {
			t.Errorf("%q: exit %d, stderr %s", args, exit, errs)
		}
	}
}

// --help is the same as help, in JSON too.
func TestHelpFlagIsHelp(t *testing.T) {
	isolate(t)
	for _, line := range []string{"check", "trust add", "version", ""} {
		for _, format := range []string{"json", "jsonl", "text"} {
			words := strings.Fields(line)
			_, want, _ := capture(t, strings.NewReader(""), append(append([]string{"help"}, words...), "-o", format)...)
			exit, got, errs := capture(t, strings.NewReader(""), append(slices.Clone(words), "--help", "-o", format)...)
			if exit != exitDone || errs != "" || !bytes.Equal(got, want) || len(got) == 0 {
				t.Errorf("%q --help -o %s: exit %d, stderr %s\n%s\nwant\n%s", line, format, exit, errs, got, want)
			}
			if format != "text" && countJSON(t, got) != 1 {
				t.Errorf("%q --help -o %s is no JSON value: %s", line, format, got)
			}
		}
	}
}

// failing is a stdout that fails after some bytes.
type failing struct {
	room int
	err  error
}

func (f *failing) Write(p []byte) (int, error) {
	n := min(f.room, len(p))
	f.room -= n
	if n < len(p) {
		return n, f.err
	}
	return n, nil
}

// An answer that is lost is a failure, whoever printed it; a reader who has enough is none.
func TestLostOutput(t *testing.T) {
	isolate(t)
	for _, line := range []string{
		"version", "version -o json", "config show", "config show -o jsonl", "reasons", "help check", "check --help", "check --help -o json", "completion bash",
	} {
		for _, room := range []int{0, 20} {
			var errs bytes.Buffer
			out := &failing{room, syscall.ENOSPC}
			exit := run(context.Background(), strings.Fields(line), streams{in: strings.NewReader(""), out: out, err: &errs})
			if exit != exitFailed || !strings.Contains(errs.String(), "output.lost") || strings.Contains(errs.String(), "internal") {
				t.Errorf("%s on a full disk after %d bytes: exit %d, stderr %s", line, room, exit, errs.String())
			}
			errs.Reset()
			out = &failing{room, syscall.EPIPE}
			if exit := run(context.Background(), strings.Fields(line), streams{in: strings.NewReader(""), out: out, err: &errs}); exit != exitDone || errs.Len() > 0 {
				t.Errorf("%s into a closed pipe: exit %d, stderr %s", line, exit, errs.String())
			}
		}
	}
	// What went wrong before is said first.
	var errs bytes.Buffer
	exit := run(context.Background(), []string{"verify", "-"}, streams{in: strings.NewReader("junk"), out: &failing{0, syscall.ENOSPC}, err: &errs})
	if exit != exitFailed || !strings.Contains(errs.String(), "output.lost") {
		t.Errorf("verify: exit %d, stderr %s", exit, errs.String())
	}
}

// The same with the real thing.
func TestFullDevice(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("SKIPPED: no /dev/full on this system")
	}
	defer full.Close()
	for _, args := range [][]string{{"version"}, {"version", "-o", "json"}, {"config", "show"}} {
		var errs bytes.Buffer
		c := exec.Command(os.Args[0], append(args, "--data", t.TempDir())...)
		c.Env = append(os.Environ(), asTocsin+"=1")
		c.Stdout, c.Stderr = full, &errs
		exit, ok := errors.AsType[*exec.ExitError](c.Run())
		if !ok || exit.ExitCode() != exitFailed || !strings.Contains(errs.String(), string(reason.OutputLost)) {
			t.Errorf("%q: %v, stderr %s", args, exit, errs.String())
		}
	}
}
