package bundle

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"tocsin/node/evidence"
	"tocsin/node/intake"
	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/storage"
)

const (
	// workers is how many records are verified and received at a time: the store commits in one go what waits.
	workers = 32
	// roomBytes bounds what pruned records may take at a time that are unpacked: two of the largest ones.
	roomBytes = 2 * protocol.MaxPrunedBytes
)

// Sink is where an import puts what it reads.
type Sink struct {
	// Chains is the current snapshot of identity chains; Learn takes what belongs in it.
	Chains func() *protocol.Chains
	Learn  func(...*protocol.Statement)
	// Held says whether the store has a record already, and nothing of it is missing.
	Held func(protocol.RecordID) bool
	// Receive is the way in; it returns when the record is durable.
	Receive func(ctx context.Context, r *protocol.Record, from string) (intake.Outcome, error)
	// Told keeps when the exporter says that it first saw records; nil keeps nothing.
	Told func(ctx context.Context, facts []evidence.Fact) error
	// Blocked says whether an organisation is blocked in the trust list.
	Blocked func(protocol.OrgID) bool
	// List remembers which chunks came.
	List *List

	room int64 // 0 for roomBytes, but in tests
}

// Outcome counts what became of the records of an import. Each record of each segment counts once, in one place.
type Outcome struct {
	// Taken were stored and accepted, Quarantined stored and held, Headers kept their place by their header alone, Already were here before.
	Taken, Quarantined, Headers, Already int
	// Refused were not stored, by reason.
	Refused map[reason.Code]int
}

func (o *Outcome) total() int {
	n := o.Taken + o.Quarantined + o.Headers + o.Already
	for _, m := range o.Refused {
		n += m
	}
	return n
}

// Imported says what an import did.
type Imported struct {
	Outcome
	// Segments counts those that were used; Facts the first-seen facts that were kept as the exporter's word.
	Segments, Facts int
	// Faults are the parts that were not used.
	Faults []*Fault
	// Bundles are those that segments belong to, in the order in which they came.
	Bundles []ID
}

// Import reads a stream of chunks and takes in what is in it. It may be called again with the same or other chunks in any order: what is
// there already is passed over. An error ends the import; what was taken before stays. Records
// that are refused and parts that are damaged are no error but counted.
func Import(ctx context.Context, sink Sink, in io.Reader) (*Imported, error) {
	out := &Imported{Outcome: Outcome{Refused: map[reason.Code]int{}}}
	r := NewReader(in, sink.Chains().Network(), sink.Chains)
	seen := map[ID]bool{}
	for {
		if err := ctx.Err(); err != nil {
			return out, err
		}
		s, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err == nil {
			if err = sink.take(ctx, r, s, out); err != nil {
				r.refused()
			}
		}
		if fault, ok := errors.AsType[*Fault](err); ok {
			out.Faults = append(out.Faults, fault)
			continue
		}
		if err != nil {
			return out, fmt.Errorf("import a bundle: %w", err)
		}
		out.Segments++
		if !seen[s.Bundle] {
			seen[s.Bundle] = true
			out.Bundles = append(out.Bundles, s.Bundle)
		}
	}
}

// take uses one segment.
func (sink Sink) take(ctx context.Context, r *Reader, s *Segment, out *Imported) error {
	fault := func(err error) error { return &Fault{Head: &s.Head, Offset: s.Offset, Err: err} }
	if sink.Blocked(s.Exporter) {
		return fault(reason.New(reason.OrgBlocked, s.Exporter.String()+", who exported it, is blocked in the trust list"))
	}
	sink.Learn(s.Chain...)
	if s.Kind == KindManifest {
		m, err := r.Manifest(s)
		if err != nil {
			return fault(err)
		}
		return sink.List.Listed(s, m)
	}
	c, err := r.Content(s)
	if err != nil {
		return fault(err)
	}
	sink.Learn(c.Statements...)
	before := out.total()
	facts, err := sink.records(ctx, s, c, out)
	if err != nil {
		return err
	}
	if n := out.total() - before; n != len(c.Records) {
		return reason.New(reason.Internal, fmt.Sprintf("%s: %d records have %d outcomes", s.where(), len(c.Records), n))
	}
	if sink.Told != nil && len(facts) > 0 {
		if err := sink.Told(ctx, facts); err != nil {
			return fmt.Errorf("keep when %s first saw records: %w", s.Exporter, err)
		}
		out.Facts += len(facts)
	}
	return sink.List.Came(s)
}

// verdict is what became of one record.
type verdict struct {
	state   storage.State // 0 for refused
	already bool
	why     reason.Code
}

// records takes the records of a segment, and gives what the exporter says of those that are here now.
func (sink Sink) records(ctx context.Context, s *Segment, c *Content, out *Imported) ([]evidence.Fact, error) {
	var mu sync.Mutex // guards facts and out
	var facts []evidence.Fact
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(workers)
	limit := cmp.Or(sink.room, roomBytes)
	room := semaphore.NewWeighted(limit)
	for i, raw := range c.Records {
		g.Go(func() error {
			if c.Notes[i].Form == storage.Pruned {
				size := min(unpackedSize(raw), limit)
				if err := room.Acquire(ctx, size); err != nil {
					return err
				}
				defer room.Release(size)
			}
			id, v, err := sink.record(ctx, s, raw, c.Notes[i])
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			switch {
			case v.already:
				out.Already++
			case v.state == storage.Accepted:
				out.Taken++
			case v.state == storage.Held:
				out.Quarantined++
			case v.state != 0:
				out.Headers++
			default:
				out.Refused[v.why]++
				return nil
			}
			if n := c.Notes[i]; !n.Seen.IsZero() {
				facts = append(facts, evidence.Fact{Record: id, Seen: n.Seen, From: n.From, By: s.Exporter})
			}
			return nil
		})
	}
	return facts, g.Wait()
}

// record verifies one record and hands it to the way in. An error is of this node and ends the import.
func (sink Sink) record(ctx context.Context, s *Segment, raw []byte, note Note) (id protocol.RecordID, v verdict, err error) {
	chains := sink.Chains()
	if note.Form == storage.Full {
		if id, err := protocol.StoredID(chains.Network(), raw); err == nil && sink.Held(id) {
			return id, verdict{already: true}, nil // no signature needs checking twice
		}
	}
	if note.Form == storage.Pruned {
		if raw, err = unpackPruned(raw); err != nil {
			return id, verdict{why: reason.Of(err)}, nil
		}
	}
	// BND-09
	r, err := verify(note.Form, raw, chains)
	if err == nil {
		err = present(r, s, time.Now())
	}
	if err != nil {
		return id, verdict{why: reason.Of(err)}, nil
	}
	got, err := sink.Receive(ctx, r, "bundle:"+s.Exporter.String())
	switch why := reason.Of(err); {
	case err == nil:
		return r.ID(), verdict{state: got.State}, nil
	case why == reason.DupHeld:
		return r.ID(), verdict{already: true}, nil
	case refusal(why):
		log.Debugw("record of a bundle refused", "record", r.ID(), "err", err)
		return r.ID(), verdict{why: why}, nil
	}
	return id, v, err
}

// present holds a record against the clock and against what its segment's head claims.
func present(r *protocol.Record, s *Segment, now time.Time) error {
	h := r.Header()
	switch {
	case !h.Expires.After(now):
		return reason.New(reason.TimeExpired, "record "+r.ID().String())
	case h.Created.After(now.Add(protocol.ClockSkew)):
		return reason.New(reason.TimeFuture, "record "+r.ID().String())
	case h.TLP > s.MaxTLP: // BND-08
		return damagedf("record %s is %s in a segment of at most %s", r.ID(), h.TLP, s.MaxTLP)
	}
	return nil
}

// refusal says whether a code is about the record. Anything else is this node's trouble: then going on would call the rest of a good bundle refused.
func refusal(why reason.Code) bool {
	switch why {
	case "", reason.Internal, reason.StoreFull, reason.StoreDamaged, reason.StoreVersion, reason.AuditDamaged, reason.Interrupted, reason.TimedOut:
		return false
	}
	return true
}
