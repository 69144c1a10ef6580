package admin

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"tocsin/node/access"
	"tocsin/node/review"
)

// leastRoles is the least role that each operation needs (SPEC ADM-21). What is not here is the owner's.
var leastRoles = map[string]access.Role{
	// Who asks to be let in or out.
	"login":  access.Nobody,
	"logout": access.Nobody,

	// What the node has and knows.
	"bundle":               access.Viewer,
	"bundle-heads":         access.Viewer,
	"bundle-series":        access.Viewer,
	"bundles":              access.Viewer,
	"changes":              access.Viewer,
	"check":                access.Viewer,
	"checkpoint-list":      access.Viewer,
	"checkpoint-witnessed": access.Viewer,
	"events":               access.Viewer,
	"explain":              access.Viewer,
	"invites":              access.Viewer,
	"login-code":           access.Viewer,
	"metrics":              access.Viewer,
	"build":                access.Viewer,
	"mesh":                 access.Viewer,
	"object":               access.Viewer,
	"object-fate":          access.Viewer,
	"object-provenance":    access.Viewer,
	"object-score":         access.Viewer,
	"object-versions":      access.Viewer,
	"objects":              access.Viewer,
	"policy":               access.Viewer,
	"object-proof":         access.Viewer,
	"object-raw":           access.Viewer,
	"openapi":              access.Viewer,
	"openapi-3-0":          access.Viewer,
	"peers-list":           access.Viewer,
	"peers-show":           access.Viewer,
	"pledges":              access.Viewer,
	"quarantine-list":      access.Viewer,
	"record":               access.Viewer,
	"record-file":          access.Viewer,
	"record-raw":           access.Viewer,
	"reason":               access.Viewer,
	"reasons":              access.Viewer,
	"review":               access.Viewer,
	"review-show":          access.Viewer,
	"scorecards":           access.Viewer,
	"scrub":                access.Viewer,
	"search":               access.Viewer,
	"status":               access.Viewer,
	"sync":                 access.Viewer,
	"sync-gaps":            access.Viewer,
	"topics-list":          access.Viewer,
	"trust-export":         access.Viewer,
	"trust-list":           access.Viewer,
	"trust-show":           access.Viewer,
	"warnings-check":       access.Viewer,
	"warnings-list":        access.Viewer,

	// What an analyst says and decides.
	"object-evidence":   access.Analyst,
	"opinion":           access.Analyst,
	"publish":           access.Analyst,
	"quarantine-decide": access.Analyst,
	"review-decide":     access.Analyst,
	"sighting":          access.Analyst,
	"trust-diff":        access.Analyst,
	"trust-simulate":    access.Analyst,

	// Whom the node trusts and meets, what leaves it, and who works here: audit log, tokens and keys say that.
	"audit-export":           access.Operator,
	"audit-head":             access.Operator,
	"audit-list":             access.Operator,
	"audit-verify":           access.Operator,
	"backup-check":           access.Operator,
	"backup-create":          access.Operator,
	"bundle-export":          access.Operator,
	"bundle-import":          access.Operator,
	"checkpoint-make":        access.Operator,
	"config":                 access.Operator,
	"doctor":                 access.Operator,
	"diagnostics-goroutines": access.Operator,
	"diagnostics-log":        access.Operator,
	"diagnostics-trace":      access.Operator,
	"log-levels":             access.Operator,
	"log-levels-reset":       access.Operator,
	"log-levels-set":         access.Operator,
	"invite-accept":          access.Operator,
	"invite-cancel":          access.Operator,
	"invite-confirm":         access.Operator,
	"invite-create":          access.Operator,
	"keys-chain":             access.Operator,
	"keys-show":              access.Operator,
	"peers-add":              access.Operator,
	"peers-remove":           access.Operator,
	"pledge":                 access.Operator,
	"restore":                access.Operator,
	"rollback":               access.Operator,
	"scrub-now":              access.Operator,
	"sync-now":               access.Operator,
	"sync-verify":            access.Operator,
	"token-create":           access.Operator,
	"token-list":             access.Operator,
	"token-revoke":           access.Operator,
	"topics-join":            access.Operator,
	"topics-leave":           access.Operator,
	"trust-add":              access.Operator,
	"trust-import":           access.Operator,
	"trust-log":              access.Operator,
	"trust-reload":           access.Operator,
	"trust-remove":           access.Operator,
	"trust-set":              access.Operator,
	"warnings-reload":        access.Operator,

	// What cannot be undone, and what speaks for the organisation for ever.
	"erase":           access.Owner,
	"keys-finish":     access.Owner,
	"keys-propose":    access.Owner,
	"keys-revoke":     access.Owner,
	"keys-rotate":     access.Owner,
	"keys-statements": access.Owner,
	"vacuum":          access.Owner,
}

// leastRole is the least role that an operation needs.
func leastRole(operation string) access.Role {
	if r, ok := leastRoles[operation]; ok {
		return r
	}
	return access.Owner
}

// demanding asks for the role of an operation before anything of the request's body is read (ADM-21).
func demanding(operation string) func(huma.Context, func(huma.Context)) {
	least := leastRole(operation)
	return func(ctx huma.Context, next func(huma.Context)) {
		if err := access.Of(ctx.Context()).May(least, operation); err != nil {
			_, w := humago.Unwrap(ctx)
			writeProblem(w, problemOf(operation, err))
			return
		}
		next(ctx)
	}
}

// demands is demanding for a resource outside of the framework.
func demands(operation string, h http.Handler) http.Handler {
	least := leastRole(operation)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := access.Of(r.Context()).May(least, operation); err != nil {
			writeProblem(w, problemOf(operation, err))
			return
		}
		h.ServeHTTP(w, r)
	})
}

// mayDecide refuses whoever may decide on what waits, but may not change the trust list, what would change it: who cannot
// accept it does not keep others from it by rejecting it either (ADM-23).
func mayDecide(ctx context.Context, i review.Item) error {
	if !changesTrust(i) {
		return nil
	}
	return access.Of(ctx).May(access.Operator, "decide on "+i.ID+", which changes the trust list")
}
