package admin

import (
	"maps"
	"slices"
	"testing"
)

// everyOperation calls with each operation of a description.
func everyOperation(doc map[string]any, each func(op map[string]any)) {
	paths := within(doc, "paths")
	for path := range paths {
		for method := range within(paths, path) {
			each(within(paths, path, method))
		}
	}
}

// ADM-33: in both forms every schema, property, operation and parameter is described, and every operation is in a group that is.
// What is said of something that is not there, or of values that nobody has, is an error too.
func TestWords(t *testing.T) {
	s := everything(t)
	for _, old := range []bool{false, true} {
		doc, err := s.document(old)
		ok(t, err)
		sets, shown, used := closedSets(), examples(), map[string]bool{}
		schemas := within(doc, "components", "schemas")
		for name := range schemas {
			schema := within(schemas, name)
			lacks(t, name, schema)
			used[name] = shown[name] != ""
			for key := range within(schema, "properties") {
				lacks(t, name+"."+key, within(schema, "properties", key))
				used[name+"."+key] = true
			}
		}
		groups := map[any]bool{}
		for _, one := range doc["tags"].([]any) {
			lacks(t, "a group", one.(map[string]any))
			groups[one.(map[string]any)["name"]] = true
		}
		everyOperation(doc, func(op map[string]any) {
			id := op["operationId"].(string)
			lacks(t, id, op)
			tags, _ := op["tags"].([]any)
			if len(tags) != 1 || !groups[tags[0]] {
				t.Errorf("%s is in the groups %v", id, tags)
			}
			used[id] = true
			parameters, _ := op["parameters"].([]any)
			for _, one := range parameters {
				p := one.(map[string]any)
				name := id + "?" + p["name"].(string)
				lacks(t, name, p)
				used[name] = true
			}
		})
		for _, name := range slices.Concat(slices.Collect(maps.Keys(sets)), slices.Collect(maps.Keys(shown))) {
			if !used[name] {
				t.Errorf("%s has values or an example and is not described", name)
			}
		}
	}
}

// lacks fails when a part of a description says nothing.
func lacks(t *testing.T, name string, part map[string]any) {
	t.Helper()
	if text, _ := part["description"].(string); len(text) < 4 {
		t.Errorf("%s is described as %q", name, text)
	}
}
