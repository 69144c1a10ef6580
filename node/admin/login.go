package admin

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tocsin/node/access"
	"tocsin/node/admin/api"
	"tocsin/protocol/reason"
)

// loginResource turns one-time codes into sessions. A code comes in the fragment of a link, which no browser sends, and
// from there in the body of this request: no address and no log has it.
type loginResource struct{ access *access.Book }

// maxLoginBytes bounds the body of a login, which comes from strangers.
const maxLoginBytes = 4 << 10

func (l *loginResource) register(a huma.API) {
	handle(a, huma.Operation{
		OperationID: "login", Method: http.MethodPost, Path: "/login", Summary: "Turn a one-time code into a session",
		Description: "The answer sets an HttpOnly, SameSite=Strict cookie named tocsin_session_PORT, which lasts 8 hours and works for the same User-Agent only, and together with the answer's proof, sent as the header Tocsin-Session with every request. " +
			"A code works once, within 60 seconds. The audit log has login.",
		MaxBodyBytes: maxLoginBytes,
	}, l.login)
	handle(a, huma.Operation{
		OperationID: "logout", Method: http.MethodPost, Path: "/logout", Summary: "End the session of this browser",
		Description: "Needs the cookie only, no proof. A request without a session is answered the same. The audit log has logout.",
	}, l.logout)
}

// entrance reports whether a request is one of those that who is not logged in may make.
func entrance(r *http.Request) bool {
	return r.Method == http.MethodPost && slices.Contains([]string{api.Prefix + "/login", api.Prefix + "/logout"}, r.URL.EscapedPath())
}

// loginOut sets or ends the cookie.
type loginOut struct {
	SetCookie http.Cookie `header:"Set-Cookie"`
	Body      api.LoggedIn
}

func (l *loginResource) login(ctx context.Context, in *struct{ Body api.Login }) (*loginOut, error) {
	v := visitOf(ctx)
	secret, who, until, err := l.access.Login(ctx, in.Body.Code, v.agent, v.place)
	if err != nil {
		return nil, api.ProblemOf(err).NotBefore(l.access.Wait(v.place)) // 0 but where too many failed
	}
	out := &loginOut{SetCookie: v.crumb(secret), Body: api.LoggedIn{Name: who.Actor.User, Role: who.Role.String(), Expires: until, Proof: v.prover.proof(secret)}}
	out.SetCookie.MaxAge = int(time.Until(until).Seconds())
	return out, nil
}

// crumb is the session's cookie.
func (v visit) crumb(secret string) http.Cookie {
	return http.Cookie{Name: v.cookie, Value: secret, Path: "/", HttpOnly: true, Secure: v.secure, SameSite: http.SameSiteStrictMode}
}

// logoutIn needs no proof, so that whoever lost it is not kept logged in. It takes every cookie, since the name of ours depends on the port.
type logoutIn struct {
	Cookie string `header:"Cookie" hidden:"true"`
}

func (l *loginResource) logout(ctx context.Context, in *logoutIn) (*loginOut, error) {
	v := visitOf(ctx)
	cookies, err := http.ParseCookie(in.Cookie)
	if err != nil && in.Cookie != "" {
		return nil, reason.Wrap(reason.UsageInvalid, "read the cookies of the request", err)
	}
	for _, c := range cookies {
		if c.Name == v.cookie {
			l.access.Logout(ctx, c.Value)
		}
	}
	out := &loginOut{SetCookie: v.crumb(""), Body: api.LoggedIn{Role: access.Nobody.String()}}
	out.SetCookie.MaxAge = -1
	return out, nil
}
