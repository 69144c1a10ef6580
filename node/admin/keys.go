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
	"tocsin/node/custody"
	"tocsin/node/identity"
	"tocsin/node/keystore"
	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// keyResource shows and changes the organisation's keys. The office writes the audit entries.
type keyResource struct {
	office *custody.Office
}

type keyIn[T any] struct{ Body T }

func (k *keyResource) register(a huma.API) {
	handle(a, huma.Operation{
		OperationID: "keys-show", Method: http.MethodGet, Path: "/keys", Summary: "The organisation's keys",
		Description: "The chain as far as it is about keys, and how this node stands in it. No private half is ever shown.",
	}, k.show)
	handle(a, huma.Operation{
		OperationID: "keys-chain", Method: http.MethodGet, Path: "/keys/chain", Summary: "The own chain as a file",
		Description: "Public statements, to be given to anybody who shall verify records without a network.",
	}, k.chain)
	handle(a, huma.Operation{
		OperationID: "keys-rotate", Method: http.MethodPost, Path: "/keys/rotate", Summary: "Replace this node's record key",
		Description: "The node goes on with a new record key. The old one ends with its certificate, or with revoke at once after what it has signed. " +
			"The audit log has key.rotate.",
	}, k.rotate)
	handle(a, huma.Operation{
		OperationID: "keys-revoke", Method: http.MethodPost, Path: "/keys/revoke", Summary: "End a key",
		Description: "Signs and spreads the end of a record key: what it said after its last good places counts nowhere any more. " +
			"This node's own key is replaced in the same step. An operations key needs the roots: POST /keys/proposals. It cannot be undone. " +
			"The audit log has key.revoke.",
	}, k.revoke)
	handle(a, huma.Operation{
		OperationID: "keys-statements", Method: http.MethodPost, Path: "/keys/statements", Summary: "Take in statements made elsewhere",
		Description: "Takes signed statements of this or any other organisation into the chains and spreads what is new, such as an emergency revocation from the safe. " +
			"Each is answered by itself: taken, or code and reason. The audit log has key.publish.",
	}, k.statements)
	handle(a, huma.Operation{
		OperationID: "keys-propose", Method: http.MethodPost, Path: "/keys/proposals", Summary: "Draft a statement for a ceremony",
		Description: "Makes a draft and changes nothing but that a new operations key waits on this node. " +
			"Those who hold root keys compare the words and sign it offline; then POST /keys/finish. The audit log has key.propose.",
	}, k.propose)
	handle(a, huma.Operation{
		OperationID: "keys-finish", Method: http.MethodPost, Path: "/keys/finish", Summary: "Finish a ceremony",
		Description: "Takes the statement into the chain and spreads it; " +
			"a new operations key that waited for it takes its place and certifies this node anew. It cannot be undone. " +
			"The audit log has key.ceremony.",
	}, k.finish)
}

func (k *keyResource) show(context.Context, *nothing) (*body[api.Keys], error) {
	org, chains, err := k.office.Own()
	if err != nil {
		return nil, err
	}
	now := time.Now()
	roots, threshold, next, nextThreshold := identity.RootsInForce(org)
	out := api.Keys{
		Org: org.ID.String(), Words: identity.Words(org.ID), Network: chains.Network(), RootVersion: identity.RootVersion(org),
		Threshold: threshold, NextThreshold: nextThreshold, Disputed: org.Disputed, Keys: []api.Key{},
		RootsHere: []string{}, RevocationsHere: []string{},
	}
	if err := k.office.Stopped(); err != nil {
		out.Stopped = err.Error()
	}
	here, revocations := k.office.RecoveryOn()
	out.RootsHere, out.RevocationsHere = append(out.RootsHere, here...), append(out.RevocationsHere, revocations...)
	if pending, ok := k.office.PendingOperations(); ok {
		out.Pending = pending.String()
	}
	if org.Status != nil {
		out.Status = &api.KeyStatus{Counter: org.Status.Counter, Created: org.Status.Created, Stale: org.Stale(now)}
	}
	for _, r := range roots {
		out.Keys = append(out.Keys, showKey(r.ID(), api.KeyRoot, api.KeyActive))
	}
	for _, id := range next {
		out.Keys = append(out.Keys, showKey(id, api.KeyNext, api.KeyActive))
	}
	out.Keys = append(out.Keys, k.operations(org, now)...)
	out.Keys = append(out.Keys, k.records(org, now)...)
	return answer(out)
}

func showKey(id protocol.KeyID, role, state string) api.Key {
	return api.Key{ID: id.String(), Words: identity.Spoken(id), Role: role, State: state}
}

// operations lists the operations keys, each once with its longest window.
func (k *keyResource) operations(org *protocol.Org, now time.Time) []api.Key {
	keys := k.office.Keys()
	var out []api.Key
	for _, d := range org.Operations {
		id := d.Key.ID()
		key := showKey(id, api.KeyOperations, state(org.Ended(id), d.NotAfter, now))
		key.Until, key.Here = d.NotAfter, keys.Operations != nil && keys.Operations.Public() == d.Key
		if r, revoked := org.Revoked(id); revoked {
			key.State, key.Reason = api.KeyRevoked, revocationWord(r.Reason)
		}
		out = addKey(out, key)
	}
	return out
}

// records lists the record keys, each once with its longest certificate.
func (k *keyResource) records(org *protocol.Org, now time.Time) []api.Key {
	keys := k.office.Keys()
	var out []api.Key
	for _, c := range org.Certificates {
		id := c.RecordKey.ID()
		key := showKey(id, api.KeyRecord, state(false, c.NotAfter, now))
		key.Until, key.Here = c.NotAfter, keys.Record.Public() == c.RecordKey
		if r, revoked := org.Revoked(id); revoked {
			key.State, key.Reason = api.KeyRevoked, revocationWord(r.Reason)
		}
		for _, h := range k.office.Heads(id) {
			key.Heads = append(key.Heads, api.KeyHead{Topic: h.Topic.String(), Sequence: h.Sequence, Record: h.ID.String()})
		}
		out = addKey(out, key)
	}
	return out
}

func state(ended bool, until, now time.Time) string {
	switch {
	case ended:
		return api.KeyEnded
	case now.After(until):
		return api.KeyExpired
	}
	return api.KeyActive
}

// addKey adds a key to a list, or what lasts longer to the one that is there.
func addKey(list []api.Key, key api.Key) []api.Key {
	i := slices.IndexFunc(list, func(k api.Key) bool { return k.ID == key.ID })
	if i < 0 {
		return append(list, key)
	}
	if key.Until.After(list[i].Until) {
		list[i] = key
	}
	return list
}

func (k *keyResource) chain(context.Context, *nothing) (*body[api.KeyChain], error) {
	org, chains, err := k.office.Own()
	if err != nil {
		return nil, err
	}
	var out api.KeyChain
	for _, s := range chains.Chain(org.ID) {
		out.Raw = append(out.Raw, s.Raw()...)
	}
	return answer(out)
}

func (k *keyResource) rotate(ctx context.Context, in *keyIn[api.KeyRotate]) (*body[api.KeyChanged], error) {
	old := k.office.Keys().Record.Public().ID()
	fresh, err := k.office.RotateRecord(ctx, in.Body.Revoke, protocol.RevokedSuperseded, in.Body.Reason)
	if err != nil {
		return nil, k.halfway(err, old, fresh)
	}
	return answer(k.changed(old, fresh))
}

// changed says what became of the record key.
func (k *keyResource) changed(old, fresh protocol.KeyID) api.KeyChanged {
	out := api.KeyChanged{Old: old.String()}
	if org, _, err := k.office.Own(); err == nil {
		_, out.Revoked = org.Revoked(old)
	}
	if fresh != (protocol.KeyID{}) {
		out.New, out.Words = fresh.String(), identity.Spoken(fresh)
		out.Revocation = k.office.RevocationFiles(fresh)
	}
	return out
}

// halfway says, beside what went wrong, how the keys stand by now: what failed may have come behind the change.
func (k *keyResource) halfway(err error, old, fresh protocol.KeyID) error {
	c, stands := k.changed(old, fresh), ""
	if c.Revoked {
		stands = "key " + c.Old + " is revoked"
	}
	if c.New != "" {
		stands = strings.TrimPrefix(stands+", this node signs with key "+c.New, ", ")
	}
	if stands == "" {
		return err
	}
	said := *api.ProblemOf(err)
	said.Detail += " (by now " + stands + ")"
	return &said
}

func (k *keyResource) revoke(ctx context.Context, in *keyIn[api.KeyRevoke]) (*body[api.KeyChanged], error) {
	r, err := k.revocation(in.Body)
	if err != nil {
		return nil, err
	}
	fresh, err := k.office.Revoke(ctx, r)
	if err != nil {
		return nil, k.halfway(err, r.Key, fresh)
	}
	return answer(k.changed(r.Key, fresh))
}

// revocationReasons are the words for why a key ends.
func revocationReasons() []string {
	return []string{"unspecified", "compromised", "superseded", "ceased"}
}

func revocationWord(r protocol.RevocationReason) string {
	if words := revocationReasons(); int(r) < len(words) {
		return words[r]
	}
	return revocationReasons()[0]
}

func (k *keyResource) revocation(in api.KeyRevoke) (custody.Revocation, error) {
	var r custody.Revocation
	why := slices.Index(revocationReasons(), in.Why)
	if why < 0 {
		return r, reason.New(reason.UsageInvalid, fmt.Sprintf("reason %q: want unspecified, compromised, superseded or ceased", in.Why))
	}
	key, err := k.office.Find(in.Key)
	if err != nil {
		return r, err
	}
	r = custody.Revocation{Key: key, Reason: protocol.RevocationReason(why), Word: in.Reason}
	for _, p := range in.After {
		topic, err := parseTopic(p.Topic)
		if err != nil {
			return r, err
		}
		r.After = append(r.After, custody.Place{Topic: topic, Sequence: p.Sequence})
	}
	return r, nil
}

func (k *keyResource) statements(ctx context.Context, in *keyIn[api.KeyStatements]) (*body[api.List[api.KeyImported]], error) {
	list, err := k.office.Submit(ctx, in.Body.Raw, in.Body.Key)
	if err != nil {
		return nil, err
	}
	out := api.List[api.KeyImported]{Items: []api.KeyImported{}}
	for _, i := range list {
		out.Items = append(out.Items, showStatement(i.Statement, i.Err))
	}
	return answer(out)
}

func showStatement(s *protocol.Statement, err error) api.KeyImported {
	out := api.KeyImported{Type: string(s.Type()), Digest: s.Digest().String(), Org: s.Org().String(), Taken: err == nil}
	if err != nil {
		p := api.ProblemOf(err)
		out.Code, out.Reason = p.Code, p.Detail
	}
	return out
}

func (k *keyResource) propose(ctx context.Context, in *keyIn[api.KeyPropose]) (*body[api.KeyProposal], error) {
	p, err := k.draft(ctx, in.Body)
	if err != nil {
		return nil, err
	}
	return answer(api.KeyProposal{Raw: p.Encode(), Digest: p.Digest().String(), Words: identity.Spoken(p.Digest())})
}

func (k *keyResource) draft(ctx context.Context, in api.KeyPropose) (*protocol.Proposal, error) {
	switch in.Type {
	case "operations":
		return k.office.ProposeOperations(ctx, in.Renew)
	case "revocation":
		if in.Revoke == nil {
			return nil, reason.New(reason.UsageInvalid, "a proposal of a revocation that names no key")
		}
		r, err := k.revocation(*in.Revoke)
		if err != nil {
			return nil, err
		}
		return k.office.ProposeRevocation(ctx, r)
	case "root":
		c := custody.RootChange{Threshold: in.Threshold, NextThreshold: in.NextThreshold, Compromise: in.Compromise}
		for _, text := range in.Roots {
			key, err := publicKey(text)
			if err != nil {
				return nil, err
			}
			c.Roots = append(c.Roots, key)
		}
		for _, text := range in.Next {
			key, err := publicKey(text)
			if err != nil {
				return nil, err
			}
			c.Next = append(c.Next, key.ID())
		}
		for _, text := range in.Drop {
			id, err := k.office.Find(text)
			if err != nil {
				return nil, err
			}
			c.Drop = append(c.Drop, id)
		}
		return k.office.ProposeRoot(ctx, c)
	}
	return nil, reason.New(reason.UsageInvalid, fmt.Sprintf("a proposal of type %q: want operations, root or revocation", in.Type))
}

func publicKey(text string) (protocol.PublicKey, error) {
	key, err := keystore.ParsePublic(text)
	if err != nil {
		return key, reason.Wrap(reason.UsageInvalid, "read a public key", err)
	}
	return key, nil
}

func (k *keyResource) finish(ctx context.Context, in *keyIn[api.KeyFinish]) (*body[api.KeyImported], error) {
	s, err := k.office.Finish(ctx, in.Body.Proposal, in.Body.Parts)
	if err != nil {
		return nil, err
	}
	return answer(showStatement(s, nil))
}
