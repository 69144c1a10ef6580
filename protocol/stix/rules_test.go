package stix

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"tocsin/protocol/reason"
)

// minimal is the least that each type needs.
func minimal() map[string]fields {
	named := fields{"name": "N"}
	refs := []string{ref("indicator")}
	all := map[string]fields{
		"grouping":         sdoOf("grouping", fields{"context": "unspecified", "object_refs": refs}),
		"indicator":        sdoOf("indicator", fields{"pattern": "[a:b = 1]", "pattern_type": "stix", "valid_from": early}),
		"location":         sdoOf("location", fields{"country": "de"}),
		"malware":          sdoOf("malware", fields{"is_family": false}),
		"malware-analysis": sdoOf("malware-analysis", fields{"product": "p", "result": "benign"}),
		"note":             sdoOf("note", fields{"content": "c", "object_refs": refs}),
		"observed-data": sdoOf("observed-data", fields{"first_observed": early, "last_observed": early, "number_observed": 1,
			"object_refs": []string{ref("url")}}),
		"opinion":      sdoOf("opinion", fields{"opinion": "agree", "object_refs": refs}),
		"report":       sdoOf("report", fields{"name": "N", "published": early, "object_refs": refs}),
		"relationship": sdoOf("relationship", fields{"relationship_type": "uses", "source_ref": ref("tool"), "target_ref": ref("url")}),
		"sighting":     sdoOf("sighting", fields{"sighting_of_ref": ref("indicator")}),
		"marking-definition": sdoOf("marking-definition", fields{"modified": nil, "definition_type": "statement",
			"definition": fields{"statement": "mine"}}),
		"language-content": sdoOf("language-content", fields{"object_ref": ref("tool"), "contents": fields{"de": fields{"name": "N"}}}),
		"extension-definition": sdoOf("extension-definition", fields{"created_by_ref": ref("identity"), "name": "N", "schema": "s", "version": "1",
			"extension_types": []string{"new-sdo"}}),
		"artifact":             scoOf("artifact", fields{"payload_bin": "AAAA"}),
		"autonomous-system":    scoOf("autonomous-system", fields{"number": 64500}),
		"directory":            scoOf("directory", fields{"path": "/tmp"}),
		"domain-name":          scoOf("domain-name", fields{"value": "bad.example"}),
		"email-addr":           scoOf("email-addr", fields{"value": "a@bad.example"}),
		"email-message":        scoOf("email-message", fields{"is_multipart": false}),
		"file":                 scoOf("file", fields{"name": "f"}),
		"ipv4-addr":            scoOf("ipv4-addr", fields{"value": "192.0.2.1"}),
		"ipv6-addr":            scoOf("ipv6-addr", fields{"value": "2001:db8::1"}),
		"mac-addr":             scoOf("mac-addr", fields{"value": "00:00:5e:00:53:af"}),
		"mutex":                scoOf("mutex", named),
		"network-traffic":      scoOf("network-traffic", fields{"protocols": []string{"tcp"}, "src_ref": ref("ipv4-addr")}),
		"process":              scoOf("process", fields{"pid": 1}),
		"software":             scoOf("software", named),
		"url":                  scoOf("url", fields{"value": "https://bad.example/"}),
		"user-account":         scoOf("user-account", fields{"user_id": "1"}),
		"windows-registry-key": scoOf("windows-registry-key", fields{"key": `HKEY_LOCAL_MACHINE\x`}),
		"x509-certificate":     scoOf("x509-certificate", fields{"serial_number": "1"}),
	}
	for _, typ := range []string{"attack-pattern", "campaign", "course-of-action", "identity", "incident", "infrastructure",
		"intrusion-set", "threat-actor", "tool", "vulnerability"} {
		all[typ] = sdoOf(typ, named)
	}
	return all
}

// TestEveryType takes the least of each type, and then leaves out each
// required property in turn. OBJ-15
func TestEveryType(t *testing.T) {
	all := minimal()
	for typ, r := range rules {
		base, ok := all[typ]
		if !ok {
			t.Errorf("no sample of %s", typ)
			continue
		}
		o, err := Parse(base.json(t))
		if err != nil {
			t.Errorf("least %s: %v", typ, err)
			continue
		}
		if o.Type != typ || (o.Observable != nil) != r.sco || o.Created.IsZero() != r.sco {
			t.Errorf("%s: parsed as %+v", typ, o)
		}
		for _, name := range r.need {
			if _, err := Parse(base.with(fields{name: nil}).json(t)); reason.Of(err) != reason.STIXRule || !strings.Contains(err.Error(), name) {
				t.Errorf("%s without %s: %v", typ, name, err)
			}
		}
		for name := range r.props {
			if _, err := Parse(base.with(fields{name: json.RawMessage("null")}).json(t)); err == nil {
				t.Errorf("%s with %s null is accepted", typ, name)
			}
			if _, err := Parse(base.with(fields{name: []any{}}).json(t)); err == nil {
				t.Errorf("%s with %s empty is accepted", typ, name)
			}
			if _, err := Parse(base.with(fields{name: wrongFor(r.props[name].shape)}).json(t)); err == nil {
				t.Errorf("%s with %s of the wrong type is accepted", typ, name)
			}
		}
	}
	if len(all) != len(rules) || len(rules) != 19+2+18+3 {
		t.Errorf("%d samples for %d types", len(all), len(rules))
	}
}

// wrongFor is a value that no property of a shape may have.
func wrongFor(s shape) any {
	switch s {
	case text, word, stamp, ident, tag, link, hexadecimal, base64:
		return 7
	case dictionary, hashes, record, extras:
		return "x"
	case texts, words, idents, tags, records, granular:
		return []any{7}
	}
	return "7"
}

// rule tables: base object, edit, and the path of the finding that must come
// ("" when the object is sound).
type ruleCase struct {
	name  string
	base  fields
	edit  fields
	path  string
	code  reason.Code // stix.rule unless said
	quiet bool        // accepted, but with advice at path
	whole bool        // refused as a whole: the path is empty
}

func runRules(t *testing.T, cases []ruleCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			raw := c.base.with(c.edit).json(t)
			found, err := Check(raw)
			if err != nil {
				t.Fatal(err)
			}
			at := slices.IndexFunc(found, func(f Finding) bool { return f.Path == c.path && f.Must == !c.quiet })
			_, err = Parse(raw)
			if c.path == "" && !c.whole || c.quiet {
				if err != nil {
					t.Fatalf("Parse = %v", err)
				}
				if c.quiet && at < 0 {
					t.Fatalf("no advice at %s: %v", c.path, found)
				}
				return
			}
			want := c.code
			if want == "" {
				want = reason.STIXRule
			}
			if reason.Of(err) != want {
				t.Fatalf("Parse = %v, want code %s", err, want)
			}
			if at < 0 {
				t.Fatalf("no finding at %s: %v", c.path, found)
			}
		})
	}
}

func TestCommonRules(t *testing.T) {
	tool, ip := sdoOf("tool", fields{"name": "N"}), scoOf("ipv4-addr", fields{"value": "192.0.2.1"})
	null := json.RawMessage("null")
	runRules(t, []ruleCase{
		// OBJ-10
		{"bundle", tool, fields{"type": "bundle", "id": ref("bundle")}, "type", "", false, false},
		{"2.0", tool, fields{"spec_version": "2.0"}, "spec_version", "", false, false},
		{"2.2", tool, fields{"spec_version": "2.2"}, "spec_version", "", false, false},
		{"number for spec_version", tool, fields{"spec_version": 2.1}, "spec_version", "", false, false},
		{"no spec_version", tool, fields{"spec_version": nil}, "spec_version", "", false, false},
		{"observable with spec_version", ip, fields{"spec_version": "2.1"}, "", "", false, false},
		{"observable of 2.0", ip, fields{"spec_version": "2.0"}, "spec_version", "", false, false},
		{"no type", tool, fields{"type": nil}, "type", "", false, false},
		{"number for type", tool, fields{"type": 7}, "type", "", false, false},
		{"no id", tool, fields{"id": nil}, "id", "", false, false},
		{"number for id", tool, fields{"id": 7}, "id", "", false, false},
		// OBJ-11
		{"other prefix", tool, fields{"id": ref("malware")}, "id", "", false, false},
		{"nil uuid", tool, fields{"id": "tool--00000000-0000-0000-0000-000000000000"}, "id", "", false, false},
		{"other variant", tool, fields{"id": "tool--8e2e2d2b-17d4-4cbf-c38f-98ee46b3cd3f"}, "id", "", false, false},
		{"version 9", tool, fields{"id": "tool--8e2e2d2b-17d4-9cbf-938f-98ee46b3cd3f"}, "id", "", false, false},
		{"version 7", tool, fields{"id": "tool--8e2e2d2b-17d4-7cbf-938f-98ee46b3cd3f"}, "id", "", true, false},
		{"upper case", tool, fields{"id": "tool--8E2E2D2B-17D4-4CBF-938F-98EE46B3CD3F"}, "id", "", true, false},
		{"short uuid", tool, fields{"id": "tool--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3"}, "id", "", false, false},
		{"one hyphen", tool, fields{"id": "tool-8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f"}, "id", "", false, false},
		{"no hex", tool, fields{"id": "tool--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3g"}, "id", "", false, false},
		{"reserved type", tool, fields{"type": "action", "id": ref("action")}, "type", "", false, false},
		{"type with underscore", tool, fields{"type": "x_y", "id": ref("x_y")}, "type", "", false, false},
		{"type with two hyphens", tool, fields{"type": "x--y", "id": ref("x--y")}, "type", "", false, false},
		{"type of two letters", tool, fields{"type": "xy", "id": ref("xy")}, "type", "", false, false},
		{"type of 250", tool, fields{"type": strings.Repeat("x", 250), "id": ref(strings.Repeat("x", 250))}, "", "", false, false},
		{"type of 251", tool, fields{"type": strings.Repeat("x", 251), "id": ref(strings.Repeat("x", 251))}, "type", "", false, false},
		// OBJ-12
		{"no fraction", tool, fields{"created": "2019-12-31T00:00:00Z"}, "created", "", true, false},
		{"many digits", tool, fields{"modified": "2020-01-01T00:00:00.1234567890123Z"}, "", "", false, false},
		{"second 60", tool, fields{"created": "2016-12-31T23:59:60.000Z"}, "", "", false, false},
		{"second 61", tool, fields{"created": "2016-12-31T23:59:61.000Z"}, "created", "", false, false},
		{"30 February", tool, fields{"created": "2019-02-30T00:00:00.000Z"}, "created", "", false, false},
		{"29 February of a leap year", tool, fields{"created": "2016-02-29T00:00:00.000Z"}, "", "", false, false},
		{"29 February of 1900", tool, fields{"created": "1900-02-29T00:00:00.000Z"}, "created", "", false, false},
		{"31 April", tool, fields{"created": "2016-04-31T00:00:00.000Z"}, "created", "", false, false},
		{"hour 24", tool, fields{"created": "2016-04-30T24:00:00.000Z"}, "created", "", false, false},
		{"month 13", tool, fields{"created": "2016-13-30T20:00:00.000Z"}, "created", "", false, false},
		{"offset", tool, fields{"created": "2016-04-30T20:00:00.000+00:00"}, "created", "", false, false},
		{"small t", tool, fields{"created": "2016-04-30t20:00:00.000Z"}, "created", "", false, false},
		{"small z", tool, fields{"created": "2016-04-30T20:00:00.000z"}, "created", "", false, false},
		{"no zone", tool, fields{"created": "2016-04-30T20:00:00.000"}, "created", "", false, false},
		{"bare point", tool, fields{"created": "2016-04-30T20:00:00.Z"}, "created", "", false, false},
		{"date only", tool, fields{"created": "2016-04-30"}, "created", "", false, false},
		// OBJ-13
		{"null", tool, fields{"description": null}, "description", "", false, false},
		{"null inside", tool, fields{"x_more": fields{"deep": []any{null}}}, "x_more.deep[0]", "", false, false},
		{"empty list", tool, fields{"labels": []string{}}, "labels", "", false, false},
		{"empty object", tool, fields{"x_more": fields{}}, "x_more", "", false, false},
		{"empty list in unknown", tool, fields{"x_more": []any{[]any{}}}, "x_more[0]", "", false, false},
		// OBJ-14
		{"unknown property", tool, fields{"colour": "red"}, "colour", "", true, false},
		{"custom property", tool, fields{"x_colour": "red"}, "x_colour", "", true, false},
		{"two letters", tool, fields{"ab": "c"}, "ab", "", true, false},
		{"one letter", tool, fields{"a": "c"}, "a", "", false, false},
		{"upper case name", tool, fields{"Colour": "red"}, "Colour", "", false, false},
		{"hyphen", tool, fields{"my-name": "red"}, "my-name", "", false, false},
		{"digit first", tool, fields{"9lives": "red"}, "9lives", "", false, false},
		{"name of 250", tool, fields{"x" + strings.Repeat("y", 249): 1}, "", "", false, false},
		{"name of 251", tool, fields{"x" + strings.Repeat("y", 250): 1}, "x" + strings.Repeat("y", 79) + "...", "", false, false},
		{"reserved", tool, fields{"severity": "high"}, "severity", "", false, false},
		{"odd name further in", tool, fields{"x_more": fields{"My-Name!": 1}}, "", "", false, false},
		// ranges and enumerations, OBJ-15
		{"confidence 0", tool, fields{"confidence": 0}, "", "", false, false},
		{"confidence 100", tool, fields{"confidence": 100}, "", "", false, false},
		{"confidence 101", tool, fields{"confidence": 101}, "confidence", "", false, false},
		{"confidence -1", tool, fields{"confidence": -1}, "confidence", "", false, false},
		{"confidence 50.5", tool, fields{"confidence": 50.5}, "confidence", "", false, false},
		{"revoked", tool, fields{"revoked": true}, "", "", false, false},
		{"revoked as text", tool, fields{"revoked": "true"}, "revoked", "", false, false},
		{"labels with a number", tool, fields{"labels": []any{"a", 1}}, "labels[1]", "", false, false},
		{"reference", tool, fields{"external_references": []fields{{"source_name": "s", "url": "https://bad.example", "hashes": fields{"MD5": strings.Repeat("a", 32)}}}}, "", "", false, false},
		{"reference without a source", tool, fields{"external_references": []fields{{"url": "https://bad.example"}}}, "external_references[0].source_name", "", false, false},
		{"reference to nothing", tool, fields{"external_references": []fields{{"source_name": "s"}}}, "external_references[0]", "", false, false},
		{"reference with no url", tool, fields{"external_references": []fields{{"source_name": "s", "url": "no url"}}}, "external_references[0].url", "", true, false},
		{"cve", tool, fields{"external_references": []fields{{"source_name": "cve", "external_id": "CVE-2024-12345"}}}, "", "", false, false},
		{"cve without an id", tool, fields{"external_references": []fields{{"source_name": "cve", "external_id": "CVE-24-1"}}}, "external_references[0]", "", false, false},
		{"CVE", tool, fields{"external_references": []fields{{"source_name": "CVE", "external_id": "CVE-2024-12345"}}}, "external_references[0]", "", false, false},
		{"cve of another source", tool, fields{"external_references": []fields{{"source_name": "vendor", "external_id": "CVE-2024-12345"}}}, "external_references[0]", "", true, false},
		{"capec", tool, fields{"external_references": []fields{{"source_name": "capec", "external_id": "CAPEC-"}}}, "external_references[0]", "", false, false},
		{"kill chain", tool, fields{"kill_chain_phases": []fields{{"kill_chain_name": "k"}}}, "kill_chain_phases[0].phase_name", "", false, false},
		// OBJ-16
		{"modified before created", tool, fields{"created": late}, "modified", "", false, false},
		{"modified later by a nanosecond", tool, fields{"modified": "2020-01-01T00:00:00.000000001Z"}, "", "", false, false},
		// OBJ-17
		{"lang", tool, fields{"lang": "de-AT"}, "", "", false, false},
		{"no lang", tool, fields{"lang": "qq"}, "lang", "", false, false},
		// OBJ-18
		{"creator", tool, fields{"created_by_ref": ref("identity")}, "", "", false, false},
		{"creator of another type", tool, fields{"created_by_ref": ref("tool")}, "created_by_ref", "", true, false},
		{"creator without an id", tool, fields{"created_by_ref": "me"}, "created_by_ref", "", false, false},
		{"marking of another type", tool, fields{"object_marking_refs": []string{ref("tool")}}, "object_marking_refs[0]", "", false, false},
		{"dangling reference in an observable", ip, fields{"resolves_to_refs": []string{"mac-addr--1"}}, "resolves_to_refs[0]", "", true, false},
		{"wrong reference in an observable", ip, fields{"resolves_to_refs": []string{ref("file")}}, "resolves_to_refs[0]", "", false, false},
		// OBJ-20
		{"extension", tool, fields{"extensions": fields{ref("extension-definition"): fields{"extension_type": "property-extension", "Any-Thing": 1}}}, "", "", false, false},
		{"extension without a type", tool, fields{"extensions": fields{ref("extension-definition"): fields{"a": 1}}},
			"extensions." + ref("extension-definition") + ".extension_type", "", false, false},
		{"extension of an unknown type", tool, fields{"extensions": fields{ref("extension-definition"): fields{"extension_type": "new-thing"}}},
			"extensions." + ref("extension-definition") + ".extension_type", "", false, false},
		{"extension with a broken id", tool, fields{"extensions": fields{"extension-definition--1": fields{"extension_type": "new-sdo"}}},
			"extensions.extension-definition--1", "", false, false},
		{"own -ext", tool, fields{"extensions": fields{"x-own-ext": fields{"any": 1}}}, "extensions.x-own-ext", "", true, false},
		{"extension by another name", tool, fields{"extensions": fields{"mine": fields{"any": 1}}}, "extensions.mine", "", false, false},
		{"extension that is a list", tool, fields{"extensions": fields{"x-own-ext": []int{1}}}, "extensions.x-own-ext", "", false, false},
		{"top-level extension", tool, fields{"colour": "red", "extensions": fields{ref("extension-definition"): fields{"extension_type": "toplevel-property-extension"}}}, "", "", false, false},
		// custom types
		{"custom type", sdoOf("x-thing", nil), nil, "type", "", true, false},
		{"custom type without modified", sdoOf("x-thing", fields{"modified": nil}), nil, "modified", "", false, false},
		{"custom observable", scoOf("x-thing", fields{"value": 1}), nil, "", "", false, false},
		{"custom observable by extension", sdoOf("x-thing", fields{"modified": nil, "spec_version": nil}),
			fields{"extensions": fields{ref("extension-definition"): fields{"extension_type": "new-sco"}}}, "", "", false, false},
		{"custom object by extension", scoOf("x-thing", nil),
			fields{"extensions": fields{ref("extension-definition"): fields{"extension_type": "new-sdo"}}}, "created", "", false, false},
	})
}
