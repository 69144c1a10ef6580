package admin

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"tocsin/node/access"
	"tocsin/node/admin/api"
	"tocsin/node/audit"
	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/protocol/trust"
)

// tagged is an answer with the tag of the state that it shows, for If-Match.
type tagged[T any] struct {
	ETag string `header:"ETag"`
	Body T
}

func answerTagged[T any](tag string, v T) (*tagged[T], error) { return &tagged[T]{tag, v}, nil }

// listTag is the state of the whole trust list.
func listTag(l *trust.List) string {
	d := l.Digest()
	return fmt.Sprintf("%q", fmt.Sprintf("%x", d[:16]))
}

// entryTag is the state of one entry, or of its absence. What time and others' words make of it (its level
// in force, its own name) is not part of it.
func entryTag(l *trust.List, org protocol.OrgID) string {
	e, listed := l.Entry(org)
	raw, err := json.Marshal(e)
	if err != nil || !listed {
		raw = []byte("not listed")
	}
	d := sha256.Sum256(append([]byte("tocsin/trust-entry/1\x00"+org.String()+"\x00"), raw...))
	return fmt.Sprintf("%q", fmt.Sprintf("%x", d[:16]))
}

// IfMatch is the state that a change is meant for, "" for any.
type IfMatch struct {
	Tags string `header:"If-Match" maxLength:"1024" doc:"The ETag of what was read; the change is refused when it is another one by now"`
}

// matches holds the state that the client has seen against the state now.
func (in IfMatch) matches(what, now string) error {
	if in.Tags == "" {
		return nil
	}
	for tag := range strings.SplitSeq(in.Tags, ",") {
		// A weak tag never matches: a change is for the very state that was seen (RFC 9110 section 13.1.1).
		if tag = strings.TrimSpace(tag); tag == "*" || tag == now {
			return nil
		}
	}
	return reason.New(reason.StateChanged, fmt.Sprintf("change %s: its state is %s now, If-Match names %.200s", what, now, in.Tags))
}

// ofEntry is the condition of a change of one entry of the trust list.
func (in IfMatch) ofEntry(org protocol.OrgID) func(*trust.List) error {
	return func(l *trust.List) error { return in.matches("the entry of "+org.String(), entryTag(l, org)) }
}

// ofList is the condition of a change of the whole trust list.
func (in IfMatch) ofList(l *trust.List) error { return in.matches("the trust list", listTag(l)) }

// headerMatch is the header of IfMatch.
const headerMatch = "If-Match"

// unconditional refuses a change with a condition that nobody would look at: whoever sent it relies on it (ADM-30).
func unconditional(ctx huma.Context, next func(huma.Context)) {
	if ctx.Header(headerMatch) == "" {
		next(ctx)
		return
	}
	_, w := humago.Unwrap(ctx)
	writeProblem(w, problemOf(ctx.Operation().OperationID, api.NewProblem(reason.UsageInvalid, fmt.Sprintf("%s %s: it takes no %s", ctx.Method(), ctx.Operation().Path, headerMatch))))
}

// seen refuses a token or browser a change of many things at once that names no state. At the socket the command
// line shows the differences first and a person decides on them in the review queue.
func (in IfMatch) seen(ctx context.Context) error {
	via := audit.ActorOf(ctx).Via
	if in.Tags != "" || via != access.ViaToken && via != access.ViaSession {
		return nil
	}
	return reason.New(reason.StateUnseen, "import a trust list: it says with no If-Match which list it is meant for")
}
