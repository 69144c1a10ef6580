package admin

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tocsin/node/admin/api"
	"tocsin/node/audit"
	"tocsin/node/figures"
	"tocsin/node/intake"
	"tocsin/node/policy"
	"tocsin/node/review"
	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/protocol/trust"
)

// reviewResource shows what waits for a person and carries out what is decided.
type reviewResource struct {
	names  names
	queue  *review.Queue
	policy *policy.Book
	intake *intake.Pipeline
	audit  *audit.Log
}

func (v *reviewResource) register(a huma.API) {
	handle(a, huma.Operation{
		OperationID: "review", Method: http.MethodGet, Path: "/review", Summary: "What waits for a person to decide",
		Description: "Oldest first. Nothing in it has any effect before somebody decides; what has expired is not listed.",
	}, v.list)
	handle(a, huma.Operation{
		OperationID: "review-show", Method: http.MethodGet, Path: "/review/{id}", Summary: "One thing that waits",
		Description: "Named by its id or a unique beginning of it. detail has what accepting it would change.",
	}, v.show)
	handle(a, huma.Operation{
		OperationID: "review-decide", Method: http.MethodPost, Path: "/review/{id}", Summary: "Accept or reject it",
		Description: "Accepting a promotion, an anchor or an import changes the trust list, and takes an operator, as rejecting one does; " +
			"an advisory or a dispute is only noted. conflict says that what it would change is not what was shown. " +
			"Where the list asks for two people the second must be another one than who asked. " +
			"The audit log has review.accept or review.reject, and what follows from it.",
	}, v.decide)
}

func (v *reviewResource) list(_ context.Context, in *PageIn) (*body[api.List[api.ReviewItem]], error) {
	list := api.List[api.ReviewItem]{Items: []api.ReviewItem{}}
	for _, i := range v.queue.List(time.Now()) {
		list.Items = append(list.Items, v.names.item(i))
	}
	return paged("review", list, *in, func(i api.ReviewItem) string { return oldestFirst(i.Created) + i.ID })
}

func (v *reviewResource) show(_ context.Context, in *idIn) (*body[api.ReviewItem], error) {
	i, err := v.queue.Find(in.ID, time.Now())
	if err != nil {
		return nil, err
	}
	return answer(v.names.item(i))
}

// item shows an item of the queue.
func (n names) item(i review.Item) api.ReviewItem {
	out := api.ReviewItem{ID: i.ID, Kind: i.Kind, Title: i.Title, Detail: i.Detail, By: actorName(i.By), Created: i.Created, Expires: i.Expires}
	if i.Org != (protocol.OrgID{}) {
		out.Org, out.Petname = i.Org.String(), n.petname(i.Org)
	}
	return out
}

// actorName is how people call who did something.
func actorName(a audit.Actor) string {
	switch {
	case a.User != "":
		return a.User
	case a.UID >= 0:
		return fmt.Sprintf("uid %d", a.UID)
	}
	return "the node"
}

// reviewIn is a decision on an item.
type reviewIn struct {
	ID   string `path:"id" doc:"The item's id or a unique beginning of it"`
	Body api.ReviewDecision
}

func (v *reviewResource) decide(ctx context.Context, in *reviewIn) (*body[api.Reviewed], error) {
	now := time.Now() // one, so that the item is not over between the claim and the close
	i, release, err := v.queue.Claim(in.ID, now)
	if err != nil {
		return nil, err
	}
	defer release()
	if err := mayDecide(ctx, i); err != nil {
		return nil, err
	}
	out := api.Reviewed{ID: i.ID, Accepted: in.Body.Accept, Effect: "Nothing changes."}
	e := audit.Event{Action: "review.reject", Target: i.ID, Reason: in.Body.Reason, Detail: map[string]string{"title": i.Title}}
	if in.Body.Accept {
		e.Action = "review.accept"
	}
	err = recorded(ctx, v.audit, e, func() (err error) {
		if in.Body.Accept {
			if out.Effect, err = v.carryOut(ctx, i, in.Body.Reason); err != nil {
				return err
			}
		}
		err = v.queue.Close(i.ID, !in.Body.Accept, now)
		if in.Body.Accept && reason.Of(err) == reason.NotFound {
			return nil // it made room for another one meanwhile; what it asked for is done
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if in.Body.Accept && changesTrust(i) {
		if _, err := v.intake.Rejudge(context.WithoutCancel(ctx), intake.Curable()...); err != nil {
			return nil, fmt.Errorf("%s is in force; judge what is held again: %w", i.ID, err)
		}
	}
	return answer(out)
}

// changesTrust reports whether accepting an item changes the trust list.
func changesTrust(i review.Item) bool {
	return i.Kind == review.Promotion || i.Kind == review.Anchor || i.Kind == review.Import
}

// carryOut does what an accepted item asks for.
func (v *reviewResource) carryOut(ctx context.Context, i review.Item, why string) (string, error) {
	var effect string
	var err error
	switch {
	case i.Kind == review.Promotion:
		effect, err = v.promote(ctx, i, why)
	case changesTrust(i):
		effect, err = v.apply(ctx, i, why)
	default:
		return "Noted. The trust list stays as it is: change it with 'tocsin trust set'.", nil
	}
	if err != nil {
		return "", fmt.Errorf("carry out %s: %w", i.ID, err)
	}
	return effect, nil
}

// Proposal is the payload of a promotion.
type Proposal struct {
	// From is the level that it had when it earned the next: of another one the proposal says nothing.
	From  string `json:"from"`
	Level string `json:"level"`
	Topic string `json:"topic,omitempty"`
}

// promote raises an organisation one level as the machine proposed and a person agreed.
func (v *reviewResource) promote(ctx context.Context, i review.Item, why string) (string, error) {
	var p Proposal
	if err := json.Unmarshal(i.Payload, &p); err != nil {
		return "", reason.Wrap(reason.Internal, "read the proposal", err)
	}
	level, err := trust.ParseLevel(p.Level)
	if err != nil {
		return "", err
	}
	list := v.policy.List()
	e, listed := list.Entry(i.Org)
	if !listed {
		return "", reason.New(reason.Conflict, fmt.Sprintf("organisation %s is not listed any more", i.Org))
	}
	if now := list.Level(i.Org, p.Topic, "", time.Now()); now.String() != p.From {
		return "", reason.New(reason.Conflict, fmt.Sprintf("%s was %s%s when this was proposed and is %s now: reject the proposal; use 'tocsin trust set' if you want the level all the same",
			e.Petname, p.From, onTopic(p.Topic), now))
	}
	if p.Topic == "" {
		e.Level = level
	} else {
		e.Scopes = raised(e.Scopes, p.Topic, level)
	}
	var queued *api.Problem
	switch err := applyOrQueue(ctx, v.policy, v.queue, policy.Edit{Entry: e, Why: why, If: sameEntry(list, i.Org)}); {
	case errors.As(err, &queued):
		// The first of two people has agreed: what is left of the proposal waits for the second.
		return queued.Detail + ". " + queued.Fix, nil
	case err != nil:
		return "", err
	}
	return fmt.Sprintf("%s is %s now%s.", v.names.petname(i.Org), level, onTopic(p.Topic)), nil
}

// sameEntry refuses a change of an entry that is not as it was in list, on which the change was decided.
func sameEntry(list *trust.List, org protocol.OrgID) func(*trust.List) error {
	was := entryTag(list, org)
	return func(now *trust.List) error {
		if entryTag(now, org) != was {
			return reason.New(reason.Conflict, fmt.Sprintf("the entry of %s was changed at the same time: look at it again", org))
		}
		return nil
	}
}

// raised puts a scope for a topic before the others.
func raised(scopes []trust.Scope, topic string, level trust.Level) []trust.Scope {
	out := []trust.Scope{{Topics: []string{topic}, Level: &level}}
	if len(scopes) == 0 {
		return append(out, trust.Scope{Topics: []string{"*"}})
	}
	return append(out, scopes...)
}

func onTopic(topic string) string {
	if topic == "" {
		return ""
	}
	return " on " + topic
}

// approver is the person who asked for what another one accepts now; nobody when it was the node.
func approver(i review.Item) *audit.Actor {
	if i.By.UID < 0 {
		return nil
	}
	return &i.By
}

// offer is the payload of an import or an anchor: a list, and the digest of the differences that
// people were shown.
type offer struct {
	List  string          `json:"list"`
	Shown protocol.Digest `json:"shown"`
}

// shown identifies differences, as differences describes them.
func shown(lines []string) protocol.Digest { return sha256.Sum256([]byte(strings.Join(lines, "\n"))) }

// apply puts a list of entries in force, if it still changes what people were shown.
func (v *reviewResource) apply(ctx context.Context, i review.Item, why string) (string, error) {
	var o offer
	if err := json.Unmarshal(i.Payload, &o); err != nil {
		return "", reason.Wrap(reason.Internal, "read the list", err)
	}
	list, err := trust.Parse(i.Title, []byte(o.List))
	if err != nil {
		return "", err
	}
	err = v.policy.ImportIf(ctx, list, why, approver(i), func(now *trust.List) error {
		if shown(differences(now, now.Merge(list))) != o.Shown {
			return reason.New(reason.Conflict, "what it changes has changed since it was queued: reject it, and import or set it again to see the differences of today")
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	return "In force now: " + figures.Count(len(list.Entries()), "entry") + ".", nil
}

// enqueue puts a list into the queue, for a second person or for a look at what it changes.
func enqueue(ctx context.Context, q *review.Queue, kind string, org protocol.OrgID, title string, detail []string, list *trust.List) (review.Item, error) {
	payload, err := json.Marshal(offer{string(bytes.TrimSpace(list.Encode())), shown(detail)})
	if err != nil {
		return review.Item{}, err
	}
	now := time.Now()
	i := review.Item{
		Kind: kind, Org: org, Title: title, Detail: detail, By: audit.ActorOf(ctx),
		Created: now, Expires: now.Add(30 * 24 * time.Hour), Payload: payload,
	}
	id, _, err := q.Ask(i)
	if err != nil {
		return i, err
	}
	i.ID = id
	return i, nil
}
