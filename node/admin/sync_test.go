package admin

import (
	"context"
	"testing"
	"time"

	"tocsin/node/admin/api"
	"tocsin/node/catchup"
	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/storage"
)

// syncBench is a bench with a catch-up that says what it is told to. The node of the other organisation is peer A; B is nobody's.
func syncBench(t *testing.T) (b *bench, c *api.Client, fake *fakeCatchUp) {
	b = newBench(t)
	b.mesh.peers = []PeerInfo{{ID: peerA, Org: b.other.Org, OrgKnown: true, Connected: true}, {ID: peerB, Connected: true}}
	_, err := b.client.AddTrust(t.Context(), api.TrustEntry{Org: b.other.Org.String(), Petname: "other", Level: "observed", Expires: time.Now().AddDate(0, 1, 0).Format(time.DateOnly)})
	ok(t, err)
	fake = &fakeCatchUp{}
	b.deps.CatchUp = &CatchUp{
		Status:  func() catchup.Status { return fake.status },
		Now:     func(_ context.Context, peer string) error { fake.asked = append(fake.asked, peer); return fake.fail },
		Digests: func(context.Context, int) []catchup.Comparison { return fake.digests },
	}
	return b, serve(t, b.deps), fake
}

type fakeCatchUp struct {
	status  catchup.Status
	digests []catchup.Comparison
	asked   []string
	fail    error
}

// TestSyncNoRoom: where nothing can be stored, nobody is told that nothing is missing.
func TestSyncNoRoom(t *testing.T) {
	b, _, fake := syncBench(t)
	full, err := storage.Open("", storage.Options{Memory: true, Guard: func() (bool, error) { return true, reason.New(reason.StoreFull, "no room") }})
	ok(t, err)
	defer full.Close()
	b.deps.Store = full
	_, err = serve(t, b.deps).SyncNow(t.Context(), "")
	refused(t, err, reason.StoreFull)
	if len(fake.asked) != 0 {
		t.Errorf("asked %v", fake.asked)
	}
}

func TestSync(t *testing.T) {
	b, c, fake := syncBench(t)
	s, err := c.Sync(t.Context())
	ok(t, err)
	if s.Peers == nil || s.Last != nil || !s.CaughtUp.IsZero() {
		t.Errorf("before the first round: %+v", s)
	}
	started := b.deps.Self.Started
	fake.status = catchup.Status{
		CaughtUp: started, Behind: 63, Objects: 1240, Progress: catchup.Progress{Fetched: 10, FetchedObjects: 100, Rate: 12.5, Remaining: 90 * time.Second}, Equal: 2, Asked: 3, Repaired: 7, Refused: 4,
		Peers: []catchup.PeerStatus{{ID: peerA, Last: started, Received: 5, ReceivedBytes: 999, Equal: true}, {ID: peerB, Unsupported: true, Error: "no"}},
		Last:  &catchup.Gap{From: started.Add(-2 * time.Hour), Until: started.Add(-time.Hour), Records: 9, Objects: 90, Took: 40 * time.Second, Sources: []string{peerA, peerB}, Done: true},
	}
	s, err = c.Sync(t.Context())
	ok(t, err)
	if s.Behind != 63 || s.BehindObjects != 1240 || s.Remaining != 90 || s.Rate != 12.5 || s.Equal != 2 || s.Asked != 3 || s.Refused != 4 || s.Gaps != 0 || s.Connected != 2 {
		t.Errorf("status %+v", s)
	}
	if p := s.Peers[0]; p.Petname != "other" || p.Org != b.other.Org.String() || p.Received != 5 || !p.Equal {
		t.Errorf("peer A %+v", p)
	}
	if p := s.Peers[1]; p.Petname != "" || p.Org != "" || !p.Unsupported || p.Error != "no" {
		t.Errorf("peer B %+v", p)
	}
	if g := s.Last; !g.Off || !g.Done || g.Took != 40 || len(g.Sources) != 2 || g.Sources[0].Petname != "other" {
		t.Errorf("gap %+v", g)
	}
	fake.status.Last.Until = started.Add(time.Second) // it went on while the node ran
	st, err := c.Status(t.Context())
	ok(t, err)
	if st.Sync == nil || st.Sync.Behind != 63 || st.Sync.Sources != 2 || st.Sync.Took != 40 {
		t.Errorf("in the status: %+v", st.Sync)
	}
	if s, err = c.Sync(t.Context()); err != nil || s.Last.Off {
		t.Errorf("a gap of a running node: %+v, %v", s.Last, err)
	}
}

// A round is asked of a peer by its id, the beginning of it, or its organisation; errors come back.
func TestSyncNow(t *testing.T) {
	b, c, fake := syncBench(t)
	for text, want := range map[string]string{"": "", peerB: peerB, peerB[:12]: peerB, "other": peerA, b.other.Org.String(): peerA} {
		fake.asked = nil
		_, err := c.SyncNow(t.Context(), text)
		ok(t, err)
		if len(fake.asked) != 1 || fake.asked[0] != want {
			t.Errorf("%q: asked %q, want %q", text, fake.asked, want)
		}
	}
	if got := b.entries("sync.now"); len(got) != 5 {
		t.Errorf("in the audit log: %+v", got)
	}
	fake.asked = nil
	_, err := c.SyncNow(t.Context(), "nobody")
	refused(t, err, reason.NotFound)
	_, err = c.SyncNow(t.Context(), "12D3KooW")
	refused(t, err, reason.Ambiguous)
	_, err = c.SyncNow(t.Context(), "Own CERT") // ours, and not connected to itself
	refused(t, err, reason.PeerDial)
	if len(fake.asked) != 0 {
		t.Errorf("asked %q all the same", fake.asked)
	}
	fake.fail = reason.New(reason.PeerUnsupported, "ask "+peerA)
	_, err = c.SyncNow(t.Context(), "other")
	refused(t, err, reason.PeerUnsupported)
}

func TestSyncGaps(t *testing.T) {
	b, c, _ := syncBench(t)
	var records []*protocol.Record
	for n := range 5 {
		records = append(records, b.other.record(t, "fraud", indicator(n+1, "evil.example")))
	}
	for _, n := range []int{0, 3, 4} {
		b.receive(records[n])
	}
	list, err := c.SyncGaps(t.Context(), 100, false)
	ok(t, err)
	if len(list.Items) != 1 {
		t.Fatalf("gaps %+v", list.Items)
	}
	if g := list.Items[0]; g.From != 2 || g.To != 3 || g.Head != 5 || g.Petname != "other" || g.Topic != "fraud" || g.At.IsZero() {
		t.Errorf("gap %+v", g)
	}
	s, err := c.Sync(t.Context())
	ok(t, err)
	if s.Gaps != 1 || s.Missing != 2 {
		t.Errorf("%d gaps, %d missing", s.Gaps, s.Missing)
	}
	list, err = c.SyncGaps(t.Context(), 100, true)
	ok(t, err)
	if len(list.Items) != 1 || list.Items[0].Head != 5 || list.Items[0].From != 0 {
		t.Errorf("logs %+v", list.Items)
	}
	list, err = c.SyncGaps(t.Context(), 0, false) // all of them
	ok(t, err)
	if len(list.Items) != 1 {
		t.Errorf("runs %+v", list.Items)
	}
}

func TestSyncVerify(t *testing.T) {
	_, c, fake := syncBench(t)
	fake.digests = []catchup.Comparison{{Topic: protocol.TopicControl, Records: 7, Digest: protocol.Digest{1}, Peers: []catchup.PeerDigest{
		{ID: peerA, Records: 7, Digest: protocol.Digest{1}},
		{ID: peerB, Records: 8, Digest: protocol.Digest{1}},
		{ID: "12D3KooWGone", Records: 7, Digest: protocol.Digest{1}, Error: "timed out"},
	}}}
	list, err := c.SyncVerify(t.Context(), 3)
	ok(t, err)
	d := list.Items[0]
	if d.Topic != "control" || d.Records != 7 || d.Digest != (protocol.Digest{1}).String() || d.Equal != 1 {
		t.Errorf("digest %+v", d)
	}
	if p := d.Peers; !p[0].Equal || p[0].Petname != "other" || p[1].Equal || p[2].Equal || p[2].Digest != "" || p[2].Error != "timed out" {
		t.Errorf("peers %+v", p)
	}
	_, err = c.SyncVerify(t.Context(), 65)
	refused(t, err, reason.UsageInvalid)
}
