package admin

import (
	"context"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"tocsin/node/admin/api"
	"tocsin/protocol/reason"
)

// registerReasons adds the catalogue of reason codes, which is the same on every node of one version.
func registerReasons(a huma.API) {
	handle(a, huma.Operation{
		OperationID: "reasons", Method: http.MethodGet, Path: "/reasons", Summary: "The catalogue of reason codes, in six languages",
		Description: "The same on every node of one version, in the order of the codes. Clients branch on code, and show text and fix.",
	}, listReasons)
	handle(a, huma.Operation{
		OperationID: "reason", Method: http.MethodGet, Path: "/reasons/{code}", Summary: "One reason code: what it means, whose doing it is, what to do",
		Description: "In English where no language is given. not.found says that there is no such code in this version.",
	}, oneReason)
}

// langOf is the language that a request wants; "fr-CA" is French.
func langOf(tag string) (reason.Lang, error) {
	l, ok := reason.ParseLang(tag)
	if !ok {
		return l, reason.New(reason.UsageInvalid, fmt.Sprintf("lang %q: want one of %v", tag, reason.Langs()))
	}
	return l, nil
}

type reasonsIn struct {
	Cursor string `query:"cursor" maxLength:"4096" doc:"What the page before gave as next; opaque"`
	Limit  int    `query:"limit" default:"100" minimum:"1" maximum:"1000" doc:"How many items the page has at most"`
	Lang   string `query:"lang" default:"en" maxLength:"35" doc:"en, fr, es, ar, zh or ru"`
}

func listReasons(_ context.Context, in *reasonsIn) (*body[api.List[api.Reason]], error) {
	lang, err := langOf(in.Lang)
	if err != nil {
		return nil, err
	}
	list := api.List[api.Reason]{Items: []api.Reason{}}
	for _, e := range reason.AllIn(lang) {
		list.Items = append(list.Items, api.ReasonOf(e, lang))
	}
	return paged("reasons", list, PageIn{in.Cursor, in.Limit}, func(r api.Reason) string { return r.Code })
}

type reasonIn struct {
	Code string `path:"code" maxLength:"64" doc:"The reason code, such as not.found"`
	Lang string `query:"lang" default:"en" maxLength:"35" doc:"en, fr, es, ar, zh or ru"`
}

func oneReason(_ context.Context, in *reasonIn) (*body[api.Reason], error) {
	lang, err := langOf(in.Lang)
	if err != nil {
		return nil, err
	}
	e, ok := reason.In(lang, reason.Code(in.Code))
	if !ok {
		return nil, reason.New(reason.NotFound, fmt.Sprintf("reason code %q: no such code; GET /reasons lists them", in.Code))
	}
	return answer(api.ReasonOf(e, lang))
}
