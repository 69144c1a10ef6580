package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"tocsin/node/admin/api"
	"tocsin/protocol/reason"
	"tocsin/storage"
)

const (
	// maxFollowers is how many may follow the events at a time.
	maxFollowers = 32
	// heartbeat shows a follower that a quiet stream lives.
	heartbeat = 15 * time.Second
	// eventBatch is how many changes are read at a time.
	eventBatch = 256
)

// eventResource gives the change sequence, which is the node's only event bus. A
// follower is a cursor into it: what it has not read stays there, so nothing is
// ever dropped for a slow one.
type eventResource struct {
	names names
	store *storage.Store
	slots chan struct{} // one taken per follower
}

func (e *eventResource) register(a huma.API) {
	handle(a, huma.Operation{OperationID: "changes", Method: http.MethodGet, Path: "/changes", Summary: "A page of the change sequence"}, e.page)
	handle(a, huma.Operation{
		OperationID: "events", Method: http.MethodGet, Path: "/events", Summary: "Follow the change sequence (server-sent events)",
		Description: "Each event's id is its number. Go on with Last-Event-ID or the parameter after; without either it begins with the next change.",
	}, e.follow)
}

func (e *eventResource) page(_ context.Context, in *struct {
	After uint64 `query:"after"`
	Limit int    `query:"limit" default:"100" minimum:"1" maximum:"1000"`
}) (*body[api.List[api.Event]], error) {
	changes, err := e.store.Changes(in.After, in.Limit)
	if err != nil {
		return nil, err
	}
	list := api.List[api.Event]{Items: []api.Event{}, Next: strconv.FormatUint(in.After, 10)}
	for _, c := range changes {
		list.Items = append(list.Items, e.show(c))
		list.Next = strconv.FormatUint(c.Seq, 10)
	}
	return answer(list)
}

func (e *eventResource) follow(_ context.Context, in *struct {
	After  string `query:"after" pattern:"^[0-9]*$"`
	LastID string `header:"Last-Event-ID" pattern:"^[0-9]*$"`
}) (*huma.StreamResponse, error) {
	after := e.store.Sequence()
	for _, text := range []string{in.After, in.LastID} { // the later wins: a stream that resumes
		if text == "" {
			continue
		}
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return nil, reason.Wrap(reason.UsageInvalid, "follow events", err)
		}
		after = n
	}
	select {
	case e.slots <- struct{}{}:
	default:
		return nil, reason.New(reason.Conflict, fmt.Sprintf("%d followers are connected already; stop one", maxFollowers))
	}
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		defer func() { <-e.slots }()
		r, w := humago.Unwrap(ctx)
		err := e.stream(r.Context(), w, after)
		if r.Context().Err() == nil {
			log.Infow("follower let go", "err", err)
		}
	}}, nil
}

// stream writes changes as they come until the follower leaves or stalls; the
// error says which.
func (e *eventResource) stream(ctx context.Context, w http.ResponseWriter, after uint64) error {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	c := http.NewResponseController(w)
	if err := c.Flush(); err != nil {
		return err
	}
	for {
		changes, err := e.store.Changes(after, eventBatch)
		if err != nil {
			return err
		}
		if err := c.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
			return err
		}
		for _, change := range changes {
			if err := writeEvent(w, e.show(change)); err != nil {
				return err
			}
			after = change.Seq
		}
		if len(changes) == 0 {
			if err := e.wait(ctx, w, after); err != nil {
				return err
			}
		}
		if err := c.Flush(); err != nil {
			return err
		}
	}
}

// wait returns when there is something to read, or after a heartbeat.
func (e *eventResource) wait(ctx context.Context, w http.ResponseWriter, after uint64) error {
	beat, cancel := context.WithTimeout(ctx, heartbeat)
	defer cancel()
	err := e.store.Wait(beat, after)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, context.DeadlineExceeded):
		_, err = fmt.Fprint(w, ": heartbeat\n\n")
		return err
	}
	return err
}

func writeEvent(w http.ResponseWriter, ev api.Event) error {
	data, err := json.Marshal(ev)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "id: %d\nevent: %s\ndata: %s\n\n", ev.Seq, ev.Kind, data)
	return err
}

func (e *eventResource) show(c storage.Change) api.Event {
	return api.Event{
		Seq: c.Seq, At: c.At, Kind: c.Kind, Record: c.Record.String(), Org: c.Org.String(), Petname: e.names.petname(c.Org),
		Topic: c.Topic.String(), Objects: c.Objects, Reason: string(c.Reason),
	}
}
