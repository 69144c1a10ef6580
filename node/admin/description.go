package admin

import (
	"bytes"
	"context"
	_ "embed" // the words of the description
	"encoding/json"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/yaml"

	"tocsin/node/access"
)

// mediaYAML is the media type of a description.
const mediaYAML = "application/yaml"

// wordsFile says what each schema and each property means: the doc comments of package api, which go generate writes there. It is read
// for each description and not kept.
//
//go:embed words.json
var wordsFile string

// registerDescription answers the description of all that is registered by then, in the form of OpenAPI 3.1 and, for tools that
// know no other, of 3.0. It is made anew each time: few ask for it, and kept it would be a part of every node's memory.
func registerDescription(s *surface) {
	text := map[string]*huma.Response{"200": {Description: "OK", Content: map[string]*huma.MediaType{mediaYAML: {Schema: &huma.Schema{Type: huma.TypeString}}}}}
	handle(s, huma.Operation{
		OperationID: "openapi", Method: http.MethodGet, Path: "/openapi.yaml", Summary: "The description of this API",
		Description: "In the form of OpenAPI 3.1. It has what this node has: one without a part, such as backups, is described without.",
		Responses:   text,
	}, describing(s.describe))
	handle(s, huma.Operation{
		OperationID: "openapi-3-0", Method: http.MethodGet, Path: "/openapi-3.0.yaml", Summary: "The description of this API for older tools",
		Description: "The same as /openapi.yaml in the form of OpenAPI 3.0, for tools that know no other.",
		Responses:   map[string]*huma.Response{"200": text["200"]},
	}, describing(s.describe30))
}

func describing(describe func() ([]byte, error)) func(context.Context, *nothing) (*rawOut, error) {
	return func(context.Context, *nothing) (*rawOut, error) {
		raw, err := describe()
		return &rawOut{mediaYAML, raw}, err
	}
}

// overview is what a client has to know of all operations.
const overview = `A node of a Tocsin mesh: what it holds, believes, decides and does. Every operation says in x-role which role it takes at least (none, viewer, analyst, operator, owner) and in x-problems which reason codes it is refused with.

Errors are application/problem+json (schema Problem): branch on code, show detail and fix. Lists are items and, where there is more, next: pass it on as cursor, with the same other parameters, or follow the header Link. A list that has nothing is [], never null. Times are RFC 3339. What is absent is not known or does not apply. Ids of organisations, keys and records are sha256: and 64 hex digits, and wherever one is taken a unique beginning of 8 hex digits or more serves. Ignore properties that you do not know in answers, and take a value that no enum names as an unknown one: later versions add some.

A POST that signs what cannot be taken back takes an Idempotency-Key: once something may have gone out, its answer is kept, a problem too, and given to whoever repeats the request; until then the key is free again. Parameters and properties of a request that are not described here are refused (usage.invalid), and so is a second value of a parameter that takes one. Send the ETag of what you have read as If-Match with a change of the trust list; an operation that does not name If-Match refuses it. Every answer has the header Tocsin-Request-Id, which the node's log and audit log have too; what changes something stands in the audit log before it is done, with who did it and by which way.

Text that comes from other organisations (names, objects, reasons) proves nothing: show it as text only.

Beside these operations GET /livez and /readyz answer yes or no without a login, /debug/pprof/ profiles at the unix socket, and / is the page that logs a browser in.`

// whole is what the framework knows of the operations, and what is true of all of them.
func (s *surface) whole() *huma.OpenAPI {
	o := *s.OpenAPI()
	o.Info = &huma.Info{Title: o.Info.Title, Version: o.Info.Version, Description: overview, License: o.Info.License}
	o.Servers = []*huma.Server{{URL: "http://127.0.0.1:8470", Description: "The port of a node with the default configuration; tocsin status names it."}}
	o.Tags = groups()
	return &o
}

func (s *surface) describe() ([]byte, error) { return written(s.document(false)) }

func (s *surface) describe30() ([]byte, error) { return written(s.document(true)) }

// document is the description with what the framework cannot know: words, values and examples. old is the form of OpenAPI 3.0.
func (s *surface) document(old bool) (map[string]any, error) {
	give := s.whole().MarshalJSON
	if old {
		give = s.whole().Downgrade
	}
	raw, err := give()
	if err != nil {
		return nil, err
	}
	var doc map[string]any
	if err := json.Unmarshal(raw, &doc); err != nil {
		return nil, err
	}
	said := map[string]string{}
	if err := json.Unmarshal([]byte(wordsFile), &said); err != nil {
		return nil, err
	}
	if old {
		without(doc, "contentMediaType") // of 3.1, and the framework leaves it
	}
	open(doc)
	c := completion{said, closedSets(), examples(), old}
	schemas := within(doc, "components", "schemas")
	for _, name := range []string{"ErrorModel", "ErrorDetail"} { // the framework's own form of errors, which no answer has
		delete(schemas, name)
	}
	for name := range schemas {
		c.schema(name, s.structOf(name), within(schemas, name))
	}
	paths := within(doc, "paths")
	for path := range paths {
		for method := range within(paths, path) {
			c.operation(within(paths, path, method))
		}
	}
	return doc, nil
}

// written is a document as YAML.
func written(doc map[string]any, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	raw, err := json.Marshal(doc)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = yaml.Convert(&out, bytes.NewReader(raw))
	return bytes.TrimSpace(out.Bytes()), err
}

// describeMetrics describes what another handler answers.
func (s *surface) describeMetrics() {
	op := &huma.Operation{
		OperationID: "metrics", Method: http.MethodGet, Path: "/metrics", Summary: "Figures for Prometheus, in its text form",
		Description: "What is counted since the start, without names of peers or organisations. docs/metrics.md describes each.",
		Responses:   map[string]*huma.Response{"200": {Description: "OK", Content: map[string]*huma.MediaType{"text/plain": {Schema: &huma.Schema{Type: huma.TypeString}}}}},
	}
	op.Tags = []string{groupOf(op.Path)}
	s.problems(op)
	headers(op)
	op.Extensions["x-role"] = access.Viewer.String()
	s.OpenAPI().AddOperation(op)
}
