package bundle

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/protocol/stix"
	"tocsin/storage"
)

// Source is what an export reads.
type Source struct {
	Store *storage.Store
	// Chains is the current snapshot of identity chains.
	Chains func() *protocol.Chains
	// Signer is this node's organisation with its newest certificate and key.
	Signer func() (Signer, error)
	// Seen is when and from whom this node first saw a record; nil asks the store alone.
	Seen func(protocol.RecordID) (at time.Time, from string, ok bool)
	// Blocked says whether an organisation is blocked in the trust list.
	Blocked func(protocol.OrgID) bool
}

// Selection is what may leave. Control records always go with it: without them the others cannot be judged.
type Selection struct {
	// Topics are the topics besides control; none means all that are held.
	Topics []protocol.Topic
	// Since leaves out what came before; zero leaves out nothing.
	Since time.Time
	// Wishes leave out what the receiver holds; nil leaves out nothing.
	Wishes *Wishes
	// After and Until bound the change sequence, After excluded; both 0 do not.
	After, Until uint64
	// MaxTLP is the highest label that leaves.
	MaxTLP stix.TLP
	// Held lets records leave that are in quarantine, and those of blocked organisations.
	Held bool
	// ChunkBytes is how large chunks get; 0 is DefaultChunk.
	ChunkBytes int64
	// Series and Increment are given for an increment of a series.
	Series    ID
	Increment uint64

	target int // how large segments get; 0 but in tests
}

// Exported says what left, and what stayed and why. No record is counted twice.
type Exported struct {
	Bundle   ID
	Created  time.Time
	Manifest *Manifest
	// Kept counts records that were chosen but stayed: held (in quarantine), org.blocked, out.tlp, tlp.header, time.expired, store.damaged.
	Kept map[reason.Code]int
}

// candidate is a record that is chosen by its place.
type candidate struct {
	storage.Place
	log LogHead
}

// Export writes a bundle of what is selected to out, as a stream of chunks with the manifest at its end. Done is told how
// many of how many records were looked at; it may be nil.
func Export(ctx context.Context, src Source, sel Selection, out io.Writer, done func(n, of int)) (*Exported, error) {
	signer, err := src.Signer()
	if err != nil {
		return nil, fmt.Errorf("export a bundle: %w", err)
	}
	chosen, err := src.choose(sel)
	if err != nil {
		return nil, fmt.Errorf("export a bundle: %w", err)
	}
	chains := src.Chains()
	e := &Exported{Created: time.Now().UTC().Truncate(time.Millisecond), Kept: map[reason.Code]int{}}
	if _, err := rand.Read(e.Bundle[:]); err != nil {
		return nil, err
	}
	head := Head{Network: chains.Network(), Bundle: e.Bundle, Created: e.Created, MaxTLP: sel.MaxTLP, Series: sel.Series, Increment: sel.Increment}
	w, err := NewWriter(out, head, signer, sel.ChunkBytes)
	if sel.target > 0 {
		w, err = newWriter(out, head, signer, sel.ChunkBytes, sel.target)
	}
	if err != nil {
		return nil, fmt.Errorf("export a bundle: %w", err)
	}
	for i, c := range chosen {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		entry, why, err := src.read(c, sel, chains, e.Created)
		if err != nil {
			return nil, fmt.Errorf("export record %s: %w", c.ID, err)
		}
		switch {
		case why != "":
			e.Kept[why]++
		case entry != nil:
			if err := w.Add(*entry, chains.Chain); err != nil {
				return nil, fmt.Errorf("export record %s: %w", c.ID, err)
			}
		}
		if done != nil {
			done(i+1, len(chosen))
		}
	}
	e.Manifest, err = w.Close()
	return e, err
}

// choose lists what is selected by its place, control first, each log in its order.
func (src Source) choose(sel Selection) ([]candidate, error) {
	changed, err := src.changed(sel)
	if err != nil {
		return nil, err
	}
	logs, places := src.Store.Inventory()
	var control, others []candidate
	for len(places) > 0 {
		n := 1
		for n < len(places) && places[n].Log == places[0].Log {
			n++
		}
		of := places[:n]
		places = places[n:]
		l := logs[of[0].Log]
		if l.Topic != protocol.TopicControl && len(sel.Topics) > 0 && !slices.Contains(sel.Topics, l.Topic) {
			continue
		}
		name, err := wishName(l.Org, l.Key)
		if err != nil {
			return nil, err
		}
		to := &others
		if l.Topic == protocol.TopicControl {
			to = &control
		}
		log := LogHead{Org: l.Org, Key: l.Key, Topic: l.Topic.String()}
		for _, p := range of {
			if (changed == nil || changed[p.ID]) && sel.Wishes.lacks(name, log.Topic, p.Sequence) {
				*to = append(*to, candidate{p, log})
			}
		}
	}
	slices.SortStableFunc(others, func(a, b candidate) int { return strings.Compare(a.log.Topic, b.log.Topic) })
	return append(control, others...), nil
}

// changed gives the records that came in a run of the change sequence; nil when all are meant.
func (src Source) changed(sel Selection) (map[protocol.RecordID]bool, error) {
	if sel.After == 0 && sel.Until == 0 {
		return nil, nil
	}
	out := map[protocol.RecordID]bool{}
	const page = 4096
	for after := sel.After; after < sel.Until; {
		changes, err := src.Store.Changes(after, int(min(page, sel.Until-after)))
		if err != nil {
			return nil, err
		}
		if len(changes) == 0 {
			break
		}
		for _, c := range changes {
			out[c.Record] = true
		}
		after = changes[len(changes)-1].Seq
	}
	return out, nil
}

// read gives a record to write, or why it stays; neither for one that came too early or has gone meanwhile.
func (src Source) read(c candidate, sel Selection, chains *protocol.Chains, now time.Time) (*Entry, reason.Code, error) {
	// BND-08
	switch {
	case time.UnixMilli(c.Expires).Before(now):
		return nil, reason.TimeExpired, nil
	case !sel.Held && src.Blocked != nil && src.Blocked(c.log.Org):
		return nil, reason.OrgBlocked, nil
	case !sel.Held && c.State != storage.Accepted:
		return nil, Quarantined, nil
	}
	seen, from, err := src.seen(c.ID)
	if err != nil || !sel.Since.IsZero() && seen.Before(sel.Since) {
		return nil, "", unlessGone(err)
	}
	form, raw, err := src.Store.Fetch(c.ID)
	if reason.Of(err) == reason.StoreDamaged {
		return nil, reason.StoreDamaged, nil // a scrub repairs it; the rest need not wait
	}
	if err != nil {
		return nil, "", unlessGone(err)
	}
	tlp, why := label(form, raw, chains)
	switch {
	case why != "":
		return nil, why, nil
	case tlp > sel.MaxTLP:
		return nil, reason.OutTLP, nil
	case c.HeldObjects > 0:
		if why, err := src.stricter(c.ID); why != "" || err != nil {
			return nil, why, unlessGone(err)
		}
	}
	return &Entry{Raw: raw, Note: Note{Form: form, Seen: seen, From: from}, Log: c.log, Sequence: c.Sequence, TLP: tlp}, "", nil
}

// Quarantined is why a record stayed that is held or was rejected here.
const Quarantined = reason.Code("held")

// seen is when and from whom this node first saw a record.
func (src Source) seen(id protocol.RecordID) (time.Time, string, error) {
	if src.Seen != nil {
		if at, from, ok := src.Seen(id); ok {
			return at, from, nil
		}
	}
	return src.Store.Source(id)
}

// label is a record's TLP, or why nobody could check the record: its chain has gone.
func label(form storage.Form, raw []byte, chains *protocol.Chains) (stix.TLP, reason.Code) {
	if form == storage.Full {
		h, err := protocol.StoredHeader(raw)
		if err != nil {
			return 0, reason.StoreDamaged
		}
		if _, ok := chains.Certificate(h.Certificate); !ok {
			return 0, reason.CertUnknown
		}
		return h.TLP, ""
	}
	r, err := verify(form, raw, chains)
	if err != nil {
		return 0, reason.Of(err)
	}
	return r.Header().TLP, ""
}

// stricter says whether an object of a record was found to be above the record's own label, or has one that nobody can read.
func (src Source) stricter(id protocol.RecordID) (reason.Code, error) {
	leaves, err := src.Store.Leaves(id)
	for _, l := range leaves {
		if l.State == storage.Held && (l.Reason == reason.TLPHeader || l.Reason == reason.STIXMarking) {
			return l.Reason, nil
		}
	}
	return "", err
}

// unlessGone passes over a record that went while the export ran.
func unlessGone(err error) error {
	if reason.Of(err) == reason.NotFound {
		return nil
	}
	return err
}

// verify checks a record by its form (VER-15).
func verify(form storage.Form, raw []byte, chains *protocol.Chains) (*protocol.Record, error) {
	switch form {
	case storage.Full:
		return protocol.VerifyOffline(raw, chains)
	case storage.Pruned:
		return protocol.VerifyPruned(raw, chains)
	}
	return protocol.VerifyHeader(raw, chains)
}
