package admin

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tocsin/node/admin/api"
	"tocsin/node/audit"
	"tocsin/node/evidence"
	"tocsin/node/identity"
	"tocsin/node/tlog"
	"tocsin/protocol/reason"
)

// mediaEvidence is a pack: text from the cover sheet to the signature.
const mediaEvidence = "text/plain; charset=utf-8"

// witnessPatience is how long an answer waits for witnesses; a checkpoint holds without them.
const witnessPatience = 6 * time.Second

// Proofs are what the node can show later.
type Proofs struct {
	Desk        *evidence.Desk
	Checkpoints *audit.Checkpoints
	Cosigner    *evidence.Cosigner
	Witness     *evidence.Witness
}

// evidenceResource makes packs and shows checkpoints.
type evidenceResource struct {
	names    names
	find     finder
	identity *identity.Book
	audit    *audit.Log
	Proofs
}

func (e *evidenceResource) register(a huma.API) {
	handle(a, huma.Operation{
		OperationID: "object-evidence", Method: http.MethodPost, Path: "/objects/{id}/evidence", Summary: "An evidence pack: an object with its proof, when this node first saw it, and what shows that",
		Description: "A text file that holds the object, its proof, the signer's chain, checkpoints of the audit log and witnesses' words, and this node's signature; " +
			"\"tocsin verify\" checks it without a network. It asks witnesses, for 6 s at most. The audit log has evidence.export.",
	}, e.pack)
	handle(a, huma.Operation{
		OperationID: "checkpoint-list", Method: http.MethodGet, Path: "/checkpoints", Summary: "The newest signed heads of the audit log",
		Description: "Those that are kept, newest first, each with its signatures. " +
			"Give one away to be able to show later that the log was not rewritten.",
	}, e.list)
	handle(a, huma.Operation{
		OperationID: "checkpoint-make", Method: http.MethodPost, Path: "/checkpoints", Summary: "Sign the head of the audit log now and ask witnesses",
		Description: "Signs the head of the audit log as it is now, asks the organisations that witness it, and waits 6 s for them at most: " +
			"a checkpoint holds without them, and those who answer later are not in this answer. The audit log has checkpoint.make.",
	}, e.make)
	handle(a, huma.Operation{
		OperationID: "checkpoint-witnessed", Method: http.MethodGet, Path: "/checkpoints/witnessed", Summary: "What this node holds of others' audit logs",
		Description: "The newest checkpoint of each log that this node cosigned, and one that contradicts it where there is one: " +
			"its conflict is proof against that organisation.",
	}, e.witnessed)
}

func (e *evidenceResource) pack(ctx context.Context, in *idIn) (*rawOut, error) {
	h, _, err := e.find.object(in.ID)
	if err != nil {
		return nil, err
	}
	patience, cancel := context.WithTimeout(ctx, witnessPatience)
	defer cancel()
	var raw []byte
	event := audit.Event{Action: "evidence.export", Target: h.Object, Detail: map[string]string{"record": h.Record.String()}}
	err = recorded(ctx, e.audit, event, func() error {
		raw, err = e.Desk.Pack(patience, h.Ref)
		return err
	})
	if reason.Of(err) == reason.CertUnknown {
		return nil, api.ProblemOf(err).WithFix(proofFix)
	}
	if err != nil {
		return nil, err
	}
	return &rawOut{mediaEvidence, raw}, nil
}

func (e *evidenceResource) list(_ context.Context, in *PageIn) (*body[api.List[api.Checkpoint]], error) {
	list := api.List[api.Checkpoint]{Items: []api.Checkpoint{}}
	for _, h := range e.Checkpoints.List() {
		list.Items = append(list.Items, e.show(h))
	}
	return paged("checkpoints", list, *in, func(c api.Checkpoint) string { return fmt.Sprintf("%020d%s%s", ^c.Size, newestFirst(c.At), c.Root) })
}

func (e *evidenceResource) make(ctx context.Context, _ *nothing) (*body[api.Checkpoint], error) {
	patience, cancel := context.WithTimeout(ctx, witnessPatience)
	defer cancel()
	var cp *tlog.Signed
	err := recorded(ctx, e.audit, audit.Event{Action: "checkpoint.make"}, func() (err error) {
		cp, err = e.Cosigner.Now(patience)
		return err
	})
	if err != nil {
		return nil, err
	}
	return answer(e.show(audit.Held{Checkpoint: cp.Checkpoint, At: time.Now().UTC().Truncate(time.Second), Note: cp.Note}))
}

// show says what stands under a checkpoint; witnesses whose keys are not known any more are left out.
func (e *evidenceResource) show(h audit.Held) api.Checkpoint {
	out := api.Checkpoint{Origin: h.Origin, Size: h.Size, Root: h.Root.String(), At: h.At, Note: string(h.Note), Cosigned: []api.Cosignature{}, Contradicted: h.Witness}
	cp, err := tlog.OpenKnown(h.Note, e.identity.Chains())
	if err != nil {
		return out
	}
	for _, s := range cp.Cosignatures {
		out.Cosigned = append(out.Cosigned, api.Cosignature{Org: s.Org.String(), Petname: e.names.petname(s.Org), At: s.At})
	}
	return out
}

func (e *evidenceResource) witnessed(_ context.Context, in *PageIn) (*body[api.List[api.Witnessed]], error) {
	list := api.List[api.Witnessed]{Items: []api.Witnessed{}}
	for _, w := range e.Witness.List() {
		cp, err := tlog.Peek([]byte(w.Note))
		if err != nil {
			return nil, err
		}
		list.Items = append(list.Items, api.Witnessed{
			Org: w.Org.String(), Petname: e.names.petname(w.Org), Origin: cp.Origin, Size: cp.Size, At: w.At, Note: w.Note,
			Conflict: w.Conflict, Why: w.Why, ConflictAt: w.ConflictAt,
		})
	}
	return paged("witnessed", list, *in, func(w api.Witnessed) string { return w.Origin })
}
