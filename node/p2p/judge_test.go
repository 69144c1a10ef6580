package p2p

import (
	"crypto/rand"
	"testing"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/peer"

	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/protocol/trust"
)

// TestScoreInvariant: nobody can earn enough to afford one invalid message (NET-09).
func TestScoreInvariant(t *testing.T) {
	best := 0.0
	for l := trust.Blocked; l <= trust.Own; l++ {
		best = max(best, appScore(l))
	}
	best = best*scoreParams(func(peer.ID) float64 { return 0 }).AppSpecificWeight + topicScoreCap
	p := topicScoreParams()
	if penalty := -p.TopicWeight * p.InvalidMessageDeliveriesWeight; best >= penalty {
		t.Errorf("a peer can earn %.0f, an invalid message costs %.0f", best, penalty)
	}
	// Out of the mesh at the first, graylisted at the fourth, whatever was earned in topics.
	at := func(n float64) float64 { return p.TopicWeight * p.InvalidMessageDeliveriesWeight * n * n }
	g := scoreThresholds().GraylistThreshold
	if at(4)+best >= g || at(3) <= g {
		t.Errorf("graylist threshold %.0f does not lie between the third and the fourth invalid message", g)
	}
	if appScore(trust.Blocked)+topicScoreCap >= g {
		t.Error("a blocked organisation's peer is not graylisted")
	}
	one := p.TimeInMeshWeight * p.TimeInMeshCap
	if one < 0.9 || one > 1.1 {
		t.Errorf("an hour in the mesh earns %.2f, want 1", one)
	}
}

// TestMessageID: any changed bit and any other topic gives another id (NET-04).
func TestMessageID(t *testing.T) {
	id := func(topic string, data []byte) string { return messageID(&pb.Message{Topic: &topic, Data: data}) }
	data := []byte("a record")
	seen := map[string]bool{id("t", data): true}
	for bit := range len(data) * 8 {
		other := append([]byte(nil), data...)
		other[bit/8] ^= 1 << (bit % 8)
		seen[id("t", other)] = true
	}
	seen[id("ta", data[1:])] = true // no ambiguity between topic and data
	seen[id("t2", data)] = true
	if len(seen) != len(data)*8+3 {
		t.Errorf("%d distinct ids, want %d", len(seen), len(data)*8+3)
	}
	for s := range seen {
		if len(s) != 20 {
			t.Fatalf("id of %d bytes", len(s))
		}
	}
}

// TestVerdicts: each of our verdicts in pubsub's words.
func TestVerdicts(t *testing.T) {
	for v, want := range map[protocol.Verdict]pubsub.ValidationResult{
		protocol.Accept: pubsub.ValidationAccept, protocol.Ignore: pubsub.ValidationIgnore,
		protocol.Reject: pubsub.ValidationReject, protocol.Verdict(99): pubsub.ValidationIgnore,
	} {
		if got := validationResult(v); got != want {
			t.Errorf("verdict %d: %v, want %v", v, got, want)
		}
	}
}

// bench is a judge with its node, outside any network.
func newTestJudge(t testing.TB, authors ...*author) (*testNode, *judge) {
	_, id := newTransportKey(t)
	n := newNode(t, id)
	for _, a := range authors {
		n.deps().AddStatements(a.Statements...)
	}
	deps := n.deps()
	return n, newJudge(&deps)
}

// TestForwarderBudget: the neighbour pays before the signature, for junk too (NET-10, NET-11).
func TestForwarderBudget(t *testing.T) {
	a := newAuthor(t)
	_, j := newTestJudge(t, a)
	fraud, now := topic(t, "fraud"), time.Now()
	junk := make([]byte, 32<<10)
	_, _ = rand.Read(junk)
	n := 0
	for ; n < 10_000; n++ {
		_, err := j.check(fraud, "evil", false, junk, now)
		if reason.Of(err) == reason.RateForwarder {
			break
		}
	}
	if want := forwarderUnlisted.burst / len(junk); n != want {
		t.Errorf("%d messages of junk were looked at, want %d", n, want)
	}
	if _, err := j.check(fraud, "evil", false, a.sign(t, fraud, 100).Raw(), now); reason.Of(err) != reason.RateForwarder {
		t.Errorf("over budget: %v", err)
	}
	if protocol.VerdictOf(reason.New(reason.RateForwarder, "")) != protocol.Ignore {
		t.Error("over budget is punished")
	}
	// Another forwarder and, after a second, the same one are listened to.
	if _, err := j.check(fraud, "good", false, a.sign(t, fraud, 100).Raw(), now); err != nil {
		t.Errorf("another forwarder: %v", err)
	}
	if _, err := j.check(fraud, "evil", false, a.sign(t, fraud, 100).Raw(), now.Add(time.Second)); err != nil {
		t.Errorf("after a second: %v", err)
	}
}

// TestSizes: at the gossip limit and one above (NET-05).
func TestSizes(t *testing.T) {
	_, j := newTestJudge(t)
	raw := make([]byte, protocol.MaxGossipBytes+1)
	if _, err := j.check(topic(t, "fraud"), "p", true, raw, time.Now()); reason.Of(err) != reason.WireSize {
		t.Errorf("%d bytes: %v", len(raw), err)
	}
	if _, err := j.check(topic(t, "fraud"), "p", true, raw[1:], time.Now()); reason.Of(err) == reason.WireSize {
		t.Errorf("%d bytes: %v", len(raw)-1, err)
	}
}

// accepted counts how many of a's records of size bytes a judge takes at one moment.
func accepted(t *testing.T, j *judge, a *author, from peer.ID, on protocol.Topic, size, most int, now time.Time) int {
	t.Helper()
	for n := range most {
		_, err := j.check(on, from, true, a.sign(t, on, size).Raw(), now)
		if err == nil {
			continue
		}
		if reason.Of(err) != reason.RatePublisher {
			t.Fatalf("record %d: %v", n, err)
		}
		return n
	}
	return most
}

// TestPublisherBudgets: each level has its own; strangers share a pool, and one
// forwarder cannot drain it (NET-10, NET-12).
func TestPublisherBudgets(t *testing.T) {
	fraud := topic(t, "fraud")
	const size = 32 << 10
	now := time.Now() // one moment for all: nothing refills
	a, b := newAuthor(t), newAuthor(t)
	n, j := newTestJudge(t, a, b)
	within := func(what string, got int, bytes int) {
		t.Helper()
		if want := bytes / (size + 500); got < want*95/100 || got > want*105/100+2 {
			t.Errorf("%s: %d records taken, want about %d", what, got, want)
		}
	}
	within("stranger", accepted(t, j, a, "f1", fraud, size, 4000, now), publisherUnknown.burst)
	n.list(a, trust.Observed)
	within("observed", accepted(t, j, a, "f1", fraud, size, 4000, now), publisherObserved.burst)
	within("another stranger", accepted(t, j, b, "f1", fraud, size, 4000, now), publisherUnknown.burst)
	// f1 has used up its share of the strangers' pool; f2 has not.
	c := newAuthor(t)
	n.deps().AddStatements(c.Statements...)
	if got := accepted(t, j, c, "f1", fraud, size, 4000, now); got > 2 {
		t.Errorf("a third stranger behind the same forwarder: %d records", got)
	}
	within("the third stranger elsewhere", accepted(t, j, c, "f2", fraud, size, 4000, now), publisherUnknown.burst-2*size)
}

// TestControlBudgets: a listed organisation's own bucket, one for all strangers (NET-13).
func TestControlBudgets(t *testing.T) {
	listed, stranger, other := newAuthor(t), newAuthor(t), newAuthor(t)
	n, j := newTestJudge(t, listed, stranger, other)
	n.list(listed, trust.Partner)
	now := time.Now() // one moment for all: nothing refills
	take := func(a *author) int {
		for i := range 1000 {
			r := a.append(t, protocol.Draft{Topic: protocol.TopicControl, Kind: protocol.KindIdentity, Statements: a.Statements})
			if !j.chargePublisher(r, n.levels[a.Org], peer.ID(rune(i)), now) {
				return i
			}
		}
		return 1000
	}
	if got := take(stranger) + take(other); got != controlStrangers.burst {
		t.Errorf("strangers together: %d records, want %d", got, controlStrangers.burst)
	}
	if got := take(listed); got != controlListed.burst {
		t.Errorf("listed: %d records after the strangers' flood, want %d", got, controlListed.burst)
	}
}

// TestVictimKeepsBudget: forged records in somebody's name and replays of genuine ones
// do not touch its budget (NET-11).
func TestVictimKeepsBudget(t *testing.T) {
	victim := newAuthor(t)
	n, j := newTestJudge(t, victim)
	fraud := topic(t, "fraud")
	genuine := victim.sign(t, fraud, 40<<10)
	forged := append([]byte(nil), genuine.Raw()...)
	forged[len(forged)-genuine.Header().BodyLength-1] ^= 1
	n.held[genuine.ID()] = Incoming{}
	now := time.Now()
	for range publisherUnknown.burst/(40<<10) + 10 {
		if _, err := j.check(fraud, "evil", true, forged, now); reason.Of(err) != reason.SigInvalid {
			t.Fatalf("forged: %v", err)
		}
		if _, err := j.check(fraud, "evil", true, genuine.Raw(), now); reason.Of(err) != reason.DupHeld {
			t.Fatalf("replayed: %v", err)
		}
	}
	if _, err := j.check(fraud, "good", true, victim.sign(t, fraud, 40<<10).Raw(), now); err != nil {
		t.Errorf("the victim's own record: %v", err)
	}
}

// TestMark: an accepted record is known at once, before the store has it; another one
// at its place is a fork; what was refused leaves no mark (NET-08).
func TestMark(t *testing.T) {
	a := newAuthor(t)
	_, j := newTestJudge(t, a)
	fraud := topic(t, "fraud")
	first := a.sign(t, fraud, 100)
	second := a.append(t, protocol.Draft{ // a clone of the key starts again at 1
		Topic: fraud, Kind: protocol.KindObjects, Sequence: 1, Objects: [][]byte{[]byte(`{"type":"note"}`)},
	})
	var seconds []protocol.RecordID
	j.deps.Second = func(r *protocol.Record) { seconds = append(seconds, r.ID()) }
	bad := append([]byte(nil), second.Raw()...)
	bad[len(bad)-1] ^= 1
	if _, err := j.check(fraud, "p", false, bad, time.Now()); reason.Of(err) != reason.BodyHash {
		t.Fatalf("flipped body: %v", err)
	}
	if _, err := j.check(fraud, "p", false, first.Raw(), time.Now()); err != nil {
		t.Fatal(err)
	}
	if _, err := j.check(fraud, "p", false, first.Raw(), time.Now()); reason.Of(err) != reason.DupHeld {
		t.Errorf("again: %v", err)
	}
	if _, err := j.check(fraud, "p", false, second.Raw(), time.Now()); reason.Of(err) != reason.LogFork {
		t.Errorf("fork: %v", err)
	}
	if len(seconds) != 1 || seconds[0] != second.ID() {
		t.Errorf("shown as second: %v, want the verified record alone", seconds)
	}
}

// A second record at a place is charged to its publisher before anybody makes a proof of it:
// forks of strangers share the budget of strangers (NET-11).
func TestSecondsArePaidFor(t *testing.T) {
	a := newAuthor(t)
	_, j := newTestJudge(t, a)
	j.deps.Level = func(protocol.OrgID) trust.Level { return trust.Unknown }
	j.deps.Known = func(*protocol.Record) error { return reason.New(reason.LogFork, "another stands there") }
	seconds := 0
	j.deps.Second = func(*protocol.Record) { seconds++ }
	fraud, now := topic(t, "fraud"), time.Now()
	refused := false
	for range 1000 {
		_, err := j.check(fraud, "p", true, a.sign(t, fraud, 30<<10).Raw(), now)
		if refused = reason.Of(err) == reason.RatePublisher || reason.Of(err) == reason.RateForwarder; refused {
			break
		}
		if reason.Of(err) != reason.LogFork {
			t.Fatal(err)
		}
	}
	if paid := strangersForwarder.burst / (30 << 10); !refused || seconds > paid || seconds == 0 {
		t.Errorf("%d seconds were handed on, paid for are %d; refused at last: %v", seconds, paid, refused)
	}
}

// TestSkew: clocks that differ make records ignored, never rejected (NET-08).
func TestSkew(t *testing.T) {
	a := newAuthor(t)
	_, j := newTestJudge(t, a)
	fraud := topic(t, "fraud")
	for _, off := range []time.Duration{-24 * time.Hour, -11 * time.Minute, 11 * time.Minute, 24*time.Hour + time.Minute, 40 * 24 * time.Hour} {
		_, err := j.check(fraud, "p", false, a.sign(t, fraud, 100).Raw(), time.Now().Add(off))
		if protocol.VerdictOf(err) == protocol.Reject {
			t.Errorf("a clock off by %v rejects: %v", off, err)
		}
	}
}

func BenchmarkJudge(b *testing.B) {
	a := newAuthor(b)
	n, j := newTestJudge(b, a)
	n.list(a, trust.Anchor)
	fraud := topic(b, "fraud")
	records := make([][]byte, 64)
	for i := range records {
		records[i] = a.sign(b, fraud, 16<<10).Raw()
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if i%len(records) == 0 {
			j.recent = newRecentSet[logPlace, protocol.RecordID](maxRecent)
			j.publishers, j.forwarders = newBuckets[publisherKey](), newBuckets[forwarderKey]()
		}
		if _, err := j.check(fraud, "p", true, records[i%len(records)], time.Now()); err != nil {
			b.Fatal(err)
		}
	}
}

// TestWhoCounts: a slow stranger is waited for only by a node that has nobody listed.
func TestWhoCounts(t *testing.T) {
	_, self := newTransportKey(t)
	deps := newNode(t, self).deps()
	table := newPeerTable(&deps)
	table.arrived("stranger")
	if !table.anyCounts([]peer.ID{"stranger"}) {
		t.Error("the only neighbour is not waited for")
	}
	table.keep(peer.AddrInfo{ID: "kept"})
	if !table.anyCounts([]peer.ID{"stranger"}) {
		t.Error("a kept peer that is away makes strangers count for nothing")
	}
	table.arrived("kept")
	if table.anyCounts([]peer.ID{"stranger"}) || !table.anyCounts([]peer.ID{"stranger", "kept"}) {
		t.Error("with a kept peer connected, a stranger is waited for or the kept one is not")
	}
}
