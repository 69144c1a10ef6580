package admin

import (
	"embed"
	"io"
	"net/http"
	"net/http/pprof"
	"strings"

	"tocsin/node/access"
	"tocsin/node/admin/api"
	"tocsin/protocol/reason"
)

// shellFiles are the page that logs a browser in. They hold no data, so they need no login.
//
//go:embed ui
var shellFiles embed.FS

// shell says which file a path is, and its type.
func shell(path string) (file, media string) {
	switch path {
	case "/":
		return "ui/index.html", "text/html; charset=utf-8"
	case "/ui/login.js":
		return "ui/login.js", "text/javascript; charset=utf-8"
	case "/ui/style.css":
		return "ui/style.css", "text/css; charset=utf-8"
	case "/ui/icon.svg":
		return "ui/icon.svg", "image/svg+xml"
	}
	return "", ""
}

// public answers what needs no login: whether the node lives and is ready, yes or no and nothing else, and the shell. The
// connection is closed behind it: whoever may be anybody holds none (ADM-11).
func (s *Server) public(w http.ResponseWriter, r *http.Request) bool {
	if r.Method != http.MethodGet {
		return false
	}
	switch r.URL.EscapedPath() {
	case "/livez":
		closeAfter(w)
		yesOrNo(w, true)
		return true
	case "/readyz":
		// A node without peers is ready: the first of a federation has none. One without its store is not.
		room := s.space()
		closeAfter(w)
		yesOrNo(w, s.running() && (room == nil || room.Degraded == ""))
		return true
	}
	file, media := shell(r.URL.EscapedPath())
	if file == "" {
		return false
	}
	raw, err := shellFiles.ReadFile(file)
	if err != nil {
		return false
	}
	closeAfter(w)
	w.Header().Set("Content-Type", media)
	_, _ = w.Write(raw) // a client that left needs no answer
	return true
}

// public reports whether a path is answered without a login.
func public(path string) bool {
	file, _ := shell(path)
	return file != "" || path == "/livez" || path == "/readyz"
}

func yesOrNo(w http.ResponseWriter, yes bool) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	text := "yes\n"
	if !yes {
		w.WriteHeader(http.StatusServiceUnavailable)
		text = "no\n"
	}
	_, _ = io.WriteString(w, text)
}

// profilePrefix is where the profiles are, at the socket only.
const profilePrefix = "/debug/pprof/"

func profiling(r *http.Request) bool { return strings.HasPrefix(r.URL.Path+"/", profilePrefix) }

// profile shows the owner what the process does: memory holds what nobody else may see.
func profile(w http.ResponseWriter, r *http.Request, who access.Principal) {
	if err := who.May(access.Owner, "look at "+r.URL.Path); err != nil {
		writeProblem(w, api.ProblemOf(err))
		return
	}
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		writeProblem(w, api.NewProblem(reason.MethodUnknown, "profiles are only read"))
		return
	}
	switch strings.TrimPrefix(r.URL.Path+"/", profilePrefix) {
	case "cmdline/":
		pprof.Cmdline(w, r)
	case "profile/":
		pprof.Profile(w, r)
	case "symbol/":
		pprof.Symbol(w, r)
	case "trace/":
		pprof.Trace(w, r)
	case "":
		r.URL.Path = profilePrefix // the index wants the slash, which the gate has no path end with
		pprof.Index(w, r)
	default:
		pprof.Index(w, r)
	}
}
