package apitest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tocsin/node"
	"tocsin/node/admin/api"
)

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestGenerated holds the committed client against the committed description.
func TestGenerated(t *testing.T) {
	out := filepath.Join(t.TempDir(), "client_gen.go")
	raw, err := exec.CommandContext(t.Context(), "go", "tool", "oapi-codegen", "-config", "client.yaml", "-o", out, "../openapi-3.0.yaml").CombinedOutput()
	if err != nil {
		t.Fatalf("generate the client: %v\n%s", err, raw)
	}
	made, err := os.ReadFile(out)
	ok(t, err)
	committed, err := os.ReadFile("client_gen.go")
	ok(t, err)
	if !bytes.Equal(made, committed) {
		t.Error("client_gen.go is not what the description says: go generate ./node/admin/apitest")
	}
}

// running founds a node and serves it until the test ends; it gives a client of its socket, the address of its port, and where the socket is.
func running(t *testing.T) (*api.Client, string, string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "api") // a socket's path must be short
	ok(t, err)
	t.Cleanup(func() { ok(t, os.RemoveAll(dir)) })
	paths := node.Paths{Config: dir, Data: dir, Runtime: dir}
	cfg := node.Config{Network: "test", Listen: []string{"/ip4/127.0.0.1/tcp/0"}, Admin: []string{"127.0.0.1:0"}, Topics: []string{"fraud"}}
	_, err = node.Init(paths, cfg, node.Profile{Name: "Example CERT", Country: "KE", Sector: "government", Contacts: []string{"mailto:cert@example.org"}})
	ok(t, err)
	n, err := node.New(paths, cfg, node.Options{Memory: true, Version: "test"})
	ok(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- n.Run(ctx, func() { close(ready) }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
		ok(t, n.Close())
	})
	select {
	case <-ready:
	case err := <-done:
		t.Fatalf("the node ended: %v", err)
	}
	c := api.NewClient(paths.Socket())
	t.Cleanup(c.Close)
	status, err := c.Status(t.Context())
	ok(t, err)
	if len(status.Admin) != 1 {
		t.Fatalf("addresses of the port: %q", status.Admin)
	}
	return c, "http://" + strings.TrimPrefix(status.Admin[0], "http://"), paths.Socket()
}

// somebody is a generated client with a token of its own.
func somebody(t *testing.T, c *api.Client, at, name, role string) *ClientWithResponses {
	t.Helper()
	token, err := c.CreateToken(t.Context(), api.TokenCreate{Name: name, Role: role, Expires: time.Now().Add(time.Hour), Reason: "test"})
	ok(t, err)
	g, err := NewClientWithResponses(strings.TrimSuffix(at, "/"), WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
		r.Header.Set("Authorization", "Bearer "+token.Secret)
		return nil
	}))
	ok(t, err)
	return g
}

const indicator = `{"type":"indicator","spec_version":"2.1","id":"indicator--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f","created":"2026-01-01T00:00:00.000Z","modified":"2026-01-01T00:00:00.000Z",` +
	`"pattern":"[domain-name:value = 'drop.example']","pattern_type":"stix","valid_from":"2026-01-01T00:00:00Z"}`

const (
	partner  = "sha256:1111111111111111111111111111111111111111111111111111111111111111"
	proposed = "sha256:2222222222222222222222222222222222222222222222222222222222222222"
)

// ADM-33: a client that a generator made of the description publishes, decides a review and changes the trust list of a running
// node, over TCP with tokens; and it is refused what its role may not do.
func TestClientDrives(t *testing.T) {
	socket, at, _ := running(t)
	analyst, operator := somebody(t, socket, at, "test-analyst", "analyst"), somebody(t, socket, at, "test-operator", "operator")
	ctx := t.Context()

	key := "first"
	for range 2 { // repeated with its key it is one publication
		out, err := analyst.PublishWithResponse(ctx, &PublishParams{Topic: "fraud", IdempotencyKey: &key}, json.RawMessage(indicator))
		ok(t, err)
		if out.JSON200 == nil || out.JSON200.Objects != 1 {
			t.Fatalf("publish: %s %s", out.Status(), out.Body)
		}
	}
	if status, err := socket.Status(ctx); err != nil || status.Objects != 1 {
		t.Fatalf("objects in the store: %+v, %v", status, err)
	}

	why, until := "met them", time.Now().AddDate(0, 6, 0).Format(time.DateOnly)
	entry := TrustEntry{Org: partner, Petname: "Partner", Level: "partner", Expires: until, Reason: &why}
	refused, err := analyst.TrustAddWithResponse(ctx, nil, entry)
	ok(t, err)
	if p := refused.ApplicationproblemJSON403; p == nil || p.Code != "role.denied" {
		t.Errorf("an analyst changes trust: %s %s", refused.Status(), refused.Body)
	}
	added, err := operator.TrustAddWithResponse(ctx, nil, entry)
	ok(t, err)
	if added.JSON200 == nil || added.JSON200.Level != "partner" {
		t.Fatalf("add: %s %s", added.Status(), added.Body)
	}
	shown, err := operator.TrustShowWithResponse(ctx, partner)
	ok(t, err)
	tag := shown.HTTPResponse.Header.Get("ETag")
	entry.Level = "observed"
	set, err := operator.TrustSetWithResponse(ctx, partner, &TrustSetParams{IfMatch: &tag}, entry)
	ok(t, err)
	if set.JSON200 == nil || set.JSON200.Level != "observed" {
		t.Fatalf("set: %s %s", set.Status(), set.Body)
	}
	again, err := operator.TrustSetWithResponse(ctx, partner, &TrustSetParams{IfMatch: &tag}, entry)
	ok(t, err)
	if p := again.ApplicationproblemJSON412; p == nil || p.Code != "state.changed" {
		t.Errorf("a change to what was changed since: %s %s", again.Status(), again.Body)
	}
	decide(t, operator, until)
}

// decide has a list imported, which waits for review, and accepts it.
func decide(t *testing.T, operator *ClientWithResponses, until string) {
	t.Helper()
	ctx := t.Context()
	list := "[[org]]\nid = \"" + proposed + "\"\npetname = \"Proposed\"\nlevel = \"observed\"\nexpires = " + until + "\n"
	why := "their list"
	unseen, err := operator.TrustImportWithResponse(ctx, nil, TrustText{Name: "theirs.toml", Toml: list, Reason: &why})
	ok(t, err)
	if p := unseen.ApplicationproblemJSON428; p == nil || p.Code != "state.unseen" {
		t.Errorf("an import that does not say for which list: %s %s", unseen.Status(), unseen.Body)
	}
	exported, err := operator.TrustExportWithResponse(ctx)
	ok(t, err)
	tag := exported.HTTPResponse.Header.Get("ETag")
	queued, err := operator.TrustImportWithResponse(ctx, &TrustImportParams{IfMatch: &tag}, TrustText{Name: "theirs.toml", Toml: list, Reason: &why})
	ok(t, err)
	if queued.JSON200 == nil {
		t.Fatalf("import: %s %s", queued.Status(), queued.Body)
	}
	waiting, err := operator.ReviewWithResponse(ctx, nil)
	ok(t, err)
	if waiting.JSON200 == nil || len(waiting.JSON200.Items) != 1 {
		t.Fatalf("what waits: %s %s", waiting.Status(), waiting.Body)
	}
	decided, err := operator.ReviewDecideWithResponse(ctx, waiting.JSON200.Items[0].Id, ReviewDecision{Accept: true, Reason: "agreed"})
	ok(t, err)
	if decided.JSON200 == nil || !decided.JSON200.Accepted {
		t.Fatalf("decide: %s %s", decided.Status(), decided.Body)
	}
	shown, err := operator.TrustShowWithResponse(ctx, proposed)
	ok(t, err)
	if shown.JSON200 == nil || shown.JSON200.Petname != "Proposed" {
		t.Errorf("after the decision: %s %s", shown.Status(), shown.Body)
	}
}

// ADM-31: a change of keys that is repeated with its key is one change, whatever has become of the old key meanwhile.
func TestKeysAreChangedOnce(t *testing.T) {
	_, _, path := running(t)
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	send := func(operation, key, body string) (status int, fresh string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://tocsin"+api.Prefix+operation, strings.NewReader(body))
		ok(t, err)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Idempotency-Key", key)
		answer, err := (&http.Client{Transport: transport}).Do(r)
		ok(t, err)
		var changed api.KeyChanged
		ok(t, errors.Join(json.NewDecoder(answer.Body).Decode(&changed), answer.Body.Close()))
		return answer.StatusCode, changed.New
	}
	_, first := send("/keys/rotate", "first", "{}")
	_, again := send("/keys/rotate", "first", "{}")
	_, second := send("/keys/rotate", "second", "{}")
	if first == "" || again != first || second == "" || second == first {
		t.Fatalf("rotated to %q, with the same key to %q, with another to %q", first, again, second)
	}
	revoke := `{"key":"` + second + `","why":"superseded"}`
	if status, _ := send("/keys/revoke", "first", revoke); status != http.StatusConflict {
		t.Errorf("the key of another request: %d", status)
	}
	_, third := send("/keys/revoke", "third", revoke)
	if _, again := send("/keys/revoke", "third", revoke); third == "" || third == second || again != third {
		t.Errorf("revoked for %q, with the same key for %q", third, again)
	}
}
