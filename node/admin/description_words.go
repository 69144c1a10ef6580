package admin

import (
	"encoding/json"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"tocsin/node/admin/api"
)

// within is the object that some keys lead to inside of another, nil for none.
func within(v map[string]any, keys ...string) map[string]any {
	for _, key := range keys {
		v, _ = v[key].(map[string]any)
	}
	return v
}

// without takes a key out of all objects in a value.
func without(v any, key string) {
	switch v := v.(type) {
	case map[string]any:
		delete(v, key)
		for _, inner := range v {
			without(inner, key)
		}
	case []any:
		for _, inner := range v {
			without(inner, key)
		}
	}
}

// structOf is the name of the struct of package api that a schema is made of: that of List for every list.
func (s *surface) structOf(schema string) string {
	t := s.OpenAPI().Components.Schemas.TypeFromRef("#/components/schemas/" + schema)
	if t == nil {
		return schema
	}
	name, _, _ := strings.Cut(t.Name(), "[")
	return name
}

// completion is what a description is completed by.
type completion struct {
	words    map[string]string
	sets     map[string][]string
	examples map[string]string
	old      bool
}

// schema says what a schema and its properties mean.
func (c *completion) schema(name, from string, schema map[string]any) {
	describeAs(schema, c.words[from])
	if example := c.examples[name]; example != "" {
		if c.old {
			schema["example"] = verbatim(example)
		} else {
			schema["examples"] = []any{verbatim(example)}
		}
	}
	properties := within(schema, "properties")
	for key := range properties {
		p := within(properties, key)
		if c.old && p["$ref"] != nil { // beside which 3.0 has nothing
			p = map[string]any{"allOf": []any{p}}
			properties[key] = p
		}
		describeAs(p, c.words[from+"."+key])
		if set := c.sets[name+"."+key]; set != nil {
			p["enum"] = set
		}
	}
}

func describeAs(schema map[string]any, text string) {
	if text != "" {
		schema["description"] = text
	}
}

// operation says which values its parameters have and shows a request.
func (c *completion) operation(op map[string]any) {
	id, _ := op["operationId"].(string)
	parameters, _ := op["parameters"].([]any)
	for _, one := range parameters {
		p, _ := one.(map[string]any)
		name, _ := p["name"].(string)
		if set := c.sets[id+"?"+name]; set != nil {
			within(p, "schema")["enum"] = set
		}
		if example := c.examples[id+"?"+name]; example != "" {
			p["example"] = verbatim(example)
		}
	}
	if example := c.examples[id]; example != "" {
		within(op, "requestBody", "content", "application/json")["example"] = verbatim(example)
	}
}

// groupOf is the group of an operation in the description, by the first part of its path.
func groupOf(path string) string {
	first, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(path, api.Prefix), "/"), "/")
	switch first {
	case "objects", "records", "search", "erasures":
		return "objects"
	case "check", "explain", "warnings", "scorecards", "opinions", "sightings":
		return "belief"
	case "trust", "trust-file", "trust-log", "trust-simulation", "policy", "pledges", "rollbacks":
		return "trust"
	case "review", "quarantine":
		return "review"
	case "events", "changes":
		return "events"
	case "peers", "topics", "mesh", "invites":
		return "peers"
	case "sync", "bundles":
		return "sync"
	case "audit", "checkpoints":
		return "evidence"
	case "keys":
		return "keys"
	case "tokens", "login-codes", "login", "logout":
		return "access"
	}
	return "node"
}

// groups are the groups of the operations.
func groups() []*huma.Tag {
	return []*huma.Tag{
		{Name: "objects", Description: "What the node holds: STIX objects and the signed records that they came in. Publishing, searching, proving, erasing."},
		{Name: "belief", Description: "What the node believes about values, why, and what organisations say about each other's objects."},
		{Name: "trust", Description: "The trust list: whose word counts how far. It decides what is accepted, what is held, and what machines may act on."},
		{Name: "review", Description: "What waits for a person: held objects, and changes that somebody proposed."},
		{Name: "events", Description: "What happens, as it happens, and the change sequence page by page."},
		{Name: "peers", Description: "The mesh: peers, topics, and invitations by which organisations meet."},
		{Name: "sync", Description: "Catching up with peers, and bundles for where no network goes."},
		{Name: "evidence", Description: "The audit log and its signed checkpoints."},
		{Name: "keys", Description: "The organisation's keys: what cannot be undone takes the owner at the socket."},
		{Name: "access", Description: "Tokens for programs, one-time codes and sessions for browsers."},
		{Name: "node", Description: "The node itself: state, health, backups, configuration, logs, metrics, reason codes, and this description."},
	}
}

// verbatim is an example as JSON, so that it stands as it was written.
func verbatim(example string) json.RawMessage { return json.RawMessage(example) }

// examples show what the most used operations and schemas look like, as JSON: by schema, operation (its body) or "operation?parameter".
func examples() map[string]string {
	return map[string]string{
		"publish": `{"type":"bundle","id":"bundle--3b7c4d1e-6f0a-4b7e-9c1d-2a5f8e9b0c11","objects":[{"type":"indicator","spec_version":"2.1",
			"id":"indicator--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f","created":"2026-01-01T00:00:00.000Z","modified":"2026-01-01T00:00:00.000Z",
			"pattern":"[domain-name:value = 'drop.example']","pattern_type":"stix","valid_from":"2026-01-01T00:00:00Z","indicator_types":["malicious-activity"]}]}`,
		"publish?topic":     `"fraud"`,
		"publish?valid_for": `"720h"`,
		"check":             `{"values":["drop.example","hxxp://203.0.113[.]7/login"]}`,
		"trust-add": `{"org":"sha256:1111111111111111111111111111111111111111111111111111111111111111","petname":"Example CERT","level":"partner",
			"expires":"2026-12-31","reason":"met at the annual meeting"}`,
		"trust-set": `{"org":"sha256:1111111111111111111111111111111111111111111111111111111111111111","petname":"","level":"observed","expires":"",
			"reason":"many false positives","automation":["none"]}`,
		"review-decide":     `{"accept":true,"reason":"checked with the organisation"}`,
		"quarantine-decide": `{"subject":"indicator--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f","accept":true,"reason":"seen here too"}`,
		"token-create":      `{"name":"siem","role":"analyst","expires":"2026-12-31T00:00:00Z","reason":"the SIEM's connector"}`,
		"events?kinds":      `["object","review"]`,
		"events?min_score":  `80`,
		"events?replay":     `"10m"`,
		"search?q":          `"drop.example"`,
		"explain?subject":   `"drop.example"`,
		"Problem": `{"type":"urn:tocsin:reason:state.changed","title":"The state was changed since it was read.","status":412,
			"detail":"change the entry of sha256:1111...: its state is \"9f2c\" now, If-Match names \"77aa\"","code":"state.changed",
			"fix":"Read it again, look at what changed, and send the change with the new ETag.","blame":"sender"}`,
	}
}
