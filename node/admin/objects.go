package admin

import (
	"context"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"tocsin/node/admin/api"
	"tocsin/node/identity"
	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/storage"
)

// The media types of what is given as bytes.
const (
	mediaSTIX   = "application/stix+json;version=2.1"
	mediaRecord = "application/cbor"
	mediaFile   = "application/cbor-seq"
)

type objectResource struct {
	names    names
	find     finder
	store    *storage.Store
	identity *identity.Book
}

type idIn struct {
	ID string `path:"id" doc:"The id or a unique beginning of it, of 8 hex digits or more; an object also as RECORD#INDEX"`
}

// rawOut is an answer that is bytes.
type rawOut struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

func (o *objectResource) register(a huma.API) {
	handle(a, huma.Operation{
		OperationID: "object", Method: http.MethodGet, Path: "/objects/{id}", Summary: "An object and where it stands",
		Description: "With its bytes as JSON. A STIX id means the newest version that is accepted, else the newest that is held; " +
			"RECORD#INDEX means that very one.",
	}, o.get)
	handle(a, huma.Operation{
		OperationID: "object-raw", Method: http.MethodGet, Path: "/objects/{id}/raw", Summary: "An object's bytes as published",
		Description: "Exactly as signed, so that hashes can be compared. It is data from others: do not run, render or resolve what stands in it.",
	}, o.raw)
	handle(a, huma.Operation{
		OperationID: "object-proof", Method: http.MethodGet, Path: "/objects/{id}/proof", Summary: "One object with its proof, as a record file",
		Description: "CBOR: the signer's chain, then the object with its path in the record's hash tree. " +
			"Whoever has it can check who signed the object without seeing the others of its record; \"tocsin verify\" does.",
	}, o.proof)
}

func (o *objectResource) get(_ context.Context, in *idIn) (*body[api.Object], error) {
	h, count, err := o.find.object(in.ID)
	if err != nil {
		return nil, err
	}
	raw, err := o.store.Object(h.Ref)
	if err != nil {
		return nil, err
	}
	out := o.names.object(h)
	out.Versions, out.STIX = count, raw
	if out.Received, out.From, err = o.store.Source(h.Record); err != nil {
		return nil, err
	}
	return answer(out)
}

func (o *objectResource) raw(_ context.Context, in *idIn) (*rawOut, error) {
	h, _, err := o.find.object(in.ID)
	if err != nil {
		return nil, err
	}
	raw, err := o.store.Object(h.Ref)
	if err != nil {
		return nil, err
	}
	return &rawOut{mediaSTIX, raw}, nil
}

func (o *objectResource) proof(_ context.Context, in *idIn) (*rawOut, error) {
	h, _, err := o.find.object(in.ID)
	if err != nil {
		return nil, err
	}
	chains := o.identity.Chains()
	r, err := verifyRecord(o.store, chains, h.Record)
	if err != nil {
		return nil, err
	}
	proof, err := protocol.Prove(r, h.Index)
	if err != nil {
		return nil, fmt.Errorf("prove object %d of record %s: %w", h.Index, h.Record, err)
	}
	return recordFile(chains, r, protocol.FileItem{Proof: proof})
}

// proofFix is what helps when a proof wants a certificate that was forgotten.
const proofFix = "Connect to a peer of its organisation, which sends the chain anew, and keep it with 'tocsin trust add'. " +
	"'tocsin show' and 'tocsin search' do without, and so does 'tocsin show --raw'."

// verifyRecord reads a record from the store and checks it again, for others who
// shall be able to do so: that needs its certificate, which may be forgotten
// since it came (cert.unknown).
func verifyRecord(store *storage.Store, chains *protocol.Chains, id protocol.RecordID) (*protocol.Record, error) {
	raw, _, err := store.Record(id)
	if err != nil {
		return nil, err
	}
	r, err := protocol.VerifyStored(raw, chains)
	if reason.Of(err) == reason.CertUnknown {
		return nil, api.ProblemOf(fmt.Errorf("prove from the store: %w", err)).WithFix(proofFix)
	}
	if err != nil {
		return nil, fmt.Errorf("verify record %s from the store: %w", id, err)
	}
	return r, nil
}

// recordFile puts the signer's chain before an item: all that a stranger needs to verify it.
func recordFile(chains *protocol.Chains, r *protocol.Record, item protocol.FileItem) (*rawOut, error) {
	var items []protocol.FileItem
	for _, s := range chains.Chain(r.Org()) {
		items = append(items, protocol.FileItem{Statement: s})
	}
	file, err := protocol.AppendFile(nil, append(items, item)...)
	if err != nil {
		return nil, fmt.Errorf("write record file for %s: %w", r.ID(), err)
	}
	return &rawOut{mediaFile, file}, nil
}

// object says of a hit what the index and the trust list know.
func (n names) object(h storage.Hit) api.Object {
	out := api.Object{
		ID: h.Object, Type: h.Type, Org: h.Org.String(), Petname: n.petname(h.Org), Level: n.level(h.Org, h.Topic.String()),
		Record: h.Record.String(), Index: h.Index, Topic: h.Topic.String(), TLP: h.TLP.String(),
		State: stateOf(h), Reason: string(h.Reason), Modified: h.Modified, Created: h.Created, Values: []api.Value{},
	}
	if out.Reason == "" {
		out.Reason = string(h.RecordReason)
	}
	for _, v := range h.Values {
		out.Values = append(out.Values, api.Value{Type: string(v.Observable.Type), Value: v.Observable.Value})
	}
	return out
}

// stateWithdrawn is the state of an object that its author took back.
const stateWithdrawn = "withdrawn"

// stateOf is an object's fate: that of its record when the whole record is held.
func stateOf(h storage.Hit) string {
	switch {
	case h.RecordHeld:
		return storage.Held.String()
	case h.Revoked && h.State == storage.Accepted:
		return stateWithdrawn
	}
	return h.State.String()
}

// recordResource shows whole records.
type recordResource struct {
	names    names
	find     finder
	store    *storage.Store
	identity *identity.Book
}

func (s *recordResource) register(a huma.API) {
	handle(a, huma.Operation{
		OperationID: "record", Method: http.MethodGet, Path: "/records/{id}", Summary: "A record and what stands in it",
		Description: "What stood in it when it came, object by object; nothing is verified anew. " +
			"Named by its id or a unique beginning of 8 hex digits or more.",
	}, s.get)
	handle(a, huma.Operation{
		OperationID: "record-raw", Method: http.MethodGet, Path: "/records/{id}/raw", Summary: "A record's bytes as sent",
		Description: "CBOR, exactly as it came.",
	}, s.raw)
	handle(a, huma.Operation{
		OperationID: "record-file", Method: http.MethodGet, Path: "/records/{id}/file", Summary: "A record with its signer's chain, as a record file",
		Description: "CBOR: all that a stranger needs to verify it without a network (\"tocsin verify\"). " +
			"cert.unknown says that the signer's certificate is forgotten here.",
	}, s.file)
}

// get shows what stood in the record when it came; nothing is verified anew.
func (s *recordResource) get(_ context.Context, in *idIn) (*body[api.Record], error) {
	id, err := s.find.record(in.ID)
	if err != nil {
		return nil, err
	}
	raw, state, err := s.store.Record(id)
	if err != nil {
		return nil, err
	}
	h, err := protocol.StoredHeader(raw)
	if err != nil {
		return nil, reason.Wrap(reason.StoreDamaged, "show record "+id.String(), err)
	}
	org, err := s.store.Signer(id)
	if err != nil {
		return nil, err
	}
	topic := h.Topic.String()
	out := api.Record{
		ID: id.String(), Org: org.String(), Petname: s.names.petname(org), Level: s.names.level(org, topic),
		Kind: int(h.Kind), Topic: topic, Sequence: h.Sequence, Created: h.Created, Expires: h.Expires,
		TLP: h.TLP.String(), Upstream: h.Upstream, State: state.String(), Bytes: len(raw),
	}
	if cert, ok := s.identity.Chains().Certificate(h.Certificate); ok {
		out.Key = cert.RecordKey.ID().String()
	}
	if h.Sequence > 1 {
		out.Previous = h.Previous.String()
	}
	if out.Received, out.From, err = s.store.Source(id); err != nil {
		return nil, err
	}
	if out.Objects, out.Reason, err = s.items(id); err != nil {
		return nil, err
	}
	return answer(out)
}

// items lists a record's objects, and says why it is held when all of it is.
func (s *recordResource) items(id protocol.RecordID) (items []api.RecordItem, why string, err error) {
	leaves, err := s.store.Leaves(id)
	if err != nil {
		return nil, "", err
	}
	items = []api.RecordItem{}
	for _, l := range leaves {
		if l.RecordHeld {
			why = string(l.RecordReason)
		}
		items = append(items, api.RecordItem{Index: l.Index, ID: l.Object, Type: l.Type, State: stateOf(l), Reason: string(l.Reason)})
	}
	return items, why, nil
}

func (s *recordResource) raw(_ context.Context, in *idIn) (*rawOut, error) {
	id, err := s.find.record(in.ID)
	if err != nil {
		return nil, err
	}
	raw, _, err := s.store.Record(id)
	if err != nil {
		return nil, err
	}
	return &rawOut{mediaRecord, raw}, nil
}

func (s *recordResource) file(_ context.Context, in *idIn) (*rawOut, error) {
	id, err := s.find.record(in.ID)
	if err != nil {
		return nil, err
	}
	chains := s.identity.Chains()
	r, err := verifyRecord(s.store, chains, id)
	if err != nil {
		return nil, err
	}
	return recordFile(chains, r, protocol.FileItem{Record: r.Raw()})
}
