package admin

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"maps"
	"mime"
	"net"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"tocsin/node/access"
	"tocsin/node/admin/api"
	"tocsin/node/audit"
	"tocsin/protocol/reason"
)

// headerRequest is the header of every answer that names the request; the log and the audit log have the same id.
const headerRequest = "Tocsin-Request-Id"

// gate lets through what may come in by a door, in this order: the name of the host (ADM-04), where the request was
// made (ADM-05), its form (ADM-06), what needs no login (ADM-09), who comes (ADM-07).
func (s *Server) gate(d *door) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		awaited := &awaitedWriter{ResponseWriter: w, control: http.NewResponseController(w), patience: s.times.write}
		defer awaited.wait() // for what the server still holds of the answer
		w = awaited
		id := requestID()
		protect(w.Header())
		w.Header().Set(headerRequest, id)
		r = r.WithContext(audit.WithRequest(r.Context(), id))
		defer answerPanic(w, r)
		r = paced(w, r, s.times.body) // who is refused has no longer
		if p := d.refuses(r); p != nil {
			s.refuse(w, r, d, p)
			return
		}
		if len(r.TransferEncoding) > 0 {
			closeAfter(w) // what follows a body in parts is never taken for another request
		}
		if s.public(w, r) {
			return
		}
		r = r.WithContext(context.WithValue(r.Context(), visitKey{}, d.visit(r, s.prover)))
		if entrance(r) {
			closeAfter(w)
			s.handler.ServeHTTP(w, r)
			return
		}
		who, err := s.who(d, r)
		if err == nil && who.Role < access.Viewer {
			err = reason.New(reason.RoleDenied, fmt.Sprintf("%s %s: the role viewer is needed", r.Method, r.URL.Path))
		}
		if err != nil {
			s.refuse(w, r, d, api.ProblemOf(err))
			return
		}
		who = lowered(r, who)
		release, err := d.working.take(who, "requests at one listener")
		if err != nil {
			s.refuse(w, r, d, api.ProblemOf(err))
			return
		}
		defer release()
		welcome(r, true)
		r = r.WithContext(access.With(r.Context(), who))
		awaited.login = login{still: who.Still, every: s.times.again}
		if b, ok := r.Body.(*pacedBody); ok {
			b.login = awaited.login
			b.login.next = time.Now().Add(s.times.again)
		}
		if d.socket && profiling(r) {
			profile(w, r, who)
			return
		}
		s.handler.ServeHTTP(w, r)
	})
}

// requestID is 64 random bits.
func requestID() string {
	raw := make([]byte, 8)
	_, _ = rand.Read(raw) // it never fails: the program ends first
	return hex.EncodeToString(raw)
}

// protect tells a browser to load and show nothing that is not ours, and to keep and pass on nothing (ADM-08).
func protect(h http.Header) {
	for _, line := range [][2]string{
		{"Content-Security-Policy", "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'"},
		{"X-Content-Type-Options", "nosniff"},
		{"X-Frame-Options", "DENY"},
		{"Referrer-Policy", "no-referrer"},
		{"Cache-Control", "no-store"},
		{"Cross-Origin-Opener-Policy", "same-origin"},
		{"Cross-Origin-Resource-Policy", "same-origin"},
		{"Permissions-Policy", "camera=(), geolocation=(), microphone=()"},
	} {
		h.Set(line[0], line[1])
	}
}

// closeAfter has the server close the connection behind the answer (ADM-11).
func closeAfter(w http.ResponseWriter) { w.Header().Set("Connection", "close") }

// refuse answers and closes the connection: whoever may not come in holds none.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, d *door, p *api.Problem) {
	if yes, left := s.refusals.told(time.Now()); yes {
		log.Infow("request refused", "request", audit.RequestOf(r.Context()), "code", p.Code, "door", d.name, "from", d.place(r), "untold", left)
	}
	closeAfter(w)
	welcome(r, false)
	if p.Code == string(reason.RequestRate) && s.access != nil {
		p = p.NotBefore(s.access.Wait(d.place(r))) // 0 but where too many logins failed
	}
	if p.Code == string(reason.MethodUnknown) {
		has := methodsOf(s.mux, r)
		if public(r.URL.EscapedPath()) {
			has = []string{http.MethodGet}
		}
		w.Header().Set("Allow", strings.Join(has, ", "))
	}
	if p.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="tocsin"`)
	}
	writeProblem(w, p)
}

// methods are those that a resource may have. HEAD and OPTIONS are none: the first would run what it asks for to throw
// the answer away, the second is for pages of elsewhere.
func methods() []string {
	return []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}
}

// refuses holds a request against what the door is called, and against what a page of elsewhere could cause. nil lets it on.
func (d *door) refuses(r *http.Request) *api.Problem {
	// An address in the request line overrules Host, so that neither could be relied on.
	if r.URL.IsAbs() || r.URL.Host != "" || !slices.Contains(d.hosts, r.Host) {
		return api.NewProblem(reason.HostUnknown, "the request is for another host")
	}
	if !r.ProtoAtLeast(1, 1) { // it has neither answers in parts nor what is said at their end
		return api.NewProblem(reason.UsageInvalid, fmt.Sprintf("%.10s: want HTTP/1.1", r.Proto))
	}
	if why := d.foreign(r); why != "" {
		return api.NewProblem(reason.OriginForeign, why)
	}
	if !slices.Contains(methods(), r.Method) {
		return api.NewProblem(reason.MethodUnknown, fmt.Sprintf("method %.20q: no resource has it", r.Method))
	}
	if clean := path.Clean(r.URL.Path); clean != r.URL.Path || !strings.HasPrefix(clean, "/") {
		return api.NewProblem(reason.NotFound, fmt.Sprintf("path %.100q: no resource has it", r.URL.Path)).WithFix(pathFix)
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil { // what the parser leaves out (a;b) is seen by logs all the same
		return api.NewProblem(reason.UsageInvalid, "the query is not well formed: want NAME=VALUE&NAME=VALUE with %3B for a semicolon")
	}
	if slices.ContainsFunc(slices.Collect(maps.Keys(query)), secretName) {
		return api.NewProblem(reason.UsageInvalid, "a secret does not belong in an address, where logs keep it; send it as 'Authorization: Bearer'")
	}
	return wrongMedia(r)
}

// secretName reports whether a parameter is named as secrets are.
func secretName(name string) bool {
	return strings.EqualFold(name, "token") || strings.EqualFold(name, "access_token")
}

// foreign says why a request may come from a page of elsewhere, "" when it does not. The library's check lets reads and
// clients without headers through; reads are held to the same here, and nothing but our own pages sends these headers.
func (d *door) foreign(r *http.Request) string {
	for _, name := range []string{"Origin", "Referer", "Sec-Fetch-Site"} {
		if len(r.Header.Values(name)) > 1 {
			return name + " stands there twice"
		}
	}
	if origin, ok := single(r, "Origin"); ok && !d.own(r, origin) {
		return "the origin is not this port"
	}
	if from, ok := single(r, "Referer"); ok && !d.ownPage(r, from) {
		return "the page that it comes from is not of this port"
	}
	site, ok := single(r, "Sec-Fetch-Site")
	if ok && site != "same-origin" && (site != "none" || unsafe(r)) {
		return "the browser says that a page of elsewhere caused it"
	}
	if err := http.NewCrossOriginProtection().Check(r); err != nil {
		return err.Error()
	}
	return ""
}

// single is a header that may stand there with no content, which is not the same as its absence.
func single(r *http.Request, name string) (string, bool) {
	if v := r.Header.Values(name); len(v) > 0 {
		return v[0], true
	}
	return "", false
}

// own reports whether an origin is the one that the request goes to. What carries the encryption in front of a plain port
// makes it https; a port with its own never has a page that came without. The socket has no pages.
func (d *door) own(r *http.Request, origin string) bool {
	return !d.socket && (origin == "https://"+r.Host || !d.secure && origin == "http://"+r.Host)
}

// ownPage reports whether an address is of the origin that the request goes to.
func (d *door) ownPage(r *http.Request, address string) bool {
	u, err := url.Parse(address)
	return err == nil && u.User == nil && d.own(r, u.Scheme+"://"+u.Host)
}

// unsafe reports whether a request may change something.
func unsafe(r *http.Request) bool { return r.Method != http.MethodGet }

// mediaTypes are those of bodies. None is one that a page of elsewhere can send without asking first.
func mediaTypes() []string {
	return []string{"application/json", "application/merge-patch+json", "application/stix+json", "application/octet-stream", api.MediaNDJSON, api.MediaBundle}
}

// wrongMedia refuses a body that does not say what it is, or is what a form sends.
func wrongMedia(r *http.Request) *api.Problem {
	if r.ContentLength == 0 {
		return nil
	}
	if coded := r.Header.Values("Content-Encoding"); len(coded) > 0 && !strings.EqualFold(strings.Join(coded, ","), "identity") {
		return api.NewProblem(reason.MediaType, fmt.Sprintf("a body with Content-Encoding %.60q: none is taken, send it as it is", strings.Join(coded, ",")))
	}
	given := r.Header.Get("Content-Type")
	media, _, err := mime.ParseMediaType(given)
	if err != nil || len(r.Header.Values("Content-Type")) != 1 || !slices.Contains(mediaTypes(), media) {
		return api.NewProblem(reason.MediaType, fmt.Sprintf("a body of type %.60q: want application/json, or what the resource names", given))
	}
	return nil
}

// visit is what the login must know of a request.
type visit struct {
	place, agent string
	// cookie is the name of the session's cookie at this port, secure whether it goes over encrypted connections only.
	cookie string
	secure bool
	// prover makes the second half of a session.
	prover *prover
}

// visitKey is the context's key for the visit.
type visitKey struct{}

func visitOf(ctx context.Context) visit {
	v, _ := ctx.Value(visitKey{}).(visit)
	return v
}

func (d *door) visit(r *http.Request, p *prover) visit {
	return visit{place: d.place(r), agent: r.UserAgent(), cookie: cookieName(r.Host), secure: d.secure, prover: p}
}

// place is where failed logins are counted.
func (d *door) place(r *http.Request) string {
	if d.socket {
		return access.ViaSocket
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// cookieName is the name of the session's cookie. Browsers keep cookies by host and not by port: with the port in the name
// a login at one node of a machine does not end that at another.
func cookieName(host string) string {
	if _, err := strconv.Atoi(portOf(host)); err != nil {
		return "tocsin_session"
	}
	return "tocsin_session_" + portOf(host)
}

// who says who makes a request: whose token it carries, else whose session, else which account is at the other end. A
// secret that is no good is refused, whoever else could be meant.
func (s *Server) who(d *door, r *http.Request) (access.Principal, error) {
	if _, given := r.Header["Authorization"]; given {
		secret, ok := bearer(r)
		if !ok {
			return access.Principal{}, reason.New(reason.LoginRequired, "Authorization: want one, as Bearer TOKEN")
		}
		if s.access == nil {
			return access.Principal{}, reason.New(reason.LoginRequired, "this node knows no tokens")
		}
		return s.access.Bearer(secret, d.place(r))
	}
	if session, proven, given := s.prover.proven(r, cookieName(r.Host)); given && s.access != nil {
		if unsafe(r) && r.Header.Get("Origin") == "" && r.Header.Get("Sec-Fetch-Site") == "" {
			return access.Principal{}, reason.New(reason.OriginForeign, "a browser's change that does not say which page made it")
		}
		if !proven {
			return access.Principal{}, reason.New(reason.LoginRequired, "the session's cookie came without its "+headerProof)
		}
		return s.access.Session(session, r.UserAgent(), d.place(r))
	}
	if d.account != nil {
		return d.account(r), nil
	}
	return access.Principal{}, reason.New(reason.LoginRequired, fmt.Sprintf("%s %s: nobody is logged in", r.Method, r.URL.Path))
}

// bearer is the secret of a request's token.
func bearer(r *http.Request) (string, bool) {
	values := r.Header.Values("Authorization")
	if len(values) != 1 {
		return "", false
	}
	scheme, secret, ok := strings.Cut(values[0], " ")
	return secret, ok && strings.EqualFold(scheme, "bearer") && secret != ""
}
