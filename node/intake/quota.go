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

// strangerShare is the part of the quarantine that one stranger may fill: a tenth.
const strangerShare = 10

// quota bounds what strangers may add to the quarantine. Others are never asked.
type quota struct {
	store *storage.Store
	limit int64 // 0 means none

	mu sync.Mutex // guards what is on its way into the store
	// coming and byOrg are bytes that were let in and the store may not count yet.
	coming int64
	byOrg  map[protocol.OrgID]int64
}

// reserve lets n bytes of a stranger in, or says quarantine.full. free is called when the
// store has them or refused them; in between they may count twice, never not at all.
func (q *quota) reserve(org protocol.OrgID, n int64) (free func(), err error) {
	if q.limit == 0 {
		return func() {}, nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if total := q.store.HeldTotal().Bytes + q.coming; total+n > q.limit {
		return nil, reason.New(reason.QuarantineFull, fmt.Sprintf("the quarantine holds %d of %d bytes", total, q.limit))
	}
	if own := q.store.Held(org).Bytes + q.byOrg[org]; own+n > q.limit/strangerShare {
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
		log.Warnw("records of strangers are refused", "refused", n, "org", org, "err", err)
	}
}
