package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"tocsin/node/access"
	"tocsin/node/admin/api"
	"tocsin/node/feed"
	"tocsin/protocol/reason"
	"tocsin/storage"
)

const (
	// maxFollowers is how many may follow the events at a time.
	maxFollowers = 32
	// maxFollowersEach is how many of them may be one principal's; the owner's may be all.
	maxFollowersEach = 8
	// heartbeat shows a follower that a quiet stream lives.
	heartbeat = api.Heartbeat
	// askAgain is how often is asked whether a follower may still follow. What is known of an account may be two seconds
	// old: with those it ends in time (ADM-42).
	askAgain = 2500 * time.Millisecond
	// retryMS is after how many milliseconds a browser that lost the stream asks again.
	retryMS = 2000
	// maxReplay is how far back a stream may begin by time.
	maxReplay = 24 * time.Hour
)

// eventResource gives the node's live events. A follower is a place in what is kept for all of them: the change
// sequence and the audit log, which stay, and what was only seen as it happened, of which the newest is kept. Whoever is
// too slow for that is told what is missing.
type eventResource struct {
	names  names
	store  *storage.Store
	hub    *feed.Hub
	facts  *eventFacts
	access *access.Book // nil where only the socket works
	places *shares      // one taken per follower
}

func newEventResource(n names, d *Deps) *eventResource {
	hub := d.Feed
	if hub == nil { // what is durable can be followed all the same
		hub = feed.New(feed.Sources{Store: d.Store, Audit: d.Audit})
	}
	return &eventResource{n, d.Store, hub, &eventFacts{store: d.Store, desk: d.Desk}, d.Access, newShares(maxFollowers, maxFollowersEach)}
}

func (e *eventResource) register(a huma.API) {
	handle(a, huma.Operation{
		OperationID: "changes", Method: http.MethodGet, Path: "/changes", Summary: "A page of the change sequence",
		Description: "Changes after a number, oldest first. next is always there: " +
			"pass it on as after, also when the page is empty, to learn of what comes next. " +
			"A filter leaves out of the page what it does not select, so a page may be short or empty before the end: " +
			"that is reached when next is what after was. A number behind the end of the sequence is refused (usage.invalid): " +
			"the store was put back from an older copy, or the number is of another one. For a stream of the same use GET /events.",
	}, e.page)
	handle(a, huma.Operation{
		OperationID: "events", Method: http.MethodGet, Path: "/events", Summary: "Follow what happens (server-sent events)",
		Description: "Each event's id is where to go on, as Last-Event-ID or the parameter after; " +
			"it is opaque, and the number of a change is taken as well. " +
			"Without either it begins with what happens next, or with replay so long ago. " +
			"Without kinds it is the change sequence, events are named by the change's kind and their data is an Event; " +
			"with kinds they are named object (an Event), audit (an AuditEntry), peer, mesh, review, sync and doctor (a Turn); " +
			"audit and doctor take an operator. " +
			"The event gap (a Gap) names what the reader missed, the event problem (a Problem) says why the node ends the stream. " +
			"The filters select objects only; what is not known of an object (it is gone) passes no filter by type, tlp, label or score. " +
			"A comment comes every 15 s while nothing happens; 32 follow at a time, 8 of one account or one token with its sessions; the owner may take all.",
		Responses: map[string]*huma.Response{"200": {
			Description: "The stream", Content: map[string]*huma.MediaType{"text/event-stream": {Schema: &huma.Schema{Type: huma.TypeString}}},
		}},
	}, e.follow)
}

func (e *eventResource) page(_ context.Context, in *struct {
	ObjectFilterIn
	After uint64 `query:"after" doc:"Changes with a greater number; what the page before gave as next"`
	Limit int    `query:"limit" default:"100" minimum:"1" maximum:"1000" doc:"How many changes the page has at most"`
}) (*body[api.List[api.Event]], error) {
	filter, err := e.filter(&in.ObjectFilterIn)
	if err != nil {
		return nil, err
	}
	changes, err := e.store.Changes(in.After, in.Limit)
	if err != nil {
		return nil, err
	}
	if len(changes) == 0 {
		if last := e.store.Sequence(); in.After > last {
			return nil, behindEnd(in.After, last)
		}
	}
	list := api.List[api.Event]{Items: []api.Event{}, Next: strconv.FormatUint(in.After, 10)}
	for i := range changes {
		if event, wanted := filter.object(&changes[i]); wanted {
			list.Items = append(list.Items, event)
		}
		list.Next = strconv.FormatUint(changes[i].Seq, 10)
	}
	return answer(list)
}

// behindEnd refuses a number that the sequence has not come to: who waited there would miss all that comes until then (ADM-43).
func behindEnd(after, last uint64) error {
	return api.NewProblem(reason.UsageInvalid, fmt.Sprintf("changes after %d: the sequence ends at %d, so the number is of another store, or of this one before an older copy was put back", after, last)).
		WithFix(fmt.Sprintf("Read anew what there is (changes after 0, or GET %s/objects without a cursor), and go on from there; after %d come the next ones only.", api.Prefix, last))
}

// eventsIn is what to follow.
type eventsIn struct {
	After  string   `query:"after" maxLength:"96" doc:"An id of an event, or the number of a change"`
	LastID string   `header:"Last-Event-ID" maxLength:"96" doc:"The id of the last event that was read, as browsers send it; it goes before after"`
	Replay string   `query:"replay" maxLength:"20" doc:"Begin so long ago, such as 10m or 1d; 24h at most"`
	Kinds  []string `query:"kinds" maxItems:"7" enum:"object,peer,mesh,review,sync,doctor,audit" doc:"What to follow, separated by commas; the change sequence by itself without. audit and doctor take an operator"`
	ObjectFilterIn
}

// ObjectFilterIn selects objects by what they are; what is not given selects all.
type ObjectFilterIn struct {
	MinScore int    `query:"min_score" minimum:"0" maximum:"100" doc:"Objects that name a value with at least this score; 0 for all"`
	Type     string `query:"type" maxLength:"64" doc:"Objects of this STIX type, such as indicator"`
	Topic    string `query:"topic" maxLength:"128" doc:"Objects on this topic"`
	Org      string `query:"org" maxLength:"256" doc:"Objects of this organisation: petname, id, or a unique beginning of 8 hex digits or more"`
	TLP      string `query:"tlp" maxLength:"40" doc:"Objects with exactly this marking, such as green or TLP:GREEN, in any case"`
	Country  string `query:"country" maxLength:"2" doc:"Objects of organisations of this country, two letters"`
	Label    string `query:"label" maxLength:"256" doc:"Objects that have this label"`
}

func (e *eventResource) follow(ctx context.Context, in *eventsIn) (*huma.StreamResponse, error) {
	who := access.Principal{}
	if e.access != nil {
		who = access.Of(ctx)
		if secret := slices.ContainsFunc(in.Kinds, func(k string) bool { return k == feed.KindAudit || k == feed.KindDoctor }); secret && who.Role < access.Operator {
			return nil, reason.New(reason.RoleDenied, "follow events of the kinds audit or doctor: that takes an operator")
		}
	}
	filter, err := e.filter(&in.ObjectFilterIn)
	if err != nil {
		return nil, err
	}
	reader, err := e.begin(in)
	if err != nil {
		return nil, err
	}
	release, err := e.places.take(access.Of(ctx), "follow events")
	if err != nil {
		return nil, err
	}
	s := &eventStream{eventResource: e, reader: reader, filter: filter, who: who, plain: len(in.Kinds) == 0}
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		defer release()
		r, w := humago.Unwrap(ctx)
		s.run(r.Context(), w)
	}}, nil
}

// begin opens a reader at the latest place that is named: a stream that resumes repeats its first request.
func (e *eventResource) begin(in *eventsIn) (*feed.Reader, error) {
	at := in.LastID
	if at == "" {
		at = in.After
	}
	if at == "" && in.Replay != "" {
		ago, err := api.ParseSpan(in.Replay)
		if err != nil || ago <= 0 || ago > maxReplay {
			return nil, reason.New(reason.UsageInvalid, fmt.Sprintf("replay %.20q: want a time such as 10m, of %d hours at most", in.Replay, maxReplay/time.Hour))
		}
		if at, err = e.hub.Since(time.Now().Add(-ago)); err != nil {
			return nil, err
		}
	}
	return e.hub.Follow(at, in.Kinds...)
}

// eventStream is one follower's stream.
type eventStream struct {
	*eventResource
	reader *feed.Reader
	filter eventFilter
	who    access.Principal
	// plain is set where no kinds were asked for: events are named by the change's kind.
	plain bool
	out   bytes.Buffer
	told  string // the last id that was sent
}

// run writes events as they come until the follower leaves, stalls, or may follow no more.
func (s *eventStream) run(ctx context.Context, w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	fmt.Fprintf(&s.out, "retry: %d\n", retryMS)
	s.mark() // whoever loses the stream before the first event goes on from here
	s.out.WriteString("\n")
	c := http.NewResponseController(w)
	err := s.send(c, w)
	asked, sent := time.Now(), time.Now()
	for err == nil {
		var events []feed.Event
		events, err = s.reader.Next(ctx, min(askAgain-time.Since(asked), heartbeat-time.Since(sent)))
		if err == nil && time.Since(asked) >= askAgain {
			asked = time.Now()
			if s.access != nil && !s.access.Valid(s.who) {
				err = reason.New(reason.LoginExpired, "follow events: what this stream was opened with is over")
			}
		}
		if err != nil {
			break
		}
		for i := range events {
			s.add(&events[i])
		}
		if s.out.Len() == 0 && time.Since(sent) >= heartbeat {
			s.out.WriteString(": heartbeat\n")
			s.mark()
			s.out.WriteString("\n")
		}
		if s.out.Len() > 0 {
			sent = time.Now()
			err = s.send(c, w)
		}
	}
	if ctx.Err() != nil {
		return
	}
	log.Infow("follower let go", "err", err)
	s.end(err)
	lastWords(w)
	_ = s.send(c, w) // one that has left needs no farewell
}

// mark tells where to go on when that is behind the last event: others were passed over.
func (s *eventStream) mark() {
	if at := s.reader.Cursor(); at != s.told {
		s.told = at
		fmt.Fprintf(&s.out, "id: %s\n", at)
	}
}

// send writes out what was gathered; a reader that stalls is let go.
func (s *eventStream) send(c *http.ResponseController, w http.ResponseWriter) error {
	if _, err := w.Write(s.out.Bytes()); err != nil {
		return err
	}
	s.out.Reset()
	return c.Flush()
}

// end says why the stream ends.
func (s *eventStream) end(err error) {
	s.out.Reset()
	s.write("", api.EventProblem, problemOf("events", err))
}

// add writes one event if the filter lets it pass.
func (s *eventStream) add(e *feed.Event) {
	name := e.Kind
	var data any
	switch d := e.Data.(type) {
	case feed.Gap:
		data = api.Gap{Kind: api.EventGap, At: e.At, From: d.From, To: d.To, Dropped: d.Dropped}
	case feed.Turn:
		data = turned{e.At, d}
	}
	switch {
	case e.Audit != nil:
		data = auditEntry(e.Audit)
	case e.Change != nil:
		event, wanted := s.filter.object(e.Change)
		if !wanted {
			return
		}
		if s.plain {
			name = e.Change.Kind
		}
		data = event
	}
	s.told = e.ID
	s.write(e.ID, name, data)
}

// turned is a feed.Turn with its time, as api.Turn has it.
type turned struct {
	At time.Time `json:"at"`
	feed.Turn
}

func (s *eventStream) write(id, name string, data any) {
	raw, err := json.Marshal(data)
	if err != nil { // a state of a source that is no JSON is this node's fault, and hidden from nobody
		log.Errorw("event cannot be written", "kind", name, "err", err)
		name = api.EventProblem
		raw, _ = json.Marshal(problemOf("events", err))
	}
	if id != "" {
		fmt.Fprintf(&s.out, "id: %s\n", id)
	}
	fmt.Fprintf(&s.out, "event: %s\ndata: %s\n\n", name, raw)
}

// event shows a change.
func (n names) event(c *storage.Change) api.Event {
	return api.Event{
		Seq: c.Seq, At: c.At, Kind: c.Kind, Record: c.Record.String(), Org: c.Org.String(), Petname: n.petname(c.Org),
		Topic: c.Topic.String(), Objects: c.Objects, Reason: string(c.Reason),
	}
}
