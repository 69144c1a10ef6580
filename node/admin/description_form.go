package admin

import (
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// neverNull says of all lists that they are no null: answers have none (ADM-33), and a request may leave one out instead.
func (s *surface) neverNull() {
	for _, schema := range s.OpenAPI().Components.Schemas.Map() {
		for _, property := range schema.Properties {
			property.Nullable = property.Nullable && property.Type != huma.TypeArray
			if property.Items != nil && property.Items.Type == huma.TypeArray {
				property.Items.Nullable = false
			}
		}
	}
}

// open lets what answers consist of have more than is described: later versions add some, and a client that was made of this
// description goes on reading them. What only requests have stays closed, as the node refuses what it does not know.
func open(doc map[string]any) {
	schemas := within(doc, "components", "schemas")
	asked, answered := map[string]bool{}, map[string]bool{}
	paths := within(doc, "paths")
	for path := range paths {
		for method := range within(paths, path) {
			op := within(paths, path, method)
			refers(schemas, op["requestBody"], asked)
			refers(schemas, op["responses"], answered)
		}
	}
	for name := range schemas {
		if answered[name] || !asked[name] {
			delete(within(schemas, name), "additionalProperties")
		}
	}
}

// refers gathers the schemas that a part of a description consists of.
func refers(schemas map[string]any, part any, found map[string]bool) {
	switch part := part.(type) {
	case map[string]any:
		if ref, is := part["$ref"].(string); is {
			name := ref[strings.LastIndex(ref, "/")+1:]
			if !found[name] {
				found[name] = true
				refers(schemas, schemas[name], found)
			}
		}
		for _, inner := range part {
			refers(schemas, inner, found)
		}
	case []any:
		for _, inner := range part {
			refers(schemas, inner, found)
		}
	}
}

// describeHeaders says which headers answers have; operations refer to them.
func (s *surface) describeHeaders() {
	says := func(kind, description string) *huma.Header {
		return &huma.Header{Description: description, Schema: &huma.Schema{Type: kind}}
	}
	s.OpenAPI().Components.Headers = map[string]*huma.Header{
		headerRequest:  says(huma.TypeString, "The id of this request, which the node's log and audit log have too. Every answer has it"),
		headerReplayed: says(huma.TypeString, "true where the answer, or the problem, was given before: to the first request with the same "+headerKey),
		"Link":         says(huma.TypeString, "Where there is more: the address of the next page, with rel=\"next\""),
		"ETag":         says(huma.TypeString, "The state that the answer shows, to send as "+headerMatch),
		"Retry-After":  says(huma.TypeInteger, "Where waiting helps: for how many seconds, before the same is sent again"),
		"Allow":        says(huma.TypeString, "With 405: the methods that the path has"),
	}
}

// headers says which headers the answers of an operation have. Those of each answer stand at what it gives and at default.
func headers(op *huma.Operation) {
	for status, r := range op.Responses {
		var names []string
		switch status {
		case "200":
			names = append(names, headerRequest)
			if takes(op, "limit") {
				names = append(names, "Link")
			}
			if r.Headers["ETag"] != nil {
				names = append(names, "ETag")
			}
			if repeatable(op.OperationID) {
				names = append(names, headerReplayed)
			}
		case "409", "429":
			names = append(names, "Retry-After")
		case "default":
			names = append(names, headerRequest, "Retry-After", "Allow")
			if repeatable(op.OperationID) {
				names = append(names, headerReplayed)
			}
		}
		delete(r.Headers, "Content-Type") // which the content names
		for _, name := range names {
			if r.Headers == nil {
				r.Headers = map[string]*huma.Header{}
			}
			r.Headers[name] = &huma.Header{Ref: "#/components/headers/" + name}
		}
	}
}

// takes reports whether an operation has a parameter.
func takes(op *huma.Operation, name string) bool {
	return slices.ContainsFunc(op.Parameters, func(p *huma.Param) bool { return p.Name == name })
}
