package stix

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"tocsin/protocol/reason"
)

// TestParse takes from an object what a node indexes, and leaves the bytes as
// they came. OBJ-09
func TestParse(t *testing.T) {
	raw := []byte(" \n" + sampleIndicator + "\t")
	o, err := Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	if string(o.Raw) != " \n"+sampleIndicator+"\t" || &o.Raw[0] != &raw[0] {
		t.Error("the raw bytes are not those that came")
	}
	at := time.Date(2024, 1, 26, 21, 28, 21, 13_000_000, time.UTC)
	want := &Object{
		Raw: raw, ID: "indicator--05b7c427-1452-437e-a19e-32590edf60c3", Type: "indicator",
		CreatedByRef: "identity--c78cb6e5-0c4b-4611-8297-d1b8b55e40b5", Created: at, Modified: at,
		Confidence: 80, Name: "bad.example", Labels: []string{`rsit:malicious-code="c2-server"`},
		MarkingRefs: []string{"marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb"},
		Refs:        []string{"identity--c78cb6e5-0c4b-4611-8297-d1b8b55e40b5"},
		Indicator: &Indicator{
			Pattern: "[domain-name:value = 'bad.example']", PatternType: "stix", Types: []string{"malicious-activity"},
			ValidFrom: at.Add(288 * time.Microsecond), ValidUntil: at.Add(288*time.Microsecond + 366*24*time.Hour),
		},
	}
	if !reflect.DeepEqual(o, want) {
		t.Errorf("parsed\n%+v\n%+v\nwant\n%+v\n%+v", o, o.Indicator, want, want.Indicator)
	}
}

func TestParseOthers(t *testing.T) {
	o, err := Parse(scoOf("network-traffic", fields{"protocols": []string{"tcp"}, "src_ref": ref("ipv4-addr"), "dst_port": 443,
		"confidence": 500, "revoked": true, "labels": "no list", "extensions": fields{"http-request-ext": fields{
			"request_method": "get", "request_value": "/", "message_body_data_ref": ref("artifact")}}}).json(t))
	if err != nil {
		t.Fatal(err)
	}
	if o.Observable["dst_port"] != json.Number("443") || !reflect.DeepEqual(o.Observable["protocols"], []any{"tcp"}) {
		t.Errorf("observable %v", o.Observable)
	}
	if o.Revoked || o.Confidence != -1 || o.Labels != nil || !o.Created.IsZero() || o.Indicator != nil {
		t.Errorf("an observable has %+v", o)
	}
	if got := strings.Join(o.Refs, " "); !strings.Contains(got, ref("ipv4-addr")) || !strings.Contains(got, ref("artifact")) || len(o.Refs) != 2 {
		t.Errorf("references %v", o.Refs)
	}

	o, err = Parse(sdoOf("tool", fields{"name": "N", "revoked": true, "lang": "de", "confidence": 0}).json(t))
	if err != nil {
		t.Fatal(err)
	}
	if !o.Revoked || o.Lang != "de" || o.Confidence != 0 || o.Observable != nil {
		t.Errorf("tool %+v", o)
	}

	escaped := strings.NewReplacer(`"id"`, `"\u0069d"`, `"indicator"`, `"\u0069ndicator"`, `"pattern"`, `"\u0070attern"`).Replace(sampleIndicator)
	if o, err = Parse([]byte(escaped)); err != nil || o.Indicator == nil || o.Indicator.Pattern == "" {
		t.Errorf("an object in escapes: %+v, %v", o, err)
	}

	o, err = Parse(sdoOf("marking-definition", fields{"modified": "not a time", "definition_type": "statement", "definition": fields{"statement": "s"},
		"confidence": "high", "labels": 7, "lang": 7}).json(t))
	if err != nil || !o.Modified.IsZero() || o.Confidence != -1 || o.Labels != nil {
		t.Errorf("properties that the type does not have: %+v, %v", o, err)
	}
}

// TestPercent: a confidence that the type does not have may be any number.
func TestPercent(t *testing.T) {
	for n, want := range map[int]int{0: 0, 100: 100, 101: -1, -1: -1} {
		o, err := Parse(minimal()["marking-definition"].with(fields{"confidence": n}).json(t))
		if err != nil || o.Confidence != want {
			t.Errorf("confidence %d: %+v, %v", n, o, err)
		}
	}
}

// TestParseRefuses names the object, the property and how much more is wrong.
func TestParseRefuses(t *testing.T) {
	for _, c := range []struct {
		in   string
		code reason.Code
		text string
	}{
		{`{}`, reason.STIXRule, "parse a STIX object: type: every object has a type"},
		{`[]`, reason.STIXFormat, "JSON object"},
		{`7`, reason.STIXFormat, "JSON object"},
		{`{"type":"tool"`, reason.JSONSyntax, "byte 14"},
		{string(sdoOf("tool", fields{"name": 1, "labels": 2, "revoked": 3}).json(t)), reason.STIXRule, "parse " + ref("tool") + ": "},
		{string(sdoOf("tool", fields{"name": 1, "labels": 2, "revoked": 3}).json(t)), reason.STIXRule, "(and 2 more)"},
		{string(sdoOf("tool", fields{"name": 1, "granular_markings": []fields{{"selectors": []string{"x"}, "lang": "de"}}}).json(t)), reason.STIXMarking, "selects nothing"},
		{"{\"type\":\"tool\",\"id\":\"\\u001b[31m\"}", reason.STIXRule, `\x1b[31m`},
	} {
		_, err := Parse([]byte(c.in))
		if reason.Of(err) != c.code || !strings.Contains(err.Error(), c.text) || strings.Contains(err.Error(), "\x1b") {
			t.Errorf("Parse(%s) = %v, want %s and %q", c.in, err, c.code, c.text)
		}
	}
	if f, err := Check([]byte("{")); f != nil || reason.Of(err) != reason.JSONSyntax {
		t.Errorf("Check of no JSON = %v, %v", f, err)
	}
}

// FuzzParse: nothing panics, what parses has a sound id and no finding that
// breaks a MUST, and is read again the same.
func FuzzParse(f *testing.F) {
	f.Add([]byte(sampleIndicator))
	for _, o := range minimal() {
		f.Add(o.json(f))
	}
	for id := range fixed {
		f.Add(definition(id).json(f))
	}
	f.Add(sdoOf("tool", fields{"granular_markings": []fields{{"selectors": []string{"labels.[0]", "id"}, "lang": "de"}}}).json(f))
	f.Fuzz(func(t *testing.T, raw []byte) {
		before := string(raw)
		o, err := Parse(raw)
		found, checked := Check(raw)
		broken := false
		for _, one := range found {
			broken = broken || one.Must
		}
		if (err == nil) != (checked == nil && !broken) {
			t.Fatalf("Parse = %v, Check = %v, %v", err, found, checked)
		}
		if err != nil {
			if code := reason.Of(err); !strings.HasPrefix(string(code), "json.") && !strings.HasPrefix(string(code), "stix.") {
				t.Fatalf("refused with code %q", code)
			}
			return
		}
		if !strings.HasPrefix(o.ID, o.Type+"--") || o.Confidence < -1 || o.Confidence > 100 || string(o.Raw) != before {
			t.Fatalf("parsed as %+v", o)
		}
		if again, err := Parse([]byte(before)); err != nil || !reflect.DeepEqual(again, o) {
			t.Fatalf("read again as %+v, %v", again, err)
		}
		TLPDefinition(o)
		DeterministicID(raw)
	})
}
