package admin

import (
	"context"
	"net"
	"net/http"
	"net/netip"

	"github.com/danielgtaylor/huma/v2"

	"tocsin/node/access"
	"tocsin/node/admin/api"
	"tocsin/protocol/reason"
)

// tokenResource makes, lists and ends what people and programs log in with.
type tokenResource struct {
	book *access.Book
	port Port
}

func (t *tokenResource) register(a huma.API) {
	handle(a, huma.Operation{
		OperationID: "token-list", Method: http.MethodGet, Path: "/tokens", Summary: "Tokens in force, without their secrets",
		Description: "By name. The secrets are kept nowhere, only their hashes.",
	}, t.list)
	handle(a, huma.Operation{
		OperationID: "token-create", Method: http.MethodPost, Path: "/tokens", Summary: "Make a token",
		Description: "The secret is in this answer only. A token made with another one may not outlast it and ends with it. A browser cannot make one. " +
			"The audit log has token.create.",
	}, t.create)
	handle(a, huma.Operation{
		OperationID: "token-revoke", Method: http.MethodDelete, Path: "/tokens/{id}", Summary: "End a token, and the sessions made from it",
		Description: "Named by id or name. Ends at once, together with the sessions and tokens made with it; " +
			"streams that were opened with it end within seconds. The audit log has token.revoke for each.",
	}, t.revoke)
	handle(a, huma.Operation{
		OperationID: "login-code", Method: http.MethodPost, Path: "/login-codes", Summary: "Make a code that logs one browser in",
		Description: "It works once, for 60 seconds, and gives no more than the role of who asks. A browser cannot make one. " +
			"Open one of the links, or send the code to POST /login. The audit log has login.code.",
	}, t.code)
}

func (t *tokenResource) list(_ context.Context, in *PageIn) (*body[api.List[api.Token]], error) {
	list := api.List[api.Token]{Items: []api.Token{}}
	for _, one := range t.book.Tokens() {
		list.Items = append(list.Items, showToken(one))
	}
	return paged("tokens", list, *in, func(t api.Token) string { return t.Name })
}

func showToken(t access.Token) api.Token {
	return api.Token{ID: t.ID, Name: t.Name, Role: t.Role.String(), Created: t.Created, Expires: t.Expires, LastUsed: t.LastUsed, By: api.AuditActor(t.By)}
}

func (t *tokenResource) create(ctx context.Context, in *struct{ Body api.TokenCreate }) (*body[api.TokenCreated], error) {
	role, err := access.ParseRole(in.Body.Role)
	if err != nil {
		return nil, err
	}
	token, secret, err := t.book.Create(ctx, in.Body.Name, role, in.Body.Expires, in.Body.Reason)
	if err != nil {
		return nil, err
	}
	return answer(api.TokenCreated{Token: showToken(token), Secret: secret})
}

// tokenIn names a token, and says why it ends.
type tokenIn struct {
	ID     string `path:"id" maxLength:"64" doc:"The token's name or id"`
	Reason string `query:"reason" maxLength:"1000" doc:"Why, for the audit log"`
}

func (t *tokenResource) revoke(ctx context.Context, in *tokenIn) (*body[api.Token], error) {
	token, err := t.book.Revoke(ctx, in.ID, in.Reason)
	if err != nil {
		return nil, err
	}
	return answer(showToken(token))
}

func (t *tokenResource) code(ctx context.Context, in *struct{ Body api.LoginCodeCreate }) (*body[api.LoginCode], error) {
	if peer, ok := ctx.Value(peerKey{}).(peerAddr); ok && peer.most < access.Analyst {
		return nil, reason.New(reason.RoleDenied, "make a login code: the socket for reading makes none")
	}
	role := access.Nobody // as much as may be
	if in.Body.Role != "" {
		var err error
		if role, err = access.ParseRole(in.Body.Role); err != nil {
			return nil, err
		}
	}
	code, expires, err := t.book.Code(ctx, role)
	if err != nil {
		return nil, err
	}
	out := api.LoginCode{Code: code, Expires: expires, Links: []string{}}
	for _, page := range t.port.pages() {
		// Behind the # it is the browser's alone: it is sent to no server, and stands in no log and no Referer.
		out.Links = append(out.Links, page+"#code="+code)
	}
	return answer(out)
}

// pages are where a browser finds the port: by the names that the certificate is likely for first.
func (p Port) pages() []string {
	scheme := "http"
	if p.Cert != "" {
		scheme = "https"
	}
	var named, bare []string
	for _, addr := range p.bound {
		where, err := netip.ParseAddrPort(addr)
		if err != nil {
			continue
		}
		for _, name := range p.Hosts {
			if portOf(name) == "" {
				name = net.JoinHostPort(name, portOf(addr))
			}
			named = append(named, name)
		}
		if where.Addr().IsUnspecified() {
			addr = net.JoinHostPort("127.0.0.1", portOf(addr))
		}
		bare = append(bare, addr)
	}
	if scheme == "http" {
		named = nil // a plain port is this machine's only
	}
	var out []string
	seen := map[string]bool{}
	for _, host := range append(named, bare...) {
		if !seen[host] {
			seen[host] = true
			out = append(out, scheme+"://"+host+"/")
		}
	}
	return out
}
