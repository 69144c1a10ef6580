package admin

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tocsin/node/admin/api"
	"tocsin/node/audit"
	"tocsin/node/figures"
	"tocsin/node/policy"
	"tocsin/node/review"
	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/protocol/trust"
)

// trustFileResource gives the trust list as a file, compares and imports files, and tells its history.
type trustFileResource struct {
	names  names
	policy *policy.Book
	queue  *review.Queue
	audit  *audit.Log
}

func (f *trustFileResource) register(a huma.API) {
	handle(a, huma.Operation{
		OperationID: "trust-export", Method: http.MethodGet, Path: "/trust-file", Summary: "The trust list in force as a file",
		Description: "As one TOML file of what is in force, the operator's file and the changes by commands together. The ETag is that of GET /trust.",
	}, f.export)
	handle(a, huma.Operation{
		OperationID: "trust-diff", Method: http.MethodPost, Path: "/trust-file/diff", Summary: "What a file would change",
		Description: "Lays the file over the list in force and says what differs; applies and queues nothing. " +
			"Entries that the file does not name stay as they are.",
		MaxBodyBytes: maxTrustBody,
	}, f.diff)
	handle(a, huma.Operation{
		OperationID: "trust-import", Method: http.MethodPost, Path: "/trust-file", Summary: "Queue a file for review",
		Description: "Applies nothing: the differences wait in GET /review until somebody accepts them. " +
			"A token or browser must send If-Match with the ETag of GET /trust (state.unseen without). " +
			"conflict says that it would change nothing. The audit log has review.import.",
		MaxBodyBytes: maxTrustBody,
	}, f.queueFile)
	handle(a, huma.Operation{
		OperationID: "trust-log", Method: http.MethodGet, Path: "/trust-log", Summary: "The last changes of the trust list",
		Description: "Newest first, from the audit log; the entries of other actions are left out.",
	}, f.log)
	handle(a, huma.Operation{
		OperationID: "trust-reload", Method: http.MethodPost, Path: "/trust-file/reload", Summary: "Read the operator's own file again",
		Description: "When the file is refused, what is in force stays (the audit log has trust.refused). The answer is the list in force then. " +
			"If-Match takes the ETag of GET /trust. " +
			"The audit log has trust.reload.",
	}, f.reload)
}

// maxTrustBody is room for a trust list of the largest size inside JSON.
const maxTrustBody = 9 << 20

func (f *trustFileResource) export(context.Context, *nothing) (*tagged[api.TrustText], error) {
	list := f.policy.List()
	out := api.TrustText{Name: "trust.toml", TOML: string(list.Encode())}
	for _, org := range f.policy.Overlaid() {
		out.Overlaid = append(out.Overlaid, cmp.Or(f.names.petname(org), org.String()))
	}
	return answerTagged(listTag(list), out)
}

// reload reads the operator's file; when it is refused, what was in force stays.
func (f *trustFileResource) reload(ctx context.Context, in *struct{ IfMatch }) (*tagged[api.TrustText], error) {
	if err := f.policy.ReloadIf(ctx, in.ofList); err != nil {
		return nil, err
	}
	return f.export(ctx, nil)
}

// read parses a list and lays it over the one in force.
func (f *trustFileResource) read(inForce *trust.List, in api.TrustText) (list, merged *trust.List, err error) {
	if list, err = trust.Parse(cmp.Or(in.Name, "trust list"), []byte(in.TOML)); err != nil {
		return nil, nil, err
	}
	if err := list.Validate(time.Now()); err != nil {
		return nil, nil, err
	}
	if _, names := list.Entry(f.names.self.Org); names {
		return nil, nil, reason.New(reason.Conflict, fmt.Sprintf("%s names this node's own organisation, which is believed without being listed: leave that entry out", in.Name))
	}
	merged = inForce.Merge(list)
	return list, merged, merged.Validate(time.Now())
}

func (f *trustFileResource) diff(_ context.Context, in *struct{ Body api.TrustText }) (*body[api.List[api.TrustDifference]], error) {
	inForce := f.policy.List()
	_, merged, err := f.read(inForce, in.Body)
	if err != nil {
		return nil, err
	}
	list := api.List[api.TrustDifference]{Items: []api.TrustDifference{}}
	for _, d := range trust.Diff(inForce, merged) {
		item := api.TrustDifference{Name: d.Name, Field: d.Field, Before: d.Before, After: d.After}
		if d.Org != (protocol.OrgID{}) {
			item.Org = d.Org.String()
		}
		list.Items = append(list.Items, item)
	}
	return answer(list)
}

type trustImportIn struct {
	IfMatch
	Body api.TrustText
}

// queueFile never applies anything: an imported list is somebody's proposal.
func (f *trustFileResource) queueFile(ctx context.Context, in *trustImportIn) (*body[api.ReviewItem], error) {
	if err := in.seen(ctx); err != nil {
		return nil, err
	}
	inForce := f.policy.List() // one, so that what is shown is what the client saw
	if err := in.ofList(inForce); err != nil {
		return nil, err
	}
	list, merged, err := f.read(inForce, in.Body)
	if err != nil {
		return nil, err
	}
	changes := differences(inForce, merged)
	if len(changes) == 0 {
		return nil, reason.New(reason.Conflict, in.Body.Name+" would change nothing: everything in it is in force already")
	}
	e := audit.Event{Action: "review.import", Target: in.Body.Name, Reason: in.Body.Reason}
	title := fmt.Sprintf("import %s: %s", cmp.Or(in.Body.Name, "a trust list"), figures.Count(len(changes), "change"))
	var i review.Item
	err = recorded(ctx, f.audit, e, func() (err error) {
		i, err = enqueue(ctx, f.queue, review.Import, protocol.OrgID{}, title, changes, list)
		return err
	})
	if err != nil {
		return nil, err
	}
	return answer(f.names.item(i))
}

// differences describes what changes between two lists, a line each.
func differences(before, after *trust.List) []string {
	var lines []string
	for _, d := range trust.Diff(before, after) {
		name := cmp.Or(d.Name, d.Org.String())
		switch {
		case d.Before == "":
			lines = append(lines, fmt.Sprintf("%s: %s set to %s", name, d.Field, d.After))
		case d.After == "":
			lines = append(lines, fmt.Sprintf("%s: %s taken away (was %s)", name, d.Field, d.Before))
		default:
			lines = append(lines, fmt.Sprintf("%s: %s from %s to %s", name, d.Field, d.Before, d.After))
		}
	}
	return lines
}

func (f *trustFileResource) log(_ context.Context, in *PageIn) (*body[api.List[api.TrustChange]], error) {
	before, _, _, err := readArrivalCursor("trust-log", in.Cursor)
	if err != nil {
		return nil, err
	}
	entries, err := f.audit.Last(in.Limit+1, audit.Filter{Action: "trust", Before: before})
	if err != nil {
		return nil, err
	}
	more := len(entries) > in.Limit
	if more {
		entries = entries[1:]
	}
	list := api.List[api.TrustChange]{Items: []api.TrustChange{}}
	for _, e := range slices.Backward(entries) {
		c := api.TrustChange{Seq: e.Seq, At: e.At, By: actorName(e.Actor), Action: e.Action, Target: e.Target, Reason: e.Reason, Detail: e.Detail}
		if org, err := protocol.ParseOrgID(e.Target); err == nil {
			c.Name = f.names.petname(org)
		}
		list.Items = append(list.Items, c)
	}
	if more {
		list.Next = arrivalCursor("trust-log", entries[0].Seq, 0)
	}
	return answer(list)
}
