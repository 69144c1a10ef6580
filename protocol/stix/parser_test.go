package stix

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// What a Parser gives must equal what Parse gives, before and after it read
// other objects, sound or not, into the same room.
func TestParserEqualsParse(t *testing.T) {
	var p Parser
	var raws [][]byte
	var got []*Object
	for round := range 40 {
		label := strings.Repeat("l", 1+round*37)
		for _, f := range []fields{
			sdoOf("indicator", fields{"pattern": "[url:value = 'http://\u00e9" + label + "']", "pattern_type": "stix", "valid_from": early,
				"labels": []any{label, "tab\there"}, "indicator_types": []any{"benign"}, "created_by_ref": ref("identity"),
				"object_marking_refs": []any{ref("marking-definition")}}),
			sdoOf("report", fields{"name": label, "published": early, "object_refs": []any{ref("malware"), ref("tool")}, "lang": "de"}),
			scoOf("domain-name", fields{"value": label}),
			sdoOf("indicator", fields{"pattern": 1}),
		} {
			raw := f.json(t)
			want, wantErr := Parse(raw)
			o, err := p.Parse(raw)
			if fmt.Sprint(err) != fmt.Sprint(wantErr) || !reflect.DeepEqual(o, want) {
				t.Fatalf("Parser gives %+v, %v; Parse gives %+v, %v", o, err, want, wantErr)
			}
			if err == nil {
				raws, got = append(raws, raw), append(got, o)
			}
		}
		if _, err := p.Parse([]byte(`{"type":"indicator","type":`)); err == nil {
			t.Fatal("broken JSON passed")
		}
	}
	for i, raw := range raws {
		want, err := Parse(raw)
		if err != nil || !reflect.DeepEqual(got[i], want) {
			t.Fatalf("object %d changed to %+v, want %+v, %v", i, got[i], want, err)
		}
	}
}

// The table of a rule must say what its map says.
func TestNameTable(t *testing.T) {
	for typ, r := range rules {
		for name, p := range r.props {
			if r.table.find([]byte(name)) != p {
				t.Errorf("%s: the table does not find %s", typ, name)
			}
			for _, other := range []string{name + "x", name[1:], "x" + name, strings.ToUpper(name)} {
				if got := r.table.find([]byte(other)); got != r.props[other] {
					t.Errorf("%s: the table finds %v for %s", typ, got, other)
				}
			}
		}
	}
}

// Names that agree in all that a fingerprint looks at are still told apart,
// and two that are one name are found at any place.
func TestDistinctNamesAlike(t *testing.T) {
	for n := 1; n <= fewNames+2; n++ {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `"starting%02dendingxx":1,`, i)
		}
		if err := Scan([]byte("{" + strings.TrimSuffix(b.String(), ",") + "}")); err != nil {
			t.Errorf("%d names that differ in the middle: %v", n, err)
		}
		for i := range n {
			if Scan(fmt.Appendf(nil, `{%s"starting\u0030%dendingxx":1}`, b.String(), i%10)) == nil && i < 10 {
				t.Errorf("name %d of %d stands twice and passed", i, n)
			}
		}
	}
}
