package protocol

import (
	"encoding/json"
	"strings"
	"testing"
)

// ID-04: in files and answers an id is its text, in full, and nothing else is read back.
func TestIDText(t *testing.T) {
	type all struct {
		Org    OrgID
		Key    KeyID
		Record RecordID
		Digest Digest
		Map    map[OrgID]int
	}
	in := all{OrgID{1}, KeyID{2}, RecordID{3}, Digest{4}, map[OrgID]int{{5}: 6}}
	raw, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	if want := `"Org":"` + in.Org.String() + `"`; !strings.Contains(string(raw), want) {
		t.Errorf("%s lacks %s", raw, want)
	}
	var out all
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatal(err)
	}
	if out.Org != in.Org || out.Key != in.Key || out.Record != in.Record || out.Digest != in.Digest || out.Map[OrgID{5}] != 6 {
		t.Errorf("%+v came back as %+v", in, out)
	}
	for _, text := range []string{"", "sha256:", in.Org.String()[:70], strings.ToUpper(in.Org.String()), in.Org.String()[7:]} {
		before := OrgID{9}
		if err := before.UnmarshalText([]byte(text)); err == nil || before != (OrgID{9}) {
			t.Errorf("%q was read as %s (%v)", text, before, err)
		}
		if _, err := ParseKeyID(text); err == nil {
			t.Errorf("key %q was read", text)
		}
		if _, err := ParseDigest(text); err == nil {
			t.Errorf("digest %q was read", text)
		}
	}
}
