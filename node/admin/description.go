package admin

import (
	"bytes"
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"tocsin/node/access"
)

// mediaYAML is the media type of a description.
const mediaYAML = "application/yaml"

// registerDescription answers the description of all that is registered by then, in the form of OpenAPI 3.1 and, for tools that
// know no other, of 3.0. It is made anew each time: few ask for it, and kept it would be a part of every node's memory.
func registerDescription(s *surface) {
	for _, form := range []struct {
		id, path string
		make     func() ([]byte, error)
	}{{"openapi", "/openapi.yaml", s.describe}, {"openapi-3-0", "/openapi-3.0.yaml", s.describe30}} {
		handle(s, huma.Operation{
			OperationID: form.id, Method: http.MethodGet, Path: form.path, Summary: "The description of this API",
			Responses: map[string]*huma.Response{"200": {Description: "OK", Content: map[string]*huma.MediaType{mediaYAML: {Schema: &huma.Schema{Type: huma.TypeString}}}}},
		}, func(context.Context, *nothing) (*rawOut, error) {
			raw, err := form.make()
			return &rawOut{mediaYAML, raw}, err
		})
	}
}

// whole leaves the framework's own form of errors out: no answer has it.
func (s *surface) whole() *huma.OpenAPI {
	o := *s.OpenAPI()
	o.Info = &huma.Info{Title: o.Info.Title, Version: o.Info.Version, Description: "Beside these: GET /livez and /readyz answer yes or no without a login, /debug/pprof/ profiles at the unix socket, and / is the page that logs a browser in."}
	o.Servers = []*huma.Server{{URL: "http://127.0.0.1:8470", Description: "The port of a node with the default configuration; tocsin status names it."}}
	for _, name := range []string{"ErrorModel", "ErrorDetail"} {
		delete(o.Components.Schemas.Map(), name)
	}
	return &o
}

func (s *surface) describe() ([]byte, error) { return s.whole().YAML() }

func (s *surface) describe30() ([]byte, error) {
	raw, err := s.whole().DowngradeYAML()
	return bytes.TrimSpace(raw), err
}

// describeMetrics describes what another handler answers.
func (s *surface) describeMetrics() {
	op := &huma.Operation{
		OperationID: "metrics", Method: http.MethodGet, Path: "/metrics", Summary: "Figures for Prometheus, in its text form",
		Responses: map[string]*huma.Response{"200": {Description: "OK", Content: map[string]*huma.MediaType{"text/plain": {Schema: &huma.Schema{Type: huma.TypeString}}}}},
	}
	s.problems(op)
	op.Extensions["x-role"] = access.Viewer.String()
	s.OpenAPI().AddOperation(op)
}
