package stix

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"tocsin/protocol/reason"
)

// TestReadBundle gives objects back byte for byte, from every form of file. OBJ-25
func TestReadBundle(t *testing.T) {
	a := "{ \"type\" : \"tool\",\n\"spec_version\":\"2.1\", \"x\":[1, {\"]\":\"}\\\"[\"}] }"
	b := `{"type":"ipv4-addr","value":"192.0.2.1"}`
	wrap := `{"id":"bundle--1","type":"bundle","objects": [` + a + " ,\n " + b + ` ] }`
	for _, c := range []struct {
		name, in string
		want     []string
	}{
		{"bundle", wrap, []string{a, b}},
		{"bundle with a mark", bom + wrap, []string{a, b}},
		{"bundle, list first", `{"objects":[` + a + `],"spec_version":"2.1","type":"bundle"}`, []string{a}},
		{"bundle with other things", `{"type":"bundle","x":{"objects":[1]},"objects":[` + b + `],"y":[[2]]}`, []string{b}},
		{"bundle with nothing", `{"type":"bundle","id":"bundle--1"}`, nil},
		{"bundle with an empty list", `{"type":"bundle","objects":[ ]}`, nil},
		{"envelope", `{"more":false,"objects":[` + b + `]}`, []string{b}},
		{"list", "\n[" + b + "," + a + "]\n", []string{b, a}},
		{"empty list", "[]", nil},
		{"object", "\t" + a + "\r\n", []string{a}},
		{"object with objects", `{"type":"x-thing","objects":[1,2]}`, []string{`{"type":"x-thing","objects":[1,2]}`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := []byte(c.in)
			got, err := ReadBundle(in)
			if err != nil {
				t.Fatal(err)
			}
			if got.Upgraded != 0 || len(got.Skipped) != 0 {
				t.Errorf("upgraded %d, skipped %v", got.Upgraded, got.Skipped)
			}
			var texts []string
			for _, o := range got.Objects {
				texts = append(texts, string(o))
				if cap(o) != len(o) {
					t.Error("an object can grow into its neighbour")
				}
			}
			if !slices.Equal(texts, c.want) {
				t.Errorf("objects %q, want %q", texts, c.want)
			}
			if len(got.Objects) > 0 {
				copy(in, bytes.Repeat([]byte{'#'}, len(in)))
				if got.Objects[0][0] != '#' {
					t.Error("an object is no slice of the input")
				}
			}
		})
	}
}

func TestReadBundleRefuses(t *testing.T) {
	for _, c := range []struct {
		name, in string
		code     reason.Code
		text     string
	}{
		{"nothing", "", reason.STIXFormat, "empty"},
		{"space", " \n", reason.STIXFormat, "empty"},
		{"text", "domain,ip", reason.STIXFormat, "'d'"},
		{"string", `"x"`, reason.STIXFormat, ""},
		{"object without a type", `{"Event":{"info":"x"}}`, reason.STIXFormat, "no type"},
		{"empty object", `{}`, reason.STIXFormat, "no type"},
		{"list of numbers", `[1,2]`, reason.STIXFormat, "no object"},
		{"objects is no list", `{"type":"bundle","objects":{"0":{}}}`, reason.STIXFormat, "byte 27"},
		{"open bundle", `{"type":"bundle","objects":[{}`, reason.JSONSyntax, "byte 30"},
		{"open string", `{"type":"bundle","objects":["x`, reason.JSONSyntax, "byte 28"},
		{"open object", `{"type":"bundle","objects":[{"a":1]}`, reason.JSONSyntax, "byte 34"},
		{"no comma", `{"type":"bundle" "objects":[]}`, reason.JSONSyntax, "byte 17"},
		{"no comma in the list", `{"type":"bundle","objects":[{} {}]}`, reason.JSONSyntax, "byte 31"},
		{"trailing comma", `{"type":"bundle","objects":[{},]}`, reason.JSONSyntax, "byte 31"},
		{"no colon", `{"type" "bundle"}`, reason.JSONSyntax, "byte 8"},
		{"no name", `{7:1}`, reason.JSONSyntax, "byte 1"},
		{"two bundles", `{"type":"bundle"}{"type":"bundle"}`, reason.JSONSyntax, "byte 17"},
		{"name twice", `{"type":"bundle","objects":[],"object\u0073":[]}`, reason.JSONDuplicate, "byte 30"},
		{"bad value beside", `{"type":"bundle","id":tru,"objects":[]}`, reason.JSONSyntax, "byte 22"},
		{"bad name", "{\"type\":\"bundle\",\"\xff\":1}", reason.JSONUTF8, "byte 18"},
		{"brackets", `{"type":"bundle","objects":` + strings.Repeat("[", 20_000), reason.JSONSyntax, ""},
		{"bare brackets", strings.Repeat("[", 20_000), reason.JSONSyntax, ""},
		{"deep object", nest(`{"type":`, "1", "}", 40), reason.JSONDepth, "byte 256"},
		{"20 MB object", `{"type":"tool","x":"` + strings.Repeat("x", 20<<20) + `"}`, reason.JSONSize, ""},
		{"many names", `{"type":"bundle"` + manyNames(maxWrapper) + "}", reason.JSONTokens, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ReadBundle([]byte(c.in))
			if got != nil || reason.Of(err) != c.code || !strings.Contains(err.Error(), c.text) {
				t.Errorf("ReadBundle = %v, %v, want %s and %q", got, err, c.code, c.text)
			}
		})
	}
	if _, err := ReadBundle([]byte(`{"type":"bundle"` + manyNames(maxWrapper-1) + "}")); err != nil {
		t.Errorf("most names: %v", err)
	}
}

func manyNames(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"n%d":1`, i)
	}
	return b.String()
}

// TestReadBundleSkips leaves broken objects out, names them, and keeps the rest. OBJ-25
func TestReadBundleSkips(t *testing.T) {
	id := ref("tool")
	good := `{"type":"tool","spec_version":"2.1"}`
	for _, c := range []struct {
		name, bad, id string
		code          reason.Code
	}{
		{"number", "7", "objects[1]", reason.STIXFormat},
		{"list", "[[]]", "objects[1]", reason.STIXFormat},
		{"word", "tru", "objects[1]", reason.JSONSyntax},
		{"name twice", `{"x":[1,{"id":"no"}],"id":"` + id + `","x":2}`, id, reason.JSONDuplicate},
		{"trailing comma", `{"id":"` + id + `","x":1,}`, id, reason.JSONSyntax},
		{"no id", `{"x":1,}`, "objects[1]", reason.JSONSyntax},
		{"id of no form", `{"id":"me","x":1,}`, "objects[1]", reason.JSONSyntax},
		{"number for an id", `{"id":7,"x":1,}`, "objects[1]", reason.JSONSyntax},
		{"hostile id", "{\"id\":\"tool--\x1b[31m\",\"x\":1}", "objects[1]", reason.JSONSyntax},
		{"deep", `{"id":"` + id + `","x":` + nest("[", "", "]", 20_000) + "}", id, reason.JSONDepth},
		{"deep and crossed", `{"id":"` + id + `","x":` + nest("[", strings.Repeat("{", 30)+strings.Repeat("]", 30), "]", 100) + "}", id, reason.JSONDepth},
		{"large", `{"id":"` + id + `","x":"` + strings.Repeat("x", maxBytes) + `"}`, id, reason.JSONSize},
		{"long string", `{"id":"` + id + `","x":"` + strings.Repeat("x", maxString+1) + `"}`, id, reason.JSONString},
		{"bad byte", "{\"id\":\"" + id + "\",\"x\":\"\xff\"}", id, reason.JSONUTF8},
		{"large number", `{"id":"` + id + `","x":9007199254740993}`, id, reason.JSONNumber},
		{"2.0 that refers to itself", `{"type":"observed-data","id":"` + ref("observed-data") + `","objects":{"0":{"type":"network-traffic","src_ref":"1"},` +
			`"1":{"type":"network-traffic","src_ref":"0"}}}`, ref("observed-data"), reason.STIXFormat},
		{"2.0 with a number inside", `{"type":"observed-data","id":"` + ref("observed-data") + `","objects":{"0":7}}`, ref("observed-data"), reason.STIXFormat},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := `{"type":"bundle","objects":[` + good + "," + c.bad + "," + good + "]}"
			got, err := ReadBundle([]byte(in))
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Objects) != 2 || string(got.Objects[0]) != good || string(got.Objects[1]) != good {
				t.Errorf("objects %q", got.Objects)
			}
			if len(got.Skipped) != 1 || got.Skipped[0].ID != c.id || reason.Of(got.Skipped[0].Err) != c.code {
				t.Errorf("skipped %.300v, want %s %s", got.Skipped, c.id, c.code)
			}
		})
	}
}

// TestReadBundleOffset gives the place of an error in the file, not in the object.
func TestReadBundleOffset(t *testing.T) {
	in := `{"type":"bundle","objects":[{"type":"tool"},{"type":"tool","a":nul}]}`
	got, err := ReadBundle([]byte(in))
	if err != nil || len(got.Skipped) != 1 {
		t.Fatal(got, err)
	}
	if want := fmt.Sprintf("byte %d:", strings.Index(in, "nul")); !strings.Contains(got.Skipped[0].Err.Error(), want) {
		t.Errorf("%v, want %s", got.Skipped[0].Err, want)
	}
}

// TestReadBundleLarge reads a file that is larger than any single limit.
func TestReadBundleLarge(t *testing.T) {
	var in bytes.Buffer
	in.WriteString(`{"type":"bundle","id":"bundle--1","objects":[`)
	const n = 21_000
	for i := range n {
		if i > 0 {
			in.WriteByte(',')
		}
		in.WriteString(sampleIndicator)
	}
	in.WriteString("]}")
	got, err := ReadBundle(in.Bytes())
	if err != nil || len(got.Objects) != n || len(got.Skipped) != 0 || in.Len() < 20<<20 {
		t.Fatalf("%d bytes: %d objects, %d skipped, %v", in.Len(), len(got.Objects), len(got.Skipped), err)
	}
	for _, o := range []int{0, 1, n - 1} {
		if string(got.Objects[o]) != sampleIndicator {
			t.Fatalf("object %d is %s", o, got.Objects[o])
		}
	}
}

// FuzzReadBundle: nothing panics, each object passes the gate, and one of 2.1
// is a piece of the input.
func FuzzReadBundle(f *testing.F) {
	f.Add([]byte(`{"type":"bundle","objects":[` + sampleIndicator + `,{"type":"tool","created":"x"}, 7]}`))
	f.Add([]byte("[" + observed20 + "]"))
	f.Add([]byte(`{"objects":[{"id":"tool--1","a":"\ud800"}],"more":false}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, err := ReadBundle(raw)
		if err != nil {
			if got != nil || reason.Of(err) == "" {
				t.Fatalf("%v, %v", got, err)
			}
			return
		}
		pieces := 0
		for _, o := range got.Objects {
			if err := Scan(o); err != nil {
				t.Fatalf("%q: %v", o, err)
			}
			if bytes.Contains(raw, o) {
				pieces++
			}
		}
		if got.Upgraded == 0 && pieces != len(got.Objects) {
			t.Fatalf("an object is no piece of the input: %q", got.Objects)
		}
		for _, s := range got.Skipped {
			if s.ID == "" || reason.Of(s.Err) == "" {
				t.Fatalf("skipped %+v", s)
			}
		}
	})
}
