package stix

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"tocsin/protocol/reason"
)

const observed20 = `{"type":"observed-data","id":"observed-data--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f",
 "created":"2020-01-01T00:00:00.000Z","modified":"2020-01-01T00:00:00.000Z",
 "first_observed":"2020-01-01T00:00:00Z","last_observed":"2020-01-01T00:00:00Z","number_observed":1,
 "object_marking_refs":["marking-definition--f88d31f6-486f-44da-b317-01333bde0b82"],
 "objects":{
  "0":{"type":"ipv4-addr","value":"198.51.100.3"},
  "1":{"type":"network-traffic","dst_ref":"0","protocols":["tcp"],"extensions":{"http-request-ext":{
    "request_method":"get","request_value":"/","message_body_data_ref":"5"}}},
  "2":{"type":"file","name":"f","parent_directory_ref":"3","created":"2019-01-01T00:00:00Z"},
  "3":{"type":"directory","path":"/d","contains_refs":["2"]},
  "4":{"type":"process","pid":1,"binary_ref":"2","parent_ref":"6","opened_connection_refs":["1"]},
  "5":{"type":"artifact","payload_bin":"AAAA"},
  "6":{"type":"process","pid":2,"child_refs":["4"]}}}`

// upgradeCase is an object of 2.0 and what becomes of it, byte for byte. OBJ-26
var upgradeCases = []struct{ name, in, want string }{
	{"indicator", `{ "labels": ["malicious-activity"], "valid_from":"2020-01-01T00:00:00Z", "pattern":"[a:b = '\u0063']",
		"modified":"2020-01-01T00:00:00.000Z","created":"2020-01-01T00:00:00.000Z","id":"indicator--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f","type":"indicator"}`,
		`{"type":"indicator","spec_version":"2.1","id":"indicator--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f","created":"2020-01-01T00:00:00.000Z","modified":"2020-01-01T00:00:00.000Z",` +
			`"indicator_types":["malicious-activity"],"pattern":"[a:b = '\u0063']","pattern_type":"stix","valid_from":"2020-01-01T00:00:00Z"}`},
	{"says 2.0", `{"type":"campaign","spec_version":"2.0","id":"c","name":"N"}`, `{"type":"campaign","spec_version":"2.1","id":"c","name":"N"}`},
	{"creator", `{"type":"campaign","name":"N","created_by_ref":"i","id":"c"}`, `{"type":"campaign","spec_version":"2.1","id":"c","created_by_ref":"i","name":"N"}`},
	{"empties", `{"type":"campaign","id":"c","aliases":[],"x_a":{"b":null,"c":{}},"x_b":{"b":null,"c":[null]},"description":null}`,
		`{"type":"campaign","spec_version":"2.1","id":"c","x_b":{"c":[null]}}`},
	{"numbers as written", `{"type":"campaign","id":"c","x_n":[1.50, 1E2, -0]}`, `{"type":"campaign","spec_version":"2.1","id":"c","x_n":[1.50,1E2,-0]}`},
	{"malware", `{"type":"malware","id":"m","name":"N","labels":["trojan"]}`, `{"type":"malware","spec_version":"2.1","id":"m","is_family":true,"malware_types":["trojan"],"name":"N"}`},
	{"malware that knows", `{"type":"malware","id":"m","is_family":false}`, `{"type":"malware","spec_version":"2.1","id":"m","is_family":false}`},
	{"tool", `{"type":"tool","id":"t","labels":["exploitation"]}`, `{"type":"tool","spec_version":"2.1","id":"t","tool_types":["exploitation"]}`},
	{"report", `{"type":"report","id":"r","labels":["threat-report"]}`, `{"type":"report","spec_version":"2.1","id":"r","report_types":["threat-report"]}`},
	{"actor", `{"type":"threat-actor","id":"a","labels":["spy"]}`, `{"type":"threat-actor","spec_version":"2.1","id":"a","threat_actor_types":["spy"]}`},
	{"labels of others", `{"type":"campaign","id":"c","labels":["x"]}`, `{"type":"campaign","spec_version":"2.1","id":"c","labels":["x"]}`},
	{"machine tags", `{"type":"tool","id":"t","labels":["tlp:green","exploitation","rsit:test=\"test\""]}`,
		`{"type":"tool","spec_version":"2.1","id":"t","labels":["tlp:green","rsit:test=\"test\""],"tool_types":["exploitation"]}`},
	{"only machine tags", `{"type":"tool","id":"t","labels":["tlp:green"]}`, `{"type":"tool","spec_version":"2.1","id":"t","labels":["tlp:green"]}`},
	{"types there", `{"type":"tool","id":"t","labels":["x"],"tool_types":["y"]}`, `{"type":"tool","spec_version":"2.1","id":"t","labels":["x"],"tool_types":["y"]}`},
	{"selected label", `{"type":"tool","id":"t","labels":["x"],"granular_markings":[{"selectors":["labels.[0]"],"marking_ref":"m"}]}`,
		`{"type":"tool","spec_version":"2.1","id":"t","granular_markings":[{"selectors":["labels.[0]"],"marking_ref":"m"}],"labels":["x"],"tool_types":["x"]}`},
	{"identity class as a list", `{"type":"identity","id":"i","identity_class":["group","class"]}`, `{"type":"identity","spec_version":"2.1","id":"i","identity_class":"group"}`},
	{"seen backwards", `{"type":"campaign","id":"c","first_seen":"2020-01-02T00:00:00Z","last_seen":"2020-01-01T00:00:00Z"}`,
		`{"type":"campaign","spec_version":"2.1","id":"c","first_seen":"2020-01-02T00:00:00Z"}`},
	{"tlp", `{"type":"marking-definition","id":"marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da","created":"2017-01-20T00:00:00.000Z","definition_type":"tlp","definition":{"tlp":"green"}}`,
		`{"type":"marking-definition","spec_version":"2.1","id":"marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da","created":"2017-01-20T00:00:00.000Z","definition":{"tlp":"green"},"definition_type":"tlp","name":"TLP:GREEN"}`},
	{"custom", `{"type":"x-thing","id":"x","created":"c","b":1,"a":2}`, `{"type":"x-thing","spec_version":"2.1","id":"x","created":"c","a":2,"b":1}`},
	{"pattern with times", `{"type":"indicator","id":"i","pattern":"[a:b = 'START \\'x'] START '2020-01-01T00:00:00Z' STOP /* 'no' */'2020-01-02T00:00:00Z'"}`,
		`{"type":"indicator","spec_version":"2.1","id":"i","pattern":"[a:b = 'START \\'x'] START t'2020-01-01T00:00:00Z' STOP /* 'no' */t'2020-01-02T00:00:00Z'","pattern_type":"stix"}`},
}

func TestUpgrade(t *testing.T) {
	for _, c := range upgradeCases {
		t.Run(c.name, func(t *testing.T) {
			got, err := Upgrade([]byte(c.in))
			if err != nil || len(got) != 1 || string(got[0]) != c.want {
				t.Fatalf("Upgrade = %s, %v\nwant %s", got, err, c.want)
			}
			again, err := Upgrade(got[0])
			if err != nil || len(again) != 1 || string(again[0]) != c.want {
				t.Errorf("upgraded twice: %s, %v", again, err)
			}
		})
	}
	for _, in := range []string{ // OBJ-26: what is no 2.0 stays
		sampleIndicator, `{ "type":"ipv4-addr", "value":"192.0.2.1" }`, `{"type":"x-thing", "value":1}`,
		`{"type":"tool", "spec_version":"2.2"}`, `{"type":"bundle", "objects":[]}`, `{ }`,
	} {
		if got, err := Upgrade([]byte(in)); err != nil || len(got) != 1 || string(got[0]) != in {
			t.Errorf("Upgrade(%s) = %s, %v", in, got, err)
		}
	}
	for in, code := range map[string]reason.Code{`[]`: reason.STIXFormat, `{`: reason.JSONSyntax, `{"type":"tool","type":"tool"}`: reason.JSONDuplicate} {
		if got, err := Upgrade([]byte(in)); reason.Of(err) != code {
			t.Errorf("Upgrade(%s) = %s, %v", in, got, err)
		}
	}
	// what is added may not carry an object over a limit
	large := `{"type":"campaign","x":"` + strings.Repeat("x", maxString) + `","y":"` + strings.Repeat("y", maxString) + `","z":"` + strings.Repeat("z", maxString) + `","w":"`
	large += strings.Repeat("w", maxBytes-len(large)-2) + `"}`
	if got, err := Upgrade([]byte(large)); reason.Of(err) != reason.STIXFormat {
		t.Errorf("%d bytes became %d objects, %v", len(large), len(got), err)
	}
}

func TestTypedTimes(t *testing.T) {
	for in, want := range map[string]string{
		"[a:b = 1] START '1' STOP '2'":        "[a:b = 1] START t'1' STOP t'2'",
		"[a:b = 1] START t'1' STOP t'2'":      "[a:b = 1] START t'1' STOP t'2'",
		`[a:b = 'it\'s START '] START'1'`:     `[a:b = 'it\'s START '] STARTt'1'`,
		"[a:START = 'x']":                     "[a:START = 'x']",
		"[a:b = 'x'] // START '1'\nSTART '1'": "[a:b = 'x'] // START '1'\nSTART t'1'",
		"[a:b = 'x'] /* START '1'":            "[a:b = 'x'] /* START '1'",
		"[a:b = 'x":                           "[a:b = 'x",
		"RESTART '1'":                         "RESTART '1'",
		"":                                    "",
	} {
		if got := typedTimes(in); got != want {
			t.Errorf("typedTimes(%s) = %s, want %s", in, got, want)
		}
	}
}

// TestUpgradeSplitsObservedData makes each observable an object of its own,
// with the id that its value gives, the references of its neighbours and the
// markings of the whole. OBJ-27
func TestUpgradeSplitsObservedData(t *testing.T) {
	got, err := Upgrade([]byte(observed20))
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 8 {
		t.Fatalf("%d objects", len(got))
	}
	byType := map[string]*Object{}
	var ids []string
	for _, raw := range got {
		o, err := Parse(raw)
		if err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		byType[o.Type] = o
		if o.Type != "observed-data" {
			ids = append(ids, o.ID)
		}
		if tlp, ok := TLPOf(o.MarkingRefs, nil); !ok || tlp != Amber {
			t.Errorf("%s is %v", o.ID, tlp)
		}
		if id, err := DeterministicID(raw); err == nil && id != o.ID {
			t.Errorf("%s ought to be %s", o.ID, id)
		}
	}
	whole := byType["observed-data"]
	if !slices.Equal(whole.Refs, ids) || strings.Contains(string(whole.Raw), `"objects"`) {
		t.Errorf("%s does not list %v", whole.Raw, ids)
	}
	if byType["ipv4-addr"].ID != "ipv4-addr--28bb3599-77cd-5a82-a950-b5bc3caf07c4" {
		t.Errorf("address %s", byType["ipv4-addr"].ID)
	}
	traffic := byType["network-traffic"].Refs
	if !slices.Equal(traffic, []string{byType["ipv4-addr"].ID, byType["artifact"].ID}) {
		t.Errorf("traffic refers to %v", traffic)
	}
	if f := byType["file"].Observable; f["ctime"] != "2019-01-01T00:00:00Z" || f["created"] != nil || f["parent_directory_ref"] != byType["directory"].ID {
		t.Errorf("file %v", f)
	}
	first := got[5]
	if o, err := Parse(first); err != nil || uuidVersion([]byte(o.ID)) != 4 || o.Observable["image_ref"] != byType["file"].ID || o.Observable["parent_ref"] != byType["process"].ID {
		t.Errorf("process %s, %v", first, err)
	}
	again, _ := Upgrade([]byte(observed20))
	if !reflect.DeepEqual(got, again) {
		t.Error("the same input gave other bytes")
	}
}

// TestUpgradeInheritsMarkings: a marking of a part binds every part, since
// nobody can tell any more which one it was. OBJ-27
func TestUpgradeInheritsMarkings(t *testing.T) {
	const red = "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed"
	base := fields{"type": "observed-data", "id": ref("observed-data"), "created": early,
		"granular_markings": []fields{{"selectors": []string{"objects.0.value"}, "marking_ref": red}, {"selectors": []string{"id"}, "marking_ref": red}},
		"objects":           fields{"0": fields{"type": "url", "value": "u", "object_marking_refs": []string{ref("marking-definition")}}, "1": fields{"type": "url", "value": "v"}}}
	got, err := Upgrade(base.json(t))
	if err != nil || len(got) != 3 {
		t.Fatal(got, err)
	}
	for i, want := range [][]string{{red, ref("marking-definition")}, {red}} {
		o, err := Parse(got[i+1])
		if err != nil || !slices.Equal(o.MarkingRefs, want) {
			t.Errorf("%s: %v", got[i+1], err)
		}
	}
	marks := func(n int) []string {
		all := make([]string, n)
		for i := range all {
			all[i] = fmt.Sprintf("marking-definition--8e2e2d2b-17d4-4cbf-938f-%012d", i)
		}
		return all
	}
	if _, err := Upgrade(base.with(fields{"granular_markings": nil, "object_marking_refs": marks(maxInherited)}).json(t)); err != nil {
		t.Errorf("most markings: %v", err)
	}
	if _, err := Upgrade(base.with(fields{"granular_markings": nil, "object_marking_refs": marks(maxInherited + 1)}).json(t)); reason.Of(err) != reason.STIXFormat {
		t.Errorf("too many markings: %v", err)
	}
}

func TestUpgradeOfAMixedBundle(t *testing.T) {
	new21 := `{"type":"tool", "spec_version":"2.1","labels":[]}`
	got, err := ReadBundle([]byte(`{"type":"bundle","spec_version":"2.0","objects":[{"type":"tool","id":"t"},` + new21 + "," + observed20 + "]}"))
	if err != nil || got.Upgraded != 2 || len(got.Objects) != 10 || len(got.Skipped) != 0 {
		t.Fatalf("%d upgraded, %d objects, %v, %v", got.Upgraded, len(got.Objects), got.Skipped, err)
	}
	if string(got.Objects[1]) != new21 {
		t.Errorf("an object of 2.1 became %s", got.Objects[1])
	}
}

// FuzzUpgrade: the same input gives the same bytes, what comes out passes the
// gate, says 2.1 and is not upgraded again; the order of properties in the
// input makes no difference.
func FuzzUpgrade(f *testing.F) {
	f.Add([]byte(observed20))
	for _, c := range upgradeCases {
		f.Add([]byte(c.in))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		first, err := Upgrade(raw)
		second, err2 := Upgrade(slices.Clone(raw))
		if !reflect.DeepEqual(first, second) || (err == nil) != (err2 == nil) {
			t.Fatalf("the same input gave\n%s, %v\n%s, %v", first, err, second, err2)
		}
		if err != nil {
			return
		}
		d, _ := read(raw)
		for _, o := range first {
			var v map[string]any
			if err := Scan(o); err != nil || json.Unmarshal(o, &v) != nil {
				t.Fatalf("%s: %v", o, err)
			}
			if isOld(&d) && v["spec_version"] != "2.1" {
				t.Fatalf("%s is no 2.1", o)
			}
			again, err := Upgrade(o)
			if err != nil || len(again) != 1 || string(again[0]) != string(o) {
				t.Fatalf("%s was upgraded again: %s, %v", o, again, err)
			}
		}
	})
}
