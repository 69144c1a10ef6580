package stix

import (
	"encoding/json"
	"strings"
	"testing"

	"tocsin/protocol/reason"
)

func TestTLPNames(t *testing.T) {
	for in, want := range map[string]TLP{
		"clear": Clear, "TLP:CLEAR": Clear, "white": Clear, "tlp:White": Clear, "Green": Green, "tlp:amber": Amber,
		"AMBER+STRICT": AmberStrict, "tlp:amber+strict": AmberStrict, "red": Red,
	} {
		got, err := ParseTLP(in)
		if err != nil || got != want {
			t.Errorf("ParseTLP(%q) = %v, %v", in, got, err)
		}
		if again, err := ParseTLP(got.String()); err != nil || again != got {
			t.Errorf("%v reads back as %v, %v", got, again, err)
		}
	}
	for _, in := range []string{"", "TLP:", "amber strict", "amber-strict", "TLP:TLP:RED", "purple", "red "} {
		if got, err := ParseTLP(in); err == nil {
			t.Errorf("ParseTLP(%q) = %v", in, got)
		}
	}
	if s := TLP(9).String(); s != "TLP(9)" {
		t.Errorf("TLP(9) is %q", s)
	}
	if !(Clear < Green && Green < Amber && Amber < AmberStrict && AmberStrict < Red) {
		t.Error("the labels are not ordered from open to strict")
	}
}

// definition makes the standard's definition of a fixed id.
func definition(id string) fields {
	w := fixed[id]
	f := fields{"type": "marking-definition", "spec_version": "2.1", "id": id, "name": w.name}
	if w.version == 1 {
		return f.with(fields{"created": "2017-01-20T00:00:00.000Z", "definition_type": "tlp", "definition": fields{"tlp": w.word}})
	}
	return f.with(fields{"created": "2022-10-01T00:00:00.000Z",
		"extensions": fields{tlpExtension: fields{"extension_type": "property-extension", tlpProperty: w.word}}})
}

// TestFixedDefinitions takes the nine definitions as they are and refuses
// every other meaning under their ids. OBJ-23
func TestFixedDefinitions(t *testing.T) {
	if len(fixed) != 9 {
		t.Fatalf("%d fixed definitions", len(fixed))
	}
	for id, w := range fixed {
		true1 := definition(id)
		o, err := Parse(true1.json(t))
		if err != nil {
			t.Errorf("%s: %v", w.name, err)
			continue
		}
		if got, ok := TLPDefinition(o); !ok || got != w.tlp {
			t.Errorf("%s defines %v, %v", w.name, got, ok)
		}
		if _, err := Parse(true1.with(fields{"name": nil}).json(t)); err != nil {
			t.Errorf("%s without a name: %v", w.name, err)
		}
		other := "red"
		if w.tlp == Red {
			other = "green"
		}
		old := fields{"definition_type": "tlp", "definition": fields{"tlp": other}}
		extended := func(more fields) fields {
			return fields{"extensions": fields{tlpExtension: fields{"extension_type": "property-extension", tlpProperty: w.word}.with(more)}}
		}
		forged := map[string]fields{
			"another name":         {"name": "TLP:" + strings.ToUpper(other)},
			"a name of no label":   {"name": "harmless"},
			"a number for a name":  {"name": 7},
			"a statement":          {"definition_type": "statement", "definition": fields{"statement": "s"}, "extensions": nil},
			"another label":        old.with(fields{"extensions": nil}),
			"both forms":           old.with(extended(nil)),
			"another extension":    extended(fields{tlpProperty: other}),
			"no label":             extended(fields{tlpProperty: nil}),
			"more in it":           extended(fields{"also": 1}),
			"another type":         extended(fields{"extension_type": "toplevel-property-extension"}),
			"upper case":           {"id": tlpDefinition + strings.ToUpper(id[len(tlpDefinition):]), "name": "other"},
			"more in the old form": {"definition_type": "tlp", "definition": fields{"tlp": w.word, "also": 1}, "extensions": nil},
			"a marking of its own": {"object_marking_refs": []string{ref("marking-definition")}},
		}
		for name, edit := range forged {
			if _, err := Parse(true1.with(edit).json(t)); reason.Of(err) != reason.STIXMarking && reason.Of(err) != reason.STIXRule {
				t.Errorf("%s forged by %s: %v", w.name, name, err)
			}
		}
		for _, name := range []string{"another name", "another label", "both forms", "another extension", "upper case"} {
			if _, err := Parse(true1.with(forged[name]).json(t)); reason.Of(err) != reason.STIXMarking {
				t.Errorf("%s forged by %s: %v, want stix.marking", w.name, name, err)
			}
		}
	}
}

// TestTLPOf: the strictest counts, the fixed ids cannot be redefined, unknown
// ones do not count. OBJ-24
func TestTLPOf(t *testing.T) {
	const (
		white  = tlpDefinition + "613f2e26-407d-48c7-9eca-b8e91df99dc9"
		green2 = tlpDefinition + "bab4a63c-aed9-4cf5-a766-dfca5abac2bb"
		strict = tlpDefinition + "939a9414-2ddd-4d32-a0cd-375ea402b003"
		amber1 = tlpDefinition + "f88d31f6-486f-44da-b317-01333bde0b82"
		own    = tlpDefinition + someUUID
		other  = tlpDefinition + "8e2e2d2b-17d4-4cbf-938f-98ee46b3cd30"
	)
	defs := func(id string) (TLP, bool) {
		if id == own {
			return Red, true
		}
		return Clear, fixed[strings.ToLower(id)].name != "" // would open everything
	}
	for _, c := range []struct {
		name string
		refs []string
		defs func(string) (TLP, bool)
		want TLP
		ok   bool
	}{
		{"none", nil, defs, Clear, false},
		{"unknown", []string{other}, defs, Clear, false},
		{"unknown without definitions", []string{own}, nil, Clear, false},
		{"white", []string{white}, nil, Clear, true},
		{"strictest first", []string{strict, green2, white}, nil, AmberStrict, true},
		{"strictest last", []string{white, green2, amber1}, nil, Amber, true},
		{"own", []string{green2, own}, defs, Red, true},
		{"cannot be redefined", []string{strict}, defs, AmberStrict, true},
		{"cannot be redefined in upper case", []string{strings.ToUpper(strict)}, defs, AmberStrict, true},
		{"unknown beside known", []string{other, amber1}, defs, Amber, true},
	} {
		if got, ok := TLPOf(c.refs, c.defs); got != c.want || ok != c.ok {
			t.Errorf("%s: %v, %v", c.name, got, ok)
		}
	}
}

func TestTLPDefinition(t *testing.T) {
	tlp1 := func(definition any) fields {
		return sdoOf("marking-definition", fields{"modified": nil, "definition_type": "tlp", "definition": definition})
	}
	tlp2 := func(label any) fields {
		return sdoOf("marking-definition", fields{"modified": nil,
			"extensions": fields{tlpExtension: fields{"extension_type": "property-extension", tlpProperty: label}}})
	}
	for _, c := range []struct {
		name string
		in   fields
		want TLP
		ok   bool
	}{
		{"own amber", tlp1(fields{"tlp": "amber"}), Amber, true},
		{"own white", tlp1(fields{"tlp": "white"}), Clear, true},
		{"own amber+strict", tlp2("amber+strict"), AmberStrict, true},
		{"both, the strictest", tlp1(fields{"tlp": "green"}).with(fields{"extensions": tlp2("red")["extensions"]}), Red, true},
		{"unreadable is red", tlp1(fields{"tlp": "unclear"}), Red, true},
		{"no label is red", tlp1(fields{"colour": "green"}), Red, true},
		{"unreadable extension is red", tlp2("unclear"), Red, true},
		{"statement", sdoOf("marking-definition", fields{"modified": nil, "definition_type": "statement", "definition": fields{"statement": "tlp:red"}}), Clear, false},
	} {
		o, err := Parse(c.in.json(t))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got, ok := TLPDefinition(o); got != c.want || ok != c.ok {
			t.Errorf("%s: %v, %v", c.name, got, ok)
		}
	}
	if _, ok := TLPDefinition(nil); ok {
		t.Error("nothing defines a label")
	}
	if _, ok := TLPDefinition(&Object{Type: "tool"}); ok {
		t.Error("a tool defines a label")
	}
}

// OBJ-21
func TestGranularMarkings(t *testing.T) {
	base := sdoOf("tool", fields{"name": "N", "labels": []string{"a", "b"},
		"external_references": []fields{{"source_name": "s", "url": "https://bad.example"}}})
	mark := func(m fields) fields { return fields{"granular_markings": []fields{m}} }
	marking := ref("marking-definition")
	at := "granular_markings[0]"
	runRules(t, []ruleCase{
		{"property", base, mark(fields{"selectors": []string{"name", "id"}, "marking_ref": marking}), "", "", false, false},
		{"element", base, mark(fields{"selectors": []string{"labels.[1]", "external_references.[0].url"}, "lang": "de"}), "", "", false, false},
		{"no such property", base, mark(fields{"selectors": []string{"name", "title"}, "marking_ref": marking}), at + ".selectors[1]", reason.STIXMarking, false, false},
		{"no such element", base, mark(fields{"selectors": []string{"labels.[2]"}, "marking_ref": marking}), at + ".selectors[0]", reason.STIXMarking, false, false},
		{"no list", base, mark(fields{"selectors": []string{"name.[0]"}, "marking_ref": marking}), at + ".selectors[0]", reason.STIXMarking, false, false},
		{"no object", base, mark(fields{"selectors": []string{"labels.name"}, "marking_ref": marking}), at + ".selectors[0]", reason.STIXMarking, false, false},
		{"other index", base, mark(fields{"selectors": []string{"labels.[01]"}, "marking_ref": marking}), at + ".selectors[0]", reason.STIXMarking, false, false},
		{"empty", base, mark(fields{"selectors": []string{""}, "marking_ref": marking}), at + ".selectors[0]", reason.STIXMarking, false, false},
		{"both", base, mark(fields{"selectors": []string{"name"}, "marking_ref": marking, "lang": "de"}), at, reason.STIXMarking, false, false},
		{"neither", base, mark(fields{"selectors": []string{"name"}}), at, reason.STIXMarking, false, false},
		{"no selectors", base, mark(fields{"marking_ref": marking}), at + ".selectors", "", false, false},
		{"marking of another type", base, mark(fields{"selectors": []string{"name"}, "marking_ref": ref("tool")}), at + ".marking_ref", "", false, false},
		{"lang", base, mark(fields{"selectors": []string{"name"}, "lang": "qq"}), at + ".lang", "", false, false},
		{"marks itself", sdoOf("marking-definition", fields{"modified": nil, "definition_type": "statement", "definition": fields{"statement": "s"},
			"object_marking_refs": []string{marking}}), nil, "", reason.STIXMarking, false, true},
		{"no definition", sdoOf("marking-definition", fields{"modified": nil, "definition_type": "statement"}), nil, "definition", "", false, false},
		{"no statement", sdoOf("marking-definition", fields{"modified": nil, "definition_type": "statement", "definition": fields{"s": 1}}), nil, "definition.statement", "", false, false},
		{"own TLP", sdoOf("marking-definition", fields{"modified": nil, "definition_type": "tlp", "definition": fields{"tlp": "green"}}), nil, "", "", true, false},
	})
}

// TestMarkingsAreGathered finds every marking, wherever it stands. OBJ-24
func TestMarkingsAreGathered(t *testing.T) {
	m := func(n string) string { return tlpDefinition + "8e2e2d2b-17d4-4cbf-938f-98ee46b3cd0" + n }
	raw := sdoOf("observed-data", fields{"first_observed": early, "last_observed": early, "number_observed": 1,
		"object_marking_refs": []string{m("1")}, "granular_markings": []fields{{"selectors": []string{"objects"}, "marking_ref": m("2")}},
		"objects": fields{"0": fields{"type": "mutex", "name": "m", "object_marking_refs": []string{m("3")}}}}).json(t)
	o, err := Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []string{"1", "2", "3"} {
		if got := strings.Join(o.MarkingRefs, " "); !strings.Contains(got, m(n)) || len(o.MarkingRefs) != 3 {
			t.Errorf("markings %s lack %s", got, m(n))
		}
	}
	if len(o.Refs) != 0 {
		t.Errorf("markings stand among the references: %v", o.Refs)
	}
	var escaped json.RawMessage = []byte(strings.Replace(string(raw), `"marking_ref"`, `"\u006darking_ref"`, 1))
	if o, err := Parse(escaped); err != nil || len(o.MarkingRefs) != 3 {
		t.Errorf("a name in escapes hides a marking: %v, %v", o, err)
	}
}
