package api

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"strconv"
	"strings"
	"time"

	"tocsin/protocol/reason"
)

// problemBase is the start of every problem's type: a URN that names the reason
// code and needs no internet to mean something.
const problemBase = "urn:tocsin:reason:"

// GetStatus is the HTTP status of the answer that carries the problem.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType is the media type of a problem (RFC 9457).
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// NewProblem makes a problem from a code and its particulars; blame and fix
// come from the catalogue.
func NewProblem(code reason.Code, detail string) *Problem {
	entry, _ := reason.Lookup(code)
	p := &Problem{
		Type:   problemBase + string(code),
		Title:  entry.Text,
		Status: statusOf(code),
		Detail: detail,
		Code:   string(code),
		Fix:    entry.Fix,
		Blame:  string(entry.Blame),
	}
	if p.Title == "" {
		p.Title = string(code)
	}
	if p.Blame == "" {
		p.Blame = string(reason.BlameNobody)
	}
	if code == reason.RequestRate {
		p.RetryAfter = retryRate
	}
	return p
}

// retryRate is how long whoever asks too much may wait where nobody knows better.
const retryRate = 10 * time.Second

// NotBefore gives the problem with so long to wait at least before the same request is sent again.
func (p *Problem) NotBefore(wait time.Duration) *Problem {
	said := *p
	said.RetryAfter = max(p.RetryAfter, wait)
	return &said
}

// GetHeaders are the headers of the answer that the problem brings with it. The framework asks for them by this name.
func (p *Problem) GetHeaders() http.Header {
	if p.RetryAfter <= 0 {
		return nil
	}
	return http.Header{"Retry-After": {strconv.Itoa(int((p.RetryAfter + time.Second - 1) / time.Second))}}
}

// ForPrograms gives a problem whose fix is the catalogue's, and speaks of commands only, one for whoever sends requests: it
// names the operation whose description helps, "" for none. The fix of a case stays as it is (RSN-06).
func (p *Problem) ForPrograms(operation string) *Problem {
	entry, _ := reason.Lookup(reason.Code(p.Code))
	if p.Fix != entry.Fix {
		return p
	}
	const at = "GET " + Prefix + "/openapi.yaml"
	where := at + " describes every request."
	if operation != "" {
		where = at + " says under the operationId " + operation + " what the request takes."
	}
	switch reason.Code(p.Code) {
	case reason.UsageInvalid:
		p.Fix, p.Operation = where, operation
	case reason.NotFound:
		p.Fix, p.Operation = "Do as the detail says; if it says no more, check the spelling: the lists (GET "+Prefix+"/peers, /topics, /trust, /quarantine, /reasons and /search) show what is here. "+where, operation
	}
	return p
}

// forPeople undoes ForPrograms: who reads what a command prints is helped by commands.
func (p *Problem) forPeople() *Problem {
	if p.Operation != "" {
		entry, _ := reason.Lookup(reason.Code(p.Code))
		p.Fix, p.Operation = entry.Fix, ""
	}
	return p
}

// WithFix replaces the catalogue's remedy by one that fits the case at hand.
func (p *Problem) WithFix(fix string) *Problem {
	p.Fix = fix
	return p
}

// ProblemOf turns any error into a problem: one that is a problem already stays
// as it is, one that carries a reason code keeps it, an ended context is
// timed.out or interrupted, missing rights are access.denied, and the rest is internal. nil gives nil.
func ProblemOf(err error) *Problem {
	if err == nil {
		return nil
	}
	if p, ok := errors.AsType[*Problem](err); ok {
		return p
	}
	code := reason.Of(err)
	switch {
	case code != "":
	case errors.Is(err, fs.ErrPermission):
		code = reason.AccessDenied
	case errors.Is(err, context.DeadlineExceeded):
		code = reason.TimedOut
	case errors.Is(err, context.Canceled):
		code = reason.Interrupted
	default:
		code = reason.Internal
	}
	return NewProblem(code, withoutCodes(err))
}

// withoutCodes gives an error's text without the reason codes in it: the code
// stands in a field of its own.
func withoutCodes(err error) string {
	text := err.Error()
	for e, ok := errors.AsType[*reason.Error](err); ok; e, ok = errors.AsType[*reason.Error](e.Err) {
		text = strings.ReplaceAll(text, " ["+string(e.Code)+"]", "")
	}
	return text
}

// statusOf maps a reason code to the HTTP status of the answer. What the table
// and the families do not name is the content's fault: 422.
func statusOf(code reason.Code) int {
	if status, ok := statuses[code]; ok {
		return status
	}
	switch family, _, _ := strings.Cut(string(code), "."); family {
	case "store":
		return http.StatusInternalServerError
	case "out":
		return http.StatusForbidden
	}
	return http.StatusUnprocessableEntity
}

var statuses = map[reason.Code]int{
	reason.NotFound:      http.StatusNotFound,
	reason.NodeNotFound:  http.StatusServiceUnavailable,
	reason.NodeStarting:  http.StatusServiceUnavailable,
	reason.NodeExists:    http.StatusConflict,
	reason.NodeRunning:   http.StatusConflict,
	reason.Conflict:      http.StatusConflict,
	reason.DupHeld:       http.StatusConflict,
	reason.LogFork:       http.StatusConflict,
	reason.Ambiguous:     http.StatusBadRequest,
	reason.UsageInvalid:  http.StatusBadRequest,
	reason.ConfigInvalid: http.StatusInternalServerError,
	reason.AuditDamaged:  http.StatusInternalServerError,
	reason.SocketPath:    http.StatusInternalServerError,
	reason.PeerDial:      http.StatusBadGateway,
	reason.InputSize:     http.StatusRequestEntityTooLarge,
	reason.AccessDenied:  http.StatusForbidden,
	reason.TopicTLP:      http.StatusForbidden,
	reason.LoginRequired: http.StatusUnauthorized,
	reason.LoginExpired:  http.StatusUnauthorized,
	reason.RoleDenied:    http.StatusForbidden,
	reason.HostUnknown:   http.StatusMisdirectedRequest,
	reason.OriginForeign: http.StatusForbidden,
	reason.StateChanged:  http.StatusPreconditionFailed,
	reason.StateUnseen:   http.StatusPreconditionRequired,
	reason.KeyReused:     http.StatusConflict,
	reason.RequestRate:   http.StatusTooManyRequests,
	reason.MediaType:     http.StatusUnsupportedMediaType,
	reason.MethodUnknown: http.StatusMethodNotAllowed,
	reason.TimedOut:      http.StatusGatewayTimeout,
	reason.Interrupted:   499,
	reason.Internal:      http.StatusInternalServerError,
}
