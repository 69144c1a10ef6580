package stix

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"tocsin/protocol/reason"
)

// TestTLPFoldsCase: what a publisher marked RED in other letters than usual
// stays RED. OBJ-24
func TestTLPFoldsCase(t *testing.T) {
	base := sdoOf("marking-definition", fields{"modified": nil})
	upper := extensionPrefix + strings.ToUpper(strings.TrimPrefix(tlpExtension, extensionPrefix))
	extended := func(key string, body fields) fields {
		return fields{"extensions": fields{key: body.with(fields{"extension_type": "property-extension"})}}
	}
	for _, c := range []struct {
		name string
		more fields
		want TLP
	}{
		{"type", fields{"definition_type": "TLP", "definition": fields{"tlp": "red"}}, Red},
		{"label", fields{"definition_type": "Tlp", "definition": fields{"tlp": "AMBER"}}, Amber},
		{"name of the label", fields{"definition_type": "tlp", "definition": fields{"TLP": "amber"}}, Amber},
		{"two names, the strictest", fields{"definition_type": "tlp", "definition": fields{"TLP": "red", "tlp": "green"}}, Red},
		{"two names, one unreadable", fields{"definition_type": "tlp", "definition": fields{"TLP": 7, "tlp": "green"}}, Red},
		{"extension", extended(upper, fields{tlpProperty: "Red"}), Red},
		{"green extension", extended(upper, fields{tlpProperty: "GREEN"}), Green},
		{"unreadable extension", extended(upper, fields{tlpProperty: "crimson"}), Red},
		{"extension without a label", extended(upper, fields{}), Red},
	} {
		o, err := Parse(base.with(c.more).json(t))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got, ok := TLPDefinition(o); got != c.want || !ok {
			t.Errorf("%s: %v, %v, want %v", c.name, got, ok, c.want)
		}
	}
	if got, ok := TLPDefinition(&Object{Type: "marking-definition", Raw: []byte("{")}); got != Red || !ok {
		t.Errorf("what cannot be read is %v, %v", got, ok)
	}
	asked := ""
	shouted := tlpDefinition + strings.ToUpper(someUUID)
	if got, ok := TLPOf([]string{shouted}, func(id string) (TLP, bool) { asked = id; return Red, true }); asked != strings.ToLower(shouted) || got != Red || !ok {
		t.Errorf("asked for %q: %v, %v", asked, got, ok)
	}
}

// TestLooseTLPDefinition reads what breaks a rule or the gate, and says RED
// where it cannot. OBJ-24
func TestLooseTLPDefinition(t *testing.T) {
	id := ref("marking-definition")
	head := `{"type":"marking-definition","id":"` + id + `"`
	amber := `,"definition_type":"TLP","definition":{"tlp":"amber"}`
	for _, c := range []struct {
		name, in string
		want     TLP
		ok       bool
	}{
		{"breaks a rule", head + amber + `,"created":"never"}`, Amber, true},
		{"claims nothing", head + `,"definition_type":"statement"}`, Red, true},
		{"bad number", head + amber + `,"x":9007199254740993}`, Red, true},
		{"name twice", head + amber + `,"x":1,"x":2}`, Red, true},
		{"cut off", head + amber, Red, true},
		{"upper case", strings.Replace(head, someUUID, strings.ToUpper(someUUID), 1) + amber + "}", Amber, true},
		{"escaped", `{"\u0069d":"marking\u002ddefinition--` + someUUID + `"` + amber + "}", Amber, true},
		{"two ids", `{"id":"` + ref("tool") + `","id":"` + id + `"}`, Red, true},
		{"another type", `{"type":"tool","id":"` + ref("tool") + `"` + amber + "}", Clear, false},
		{"no id", `{"type":"marking-definition"` + amber + "}", Clear, false},
		{"no object", `["` + id + `"]`, Clear, false},
		{"nothing", "", Clear, false},
	} {
		got, tlp, ok := LooseTLPDefinition([]byte(c.in))
		if ok != c.ok || tlp != c.want || ok && got != id {
			t.Errorf("%s: %q, %v, %v", c.name, got, tlp, ok)
		}
	}
	for id, w := range fixed {
		forged := `{"type":"marking-definition","id":"` + id + `","definition_type":"tlp","definition":{"tlp":"clear"}}`
		if got, tlp, ok := LooseTLPDefinition([]byte(forged)); got != id || tlp != w.tlp || !ok {
			t.Errorf("%s: %q, %v, %v", w.name, got, tlp, ok)
		}
	}
}

// TestReadBundleCountsSkips names so many broken pieces and counts the rest;
// marking definitions are named always, since others depend on them. OBJ-25
func TestReadBundleCountsSkips(t *testing.T) {
	marking := `{"id":"` + ref("marking-definition") + `","x":tru}`
	in := func(broken string, n int) []byte {
		return []byte(`{"type":"bundle","objects":[` + strings.Repeat(broken+",", n) + marking + `,{"type":"tool","spec_version":"2.1"}]}`)
	}
	for _, broken := range []string{"1", "tru", `{"x":tru}`} {
		for _, n := range []int{maxSkipped - 1, maxSkipped, maxSkipped + 1} {
			got, err := ReadBundle(in(broken, n))
			if err != nil || len(got.Objects) != 1 {
				t.Fatalf("%s %d times: %v", broken, n, err)
			}
			named := min(n, maxSkipped)
			if len(got.Skipped) != named+1 || got.MoreSkipped != n-named || got.Skipped[named].ID != ref("marking-definition") {
				t.Errorf("%s %d times: %d skipped and %d more", broken, n, len(got.Skipped), got.MoreSkipped)
			}
		}
	}
}

// TestTimesBefore1970: a time that reads as "not stated" is refused where the
// difference matters, and nowhere else. OBJ-12
func TestTimesBefore1970(t *testing.T) {
	indicator := sdoOf("indicator", fields{"pattern": "[a:b = 1]", "pattern_type": "stix", "valid_from": early})
	for _, name := range []string{"created", "modified", "valid_from", "valid_until"} {
		for _, at := range []string{"0001-01-01T00:00:00Z", "1601-01-01T00:00:00Z", "1969-12-31T23:59:59.999Z"} {
			_, err := Parse(indicator.with(fields{name: at}).json(t))
			if reason.Of(err) != reason.STIXRule || !strings.Contains(err.Error(), name+": ") || !strings.Contains(err.Error(), "before 1970") {
				t.Errorf("%s at %s: %v", name, at, err)
			}
		}
	}
	first := "1970-01-01T00:00:00Z"
	o, err := Parse(indicator.with(fields{"created": first, "modified": first, "valid_from": first, "valid_until": "1970-01-01T00:00:01Z"}).json(t))
	if err != nil || o.Modified.IsZero() || o.Indicator.ValidUntil.IsZero() {
		t.Errorf("1970: %v", err)
	}
	if _, err := Parse(scoOf("file", fields{"name": "n", "ctime": "1601-01-01T00:00:00Z"}).json(t)); err != nil {
		t.Errorf("a file of 1601: %v", err)
	}
}

// TestUpgradeBoundsGrowth at its limits. OBJ-27
func TestUpgradeBoundsGrowth(t *testing.T) {
	objects := func(n int) fields {
		f := fields{}
		for i := range n {
			f[fmt.Sprint(i)] = fields{"type": "url", "value": fmt.Sprint(i)}
		}
		return f
	}
	base := fields{"type": "observed-data", "id": ref("observed-data"), "created": early}
	long := func(n int) string { return strings.Repeat("m", n) }
	for _, c := range []struct {
		name string
		in   fields
		ok   bool
	}{
		{"most bytes", base.with(fields{"objects": objects(1024), "object_marking_refs": []string{long(1024)}}), true},
		{"a byte more each", base.with(fields{"objects": objects(1024), "object_marking_refs": []string{long(1025)}}), false},
		{"one part more", base.with(fields{"objects": objects(1025), "object_marking_refs": []string{long(1024)}}), false},
		{"longest id", base.with(fields{"objects": objects(1), "id": long(longestID)}), true},
		{"longer id", base.with(fields{"objects": objects(1), "id": long(longestID + 1)}), false},
	} {
		if _, err := Upgrade(c.in.json(t)); (err == nil) != c.ok || err != nil && reason.Of(err) != reason.STIXFormat {
			t.Errorf("%s: %.200v", c.name, err)
		}
	}
}

// FuzzSameText compares an escaped string without undoing all of it, to the
// same end. OBJ-06
func FuzzSameText(f *testing.F) {
	f.Add(`"\u0061b\ud83d\ude00\n"`, "ab\U0001f600\n")
	f.Add(`"\u0061"`, "ab")
	f.Add(`"ab"`, "a")
	f.Fuzz(func(t *testing.T, written, want string) {
		var text string
		d, err := read([]byte(written))
		if err != nil || d.kind(root) != kindString || json.Unmarshal([]byte(written), &text) != nil {
			return
		}
		if got := d.is(root, want); got != (text == want) {
			t.Fatalf("%s is %q: %v", written, want, got)
		}
		if !d.is(root, text) || string(d.text(root)) != text {
			t.Fatalf("%s is not %q", written, text)
		}
	})
}
