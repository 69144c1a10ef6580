package admin

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"tocsin/node/admin/api"
	"tocsin/node/audit"
	"tocsin/node/intake"
	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/storage"
)

type quarantineResource struct {
	names  names
	find   finder
	store  *storage.Store
	intake *intake.Pipeline
	audit  *audit.Log
}

func (q *quarantineResource) register(a huma.API) {
	handle(a, huma.Operation{
		OperationID: "quarantine-list", Method: http.MethodGet, Path: "/quarantine", Summary: "What is held, and why",
		Description: "Held objects in the order of their records, also each object of a record that is held as a whole. " +
			"A page may be short while next is there.",
	}, q.list)
	handle(a, huma.Operation{
		OperationID: "quarantine-decide", Method: http.MethodPost, Path: "/quarantine/decisions", Summary: "Accept or drop something held",
		Description: "Accepted things count from now on as any other of their author; the others are dropped for good. " +
			"Name one subject, or choose many by org or code: then a reason is needed, and at most 10,000 are decided on at once; " +
			"more says that there are others. The audit log has quarantine.accept or quarantine.reject.",
	}, q.decide)
}

func (q *quarantineResource) list(_ context.Context, in *struct {
	PageIn
	Org   string `query:"org" maxLength:"512" doc:"Of this organisation: petname, id, or a unique beginning of 8 hex digits or more"`
	Code  string `query:"code" maxLength:"64" doc:"Held for this reason code"`
	Query string `query:"q" maxLength:"4096" doc:"Part of an id, a type or a value"`
}) (*body[api.List[api.HeldItem]], error) {
	after, err := readRefCursor("quarantine", in.Cursor)
	if err != nil {
		return nil, err
	}
	f, err := q.filter(in.Org, in.Code, in.Query)
	if err != nil {
		return nil, err
	}
	held, next, err := q.store.QuarantineWhere(f, after, in.Limit)
	if err != nil {
		return nil, err
	}
	list := api.List[api.HeldItem]{Items: []api.HeldItem{}}
	for _, h := range held {
		o := q.names.object(h.Hit)
		list.Items = append(list.Items, api.HeldItem{
			Record: o.Record, Index: o.Index, Object: o.ID, Type: o.Type, Org: o.Org, Petname: o.Petname, Reason: o.Reason,
			Whole: h.RecordHeld, Since: h.Since, From: h.From, Values: o.Values,
		})
	}
	if next != (storage.Ref{}) {
		list.Next = refCursor("quarantine", next)
	}
	return answer(list)
}

// filter selects by publisher, reason code and text; "" selects all.
func (q *quarantineResource) filter(org, code, text string) (f storage.HeldFilter, err error) {
	if org != "" {
		if f.Org, err = q.names.resolve(org); err != nil {
			return f, err
		}
	}
	f.Reason, f.Text = reason.Code(code), text
	return f, nil
}

func (q *quarantineResource) decide(ctx context.Context, in *struct{ Body api.Decision }) (*body[api.Decided], error) {
	refs, more, err := q.chosen(in.Body)
	if err != nil {
		return nil, err
	}
	act := q.intake.Reject
	if in.Body.Accept {
		act = q.intake.Release
	}
	out := api.Decided{Accepted: in.Body.Accept, Items: []api.Ref{}, More: more}
	if _, err := q.audit.Append(ctx, decisionEvent(in.Body, refs)); err != nil {
		return nil, audit.Undone(err)
	}
	for _, ref := range refs {
		if err := act(ctx, ref, in.Body.Reason); err != nil {
			failed := decisionEvent(in.Body, refs[len(out.Items):])
			failed.Action += ".failed"
			failed.Detail["error"] = err.Error()
			q.audit.Afterwards(ctx, failed)
			return nil, undecided(fmt.Errorf("decide on %s after %d of %d: %w", cmp.Or(in.Body.Subject, in.Body.Org, in.Body.Code), len(out.Items), len(refs), err))
		}
		out.Items = append(out.Items, api.Ref{Record: ref.Record.String(), Index: ref.Index})
	}
	log.Infow("operator decided on what was held", "subject", in.Body.Subject, "accept", in.Body.Accept, "items", len(refs))
	return answer(out)
}

// decisionEvent names what is decided on, and what the person called it.
func decisionEvent(d api.Decision, refs []storage.Ref) audit.Event {
	e := audit.Event{Action: "quarantine.reject", Target: cmp.Or(d.Subject, d.Org, d.Code), Reason: d.Reason}
	if d.Accept {
		e.Action = "quarantine.accept"
	}
	names := make([]string, len(refs))
	for i, ref := range refs {
		names[i] = ref.Record.String()
		if ref.Index >= 0 {
			names[i] += "#" + strconv.Itoa(ref.Index)
		}
	}
	e.Detail = map[string]string{"count": strconv.Itoa(len(refs)), "items": strings.Join(names, " ")}
	return e
}

// maxBatch is how many items one decision on a publisher or a reason takes at once.
const maxBatch = 10_000

// chosen finds what a decision is about: one subject, or all that a publisher or a
// reason code names.
func (q *quarantineResource) chosen(d api.Decision) (refs []storage.Ref, more bool, err error) {
	batch := d.Org != "" || d.Code != ""
	switch {
	case d.Subject != "" && batch:
		return nil, false, reason.New(reason.UsageInvalid, "decide on "+d.Subject+": a subject and a batch exclude each other")
	case d.Subject != "":
		refs, err = q.held(d.Subject, d.Accept)
		return refs, false, err
	case !batch:
		return nil, false, reason.New(reason.UsageInvalid, "decide on what? name a subject, a publisher or a reason code")
	case strings.TrimSpace(d.Reason) == "":
		return nil, false, reason.New(reason.UsageInvalid, "decide on many at once: a reason is needed, for those who look at it later")
	}
	f, err := q.filter(d.Org, d.Code, "")
	if err != nil {
		return nil, false, err
	}
	var after storage.Ref
	for {
		items, next, err := q.store.QuarantineWhere(f, after, api.MaxPage)
		if err != nil {
			return nil, false, err
		}
		for _, h := range items {
			ref := h.Ref
			if h.RecordHeld {
				ref.Index = -1
			}
			if len(refs) > 0 && refs[len(refs)-1] == ref {
				continue // another object of the same record
			}
			if len(refs) == maxBatch {
				return refs, true, nil
			}
			refs = append(refs, ref)
		}
		if next == (storage.Ref{}) {
			break
		}
		after = next
	}
	if len(refs) == 0 {
		return nil, false, reason.New(reason.NotFound, "nothing that this names is held")
	}
	return refs, false, nil
}

// undecided says what helps when a record's certificate is forgotten: to accept a
// whole record is to judge it again, which wants its signature checked; to drop it is not.
func undecided(err error) error {
	if reason.Of(err) != reason.CertUnknown {
		return err
	}
	return api.ProblemOf(err).WithFix("Connect to a peer of its organisation, which sends the chain anew, and keep it with 'tocsin trust add'; " +
		"or drop the record with 'tocsin quarantine reject', which does without.")
}

// held finds what a subject names in quarantine: a record held as a whole is one
// thing (index -1), which only its own id names; else each held object counts by itself.
func (q *quarantineResource) held(subject string, accept bool) ([]storage.Ref, error) {
	hits, err := q.hits(subject)
	if err != nil {
		return nil, err
	}
	var refs []storage.Ref
	var whole []protocol.RecordID
	for _, h := range hits {
		switch {
		case h.RecordHeld && !slices.Contains(whole, h.Record):
			whole = append(whole, h.Record)
		case !h.RecordHeld && h.State == storage.Held:
			refs = append(refs, h.Ref)
		}
	}
	if len(whole) > 0 {
		if isSTIX(subject) || strings.Contains(subject, "#") {
			return nil, heldWhole(subject, whole, accept)
		}
		return []storage.Ref{{Record: whole[0], Index: -1}}, nil
	}
	if len(refs) > 0 {
		return refs, nil
	}
	if id, err := q.find.record(subject); err == nil && !isSTIX(subject) {
		if _, state, err := q.store.Record(id); err == nil && state == storage.Held {
			return []storage.Ref{{Record: id, Index: -1}}, nil // held before it was opened
		}
	}
	return nil, reason.New(reason.NotFound, fmt.Sprintf("nothing of %s is held", subject))
}

// heldWhole refuses to decide on one object of a record that is held as a whole:
// whoever names one object does not mean all that stand beside it.
func heldWhole(subject string, whole []protocol.RecordID, accept bool) error {
	verb := "reject"
	if accept {
		verb = "accept"
	}
	more := ""
	if len(whole) > 1 {
		more = fmt.Sprintf(" (and in %d more)", len(whole)-1)
	}
	detail := fmt.Sprintf("%s %s: it stands in record %s%s, which is held as a whole", verb, subject, whole[0], more)
	return api.NewProblem(reason.Conflict, detail).WithFix(fmt.Sprintf(
		"See what else stands in it with 'tocsin show %s'; decide on all of it with 'tocsin quarantine %s %s'.", whole[0], verb, whole[0]))
}

// hits finds all objects that a subject names.
func (q *quarantineResource) hits(subject string) ([]storage.Hit, error) {
	switch {
	case isSTIX(subject):
		return q.find.versions(subject)
	case strings.Contains(subject, "#"):
		h, _, err := q.find.object(subject)
		return []storage.Hit{h}, err
	}
	id, err := q.find.record(subject)
	if err != nil {
		return nil, err
	}
	return q.store.Leaves(id)
}
