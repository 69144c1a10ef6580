package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Sources are what is asked at each scrape. Each may be nil: its names are absent then. They are called concurrently
// and must be cheap. What answers with ok false knows nothing now: its names are absent too.
type Sources struct {
	Sync   func() (s Sync, ok bool)
	Store  func() (s Store, ok bool)
	Disk   func() (d Disk, ok bool)
	Review func() Review
	Backup func() Backup
	// Keys says when the certificates of keys end, by the kind of key: few, and always the same.
	Keys func() map[string]time.Time
	// TrustChanges gives the kinds of the changes to trust since it was asked last.
	TrustChanges func() []string
	// Policy is the version of the trust list in force, Waiting the number of records that wait for a chain, Breakers that of
	// open circuit breakers.
	Policy, Waiting, Breakers func() int
}

// Sync is how far catch-up is.
type Sync struct {
	// Objects and Gaps are missing here.
	Objects, Gaps int
	// CaughtUp is up to when nothing is missing; zero when that is not known.
	CaughtUp time.Time
	// Repaired is what catch-up brought. Equal of Asked peers held the same in the last round.
	Repaired     uint64
	Equal, Asked int
}

// Store is what is stored.
type Store struct {
	Bytes         int64
	Records, Live int
	Held          int
}

// Disk is the disk that the data lies on.
type Disk struct {
	// Free is what may be taken, Floor where the store stops.
	Free, Floor int64
}

// Review is what waits for a person.
type Review struct {
	Waiting int
	// Oldest is when the first of them came; zero when nothing waits.
	Oldest time.Time
}

// Backup is when a backup was made and restored on trial; zero for never.
type Backup struct {
	// Wanted is false when there is no folder for backups.
	Wanted         bool
	Made, Verified time.Time
}

// Watch registers what is asked at each scrape. It is called once.
func (m *Metrics) Watch(s Sources) error { return m.registry.Register(newWatcher(s, time.Now)) }

// watcher collects from the sources.
type watcher struct {
	s     Sources
	now   func() time.Time
	trend trend
	trust *prometheus.CounterVec
	descs map[string]*prometheus.Desc
}

func newWatcher(s Sources, now func() time.Time) *watcher {
	w := &watcher{s: s, now: now, descs: map[string]*prometheus.Desc{}, trust: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "tocsin_trust_changes_total", Help: "Changes to whose word counts, by kind, since the node started.",
	}, []string{"kind"})}
	for _, k := range trustKinds() {
		w.trust.WithLabelValues(k)
	}
	for name, help := range helps() {
		w.descs[name] = prometheus.NewDesc(name, help, nil, nil)
	}
	w.descs[keyExpiry] = prometheus.NewDesc(keyExpiry, "When the certificate of a key of this node ends.", []string{"key"}, nil)
	return w
}

const keyExpiry = "tocsin_key_expiry_timestamp_seconds"

// helps says what each value without labels is.
func helps() map[string]string {
	return map[string]string{
		"tocsin_sync_lag_objects":                       "Objects that peers hold and this node is still to fetch, estimated.",
		"tocsin_sync_lag_seconds":                       "How long ago nothing was missing; absent before the first comparison with a peer.",
		"tocsin_sync_gaps_open":                         "Runs of records that are missing in key logs.",
		"tocsin_sync_repaired_total":                    "Records that catch-up brought.",
		"tocsin_sync_equal_peers":                       "Peers that held the same as this node in the last round of comparisons.",
		"tocsin_sync_asked_peers":                       "Peers that were compared with in the last round.",
		"tocsin_store_bytes":                            "Bytes of the store's files.",
		"tocsin_store_records":                          "Records in the store.",
		"tocsin_store_live_objects":                     "Accepted objects in the store.",
		"tocsin_store_held_objects":                     "Objects in quarantine.",
		"tocsin_disk_free_bytes":                        "Free bytes of the disk that the data lies on.",
		"tocsin_disk_floor_bytes":                       "Free bytes below which the store stops.",
		"tocsin_disk_left_seconds":                      "When the store will stop for want of room if it goes on as in the last day; infinite when no end is in sight.",
		"tocsin_review_queue_length":                    "Matters that wait for a person's decision.",
		"tocsin_review_oldest_seconds":                  "How long the oldest of them has waited.",
		"tocsin_backup_last_made_timestamp_seconds":     "When the last backup was made; 0 for never. Absent where none are wanted.",
		"tocsin_backup_last_verified_timestamp_seconds": "When a backup was last restored on trial; 0 for never. Absent where none are wanted.",
		"tocsin_policy_version":                         "Number of the trust list in force, counted since the node started.",
		"tocsin_records_waiting":                        "Records that wait for the chain of their signer.",
		"tocsin_breakers_open":                          "Circuit breakers that are open: organisations whose word is held on a topic until a person restores it.",
	}
}

// Describe implements prometheus.Collector.
func (w *watcher) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range w.descs {
		ch <- d
	}
	w.trust.Describe(ch)
}

// Collect implements prometheus.Collector.
func (w *watcher) Collect(ch chan<- prometheus.Metric) {
	gauge := func(name string, v float64) {
		ch <- prometheus.MustNewConstMetric(w.descs[name], prometheus.GaugeValue, v)
	}
	now := w.now()
	w.collectSync(ch, gauge, now)
	w.collectStore(gauge)
	w.collectDisk(gauge, now)
	w.collectPeople(gauge, now)
	w.collectCounts(gauge)
	w.trust.Collect(ch)
	if w.s.Keys != nil {
		for key, ends := range w.s.Keys() {
			ch <- prometheus.MustNewConstMetric(w.descs[keyExpiry], prometheus.GaugeValue, stamp(ends), key)
		}
	}
}

func (w *watcher) collectSync(ch chan<- prometheus.Metric, gauge func(string, float64), now time.Time) {
	if w.s.Sync == nil {
		return
	}
	if s, ok := w.s.Sync(); ok {
		gauge("tocsin_sync_lag_objects", float64(s.Objects))
		gauge("tocsin_sync_gaps_open", float64(s.Gaps))
		gauge("tocsin_sync_equal_peers", float64(s.Equal))
		gauge("tocsin_sync_asked_peers", float64(s.Asked))
		ch <- prometheus.MustNewConstMetric(w.descs["tocsin_sync_repaired_total"], prometheus.CounterValue, float64(s.Repaired))
		if !s.CaughtUp.IsZero() {
			gauge("tocsin_sync_lag_seconds", max(now.Sub(s.CaughtUp), 0).Seconds())
		}
	}
}

func (w *watcher) collectStore(gauge func(string, float64)) {
	if w.s.Store == nil {
		return
	}
	if s, ok := w.s.Store(); ok {
		gauge("tocsin_store_bytes", float64(s.Bytes))
		gauge("tocsin_store_records", float64(s.Records))
		gauge("tocsin_store_live_objects", float64(s.Live))
		gauge("tocsin_store_held_objects", float64(s.Held))
	}
}

func (w *watcher) collectDisk(gauge func(string, float64), now time.Time) {
	if w.s.Disk == nil {
		return
	}
	if d, ok := w.s.Disk(); ok {
		gauge("tocsin_disk_free_bytes", float64(d.Free))
		gauge("tocsin_disk_floor_bytes", float64(d.Floor))
		gauge("tocsin_disk_left_seconds", w.trend.left(now, d.Free, d.Floor))
	}
}

// collectPeople tells what waits for people and what they wanted.
func (w *watcher) collectPeople(gauge func(string, float64), now time.Time) {
	if w.s.Review != nil {
		r, waited := w.s.Review(), 0.0
		if !r.Oldest.IsZero() {
			waited = max(now.Sub(r.Oldest), 0).Seconds()
		}
		gauge("tocsin_review_queue_length", float64(r.Waiting))
		gauge("tocsin_review_oldest_seconds", waited)
	}
	if w.s.Backup != nil {
		if b := w.s.Backup(); b.Wanted {
			gauge("tocsin_backup_last_made_timestamp_seconds", stampOrZero(b.Made))
			gauge("tocsin_backup_last_verified_timestamp_seconds", stampOrZero(b.Verified))
		}
	}
	if w.s.TrustChanges != nil {
		for _, kind := range w.s.TrustChanges() {
			w.trust.WithLabelValues(trustKind(kind)).Inc()
		}
	}
}

func (w *watcher) collectCounts(gauge func(string, float64)) {
	for name, f := range map[string]func() int{"tocsin_policy_version": w.s.Policy, "tocsin_records_waiting": w.s.Waiting, "tocsin_breakers_open": w.s.Breakers} {
		if f != nil {
			gauge(name, float64(f()))
		}
	}
}

// trustKinds are the kinds of changes that are told apart, as the audit log names them.
func trustKinds() []string {
	return []string{"set", "remove", "import", "reload", "refused", "demote", "rollback", "restore", other}
}

func trustKind(kind string) string {
	for _, k := range trustKinds() {
		if k == kind {
			return k
		}
	}
	return other
}

func stampOrZero(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return stamp(t)
}
