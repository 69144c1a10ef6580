package admin

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tocsin/node/admin/api"
	"tocsin/node/identity"
	"tocsin/node/intake"
	"tocsin/node/policy"
	"tocsin/node/review"
	"tocsin/protocol"
	"tocsin/protocol/pattern"
	"tocsin/protocol/reason"
	"tocsin/protocol/trust"
)

type trustResource struct {
	names  names
	policy *policy.Book
	queue  *review.Queue
	intake *intake.Pipeline
	joined func() []TopicInfo
}

type orgIn struct {
	Org string `path:"org" doc:"The organisation: petname, id, or a unique beginning of 8 hex digits or more"`
}

type trustAddIn struct {
	IfMatch
	Body api.TrustEntry
}

type trustSetIn struct {
	IfMatch
	Org  string `path:"org" doc:"The organisation: petname, id, or a unique beginning of 8 hex digits or more"`
	Body api.TrustEntry
}

func (t *trustResource) register(a huma.API) {
	handle(a, huma.Operation{
		OperationID: "trust-list", Method: http.MethodGet, Path: "/trust", Summary: "The trust list in force",
		Description: "In the order of the ids, since petnames change, with the entries as people wrote them; effective is what is in force, and demoted what the machine took away. " +
			"The ETag is of the whole list, for If-Match of POST /trust and POST /trust-file.",
	}, t.list)
	handle(a, huma.Operation{
		OperationID: "trust-show", Method: http.MethodGet, Path: "/trust/{org}", Summary: "One organisation, listed or not",
		Description: "Also one that is known and not listed: then level is unknown and petname empty. " +
			"Named by petname, id or a unique beginning of 8 hex digits or more. The ETag is of this entry, for If-Match of PUT and DELETE.",
	}, t.show)
	handle(a, huma.Operation{
		OperationID: "trust-add", Method: http.MethodPost, Path: "/trust", Summary: "List an organisation",
		Description: "Puts an entry in force for an organisation that is not listed (else conflict; PUT changes one). " +
			"petname, level and expires are needed; the fields that are for answers only are not read. If-Match takes the ETag of GET /trust. " +
			"What is held only because nobody listed its author is judged again. " +
			"An anchor on a list with two_approvers answers approval.needed and waits in GET /review for another person. " +
			"The audit log has trust.set.",
	}, t.add)
	handle(a, huma.Operation{
		OperationID: "trust-set", Method: http.MethodPut, Path: "/trust/{org}", Summary: "Change an entry",
		Description: "Changes what the body says and keeps the rest. " +
			"The body names the same organisation as the path, and has org, petname, level and expires, of which \"\" leaves the last three as they are; " +
			"reason, topics, automation, max_per_day and may_vouch stay when they are absent. " +
			"topics replace all topics and topic levels of the entry, automation [\"none\"] takes all of it away, may_vouch -1 takes that right away; " +
			"a lower level takes away what it may not have. Fields for answers only are not read. " +
			"It also ends what the machine took away (demoted), and what is held is judged again. If-Match takes the ETag of GET /trust/{org}. " +
			"An anchor on a list with two_approvers answers approval.needed and waits in GET /review for another person. " +
			"The audit log has trust.set.",
	}, t.set)
	handle(a, huma.Operation{
		OperationID: "trust-remove", Method: http.MethodDelete, Path: "/trust/{org}", Summary: "Take an organisation off the list",
		Description: "It is a stranger from then on, and its word counts as one's. If-Match takes the ETag of GET /trust/{org}. " +
			"The audit log has trust.remove.",
	}, t.remove)
}

func (t *trustResource) list(_ context.Context, in *PageIn) (*tagged[api.List[api.TrustEntry]], error) {
	inForce := t.policy.List()
	list := api.List[api.TrustEntry]{Items: []api.TrustEntry{}}
	for _, e := range inForce.Entries() {
		list.Items = append(list.Items, t.entry(t.stated(e)))
	}
	page, err := paged("trust", list, *in, func(e api.TrustEntry) string { return e.Org })
	if err != nil {
		return nil, err
	}
	return answerTagged(listTag(inForce), page.Body)
}

// show tells what is known of an organisation; one that nobody lists has level unknown.
func (t *trustResource) show(_ context.Context, in *orgIn) (*tagged[api.TrustEntry], error) {
	org, err := t.names.resolve(in.Org)
	if err != nil {
		return nil, err
	}
	list := t.policy.List()
	e, listed := list.Entry(org)
	if _, known := t.names.identity.Chains().Org(org); !listed && !known {
		return nil, unlisted(fmt.Sprintf("organisation %s is neither listed nor known", org))
	}
	if !listed {
		e = trust.Entry{Org: org, Level: trust.Unknown}
	}
	return answerTagged(entryTag(list, org), t.entry(t.stated(e)))
}

// stated is an entry as people wrote it; what machines took away is shown beside it.
func (t *trustResource) stated(e trust.Entry) trust.Entry {
	if s, ok := t.policy.Stated(e.Org); ok {
		return s
	}
	return e
}

// add takes the tag of the whole list in If-Match.
func (t *trustResource) add(ctx context.Context, in *trustAddIn) (*tagged[api.TrustEntry], error) {
	org, err := t.names.resolve(in.Body.Org)
	if err != nil {
		return nil, err
	}
	if err := unlistedYet(t.policy.List(), org); err != nil {
		return nil, err
	}
	return t.put(ctx, policy.Edit{Entry: trust.Entry{Org: org}, If: func(l *trust.List) error {
		if err := in.matches("the trust list", listTag(l)); err != nil {
			return err
		}
		return unlistedYet(l, org) // somebody may have blocked it since
	}}, in.Body)
}

// unlistedYet refuses to list who is listed.
func unlistedYet(l *trust.List, org protocol.OrgID) error {
	if e, listed := l.Entry(org); listed {
		return reason.New(reason.Conflict, fmt.Sprintf("organisation %s is listed already as %q, level %s; change it with trust set", org, e.Petname, e.Level))
	}
	return nil
}

func (t *trustResource) set(ctx context.Context, in *trustSetIn) (*tagged[api.TrustEntry], error) {
	org, err := t.names.resolve(in.Org)
	if err != nil {
		return nil, err
	}
	if in.Body.Org != in.Org {
		if named, err := t.names.resolve(in.Body.Org); err != nil || named != org {
			return nil, reason.New(reason.UsageInvalid, fmt.Sprintf("set trust of %s: the body is about %q", org, in.Body.Org))
		}
	}
	e, listed := t.policy.Stated(org)
	if !listed {
		return nil, reason.New(reason.NotFound, fmt.Sprintf("organisation %s is not listed; list it with trust add", org))
	}
	return t.put(ctx, policy.Edit{Entry: e, If: in.ofEntry(org), Start: &e}, in.Body)
}

// put lays what the request says over the entry of an edit and puts it in force. What was
// held only because its organisation was not listed is judged again; that goes on
// when the client leaves, since the list has changed already.
func (t *trustResource) put(ctx context.Context, ed policy.Edit, in api.TrustEntry) (*tagged[api.TrustEntry], error) {
	e := &ed.Entry
	if e.Org == t.names.self.Org {
		return nil, reason.New(reason.Conflict, "this is the node's own organisation: it is believed without being listed")
	}
	if err := t.change(e, in); err != nil {
		return nil, err
	}
	ed.Why = in.Reason
	if err := applyOrQueue(ctx, t.policy, t.queue, ed); err != nil {
		return nil, err
	}
	accepted, err := t.intake.Rejudge(context.WithoutCancel(ctx), intake.Curable()...)
	if err != nil {
		return nil, fmt.Errorf("the entry for %s is in force; judge what is held again: %w", e.Org, err)
	}
	log.Infow("trust entry set", "org", e.Org, "petname", e.Petname, "level", e.Level, "accepted", accepted)
	list := t.policy.List()
	inForce, _ := list.Entry(e.Org) // what a lowered level cannot have went with it
	return answerTagged(entryTag(list, e.Org), t.entry(inForce))
}

// applyOrQueue puts an entry in force, or queues it for the second person whom the list asks for, with what it
// changes in the list that the edit was made on.
func applyOrQueue(ctx context.Context, p *policy.Book, q *review.Queue, ed policy.Edit) error {
	e, seen, now := ed.Entry, ed.If, p.List()
	ed.If = func(l *trust.List) error {
		now = l
		if seen == nil {
			return nil
		}
		return seen(l)
	}
	err := p.Apply(ctx, ed)
	if reason.Of(err) != reason.ApprovalNeeded {
		return err
	}
	alone, withErr := trust.Empty().With(e)
	if withErr != nil {
		return withErr
	}
	after, withErr := now.With(e)
	if withErr != nil {
		return withErr
	}
	title := fmt.Sprintf("list %s as anchor", cmp.Or(e.Petname, e.Org.String()))
	i, queueErr := enqueue(ctx, q, review.Anchor, e.Org, title, differences(now, after), alone)
	if queueErr != nil {
		return queueErr
	}
	return api.NewProblem(reason.ApprovalNeeded, err.Error()).
		WithFix(fmt.Sprintf("Another person accepts it with: tocsin review accept %s --reason TEXT", i.ID))
}

// change applies the fields that a request fills in.
func (t *trustResource) change(e *trust.Entry, in api.TrustEntry) error {
	if in.Petname != "" {
		e.Petname = in.Petname
	}
	if in.Reason != "" {
		e.Reason = in.Reason
	}
	if in.Level != "" {
		level, err := trust.ParseLevel(in.Level)
		if err != nil {
			return reason.Wrap(reason.UsageInvalid, "set trust", err)
		}
		e.Level = level
	}
	if in.Expires != "" {
		day, err := time.Parse(time.DateOnly, in.Expires)
		if err != nil {
			return reason.New(reason.UsageInvalid, fmt.Sprintf("set trust: expiry %q: want YYYY-MM-DD", in.Expires))
		}
		e.Expires = day
	}
	if len(in.Topics) > 0 {
		for _, name := range in.Topics {
			if err := t.knownTopic(name); err != nil {
				return err
			}
		}
		e.Scopes = []trust.Scope{{Topics: in.Topics}}
	}
	changeRights(e, in)
	return nil
}

// defaultPerDay is how many values a day machines act on by an entry's word when nothing else is said.
const defaultPerDay = 500

// changeRights applies what a request says about machines and vouching; the list
// checks whether the entry may have it.
func changeRights(e *trust.Entry, in api.TrustEntry) {
	switch {
	case slices.Equal(in.Automation, []string{"none"}):
		e.Automation = trust.Automation{}
	case len(in.Automation) > 0:
		e.Automation.Allow = nil
		for _, kind := range in.Automation {
			e.Automation.Allow = append(e.Automation.Allow, pattern.Type(strings.ToLower(kind)))
		}
		e.Automation.MaxPerDay = cmp.Or(in.MaxPerDay, e.Automation.MaxPerDay, defaultPerDay)
	case in.MaxPerDay > 0:
		e.Automation.MaxPerDay = in.MaxPerDay
	}
	switch {
	case in.MayVouch < 0:
		e.Vouch = nil
	case in.MayVouch > 0:
		e.Vouch = &trust.Vouch{Depth: 1, MaxOrgs: in.MayVouch, LevelCap: trust.Observed, Scopes: []string{"*"}}
	}
}

// knownTopic takes standard topics and joined ones: any other is taken for a
// misspelling, which would narrow the entry to nothing.
func (t *trustResource) knownTopic(name string) error {
	if name == "*" {
		return nil
	}
	topic, err := parseTopic(name)
	if err != nil {
		return err
	}
	if slices.Contains(protocol.DefaultTopics(), topic) ||
		slices.ContainsFunc(t.joined(), func(i TopicInfo) bool { return i.Topic == topic }) {
		return nil
	}
	return reason.New(reason.UsageInvalid, fmt.Sprintf("set trust: topic %q is neither a standard one nor joined here; 'tocsin topics list' names those that are", name))
}

func (t *trustResource) remove(ctx context.Context, in *struct {
	IfMatch
	Org    string `path:"org" doc:"The organisation: petname, id, or a unique beginning of 8 hex digits or more"`
	Reason string `query:"reason" maxLength:"1000" doc:"Why, for the audit log"`
}) (*body[api.Removed], error) {
	org, err := t.names.resolve(in.Org)
	if err != nil {
		return nil, err
	}
	if _, listed := t.policy.List().Entry(org); !listed {
		return nil, unlisted(fmt.Sprintf("remove trust entry %s: no such entry", org))
	}
	if err := t.policy.RemoveIf(ctx, org, in.Reason, in.ofEntry(org)); err != nil {
		return nil, err
	}
	return answer(api.Removed{Removed: org.String()})
}

func (t *trustResource) entry(e trust.Entry) api.TrustEntry {
	out := api.TrustEntry{
		Org: e.Org.String(), Petname: e.Petname, Level: e.Level.String(), Reason: e.Reason,
		Effective: t.names.level(e.Org, ""), Words: identity.Words(e.Org),
	}
	if !e.Expires.IsZero() {
		out.Expires = e.Expires.Format(time.DateOnly)
	}
	for _, s := range e.Scopes {
		out.Topics = append(out.Topics, s.Topics...)
	}
	for _, d := range t.policy.Demotions(e.Org) {
		out.Demoted = append(out.Demoted, fmt.Sprintf("%s: %s (%s)", d.Topic, d.Level, d.Why))
	}
	for _, kind := range e.Automation.Allow {
		out.Automation = append(out.Automation, string(kind))
	}
	out.MaxPerDay = e.Automation.MaxPerDay
	if e.Vouch != nil {
		out.MayVouch = e.Vouch.MaxOrgs
	}
	if voucher, ok := t.policy.List().Voucher(e.Org, "", time.Now()); ok {
		out.VouchedBy = cmp.Or(t.names.petname(voucher), voucher.String())
	}
	slices.Sort(out.Topics)
	out.Topics = slices.Compact(out.Topics)
	if known, ok := t.names.identity.Chains().Org(e.Org); ok {
		out.Name, out.Country = known.Genesis.Name, known.Genesis.Country
	}
	return out
}
