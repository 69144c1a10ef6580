// Package audit is the node's own record of who did what, when and why: an append-only,
// hash-chained file outside the store. An action is written before it is
// done; when it cannot be written, it is not done. The package knows what an entry
// is and nothing of what the actions mean.
package audit

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// Actor is who acts: a person at the admin socket, or the node itself (UID -1).
type Actor struct {
	UID int `json:"uid"`
	// User is the account's name, "" when the system has none for UID.
	User string `json:"user,omitempty"`
	// Via is "socket", "config", "node" or "command" (a command that ran without a node).
	Via string `json:"via"`
}

// The user ids that no account has.
const (
	// UIDNode is the node itself.
	UIDNode = -1
	// UIDUnknown is a peer of the socket whom the system does not name.
	UIDUnknown = -2
)

// Node is the actor of what the node does by itself.
func Node() Actor { return Actor{UID: UIDNode, Via: "node"} }

// String names the actor for people: the account, else its number.
func (a Actor) String() string {
	switch {
	case a.User != "":
		return a.User
	case a.UID == UIDNode:
		return "the node"
	case a.UID == UIDUnknown:
		return "unknown"
	}
	return fmt.Sprintf("uid %d", a.UID)
}

// actorKey is the context's key for the actor.
type actorKey struct{}

// WithActor gives a context whose work is that actor's.
func WithActor(ctx context.Context, a Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, a)
}

// ActorOf says whose work a context is; Node when nobody was named.
func ActorOf(ctx context.Context) Actor {
	if a, ok := ctx.Value(actorKey{}).(Actor); ok {
		return a
	}
	return Node()
}

// Event is what is written down.
type Event struct {
	// Action is a dotted name: "trust.set", "trust.remove", "trust.reload", "quarantine.accept",
	// "key.rotate", "key.revoke", "key.stop", "invite.create", "review.accept", "breaker.trip", "fork.seen" ...
	Action string `json:"action"`
	// Target is what it was done to: an organisation, key, record, file.
	Target string `json:"target,omitempty"`
	// Reason is the actor's word.
	Reason string `json:"reason,omitempty"`
	// Detail is small: at most 64 pairs and 16 KiB; a longer one is cut and says so.
	Detail map[string]string `json:"detail,omitempty"`
}

// The bounds of an event. What is longer is cut, with a mark: an action is never
// refused because its description is long.
const (
	MaxAction = 64
	MaxTarget = 1 << 10
	MaxReason = 4 << 10
	MaxPairs  = 64
	MaxDetail = 16 << 10
	maxUser   = 256
	// cutMark ends a text that was cut; cutKey is the pair that says how many others are missing.
	cutMark = " … (cut)"
	cutKey  = "…"
)

// Entry is one line of the log.
type Entry struct {
	Seq   uint64    `json:"seq"`
	At    time.Time `json:"at"`
	Actor Actor     `json:"actor"`
	Event
	// Prev is the hash of the entry before; Hash is SHA-256 over the line without Hash.
	Prev protocol.Digest `json:"prev"`
	Hash protocol.Digest `json:"hash"`
}

// bounded gives the event as it is written; usage.invalid when its action is no name.
func (e Event) bounded() (Event, error) {
	if len(e.Action) == 0 || len(e.Action) > MaxAction || strings.Trim(e.Action, "abcdefghijklmnopqrstuvwxyz0123456789.-") != "" {
		return e, reason.New(reason.UsageInvalid, fmt.Sprintf("audit action %.80q: want a dotted name of 1 to %d characters", e.Action, MaxAction))
	}
	e.Target, e.Reason = cut(e.Target, MaxTarget), cut(e.Reason, MaxReason)
	e.Detail = cutDetail(e.Detail)
	return e, nil
}

// cut shortens a text to limit bytes, the mark included.
func cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:max(limit-len(cutMark), 0)], "") + cutMark
}

// cutDetail keeps the first pairs by name, as many as there is room for.
func cutDetail(detail map[string]string) map[string]string {
	size := 0
	for key, value := range detail {
		size += len(key) + len(value)
	}
	if len(detail) <= MaxPairs && size <= MaxDetail {
		return detail
	}
	const note = 64 // bytes kept for the pair that says what is missing
	out, room, missing := map[string]string{}, MaxDetail-note, 0
	for _, key := range slices.Sorted(maps.Keys(detail)) {
		value := detail[key]
		if len(out) == MaxPairs-1 || len(key)+len(cutMark) > room {
			missing++
			continue
		}
		value = cut(value, room-len(key))
		out[key] = value
		room -= len(key) + len(value)
	}
	if missing > 0 {
		out[cutKey] = fmt.Sprintf("%d more%s", missing, cutMark)
	}
	return out
}
