package api

import (
	"context"
	"net/http"
	"net/url"

	"tocsin/protocol/reason"
)

// Reason is one line of the catalogue of reason codes, in one language.
type Reason struct {
	// Code is the reason code.
	Code string `json:"code"`
	// Blame is whose doing it is: sender, us or nobody.
	Blame string `json:"blame"`
	// Text says what happened.
	Text string `json:"text"`
	// Fix says what to do; "" where nothing helps.
	Fix string `json:"fix"`
	// Lang is the language of both: en, fr, es, ar, zh or ru.
	Lang string `json:"lang"`
	// Status is the HTTP status of an answer that carries the code.
	Status int `json:"status"`
}

// ReasonOf shows an entry of the catalogue.
func ReasonOf(e reason.Entry, lang reason.Lang) Reason {
	return Reason{Code: string(e.Code), Blame: string(e.Blame), Text: e.Text, Fix: e.Fix, Lang: string(lang), Status: statusOf(e.Code)}
}

// Reasons lists the catalogue in a language, by code.
func (c *Client) Reasons(ctx context.Context, lang string) (*List[Reason], error) {
	return pages[Reason](ctx, c, "/reasons", url.Values{"lang": {lang}}, 0)
}

// Reason explains one code; not.found for what is none.
func (c *Client) Reason(ctx context.Context, code, lang string) (*Reason, error) {
	return call[Reason](ctx, c, http.MethodGet, "/reasons/"+url.PathEscape(code), url.Values{"lang": {lang}}, nil)
}
