package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tocsin/node/admin/api"
	"tocsin/node/audit"
	"tocsin/node/invite"
	"tocsin/node/policy"
	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/protocol/trust"
)

// during has somebody change the other organisation's level while something else is decided: decide runs while the
// trust list is in the other's hands, and the change is in force before decide gets hold of it. begun is the action whose
// entry says that decide has looked at the list, or is just about to.
func (d desk) during(level trust.Level, begun string, decide func() error) error {
	d.t.Helper()
	in, on := make(chan struct{}), make(chan struct{})
	other, decided := make(chan error, 1), make(chan error, 1)
	go func() {
		e := trust.Entry{Org: d.other.Org, Petname: "other", Level: level, Expires: time.Now().AddDate(0, 6, 0)}
		other <- d.deps.Policy.Apply(d.as(1009), policy.Edit{Entry: e, If: func(*trust.List) error {
			close(in)
			<-on
			return nil
		}})
	}()
	<-in
	go func() { decided <- decide() }()
	d.await(begun)
	close(on)
	ok(d.t, <-other)
	return <-decided
}

// await waits for an entry of the audit log.
func (d desk) await(action string) {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), 10*time.Second)
	defer cancel()
	for {
		head, _ := d.deps.Audit.Head()
		if found, err := d.deps.Audit.Last(1, audit.Filter{Action: action}); err != nil || len(found) > 0 {
			ok(d.t, err)
			return
		}
		ok(d.t, d.deps.Audit.Wait(ctx, head))
	}
}

// A decision that was made while somebody blocked whom it is about once undid the block without a word (ADM-30).
func TestDecisionsHoldTheirState(t *testing.T) {
	offer := func(d desk) string {
		alone, err := trust.Empty().With(trust.Entry{Org: d.other.Org, Petname: "other", Level: trust.Anchor, Expires: time.Now().AddDate(0, 3, 0)})
		ok(t, err)
		return d.offer(string(alone.Encode()))
	}
	for name, begin := range map[string]func(desk) (action string, decide func() error){
		"promotion": func(d desk) (string, func() error) {
			id := d.propose(trust.Partner, trust.Anchor)
			return "review.accept", func() error { _, err := d.accept(1000, id); return err }
		},
		"import": func(d desk) (string, func() error) {
			id := offer(d)
			return "review.accept", func() error { _, err := d.accept(1000, id); return err }
		},
	} {
		d := newDesk(t)
		d.set(trust.Partner)
		action, decide := begin(d)
		if err := d.during(trust.Blocked, action, decide); reason.Of(err) != reason.Conflict || d.level() != trust.Blocked {
			t.Errorf("%s: %v, level %s", name, err, d.level())
		}
		if left := d.review.queue.List(time.Now()); len(left) != 1 {
			t.Errorf("%s: %d wait", name, len(left))
		}
	}
}

// The same of an entry that is added or changed without If-Match.
func TestEntriesHoldTheirState(t *testing.T) {
	for name, listed := range map[string]bool{"add": false, "set": true} {
		d := newDesk(t)
		topic, err := protocol.ParseTopic("x-somewhere")
		ok(t, err)
		entry := trust.Entry{Org: d.other.Org, Petname: "bad", Level: trust.Blocked, Expires: time.Now().AddDate(0, 1, 0), Reason: "fraud"}
		meanwhile := func() []TopicInfo { // asked after the entry was looked at
			ok(t, d.deps.Policy.Apply(d.as(1009), policy.Edit{Entry: entry}))
			return []TopicInfo{{Topic: topic}}
		}
		r := &trustResource{d.review.names, d.deps.Policy, d.review.queue, d.deps.Intake, meanwhile}
		in := api.TrustEntry{Org: d.other.Org.String(), Petname: "other", Level: "partner", Expires: time.Now().AddDate(0, 2, 0).Format(time.DateOnly), Topics: []string{"x-somewhere"}}
		if want := reason.Conflict; listed {
			d.set(trust.Observed)
			_, err = r.set(d.as(1000), &trustSetIn{Org: in.Org, Body: in})
			want = reason.StateChanged
			refused(t, err, want)
		} else {
			_, err = r.add(d.as(1000), &trustAddIn{Body: in})
			refused(t, err, want)
		}
		if e, _ := d.deps.Policy.List().Entry(d.other.Org); e.Level != trust.Blocked || e.Reason != "fraud" {
			t.Errorf("%s: %+v", name, e)
		}
	}
}

// Of an acceptance and a rejection at the same time one wins, and the other is told.
func TestOneDecision(t *testing.T) {
	d := newDesk(t)
	d.set(trust.Partner)
	id := d.propose(trust.Partner, trust.Anchor)
	reject := func() error {
		_, err := d.review.decide(d.as(1001), &reviewIn{id, api.ReviewDecision{Reason: "no"}})
		return err
	}
	in, on := make(chan struct{}), make(chan struct{})
	other, accepted := make(chan error, 1), make(chan error, 1)
	go func() { // keeps the acceptance from its end
		other <- d.deps.Policy.Apply(d.as(1009), policy.Edit{Entry: trust.Entry{Org: protocol.OrgID{9}, Petname: "nine", Level: trust.Observed, Expires: time.Now().AddDate(0, 1, 0)},
			If: func(*trust.List) error {
				close(in)
				<-on
				return nil
			}})
	}()
	<-in
	go func() {
		_, err := d.accept(1000, id)
		accepted <- err
	}()
	d.await("review.accept")
	refused(t, reject(), reason.Conflict)
	close(on)
	ok(t, <-other)
	ok(t, <-accepted)
	if d.level() != trust.Anchor {
		t.Errorf("level %s", d.level())
	}
	refused(t, reject(), reason.NotFound)
	if found, err := d.deps.Audit.Last(10, audit.Filter{Action: "review.reject"}); err != nil || len(found) > 0 {
		t.Errorf("in the audit log: %+v, %v", found, err)
	}
}

// answered makes a desk at which the other organisation has answered an invitation.
func (d desk) answered() (*inviteResource, string) {
	d.t.Helper()
	path := filepath.Join(d.t.TempDir(), "invites.json")
	deps := invite.Deps{Network: network, Own: d.deps.Self.Org, Chains: d.deps.Identity.Chains}
	book, err := invite.New(path, deps)
	ok(d.t, err)
	p, err := book.Create("guest", [][]byte{{1}}, time.Hour)
	ok(d.t, err)
	p.State, p.Org = invite.Compare, d.other.Org
	raw, err := json.Marshal(map[string]any{"pairings": []invite.Pairing{p}})
	ok(d.t, err)
	ok(d.t, os.WriteFile(path, raw, 0o600))
	book, err = invite.New(path, deps)
	ok(d.t, err)
	return &inviteResource{names: d.review.names, desk: book, mesh: Mesh{AddrTexts: func([][]byte) []string { return nil }}, policy: d.deps.Policy, intake: d.deps.Intake, audit: d.deps.Audit}, p.Handle
}

// sameWords says that the words were the same.
func (v *inviteResource) sameWords(d desk, handle string) error {
	in := struct {
		Handle string `path:"handle" maxLength:"64" doc:"The invitation's handle"`
		Body   api.InviteConfirm
	}{Handle: handle}
	_, err := v.confirm(d.as(1000), &in)
	return err
}

// Whoever is blocked while an invitation is confirmed stays blocked.
func TestConfirmHoldsItsState(t *testing.T) {
	d := newDesk(t)
	v, handle := d.answered()
	err := d.during(trust.Blocked, "invite.confirm", func() error { return v.sameWords(d, handle) })
	if reason.Of(err) != reason.Conflict || d.level() != trust.Blocked {
		t.Errorf("%v, level %s", err, d.level())
	}
	if p, err := v.desk.Find(handle); err != nil || p.State != invite.Compare {
		t.Errorf("the invitation is %s, %v", p.State, err)
	}
}

// Who is listed by an invitation is not listed by one that was cancelled: of the two one wins.
func TestConfirmOrCancel(t *testing.T) {
	for n := range 8 {
		d := newDesk(t)
		v, handle := d.answered()
		cancelled := make(chan error, 1)
		go func() {
			in := struct {
				Handle string `path:"handle" maxLength:"64" doc:"The invitation's handle"`
			}{handle}
			_, err := v.cancel(d.as(1001), &in)
			cancelled <- err
		}()
		confirmed := v.sameWords(d, handle)
		told := <-cancelled
		_, listed := d.deps.Policy.List().Entry(d.other.Org)
		if listed != (confirmed == nil) || listed == (told == nil) {
			t.Errorf("round %d: confirm %v, cancel %v, listed %v", n, confirmed, told, listed)
		}
		for _, err := range []error{confirmed, told} {
			if err != nil && reason.Of(err) != reason.Conflict {
				t.Error(fmt.Errorf("round %d: %w", n, err))
			}
		}
	}
}
