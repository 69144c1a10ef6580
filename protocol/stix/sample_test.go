package stix

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"
)

// sampleIndicator is an indicator of the size that real feeds with metadata have.
var sampleIndicator = `{"type":"indicator","spec_version":"2.1","id":"indicator--05b7c427-1452-437e-a19e-32590edf60c3",` +
	`"created_by_ref":"identity--c78cb6e5-0c4b-4611-8297-d1b8b55e40b5","created":"2024-01-26T21:28:21.013Z",` +
	`"modified":"2024-01-26T21:28:21.013Z","name":"bad.example","description":"` + strings.Repeat("What is known of it. ", 19) + `",` +
	`"indicator_types":["malicious-activity"],"pattern":"[domain-name:value = 'bad.example']","pattern_type":"stix",` +
	`"pattern_version":"2.1","valid_from":"2024-01-26T21:28:21.013288Z","valid_until":"2025-01-26T21:28:21.013288Z",` +
	`"confidence":80,"labels":["rsit:malicious-code=\"c2-server\""],` +
	`"object_marking_refs":["marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb"]}`

const (
	someUUID = "8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f"
	early    = "2020-01-01T00:00:00.000Z"
	late     = "2020-01-02T00:00:00.000Z"
)

// fields are properties of an object; nil takes one away.
type fields map[string]any

// sdoOf makes a domain or relationship object of a type.
func sdoOf(typ string, more fields) fields {
	f := fields{"type": typ, "spec_version": "2.1", "id": typ + "--" + someUUID, "created": early, "modified": early}
	maps.Copy(f, more)
	return f
}

// scoOf makes an observable of a type.
func scoOf(typ string, more fields) fields {
	f := fields{"type": typ, "id": typ + "--" + someUUID}
	maps.Copy(f, more)
	return f
}

func (f fields) with(more fields) fields {
	f = maps.Clone(f)
	maps.Copy(f, more)
	return f
}

func (f fields) json(t testing.TB) []byte {
	t.Helper()
	f = maps.Clone(f)
	maps.DeleteFunc(f, func(_ string, v any) bool { return v == nil })
	raw, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func ref(typ string) string { return typ + "--" + someUUID }
