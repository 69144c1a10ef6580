package audit

import (
	"context"
	"fmt"
	"maps"
)

// Do writes down what somebody asked for and then does it. What cannot be written down is not
// done. What then fails is written down as well, as each action with ".failed" behind its name.
func (l *Log) Do(ctx context.Context, do func() error, events ...Event) error {
	for _, e := range events {
		if _, err := l.Append(ctx, e); err != nil {
			return Undone(err)
		}
	}
	err := do()
	if err == nil {
		return nil
	}
	for _, e := range events {
		e.Action += ".failed"
		e.Detail = maps.Clone(e.Detail)
		if e.Detail == nil {
			e.Detail = map[string]string{}
		}
		e.Detail["error"] = err.Error()
		l.Afterwards(ctx, e)
	}
	return err
}

// Undone says that an action was not taken because its entry could not be written.
func Undone(err error) error {
	return fmt.Errorf("nothing was done, since it cannot be written down: %w", err)
}

// Afterwards writes down what has happened already, whoever has left since. When that
// cannot be written there is nothing to refuse any more; the node's own log says it.
func (l *Log) Afterwards(ctx context.Context, e Event) {
	if _, err := l.Append(context.WithoutCancel(ctx), e); err != nil {
		log.Errorw("what was done is not in the audit log", "action", e.Action, "target", e.Target, "err", err)
	}
}
