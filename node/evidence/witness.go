package evidence

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"tocsin/node/audit"
	"tocsin/node/durable"
	"tocsin/node/p2p"
	"tocsin/node/tlog"
	"tocsin/protocol"
)

// ActionConflict says that a log which this node witnesses went back or was changed.
const ActionConflict = "witness.conflict"

// actionNewLog says that an organisation began another log, as it must behind damage.
const actionNewLog = "witness.log"

// maxWitnessed bounds the logs of one organisation (EVD-12): it has few nodes, and a log ends only by damage.
const maxWitnessed = 64

// Witnessed is what this node holds of another node's audit log.
type Witnessed struct {
	Org protocol.OrgID `json:"org"`
	// Note is the newest checkpoint that this node cosigned, At when.
	Note string    `json:"note"`
	At   time.Time `json:"at"`
	// Conflict is the checkpoint that did not continue it, Why and ConflictAt what and when; empty for none.
	Conflict   string    `json:"conflict,omitempty"`
	Why        string    `json:"why,omitempty"`
	ConflictAt time.Time `json:"conflict_at,omitzero"`
}

// WitnessDeps are what a witness asks of the rest of the node. All functions may be called concurrently.
type WitnessDeps struct {
	Network string
	Own     protocol.OrgID
	Chains  func() *protocol.Chains
	// Listed reports whether the trust list has an organisation at observed or above.
	Listed func(protocol.OrgID) bool
	// Signer is the record key in use.
	Signer func() protocol.Signer
	Audit  *audit.Log
}

// Witness cosigns checkpoints of other organisations' audit logs. All methods may be called concurrently.
type Witness struct {
	path    string
	deps    WitnessDeps
	damaged bool // the file or the mark beside it cannot be read: nothing is cosigned
	// barred are keys that may have cosigned more than the node knows.
	barred map[protocol.KeyID]bool

	mu   sync.Mutex // guards logs and the file, over a whole request: EVD-13
	logs map[string]Witnessed
}

// OpenWitness reads what was witnessed so far. With a file that is damaged, or the mark of a restore beside it, nothing is cosigned until a
// person moves it away: going on without it would be to cosign what contradicts an earlier word.
func OpenWitness(path string, d WitnessDeps) (*Witness, error) {
	w := &Witness{path: path, deps: d, logs: map[string]Witnessed{}}
	var err error
	w.barred, err = barredKeys(path, d.Signer().Public().ID())
	if errors.Is(err, errMark) {
		w.damaged = true
		d.Audit.NoteDamaged(markPath(path), "nothing is cosigned until the file is put back, or moved away once the record key was replaced: "+err.Error())
	} else if err != nil {
		return nil, err
	}
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return w, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read what was witnessed from %s: %w", path, err)
	}
	err = json.Unmarshal(raw, &w.logs)
	for origin, held := range w.logs {
		if cp, wrong := tlog.Peek([]byte(held.Note)); wrong != nil || cp.Origin != origin {
			err = errors.Join(err, fmt.Errorf("the checkpoint of %s cannot be read", origin))
		}
	}
	if w.logs == nil { // "null"
		err = errors.New("it names no logs")
	}
	if err != nil {
		w.logs, w.damaged = map[string]Witnessed{}, true
		d.Audit.NoteDamaged(path, "nothing is cosigned until the file is restored, or moved away to begin anew: "+err.Error())
	}
	return w, nil
}

// List gives what is held, by origin.
func (w *Witness) List() []Witnessed {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []Witnessed
	for _, origin := range slices.Sorted(maps.Keys(w.logs)) {
		out = append(out, w.logs[origin])
	}
	return out
}

// Answer cosigns a checkpoint of a peer, by its transport id in binary form, or says why not.
func (w *Witness) Answer(ctx context.Context, from []byte, q p2p.WitnessRequest) (p2p.WitnessAnswer, error) {
	refused := p2p.WitnessAnswer{Code: p2p.WitnessRefused}
	cp, err := tlog.Open(q.Checkpoint, w.deps.Chains())
	if err != nil {
		log.Debugw("a checkpoint was not cosigned", "err", err)
		return refused, nil
	}
	key := w.deps.Signer()
	why := w.forbids(from, cp)
	if w.barred[key.Public().ID()] { // EVD-14
		why = "this node was restored, and its key may have cosigned what it does not know"
	}
	if why != "" {
		log.Debugw("a checkpoint was not cosigned", "org", cp.Org, "why", why)
		return refused, nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	held, before, err := w.held(cp.Origin)
	if err != nil {
		return refused, err
	}
	elsewhere := p2p.WitnessAnswer{Code: p2p.WitnessElsewhere, Size: before.Size, Bytes: []byte(held.Note)}
	switch { // EVD-13
	case q.Old != before.Size && q.Old > cp.Size:
		return refused, nil
	case q.Old != before.Size: // it does not know what we hold: a smaller one may be late, or somebody's old one
		return elsewhere, nil
	case cp.Size < before.Size && tlog.Continues(cp.Size, before.Size, q.Proof, cp.Root, before.Root):
		return elsewhere, nil
	case cp.Size < before.Size:
		w.conflict(ctx, from, cp, held, fmt.Sprintf("it had %d entries, and is now shown with %d that are not shown to be the first of these: its end was cut off", before.Size, cp.Size))
	case !tlog.Continues(q.Old, cp.Size, q.Proof, before.Root, cp.Root):
		w.conflict(ctx, from, cp, held, fmt.Sprintf("its %d entries are not shown to begin with the %d that were witnessed: they were changed", cp.Size, before.Size))
	default:
		return w.cosign(ctx, cp, held, key)
	}
	return p2p.WitnessAnswer{Code: p2p.WitnessInconsistent, Size: before.Size, Bytes: []byte(held.Note)}, nil
}

// forbids says why nothing is cosigned for a peer; "" when it is. EVD-12
func (w *Witness) forbids(from []byte, cp *tlog.Signed) string {
	chains := w.deps.Chains()
	org, known := chains.Org(cp.Org)
	switch {
	case w.damaged:
		return "what was witnessed before cannot be read"
	case !known || cp.Org == w.deps.Own || !w.deps.Listed(cp.Org):
		return "its organisation is not listed, or our own"
	case org.Over(cp.Key):
		return "its key is not in force"
	case !slices.Contains(chains.PeerOrgs(from, time.Now()), cp.Org):
		return "the peer is not of that organisation"
	case len(cp.Cosignatures) > 0:
		return "it has other lines than its own"
	}
	return ""
}

// held is what is held of a log; the zero checkpoint for none. The caller holds mu.
func (w *Witness) held(origin string) (Witnessed, tlog.Checkpoint, error) {
	held, ok := w.logs[origin]
	if !ok {
		return held, tlog.Checkpoint{}, nil
	}
	cp, err := tlog.Peek([]byte(held.Note))
	return held, cp, err
}

// cosign makes the new state durable and then signs. The caller holds mu.
func (w *Witness) cosign(ctx context.Context, cp *tlog.Signed, held Witnessed, key protocol.Signer) (p2p.WitnessAnswer, error) {
	others := 0
	for _, l := range w.logs {
		if l.Org == cp.Org {
			others++
		}
	}
	if held.Note == "" {
		if others >= maxWitnessed {
			return p2p.WitnessAnswer{Code: p2p.WitnessRefused}, nil
		}
		if others > 0 {
			w.note(ctx, actionNewLog, cp.Origin, "this organisation has shown another audit log before", map[string]string{"org": cp.Org.String(), "logs": fmt.Sprint(others + 1)})
		}
	}
	now := time.Now()
	line, err := tlog.Cosign(cp.Checkpoint, w.deps.Own, w.deps.Network, key, now)
	if err != nil {
		return p2p.WitnessAnswer{}, err
	}
	held.Org, held.Note, held.At = cp.Org, string(cp.Note), now.UTC().Truncate(time.Second)
	if err := w.keep(cp.Origin, held); err != nil { // EVD-13: before the answer
		return p2p.WitnessAnswer{}, err
	}
	return p2p.WitnessAnswer{Code: p2p.WitnessCosigned, Size: cp.Size, Bytes: line}, nil
}

// keep writes the state; on an error the old one stands. The caller holds mu.
func (w *Witness) keep(origin string, held Witnessed) error {
	logs := maps.Clone(w.logs)
	logs[origin] = held
	raw, err := json.MarshalIndent(logs, "", " ")
	if err == nil {
		err = durable.Write(w.path, raw, 0o600)
	}
	if err != nil {
		return fmt.Errorf("keep what is witnessed of %s: %w", origin, err)
	}
	w.logs = logs
	return nil
}

// conflict keeps both checkpoints and tells the operator, once for each pair, and who showed it: an organisation may have
// a peer that lies about its logs. EVD-15. The caller holds mu.
func (w *Witness) conflict(ctx context.Context, from []byte, cp *tlog.Signed, held Witnessed, why string) {
	if held.Conflict == string(cp.Note) || held.Conflict != "" && time.Since(held.ConflictAt) < time.Hour {
		return
	}
	held.Conflict, held.Why, held.ConflictAt = string(cp.Note), why, time.Now().UTC().Truncate(time.Second)
	log.Errorw("the audit log of another organisation went back or was changed", "org", cp.Org, "why", why)
	w.note(ctx, ActionConflict, cp.Origin, why, map[string]string{"org": cp.Org.String(), "shown": cp.Root.String(), "peer": p2p.PeerText(from)})
	if err := w.keep(cp.Origin, held); err != nil {
		log.Errorw("a conflict of checkpoints is not kept", "err", err)
	}
}

// note writes into the audit log what has happened already.
func (w *Witness) note(ctx context.Context, action, target, why string, detail map[string]string) {
	ctx = audit.WithActor(context.WithoutCancel(ctx), audit.Node())
	if _, err := w.deps.Audit.Append(ctx, audit.Event{Action: action, Target: target, Reason: why, Detail: detail}); err != nil {
		log.Errorw("not in the audit log", "action", action, "target", target, "err", err)
	}
}
