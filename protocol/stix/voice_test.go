package stix

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

const (
	aboutOne = "indicator--00000000-0000-4000-8000-000000000001"
	aboutTwo = "malware--00000000-0000-4000-8000-000000000002"
)

func remarkObject(typ, rest string) string {
	return fmt.Sprintf(`{"type":%q,"spec_version":"2.1","id":"%s--00000000-0000-4000-8000-000000000009","created":"2026-01-01T00:00:00.000Z","modified":"2026-01-01T00:00:00.000Z",%s}`, typ, typ, rest)
}

// TestRemarks: what an opinion or a sighting is about is taken over, and nothing of
// it from other types.
func TestRemarks(t *testing.T) {
	tests := map[string]struct {
		typ, rest string
		opinion   string
		about     []string
		count     int // -2: no sighting
		refused   bool
	}{
		"opinion of two":      {"opinion", `"opinion":"strongly-disagree","object_refs":["` + aboutOne + `","` + aboutTwo + `"]`, StronglyDisagree, []string{aboutOne, aboutTwo}, -2, false},
		"escaped word":        {"opinion", `"opinion":"agr\u0065e","object_refs":["` + aboutOne + `"]`, Agree, []string{aboutOne}, -2, false},
		"unknown word":        {"opinion", `"opinion":"perhaps","object_refs":["` + aboutOne + `"]`, "", nil, -2, true},
		"opinion of nothing":  {"opinion", `"opinion":"agree","object_refs":[]`, "", nil, -2, true},
		"silent sighting":     {"sighting", `"sighting_of_ref":"` + aboutOne + `"`, "", []string{aboutOne}, -1, false},
		"not seen":            {"sighting", `"count":0,"sighting_of_ref":"` + aboutOne + `"`, "", []string{aboutOne}, 0, false},
		"most often":          {"sighting", `"count":999999999,"sighting_of_ref":"` + aboutOne + `"`, "", []string{aboutOne}, 999_999_999, false},
		"more often":          {"sighting", `"count":1000000000,"sighting_of_ref":"` + aboutOne + `"`, "", nil, -2, true},
		"half":                {"sighting", `"count":0.5,"sighting_of_ref":"` + aboutOne + `"`, "", nil, -2, true},
		"negative":            {"sighting", `"count":-1,"sighting_of_ref":"` + aboutOne + `"`, "", nil, -2, true},
		"of an observable":    {"sighting", `"sighting_of_ref":"ipv4-addr--ff26c055-6336-5bc5-b98d-13d6226742dd"`, "", nil, -2, true},
		"another type's word": {"note", `"content":"x","object_refs":["` + aboutOne + `"]`, "", nil, -2, false},
	}
	for name, tt := range tests {
		o, err := Parse([]byte(remarkObject(tt.typ, tt.rest)))
		if tt.refused != (err != nil) {
			t.Errorf("%s: %v, want refused %v", name, err, tt.refused)
		}
		if err != nil {
			continue
		}
		var opinion string
		var about []string
		count := -2
		if o.Opinion != nil {
			opinion, about = o.Opinion.Opinion, o.Opinion.About
		}
		if o.Sighting != nil {
			about, count = []string{o.Sighting.About}, o.Sighting.Count
		}
		if opinion != tt.opinion || !slices.Equal(about, tt.about) || count != tt.count {
			t.Errorf("%s: %q about %v, count %d", name, opinion, about, count)
		}
	}
}

// TestRemarkStringsAreCopies: an Object outlives the room of its Parser and its text.
func TestRemarkStringsAreCopies(t *testing.T) {
	var p Parser
	raw := []byte(remarkObject("opinion", `"opinion":"agree","object_refs":["`+aboutOne+`"]`))
	o, err := p.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	copy(raw, strings.Repeat("x", len(raw)))
	if o.Opinion.Opinion != Agree || o.Opinion.About[0] != aboutOne {
		t.Errorf("%+v changed with the text", o.Opinion)
	}
}
