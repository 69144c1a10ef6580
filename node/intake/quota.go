package intake

import (
	"fmt"
	"sync"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/protocol/trust"
	"tocsin/storage"
)

const (
	// strangerShare is the part of the quarantine that one stranger may fill: a tenth.
	strangerShare = 10
	// minCharge is what a record counts at least: an empty one costs index and memory too.
	minCharge = 1 << 10
	// recountEvery is how often identity records are counted anew, since they expire and change sides with the trust list.
	recountEvery = time.Hour
)

// quota bounds what strangers may add to the quarantine, with their identity records, which are not held but kept for nobody who
// is known; and what keys may add that are over, whoever's they were. Others are never asked.
type quota struct {
	store *storage.Store
	limit int64 // 0 means none
	// listed are those whose identity records do not count.
	listed func(protocol.OrgID) bool

	mu sync.Mutex // guards all below
	// coming and byOrg are bytes that were let in and the store may not count yet.
	coming int64
	byOrg  map[protocol.OrgID]int64
	said   identities
}

// identities are the bytes of strangers' identity records in the store, as far as known.
type identities struct {
	total   int64
	byOrg   map[protocol.OrgID]int64
	counted time.Time
}

// bounded reports whether an entry needs room in the quarantine.
func bounded(e *storage.Entry, level trust.Level) bool {
	switch {
	case level < trust.Observed:
		return e.State == storage.Held || e.Record.Header().Kind == protocol.KindIdentity
	case e.State == storage.Held:
		return over(e.Reason)
	}
	return false
}

// over are the reasons of what a key signed that speaks for nobody any more: it may be in anybody's hands.
func over(why reason.Code) bool { return why == reason.KeyRevoked || why == reason.CertExpired }

// charge is what n bytes of one record count.
func charge(n int) int64 { return max(int64(n), minCharge) }

// charged is what records count together: within a factor of two if small and large ones are mixed.
func charged(u storage.Usage) int64 { return max(u.Bytes, int64(u.Records)*minCharge) }

// reserve lets a record that counts n into the quarantine, or says quarantine.full. free is called when the
// store has it or refused it; in between it may count twice, never not at all.
func (q *quota) reserve(org protocol.OrgID, n int64) (free func(), err error) {
	if q.limit == 0 {
		return func() {}, nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.recount(time.Now())
	if total := charged(q.store.HeldTotal()) + q.said.total + q.coming; total+n > q.limit {
		return nil, reason.New(reason.QuarantineFull, fmt.Sprintf("the quarantine holds %d of %d bytes", total, q.limit))
	}
	if own := charged(q.store.Held(org)) + q.said.byOrg[org] + q.byOrg[org]; own+n > q.limit/strangerShare {
		return nil, reason.New(reason.QuarantineFull,
			fmt.Sprintf("%s holds %d of the %d bytes that the quarantine has for one stranger", org, own, q.limit/strangerShare))
	}
	q.add(org, n)
	return func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.add(org, -n)
	}, nil
}

// recount counts identity records when the last count is old. The caller holds mu.
func (q *quota) recount(now time.Time) {
	if q.said.byOrg != nil && now.Sub(q.said.counted) < recountEvery {
		return
	}
	q.said = identities{byOrg: map[protocol.OrgID]int64{}, counted: now}
	for org, u := range q.store.KindUsage(protocol.KindIdentity) {
		if !q.listed(org) {
			q.said.byOrg[org] = charged(u)
			q.said.total += charged(u)
		}
	}
}

// keep counts an identity record that was stored, until the next count.
func (q *quota) keep(org protocol.OrgID, n int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.said.byOrg != nil {
		q.said.byOrg[org] += n
		q.said.total += n
	}
}

// headerRoom lets the header of a stranger's record in while headers without bodies take no more than one stranger may of the
// quarantine: nobody can tell whether they ever had bodies.
func (p *Pipeline) headerRoom(r *protocol.Record, level trust.Level) error {
	limit := p.quota.limit / strangerShare
	if have := p.d.Store.HeaderBytes(); limit > 0 && level < trust.Observed && have+int64(len(r.Raw())) > limit {
		return reason.New(reason.QuarantineFull, fmt.Sprintf("headers without bodies take %d of the %d bytes that there are for those of strangers", have, limit))
	}
	return nil
}

// add counts bytes on their way. The caller holds mu.
func (q *quota) add(org protocol.OrgID, n int64) {
	if q.byOrg == nil {
		q.byOrg = map[protocol.OrgID]int64{}
	}
	q.coming += n
	if q.byOrg[org] += n; q.byOrg[org] == 0 {
		delete(q.byOrg, org)
	}
}

// complaintEvery is how often a full quarantine is logged.
const complaintEvery = time.Minute

// complaint logs refusals now and then, with how many there were since: a flood must not fill
// the log instead of the quarantine.
type complaint struct {
	mu    sync.Mutex // guards all below
	last  time.Time
	since int
}

func (c *complaint) note(org protocol.OrgID, err error) {
	c.mu.Lock()
	c.since++
	n, due := c.since, time.Since(c.last) >= complaintEvery
	if due {
		c.since, c.last = 0, time.Now()
	}
	c.mu.Unlock()
	if due {
		log.Warnw("records of strangers or of keys that are over are refused", "refused", n, "org", org, "err", err)
	}
}
