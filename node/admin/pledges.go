package admin

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tocsin/node/admin/api"
	"tocsin/node/audit"
	"tocsin/node/identity"
	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/protocol/stix"
	"tocsin/storage"
)

// pledgeResource makes and shows vouches, commitments and advisories.
type pledgeResource struct {
	names    names
	find     finder
	store    *storage.Store
	identity *identity.Book
	audit    *audit.Log
	// pledge signs, stores and announces the body of a record of that kind.
	pledge func(ctx context.Context, kind protocol.Kind, body []byte) (*protocol.Record, error)

	verified   sync.Map // of protocol.RecordID to *protocol.Record
	remembered atomic.Int64
}

// pledgeKinds are the kinds by their names in the API.
func pledgeKinds() []protocol.Kind {
	return []protocol.Kind{protocol.KindVouch, protocol.KindCommitment, protocol.KindAdvisory}
}

func (p *pledgeResource) register(a huma.API) {
	handle(a, huma.Operation{
		OperationID: "pledges", Method: http.MethodGet, Path: "/pledges", Summary: "Vouches, commitments and advisories",
		Description: "Of each author about each subject the newest, also those of strangers and withdrawn ones. " +
			"unreadable counts those that could not be read.",
	}, p.list)
	handle(a, huma.Operation{
		OperationID: "pledge", Method: http.MethodPost, Path: "/pledges/{kind}", Summary: "Publish a vouch, a commitment or an advisory",
		Description: "Signs and spreads it for everybody to read. Of each kind about each subject the newest counts; withdraw takes it back. " +
			"A vouch and an advisory need subject and reason, a commitment needs commitment; each needs until. " +
			"The audit log has pledge.vouch, pledge.commitment or pledge.advisory.",
	}, p.make)
}

func (p *pledgeResource) make(ctx context.Context, in *struct {
	Kind string `path:"kind" doc:"vouch, commitment or advisory"`
	Body api.PledgeRequest
}) (*body[api.Pledge], error) {
	until, err := untilDay(in.Kind, in.Body)
	if err != nil {
		return nil, err
	}
	var kind protocol.Kind
	var raw []byte
	var subject protocol.OrgID
	switch in.Kind {
	case protocol.KindVouch.String():
		kind = protocol.KindVouch
		if subject, err = p.subject(in.Body.Subject, "vouch for"); err != nil {
			return nil, err
		}
		raw, err = protocol.Vouch{Subject: subject, Topics: sortedTopics(in.Body.Topics), Until: until, Reason: in.Body.Reason, Withdrawn: in.Body.Withdraw}.Encode()
	case protocol.KindCommitment.String():
		kind = protocol.KindCommitment
		raw, err = commitment(in.Body, until)
	case protocol.KindAdvisory.String():
		kind = protocol.KindAdvisory
		if subject, err = p.subject(in.Body.Subject, "warn of"); err != nil {
			return nil, err
		}
		var evidence []protocol.RecordID
		if evidence, err = p.evidence(in.Body.Evidence); err != nil {
			return nil, err
		}
		raw, err = protocol.Advisory{Subject: subject, Text: in.Body.Reason, Evidence: evidence, Until: until, Withdrawn: in.Body.Withdraw}.Encode()
	default:
		return nil, reason.New(reason.NotFound, fmt.Sprintf("pledge %q: want vouch, commitment or advisory", in.Kind))
	}
	if err != nil {
		return nil, err
	}
	e := audit.Event{Action: "pledge." + in.Kind, Reason: in.Body.Reason, Detail: map[string]string{"until": in.Body.Until, "withdraw": fmt.Sprint(in.Body.Withdraw)}}
	if subject != (protocol.OrgID{}) {
		e.Target = subject.String()
	}
	var r *protocol.Record
	err = recorded(ctx, p.audit, e, func() (err error) {
		r, err = p.pledge(ctx, kind, raw)
		return err
	})
	if err != nil {
		return nil, err
	}
	out, _, err := p.show(r)
	if err != nil {
		return nil, err
	}
	return answer(out)
}

// subject finds whom a pledge is about; nobody pledges about himself.
func (p *pledgeResource) subject(text, verb string) (protocol.OrgID, error) {
	if text == "" {
		return protocol.OrgID{}, reason.New(reason.UsageInvalid, verb+" whom? name an organisation")
	}
	org, err := p.names.resolve(text)
	if err == nil && org == p.names.self.Org {
		err = reason.New(reason.UsageInvalid, verb+" "+text+": that is this organisation itself")
	}
	return org, err
}

// evidence finds the records that objects or ids name.
func (p *pledgeResource) evidence(names []string) ([]protocol.RecordID, error) {
	var ids []protocol.RecordID
	for _, name := range names {
		var id protocol.RecordID
		if h, _, err := p.find.object(name); err == nil {
			id = h.Record
		} else if id, err = p.find.record(name); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b protocol.RecordID) int { return bytes.Compare(a[:], b[:]) })
	return slices.Compact(ids), nil
}

// untilDay reads the last day of a pledge and gives the end of it; what is withdrawn ends today.
func untilDay(kind string, in api.PledgeRequest) (time.Time, error) {
	now := time.Now().UTC()
	if in.Until == "" && in.Withdraw {
		return now.Add(24 * time.Hour).Truncate(24 * time.Hour), nil
	}
	day, err := time.Parse(time.DateOnly, in.Until)
	if err != nil {
		return time.Time{}, reason.New(reason.UsageInvalid, fmt.Sprintf("until %q: want YYYY-MM-DD", in.Until))
	}
	longest := map[string]time.Duration{
		protocol.KindVouch.String(): protocol.MaxVouchLife, protocol.KindCommitment.String(): protocol.MaxCommitmentLife, protocol.KindAdvisory.String(): protocol.MaxAdvisoryLife,
	}[kind]
	last := now.Add(longest).Truncate(24 * time.Hour) // the day whose beginning still fits
	switch {
	case !day.Add(24 * time.Hour).After(now):
		return time.Time{}, reason.New(reason.UsageInvalid, fmt.Sprintf("until %s: that day is over", in.Until))
	case day.After(last):
		return time.Time{}, reason.New(reason.UsageInvalid, fmt.Sprintf("until %s: a %s ends after %d days at most; write %s or sooner",
			in.Until, kind, longest/(24*time.Hour), last.Format(time.DateOnly)))
	case day.Equal(last):
		return last, nil
	}
	return day.Add(24 * time.Hour), nil
}

func sortedTopics(topics []string) []string {
	topics = slices.Clone(topics)
	slices.Sort(topics)
	return slices.Compact(topics)
}

func commitment(in api.PledgeRequest, until time.Time) ([]byte, error) {
	c := in.Commitment
	if c == nil {
		if !in.Withdraw {
			return nil, reason.New(reason.UsageInvalid, "a commitment that says nothing: state what you will and will not do")
		}
		c = &api.Commitment{Onward: stix.Clear.String()}
	}
	onward, err := stix.ParseTLP(c.Onward)
	if err != nil {
		return nil, reason.New(reason.UsageInvalid, fmt.Sprintf("onward %q: want clear, green, amber, amber+strict or red", c.Onward))
	}
	return protocol.Commitment{
		Onward: onward, Attribution: c.Attribution,
		Retraction: (time.Duration(c.RetractionSeconds) * time.Second).Truncate(time.Minute),
		Retention:  time.Duration(c.RetentionDays) * 24 * time.Hour,
		Will:       c.Will, WillNot: c.WillNot, Until: until, Withdrawn: in.Withdraw,
	}.Encode()
}

func (p *pledgeResource) list(_ context.Context, in *struct {
	PageIn
	Org  string `query:"org" doc:"By or about this organisation: petname, id, or a unique beginning of 8 hex digits or more"`
	Kind string `query:"kind" enum:"vouch,commitment,advisory" doc:"vouch, commitment or advisory"`
}) (*body[api.List[api.Pledge]], error) {
	var org protocol.OrgID
	if in.Org != "" {
		var err error
		if org, err = p.names.resolve(in.Org); err != nil {
			return nil, err
		}
	}
	list := api.List[api.Pledge]{Items: []api.Pledge{}}
	place := map[string]int{}
	for i, kind := range pledgeKinds() {
		place[kind.String()] = i
		if in.Kind != "" && in.Kind != kind.String() {
			continue
		}
		pledges, unreadable, err := p.newest(kind)
		if err != nil {
			return nil, err
		}
		list.Unreadable += unreadable
		for _, pl := range pledges {
			if org == (protocol.OrgID{}) || pl.Org == org.String() || pl.Subject == org.String() {
				list.Items = append(list.Items, pl)
			}
		}
	}
	return paged("pledges", list, in.PageIn, func(pl api.Pledge) string {
		return fmt.Sprintf("%d\x00%s\x00%s", place[pl.Kind], pl.Org, pl.Subject)
	})
}

// newest reads the pledges of a kind: of each author about each subject the newest,
// by (author, subject). What came in quarantine is shown too: its level says so.
func (p *pledgeResource) newest(kind protocol.Kind) (pledges []api.Pledge, unreadable int, err error) {
	ids, err := p.store.Records(kind)
	if err != nil {
		return nil, 0, err
	}
	type matter struct{ org, subject string }
	at := map[matter]int{}
	for _, id := range ids { // in the order of (created, id)
		r, err := p.read(id)
		if err != nil {
			unreadable++
			continue
		}
		pl, subject, err := p.show(r)
		if err != nil {
			unreadable++
			continue
		}
		m := matter{pl.Org, subject}
		if i, ok := at[m]; ok {
			pledges[i] = pl
			continue
		}
		at[m] = len(pledges)
		pledges = append(pledges, pl)
	}
	slices.SortFunc(pledges, func(a, b api.Pledge) int { return cmp.Or(cmp.Compare(a.Org, b.Org), cmp.Compare(a.Subject, b.Subject)) })
	return pledges, unreadable, nil
}

// maxPledgesRead bounds the pledges that are remembered: about a kilobyte each.
const maxPledgesRead = 8192

// read opens a record and verifies it, once: its id is the hash of what was signed, and a list has them all at each page.
func (p *pledgeResource) read(id protocol.RecordID) (*protocol.Record, error) {
	if r, ok := p.verified.Load(id); ok {
		return r.(*protocol.Record), nil
	}
	raw, _, err := p.store.Record(id)
	if err != nil {
		return nil, err
	}
	r, err := protocol.VerifyOffline(raw, p.identity.Chains())
	if err != nil {
		return nil, err
	}
	if p.remembered.Add(1) > maxPledgesRead {
		p.verified.Clear() // those that are gone go with it
		p.remembered.Store(1)
	}
	p.verified.Store(id, r)
	return r, nil
}

// show reads a pledge.
func (p *pledgeResource) show(r *protocol.Record) (out api.Pledge, subject string, err error) {
	h := r.Header()
	out = api.Pledge{
		Kind: h.Kind.String(), Org: r.Org().String(), Petname: p.names.petname(r.Org()), Level: p.names.level(r.Org(), h.Topic.String()),
		Created: h.Created, Record: r.ID().String(),
	}
	about := func(org protocol.OrgID) { out.Subject, out.SubjectPetname = org.String(), p.names.petname(org) }
	switch h.Kind {
	case protocol.KindVouch:
		v, err := protocol.ReadVouch(r)
		if err != nil {
			return out, "", err
		}
		about(v.Subject)
		out.Until, out.Reason, out.Topics, out.Withdrawn = v.Until, v.Reason, v.Topics, v.Withdrawn
	case protocol.KindCommitment:
		c, err := protocol.ReadCommitment(r)
		if err != nil {
			return out, "", err
		}
		out.Until, out.Withdrawn = c.Until, c.Withdrawn
		out.Commitment = &api.Commitment{
			Onward: c.Onward.String(), Attribution: c.Attribution, RetractionSeconds: int64(c.Retraction / time.Second), Until: c.Until,
			RetentionDays: int(c.Retention / (24 * time.Hour)), Will: c.Will, WillNot: c.WillNot,
		}
	case protocol.KindAdvisory:
		a, err := protocol.ReadAdvisory(r)
		if err != nil {
			return out, "", err
		}
		about(a.Subject)
		out.Until, out.Reason, out.Withdrawn = a.Until, a.Text, a.Withdrawn
		for _, id := range a.Evidence {
			out.Evidence = append(out.Evidence, id.String())
		}
	}
	return out, out.Subject, nil
}
