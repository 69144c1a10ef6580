package node

import (
	"io/fs"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tocsin/node/audit"
	"tocsin/node/intake"
	"tocsin/node/metrics"
	"tocsin/protocol"
	"tocsin/storage"
)

const (
	// maxGapsCounted bounds what a scrape counts.
	maxGapsCounted = 10_000
	// maxChangesRead bounds the entries of the audit log that one scrape reads.
	maxChangesRead = 1000
)

// newMetrics makes the registry, before anything that counts.
func (n *Node) newMetrics(o Options) *metrics.Metrics {
	b := metrics.Build{Version: o.Version, Revision: "unknown", Go: runtime.Version(), Started: n.started}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				b.Revision = s.Value
			}
		}
	}
	return metrics.New(b)
}

// registry is where the mesh registers its metrics: nowhere when nobody can read them.
func (n *Node) registry(o Options) prometheus.Registerer {
	if o.NoAdmin {
		return nil
	}
	return n.metrics.Registry()
}

// arrived counts what the way in was given.
func (n *Node) arrived(e storage.Entry, err error) {
	n.metrics.Received(e, e.From == intake.Local, err)
}

// notTaken counts what gossip refused.
func (n *Node) notTaken(t protocol.Topic, err error) {
	n.metrics.Refused(t.String(), err, protocol.VerdictOf(err) != protocol.Reject)
}

// watchMetrics has the registry ask the node's parts at each scrape.
func (n *Node) watchMetrics() error {
	head, _ := n.Audit.Head()
	changes := &trustChanges{log: n.Audit, seen: head}
	return n.metrics.Watch(metrics.Sources{
		Sync: func() (metrics.Sync, bool) {
			s := n.catchup.Status()
			return metrics.Sync{Objects: s.Objects, Gaps: len(n.Store.Gaps(maxGapsCounted, nil)), CaughtUp: s.CaughtUp, Repaired: s.Repaired, Equal: s.Equal, Asked: s.Asked}, n.disk.lack == nil
		},
		Store: func() (metrics.Store, bool) {
			c := n.Store.Counts()
			return metrics.Store{Bytes: folderBytes(n.disk.store), Records: c.Records, Live: c.Objects, Held: c.Held}, n.disk.lack == nil
		},
		Disk: func() (metrics.Disk, bool) {
			s := n.spaceLeft()
			if s == nil {
				return metrics.Disk{}, false
			}
			return metrics.Disk{Free: s.Free, Floor: s.Floor}, true
		},
		Review: func() (r metrics.Review) {
			for _, i := range n.review.List(time.Now()) {
				if r.Waiting++; r.Oldest.IsZero() || i.Created.Before(r.Oldest) {
					r.Oldest = i.Created
				}
			}
			return r
		},
		Backup: func() metrics.Backup {
			s := n.backups.Status()
			return metrics.Backup{Wanted: s.Folder != "", Made: s.Made, Verified: s.Drilled}
		},
		Keys:         n.keyEnds,
		TrustChanges: changes.next,
		Policy:       func() int { return int(n.Policy.Version()) },
		Waiting:      n.Host.Waiting,
		Breakers:     func() int { return len(n.Standing.Trips()) },
	})
}

// keyEnds says when what certifies this node's keys ends.
func (n *Node) keyEnds() map[string]time.Time {
	ends := map[string]time.Time{}
	if cert, _, err := n.Outbox.Certified(); err == nil {
		ends["record"] = cert.NotAfter
	}
	if operations, ok := n.Keys.Operations(time.Now()); ok {
		ends["operations"] = operations.NotAfter
	}
	return ends
}

// folderBytes adds up the files of a folder; files that go meanwhile do not count. 0 for no folder.
func folderBytes(dir string) (sum int64) {
	if dir == "" {
		return 0
	}
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil // what cannot be read now is counted the next time
		}
		if info, err := d.Info(); err == nil {
			sum += info.Size()
		}
		return nil
	})
	return sum
}

// trustChanges reads the kinds of changes to trust out of the audit log, where every one of them stands before it is made. One
// that then failed stands there again and is not counted; only when a scrape comes in between it was.
type trustChanges struct {
	log *audit.Log

	mu   sync.Mutex // guards seen
	seen uint64
}

// next gives the kinds of what changed since it was asked last. What cannot be read now is read the next time.
func (t *trustChanges) next() (kinds []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	head, _ := t.log.Head()
	if head <= t.seen {
		return nil
	}
	entries, next, err := t.log.Read(t.seen, maxChangesRead, audit.Filter{Action: "trust"})
	if err != nil {
		log.Debugw("changes to trust are not counted", "err", err)
		return nil
	}
	t.seen = max(head, t.seen)
	if next != 0 {
		t.seen = next
	}
	for _, e := range entries {
		t.seen = max(t.seen, e.Seq)
		kind := strings.TrimPrefix(e.Action, "trust.")
		if undone, failed := strings.CutSuffix(kind, ".failed"); failed {
			if i := lastIndex(kinds, undone); i >= 0 {
				kinds = slices.Delete(kinds, i, i+1)
			}
			continue
		}
		kinds = append(kinds, kind)
	}
	return kinds
}

// lastIndex is the place of the last of a kind, -1 for none.
func lastIndex(kinds []string, kind string) int {
	for i, k := range slices.Backward(kinds) {
		if k == kind {
			return i
		}
	}
	return -1
}
