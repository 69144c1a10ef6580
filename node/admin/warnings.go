package admin

import (
	"cmp"
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"tocsin/node/admin/api"
	"tocsin/node/audit"
	"tocsin/node/warnings"
	"tocsin/protocol/pattern"
	"tocsin/protocol/warn"
)

// warningResource shows the warning lists in force and what they name. The lists themselves
// are files: nobody edits them here.
type warningResource struct {
	book  *warnings.Book
	audit *audit.Log
}

func (w *warningResource) register(a huma.API) {
	handle(a, huma.Operation{
		OperationID: "warnings-list", Method: http.MethodGet, Path: "/warnings", Summary: "Warning lists in force",
		Description: "Those of the folder by file, then built-in ones by name. Files are put into the folder by people and read by POST /warnings/reload.",
	}, w.list)
	handle(a, huma.Operation{
		OperationID: "warnings-check", Method: http.MethodPost, Path: "/warnings/check", Summary: "Which warning lists name values",
		Description:  "Up to 10,000 values in the order of the question. Says which lists name a value, not whether it is bad: POST /check does.",
		MaxBodyBytes: maxCheckBytes,
	}, w.check)
	handle(a, huma.Operation{
		OperationID: "warnings-reload", Method: http.MethodPost, Path: "/warnings/reload", Summary: "Read the folder of warning lists again",
		Description: "When a file is refused, what is in force stays. What the lists change is judged again in the background. " +
			"The audit log has warnings.reload.",
	}, w.reload)
}

func (w *warningResource) list(_ context.Context, in *PageIn) (*body[api.WarningLists], error) {
	out := api.WarningLists{Items: []api.WarningList{}, Folder: w.book.Folder(), Version: w.book.Version()}
	for _, l := range w.book.Lists() {
		out.Items = append(out.Items, api.WarningList{
			Name: l.Name, File: l.File, Type: l.Type, Hard: l.Weight >= warn.Hard, Entries: l.Entries, Skipped: l.Skipped,
		})
	}
	page, err := paged("warnings", api.List[api.WarningList]{Items: out.Items}, *in, func(l api.WarningList) string { return cmp.Or(l.File, "\U0010ffff"+l.Name) })
	if err != nil {
		return nil, err
	}
	out.Items, out.Next = page.Body.Items, page.Body.Next
	return answer(out)
}

func (w *warningResource) check(_ context.Context, in *struct{ Body api.CheckRequest }) (*body[api.List[api.WarningItem]], error) {
	x := w.book.Index()
	list := api.List[api.WarningItem]{Items: make([]api.WarningItem, 0, len(in.Body.Values))}
	for _, value := range in.Body.Values {
		o := pattern.Refang(value)
		item := api.WarningItem{Value: value, Type: string(o.Type), Normal: o.Value, Lists: []api.Warning{}}
		for _, h := range x.All(o) {
			item.Lists = append(item.Lists, showWarning(h))
		}
		if h, ok := x.LookAlike(o); ok {
			like := showWarning(h)
			item.LooksLike = &like
		}
		list.Items = append(list.Items, item)
	}
	return answer(list)
}

func showWarning(h warn.Hit) api.Warning {
	return api.Warning{List: h.List, Entry: h.Entry, Weight: float64(h.Weight) / 10_000, Hard: h.Weight >= warn.Hard}
}

func (w *warningResource) reload(ctx context.Context, _ *nothing) (*body[api.WarningLists], error) {
	if err := recorded(ctx, w.audit, audit.Event{Action: "warnings.reload", Target: w.book.Folder()}, w.book.Reload); err != nil {
		return nil, err
	}
	return w.list(ctx, &PageIn{Limit: api.MaxPage})
}
