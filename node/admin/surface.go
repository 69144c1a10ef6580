package admin

import (
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"tocsin/node/admin/api"
	"tocsin/node/once"
	"tocsin/protocol/reason"
)

// surface is the API as the resources register with it: it adds to each operation what all of them have.
type surface struct {
	huma.API
	// once is nil where no keys are remembered.
	once *once.Book
	// patterns are what the mux answers.
	patterns *patterns
}

// patterns is a mux that knows what was registered with it, so that a test can hold it against the description.
type patterns struct {
	*http.ServeMux
	all []string
}

// HandleFunc registers one pattern.
func (p *patterns) HandleFunc(pattern string, h func(http.ResponseWriter, *http.Request)) {
	p.all = append(p.all, pattern)
	p.ServeMux.HandleFunc(pattern, h)
}

// Handle registers one pattern.
func (p *patterns) Handle(pattern string, h http.Handler) { p.HandleFunc(pattern, h.ServeHTTP) }

func newSurface(d Deps) *surface {
	p := &patterns{ServeMux: http.NewServeMux()}
	s := &surface{API: humago.New(p, apiConfig()), once: d.Once, patterns: p}
	s.OpenAPI().Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"token":   {Type: "http", Scheme: "bearer", Description: "A token of POST /tokens."},
		"session": {Type: "apiKey", In: "cookie", Name: "tocsin_session_PORT", Description: "A browser's session, made of a one-time code; PORT is the port's number, since browsers keep one cookie for all ports of a host. At the unix socket the account is the login."},
		"proof":   {Type: "apiKey", In: "header", Name: headerProof, Description: "What the login answered as proof. The cookie is no login without it."},
	}
	s.OpenAPI().Security = []map[string][]string{{"token": {}}, {"session": {}, "proof": {}}}
	s.describeHeaders()
	return s
}

// DocumentOperation completes an operation before it is registered: the framework calls it first and then wraps the
// handler in the operation's middlewares.
func (s *surface) DocumentOperation(op *huma.Operation) {
	if op.Method != http.MethodGet && !takes(op, headerMatch) {
		op.Middlewares = append(op.Middlewares, unconditional)
	}
	op.Middlewares = append(op.Middlewares, asDescribed)
	for _, p := range op.Parameters {
		p.Schema.Nullable = false // in an address there is no null
	}
	if repeatable(op.OperationID) {
		op.Middlewares = append(op.Middlewares, s.repeat)
		one := 1
		longest := once.MaxKey
		op.Parameters = append(op.Parameters, &huma.Param{
			Name: headerKey, In: "header", Schema: &huma.Schema{Type: huma.TypeString, MinLength: &one, MaxLength: &longest},
			Description: "Names this request for 24 hours: repeated unchanged with the same key it is answered as the first time, and done once. Where nothing went out or was changed the key is free again.",
		})
	}
	op.Tags = []string{groupOf(op.Path)}
	s.stream(op)
	s.problems(op)
	headers(op)
	s.OpenAPI().AddOperation(op)
}

// problems says which reason codes an operation is refused with, by status, and which role it needs.
func (s *surface) problems(op *huma.Operation) {
	schema := s.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[api.Problem](), true, "Problem")
	content := map[string]*huma.MediaType{"application/problem+json": {Schema: schema}}
	codes := codesOf(op)
	by := map[int][]string{}
	names := make([]string, len(codes))
	for i, code := range codes {
		names[i] = string(code)
		status := api.NewProblem(code, "").Status
		by[status] = append(by[status], names[i])
	}
	if slices.Contains(codes, reason.UsageInvalid) {
		by[http.StatusUnprocessableEntity] = append(by[http.StatusUnprocessableEntity], string(reason.UsageInvalid))
	}
	for status, codes := range by {
		op.Responses[strconv.Itoa(status)] = &huma.Response{Description: strings.Join(codes, ", "), Content: content}
	}
	op.Responses["default"] = &huma.Response{Description: "any other problem; its code says which", Content: content}
	op.Extensions = map[string]any{"x-role": leastRole(op.OperationID).String(), "x-problems": names}
	if entranceOperation(op.OperationID) {
		op.Security = []map[string][]string{{}}
		op.Extensions["x-role"] = "none"
	}
}

// entranceOperation reports whether an operation is how a browser logs in.
func entranceOperation(id string) bool { return id == "login" || id == "logout" }

// codesOf are the codes that an operation is refused with: what every one has, what follows from its form, and its own.
func codesOf(op *huma.Operation) []reason.Code {
	codes := []reason.Code{reason.HostUnknown, reason.OriginForeign, reason.RequestRate, reason.UsageInvalid, reason.Internal}
	if !entranceOperation(op.OperationID) {
		codes = append(codes, reason.LoginRequired, reason.LoginExpired, reason.RoleDenied)
	}
	if op.OperationID != "status" {
		codes = append(codes, reason.NodeStarting)
	}
	if op.RequestBody != nil {
		codes = append(codes, reason.MediaType, reason.InputSize, reason.TimedOut)
	}
	if strings.Contains(op.Path, "{") {
		codes = append(codes, reason.NotFound, reason.Ambiguous)
	}
	if op.Method != http.MethodGet {
		codes = append(codes, reason.Conflict, reason.StoreFull)
	}
	if takes(op, headerMatch) {
		codes = append(codes, reason.StateChanged)
	}
	if repeatable(op.OperationID) {
		codes = append(codes, reason.KeyReused)
	}
	codes = append(codes, ownCodes(op.OperationID)...)
	slices.Sort(codes)
	return slices.Compact(codes)
}

// ownCodes are what only this operation is refused with.
func ownCodes(operation string) []reason.Code {
	switch operation {
	case "publish":
		return []reason.Code{reason.TopicUnknown, reason.OutTLP, reason.TimedOut, reason.Interrupted}
	case "opinion", "sighting":
		return []reason.Code{reason.NotFound, reason.Ambiguous, reason.OutTLP}
	case "peers-add", "invite-accept", "sync-now":
		return []reason.Code{reason.PeerDial}
	case "trust-add", "trust-set":
		return []reason.Code{reason.ApprovalNeeded, reason.NotFound, reason.Ambiguous}
	case "trust-diff", "trust-import", "trust-reload":
		return []reason.Code{reason.TrustFile, reason.StateUnseen}
	case "review-decide":
		return []reason.Code{reason.ApprovalNeeded}
	case "object-proof", "record-file", "object-evidence", "quarantine-decide":
		return []reason.Code{reason.CertUnknown, reason.NotFound}
	case "explain", "search", "objects", "quarantine-list", "scorecards", "pledges":
		return []reason.Code{reason.NotFound, reason.Ambiguous, reason.StoreDamaged}
	case "events", "audit-list", "doctor":
		return []reason.Code{reason.Conflict}
	case "audit-verify":
		return []reason.Code{reason.Conflict, reason.TimedOut}
	case "audit-export", "trust-log":
		return []reason.Code{reason.AuditDamaged}
	}
	return nil
}

// stream describes the operations whose bodies are no single JSON value, which the framework cannot know.
func (s *surface) stream(op *huma.Operation) {
	binary := &huma.Schema{Type: huma.TypeString, Format: "binary"}
	text := &huma.Schema{Type: huma.TypeString}
	gives := func(media string, schema *huma.Schema) {
		op.Responses["200"] = &huma.Response{Description: "OK", Content: map[string]*huma.MediaType{media: {Schema: schema}}}
	}
	takes := func(media ...string) {
		op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{}}
		for _, m := range media {
			op.RequestBody.Content[m] = &huma.MediaType{Schema: binary}
		}
	}
	switch op.OperationID {
	case "publish":
		takes("application/octet-stream", "application/json", mediaSTIX)
		document := &huma.Schema{Description: "A STIX bundle, an object or a list of objects."}
		op.RequestBody.Content["application/json"].Schema, op.RequestBody.Content[mediaSTIX].Schema = document, document
		gives("application/json", schemaOf[api.PublishResult](s))
		op.Responses["200"].Content[api.MediaNDJSON] = &huma.MediaType{Schema: schemaOf[api.PublishLine](s)}
	case "events":
		gives("text/event-stream", text)
		_, _ = schemaOf[api.Gap](s), schemaOf[api.Turn](s) // of which the text speaks
	case "audit-export", "diagnostics-log":
		gives(api.MediaNDJSON, text)
	case "diagnostics-goroutines":
		gives("text/plain", text)
	case "diagnostics-trace":
		gives("application/octet-stream", binary)
	case "object-raw":
		gives(mediaSTIX, binary)
	case "record-raw":
		gives(mediaRecord, binary)
	case "object-proof", "record-file":
		gives(mediaFile, binary)
	case "object-evidence":
		gives(mediaEvidence, binary)
	case "bundle-export":
		gives("application/octet-stream", binary)
		_ = schemaOf[api.BundleExported](s)
	case "bundle-import":
		takes("application/octet-stream")
		gives("application/json", schemaOf[api.BundleImported](s))
	}
}

// schemaOf has a type of package api described, and refers to that.
func schemaOf[T any](s *surface) *huma.Schema {
	return s.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[T](), true, "")
}
