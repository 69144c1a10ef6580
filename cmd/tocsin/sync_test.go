package main

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tocsin/node/admin/api"
	"tocsin/node/figures"
)

func peerNamed(id, petname string) api.PeerCalled { return api.PeerCalled{ID: id, Petname: petname} }

// The sentences of sync status, in each state there is.
func TestSyncSentences(t *testing.T) {
	today := time.Date(2000, 1, 1, 12, 4, 40, 0, time.UTC) // it is this day in each bubble
	gap := &api.SyncGap{From: today.Add(-172 * time.Minute), Until: today.Add(-137 * time.Minute), Objects: 1240, Records: 63, Took: 40.2, Done: true, Off: true,
		Sources: []api.PeerCalled{peerNamed("1", "cert-pt"), peerNamed("2", "ke-cirt")}}
	open := *gap
	open.Done, open.Off = false, false
	for _, c := range []struct {
		name string
		sync api.Sync
		want string
	}{
		{"a fresh node", api.Sync{}, "Not compared with any peer yet.  No gap since the start.  Open gaps: none."},
		{"caught up", api.Sync{CaughtUp: today, Equal: 3, Asked: 3, Connected: 3, Last: gap},
			"Caught up to 12:04:40Z, verified against 3 peers.  Last gap 09:12:40Z–09:47:40Z (node was off): 1,240 objects in 63 records, filled from cert-pt, ke-cirt in 40 s.  Open gaps: none."},
		{"nobody is there", api.Sync{CaughtUp: today}, "Caught up to 12:04:40Z; no peer is connected now.  No gap since the start.  Open gaps: none."},
		{"one differs, something stays open", api.Sync{CaughtUp: today, Equal: 2, Asked: 3, Connected: 1, Gaps: 1, Missing: 12345},
			"Caught up to 12:04:40Z, verified against 2 of 3 peers.  No gap since the start.  Open gaps: 12,345 records in 1 run of key logs."},
		{"behind", api.Sync{Behind: 63, BehindObjects: 1240, Remaining: 130, Equal: 3, Asked: 3, Connected: 3, Last: &open},
			"Behind about 1,240 objects (63 records), 2 min left, verified against 3 peers.  Last gap 09:12:40Z–09:47:40Z: 1,240 objects in 63 records so far, being filled.  Open gaps: none."},
		{"behind, and nobody knows how long", api.Sync{Behind: 1, BehindObjects: 1, Asked: 1, Connected: 1},
			"Behind about 1 object (1 record); the last comparison came to its end with 0 of 1 peer.  No gap since the start.  Open gaps: none."},
		{"a peer hung, then went", api.Sync{CaughtUp: today, Asked: 1},
			"Caught up to 12:04:40Z; the last comparison came to its end with 0 of 1 peer; no peer is connected now.  No gap since the start.  Open gaps: none."},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var out bytes.Buffer
				g := &globals{utc: true, quiet: true, format: "text", color: "never", streams: streams{out: &out, err: &bytes.Buffer{}}}
				g.showSync(&out, &c.sync)
				if got := strings.TrimSpace(out.String()); got != c.want {
					t.Errorf("got  %s\nwant %s", got, c.want)
				}
			})
		})
	}
}

func TestSyncLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		g := &globals{utc: true}
		for want, s := range map[string]api.SyncBrief{
			"to 1 min ago · the last comparison came to its end with 0 of 1 peer":        {CaughtUp: now.Add(-80 * time.Second), Asked: 1},
			"not compared with any peer yet":                                             {},
			"to 1 min ago · 3 of 3 peers equal":                                          {CaughtUp: now.Add(-80 * time.Second), Equal: 3, Asked: 3},
			"no · behind about 1,240 objects, 2 min left, 3 of 3 peers equal":            {Behind: 63, BehindObjects: 1240, Remaining: 150, Equal: 3, Asked: 3},
			"to now · 1 of 1 peer equal · last gap 2 d ago, filled from 3 peers in 40 s": {CaughtUp: now, Equal: 1, Asked: 1, Gap: now.Add(-49 * time.Hour), Sources: 3, Took: 40},
		} {
			if got := g.syncLine(&s, 1); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		}
		if got, want := g.syncLine(&api.SyncBrief{CaughtUp: now.Add(-33 * time.Second), Asked: 1}, 0), "to 33 s ago · no peer is connected now"; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
}

// Each peer of a comparison is in one list: equal everywhere, different somewhere, or silent.
func TestCompared(t *testing.T) {
	digest := func(id string, equal bool, err string) api.PeerDigest {
		return api.PeerDigest{PeerCalled: peerNamed(id, ""), Equal: equal, Records: 7, Error: err}
	}
	equal, differ, silent := compared([]api.SyncDigest{
		{Topic: "control", Records: 7, Peers: []api.PeerDigest{digest("a", true, ""), digest("b", true, ""), digest("c", false, "timed out"), digest("d", true, "")}},
		{Topic: "fraud", Records: 8, Peers: []api.PeerDigest{digest("a", true, ""), digest("b", false, ""), digest("c", false, "timed out"), digest("d", false, "not on this topic")}},
	})
	if got := strings.Join(equal, ";"); got != "a;d (where it answered)" {
		t.Errorf("equal %s", got)
	}
	if got := strings.Join(differ, ";"); got != "b (fraud 7 there, 8 here)" {
		t.Errorf("differ %s", got)
	}
	if got := strings.Join(silent, ";"); got != "c (timed out)" {
		t.Errorf("silent %s", got)
	}
}

func TestGrouped(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1000: "-1,000", -100: "-100"} {
		if got := figures.Grouped(n); got != want {
			t.Errorf("%d is %s, want %s", n, got, want)
		}
	}
}
