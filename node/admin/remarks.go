package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tocsin/node/admin/api"
	"tocsin/node/audit"
	"tocsin/node/outbox"
	"tocsin/protocol"
	"tocsin/protocol/pattern"
	"tocsin/protocol/reason"
	"tocsin/protocol/stix"
	"tocsin/storage"
)

// maxSightings is how many objects one sighting of a value speaks of.
const maxSightings = 20

// remarkResource publishes what this organisation says about others' objects.
type remarkResource struct {
	names   names
	find    finder
	store   *storage.Store
	audit   *audit.Log
	publish func(context.Context, outbox.Request) (outbox.Result, error)
}

func (m *remarkResource) register(a huma.API) {
	handle(a, huma.Operation{
		OperationID: "opinion", Method: http.MethodPost, Path: "/opinions", Summary: "Publish an opinion of somebody's object",
		Description: "Signs and spreads a STIX opinion about an object of somebody else, on its topic and with its marking; " +
			"one about the own is a conflict. A second one about the same object is its next version. " +
			"It cannot be called back, only followed by another. The audit log has belief.opinion.",
	}, m.opine)
	handle(a, huma.Operation{
		OperationID: "sighting", Method: http.MethodPost, Path: "/sightings", Summary: "Publish sightings of an object or of all that names a value",
		Description: "Signs and spreads STIX sightings: of one object, or of up to 20 accepted objects that claim something about the value alone; " +
			"more counts those left out. Each goes out on its object's topic and with its marking. " +
			"count 0 says that it was looked for and not seen. The audit log has belief.sighting for each.",
	}, m.sight)
}

func (m *remarkResource) opine(ctx context.Context, in *struct{ Body api.OpinionRequest }) (*body[api.Remarked], error) {
	about, _, err := m.find.object(in.Body.Object)
	if err != nil {
		return nil, err
	}
	if about.Org == m.names.self.Org {
		return nil, api.NewProblem(reason.Conflict, fmt.Sprintf("opinion of %s: it is your own object", about.Object)).
			WithFix("Take it back instead: publish a newer version of it that says \"revoked\": true.")
	}
	r := stix.Remark{Author: m.names.self.Org.String(), About: about.Object, Text: in.Body.Reason, Confidence: in.Body.Confidence}
	r.Modified = time.Now()
	r.Created = r.Modified
	raw, err := stix.NewOpinion(r, in.Body.Opinion)
	if err != nil {
		return nil, err
	}
	if raw, err = m.nextOpinion(raw, r, in.Body.Opinion); err != nil {
		return nil, err
	}
	out := api.Remarked{About: []string{}, Objects: []string{}, Records: []string{}}
	err = m.say(ctx, audit.Event{Action: "belief.opinion", Target: about.Object, Reason: in.Body.Reason,
		Detail: map[string]string{"opinion": in.Body.Opinion, "org": about.Org.String()}}, about, raw, &out)
	if err != nil {
		return nil, err
	}
	return answer(out)
}

// nextOpinion makes a first opinion the next version of one that was published before.
func (m *remarkResource) nextOpinion(raw []byte, r stix.Remark, word string) ([]byte, error) {
	first, err := stix.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("opinion of %s: %w", r.About, err)
	}
	before, err := m.store.Versions(first.ID)
	if err != nil && reason.Of(err) != reason.NotFound {
		return nil, err
	}
	for _, h := range before {
		if h.Org != m.names.self.Org {
			continue
		}
		old, err := m.store.Object(h.Ref)
		if err != nil {
			return nil, err
		}
		o, err := stix.Parse(old)
		if err != nil {
			return nil, fmt.Errorf("opinion of %s: read the one before: %w", r.About, err)
		}
		r.Created = o.Created
		if !r.Modified.After(o.Modified) { // a clock that was set back: still a new version
			r.Modified = o.Modified.Add(time.Millisecond)
		}
		return stix.NewOpinion(r, word)
	}
	return raw, nil
}

func (m *remarkResource) sight(ctx context.Context, in *struct{ Body api.SightingRequest }) (*body[api.Remarked], error) {
	objects, more, err := m.sighted(in.Body.Target)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	if in.Body.Last.After(now) || in.Body.First.After(now) {
		return nil, reason.New(reason.UsageInvalid, "sighting of "+in.Body.Target+": seen in the future")
	}
	out := api.Remarked{About: []string{}, Objects: []string{}, Records: []string{}, More: more}
	for _, about := range objects {
		raw, err := stix.NewSighting(stix.Remark{
			Author: m.names.self.Org.String(), About: about.Object, Text: in.Body.Reason, Confidence: in.Body.Confidence, Created: now, Modified: now,
		}, in.Body.Count, in.Body.First, in.Body.Last)
		if err != nil {
			return nil, err
		}
		err = m.say(ctx, audit.Event{Action: "belief.sighting", Target: about.Object, Reason: in.Body.Reason,
			Detail: map[string]string{"count": fmt.Sprint(in.Body.Count), "org": about.Org.String(), "asked": in.Body.Target}}, about, raw, &out)
		if err != nil {
			return nil, sightedBefore(err, out)
		}
	}
	return answer(out)
}

// sightedBefore says, beside what went wrong, of what a sighting had gone out before.
func sightedBefore(err error, out api.Remarked) error {
	if len(out.About) == 0 {
		return err
	}
	said := *api.ProblemOf(err)
	said.Detail = fmt.Sprintf("%s (a sighting went out before of: %s)", said.Detail, someOf(out.About))
	said.Fix = strings.TrimSpace(said.Fix + " Say it of the others alone, each by its id and with a new Idempotency-Key where there is one: a second one of the same object counts as another sighting.")
	return &said
}

// sighted finds what a sighting speaks of: an object, or every claim about a value. A
// sighting cannot point to an observable (STIX 2.1 section 5.2), so one means the claims about its value.
func (m *remarkResource) sighted(target string) (objects []storage.Hit, more int, err error) {
	value := pattern.Refang(target)
	if h, _, err := m.find.object(target); err == nil {
		if h.Claim || len(h.Values) == 0 {
			return []storage.Hit{h}, 0, nil
		}
		value = h.Values[0].Observable
	} else if isSTIX(target) {
		return nil, 0, err
	}
	hits, _, err := m.store.Lookup(value, m.names.known())
	if err != nil {
		return nil, 0, err
	}
	for _, h := range hits {
		believed := !h.RecordHeld && h.State == storage.Accepted && !h.Revoked
		if h.Claim && h.Alone && believed && !pattern.Several(h.Values) && !slices.ContainsFunc(objects, func(o storage.Hit) bool { return o.Object == h.Object }) {
			objects = append(objects, h)
		}
	}
	if len(objects) == 0 {
		return nil, 0, api.NewProblem(reason.NotFound, fmt.Sprintf("sighting of %s: nothing accepted here claims anything about it alone", target)).
			WithFix("Publish an indicator of your own for it instead ('tocsin publish'); a sighting of an object that names several values does not say which was seen.")
	}
	if len(objects) > maxSightings {
		more = len(objects) - maxSightings
		objects = objects[:maxSightings]
	}
	return objects, more, nil
}

// say publishes one remark where its object stands, with that one's TLP.
func (m *remarkResource) say(ctx context.Context, e audit.Event, about storage.Hit, raw []byte, out *api.Remarked) error {
	if about.Topic == protocol.TopicSealed || about.TLP > stix.Green {
		return reason.New(reason.OutTLP, fmt.Sprintf("remark about %s: it is %s, and a remark on an open topic would give it away", about.Object, about.TLP))
	}
	o, err := stix.Parse(raw)
	if err != nil {
		return fmt.Errorf("remark about %s: %w", about.Object, err)
	}
	return recorded(ctx, m.audit, e, func() error { return m.send(ctx, about, o.ID, raw, out) })
}

// send publishes a remark and notes what came of it.
func (m *remarkResource) send(ctx context.Context, about storage.Hit, id string, raw []byte, out *api.Remarked) error {
	res, err := m.publish(ctx, outbox.Request{Topic: about.Topic, TLP: about.TLP, Confidence: -1, Data: raw})
	if err != nil {
		return err
	}
	if len(res.Records) == 0 {
		if len(res.Skipped) > 0 {
			return reason.New(res.Skipped[0].Code, fmt.Sprintf("remark about %s: %s", about.Object, res.Skipped[0].Reason))
		}
		return errors.New("remark about " + about.Object + ": nothing went out")
	}
	out.About = append(out.About, about.Object)
	out.Objects = append(out.Objects, id)
	out.Records = append(out.Records, res.Records[0].String())
	return nil
}
