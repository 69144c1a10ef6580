package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin/node/admin/api"
	"tocsin/node/outbox"
	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/protocol/stix"
)

func TestStatus(t *testing.T) {
	b := newBench(t)
	b.publish(indicator(1, "evil.example"), indicator(2, "worse.example"))
	b.receive(b.other.record(t, "fraud", indicator(3, "stranger.example")))
	_, err := b.client.AddPeer(t.Context(), "/ip4/192.0.2.2/tcp/1/p2p/"+peerA)
	ok(t, err)
	s, err := b.client.Status(t.Context())
	ok(t, err)
	if s.State != api.StateRunning || s.Peers != 1 || s.Records != 1 || s.Objects != 2 || s.Held != 1 || s.Waiting != 3 {
		t.Errorf("status %+v", s)
	}
	if len(s.Words) != 8 || len(s.Addrs) != 1 || !slices.Equal(s.Topics, []string{"control", "drill", "fraud", "malicious-code"}) || s.Name != "Own CERT" || s.Network != network {
		t.Errorf("status %+v", s)
	}
}

// A peer is kept across restarts, also one that does not answer yet; an address
// that means nothing is refused and changes nothing.
func TestPeers(t *testing.T) {
	b := newBench(t)
	const addr = "/ip4/192.0.2.2/tcp/1/p2p/" + peerA
	for _, bad := range []string{"192.0.2.2:1", peerA, "/p2p/" + peerA, "/ip4/192.0.2.2/tcp/1"} {
		_, err := b.client.AddPeer(t.Context(), bad)
		refused(t, err, reason.UsageInvalid)
		if len(b.mesh.list()) != 0 {
			t.Fatalf("%s was dialled", bad)
		}
	}
	if got := b.deps.Settings.Peers(nil); len(got) != 0 {
		t.Errorf("kept %v", got)
	}
	p, err := b.client.AddPeer(t.Context(), addr)
	ok(t, err)
	if !p.Connected || !p.Kept || p.ID != peerA || p.Level != "unknown" {
		t.Errorf("peer %+v", p)
	}
	for _, id := range []string{peerA, peerA[:20]} {
		one, err := b.client.Peer(t.Context(), id)
		ok(t, err)
		if one.ID != peerA || !one.Connected || !one.Kept {
			t.Errorf("peer %s: %+v", id, one)
		}
	}
	_, err = b.client.Peer(t.Context(), peerB)
	refused(t, err, reason.NotFound)
	// A second address of a connected peer is kept, and nobody is told that it works.
	p, err = b.client.AddPeer(t.Context(), "/ip4/192.0.2.9/tcp/9/p2p/"+peerA)
	ok(t, err)
	if !p.Connected || p.State != "connected already by /ip4/192.0.2.2/tcp/1; the address given is kept, but was not tried" {
		t.Errorf("another address: %+v", p)
	}
	b.mesh.fail = reason.New(reason.PeerDial, "nobody answers")
	p, err = b.client.AddPeer(t.Context(), "/ip4/192.0.2.3/tcp/1/p2p/"+peerB)
	ok(t, err)
	if p.Connected || !p.Kept || !strings.Contains(p.State, "nobody answers") {
		t.Errorf("silent peer %+v", p)
	}
	if got := b.deps.Settings.Peers(nil); len(got) != 3 || got[0] != addr {
		t.Errorf("kept %v", got)
	}
	list, err := b.client.Peers(t.Context())
	ok(t, err)
	if len(list.Items) != 2 {
		t.Errorf("peers %+v", list.Items)
	}
	_, err = b.client.RemovePeer(t.Context(), "12D3KooWNobody")
	refused(t, err, reason.NotFound)
	_, err = b.client.RemovePeer(t.Context(), "12D3KooW") // the start of both
	refused(t, err, reason.Ambiguous)
	r, err := b.client.RemovePeer(t.Context(), peerB[:10]) // a unique one
	ok(t, err)
	if r.Removed != peerB || !slices.Equal(b.deps.Settings.Peers(nil), []string{addr, "/ip4/192.0.2.9/tcp/9/p2p/" + peerA}) {
		t.Errorf("removed %q, kept %v", r.Removed, b.deps.Settings.Peers(nil))
	}
}

func TestTopics(t *testing.T) {
	b := newBench(t)
	topic, err := b.client.JoinTopic(t.Context(), "phishing")
	ok(t, err)
	if !topic.Joined {
		t.Errorf("topic %+v", topic)
	}
	_, err = b.client.LeaveTopic(t.Context(), "drill")
	ok(t, err)
	if got := b.deps.Settings.Topics([]string{"drill"}); len(got) != 1 || got[0].String() != "phishing" {
		t.Errorf("kept %v", got)
	}
	_, err = b.client.LeaveTopic(t.Context(), "control")
	refused(t, err, reason.Conflict)
	for _, name := range []string{"nosuch", "drill"} { // drill was left above
		_, err = b.client.LeaveTopic(t.Context(), name)
		refused(t, err, reason.NotFound)
	}
	_, err = b.client.JoinTopic(t.Context(), "No Topic")
	refused(t, err, reason.UsageInvalid)
	list, err := b.client.Topics(t.Context())
	ok(t, err)
	joined := map[string]bool{}
	for _, topic := range list.Items {
		joined[topic.Name] = topic.Joined
	}
	if !joined["phishing"] || !joined["control"] || joined["drill"] || len(joined) < len(protocol.DefaultTopics()) {
		t.Errorf("topics %v", joined)
	}
}

// Listing an organisation takes its records out of quarantine at once and
// survives a restart; the id may be abbreviated or be a petname.
func TestTrust(t *testing.T) {
	b := newBench(t)
	org := b.other.Org.String()
	b.receive(b.other.record(t, "fraud", indicator(1, "evil.example")))
	if c := b.deps.Store.Counts(); c.Objects != 0 || c.Held != 1 {
		t.Fatalf("counts before: %+v", c)
	}
	shown, err := b.client.TrustEntry(t.Context(), org[:len("sha256:")+8])
	ok(t, err)
	if shown.Level != "unknown" || shown.Name != "Other CERT" || len(shown.Words) != 8 {
		t.Errorf("a known stranger: %+v", shown)
	}
	day := time.Now().AddDate(0, 1, 0).Format(time.DateOnly)
	e, err := b.client.AddTrust(t.Context(), api.TrustEntry{Org: org[len("sha256:") : len("sha256:")+9], Petname: "other", Level: "partner", Expires: day})
	ok(t, err)
	if e.Org != org || e.Level != "partner" || e.Effective != "partner" || e.Expires != day {
		t.Errorf("entry %+v", e)
	}
	if c := b.deps.Store.Counts(); c.Objects != 1 || c.Held != 0 {
		t.Errorf("counts after: %+v", c)
	}
	_, err = b.client.AddTrust(t.Context(), api.TrustEntry{Org: org, Petname: "again", Level: "partner", Expires: day})
	refused(t, err, reason.Conflict)
	e, err = b.client.SetTrust(t.Context(), api.TrustEntry{Org: "OTHER", Level: "observed", Topics: []string{"fraud"}})
	ok(t, err)
	if e.Level != "observed" || e.Petname != "other" || e.Expires != day || !slices.Equal(e.Topics, []string{"fraud"}) {
		t.Errorf("changed entry %+v", e)
	}
	list, err := b.client.Trust(t.Context())
	ok(t, err)
	if len(list.Items) != 1 || list.Items[0].Petname != "other" {
		t.Errorf("list %+v", list.Items)
	}
	// Topics are standard ones or joined ones; the list is in order of petnames.
	_, err = b.client.SetTrust(t.Context(), api.TrustEntry{Org: "other", Topics: []string{"fraud", "nosuch"}})
	refused(t, err, reason.UsageInvalid)
	if !strings.Contains(err.Error(), `"nosuch"`) {
		t.Errorf("the topic is not named: %v", err)
	}
	_, err = b.client.JoinTopic(t.Context(), "nosuch")
	ok(t, err)
	_, err = b.client.SetTrust(t.Context(), api.TrustEntry{Org: "other", Topics: []string{"fraud", "nosuch"}})
	ok(t, err)
	for i, petname := range []string{"zeta", "Alpha", "mid"} {
		_, err = b.client.AddTrust(t.Context(), api.TrustEntry{Org: fmt.Sprintf("sha256:%064x", i+1), Petname: petname, Level: "observed", Expires: day, Topics: []string{"*"}})
		ok(t, err)
	}
	list, err = b.client.Trust(t.Context())
	ok(t, err)
	if byID := func(a, b api.TrustEntry) int { return strings.Compare(a.Org, b.Org) }; len(list.Items) != 4 || !slices.IsSortedFunc(list.Items, byID) {
		t.Errorf("the list is not in the order of ids: %+v", list.Items)
	}
	r, err := b.client.RemoveTrust(t.Context(), "other", "")
	ok(t, err)
	if r.Removed != org {
		t.Errorf("removed %q", r.Removed)
	}
	for _, gone := range []string{org, "other", "A", "beef", strings.Repeat("0", 60) + "ffff"} {
		_, err = b.client.RemoveTrust(t.Context(), gone, "")
		refused(t, err, reason.NotFound)
		if fix := api.ProblemOf(err).Fix; !strings.Contains(fix, "'tocsin trust list'") {
			t.Errorf("remove %s: fix %q", gone, fix)
		}
		if gone == org {
			continue // known, if not listed
		}
		_, err = b.client.TrustEntry(t.Context(), gone)
		refused(t, err, reason.NotFound)
		if fix := api.ProblemOf(err).Fix; !strings.Contains(fix, "'tocsin trust list'") {
			t.Errorf("show %s: fix %q", gone, fix)
		}
	}
}

func TestTrustRefused(t *testing.T) {
	b := newBench(t)
	org, day := b.other.Org.String(), time.Now().AddDate(0, 1, 0).Format(time.DateOnly)
	for name, c := range map[string]struct {
		entry api.TrustEntry
		code  reason.Code
	}{
		"level":         {api.TrustEntry{Org: org, Petname: "p", Level: "friend", Expires: day}, reason.UsageInvalid},
		"day":           {api.TrustEntry{Org: org, Petname: "p", Level: "partner", Expires: "tomorrow"}, reason.UsageInvalid},
		"topic":         {api.TrustEntry{Org: org, Petname: "p", Level: "partner", Expires: day, Topics: []string{"No Topic"}}, reason.UsageInvalid},
		"short id":      {api.TrustEntry{Org: "sha256:1234567", Petname: "p", Level: "partner", Expires: day}, reason.UsageInvalid},
		"unknown start": {api.TrustEntry{Org: strings.Repeat("0", 12), Petname: "p", Level: "partner", Expires: day}, reason.NotFound},
		"own":           {api.TrustEntry{Org: b.deps.Self.Org.String(), Petname: "p", Level: "partner", Expires: day}, reason.Conflict},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := b.client.AddTrust(t.Context(), c.entry)
			refused(t, err, c.code)
		})
	}
	_, err := b.client.SetTrust(t.Context(), api.TrustEntry{Org: org, Level: "partner"})
	refused(t, err, reason.NotFound)
	if len(b.deps.Policy.List().Entries()) != 0 {
		t.Error("a refused change changed the list")
	}
}

// What is published is stored, announced, found, and comes back byte for byte.
func TestPublishAndShow(t *testing.T) {
	b := newBench(t)
	raw := indicator(1, "evil.example")
	res := b.publish(raw, `{"type":"indicator","id":"indicator--`+uuid(9)+`"}`)
	if res.Objects != 1 || len(res.Records) != 1 || res.Invalid != 1 || len(res.Skipped) != 1 || res.Skipped[0].Code == "" || res.Skipped[0].Reason == "" {
		t.Fatalf("result %+v", res)
	}
	if len(b.mesh.announced) != 1 || b.mesh.announced[0].String() != res.Records[0] {
		t.Errorf("announced %v", b.mesh.announced)
	}
	id := "indicator--" + uuid(1)
	for _, name := range []string{id, id[:len("indicator--")+8], res.Records[0] + "#0", res.Records[0], res.Records[0][:len("sha256:")+10]} {
		got, err := b.client.RawObject(t.Context(), name)
		ok(t, err)
		if string(got) != raw {
			t.Errorf("%s: raw %q", name, got)
		}
		o, err := b.client.Object(t.Context(), name)
		ok(t, err)
		if o.ID != id || o.Record != res.Records[0] || o.State != "accepted" || o.Versions != 1 || o.Level != "own" || len(o.Values) != 1 || !strings.Contains(string(o.STIX), "Name 1") {
			t.Errorf("%s: object %+v", name, o)
		}
	}
	for name, code := range map[string]reason.Code{
		"indicator--" + uuid(7): reason.NotFound, "indicator--0": reason.NotFound, "not-an-id": reason.NotFound,
		res.Records[0] + "#5": reason.NotFound, res.Records[0] + "#x": reason.UsageInvalid, "sha256:" + strings.Repeat("0", 64): reason.NotFound,
	} {
		_, err := b.client.Object(t.Context(), name)
		refused(t, err, code)
	}
}

// Two objects whose ids begin alike: the prefix is ambiguous, the full id is not.
func TestAmbiguousPrefix(t *testing.T) {
	b := newBench(t)
	twin := strings.Replace(indicator(1, "b.example"), uuid(1), uuid(1)[:35]+"f", 1)
	b.publish(indicator(1, "a.example"), twin)
	_, err := b.client.Object(t.Context(), "indicator--"+uuid(1)[:8])
	refused(t, err, reason.Ambiguous)
	_, err = b.client.Object(t.Context(), "indicator--"+uuid(1))
	ok(t, err)
}

// A proof and a record file verify with nothing but themselves.
func TestProofAndRecordFile(t *testing.T) {
	b := newBench(t)
	raw := indicator(2, "worse.example")
	res := b.publish(indicator(1, "evil.example"), raw)
	file, err := b.client.Proof(t.Context(), "indicator--"+uuid(2))
	ok(t, err)
	chains, last := readFile(t, file)
	p, err := protocol.VerifyProof(last.Proof, chains)
	ok(t, err)
	if string(p.Object()) != raw || p.Record().String() != res.Records[0] || p.Org() != b.deps.Self.Org {
		t.Errorf("proof of %q in %s by %s", p.Object(), p.Record(), p.Org())
	}
	file, err = b.client.RecordFile(t.Context(), res.Records[0])
	ok(t, err)
	chains, last = readFile(t, file)
	r, err := protocol.VerifyOffline(last.Record, chains)
	ok(t, err)
	sent, err := b.client.RawRecord(t.Context(), res.Records[0])
	ok(t, err)
	if r.ID().String() != res.Records[0] || string(sent) != string(r.Raw()) {
		t.Error("the record file holds something else")
	}
	shown, err := b.client.Record(t.Context(), res.Records[0])
	ok(t, err)
	if shown.Sequence != 1 || shown.Previous != "" || len(shown.Objects) != 2 || shown.TLP != "TLP:GREEN" || shown.State != "accepted" || shown.From != "local" {
		t.Errorf("record %+v", shown)
	}
}

// readFile reads a record file from scratch: its chain, and its last item.
func readFile(t *testing.T, raw []byte) (*protocol.Chains, protocol.FileItem) {
	t.Helper()
	items, err := protocol.ReadFile(network, raw)
	ok(t, err)
	chains := protocol.NewChains(network)
	for _, i := range items[:len(items)-1] {
		chains, _, _ = chains.With(i.Statement)
	}
	return chains, items[len(items)-1]
}

// AMBER does not leave: it is named, and the count says so.
func TestPublishKeepsAmber(t *testing.T) {
	b := newBench(t)
	amber := strings.Replace(indicator(1, "secret.example"), `"name"`,
		`"object_marking_refs":["marking-definition--f88d31f6-486f-44da-b317-01333bde0b82"],"name"`, 1)
	res := b.publish(amber, indicator(2, "open.example"))
	if res.Denied != 1 || res.Objects != 1 || len(res.Skipped) != 1 || res.Skipped[0].Code != string(reason.OutTLP) || res.Skipped[0].ID != "indicator--"+uuid(1) {
		t.Errorf("result %+v", res)
	}
}

func TestPublishRefused(t *testing.T) {
	b := newBench(t)
	publish := func(body string) error {
		_, err := b.client.Publish(t.Context(), api.PublishParams{Topic: "fraud", Confidence: -1}, strings.NewReader(body), int64(len(body)), nil)
		return err
	}
	for name, body := range map[string]string{
		"nothing": "", "no JSON": "<html>", "broken": `{"type":"bundle","objects":[`, "no STIX": `{"hello":"world"}`, "a number": "3",
		"deep": strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000),
	} {
		err := publish(body)
		if err == nil {
			t.Errorf("%s was published", name)
			continue
		}
		if code := api.ProblemOf(err).Code; !strings.HasPrefix(code, "stix.") && !strings.HasPrefix(code, "json.") {
			t.Errorf("%s: %v (%s)", name, err, code)
		}
	}
	if c := b.deps.Store.Counts(); c.Records != 0 || len(b.mesh.announced) != 0 {
		t.Errorf("something went out: %+v", c)
	}
}

// The file is bounded before it is held in memory, whether its length is told or not.
func TestPublishBounds(t *testing.T) {
	var got []int
	p := &publishResource{
		publish: func(_ context.Context, r outbox.Request) (outbox.Result, error) {
			got = append(got, len(r.Data))
			return outbox.Result{}, nil
		},
		reading: newShares(1, 1), slots: make(chan struct{}, 1), limit: 100, audit: auditLog(t),
	}
	for _, c := range []struct {
		size  int
		known bool
		fits  bool
	}{{100, true, true}, {101, true, false}, {100, false, true}, {101, false, false}} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(strings.Repeat("x", c.size)))
		if !c.known {
			r.ContentLength = -1
		}
		_, err := p.run(r, outbox.Request{TLP: stix.Green}, 0, &publishAnswer{})
		if c.fits {
			ok(t, err)
			continue
		}
		refused(t, err, reason.InputSize)
	}
	if !slices.Equal(got, []int{100, 100}) {
		t.Errorf("published %v", got)
	}
}

// Leaving during the undo window takes everything back.
func TestHoldTakesBack(t *testing.T) {
	p := &publishResource{
		publish: func(context.Context, outbox.Request) (outbox.Result, error) {
			t.Error("published although it was taken back")
			return outbox.Result{}, nil
		},
		reading: newShares(1, 1), slots: make(chan struct{}, 1), limit: 100, audit: auditLog(t),
	}
	ctx, cancel := context.WithCancel(t.Context())
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/", strings.NewReader("{}"))
	done := make(chan error, 1)
	go func() {
		_, err := p.run(r, outbox.Request{}, time.Hour, &publishAnswer{})
		done <- err
	}()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
}

// Progress lines precede exactly one result; a failure after the first line is a
// line too and says what had gone out.
func TestPublishStream(t *testing.T) {
	fail := false
	b := newBench(t)
	b.deps.Publish = func(_ context.Context, r outbox.Request) (outbox.Result, error) {
		r.Progress(1, 2)
		if fail {
			return outbox.Result{Records: make([]protocol.RecordID, 1), Objects: 1}, reason.New(reason.StoreFull, "write record")
		}
		return outbox.Result{Objects: 2}, nil
	}
	c := serve(t, b.deps)
	var seen []api.Progress
	send := func() (*api.PublishResult, error) {
		return c.Publish(t.Context(), api.PublishParams{Topic: "fraud", Confidence: 50, ValidFor: time.Hour}, strings.NewReader("{}"), 2,
			func(p api.Progress) { seen = append(seen, p) })
	}
	res, err := send()
	ok(t, err)
	if res.Objects != 2 || !slices.Equal(seen, []api.Progress{{Done: 1, Total: 2}}) {
		t.Errorf("result %+v after %v", res, seen)
	}
	fail = true
	_, err = send()
	refused(t, err, reason.StoreFull)
	if !strings.Contains(err.Error(), "1 objects in 1 records went out before") {
		t.Errorf("error %q", err)
	}
}

// The answer names every object that was skipped, however many.
func TestPublishNamesAllSkipped(t *testing.T) {
	const many = 100_000
	b := newBench(t)
	b.deps.Publish = func(context.Context, outbox.Request) (outbox.Result, error) {
		res := outbox.Result{Invalid: many}
		for i := range many {
			res.Skipped = append(res.Skipped, outbox.Skipped{ID: "indicator--" + uuid(i), Code: reason.OutTLP, Reason: fmt.Sprint("kept back, number ", i)})
		}
		return res, nil
	}
	res, err := serve(t, b.deps).Publish(t.Context(), api.PublishParams{Topic: "fraud", Confidence: -1}, strings.NewReader("{}"), 2, nil)
	ok(t, err)
	if len(res.Skipped) != many || res.Skipped[many-1].Reason != fmt.Sprint("kept back, number ", many-1) || res.Invalid != many {
		t.Errorf("%d skipped", len(res.Skipped))
	}
}

// The number of values in one call has a limit, met exactly.
func TestCheckLimit(t *testing.T) {
	b := newBench(t)
	values := make([]string, api.MaxCheckValues+1)
	for i := range values {
		values[i] = "host" + uuid(i)[:8] + ".example"
	}
	_, err := b.client.Check(t.Context(), values)
	refused(t, err, reason.UsageInvalid)
	list, err := b.client.Check(t.Context(), values[:api.MaxCheckValues])
	ok(t, err)
	if len(list.Items) != api.MaxCheckValues || list.Items[7].Value != values[7] || list.Items[7].Verdict != "unknown" || list.Items[7].Sources == nil {
		t.Errorf("%d items", len(list.Items))
	}
}

func TestCheckAndExplain(t *testing.T) {
	b := newBench(t)
	b.publish(indicator(1, "evil.example"))
	list, err := b.client.Check(t.Context(), []string{"EVIL[.]example", "fine.example"})
	ok(t, err)
	if i := list.Items[0]; i.Verdict == "unknown" || len(i.Sources) != 1 || i.Sources[0].Org != b.deps.Self.Org.String() || i.Score == 0 {
		t.Errorf("own word: %+v", i)
	}
	if i := list.Items[1]; i.Verdict != "unknown" || i.State != "none" {
		t.Errorf("nobody's word: %+v", i)
	}
	for _, subject := range []string{"evil.example", "indicator--" + uuid(1)} {
		e, err := b.client.Explain(t.Context(), subject)
		ok(t, err)
		if e.Score != list.Items[0].Score || len(e.Terms) == 0 {
			t.Errorf("explain %s: %+v", subject, e)
		}
	}
	_, err = b.client.Explain(t.Context(), "indicator--"+uuid(9))
	refused(t, err, reason.NotFound)
}
