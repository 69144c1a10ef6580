package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// lines runs a debug command and gives its verdicts.
func lines(t *testing.T, in string, args ...string) (verdicts []map[string]any) {
	t.Helper()
	exit, out, errs := capture(t, strings.NewReader(in), append([]string{"debug"}, args...)...)
	if exit != exitDone || errs != "" {
		t.Fatalf("debug %v: exit %d, stderr %s", args, exit, errs)
	}
	for line := range bytes.Lines(out) {
		var v map[string]any
		if err := json.Unmarshal(line, &v); err != nil {
			t.Fatalf("debug %v: verdict %q: %v", args, line, err)
		}
		verdicts = append(verdicts, v)
	}
	return verdicts
}

const soundIndicator = `{"type":"indicator","spec_version":"2.1","id":"indicator--11111111-1111-4111-8111-111111111111",` +
	`"created":"2026-01-01T00:00:00.000Z","modified":"2026-01-01T00:00:00.000Z","valid_from":"2026-01-01T00:00:00Z",` +
	`"indicator_types":["malicious-activity"],"name":"n","description":"d","pattern":"[a:b=1]","pattern_type":"stix"}`

func TestDebugSTIX(t *testing.T) {
	broken := strings.Replace(soundIndicator, "[a:b=1]", "[a:b=]", 1)
	short := strings.Replace(soundIndicator, "[a:b=1]", "[file:hashes.MD5='f00']", 1)
	foreign := strings.Replace(broken, `"pattern_type":"stix"`, `"pattern_type":"yara"`, 1)
	for _, c := range []struct {
		in   string
		ok   bool
		must string
	}{
		{soundIndicator, true, ""},
		{broken, false, "pattern: read pattern: column 6"},
		{short, false, "pattern: \"f00\" is not a MD5 hash"},
		{foreign, true, ""},
		{`{"type":"bundle","id":"bundle--11111111-1111-4111-8111-111111111111","objects":[` + soundIndicator + `]}`, true, ""},
		{`{"type":"bundle","objects":[` + soundIndicator + `,` + broken + `]}`, false, "objects[1].pattern: "},
		{`{"type":"bundle","objects":[5]}`, false, "objects[0]."},
		{`{"type":"indicator"}`, false, "id"},
		{`no JSON`, false, "read JSON"},
		{``, false, "read JSON"},
		{`{"a":1,"a":2}`, false, "[json.duplicate]"},
		{strings.Repeat("[", 20000), false, "[json.depth]"},
	} {
		verdicts := lines(t, c.in+"\n"+soundIndicator+"\n", "stix")
		if len(verdicts) != 2 || verdicts[1]["ok"] != true {
			t.Fatalf("%.80s: verdicts %v, want one for each line", c.in, verdicts)
		}
		must, isList := verdicts[0]["must"].([]any)
		if _, alsoList := verdicts[0]["should"].([]any); !isList || !alsoList {
			t.Errorf("%.80s: must or should is no list: %v", c.in, verdicts[0])
		}
		text, _ := json.Marshal(must)
		if verdicts[0]["ok"] != c.ok || (len(must) == 0) != c.ok || !strings.Contains(strings.ReplaceAll(string(text), `\"`, `"`), c.must) {
			t.Errorf("%.80s: %v, want ok %v and %q", c.in, verdicts[0], c.ok, c.must)
		}
	}
}

func TestDebugPattern(t *testing.T) {
	seen := `[{"type":"observed-data","number_observed":1,"first_observed":"2026-01-01T00:00:00Z","last_observed":"2026-01-01T00:00:00Z",` +
		`"objects":{"0":{"type":"file","name":"x","size":5}}}]`
	for _, c := range []struct {
		in    string
		ok    bool
		match any
		why   string
	}{
		{`{"pattern":"[file:name='x']","objects":` + seen + `}`, true, true, ""},
		{`{"pattern":"[file:name='y']","objects":` + seen + `}`, true, false, ""},
		{`{"pattern":"[file:name MATCHES '(?=x)']","objects":` + seen + `}`, true, nil, "RE2"},
		{`{"pattern":"[file:name='x'] REPEATS 1 TIMES REPEATS 1 TIMES","objects":` + seen + `}`, false, true, "twice"},
		{`{"pattern":"[file:name='x']"}`, true, nil, ""},
		{`{"pattern":"[file:name='x']","objects":[]}`, true, false, ""},
		{`{"pattern":"[file:name='x'","objects":` + seen + `}`, false, nil, "column 15"},
		{`{"objects":` + seen + `}`, false, nil, "no pattern"},
		{`{"pattern":5}`, false, nil, "read the line"},
		{`{"pattern":"[file:name='x']","objects":{}}`, false, nil, "read the line"},
		{`{"pattern":"[file:name='x']","objects":[5]}`, true, nil, "not a JSON object"},
		{`[]`, false, nil, "read the line"},
		{`junk`, false, nil, "read the line"},
	} {
		v := lines(t, c.in, "pattern")[0]
		why, _ := v["error"].(string)
		if _, has := v["error"]; !has || v["ok"] != c.ok || v["match"] != c.match || !strings.Contains(why, c.why) || (why == "") != (c.why == "") {
			t.Errorf("%s: %v, want ok %v, match %v, error %q", c.in, v, c.ok, c.match, c.why)
		}
	}
}

func TestDebugIDAndCanonical(t *testing.T) {
	ids := lines(t, `{"type":"domain-name","value":"example.com"}`+"\n"+`{"type":"process","pid":1}`+"\njunk\n", "sco-id")
	if len(ids) != 3 || ids[0]["id"] != "domain-name--bedb4899-d24b-5401-bc86-8f6b4cc18ec7" || ids[1]["error"] == nil || ids[2]["code"] != "json.syntax" {
		t.Errorf("ids: %v", ids)
	}
	forms := lines(t, `{"b":2,"a":"\u00e9"}`+"\n"+`{"a":1,"a":1}`+"\n"+`{"a":12345678901234567890}`+"\n[3, 2, 1e0]", "canonical")
	if len(forms) != 4 || forms[0]["canonical"] != `{"a":"é","b":2}` || forms[1]["code"] != "json.duplicate" || forms[2]["code"] != "json.number" {
		t.Errorf("canonical forms: %v", forms)
	}
	// printf '{"a":"é","b":2}' | sha256sum
	if want := "06c264c46ad5ada9"; len(forms) == 4 && !strings.HasPrefix(forms[0]["sha256"].(string), want) {
		t.Errorf("sha256 %v, want %s...", forms[0]["sha256"], want)
	}
	if whole := lines(t, "{\n\"a\":\n1}\n", "canonical", "--whole"); len(whole) != 1 || whole[0]["canonical"] != `{"a":1}` {
		t.Errorf("--whole: %v", whole)
	}
}

// A line at the limit is judged; one above it gets a verdict and the next line is read.
func TestDebugLongLines(t *testing.T) {
	line := func(n int) string { return `"` + strings.Repeat("x", n-2) + `"` }
	verdicts := lines(t, line(maxDebugLine)+"\n"+line(maxDebugLine+1)+"\n{}", "canonical")
	if len(verdicts) != 3 {
		t.Fatalf("%d verdicts, want 3", len(verdicts))
	}
	if verdicts[0]["code"] == nil || verdicts[1]["code"] != nil || !strings.Contains(verdicts[1]["error"].(string), "more than") || verdicts[2]["canonical"] != "{}" {
		t.Errorf("verdicts %v", verdicts)
	}
	if none := lines(t, "", "stix", "--whole"); len(none) != 0 {
		t.Errorf("nothing gave %v", none)
	}
}
