package admin

import (
	"context"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"tocsin/node/access"
	"tocsin/node/admin/api"
	"tocsin/node/backup"
	"tocsin/node/custody"
	"tocsin/node/doctor"
	"tocsin/node/logs"
	"tocsin/node/review"
	"tocsin/node/scrub"
	"tocsin/protocol/reason"
)

// unread is a body that must not be read.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the body was read before the role was asked for")
	return 0, http.ErrBodyReadAfterClose
}

// Every operation asks for its role, and for nothing of the body before (ADM-20, ADM-21): one role less is refused.
func TestEveryOperationAsksForItsRole(t *testing.T) {
	d := allParts(t)
	h, described := NewHandler(d), routes(d).OpenAPI()
	seen := map[string]bool{}
	for path, item := range described.Paths {
		for method, op := range map[string]*huma.Operation{
			http.MethodGet: item.Get, http.MethodPost: item.Post, http.MethodPut: item.Put, http.MethodDelete: item.Delete, http.MethodPatch: item.Patch,
		} {
			if op == nil {
				continue
			}
			least, listed := leastRoles[op.OperationID]
			seen[op.OperationID] = true
			if !listed {
				t.Errorf("%s (%s %s) has no row in leastRoles", op.OperationID, method, path)
			}
			for role := range least {
				who := access.Principal{Role: role}
				r := httptest.NewRequestWithContext(access.With(t.Context(), who), method, strings.NewReplacer("{", "", "}", "").Replace(path), unread{t})
				r.Header.Set("Content-Type", "application/json")
				w := httptest.NewRecorder()
				h.ServeHTTP(w, r)
				want, status := reason.RoleDenied, http.StatusForbidden
				if role == access.Nobody {
					want, status = reason.LoginRequired, http.StatusUnauthorized
				}
				if w.Code != status || !strings.Contains(w.Body.String(), `"code":"`+string(want)+`"`) || !strings.Contains(w.Body.String(), `"fix":"`) {
					t.Errorf("%s as %s: %d %.200s", op.OperationID, role, w.Code, w.Body)
				}
			}
		}
	}
	for id := range leastRoles {
		if !seen[id] {
			t.Errorf("leastRoles names %q, which is no operation", id)
		}
	}
	if leastRole("nothing") != access.Owner {
		t.Error("an operation without a row is not the owner's")
	}
}

// Who decides on what waits may not thereby change the trust list (ADM-23).
func TestAnalystsDoNotChangeTrust(t *testing.T) {
	for kind, needs := range map[string]access.Role{
		review.Promotion: access.Operator, review.Anchor: access.Operator, review.Import: access.Operator, review.Advisory: access.Analyst, review.Dispute: access.Analyst,
	} {
		for role := access.Analyst; role <= access.Owner; role++ {
			err := mayDecide(access.With(context.Background(), access.Principal{Role: role}), review.Item{ID: "x", Kind: kind})
			if role >= needs {
				ok(t, err)
			} else {
				refused(t, err, reason.RoleDenied)
			}
		}
	}
}

// allParts are dependencies with every part that a node can have; most of them only stand there.
func allParts(t *testing.T) Deps {
	t.Helper()
	d := newBench(t).deps
	book, err := access.Open(filepath.Join(t.TempDir(), "access.json"), d.Audit)
	ok(t, err)
	d.Access = book
	d.Keys, d.Scrub, d.Backups = new(custody.Office), new(scrub.Keeper), new(backup.Runner)
	d.Bundles, d.CatchUp, d.Proofs = new(Bundles), new(CatchUp), new(Proofs)
	d.Logs, d.Metrics = new(logs.Book), http.NotFoundHandler()
	d.Checks = func() []doctor.Check { return nil }
	d.Configured = func() []api.Setting { return nil }
	return d
}
