package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"tocsin/protocol/reason"
)

// The names of events that are no kinds: what the reader missed, and why the node ends the stream.
const (
	EventGap     = "gap"
	EventProblem = "problem"
)

// Heartbeat is how often something comes on a stream, be it only a sign of life.
const Heartbeat = 15 * time.Second

// silence is after how long without anything a stream is taken for one of a node that hangs.
const silence = 3 * Heartbeat

// maxEvent bounds one line of the stream.
const maxEvent = 1 << 20

// Happening is one event as it comes. ID is the opaque cursor to go on with behind it, Data is by Kind: an Event
// for "object", an AuditEntry for "audit", a Gap for "gap", a Turn for the others. A stream that asks for no kinds names changes by their own kind
// ("accepted", "held"), and Data is an Event then.
type Happening struct {
	// ID is the opaque cursor to go on with behind it.
	ID string `json:"id"`
	// Kind is the event's name.
	Kind string `json:"kind"`
	// Data is the event itself: its form hangs on the kind.
	Data json.RawMessage `json:"data"`
}

// Turn is how something that is only seen as it happens (a peer, a topic of the mesh, what waits for review,
// catch-up, a check of the doctor) became otherwise; Was or Now is absent for what was not there, or is not any more.
type Turn struct {
	// At is when it was seen.
	At time.Time `json:"at"`
	// Name is what it is about: a peer's id, a topic, an item's id, the name of a check.
	Name string `json:"name"`
	// Was is how it was before; absent for what was not there.
	Was json.RawMessage `json:"was,omitempty"`
	// Now is how it is; absent for what is not there any more.
	Now json.RawMessage `json:"now,omitempty"`
}

// Gap is what a reader of events missed.
type Gap struct {
	// Kind is "gap".
	Kind string `json:"kind"`
	// At is when the gap was noticed.
	At time.Time `json:"at"`
	// From is the cursor behind which events are missing.
	From string `json:"from"`
	// To is the cursor up to which they are.
	To string `json:"to"`
	// Dropped counts the missing events of the source that has the gap, of any kind; -1 when nobody can know.
	Dropped int64 `json:"dropped"`
}

// EventParams says which events to follow. The zero value asks for the change sequence from now on.
type EventParams struct {
	// After is where to go on, an id of an event or the number of a change. Replay begins so long ago, where After is "".
	After  string
	Replay time.Duration
	// Kinds are what to follow; none for the change sequence by itself.
	Kinds []string
	EventFilter
	// Opened, which may be nil, is called once the node has begun the stream.
	Opened func() `json:"-"`
}

// EventFilter selects events about objects; others pass. Zero fields select all.
type EventFilter struct {
	// MinScore is the least score of any value that the record names.
	MinScore int
	// Type is a STIX type, TLP a marking, Label a label of an object, Country the two letters of the organisation's.
	Type, Topic, Org, TLP, Country, Label string
}

func (p *EventParams) query() url.Values {
	q := url.Values{}
	for name, value := range map[string]string{
		"after": p.After, "kinds": strings.Join(p.Kinds, ","), "type": p.Type, "topic": p.Topic, "org": p.Org,
		"tlp": p.TLP, "country": p.Country, "label": p.Label,
	} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if p.Replay != 0 {
		q.Set("replay", p.Replay.String())
	}
	if p.MinScore != 0 {
		q.Set("min_score", strconv.Itoa(p.MinScore))
	}
	return q
}

// errSilent is why the context of a stream ended on which nothing came.
var errSilent = errors.New("nothing came on the stream")

// Follow follows events: each is called for every one until it returns an error, ctx ends or the node
// stops. It gives the id to go on with, which may be behind the last event where others were passed over,
// and nil when the stream ended without a reason. timed.out when the node gives no sign of life for three heartbeats.
func (c *Client) Follow(ctx context.Context, p EventParams, each func(Happening) error) (last string, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	alarm := time.AfterFunc(silence, func() { cancel(errSilent) })
	defer alarm.Stop()
	last = p.After
	resp, err := c.do(ctx, request{method: http.MethodGet, path: "/events", query: p.query(), accept: "text/event-stream"})
	if err == nil {
		defer resp.Body.Close()
		if p.Opened != nil {
			p.Opened()
		}
		err = readEvents(&watched{resp.Body, alarm}, &last, each)
	}
	broken, isBroken := errors.AsType[*brokenStream](err)
	switch {
	case resp != nil && !isBroken: // it ended, or each had enough
	case errors.Is(context.Cause(ctx), errSilent):
		err = NewProblem(reason.TimedOut, fmt.Sprintf("follow events: nothing has come from the node on %s for %v, not even a sign of life", c.socket, silence)).
			WithFix(Wake)
	case isBroken:
		err = c.dialProblem(ctx, broken)
	}
	return last, err
}

// watched is a stream with an alarm that runs while somebody waits for it, and not while the reader is busy.
type watched struct {
	in    io.Reader
	alarm *time.Timer
}

// Read waits for something to come.
func (w *watched) Read(p []byte) (int, error) {
	w.alarm.Reset(silence)
	defer w.alarm.Stop()
	return w.in.Read(p)
}

// brokenStream says that a stream ended within an event or a line.
type brokenStream struct{ cause error }

// Error names the cause.
func (b *brokenStream) Error() string { return "the stream broke off: " + b.cause.Error() }

// wholeLines splits a stream into lines. One without its end broke off: what stands in it is not all that was sent.
func wholeLines(data []byte, atEOF bool) (advance int, line []byte, err error) {
	advance, line, err = bufio.ScanLines(data, false)
	if atEOF && advance == 0 && len(data) > 0 {
		err = io.ErrUnexpectedEOF
	}
	return advance, line, err
}

// readEvents reads a stream of server-sent events as this node writes them, to its end. last is the id of the newest
// that came whole: whoever goes on from there misses none that did not.
func readEvents(in io.Reader, last *string, each func(Happening) error) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxEvent)
	lines.Split(wholeLines)
	e, within := Happening{ID: *last}, false
	for lines.Scan() {
		name, value, _ := bytes.Cut(lines.Bytes(), []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		within = true
		switch string(name) {
		case "id":
			e.ID = string(value)
		case "event":
			e.Kind = string(value)
		case "data":
			e.Data = bytes.Clone(value)
		case "": // the end of an event, or a comment
			if len(lines.Bytes()) > 0 {
				continue
			}
			*last, within = e.ID, false
			if e.Data != nil {
				if err := deliver(e, each); err != nil {
					return err
				}
			}
			e = Happening{ID: *last}
		}
	}
	err := lines.Err()
	if err == nil && within {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return &brokenStream{err}
	}
	return nil
}

// deliver hands on an event; a problem ends the stream instead.
func deliver(e Happening, each func(Happening) error) error {
	if !json.Valid(e.Data) {
		return NewProblem(reason.Internal, fmt.Sprintf("read an event: %.100q is no JSON", e.Data))
	}
	if e.Kind != EventProblem {
		return each(e)
	}
	p := new(Problem)
	if err := json.Unmarshal(e.Data, p); err != nil || p.Code == "" {
		return NewProblem(reason.Internal, fmt.Sprintf("the node ended the stream with %.200q", e.Data))
	}
	return p.forPeople()
}

// Events follows the change sequence from behind a number, or with nil from now on. It ends as Follow does. What the
// node could not give is an Event of kind "gap".
func (c *Client) Events(ctx context.Context, after *uint64, each func(Event) error) error {
	p := EventParams{}
	if after != nil {
		p.After = strconv.FormatUint(*after, 10)
	}
	_, err := c.Follow(ctx, p, func(h Happening) error {
		var e Event
		if err := json.Unmarshal(h.Data, &e); err != nil {
			return NewProblem(reason.Internal, "read an event: "+err.Error())
		}
		return each(e)
	})
	return err
}
