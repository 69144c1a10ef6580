package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"tocsin/node/admin/api"
	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// topics are what the load is spread over.
var topics = [...]string{"malicious-code", "fraud"}

// load publishes and remembers what it offered and what was acknowledged. No object is offered twice.
type load struct {
	tag uint32 // in every object id, so that loads of one run do not meet

	mu      sync.Mutex                   // guards what follows
	next    uint64                       // the next object's number
	offered map[string]bool              // object ids that were sent
	acked   map[protocol.RecordID]string // records that were acknowledged, with their topic
	recent  []protocol.RecordID          // those acknowledged since taken
	refused error                        // why the last publication that was answered was not taken
}

func newLoad(tag uint32) *load {
	return &load{tag: tag, offered: map[string]bool{}, acked: map[protocol.RecordID]string{}}
}

// bundle makes n indicators that nobody has seen.
func (l *load) bundle(n int) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now().UTC().Format("2006-01-02T15:04:05.000Z")
	objects := make([]map[string]any, n)
	for i := range objects {
		l.next++
		id := fmt.Sprintf("indicator--%08x-0000-4000-8000-%012x", l.tag, l.next)
		l.offered[id] = true
		objects[i] = map[string]any{
			"type": "indicator", "spec_version": "2.1", "id": id, "created": now, "modified": now, "valid_from": now, "pattern_type": "stix",
			"pattern": fmt.Sprintf("[ipv4-addr:value = '%d.%d.%d.%d']", 11+l.next>>24&0x3f, l.next>>16&0xff, l.next>>8&0xff, l.next&0xff),
		}
	}
	raw, err := json.Marshal(map[string]any{
		"type": "bundle", "id": fmt.Sprintf("bundle--%08x-0000-4000-8000-%012x", l.tag, l.next), "objects": objects,
	})
	if err != nil {
		panic(err) // maps of strings
	}
	return raw
}

// publish offers n objects in one call and notes the answer.
func (l *load) publish(ctx context.Context, c *api.Client, topic string, n int) (records int, err error) {
	raw := l.bundle(n)
	res, err := c.Publish(ctx, api.PublishParams{Topic: topic, TLP: "green", Confidence: -1}, bytes.NewReader(raw), int64(len(raw)), nil)
	if err != nil {
		return 0, err
	}
	if res.Objects != n {
		return 0, fmt.Errorf("of %d objects %d went out: %+v", n, res.Objects, res.Skipped)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, text := range res.Records {
		id, err := protocol.ParseRecordID(text)
		if err != nil {
			return 0, err
		}
		l.acked[id] = topic
		l.recent = append(l.recent, id)
	}
	return len(res.Records), nil
}

// pump publishes from several callers at once until the node does not answer any more or ctx ends, and returns
// when all have stopped. pause is between the calls of one caller.
func (l *load) pump(ctx context.Context, c *api.Client, callers int, pause time.Duration) {
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() {
			for n := i; ctx.Err() == nil; n++ {
				if _, err := l.publish(ctx, c, topics[n%len(topics)], 1+n%7); err != nil {
					l.note(err)
					return
				}
				if pause > 0 {
					wait(ctx, pause)
				}
			}
		})
	}
	all.Wait()
}

// note keeps an error that is an answer: that a node is gone is what rigs are about.
func (l *load) note(err error) {
	if p, ok := errors.AsType[*api.Problem](err); ok && (p.Code == string(reason.NodeNotFound) || p.Code == string(reason.Interrupted)) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refused = err
}

// take returns what was acknowledged since it was called last.
func (l *load) take() []protocol.RecordID {
	l.mu.Lock()
	defer l.mu.Unlock()
	got := l.recent
	l.recent = nil
	return got
}

// awaitMore waits until n more records are acknowledged, at most limit: a slow disk must not make cycles in which nothing happens.
func (l *load) awaitMore(ctx context.Context, n int, limit time.Duration) {
	for end, want := time.Now().Add(limit), l.acknowledged()+n; l.acknowledged() < want && time.Now().Before(end) && ctx.Err() == nil; {
		wait(ctx, time.Millisecond)
	}
}

// acknowledged counts the records.
func (l *load) acknowledged() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.acked)
}

// snapshot copies what was acknowledged so far.
func (l *load) snapshot() map[protocol.RecordID]string {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make(map[protocol.RecordID]string, len(l.acked))
	maps.Copy(out, l.acked)
	return out
}

// snapshotIDs lists what was acknowledged so far.
func (l *load) snapshotIDs() []protocol.RecordID {
	return slices.Collect(maps.Keys(l.snapshot()))
}
