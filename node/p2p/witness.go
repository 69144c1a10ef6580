package p2p

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"tocsin/protocol"
	"tocsin/protocol/trust"
)

// What bounds the exchange with a witness (EVD-11).
const (
	witnessProtocol = "/tocsin/witness/1"
	witnessService  = "tocsin.witness"
	witnessDeadline = 10 * time.Second
	maxWitness      = 16 << 10 // a request or an answer
	maxWitnessPath  = 63
)

// The codes of a witness's answer (EVD-11).
const (
	WitnessCosigned uint64 = iota
	WitnessRefused
	WitnessElsewhere
	WitnessInconsistent
)

// WitnessRequest asks to cosign a checkpoint (EVD-11).
type WitnessRequest struct {
	_          struct{} `cbor:",toarray"`
	Old        uint64
	Proof      [][]byte
	Checkpoint []byte
}

// WitnessAnswer is what the witness says.
type WitnessAnswer struct {
	_     struct{} `cbor:",toarray"`
	Code  uint64
	Size  uint64
	Bytes []byte
}

var errWitness = errors.New("witness message is malformed")

func encodeWitness(v any) ([]byte, error) {
	raw, err := EncodeMessage(v)
	if err == nil && len(raw) > maxWitness {
		err = fmt.Errorf("%w: %d bytes, at most %d", errWitness, len(raw), maxWitness)
	}
	return raw, err
}

// decodeWitness reads what encodeWitness wrote into v, and nothing else.
func decodeWitness(raw []byte, v any) error {
	if len(raw) > maxWitness {
		return fmt.Errorf("%w: more than %d bytes", errWitness, maxWitness)
	}
	return DecodeMessage(raw, v, maxWitnessPath, errWitness)
}

// witnessBounds is the service as the asker needs it.
func witnessBounds() service {
	return service{id: witnessProtocol, name: witnessService, deadline: witnessDeadline, maxRequest: maxWitness, rate: witnessServe}
}

// witnessExchange answers those who want a checkpoint cosigned. For whom that is done is Deps.Witness's to say.
func witnessExchange(deps *Deps) service {
	v := witnessBounds()
	v.answer = func(from peer.ID, request []byte, w io.Writer) error {
		var q WitnessRequest
		if err := decodeWitness(request, &q); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(context.Background(), witnessDeadline)
		defer cancel()
		a, err := deps.Witness(ctx, []byte(from), q)
		if err != nil {
			return err
		}
		if a.Bytes == nil {
			a.Bytes = []byte{}
		}
		raw, err := encodeWitness(&a)
		if err != nil {
			return err
		}
		_, err = w.Write(raw)
		return err
	}
	return v
}

// AskWitness asks a connected peer, by its id in text form, to cosign a checkpoint.
func (h *Host) AskWitness(ctx context.Context, p string, q WitnessRequest) (WitnessAnswer, error) {
	var a WitnessAnswer
	id, err := peer.Decode(p)
	if err != nil {
		return a, fmt.Errorf("ask witness %q: %w", p, err)
	}
	if q.Proof == nil {
		q.Proof = [][]byte{}
	}
	request, err := encodeWitness(&q)
	if err != nil {
		return a, err
	}
	raw, cut, err := h.ask(ctx, id, witnessBounds(), request, maxWitness)
	if err == nil && cut {
		err = fmt.Errorf("%w: more than %d bytes", errWitness, maxWitness)
	}
	if err == nil {
		err = decodeWitness(raw, &a)
	}
	if err != nil {
		return WitnessAnswer{}, fmt.Errorf("ask witness %s: %w", p, err)
	}
	return a, nil
}

// PeerText is a peer id, given in binary form, as people see it.
func PeerText(raw []byte) string { return peer.ID(raw).String() }

// Witnesses lists connected peers of other organisations that the trust list has at observed or above, one of each
// by chance where there are several.
func (h *Host) Witnesses() map[protocol.OrgID]string {
	out := map[protocol.OrgID]string{}
	for _, p := range h.peers.ids() {
		s := h.peers.lookup(p)
		if !s.known || s.level < trust.Observed || s.level == trust.Own || !h.connected(p) {
			continue
		}
		if _, ok := out[s.org]; !ok || rand.IntN(2) == 0 {
			out[s.org] = p.String()
		}
	}
	return out
}
