package admin

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"tocsin/node/admin/api"
	"tocsin/protocol/reason"
)

// asDescribed refuses what an operation would not look at (ADM-35): a parameter that it does not have, a second value where it
// takes one, a condition that is none. Whoever sent it relies on it, and would act on an answer to another question.
func asDescribed(ctx huma.Context, next func(huma.Context)) {
	r, w := humago.Unwrap(ctx)
	op := ctx.Operation()
	p := strayQuery(op.Parameters, r.URL.Query())
	if p == nil && takes(op, headerMatch) {
		p = strayCondition(r.Header.Values(headerMatch))
	}
	if p != nil {
		writeProblem(w, problemOf(op.OperationID, p))
		return
	}
	next(ctx)
}

// bare refuses parameters for a handler that takes none and is no operation of the framework.
func bare(operation string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p := strayQuery(nil, r.URL.Query()); p != nil {
			writeProblem(w, problemOf(operation, p))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// strayQuery is what is wrong with the names of a query, nil for nothing.
func strayQuery(parameters []*huma.Param, query url.Values) *api.Problem {
	if len(query) == 0 {
		return nil
	}
	known := map[string]*huma.Param{}
	var names []string
	for _, one := range parameters {
		if one.In == "query" {
			known[one.Name] = one
			names = append(names, one.Name)
		}
	}
	var wrong []string
	for name, values := range query {
		one := known[name]
		switch near := nearest(strings.ToLower(name), names); {
		case one == nil && near != "" && len(name) <= maxEcho:
			wrong = append(wrong, fmt.Sprintf("%s: not known; did you mean %s?", name, near))
		case one == nil:
			wrong = append(wrong, fmt.Sprintf("%.*s: not known; %s", maxEcho, name, those(names)))
		case values[0] == "" && one.Schema.Type != huma.TypeArray && one.Schema.Type != huma.TypeString:
			wrong = append(wrong, name+": it is empty; leave it out, or give it a value") // a program's unset variable, it may be
		case len(values) > 1 && one.Schema.Type != huma.TypeArray:
			wrong = append(wrong, name+": it stands there more than once, and takes one value")
		case len(values) > 1 && (one.Explode == nil || !*one.Explode):
			wrong = append(wrong, name+": it stands there more than once; separate its values by commas")
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	slices.Sort(wrong)
	p := api.NewProblem(reason.UsageInvalid, strings.Join(wrong[:min(len(wrong), maxSome)], "; "))
	p.Status = http.StatusUnprocessableEntity // as for what a body has too much
	return p
}

// those are the parameters that there are.
func those(names []string) string {
	if len(names) == 0 {
		return "it takes no parameters"
	}
	return "it takes " + strings.Join(names, ", ")
}

// strayCondition refuses an If-Match that is no list of ETags: it would match no state, and say that somebody changed it.
func strayCondition(lines []string) *api.Problem {
	for _, line := range lines {
		for tag := range strings.SplitSeq(line, ",") {
			tag = strings.TrimSpace(tag)
			bare := strings.TrimPrefix(tag, "W/")
			if quoted := len(bare) >= 2 && strings.HasPrefix(bare, `"`) && strings.HasSuffix(bare, `"`); tag != "" && tag != "*" && !quoted {
				return api.NewProblem(reason.UsageInvalid, fmt.Sprintf(`%s %.100s: an ETag stands in quotes, as it was answered: "9f2c"`, headerMatch, tag))
			}
		}
	}
	return nil
}
