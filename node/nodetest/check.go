package nodetest

//bubble: a fleet lives inside Run, where time is virtual.

import (
	"bytes"
	"time"

	"tocsin/node/p2p"
	"tocsin/protocol"
	"tocsin/storage"
)

// Graylisted is the score below which a node no longer listens to a peer (SPEC NET).
const Graylisted = -2500

// CheckFleet holds the fleet against what must be true after every scenario:
// each published record stands in every node's store, byte for byte; no key log has a
// gap; nothing that a hostile peer made was taken; nobody waits; nobody honest was
// punished. Every breach is an error of the test.
func (f *Fleet) CheckFleet() {
	f.t.Helper()
	for _, m := range f.Members {
		f.checkRecords(m)
		f.checkLogs(m)
		for _, h := range f.hostile {
			for _, id := range h.invalid {
				if m.Store.Has(id) {
					f.t.Errorf("node %d took the invalid record %s of %s", m.Number, id, h.name)
				}
			}
		}
		if n := m.Host.Waiting(); n != 0 {
			f.t.Errorf("node %d: %d records wait for their signer's chain", m.Number, n)
		}
		f.checkPeers(m)
	}
}

// checkPeers: nobody honest was punished.
func (f *Fleet) checkPeers(m *Member) {
	f.t.Helper()
	honest := make(map[string]bool)
	for _, o := range f.Members {
		honest[o.Host.PeerID()] = true
	}
	for _, p := range m.Host.Peers() {
		if honest[p.ID] && (p.Score < 0 || p.Rejected != 0) {
			f.t.Errorf("node %d punished an honest peer: score %.1f, %d invalid", m.Number, p.Score, p.Rejected)
		}
	}
}

// checkRecords: what was published is there as it was published.
func (f *Fleet) checkRecords(m *Member) {
	f.t.Helper()
	missing := 0
	for _, p := range f.published {
		raw, state, err := m.Store.Record(p.ID)
		if err != nil {
			missing++
			continue
		}
		if !bytes.Equal(raw, p.Raw) {
			f.t.Errorf("node %d: record %s of node %d has other bytes", m.Number, p.ID, p.By)
		}
		if state != storage.Accepted && state != storage.Held {
			f.t.Errorf("node %d: record %s of node %d is %s", m.Number, p.ID, p.By, state)
		}
	}
	if missing > 0 {
		f.t.Errorf("node %d lacks %d of %d records", m.Number, missing, len(f.published))
	}
}

// checkLogs: a log on a data topic is dense. On control a node sees only what was
// announced while it was there.
func (f *Fleet) checkLogs(m *Member) {
	f.t.Helper()
	for _, l := range m.Store.Logs() {
		if l.Topic != protocol.TopicControl && l.Count != l.Head {
			f.t.Errorf("node %d: log of %s on %s holds %d of %d records", m.Number, l.Org, l.Topic, l.Count, l.Head)
		}
	}
}

// Delivered reports whether every node holds every published record.
func (f *Fleet) Delivered() bool {
	for _, m := range f.Members {
		for _, p := range f.published {
			if !m.Store.Has(p.ID) {
				return false
			}
		}
	}
	return true
}

// WaitFor lets virtual time pass until done, at most limit; it reports how long it took.
func (f *Fleet) WaitFor(limit time.Duration, what string, done func() bool) time.Duration {
	f.t.Helper()
	start := time.Now()
	for !done() {
		if time.Since(start) > limit {
			f.t.Errorf("after %v still not: %s", limit, what)
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	return time.Since(start)
}

// Peer finds what node i knows of a peer.
func (f *Fleet) Peer(i int, id string) (p2p.PeerInfo, bool) {
	for _, p := range f.Members[i].Host.Peers() {
		if p.ID == id {
			return p, true
		}
	}
	return p2p.PeerInfo{}, false
}
