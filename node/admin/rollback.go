package admin

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tocsin/node/admin/api"
	"tocsin/node/audit"
	"tocsin/node/belief"
	"tocsin/node/standing"
	"tocsin/protocol"
	"tocsin/protocol/pattern"
	"tocsin/protocol/reason"
	"tocsin/storage"
)

// The bounds of what one rollback reports. What it undoes is never bounded.
const (
	maxRolledValues = 100_000 // values whose verdicts are compared
	maxUndone       = 1_000   // values that are named
)

// rollbackResource takes back what a key said, and gives it back.
type rollbackResource struct {
	names    names
	store    *storage.Store
	standing *standing.Book
	desk     *belief.Desk
	audit    *audit.Log
	// sweep brings the store in line with the standing.
	sweep func(context.Context) error
}

func (b *rollbackResource) register(a huma.API) {
	handle(a, huma.Operation{
		OperationID: "rollback", Method: http.MethodPost, Path: "/rollbacks", Summary: "Take back what a key said after a position",
		Description: "Here only, and nobody hears of it: the key's records after the number do not count any more, under any organisation. " +
			"Not for the own keys: revoke those. POST /trust/{org}/restore takes it back. The audit log has trust.rollback.",
	}, b.rollBack)
	handle(a, huma.Operation{
		OperationID: "restore", Method: http.MethodPost, Path: "/trust/{org}/restore", Summary: "Close breakers and take back rollbacks of an organisation",
		Description: "Ends every breaker and rollback of the organisation, or those of one topic; what was held for them is judged again. " +
			"not.found says that there is none. The audit log has trust.restore.",
	}, b.restore)
}

func (b *rollbackResource) rollBack(ctx context.Context, in *struct{ Body api.RollbackRequest }) (*body[api.RolledBack], error) {
	logs, err := b.logs(in.Body.Key, in.Body.Topic)
	if err != nil {
		return nil, err
	}
	if slices.Contains(orgs(logs), b.names.self.Org) {
		return nil, api.NewProblem(reason.Conflict, "roll back "+logs[0].Key.String()+": it is this organisation's own key").
			WithFix("Revoke it instead, so that everybody hears of it: 'tocsin keys revoke'.")
	}
	// The organisation that has a name here is the one that the operator means.
	first := logs[max(0, slices.IndexFunc(logs, func(l storage.Log) bool { return b.names.petname(l.Org) != "" }))]
	out := api.RolledBack{Key: first.Key.String(), Org: first.Org.String(), Petname: b.names.petname(first.Org), Undone: []api.UndoneValue{}}
	values, err := b.touched(logs, in.Body.After, &out)
	if err != nil {
		return nil, err
	}
	before, err := b.desk.Check(values, time.Now())
	if err != nil {
		return nil, err
	}
	e := audit.Event{Action: "trust.rollback", Target: first.Key.String(), Reason: in.Body.Reason, Detail: map[string]string{
		"org": first.Org.String(), "after": fmt.Sprint(in.Body.After), "topic": in.Body.Topic, "records": fmt.Sprint(out.Records),
	}}
	err = recorded(ctx, b.audit, e, func() error {
		for _, org := range orgs(logs) { // who has the key may say the same under another organisation
			err := b.standing.RollBack(standing.Rollback{
				Org: org, Key: first.Key, Topic: in.Body.Topic, After: in.Body.After, At: time.Now(), Why: in.Body.Reason,
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	// The decision stands from here on, whether or not the client waits for its effect.
	if err := b.sweep(context.WithoutCancel(ctx)); err != nil {
		return nil, fmt.Errorf("the rollback is in force; move what it voids: %w", err)
	}
	if err := b.compare(values, before, &out); err != nil {
		return nil, err
	}
	return answer(out)
}

// logs finds the key logs of a key, by its id or a unique prefix.
func (b *rollbackResource) logs(key, topic string) ([]storage.Log, error) {
	prefix, ok := digestPrefix(key)
	if !ok {
		return nil, reason.New(reason.UsageInvalid, fmt.Sprintf("key %q: write sha256: and hex digits, at least %d; 'tocsin explain' and 'tocsin show' name keys", key, minPrefix))
	}
	var found []storage.Log
	for _, l := range b.store.Logs() {
		if !strings.HasPrefix(l.Key.String(), prefix) {
			continue
		}
		if len(found) > 0 && found[0].Key != l.Key {
			return nil, reason.New(reason.Ambiguous, fmt.Sprintf("key %s: %s and %s begin like this", key, found[0].Key, l.Key))
		}
		found = append(found, l)
	}
	if len(found) == 0 {
		return nil, reason.New(reason.NotFound, "key "+key+": no record of it is held")
	}
	if topic != "" {
		found = slices.DeleteFunc(found, func(l storage.Log) bool { return l.Topic.String() != topic })
		if len(found) == 0 {
			return nil, reason.New(reason.NotFound, "key "+key+": it said nothing on topic "+topic)
		}
	}
	return found, nil
}

// orgs are the organisations of some logs, each once.
func orgs(logs []storage.Log) []protocol.OrgID {
	var out []protocol.OrgID
	for _, l := range logs {
		if !slices.Contains(out, l.Org) {
			out = append(out, l.Org)
		}
	}
	return out
}

// touched counts what a rollback voids and collects the values it was about.
func (b *rollbackResource) touched(logs []storage.Log, after uint64, out *api.RolledBack) ([]string, error) {
	seen := map[pattern.Observable]bool{}
	var values []string
	for _, l := range logs {
		for _, id := range b.store.Range(l.Org, l.Key, l.Topic, after+1, l.Head) {
			leaves, err := b.store.Leaves(id)
			if err != nil {
				return nil, err
			}
			out.Records++
			out.Objects += len(leaves)
			for _, h := range leaves {
				for _, v := range h.Values {
					if h.Claim && v.Alone && !seen[v.Observable] && len(values) < maxRolledValues {
						seen[v.Observable] = true
						values = append(values, v.Observable.Value)
					}
				}
			}
		}
	}
	return values, nil
}

// compare names the values that are believed less than before.
func (b *rollbackResource) compare(values []string, before []api.CheckItem, out *api.RolledBack) error {
	after, err := b.desk.Check(values, time.Now())
	if err != nil {
		return fmt.Errorf("the rollback is in force; compare what it undid: %w", err)
	}
	for i := range after {
		was, is := &before[i], &after[i]
		if was.Verdict == is.Verdict {
			continue
		}
		if len(out.Undone) == maxUndone {
			out.More++
			continue
		}
		out.Undone = append(out.Undone, api.UndoneValue{Type: was.Type, Value: was.Normal, Before: was.Verdict, After: is.Verdict})
	}
	return nil
}

func (b *rollbackResource) restore(ctx context.Context, in *struct {
	Org  string `path:"org" doc:"The organisation: petname, id, or a unique beginning of 8 hex digits or more"`
	Body api.RestoreRequest
}) (*body[api.Restored], error) {
	org, err := b.names.resolve(in.Org)
	if err != nil {
		return nil, err
	}
	e := audit.Event{Action: "trust.restore", Target: org.String(), Reason: in.Body.Reason, Detail: map[string]string{"topic": in.Body.Topic}}
	n := 0
	err = recorded(ctx, b.audit, e, func() (err error) {
		n, err = b.standing.Restore(org, in.Body.Topic)
		if err == nil && n == 0 {
			err = reason.New(reason.NotFound, fmt.Sprintf("restore %s: no breaker is open and nothing of it is rolled back", in.Org))
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := b.sweep(context.WithoutCancel(ctx)); err != nil {
		return nil, fmt.Errorf("%s counts again; judge what was held: %w", in.Org, err)
	}
	return answer(api.Restored{Org: org.String(), Petname: b.names.petname(org), Closed: n})
}
