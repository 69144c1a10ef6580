package admin

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tocsin/node/admin/api"
	"tocsin/node/identity"
	"tocsin/protocol"
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
	ID string `path:"id"`
}

// rawOut is an answer that is bytes.
type rawOut struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

func (o *objectResource) register(a huma.API) {
	handle(a, huma.Operation{OperationID: "object", Method: http.MethodGet, Path: "/objects/{id}", Summary: "An object and where it stands"}, o.get)
	handle(a, huma.Operation{OperationID: "object-raw", Method: http.MethodGet, Path: "/objects/{id}/raw", Summary: "An object's bytes as published"}, o.raw)
	handle(a, huma.Operation{OperationID: "object-proof", Method: http.MethodGet, Path: "/objects/{id}/proof", Summary: "One object with its proof, as a record file"}, o.proof)
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
	r, _, err := openRecord(o.store, chains, h.Record)
	if err != nil {
		return nil, err
	}
	proof, err := protocol.Prove(r, h.Index)
	if err != nil {
		return nil, fmt.Errorf("prove object %d of record %s: %w", h.Index, h.Record, err)
	}
	return recordFile(chains, r, protocol.FileItem{Proof: proof})
}

// openRecord reads a record from the store and checks it again.
func openRecord(store *storage.Store, chains *protocol.Chains, id protocol.RecordID) (*protocol.Record, storage.State, error) {
	raw, state, err := store.Record(id)
	if err != nil {
		return nil, state, err
	}
	r, err := protocol.VerifyOffline(raw, chains)
	if err != nil {
		return nil, state, fmt.Errorf("verify record %s from the store: %w", id, err)
	}
	return r, state, nil
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

// stateOf is an object's fate: that of its record when the whole record is held.
func stateOf(h storage.Hit) string {
	switch {
	case h.RecordHeld:
		return storage.Held.String()
	case h.Revoked && h.State == storage.Accepted:
		return "withdrawn"
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
	handle(a, huma.Operation{OperationID: "record", Method: http.MethodGet, Path: "/records/{id}", Summary: "A record and what stands in it"}, s.get)
	handle(a, huma.Operation{OperationID: "record-raw", Method: http.MethodGet, Path: "/records/{id}/raw", Summary: "A record's bytes as sent"}, s.raw)
	handle(a, huma.Operation{OperationID: "record-file", Method: http.MethodGet, Path: "/records/{id}/file", Summary: "A record with its signer's chain, as a record file"}, s.file)
}

func (s *recordResource) get(_ context.Context, in *idIn) (*body[api.Record], error) {
	r, state, err := s.open(in.ID)
	if err != nil {
		return nil, err
	}
	h := r.Header()
	topic := h.Topic.String()
	out := api.Record{
		ID: r.ID().String(), Org: r.Org().String(), Petname: s.names.petname(r.Org()), Level: s.names.level(r.Org(), topic),
		Kind: int(h.Kind), Topic: topic, Sequence: h.Sequence, Created: h.Created, Expires: h.Expires,
		TLP: h.TLP.String(), Upstream: h.Upstream, State: state.String(), Bytes: len(r.Raw()), Objects: []api.RecordItem{},
	}
	if h.Sequence > 1 {
		out.Previous = h.Previous.String()
	}
	var received time.Time
	if received, out.From, err = s.store.Source(r.ID()); err != nil {
		return nil, err
	}
	out.Received = received
	leaves, err := s.store.Leaves(r.ID())
	if err != nil {
		return nil, err
	}
	for _, l := range leaves {
		if l.RecordHeld {
			out.Reason = string(l.RecordReason)
		}
		out.Objects = append(out.Objects, api.RecordItem{Index: l.Index, ID: l.Object, Type: l.Type, State: stateOf(l), Reason: string(l.Reason)})
	}
	return answer(out)
}

func (s *recordResource) raw(_ context.Context, in *idIn) (*rawOut, error) {
	r, _, err := s.open(in.ID)
	if err != nil {
		return nil, err
	}
	return &rawOut{mediaRecord, r.Raw()}, nil
}

func (s *recordResource) file(_ context.Context, in *idIn) (*rawOut, error) {
	r, _, err := s.open(in.ID)
	if err != nil {
		return nil, err
	}
	return recordFile(s.identity.Chains(), r, protocol.FileItem{Record: r.Raw()})
}

func (s *recordResource) open(text string) (*protocol.Record, storage.State, error) {
	id, err := s.find.record(text)
	if err != nil {
		return nil, 0, err
	}
	return openRecord(s.store, s.identity.Chains(), id)
}
