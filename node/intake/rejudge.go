package intake

import (
	"context"
	"errors"
	"fmt"

	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/protocol/trust"
	"tocsin/storage"
)

// Curable are the reasons of records held as a whole that may cease to hold:
// the organisation is listed, a person restores it, its heads move on, its key is
// certified again.
func Curable() []reason.Code {
	return append(Unstable(), reason.TrustUnknown)
}

// Unstable are the reasons of the standing among them.
func Unstable() []reason.Code {
	return []reason.Code{reason.KeyRolledBack, reason.OrgTripped, reason.KeyRevoked, reason.LogFork, reason.CertExpired}
}

// Rejudge takes records out of quarantine that were held for one of the given reasons and
// now are of a listed organisation and stand. It returns how many objects were
// accepted. A record that cannot be read stops nothing; it stays and is logged.
func (p *Pipeline) Rejudge(ctx context.Context, why ...reason.Code) (int, error) {
	total := 0
	for _, code := range why {
		held, err := p.d.Store.HeldRecords(code)
		if err != nil {
			return total, fmt.Errorf("rejudge quarantine: %w", err)
		}
		n, err := p.Reconsider(ctx, held)
		total += n
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

// Reconsider is Rejudge for some records; those that are not held are passed over.
func (p *Pipeline) Reconsider(ctx context.Context, ids []protocol.RecordID) (int, error) {
	total := 0
	for _, id := range ids {
		if ctx.Err() != nil {
			return total, ctx.Err()
		}
		n, err := p.rejudge(ctx, id)
		if err != nil {
			return total, fmt.Errorf("rejudge quarantine: %w", err)
		}
		total += n
	}
	return total, nil
}

// rejudge looks at one held record again. Most are of strangers: they are told by memory, before
// anything is read or verified.
func (p *Pipeline) rejudge(ctx context.Context, id protocol.RecordID) (int, error) {
	org, topic, held := p.d.Store.HeldOf(id)
	if !held || p.levelOn(org, topic) < trust.Observed {
		return 0, nil
	}
	r, state, err := p.stored(id)
	if err != nil {
		log.Errorw("held record cannot be read", "record", id, "err", err)
		return 0, nil
	}
	level := p.level(r)
	if state != storage.Held || level < trust.Observed || p.d.Standing.Arriving(r) != nil {
		return 0, nil
	}
	came, _, err := p.d.Store.Source(id)
	if err != nil {
		log.Errorw("nobody can say when a held record came", "record", id, "err", err)
		return 0, nil
	}
	if p.d.Standing.Late(r, came) != nil {
		return 0, nil
	}
	n, err := p.admit(ctx, r, level)
	if reason.Of(err) == reason.DupHeld || errors.Is(err, errContent) {
		return 0, nil // another rejudge was here first; or it stays for what is in it
	}
	return n, err
}

// Release accepts a held record (ref.Index < 0) or one held object on the
// operator's word; why is kept in the log. What does not stand is not released: its key or
// organisation has to be restored first.
func (p *Pipeline) Release(ctx context.Context, ref storage.Ref, why string) error {
	log.Infow("released from quarantine", "record", ref.Record, "index", ref.Index, "why", why)
	if ref.Index >= 0 {
		return p.d.Store.Decide(ctx, ref, storage.Accepted, "")
	}
	r, _, err := p.stored(ref.Record)
	if err != nil {
		return fmt.Errorf("release record %s: %w", ref.Record, err)
	}
	if err := p.d.Standing.Arriving(r); err != nil {
		return fmt.Errorf("release record %s: %w", ref.Record, err)
	}
	_, err = p.admit(ctx, r, max(p.level(r), trust.Observed))
	return err
}

// Reject drops a held record (ref.Index < 0) or refuses one held object on the
// operator's word; why is kept in the log.
func (p *Pipeline) Reject(ctx context.Context, ref storage.Ref, why string) error {
	log.Infow("rejected from quarantine", "record", ref.Record, "index", ref.Index, "why", why)
	if ref.Index >= 0 {
		return p.d.Store.Decide(ctx, ref, storage.Refused, reason.OperatorRejected)
	}
	return p.d.Store.Reject(ctx, ref.Record, reason.OperatorRejected)
}

// stored reads a record back in the type that proves its signature.
func (p *Pipeline) stored(id protocol.RecordID) (*protocol.Record, storage.State, error) {
	raw, state, err := p.d.Store.Record(id)
	if err != nil {
		return nil, 0, err
	}
	r, err := protocol.VerifyStored(raw, p.d.Identity.Chains())
	return r, state, err
}

// errContent says that a record is held for what is in it, whoever signed it.
var errContent = errors.New("its content keeps it in quarantine")

// admit moves a held record to what judge makes of it at a level that is listed. The
// breaker is not fed: what tripped it was counted when it came.
func (p *Pipeline) admit(ctx context.Context, r *protocol.Record, level trust.Level) (int, error) {
	version := p.d.Standing.Version()
	v := p.judge(r, level)
	if v.entry.State != storage.Accepted {
		return 0, reason.Wrap(v.entry.Reason, "admit record "+r.ID().String(), errContent)
	}
	received, from, err := p.d.Store.Source(r.ID())
	if err != nil {
		return 0, err
	}
	v.entry.Received, v.entry.From = received, from
	if err := p.d.Store.Accept(ctx, v.entry); err != nil {
		return 0, fmt.Errorf("admit record %s: %w", r.ID(), err)
	}
	if err := p.settle(ctx, r, &v, version, from); err != nil {
		return 0, fmt.Errorf("admit record %s: %w", r.ID(), err)
	}
	p.tell(r)
	return v.Accepted, nil
}
