package admin

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tocsin/node/admin/api"
	"tocsin/node/audit"
	"tocsin/node/intake"
	"tocsin/node/invite"
	"tocsin/node/policy"
	"tocsin/node/settings"
	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/protocol/trust"
)

const (
	// inviteLife is how long an invitation is good for when nothing is said.
	inviteLife = 7 * 24 * time.Hour
	// inviteTrust is how long an entry lasts that an invitation makes.
	inviteTrust = 180 * 24 * time.Hour
)

// inviteResource makes, accepts and confirms invitations. It is what lists people: the desk trusts nobody.
type inviteResource struct {
	names    names
	desk     *invite.Desk
	mesh     Mesh
	settings *settings.Book
	policy   *policy.Book
	intake   *intake.Pipeline
	audit    *audit.Log

	deciding sync.Mutex // held while an invitation is confirmed or cancelled: who does the other hears that it is too late
}

func (v *inviteResource) register(a huma.API) {
	handle(a, huma.Operation{
		OperationID: "invites", Method: http.MethodGet, Path: "/invites", Summary: "Invitations made and accepted here",
		Description: "Newest first: those that were made here and those that were accepted. The secret text of an invitation is not shown again.",
	}, v.list)
	handle(a, huma.Operation{
		OperationID: "invite-create", Method: http.MethodPost, Path: "/invites", Summary: "Invite an organisation",
		Description: "The answer's text is what the other side accepts; it is secret until then and shown only here. Nobody is listed by this. " +
			"Next, when both sides have answered, people compare the words and POST /invites/{handle}/confirm. " +
			"The audit log has invite.create.",
	}, v.create)
	handle(a, huma.Operation{
		OperationID: "invite-accept", Method: http.MethodPost, Path: "/invites/accept", Summary: "Accept an invitation: both sides then have words to compare",
		Description: "Calls the inviter's node, exchanges who is who, and keeps that node as a peer. Nobody is listed by this: " +
			"people compare the words of the answer with the other side, then POST /invites/{handle}/confirm. " +
			"peer.dial says that it was not reached; nothing tries again by itself. The audit log has invite.accept.",
	}, v.accept)
	handle(a, huma.Operation{
		OperationID: "invite-confirm", Method: http.MethodPost, Path: "/invites/{handle}/confirm", Summary: "List the other organisation: the words were the same",
		Description: "Say this only after people compared the words. Lists the other organisation as observed for 180 days; " +
			"one that is listed higher stays as it is, and one that is blocked is a conflict. " +
			"What is held only because nobody listed its author is judged again. The audit log has invite.confirm.",
	}, v.confirm)
	handle(a, huma.Operation{
		OperationID: "invite-cancel", Method: http.MethodDelete, Path: "/invites/{handle}", Summary: "End an invitation",
		Description: "An invitation that is confirmed stays, and so does whom it listed. The audit log has invite.cancel.",
	}, v.cancel)
}

func (v *inviteResource) list(_ context.Context, in *PageIn) (*body[api.List[api.Invite]], error) {
	list := api.List[api.Invite]{Items: []api.Invite{}}
	for _, p := range v.desk.List() {
		list.Items = append(list.Items, v.show(p))
	}
	return paged("invites", list, *in, func(i api.Invite) string { return newestFirst(i.At) + i.Handle })
}

func (v *inviteResource) create(ctx context.Context, in *struct{ Body api.InviteCreate }) (*body[api.Invite], error) {
	addrs, err := v.mesh.InviteAddrs(in.Body.Addrs)
	if err != nil {
		return nil, err
	}
	if err := v.free(in.Body.Petname, protocol.OrgID{}); err != nil {
		return nil, err
	}
	p, err := v.desk.Create(in.Body.Petname, addrs, time.Duration(cmp.Or(in.Body.Seconds, int64(inviteLife/time.Second)))*time.Second)
	if err != nil {
		return nil, err
	}
	// The handle is known only now; an invitation that cannot be written down ends at once.
	e := audit.Event{Action: "invite.create", Target: p.Handle, Detail: map[string]string{"petname": p.Petname, "expires": p.Invite.Expires.Format(time.RFC3339)}}
	if _, err := v.audit.Append(ctx, e); err != nil {
		_, _ = v.desk.Cancel(p.Handle)
		return nil, audit.Undone(err)
	}
	out := v.show(p)
	out.Text = p.Text
	return answer(out)
}

// free reports whether a petname is taken by another organisation.
func (v *inviteResource) free(petname string, org protocol.OrgID) error {
	for _, e := range v.policy.List().Entries() {
		if petname != "" && e.Org != org && strings.EqualFold(e.Petname, petname) {
			return reason.New(reason.Conflict, fmt.Sprintf("petname %q: %s is called so already; choose another", petname, e.Org))
		}
	}
	return nil
}

// accept meets the inviter, and keeps its node as a peer.
func (v *inviteResource) accept(ctx context.Context, in *struct{ Body api.InviteAccept }) (*body[api.Invite], error) {
	i, err := v.desk.Read(in.Body.Text)
	if err != nil {
		return nil, err
	}
	if err := v.free(in.Body.Petname, i.Org); err != nil {
		return nil, err
	}
	var p invite.Pairing
	e := audit.Event{Action: "invite.accept", Target: i.Handle(), Detail: map[string]string{"org": i.Org.String(), "petname": in.Body.Petname}}
	err = recorded(ctx, v.audit, e, func() error {
		if p, err = v.desk.Accept(ctx, in.Body.Text, in.Body.Petname); err != nil {
			return err
		}
		return v.keep(ctx, p)
	})
	if reason.Of(err) == reason.PeerDial { // unlike a kept peer, nobody tries this one again
		return nil, api.NewProblem(reason.PeerDial, api.ProblemOf(err).Detail).
			WithFix("Ask the inviter whether the node runs and can be reached there from outside ('tocsin invite create --addr' names another address), then accept again.")
	}
	if err != nil {
		return nil, err
	}
	return answer(v.show(p))
}

// keep keeps the inviter's node as a peer, at every address of the invitation.
func (v *inviteResource) keep(ctx context.Context, p invite.Pairing) error {
	for i, addr := range v.mesh.AddrTexts(p.Invite.Addrs) {
		if err := v.settings.AddPeer(addr); err != nil {
			return err
		}
		if i > 0 {
			continue // one is enough to keep the peer; it is connected already
		}
		if _, err := v.mesh.Connect(ctx, addr); err != nil {
			log.Infow("inviter is kept as a peer and not connected now", "addr", addr, "err", err)
		}
	}
	return nil
}

// confirm lists the other organisation on the word of whoever asks: they compared the words.
func (v *inviteResource) confirm(ctx context.Context, in *struct {
	Handle string `path:"handle" maxLength:"64" doc:"The invitation's handle"`
	Body   api.InviteConfirm
}) (*body[api.Invite], error) {
	p, err := v.carryOut(ctx, in.Handle, in.Body.Petname)
	if err != nil {
		return nil, err
	}
	// What was held only because nobody had listed its author; that goes on when the client leaves.
	if _, err := v.intake.Rejudge(context.WithoutCancel(ctx), intake.Curable()...); err != nil {
		return nil, fmt.Errorf("%s is listed; judge what is held again: %w", p.Org, err)
	}
	if p, err = v.desk.Find(p.Handle); err != nil {
		return nil, err
	}
	return answer(v.show(p))
}

// carryOut puts what a confirmation says in force, if neither the invitation nor the trust list has changed since it was looked at.
func (v *inviteResource) carryOut(ctx context.Context, handle, petname string) (invite.Pairing, error) {
	v.deciding.Lock()
	defer v.deciding.Unlock()
	p, err := v.desk.Comparable(handle)
	if err != nil {
		return p, err
	}
	list := v.policy.List()
	e, change, err := v.entry(ctx, list, p, cmp.Or(petname, p.Petname))
	if err != nil {
		return p, err
	}
	event := audit.Event{Action: "invite.confirm", Target: p.Handle, Detail: map[string]string{
		"org": p.Org.String(), "petname": e.Petname, "words": strings.Join(p.Words(v.names.self.Org), " "),
	}}
	return p, recorded(ctx, v.audit, event, func() error {
		if change {
			if err := v.policy.Apply(ctx, policy.Edit{Entry: e, Why: e.Reason, If: sameEntry(list, p.Org)}); err != nil {
				return err
			}
		}
		return v.desk.Confirm(p.Handle, p.Org, e.Petname)
	})
}

// entry is what the trust list shall say of the other organisation; change is false when it says as much already.
func (v *inviteResource) entry(ctx context.Context, list *trust.List, p invite.Pairing, petname string) (e trust.Entry, change bool, err error) {
	e, listed := list.Entry(p.Org)
	switch {
	case listed && e.Level == trust.Blocked:
		return e, false, reason.New(reason.Conflict, fmt.Sprintf("confirm invitation %s: %s is blocked here as %q; 'tocsin trust set' changes that, an invitation does not", p.Handle, p.Org, e.Petname))
	case listed && e.Level > trust.Observed:
		return e, false, nil
	case p.State == invite.Confirmed && listed:
		return e, false, nil
	case !listed && petname == "":
		return e, false, reason.New(reason.UsageInvalid, fmt.Sprintf("confirm invitation %s: say with --petname what to call the organisation here", p.Handle))
	}
	now := time.Now().UTC()
	today := now.Truncate(24 * time.Hour)
	e.Org, e.Level = p.Org, trust.Observed
	e.Petname = cmp.Or(e.Petname, petname)
	e.Rate = cmp.Or(e.Rate, "low")
	if until := today.Add(inviteTrust); e.Expires.Before(until) {
		e.Expires = until
	}
	e.Verified = &trust.Verified{How: "eight words by voice", By: []string{audit.ActorOf(ctx).String()}, On: today}
	e.Reason = "invitation " + p.Handle
	return e, true, nil
}

func (v *inviteResource) cancel(ctx context.Context, in *struct {
	Handle string `path:"handle" maxLength:"64" doc:"The invitation's handle"`
}) (*body[api.Invite], error) {
	v.deciding.Lock()
	defer v.deciding.Unlock()
	p, err := v.desk.Find(in.Handle)
	if err != nil {
		return nil, err
	}
	err = recorded(ctx, v.audit, audit.Event{Action: "invite.cancel", Target: p.Handle}, func() (err error) {
		p, err = v.desk.Cancel(p.Handle)
		return err
	})
	if err != nil {
		return nil, err
	}
	return answer(v.show(p))
}

// show says of an invitation what this side knows; never its secret.
func (v *inviteResource) show(p invite.Pairing) api.Invite {
	out := api.Invite{
		Handle: p.Handle, Made: p.Made, State: p.State, Petname: p.Petname, Addrs: v.mesh.AddrTexts(p.Invite.Addrs),
		Expires: p.Invite.Expires, At: p.Created, Words: p.Words(v.names.self.Org),
	}
	if p.Over(time.Now()) {
		out.State = api.InviteOver
	}
	if p.Org == (protocol.OrgID{}) {
		return out
	}
	out.Org, out.Level = p.Org.String(), v.names.level(p.Org, "")
	if e, listed := v.policy.List().Entry(p.Org); listed {
		out.Until = e.Expires.Format(time.DateOnly)
		out.Petname = cmp.Or(e.Petname, out.Petname)
	}
	if org, ok := v.names.identity.Chains().Org(p.Org); ok {
		out.Name, out.Country = org.Genesis.Name, org.Genesis.Country
	}
	return out
}
