package admin

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"tocsin/node/access"
	"tocsin/node/admin/api"
	"tocsin/node/audit"
	"tocsin/node/outbox"
	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/protocol/stix"
)

const (
	// maxPublications at a time are read and signed, since each holds its file in memory.
	maxPublications = 2
	// maxReading and maxReadingEach are how many are read or held back at a time, in all and of one principal: they hold
	// their file in memory, too, but wait for their client or for their time.
	maxReading, maxReadingEach = 16, 4
	// progressEvery is the pace of progress lines.
	progressEvery = 250 * time.Millisecond
)

type publishResource struct {
	publish func(context.Context, outbox.Request) (outbox.Result, error)
	preview func(outbox.Request) (outbox.Preview, error)
	mesh    Mesh
	names   names
	slots   chan struct{} // one taken per publication that is signed
	reading *shares       // one taken per publication under way
	limit   int64         // bytes of one file
	audit   *audit.Log
}

func newPublishResource(d Deps, n names) *publishResource {
	return &publishResource{
		publish: d.Publish, preview: d.Preview, mesh: d.Mesh, names: n, audit: d.Audit, limit: api.MaxPublishBytes,
		slots: make(chan struct{}, maxPublications), reading: newShares(maxReading, maxReadingEach),
	}
}

// publishIn is a publication's parameters; the body is the STIX itself and is
// read once a slot is free.
type publishIn struct {
	Topic      string `query:"topic" required:"true" doc:"The topic to publish on, which is joined"`
	TLP        string `query:"tlp" default:"green" doc:"The marking of objects that have none: clear or green; higher ones are denied. In any case, with or without TLP:"`
	Confidence int    `query:"confidence" default:"-1" minimum:"-1" maximum:"100" doc:"The confidence of objects that state none, 0 to 100; -1 leaves them without"`
	ValidFor   string `query:"valid_for" doc:"How long indicators hold that do not say so themselves, such as 14d or 36h; for ever without"`
	Hold       string `query:"hold" doc:"How long to wait before anything is signed, such as 30s, 1h at most: who breaks off the request until then takes all of it back"`
	Producer   string `query:"producer" maxLength:"100" doc:"Who made what is published, for objects that do not say so"`
	Upstream   string `query:"upstream" maxLength:"100" doc:"From which source you have it: organisations with the same source count once"`
	Preview    bool   `query:"preview" doc:"Only says what would go out and who would read it: nothing is signed, and nothing leaves the node"`
}

func (p *publishResource) register(a huma.API) {
	handle(a, huma.Operation{
		OperationID: "publish", Method: http.MethodPost, Path: "/objects", Summary: "Publish a STIX bundle or object",
		Description: "The body is STIX 2.1 or 2.0: a bundle, an object or a list, of 512 MiB at most. " +
			"What can go out is signed, stored and spread, and cannot be called back. The answer is 200 also when objects stayed: " +
			"look at denied (the release guard kept them), invalid (no valid STIX) and skipped, which names them; " +
			"a problem means that nothing goes on, and its detail says what went out before: published again, with a new Idempotency-Key, the rest goes out. With Accept: " +
			"" + api.MediaNDJSON + " the answer is a stream of progress lines that ends with the result or a problem, with status 200 once it has begun. " +
			"Repeat a lost request with the same Idempotency-Key. The audit log has publish, then publish.done or publish.failed. " +
			"With preview nothing of this is done, and nothing is in the audit log: the answer says what would go out, and who would read it.",
	}, p.post)
}

func (p *publishResource) post(_ context.Context, in *publishIn) (*huma.StreamResponse, error) {
	req, hold, err := in.request()
	if err != nil {
		return nil, err
	}
	if err := p.reaches(req.Topic); err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		r, w := humago.Unwrap(ctx)
		a := &publishAnswer{w: w, stream: strings.Contains(r.Header.Get("Accept"), api.MediaNDJSON)}
		if in.Preview {
			p.show(r, req, a)
			return
		}
		res, err := p.run(r, req, hold, a)
		if err != nil {
			a.problem(publishProblem(err, res))
			return
		}
		a.result(showResult(res))
	}}, nil
}

// reaches refuses a topic on which a publication would reach nobody.
func (p *publishResource) reaches(t protocol.Topic) error {
	switch t {
	case protocol.TopicControl:
		return noPlace(t, "on it nodes tell each other of their keys")
	case protocol.TopicSealed:
		return noPlace(t, "on it go messages that only their recipients can read")
	}
	var names []string
	for _, i := range p.mesh.Topics() {
		if i.Topic == t {
			return nil
		}
		if i.Topic.Allowed(protocol.KindObjects) {
			names = append(names, i.Topic.String())
		}
	}
	detail := fmt.Sprintf("publish to %s: not joined; 'tocsin topics join %s' first", t, t)
	if near := nearest(t.String(), names); near != "" {
		detail += fmt.Sprintf("; did you mean %s?", near)
	}
	return reason.New(reason.TopicUnknown, detail)
}

func noPlace(t protocol.Topic, why string) error {
	return api.NewProblem(reason.UsageInvalid, fmt.Sprintf("publish to %s: this topic is for the node itself: %s", t, why)).
		WithFix("Choose another topic; 'tocsin topics list' names them.")
}

// begin reads the body, waits out the undo window and takes a slot, which is held until release. Nobody waits for somebody else's
// client.
func (p *publishResource) begin(r *http.Request, req *outbox.Request, hold time.Duration) (release func(), err error) {
	ctx := r.Context()
	left, err := p.reading.take(access.Of(ctx), "publish")
	if err != nil {
		return nil, err
	}
	begun := false
	defer func() {
		if !begun {
			left()
		}
	}()
	if req.Data, err = readBody(r, p.limit); err != nil {
		return nil, err
	}
	if hold > 0 {
		// Nothing is signed before the window ends: a client that leaves takes it all back.
		select {
		case <-time.After(hold):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	// What was revoked during the body or the window signs nothing.
	select {
	case p.slots <- struct{}{}:
		if err := access.Of(ctx).Still(); err != nil {
			<-p.slots
			return nil, err
		}
		begun = true
		return func() { <-p.slots; left() }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// run publishes what the body holds.
func (p *publishResource) run(r *http.Request, req outbox.Request, hold time.Duration, a *publishAnswer) (outbox.Result, error) {
	ctx := r.Context()
	release, err := p.begin(r, &req, hold)
	if err != nil {
		return outbox.Result{}, err
	}
	defer release()
	event := publishEvent(req)
	if _, err := p.audit.Append(ctx, event); err != nil {
		return outbox.Result{}, audit.Undone(err)
	}
	req.Progress = a.progress
	res, err := p.publish(ctx, req)
	p.audit.Afterwards(ctx, publishedEvent(event, res, err))
	return res, err
}

// publishEvent says what is to go out, before it is known what of it can.
func publishEvent(req outbox.Request) audit.Event {
	return audit.Event{Action: "publish", Target: req.Topic.String(), Detail: map[string]string{
		"tlp": req.TLP.String(), "bytes": strconv.Itoa(len(req.Data)), "sha256": fmt.Sprintf("%x", sha256.Sum256(req.Data)),
	}}
}

// publishedEvent says what went out.
func publishedEvent(e audit.Event, res outbox.Result, err error) audit.Event {
	ids := make([]string, len(res.Records))
	for i, id := range res.Records {
		ids[i] = id.String()
	}
	e.Action = "publish.done"
	e.Detail = map[string]string{
		"objects": strconv.Itoa(res.Objects), "records": strconv.Itoa(len(ids)), "ids": strings.Join(ids, " "),
		"invalid": strconv.Itoa(res.Invalid), "denied": strconv.Itoa(res.Denied), "sha256": e.Detail["sha256"],
	}
	if err != nil {
		e.Action = "publish.failed"
		e.Detail["error"] = err.Error()
	}
	return e
}

// readBody reads the whole file, within its bound.
func readBody(r *http.Request, limit int64) ([]byte, error) {
	tooLarge := reason.New(reason.InputSize, fmt.Sprintf("publish: the file has more than %d bytes; split it", limit))
	if r.ContentLength > limit {
		return nil, tooLarge
	}
	raw, err := io.ReadAll(io.LimitReader(r.Body, limit+1))
	if err != nil {
		return nil, unreadable("publish: read the file", err)
	}
	if int64(len(raw)) > limit {
		return nil, tooLarge
	}
	return raw, nil
}

// unreadable says why a request's body did not come: by its sender's doing, or that of the way here.
func unreadable(what string, err error) error {
	late, isNet := errors.AsType[net.Error](err)
	switch {
	case reason.Of(err) != "": // the login that it came with is over
		return fmt.Errorf("%s: %w", what, err)
	case isNet && late.Timeout():
		p := api.NewProblem(reason.TimedOut, what+": it came too slowly")
		p.Status = http.StatusRequestTimeout // not that this node was too slow
		return p
	}
	return reason.Wrap(reason.Interrupted, what+": it broke off", err)
}

func (in *publishIn) request() (req outbox.Request, hold time.Duration, err error) {
	req = outbox.Request{Confidence: in.Confidence, Producer: in.Producer, Upstream: in.Upstream}
	if req.Topic, err = parseTopic(in.Topic); err != nil {
		return req, 0, err
	}
	if req.TLP, err = stix.ParseTLP(in.TLP); err != nil {
		return req, 0, reason.Wrap(reason.UsageInvalid, "publish", err)
	}
	for name, label := range map[string]struct {
		text string
		most int
	}{"producer": {in.Producer, protocol.MaxProducer}, "upstream": {in.Upstream, protocol.MaxUpstream}} {
		if len(label.text) > label.most {
			return req, 0, reason.New(reason.UsageInvalid, fmt.Sprintf("publish: %s has %d bytes, at most %d fit", name, len(label.text), label.most))
		}
	}
	if req.ValidFor, err = duration("valid_for", in.ValidFor); err != nil {
		return req, 0, err
	}
	hold, err = duration("hold", in.Hold)
	switch {
	case err != nil:
	case hold > api.MaxHold:
		err = reason.New(reason.UsageInvalid, fmt.Sprintf("publish: hold %v: at most %v", hold, api.MaxHold))
	case hold > 0 && in.Preview:
		err = reason.New(reason.UsageInvalid, "publish: a preview signs nothing, so that there is nothing to hold: leave out hold or preview")
	}
	return req, hold, err
}

func duration(name, text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	d, err := api.ParseSpan(text)
	if err != nil {
		return 0, reason.New(reason.UsageInvalid, fmt.Sprintf("publish: %s %.20q: %v", name, text, err))
	}
	return d, nil
}

// publishProblem says, beside what went wrong, what had gone out before.
func publishProblem(err error, res outbox.Result) *api.Problem {
	p := problemOf("publish", err)
	if len(res.Records) == 0 {
		return p
	}
	said := *p
	said.Detail = fmt.Sprintf("%s (%d objects in %d records went out before: %s)", p.Detail, res.Objects, len(res.Records), someOf(res.Records))
	said.Fix = "Publish the same again, with a new Idempotency-Key where there is one: what went out is skipped then (stix.published), the rest goes out."
	if p.Code != string(reason.Interrupted) {
		said.Fix = strings.TrimSpace(p.Fix + " " + said.Fix)
	}
	return &said
}

// maxSome is how many names a problem lists.
const maxSome = 5

// someOf names the first of many things.
func someOf[T any](all []T) string {
	var names []string
	for _, one := range all[:min(len(all), maxSome)] {
		names = append(names, fmt.Sprint(one))
	}
	if more := len(all) - len(names); more > 0 {
		return fmt.Sprintf("%s and %d more, which the audit log names", strings.Join(names, ", "), more)
	}
	return strings.Join(names, ", ")
}

func showResult(res outbox.Result) *api.PublishResult {
	out := &api.PublishResult{
		Records: []string{}, Objects: res.Objects, Skipped: []api.Skipped{},
		Invalid: res.Invalid, Denied: res.Denied, Waiting: res.Waiting, Upgraded: res.Upgraded,
	}
	for _, id := range res.Records {
		out.Records = append(out.Records, id.String())
	}
	for _, s := range res.Skipped {
		why := strings.TrimSuffix(s.Reason, " ["+string(s.Code)+"]") // the code has a field of its own
		out.Skipped = append(out.Skipped, api.Skipped{ID: s.ID, Code: string(s.Code), Reason: why})
	}
	return out
}

// publishAnswer writes the answer of one publication: a single value, or a
// stream of lines. It belongs to the request's goroutine.
type publishAnswer struct {
	w      http.ResponseWriter
	stream bool
	begun  bool
	last   time.Time
}

func (a *publishAnswer) progress(done, total int) {
	now := time.Now()
	if !a.stream || now.Sub(a.last) < progressEvery {
		return
	}
	a.last = now
	a.line(api.PublishLine{Progress: &api.Progress{Done: done, Total: total}})
}

func (a *publishAnswer) result(res *api.PublishResult) {
	if a.stream {
		lastWords(a.w)
		a.line(api.PublishLine{Result: res})
		return
	}
	a.w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(a.w).Encode(res) // a client that left needs no answer
}

func (a *publishAnswer) problem(p *api.Problem) {
	if a.begun {
		lastWords(a.w)
		a.line(api.PublishLine{Problem: p})
		return
	}
	writeProblem(a.w, p)
}

// line writes one line of the stream at once. When the client is gone its
// context ends, which stops the publication between two records.
func (a *publishAnswer) line(l api.PublishLine) {
	c := http.NewResponseController(a.w)
	if !a.begun {
		a.begun = true
		a.w.Header().Set("Content-Type", api.MediaNDJSON)
	}
	_ = errors.Join(json.NewEncoder(a.w).Encode(l), c.Flush())
}
