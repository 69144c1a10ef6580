package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"tocsin/protocol/pattern"
	"tocsin/protocol/reason"
	"tocsin/protocol/stix"
)

// maxDebugLine bounds one document on stdin. It is above every limit that the
// documents themselves are held to, so that those get to speak.
const maxDebugLine = 32 << 20

func newDebugCommand(g *globals) *cobra.Command {
	c := &cobra.Command{
		Use:   "debug",
		Short: "Look into a node that does not do what it should, and judge documents",
		Long: `Look into a node that does not do what it should (bugreport, log-level), and judge documents from stdin, so
that the test vectors of other programs can be run (stix, pattern, sco-id, canonical, recon).`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("unknown command %q for \"tocsin debug\"", args[0])
			}
			return nil
		},
		RunE: func(*cobra.Command, []string) error {
			return usagef("debug: give one of bugreport, log-level, stix, pattern, sco-id, canonical, recon")
		},
	}
	var whole bool
	add := func(use, short, long string, judge func([]byte) any) {
		sub := &cobra.Command{
			Use: use, Short: short, Long: long + judging, Args: cobra.NoArgs,
			RunE: func(*cobra.Command, []string) error { return g.judge(whole, judge) },
		}
		sub.Flags().BoolVar(&whole, "whole", false, "stdin is one document, on any number of lines")
		c.AddCommand(sub)
	}
	add("stix", "Check STIX objects against the standard",
		`Each line is a STIX 2.1 object, or a bundle, whose objects are then checked. The verdict is
{"ok", "must", "should"}: what breaks a MUST, and what departs from a SHOULD.`, judgeSTIX)
	add("pattern", "Check STIX patterns and match them against observations",
		`Each line is {"pattern": "...", "objects": [observed-data ...]}. The verdict is {"ok", "match",
"error"}: whether the pattern is valid, and whether it matches; null is "not evaluated here",
and error says why.`, judgePattern)
	add("sco-id", "Compute the deterministic id of cyber-observables",
		`Each line is a cyber-observable object. The verdict is {"id"}, or {"error"}.`, judgeID)
	add("canonical", "Write JSON in its canonical form (RFC 8785)",
		`Each line is a JSON document. The verdict is {"canonical", "sha256"}, or {"error"}.`, judgeCanonical)
	c.AddCommand(newDebugReconCommand(g), newDebugLogLevelCommand(g), newDebugBugreportCommand(g))
	return c
}

// judging is what the help of every judge says.
const judging = `

Each line of stdin is one JSON document and gives one line with a JSON verdict, whatever -o says; a line that is no
JSON gets its verdict too. No node is asked. The exit code is 0 as long as stdin can be read.`

// judge gives one verdict for every line of stdin.
func (g *globals) judge(whole bool, judge func([]byte) any) error {
	in := bufio.NewReaderSize(g.stdin, 64<<10)
	for {
		line, err := readDocument(in, whole)
		if err == io.EOF {
			return nil
		}
		var verdict any
		switch {
		case errors.Is(err, errLong):
			verdict = failure{Error: err.Error()}
		case err != nil:
			return fmt.Errorf("read stdin: %w", err)
		default:
			verdict = judge(line)
		}
		if err := writeJSON(g.out, verdict); err != nil {
			return fmt.Errorf("write the verdict: %w", err)
		}
	}
}

// errLong is the verdict on a document that is too long to be read.
var errLong = fmt.Errorf("the document has more than %d bytes", maxDebugLine)

// readDocument reads one line without its end, or all there is. A document that is
// too long is passed over and gives errLong; io.EOF means that there is none.
func readDocument(in *bufio.Reader, whole bool) ([]byte, error) {
	var doc []byte
	read, long := false, false
	for {
		part, err := in.ReadSlice('\n')
		read = read || len(part) > 0
		end := err == nil && !whole
		if end {
			part = part[:len(part)-1]
		}
		if long = long || len(doc)+len(part) > maxDebugLine; long {
			doc = nil
		} else {
			doc = append(doc, part...)
		}
		switch {
		case err == io.EOF && !read:
			return nil, io.EOF
		case end, err == io.EOF:
			if long {
				return nil, errLong
			}
			return doc, nil
		case err != nil && err != bufio.ErrBufferFull:
			return nil, err
		}
	}
}

// failure is the verdict on what cannot be judged.
type failure struct {
	OK    bool   `json:"ok"`
	Error string `json:"error"`
	Code  string `json:"code,omitempty"`
}

func fail(err error) failure { return failure{Error: err.Error(), Code: string(reason.Of(err))} }

// stixVerdict is the verdict of debug stix.
type stixVerdict struct {
	OK     bool     `json:"ok"`
	Must   []string `json:"must"`
	Should []string `json:"should"`
}

func judgeSTIX(raw []byte) any {
	v := stixVerdict{Must: []string{}, Should: []string{}}
	var wrapper struct {
		Type    string            `json:"type"`
		Objects []json.RawMessage `json:"objects"`
	}
	if err := stix.Scan(raw); err != nil {
		v.Must = append(v.Must, err.Error())
		return v
	}
	if err := json.Unmarshal(raw, &wrapper); err == nil && wrapper.Type == "bundle" {
		for i, o := range wrapper.Objects {
			v.check(fmt.Sprintf("objects[%d].", i), o)
		}
	} else {
		v.check("", raw)
	}
	v.OK = len(v.Must) == 0
	return v
}

// check adds the findings of one object, its pattern included.
func (v *stixVerdict) check(prefix string, raw []byte) {
	found, err := stix.Check(raw)
	if err != nil {
		v.Must = append(v.Must, prefix+err.Error())
		return
	}
	for _, f := range found {
		text := prefix + f.Path + ": " + f.Text
		if f.Must {
			v.Must = append(v.Must, text)
		} else {
			v.Should = append(v.Should, text)
		}
	}
	var indicator struct {
		Type, Pattern string
		Language      string `json:"pattern_type"`
	}
	if json.Unmarshal(raw, &indicator) != nil || indicator.Type != "indicator" || indicator.Language != "stix" || indicator.Pattern == "" {
		return
	}
	for _, text := range patternFaults(indicator.Pattern) {
		v.Must = append(v.Must, prefix+"pattern: "+text)
	}
}

// patternFaults lists what is wrong with a pattern.
func patternFaults(src string) []string {
	p, err := pattern.Parse(src)
	if err != nil {
		return []string{err.Error()}
	}
	return p.Findings()
}

// patternVerdict is the verdict of debug pattern. Match is null when there is
// nothing to match against, or when it is not evaluated here.
type patternVerdict struct {
	OK    bool    `json:"ok"`
	Match *bool   `json:"match"`
	Error *string `json:"error"`
}

// because gives the verdict its reason; the first one stays.
func (v patternVerdict) because(why string) patternVerdict {
	if v.Error == nil {
		v.Error = &why
	}
	return v
}

func judgePattern(raw []byte) any {
	var line struct {
		Pattern *string           `json:"pattern"`
		Objects []json.RawMessage `json:"objects"`
	}
	if err := json.Unmarshal(raw, &line); err != nil {
		return patternVerdict{}.because("read the line: " + err.Error())
	}
	if line.Pattern == nil {
		return patternVerdict{}.because("the line has no pattern")
	}
	p, err := pattern.Parse(*line.Pattern)
	if err != nil {
		return patternVerdict{}.because(err.Error())
	}
	v := patternVerdict{OK: len(p.Findings()) == 0}
	if !v.OK {
		v = v.because(p.Findings()[0])
	}
	if line.Objects == nil {
		return v
	}
	result, why := p.Match(line.Objects)
	if result == pattern.Unknown {
		return v.because(why)
	}
	matched := result == pattern.Match
	v.Match = &matched
	return v
}

func judgeID(raw []byte) any {
	id, err := stix.DeterministicID(raw)
	if err != nil {
		return fail(err)
	}
	return struct {
		ID string `json:"id"`
	}{id}
}

func judgeCanonical(raw []byte) any {
	canonical, err := stix.Canonical(raw)
	if err != nil {
		return fail(err)
	}
	sum := sha256.Sum256(canonical)
	return struct {
		Canonical string `json:"canonical"`
		SHA256    string `json:"sha256"`
	}{string(canonical), hex.EncodeToString(sum[:])}
}
