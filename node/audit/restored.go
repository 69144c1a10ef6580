package audit

import (
	"context"
	"fmt"
	"time"
)

// Restored writes down that the log came back from a backup. From this entry on it is a log of its own, under another
// name: what was written after the backup is lost, and whoever witnessed it must not take the log for one that was cut.
// It is called before anything else is written.
func (l *Log) Restored(backup string, made time.Time) (Entry, error) {
	t := l.Tree()
	detail := map[string]string{"made": made.UTC().Format(time.RFC3339), "entries": fmt.Sprint(t.Size())}
	if t.Size() > 0 {
		detail["log"], detail["root"] = t.ID.String(), t.Root().String()
	}
	return l.Append(WithActor(context.Background(), Node()), Event{Action: ActionRestored, Target: backup,
		Reason: "this log was restored from a backup and goes on here under a new name; what was written after the backup is not in it", Detail: detail})
}

// is reports whether the entry with a number is of an action.
func (l *Log) is(seq uint64, action string) bool {
	line, err := l.Line(seq)
	return err == nil && isAction(line, action)
}
