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
// among those that are named, and what is no null is none.
func conforms(doc, schema map[string]any, v any) error {
	if ref, is := schema["$ref"].(string); is {
		return conforms(doc, within(doc, "components", "schemas", ref[strings.LastIndex(ref, "/")+1:]), v)
	}
	if set, is := schema["enum"].([]string); is && !slices.Contains(set, fmt.Sprint(v)) {
		return fmt.Errorf("%q is none of %q", v, set)
	}
	switch v := v.(type) {
	case nil:
		if kind, one := schema["type"].(string); one {
			return fmt.Errorf("null instead of a %s", kind)
		}
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
		for _, name := range []string{headerRequest, "Link", "ETag"} {
			described := within(op, "responses", "200", "headers", name) != nil
			if there := w.Header().Get(name) != ""; w.Code == 200 && there && !described {
				t.Errorf("%s %s: the header %s is not described", method, at, name)
			}
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

// properties calls with each property of the schemas.
func properties(schemas map[string]any, each func(name string, property map[string]any)) {
	for name := range schemas {
		for key := range within(schemas, name, "properties") {
			each(name+"."+key, within(schemas, name, "properties", key))
		}
	}
}

// No list of a description is a null, in either form; what answers consist of may have more than is described, what only
// requests have may not, and a raw answer is described as what it is (ADM-33).
func TestForms(t *testing.T) {
	s := everything(t)
	for _, old := range []bool{false, true} {
		doc, err := s.document(old)
		ok(t, err)
		schemas := within(doc, "components", "schemas")
		properties(schemas, func(name string, p map[string]any) {
			kinds, several := p["type"].([]any)
			if p["nullable"] == true && p["type"] == "array" || several && slices.Contains(kinds, any("array")) {
				t.Errorf("%s may be null", name)
			}
		})
		for name, closed := range map[string]bool{"Object": false, "Status": false, "Problem": false, "Gap": false, "TrustEntry": false, "CheckRequest": true, "TokenCreate": true} {
			if is := within(schemas, name)["additionalProperties"] == false; is != closed || schemas[name] == nil {
				t.Errorf("%s: closed %v", name, is)
			}
		}
		for path, media := range map[string]string{
			"/diagnostics/log": api.MediaNDJSON, "/diagnostics/goroutines": "text/plain", "/diagnostics/trace": "application/octet-stream",
			"/audit/export": api.MediaNDJSON, "/objects/{id}/raw": mediaSTIX, "/openapi.yaml": mediaYAML, "/events": "text/event-stream",
		} {
			content := within(doc, "paths", api.Prefix+path, "get", "responses", "200", "content")
			if len(content) != 1 || content[media] == nil {
				t.Errorf("%s answers %v, want %s", path, content, media)
			}
		}
		for name, at := range map[string][3]string{
			headerRequest: {"/status", "get", "200"}, "Link": {"/objects", "get", "200"}, "ETag": {"/trust", "get", "200"},
			headerReplayed: {"/objects", "post", "200"}, "Retry-After": {"/events", "get", "429"}, "Allow": {"/status", "get", "default"},
		} {
			ref := within(doc, "paths", api.Prefix+at[0], at[1], "responses", at[2], "headers", name)["$ref"]
			if ref != "#/components/headers/"+name || within(doc, "components", "headers", name) == nil {
				t.Errorf("%s is not described at %v", name, at)
			}
		}
	}
}
