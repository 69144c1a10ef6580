package p2p

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	libp2pproto "github.com/libp2p/go-libp2p/core/protocol"

	"tocsin/protocol"
	"tocsin/protocol/trust"
)

// identityProtocol is the stream on which chains are asked for (NET-15).
const identityProtocol libp2pproto.ID = "/tocsin/identity/1"

const (
	identityService  = "tocsin/identity"
	identityDeadline = 10 * time.Second // for a whole exchange, both sides

	maxWanted        = 64        // certificates in one request
	maxKnown         = 1000      // organisations in one request; above it the answer may repeat what is known
	maxChainRequest  = 64 << 10  // maxKnown x 44 bytes and maxWanted x 34 fit
	maxChainResponse = 4 << 20   // of statements; what is cut off is asked for when it is missed
	maxChainUnlisted = 256 << 10 // of that is read when the answerer is not listed
)

// chainRequest asks for identity chains (NET-16).
type chainRequest struct {
	_ struct{} `cbor:",toarray"`
	// Wanted names certificates whose organisations' chains are asked for.
	Wanted []protocol.Digest
	// Known says what the asker has, for the answer to leave out; nil asks for nothing more.
	Known []knownChain
}

// knownChain is what the asker has of one organisation.
type knownChain struct {
	_       struct{} `cbor:",toarray"`
	Org     protocol.OrgID
	Summary [8]byte
}

var errChainRequest = errors.New("chain request is malformed")

// decodeChainRequest reads what EncodeMessage writes and nothing else.
func decodeChainRequest(raw []byte) (*chainRequest, error) {
	if len(raw) > maxChainRequest {
		return nil, fmt.Errorf("%w: more than %d bytes", errChainRequest, maxChainRequest)
	}
	var q chainRequest
	if err := DecodeMessage(raw, &q, maxKnown, errChainRequest); err != nil {
		return nil, err
	}
	if len(q.Wanted) > maxWanted {
		return nil, fmt.Errorf("%w: %d certificates, at most %d", errChainRequest, len(q.Wanted), maxWanted)
	}
	return &q, nil
}

// summary stands for the set of statements of a chain, whatever their order.
func summary(chain []*protocol.Statement) (s [8]byte) {
	digests := make([]protocol.Digest, len(chain))
	for i, st := range chain {
		digests[i] = st.Digest()
	}
	slices.SortFunc(digests, func(a, b protocol.Digest) int { return bytes.Compare(a[:], b[:]) })
	h := sha256.New()
	for _, d := range digests {
		h.Write(d[:])
	}
	return [8]byte(h.Sum(nil)[:8])
}

// knownChains says what chains hold, at most maxKnown organisations of it.
func knownChains(chains *protocol.Chains) []knownChain {
	orgs := chains.Orgs()
	if len(orgs) > maxKnown {
		rand.Shuffle(len(orgs), func(i, j int) { orgs[i], orgs[j] = orgs[j], orgs[i] }) // another part each time
	}
	known := make([]knownChain, 0, min(len(orgs), maxKnown))
	for _, id := range orgs[:min(len(orgs), maxKnown)] {
		known = append(known, knownChain{Org: id, Summary: summary(chains.Chain(id))})
	}
	return known
}

// answerOrgs are the organisations whose chains answer q: those of wanted certificates
// first, then what differs from what the asker knows: own, then listed ones, then
// the others. Within that by chance, since an answer may be cut off, and ids of
// any order can be made.
func answerOrgs(q *chainRequest, chains *protocol.Chains, own protocol.OrgID, level func(protocol.OrgID) trust.Level) []protocol.OrgID {
	var orgs []protocol.OrgID
	for _, d := range q.Wanted {
		if c, ok := chains.Certificate(d); ok && !slices.Contains(orgs, c.Org) {
			orgs = append(orgs, c.Org)
		}
	}
	if q.Known == nil {
		return orgs
	}
	known := make(map[protocol.OrgID][8]byte, len(q.Known))
	for _, k := range q.Known {
		known[k.Org] = k.Summary
	}
	var differing []protocol.OrgID
	for _, id := range chains.Orgs() {
		s, ok := known[id]
		if (!ok || s != summary(chains.Chain(id))) && !slices.Contains(orgs, id) {
			differing = append(differing, id)
		}
	}
	rand.Shuffle(len(differing), func(i, j int) { differing[i], differing[j] = differing[j], differing[i] })
	rank := func(id protocol.OrgID) int {
		switch {
		case id == own:
			return 0
		case level(id) >= trust.Observed:
			return 1
		}
		return 2
	}
	slices.SortStableFunc(differing, func(a, b protocol.OrgID) int { return cmp.Compare(rank(a), rank(b)) })
	return append(orgs, differing...)
}

// splitStatements reads a CBOR sequence of statements. A statement of a type
// that this version does not know, or that is broken, is left out; the rest counts.
func splitStatements(network string, raw []byte) ([]*protocol.Statement, error) {
	mode, err := cbor.DecOptions{
		IndefLength:      cbor.IndefLengthForbidden,
		MaxArrayElements: protocol.MaxStatementBytes,
		MaxMapPairs:      protocol.MaxStatementBytes,
		MaxNestedLevels:  16,
	}.DecMode()
	if err != nil {
		return nil, err
	}
	var list []*protocol.Statement
	for len(raw) > 0 {
		var item cbor.RawMessage
		rest, err := mode.UnmarshalFirst(raw, &item)
		if err != nil {
			return list, fmt.Errorf("statement %d of an answer: %w", len(list), err)
		}
		raw = rest
		if s, err := protocol.ParseStatement(network, item); err == nil {
			list = append(list, s)
		}
	}
	return list, nil
}

// identityExchange is the service on which chains are asked for.
func identityExchange(h host.Host, deps *Deps) service {
	v := identityBounds()
	v.answer = func(_ peer.ID, request []byte, w io.Writer) error {
		q, err := decodeChainRequest(request)
		if err != nil {
			return err
		}
		return answerChains(h, deps, q, w)
	}
	return v
}

// identityBounds is the service as the asker needs it.
func identityBounds() service {
	// NET-17: one request a second from one peer.
	return service{id: identityProtocol, name: identityService, deadline: identityDeadline, maxRequest: maxChainRequest, rate: identityServe}
}

// answerChains writes chains until the limit: whole chains only, since half of one verifies nothing.
func answerChains(h host.Host, deps *Deps, q *chainRequest, w io.Writer) error {
	chains := deps.Chains()
	own, _ := chains.PeerOrg([]byte(h.ID()), time.Now())
	left := maxChainResponse
	for _, id := range answerOrgs(q, chains, own, deps.Level) {
		chain := chains.Chain(id)
		size := 0
		for _, st := range chain {
			size += len(st.Raw())
		}
		if size > left {
			break
		}
		left -= size
		for _, st := range chain {
			if _, err := w.Write(st.Raw()); err != nil {
				return err
			}
		}
	}
	return nil
}

// askChains asks a connected peer for chains. The statements are parsed, not verified.
func (h *Host) askChains(ctx context.Context, p peer.ID, q *chainRequest) ([]*protocol.Statement, error) {
	request, err := EncodeMessage(q)
	if err != nil {
		return nil, err
	}
	least := protocol.MaxIdentityBytes
	if q.Known != nil {
		least = maxChainUnlisted // everything: not before there is room for it
	}
	limit := h.readable(p, time.Now())
	if limit < least {
		return nil, fmt.Errorf("ask %s for chains: it has sent enough for now", p)
	}
	raw, cut, err := h.ask(ctx, p, identityBounds(), request, limit)
	h.haveRead(p, len(raw), time.Now())
	if err != nil {
		return nil, fmt.Errorf("ask %s for chains: %w", p, err)
	}
	statements, err := splitStatements(h.network, raw)
	if err != nil && !cut {
		return statements, fmt.Errorf("ask %s for chains: %w", p, err)
	}
	return statements, nil
}

// exchange asks a newly connected peer for every chain that we lack: what was
// announced before we came is not announced again (NET-18). The peer asks us likewise.
func (h *Host) exchange(ctx context.Context, p peer.ID) error {
	known := knownChains(h.deps.Chains())
	statements, err := h.askChains(ctx, p, &chainRequest{Known: known})
	h.learn(statements)
	if err != nil {
		return err
	}
	h.peers.exchanged(p, time.Now())
	log.Debugw("chains exchanged", "peer", p, "statements", len(statements))
	return nil
}

// learn keeps statements that arrived and lets what waited for them go on.
func (h *Host) learn(statements []*protocol.Statement) {
	if len(statements) == 0 {
		return
	}
	h.deps.AddStatements(statements...)
	h.refreshStandings()
	signal(h.waiting.wake)
}
