package main

import (
	"bytes"
	"strings"
	"testing"

	"tocsin/node/evidence"
)

// A pack that holds is shown with its sheet; of one that fails the failure stands first and the sheet nowhere. Both end with the verdict.
func TestPackForPeople(t *testing.T) {
	sheet := "Object     indicator--1\x1b[2J\n"
	sound, bad := evidence.Step{Name: "contents", OK: true, Text: "fine"}, evidence.Step{Name: "cover sheet", Text: "it was changed"}
	show := func(r evidence.Report) []string {
		var out bytes.Buffer
		(&globals{}).showPack(&out, r)
		if strings.Contains(out.String(), "\x1b") {
			t.Errorf("%q", out.String())
		}
		return strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	}
	lines := show(evidence.Report{OK: true, Cover: sheet, Steps: []evidence.Step{sound}, Found: evidence.Found{Witnesses: make([]evidence.Testimony, 2)}})
	if !strings.HasPrefix(lines[0], "Object") || lines[len(lines)-1] != "VERDICT: the pack holds, 1 step checked; 2 other organisations witnessed when it was seen." {
		t.Errorf("a sound pack: %q", lines)
	}
	lines = show(evidence.Report{Cover: sheet, Steps: []evidence.Step{sound, bad}})
	if lines[0] != "FAILED  cover sheet: it was changed" || strings.Contains(strings.Join(lines, ""), "indicator--1") ||
		lines[len(lines)-1] != "VERDICT: THE PACK FAILS, 1 of 2 steps failed. Do not rely on it." {
		t.Errorf("a forged pack: %q", lines)
	}
}
