package outbox

import (
	"context"
	"errors"
	"slices"

	"tocsin/node/intake"
	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/protocol/stix"
)

// group is what may share a record: objects of one TLP.
type group struct {
	tlp    stix.TLP
	pieces []piece
	ratio  float64 // raw bytes per byte as sent, learned from the last record
}

// firstRatio is what real feeds compress to, before anything was measured.
const firstRatio = 5

// next makes one record from the front of a group and returns how many objects
// it used up. It aims at the live target size; when the guess was too high for
// gossip it halves. A single object may exceed the gossip limit; one that fits
// no record at all is used up with a nil record, and named. A record that comes with an error is stored all the same.
func (p *Publisher) next(ctx context.Context, req Request, g *group, res *Result) (*protocol.Record, int, error) {
	n := g.fit()
	for {
		objects := make([][]byte, n)
		for i := range objects {
			objects[i] = g.pieces[i].raw
		}
		r, err := p.append(ctx, protocol.Draft{
			Topic:    req.Topic,
			Kind:     protocol.KindObjects,
			TLP:      g.tlp,
			Upstream: req.Upstream,
			Defaults: protocol.Defaults{Producer: req.Producer, Confidence: req.Confidence, ValidFor: req.ValidFor},
			Objects:  objects,
		})
		tooLarge := errors.Is(err, errTooLarge) || slices.Contains(sizeCodes, reason.Of(err))
		if tooLarge && n > 1 {
			n /= 2
			continue
		}
		if tooLarge {
			res.skipInvalid(nameOf(objects[0], 0), err)
			return nil, 1, nil
		}
		if err != nil {
			return r, n, err
		}
		g.ratio = float64(r.Header().RawLength) / float64(r.Header().BodyLength)
		return r, n, nil
	}
}

// sizeCodes are what Sign says of a draft that fits no record.
var sizeCodes = []reason.Code{reason.WireSize, reason.BodySize}

// fit guesses how many objects make a record of the target size.
func (g *group) fit() int {
	const leafOverhead = 20 // length and salt; the salt does not compress
	size, raw, values := 0, 0, 0
	for i, o := range g.pieces {
		raw += len(o.raw) + leafOverhead
		size += int(float64(len(o.raw))/g.ratio) + leafOverhead
		values += o.values
		if i > 0 && (size > protocol.TargetRecordBytes || raw > protocol.MaxRawBytes || i == protocol.MaxLeaves || values > intake.MaxRecordValues) {
			return i
		}
	}
	return len(g.pieces)
}
