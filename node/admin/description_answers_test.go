package admin

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"tocsin/node/access"
	"tocsin/node/admin/api"
)

// conforms holds a value of an answer against its schema: what is there is described, what is required is there, and values are
// among those that are named.
func conforms(doc, schema map[string]any, v any) error {
	if ref, is := schema["$ref"].(string); is {
		return conforms(doc, within(doc, "components", "schemas", ref[strings.LastIndex(ref, "/")+1:]), v)
	}
	if set, is := schema["enum"].([]string); is && !slices.Contains(set, fmt.Sprint(v)) {
		return fmt.Errorf("%q is none of %q", v, set)
	}
	switch v := v.(type) {
	case []any:
		for i, item := range v {
			if err := conforms(doc, within(schema, "items"), item); err != nil {
				return fmt.Errorf("%d: %w", i, err)
			}
		}
	case map[string]any:
		properties := within(schema, "properties")
		required, _ := schema["required"].([]any)
		for _, key := range required {
			if _, is := v[key.(string)]; !is {
				return fmt.Errorf("%s is required and not there", key)
			}
		}
		for key, inner := range v {
			if properties == nil {
				break // an object of somebody else, or a map
			}
			if properties[key] == nil {
				return fmt.Errorf("%s is not described", key)
			}
			if err := conforms(doc, within(properties, key), inner); err != nil {
				return fmt.Errorf("%s: %w", key, err)
			}
		}
	}
	return nil
}

// What the node answers is what the description says (ADM-33).
func TestAnswersConform(t *testing.T) {
	b := newBench(t)
	s := routes(b.deps)
	doc, err := s.document(false)
	ok(t, err)
	b.receive(b.other.record(t, "fraud", indicator(1, "held.example")))
	send := func(method, path, body string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, api.Prefix+path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		return as(t, s.patterns, access.Operator, "socket", r)
	}
	if w := send("POST", "/objects?topic=fraud", feedIn(indicator(2, "own.example"))); w.Code != 200 {
		t.Fatalf("publish: %d %s", w.Code, w.Body)
	}
	asked := 0
	check := func(path, method, at, body string) {
		op := within(doc, "paths", api.Prefix+path, method)
		schema := within(op, "responses", "200", "content", "application/json", "schema")
		if schema == nil {
			return
		}
		asked++
		w := send(strings.ToUpper(method), at, body)
		if w.Code != 200 {
			schema = within(doc, "components", "schemas", "Problem")
		}
		var v any
		ok(t, json.Unmarshal(w.Body.Bytes(), &v))
		if err := conforms(doc, schema, v); err != nil {
			t.Errorf("%s %s: %d: %v", method, at, w.Code, err)
		}
	}
	for path := range within(doc, "paths") {
		path, is := strings.CutPrefix(path, api.Prefix)
		if is && !strings.Contains(path, "{") && !slices.Contains([]string{"/invites", "/review"}, path) { // of which the bench has none
			check(path, "get", path, "")
		}
	}
	id := "indicator--" + uuid(2)
	for _, part := range []string{"", "/fate", "/provenance", "/score", "/versions"} {
		check("/objects/{id}"+part, "get", "/objects/"+id+part, "")
	}
	check("/check", "post", "/check", `{"values":["own.example","held.example","nobody.example"]}`)
	check("/trust/{org}", "get", "/trust/"+b.other.Org.String(), "")
	check("/reasons/{code}", "get", "/reasons/not.found", "")
	if asked < 25 {
		t.Errorf("only %d answers were looked at", asked)
	}
	object := within(doc, "components", "schemas", "Object")
	if conforms(doc, object, map[string]any{}) == nil || conforms(doc, within(object, "properties", "state"), "lost") == nil {
		t.Error("what is no object conforms")
	}
}
