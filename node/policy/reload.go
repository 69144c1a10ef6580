package policy

import (
	"context"
	"fmt"
	"os"
	"reflect"
	"time"

	"tocsin/node/audit"
	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/protocol/trust"
)

// WatchEvery is how often Watch looks at the operator's file.
const WatchEvery = 10 * time.Second

// Reload reads the operator's file again, on behalf of the actor of ctx. When the
// file is refused, the list in force stays. Both are written to the audit log.
func (b *Book) Reload(ctx context.Context) error {
	return b.ReloadIf(ctx, func(*trust.List) error { return nil })
}

// ReloadIf is Reload where the list in force is as the caller expects: see RemoveIf.
func (b *Book) ReloadIf(ctx context.Context, seen func(*trust.List) error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := seen(b.List()); err != nil {
		return err
	}
	err := b.reload(ctx)
	if reason.Of(err) == reason.TrustFile {
		refused := audit.Event{Action: "trust.refused", Target: b.operatorFile, Detail: map[string]string{"problem": err.Error()}}
		if failed := b.write(ctx, refused); failed != nil {
			log.Errorw("refusal of the trust list", "err", failed)
		}
	}
	return err
}

// reload does the work of Reload. The caller holds mu.
func (b *Book) reload(ctx context.Context) error {
	operator, err := read(b.operatorFile)
	if err != nil {
		return err
	}
	merged := operator.Merge(b.overlay)
	if err := merged.Validate(time.Now()); err != nil {
		return err
	}
	before, after := b.List(), capped(merged, b.demotions)
	if after.Digest() == before.Digest() {
		b.operator = operator
		return nil
	}
	if err := b.write(ctx, audit.Event{Action: "trust.reload", Target: b.operatorFile, Detail: detail(before, after, nil)}); err != nil {
		return err
	}
	b.operator = operator
	b.swap(after)
	log.Infow("trust list reloaded", "file", b.operatorFile, "digest", after.Digest())
	return nil
}

// Overlaid lists the organisations that the operator's file names and that a command changed since:
// the command's word stands, whatever the file says.
func (b *Book) Overlaid() []protocol.OrgID {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []protocol.OrgID
	for _, e := range b.operator.Entries() {
		if over, ok := b.overlay.Entry(e.Org); ok && !reflect.DeepEqual(over, e) {
			out = append(out, e.Org)
		}
	}
	return out
}

// Watch reloads the operator's file whenever it was saved again, until ctx ends. A
// file that is refused is logged, once for each time it was saved.
func (b *Book) Watch(ctx context.Context) error {
	ctx = audit.WithActor(ctx, audit.Actor{UID: -1, Via: "config"})
	tick := time.NewTicker(WatchEvery)
	defer tick.Stop()
	seen := b.stamp()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		now := b.stamp()
		if now == seen {
			continue
		}
		seen = now
		if err := b.Reload(ctx); err != nil {
			log.Errorw("trust list was not reloaded: the one before stays in force", "err", err)
		}
	}
}

// stamp tells whether the operator's file was saved again.
func (b *Book) stamp() string {
	info, err := os.Stat(b.operatorFile)
	if err != nil {
		return ""
	}
	return fmt.Sprint(info.Size(), " ", info.ModTime().UnixNano())
}

// write puts an event into the audit log.
func (b *Book) write(ctx context.Context, e audit.Event) error {
	if b.audit == nil {
		return nil
	}
	if _, err := b.audit.Append(ctx, e); err != nil {
		return fmt.Errorf("%s is not done, because it cannot be written to the audit log: %w", e.Action, err)
	}
	return nil
}
