package intake

import (
	"context"
	"crypto/rand"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"tocsin/node/breaker"
	"tocsin/node/standing"
	"tocsin/node/warnings"
	"tocsin/protocol"
	"tocsin/protocol/pattern"
	"tocsin/protocol/protocoltest"
	"tocsin/protocol/reason"
	"tocsin/protocol/trust"
	"tocsin/storage"
)

// guarded gives a pipeline the built-in warning lists and circuit breakers.
func guarded(t *testing.T) func(*Deps) {
	return func(d *Deps) {
		w, err := warnings.Open(filepath.Join(t.TempDir(), "none"))
		check(t, err)
		d.Warnings = w
		d.Breakers = breaker.Open(filepath.Join(t.TempDir(), "breakers.json"), d.Standing, nil)
	}
}

func (d *desktop) receive(r *protocol.Record) Outcome {
	d.t.Helper()
	out, err := d.Receive(context.Background(), r, "peer")
	check(d.t, err)
	return out
}

func (d *desktop) fate(id protocol.RecordID) (storage.State, reason.Code) {
	d.t.Helper()
	_, state, err := d.d.Store.Record(id)
	check(d.t, err)
	if state != storage.Held {
		return state, ""
	}
	page, _, err := d.d.Store.QuarantineWhere(storage.HeldFilter{Record: id}, storage.Ref{}, 1)
	check(d.t, err)
	if len(page) == 0 {
		return state, ""
	}
	return state, page[0].RecordReason
}

func topicOf(t *testing.T, name string) protocol.Topic {
	t.Helper()
	on, err := protocol.ParseTopic(name)
	check(t, err)
	return on
}

// TestDoesNotStand: what does not stand is held whole with that reason, even from an
// anchor; this node does not make such a record at all.
func TestDoesNotStand(t *testing.T) {
	tests := map[string]struct {
		void  func(d *desktop)
		why   reason.Code
		local bool // this node may go on
	}{
		"rolled back": {func(d *desktop) {
			check(d.t, d.d.Standing.RollBack(standing.Rollback{Org: d.author.Org, Key: d.author.Key.Public().ID(), After: 1}))
		}, reason.KeyRolledBack, false},
		"forked": {func(d *desktop) {
			_, err := d.d.Standing.Forked(&protocol.ForkProof{Org: d.author.Org, Key: d.author.Key.Public().ID(), Topic: topicOf(d.t, "malicious-code"), Sequence: 2}, time.Now())
			check(d.t, err)
		}, reason.LogFork, false},
		"tripped, whatever time the record claims": {func(d *desktop) {
			_, err := d.d.Standing.Trip(standing.Trip{Org: d.author.Org, Topic: "malicious-code", At: time.Now().Add(time.Hour)})
			check(d.t, err)
		}, reason.OrgTripped, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			d := newDesktop(t, trust.Anchor)
			before := d.record(protocol.Draft{}, indicator(1, "[domain-name:value = 'a.example']"))
			d.receive(before)
			tt.void(d)
			after := d.record(protocol.Draft{}, indicator(2, "[domain-name:value = 'b.example']"))
			if out := d.receive(after); out.State != storage.Held || out.Held != 1 || out.Accepted != 0 {
				t.Errorf("outcome %+v", out)
			}
			if state, why := d.fate(after.ID()); state != storage.Held || why != tt.why {
				t.Errorf("%v %q, want held %q", state, why, tt.why)
			}
			if state, _ := d.fate(before.ID()); state != storage.Accepted {
				t.Errorf("what came before is %v", state)
			}
			err := d.Release(context.Background(), storage.Ref{Record: after.ID(), Index: -1}, "I want it")
			if reason.Of(err) != tt.why {
				t.Errorf("released on a person's word: %v", err)
			}
			own := d.record(protocol.Draft{}, indicator(3, "[domain-name:value = 'c.example']"))
			_, err = d.Receive(context.Background(), own, Local)
			if tt.local != (err == nil) || err != nil && (reason.Of(err) != tt.why || d.d.Store.Has(own.ID())) {
				t.Errorf("made here: %v, stored %v", err, d.d.Store.Has(own.ID()))
			}
		})
	}
}

// TestSettle: when the standing changes while a record is under way, it ends held
// all the same.
func TestSettle(t *testing.T) {
	d := newDesktop(t, trust.Anchor)
	r := d.record(protocol.Draft{}, indicator(1, "[domain-name:value = 'a.example']"))
	version := d.d.Standing.Version()
	v, err := d.decide(r, trust.Anchor, "peer")
	check(t, err)
	check(t, d.store(context.Background(), v.entry, trust.Anchor))
	check(t, d.d.Standing.RollBack(standing.Rollback{Org: r.Org(), Key: r.Key()}))
	check(t, d.settle(context.Background(), r, &v, version, "peer"))
	if state, why := d.fate(r.ID()); state != storage.Held || why != reason.KeyRolledBack || v.State != storage.Held || v.Held != 1 || v.Accepted != 0 {
		t.Errorf("%v %q, outcome %+v", state, why, v.Outcome)
	}
}

// TestWarned: what an object by itself calls bad and a hard list names is held alone,
// own objects too; whoever takes it back or calls it harmless is heard.
func TestWarned(t *testing.T) {
	d := newDesktop(t, trust.Partner, guarded(t))
	objects := []struct {
		text string
		why  reason.Code
	}{
		{indicator(1, "[ipv4-addr:value = '8.8.8.8']"), reason.WarnHard},
		{indicator(2, "[ipv4-addr:value = '203.0.114.7']"), ""},
		{indicator(3, "[ipv4-addr:value = '203.0.114.7' OR ipv4-addr:value = '8.8.8.8']"), reason.WarnHard},
		{indicator(4, "[ipv4-addr:value = '8.8.8.8' AND domain-name:value = 'bad-name.net']"), ""},
		{indicator(5, "[ipv4-addr:value = '8.8.8.8']", `"pattern"`, `"revoked":true,"pattern"`), ""},
		{indicator(6, "[ipv4-addr:value = '8.8.8.8']", `"pattern"`, `"indicator_types":["benign"],"pattern"`), ""},
		{`{"type":"ipv4-addr","spec_version":"2.1","id":"ipv4-addr--ff26c055-6336-5bc5-b98d-13d6226742dd","value":"8.8.8.8"}`, ""},
	}
	var texts []string
	for _, o := range objects {
		texts = append(texts, o.text)
	}
	for _, from := range []string{"peer", Local} {
		r := d.record(protocol.Draft{}, texts...)
		out, err := d.Receive(context.Background(), r, from)
		check(t, err)
		hits, err := d.d.Store.Leaves(r.ID())
		check(t, err)
		held := 0
		for i, o := range objects {
			if hits[i].Reason != o.why || (hits[i].State == storage.Held) != (o.why != "") {
				t.Errorf("from %s, object %d: %v %q, want %q", from, i+1, hits[i].State, hits[i].Reason, o.why)
			}
			if o.why != "" {
				held++
			}
		}
		if out.Held != held || len(out.Refusals) != held || reason.Of(out.Refusals[0].Err) != reason.WarnHard {
			t.Errorf("from %s: %+v", from, out)
		}
	}
}

// TestVoices: opinions and sightings are found by what they are about, each once.
func TestVoices(t *testing.T) {
	d := newDesktop(t, trust.Partner)
	const about = "indicator--00000000-0000-4000-8000-000000000001"
	made := 0
	remark := func(typ, rest string) string {
		made++
		return fmt.Sprintf(`{"type":%q,"spec_version":"2.1","id":"%s--00000000-0000-4000-8000-%012d","created":"2026-01-01T00:00:00.000Z","modified":"2026-01-01T00:00:00.000Z",%s}`,
			typ, typ, made, rest)
	}
	refs := `"object_refs":["` + about + `","` + about + `"]`
	tests := []struct {
		text string
		want storage.Voice
	}{
		{remark("opinion", `"opinion":"strongly-disagree",`+refs), storage.Refutes},
		{remark("opinion", `"opinion":"disagree",`+refs), storage.Refutes},
		{remark("opinion", `"opinion":"neutral",`+refs), storage.NoVoice},
		{remark("opinion", `"opinion":"agree",`+refs), storage.Confirms},
		{remark("opinion", `"opinion":"strongly-agree",`+refs), storage.Confirms},
		{remark("sighting", `"sighting_of_ref":"`+about+`"`), storage.Sighting},
		{remark("sighting", `"count":3,"sighting_of_ref":"`+about+`"`), storage.Sighting},
		{remark("sighting", `"count":0,"sighting_of_ref":"`+about+`"`), storage.Absent},
		{remark("note", `"content":"x",`+refs), storage.NoVoice},
	}
	var texts []string
	for _, tt := range tests {
		texts = append(texts, tt.text)
	}
	r := d.record(protocol.Draft{}, texts...)
	d.receive(r)
	hits, err := d.d.Store.Leaves(r.ID())
	check(t, err)
	ref := pattern.Observable{Type: pattern.ObjectRef, Value: about}
	for i, tt := range tests {
		want := 1
		if hits[i].Type == "note" {
			want = 0
		}
		if hits[i].Voice != tt.want || hits[i].Claim || len(hits[i].Values) != want || want == 1 && hits[i].Values[0] != (pattern.Value{Observable: ref, Alone: true}) {
			t.Errorf("object %d (%s): voice %d, claim %v, values %v", i, hits[i].Object, hits[i].Voice, hits[i].Claim, hits[i].Values)
		}
	}
	found, _, err := d.d.Store.Lookup(ref, nil)
	check(t, err)
	if len(found) != len(tests)-1 {
		t.Errorf("%d objects about it are found, want %d", len(found), len(tests)-1)
	}
}

// TestPoison is threat model P1: whoever sends a thousand values that must not be
// blocked, packed in whatever way, trips the breaker within five records. From then on
// nothing of his on that topic is accepted; elsewhere and others go on.
func TestPoison(t *testing.T) {
	for _, pack := range []int{1, 2, 3, 7, 100, 500} {
		t.Run(fmt.Sprint(pack), func(t *testing.T) {
			d := newDesktop(t, trust.Anchor, guarded(t))
			records, tripped, n := 0, 0, 0
			for n < 1000 && records < 40 {
				var texts []string
				for range min(pack, 1000-n) {
					n++
					texts = append(texts, indicator(n, fmt.Sprintf("[ipv4-addr:value = '10.%d.%d.7']", n/200, n%200)))
				}
				texts = append(texts[:len(texts):len(texts)], indicator(5000+n, fmt.Sprintf("[ipv4-addr:value = '45.%d.%d.7']", n/200, n%200)))
				r := d.record(protocol.Draft{}, texts[max(0, len(texts)-protocol.MaxLeaves):]...)
				records++
				out := d.receive(r)
				if tripped == 0 && out.State == storage.Held {
					tripped = records
				}
				if tripped > 0 && (out.State != storage.Held || out.Accepted != 0) {
					t.Fatalf("record %d, %d after the trip: %+v", records, records-tripped, out)
				}
				if hits, err := d.d.Store.Leaves(r.ID()); err != nil || hits[0].State != storage.Held && !hits[0].RecordHeld {
					t.Fatalf("poison is %v, %v", hits[0].State, err)
				}
			}
			if tripped == 0 || tripped > 5 {
				t.Errorf("tripped at record %d, want one of the first 5", tripped)
			}
			if out := d.receive(d.record(protocol.Draft{Topic: topicOf(t, "fraud")}, indicator(9001, "[domain-name:value = 'bad-name.net']"))); out.Accepted != 1 {
				t.Errorf("on another topic: %+v", out)
			}
		})
	}
}

// TestRestored: after a person closed the breaker, what it held is judged again and
// does not trip it again; the poison in it stays held alone.
func TestRestored(t *testing.T) {
	ctx := context.Background()
	d := newDesktop(t, trust.Anchor, guarded(t))
	var sent []*protocol.Record
	for n := range 6 {
		sent = append(sent, d.record(protocol.Draft{}, indicator(n, fmt.Sprintf("[ipv4-addr:value = '10.0.0.%d']", n+1)),
			indicator(100+n, fmt.Sprintf("[domain-name:value = 'bad-%d.net']", n))))
		d.receive(sent[n])
	}
	if n, err := d.Rejudge(ctx, Curable()...); n != 0 || err != nil {
		t.Errorf("%d objects came out while it is open, %v", n, err)
	}
	n, err := d.d.Standing.Restore(d.author.Org, "malicious-code")
	check(t, err)
	if n != 1 {
		t.Fatalf("%d restored, want 1", n)
	}
	_, err = d.Rejudge(ctx, Curable()...)
	check(t, err)
	for i, r := range sent {
		hits, err := d.d.Store.Leaves(r.ID())
		check(t, err)
		if hits[0].State != storage.Held || hits[0].Reason != reason.WarnHard || hits[1].State != storage.Accepted || hits[1].RecordHeld {
			t.Errorf("record %d: poison %v %q, the other %v, whole held %v", i, hits[0].State, hits[0].Reason, hits[1].State, hits[1].RecordHeld)
		}
	}
	if out := d.receive(d.record(protocol.Draft{}, indicator(50, "[ipv4-addr:value = '10.0.0.50']"))); out.State != storage.Accepted {
		t.Errorf("one more hit after the restore: %+v: what was decided must not count again", out)
	}
}

// stranger is an organisation that nobody lists, and whose chain is known.
func (d *desktop) stranger(name string) *protocoltest.Author {
	d.t.Helper()
	a, err := protocoltest.Found(testNetwork, name, time.Now().Truncate(time.Millisecond), rand.Reader)
	check(d.t, err)
	d.Learn(a.Statements...)
	return a
}

func (d *desktop) strange(a *protocoltest.Author, n int) *protocol.Record {
	d.t.Helper()
	r, err := a.Record(protocol.Draft{Topic: topicOf(d.t, "fraud"), Kind: protocol.KindObjects, Rand: rand.Reader,
		Objects: [][]byte{[]byte(indicator(n, fmt.Sprintf("[domain-name:value = 'bad-%d.net']", n)))}})
	check(d.t, err)
	return r
}

// opaque is a record that costs little to make.
func (d *desktop) opaque(a *protocoltest.Author) *protocol.Record {
	d.t.Helper()
	r, err := a.Record(protocol.Draft{Topic: protocol.TopicDrill, Kind: 77, Body: []byte("later"), Rand: rand.Reader})
	check(d.t, err)
	return r
}

// TestQuota is threat model P6 at N and N+1 bytes: strangers fill the quarantine to its
// last byte and no further, each at most a tenth of it; a listed organisation is accepted
// all the while.
func TestQuota(t *testing.T) {
	ctx := context.Background()
	d := newDesktop(t, trust.Partner)
	a, b := d.stranger("A"), d.stranger("B")
	first := d.strange(a, 1)
	size := charge(len(first.Raw()))
	for _, tt := range []struct {
		name         string
		limit        int64
		wantA, wantB reason.Code
	}{
		{"one stranger's share, exactly", size * strangerShare, "", ""},
		{"one byte less", size*strangerShare - 1, reason.QuarantineFull, ""},
	} {
		d.quota.limit = tt.limit
		_, err := d.Receive(ctx, first, "peer")
		if reason.Of(err) != tt.wantA || d.d.Store.Has(first.ID()) != (tt.wantA == "") {
			t.Errorf("%s: %v", tt.name, err)
		}
		if tt.wantA == "" {
			first = d.strange(a, 2)
			if _, err := d.Receive(ctx, first, "peer"); reason.Of(err) != reason.QuarantineFull {
				t.Errorf("%s: a second one of the same size: %v", tt.name, err)
			}
		}
	}
	total := charged(d.d.Store.HeldTotal())
	second := d.strange(b, 3)
	n := charge(len(second.Raw()))
	d.quota.limit = total + n - 1
	if _, err := d.Receive(ctx, second, "peer"); reason.Of(err) != reason.QuarantineFull || d.d.Store.Has(second.ID()) {
		t.Errorf("all together, one byte too many: %v", err)
	}
	listed := d.record(protocol.Draft{}, indicator(9, "[domain-name:value = 'bad-9.net']"), `{"type":"indicator"`)
	if out := d.receive(listed); out.Accepted != 1 {
		t.Errorf("a listed organisation while the quarantine is full: %+v", out)
	}
	check(t, d.d.Standing.RollBack(standing.Rollback{Org: d.author.Org, Key: d.author.Key.Public().ID()}))
	held := d.record(protocol.Draft{}, indicator(10, "[domain-name:value = 'bad-10.net']"))
	if out := d.receive(held); out.State != storage.Held {
		t.Errorf("what does not stand is evidence, and is held although strangers filled the quarantine: %+v", out)
	}
}

// TestQuotaTogether: records that come at once do not pass the bound together.
func TestQuotaTogether(t *testing.T) {
	d := newDesktop(t, trust.Partner)
	var records []*protocol.Record
	for i := range 24 {
		a := d.stranger(fmt.Sprint("S", i))
		for range 2 {
			records = append(records, d.strange(a, len(records)))
		}
	}
	size := charge(len(records[0].Raw()))
	d.quota.limit = 20*size + size/2
	var wg sync.WaitGroup
	for _, r := range records {
		wg.Go(func() { _, _ = d.Receive(context.Background(), r, "peer") })
	}
	wg.Wait()
	used := charged(d.d.Store.HeldTotal())
	if used > d.quota.limit || used < d.quota.limit/2 {
		t.Errorf("%d bytes are held, the limit is %d", used, d.quota.limit)
	}
	if d.quota.coming != 0 || len(d.quota.byOrg) != 0 {
		t.Errorf("%d bytes of %d organisations are still on their way", d.quota.coming, len(d.quota.byOrg))
	}
}

// TestStrangersDoNotSlow: with ten thousand records of strangers held and the quarantine
// full, what a listed organisation sends takes about as long as before. The bound
// is wide, since the machine is shared.
func TestStrangersDoNotSlow(t *testing.T) {
	if testing.Short() {
		t.Skip("signs ten thousand records")
	}
	d := newDesktop(t, trust.Partner)
	n := 0
	measure := func() time.Duration {
		const records = 100
		start := time.Now()
		for range records {
			n++
			d.receive(d.record(protocol.Draft{}, indicator(n, fmt.Sprintf("[domain-name:value = 'listed-%d.net']", n))))
		}
		return time.Since(start) / records
	}
	measure() // warm up
	before := measure()
	const strangers, each = 10, 1000
	d.quota.limit = 1 << 30
	for i := range strangers {
		a := d.stranger(fmt.Sprint("S", i))
		for j := range each {
			r := d.opaque(a)
			if j%10 == 0 {
				r = d.strange(a, i*each+j)
			}
			d.receive(r)
		}
	}
	d.quota.limit = charged(d.d.Store.HeldTotal())
	after := measure()
	t.Logf("a listed record takes %v to sign and take in; with %d records of strangers held %v", before, d.d.Store.HeldTotal().Records, after)
	if after > 5*before+5*time.Millisecond {
		t.Errorf("%v instead of %v", after, before)
	}
}

// TestPledges: a vouch, commitment or advisory that cannot be read is held, a good one of a
// listed organisation is accepted and told of.
func TestPledges(t *testing.T) {
	d := newDesktop(t, trust.Observed)
	good, err := protocol.Vouch{Subject: protocol.OrgID{1}, Until: time.Now().Add(24 * time.Hour), Reason: "met"}.Encode()
	check(t, err)
	long, err := protocol.Vouch{Subject: protocol.OrgID{1}, Until: time.Now().Add(2 * protocol.MaxVouchLife), Reason: "met"}.Encode()
	check(t, err)
	for _, tt := range []struct {
		name string
		kind protocol.Kind
		body []byte
		why  reason.Code
	}{
		{"a vouch", protocol.KindVouch, good, ""},
		{"a vouch for too long", protocol.KindVouch, long, reason.WireClaims},
		{"a vouch that is none", protocol.KindVouch, []byte("x"), reason.WireClaims},
		{"a vouch as a commitment", protocol.KindCommitment, good, reason.WireClaims},
		{"a vouch as an advisory", protocol.KindAdvisory, good, reason.WireClaims},
	} {
		told := d.pledged
		out := d.receive(d.record(protocol.Draft{Topic: protocol.TopicControl, Kind: tt.kind, Body: tt.body}))
		held, err := d.d.Store.HeldRecords(tt.why)
		check(t, err)
		if (out.State == storage.Held) != (tt.why != "") || tt.why != "" && len(held) == 0 || d.pledged != told+1 {
			all, _ := d.d.Store.HeldRecords("")
			t.Errorf("%s: %+v, held for %q: %d of %d, told %d times", tt.name, out, tt.why, len(held), len(all), d.pledged-told)
		}
	}
}

// TestRejudgeStranger: judging the quarantine again costs next to nothing for what strangers
// put there, however much: none of it is read or verified.
func TestRejudgeStranger(t *testing.T) {
	d := newDesktop(t, trust.Unknown)
	r := d.record(protocol.Draft{}, indicator(1, "[domain-name:value = 'a.example']"))
	d.receive(r)
	if _, why := d.fate(r.ID()); why != reason.TrustUnknown {
		t.Fatalf("held for %q", why)
	}
	ids := []protocol.RecordID{r.ID()}
	if n := testing.AllocsPerRun(100, func() {
		if n, err := d.Reconsider(context.Background(), ids); n != 0 || err != nil {
			t.Errorf("%d accepted, %v", n, err)
		}
	}); n > 5 {
		t.Errorf("%v allocations for a record that stays held", n)
	}
}

// TestRestoredOnTheWay: a rollback that is restored while a record is on its way into the store, behind
// the sweep that follows, does not leave that record in quarantine.
func TestRestoredOnTheWay(t *testing.T) {
	d := newDesktop(t, trust.Anchor)
	check(t, d.d.Standing.RollBack(standing.Rollback{Org: d.author.Org, Key: d.author.Key.Public().ID()}))
	r := d.record(protocol.Draft{}, indicator(1, "[domain-name:value = 'a.example']"))
	version := d.d.Standing.Version()
	v, err := d.decide(r, trust.Anchor, "peer")
	check(t, err)
	_, err = d.d.Standing.Restore(d.author.Org, "")
	check(t, err)
	v.entry.Received, v.entry.From = time.Now(), "peer"
	check(t, d.store(context.Background(), v.entry, trust.Anchor))
	check(t, d.settle(context.Background(), r, &v, version, "peer"))
	if state, why := d.fate(r.ID()); state != storage.Accepted || v.State != storage.Accepted || v.Accepted != 1 || v.Held != 0 {
		t.Errorf("%v %q, outcome %+v", state, why, v.Outcome)
	}
}
