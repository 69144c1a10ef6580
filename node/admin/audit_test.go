package admin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"tocsin/node/access"
	"tocsin/node/admin/api"
	"tocsin/node/audit"
	"tocsin/node/outbox"
	"tocsin/node/scrub"
	"tocsin/node/tlog"
	"tocsin/protocol/reason"
)

func auditLog(t *testing.T) *audit.Log {
	t.Helper()
	l, err := audit.Open(filepath.Join(t.TempDir(), "audit.log"))
	ok(t, err)
	t.Cleanup(func() { ok(t, l.Close()) })
	return l
}

// entries gives what stands in the log under an action.
func (b *bench) entries(action string) []api.AuditEntry {
	b.t.Helper()
	list, err := b.client.Audit(b.t.Context(), api.AuditParams{Action: action})
	ok(b.t, err)
	return list.Items
}

// Each change is in the log, with who asked for it, what it was before and what came of it.
func TestChangesAreWrittenDown(t *testing.T) {
	b := newBench(t)
	ctx, org, day := t.Context(), b.other.Org.String(), time.Now().AddDate(0, 1, 0).Format(time.DateOnly)
	me, err := user.Current()
	ok(t, err)
	only := func(action, target string) api.AuditEntry {
		t.Helper()
		got := b.entries(action)
		if len(got) != 1 || got[0].Action != action || got[0].Target != target {
			t.Fatalf("%s of %s: %+v", action, target, got)
		}
		if a := got[0].Actor; a.UID != os.Geteuid() || a.User != me.Username || a.Via != "socket" {
			t.Errorf("%s by %+v, want uid %d %s", action, a, os.Geteuid(), me.Username)
		}
		return got[0]
	}
	_, err = b.client.AddTrust(ctx, api.TrustEntry{Org: org, Petname: "other", Level: "observed", Expires: day, Reason: "met in Vienna"})
	ok(t, err)
	said := func(e api.AuditEntry) string { return fmt.Sprint(e.Detail) } // the words are the trust list's
	if e := only("trust.set", org); e.Reason != "met in Vienna" || !strings.Contains(said(e), "observed") || !strings.Contains(said(e), day) {
		t.Errorf("added: %+v", e)
	}
	_, err = b.client.SetTrust(ctx, api.TrustEntry{Org: org, Level: "partner", Topics: []string{"fraud"}})
	ok(t, err)
	if e := b.entries("trust.set")[1]; !strings.Contains(said(e), `"observed" -> "partner"`) {
		t.Errorf("changed: %+v", e)
	}
	_, err = b.client.RemoveTrust(ctx, "other", "left")
	ok(t, err)
	if e := only("trust.remove", org); !strings.Contains(said(e), "partner") {
		t.Errorf("removed: %+v", e)
	}
	record := b.other.record(t, "fraud", indicator(1, "a.example"), indicator(2, "b.example"))
	b.receive(record)
	second := b.other.record(t, "fraud", indicator(3, "c.example"))
	b.receive(second)
	_, err = b.client.Decide(ctx, api.Decision{Subject: record.ID().String(), Accept: true, Reason: "seen here too"})
	ok(t, err)
	if e := only("quarantine.accept", record.ID().String()); e.Reason != "seen here too" || e.Detail["items"] != record.ID().String() || e.Detail["count"] != "1" {
		t.Errorf("accepted: %+v", e)
	}
	_, err = b.client.Decide(ctx, api.Decision{Subject: second.ID().String()})
	ok(t, err)
	only("quarantine.reject", second.ID().String())
	addr := "/ip4/192.0.2.2/tcp/1/p2p/" + peerA
	_, err = b.client.AddPeer(ctx, addr)
	ok(t, err)
	only("peers.add", addr)
	_, err = b.client.RemovePeer(ctx, peerA)
	ok(t, err)
	only("peers.remove", peerA)
	_, err = b.client.JoinTopic(ctx, "phishing")
	ok(t, err)
	only("topics.join", "phishing")
	_, err = b.client.LeaveTopic(ctx, "phishing")
	ok(t, err)
	only("topics.leave", "phishing")
	res := b.publish(indicator(4, "d.example"))
	only("publish.done", "fraud")
	got := b.entries("publish")
	if len(got) != 2 || got[0].Action != "publish" || got[0].Detail["tlp"] == "" || got[0].Detail["sha256"] != got[1].Detail["sha256"] ||
		got[1].Detail["ids"] != strings.Join(res.Records, " ") || got[1].Detail["objects"] != "1" {
		t.Errorf("published: %+v", got)
	}
	checkChain(t, b)
}

func checkChain(t *testing.T, b *bench) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "exported")
	f, err := os.Create(path)
	ok(t, err)
	_, err = b.client.AuditExport(t.Context(), f)
	ok(t, errors.Join(err, f.Close()))
	head, err := b.client.AuditHead(t.Context())
	ok(t, err)
	v, err := audit.Verify(path)
	ok(t, err)
	if v.Entries != head.Seq || v.Head.String() != head.Hash || len(v.Problems) > 0 {
		t.Errorf("exported: %+v, the head is %+v", v, head)
	}
}

// What was asked for and failed is there with why.
func TestFailuresAreWrittenDown(t *testing.T) {
	b := newBench(t)
	ctx := t.Context()
	_, err := b.client.LeaveTopic(ctx, "control")
	refused(t, err, reason.Conflict)
	got := b.entries("topics.leave")
	if len(got) != 2 || got[1].Action != "topics.leave.failed" || !strings.Contains(got[1].Detail["error"], string(reason.Conflict)) {
		t.Errorf("entries %+v", got)
	}
	_, err = b.client.Publish(ctx, api.PublishParams{Topic: "fraud", Confidence: -1}, strings.NewReader("no STIX"), -1, nil)
	if err == nil {
		t.Fatal("published what is no STIX")
	}
	if got := b.entries("publish"); len(got) != 2 || got[1].Action != "publish.failed" || got[1].Detail["error"] == "" {
		t.Errorf("entries %+v", got)
	}
}

// What cannot be written down is not done.
func TestNothingUnwritten(t *testing.T) {
	b := newBench(t)
	ctx := t.Context()
	record := b.other.record(t, "fraud", indicator(1, "a.example"))
	b.receive(record)
	ok(t, b.deps.Audit.Close())
	day := time.Now().AddDate(0, 1, 0).Format(time.DateOnly)
	_, add := b.client.AddTrust(ctx, api.TrustEntry{Org: b.other.Org.String(), Petname: "x", Level: "partner", Expires: day})
	_, decide := b.client.Decide(ctx, api.Decision{Subject: record.ID().String(), Accept: true})
	_, peer := b.client.AddPeer(ctx, "/ip4/192.0.2.2/tcp/1/p2p/"+peerA)
	_, join := b.client.JoinTopic(ctx, "phishing")
	_, leave := b.client.LeaveTopic(ctx, "drill")
	_, publish := b.client.Publish(ctx, api.PublishParams{Topic: "fraud", Confidence: -1}, strings.NewReader(indicator(2, "b.example")), -1, nil)
	for name, err := range map[string]error{"trust add": add, "accept": decide, "peers add": peer, "join": join, "leave": leave, "publish": publish} {
		if err == nil || !strings.Contains(err.Error(), "not") || !strings.Contains(err.Error(), "audit log") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, listed := b.deps.Policy.List().Entry(b.other.Org); listed || len(b.mesh.list()) > 0 || len(b.mesh.announced) > 0 {
		t.Errorf("listed %v, peers %v, announced %d", listed, b.mesh.list(), len(b.mesh.announced))
	}
	if c := b.deps.Store.Counts(); c.Objects != 0 || c.Held != 1 {
		t.Errorf("counts %+v", c)
	}
	if topics := b.deps.Settings.Topics([]string{"drill"}); len(topics) != 1 || topics[0].String() != "drill" {
		t.Errorf("topics %v", topics)
	}
}

// Pages, filters, the newest, and who waits.
func TestAuditResource(t *testing.T) {
	b := newBench(t)
	ctx := t.Context()
	list, err := b.client.Audit(ctx, api.AuditParams{Newest: true})
	ok(t, err)
	head, err := b.client.AuditHead(ctx)
	ok(t, err)
	if len(list.Items) != 0 || list.Next != "" || head.Seq != 0 {
		t.Errorf("an empty log: %+v, head %+v", list, head)
	}
	alice, start := audit.WithActor(ctx, audit.Actor{UID: 4711, User: "alice", Via: "socket"}), time.Now().Add(-time.Second)
	for i := range 5 {
		who := ctx
		if i == 3 {
			who = alice
		}
		_, err := b.deps.Audit.Append(who, audit.Event{Action: "trust.set", Target: "t" + strconv.Itoa(i)})
		ok(t, err)
	}
	for name, c := range map[string]struct {
		p          api.AuditParams
		want, next string
	}{
		"a page":         {api.AuditParams{Limit: 2}, "t0 t1", "2"},
		"the next":       {api.AuditParams{Limit: 3, After: 2}, "t2 t3 t4", "5"},
		"the end":        {api.AuditParams{Limit: 3, After: 5}, "", ""},
		"newest":         {api.AuditParams{Newest: true, Limit: 2}, "t3 t4", "5"},
		"by name":        {api.AuditParams{User: "alice"}, "t3", ""},
		"by number":      {api.AuditParams{User: "4711"}, "t3", ""},
		"the node's own": {api.AuditParams{User: "-1", Limit: 9, Target: "T1"}, "t1", ""},
		"text":           {api.AuditParams{Text: `"t2"`}, "", ""},
		"since":          {api.AuditParams{Since: start, Until: time.Now().Add(time.Hour), Text: "t4"}, "t4", ""},
		"until":          {api.AuditParams{Until: start}, "", ""},
		"waits for none": {api.AuditParams{Wait: true, Limit: 9, User: "alice"}, "t3", "5"},
	} {
		list, err := b.client.Audit(ctx, c.p)
		ok(t, err)
		var got []string
		for _, e := range list.Items {
			got = append(got, e.Target)
		}
		if strings.Join(got, " ") != c.want || list.Next != c.next {
			t.Errorf("%s: %v, next %q; want %s, next %q", name, got, list.Next, c.want, c.next)
		}
	}
	type outcome struct {
		list *api.List[api.AuditEntry]
		err  error
	}
	waiting := make(chan outcome, 1)
	go func() {
		list, err := b.client.Audit(ctx, api.AuditParams{Wait: true, After: 5})
		waiting <- outcome{list, err}
	}()
	_, err = b.deps.Audit.Append(ctx, audit.Event{Action: "trust.set", Target: "t5"})
	ok(t, err)
	if got := <-waiting; got.err != nil || len(got.list.Items) != 1 || got.list.Items[0].Target != "t5" || got.list.Next != "6" {
		t.Errorf("waited: %+v", got)
	}
	checkChain(t, b)
}

// The whole log is checked, one at a time (ADM-34).
func TestAuditVerify(t *testing.T) {
	b := newBench(t)
	first, err := b.client.AuditVerify(t.Context())
	if err != nil || !first.OK || first.Entries != 0 || first.Problems == nil {
		t.Errorf("empty: %+v, %v", first, err)
	}
	for range 3 {
		_, err := b.deps.Audit.Append(t.Context(), audit.Event{Action: "a.b", Target: "here"})
		ok(t, err)
	}
	_, head := b.deps.Audit.Head()
	v, err := b.client.AuditVerify(t.Context())
	if err != nil || !v.OK || v.Entries != 3 || v.Head != head.String() || len(v.Problems) != 0 {
		t.Errorf("sound: %+v, %v", v, err)
	}
	for _, path := range []string{"/audit/verify", "/trust-log"} {
		for role, want := range map[access.Role]int{access.Analyst: http.StatusForbidden, access.Operator: http.StatusOK} {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, api.Prefix+path, nil)
			if w := as(t, NewHandler(b.deps), role, "token", r); w.Code != want {
				t.Errorf("%s by %s: %d %s", path, role, w.Code, w.Body)
			}
		}
	}
	a := &auditResource{book: b.deps.Audit, checking: make(chan struct{}, 1), held: func() []audit.Held {
		return []audit.Held{{Checkpoint: tlog.Checkpoint{Origin: "x", Size: 9}}}
	}}
	if out, err := a.verify(t.Context(), nil); err != nil || out.Body.OK || out.Body.Checkpoints != 1 || len(out.Body.Problems) != 1 {
		t.Errorf("entries that a checkpoint covers are missing: %+v, %v", out, err)
	}
	a.checking <- struct{}{}
	_, err = a.verify(t.Context(), nil)
	refused(t, err, reason.Conflict)
	<-a.checking
	ctx, leave := context.WithCancel(t.Context())
	leave()
	if _, err := a.verify(ctx, nil); !errors.Is(err, context.Canceled) || len(a.checking) != 0 {
		t.Errorf("whoever leaves: %v", err)
	}
}

// What the node does by itself anyway is written down when somebody has it done at once: what cannot be is not done (ADM-27).
func TestAtOnceIsWrittenDown(t *testing.T) {
	book := auditLog(t)
	ok(t, book.Close())
	b, _, fake := syncBench(t)
	_, scrubbed := (&scrubResource{new(scrub.Keeper), book}).now(t.Context(), nil)
	_, made := (&evidenceResource{audit: book}).make(t.Context(), nil)
	_, synced := (&syncResource{catchUp: *b.deps.CatchUp, store: b.deps.Store, audit: book}).now(t.Context(), &struct{ Body api.SyncRequest }{})
	for name, err := range map[string]error{"scrub": scrubbed, "checkpoint": made, "sync": synced} {
		if err == nil || !strings.Contains(err.Error(), "nothing was done") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(fake.asked) != 0 {
		t.Errorf("asked %q", fake.asked)
	}
}

// So many may wait, and no more.
func TestAuditWaiters(t *testing.T) {
	a := &auditResource{book: auditLog(t), slots: make(chan struct{}, 1)}
	a.slots <- struct{}{}
	_, err := a.list(t.Context(), &auditIn{Wait: true, Limit: 1})
	refused(t, err, reason.Conflict)
	<-a.slots
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.list(ctx, &auditIn{Wait: true, Limit: 1}); !errors.Is(err, context.Canceled) || len(a.slots) != 0 {
		t.Errorf("whoever leaves: %v, %d slots taken", err, len(a.slots))
	}
}

// An export that the reader cannot take is not an answer that is whole.
func TestAuditExportBreaksOff(t *testing.T) {
	b := newBench(t)
	for range 3 {
		_, err := b.deps.Audit.Append(t.Context(), audit.Event{Action: "a.b", Reason: strings.Repeat("x", 4000)})
		ok(t, err)
	}
	if _, err := b.client.AuditExport(t.Context(), brokenWriter{}); !errors.Is(err, os.ErrClosed) {
		t.Errorf("a reader that cannot: %v", err)
	}
	var whole bytes.Buffer
	n, err := b.client.AuditExport(t.Context(), &whole)
	ok(t, err)
	if n != int64(whole.Len()) || n < 12000 {
		t.Errorf("exported %d bytes, got %d", n, whole.Len())
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, os.ErrClosed }

// A connection that names nobody is nobody's.
func TestPeople(t *testing.T) {
	if got := withPeer(t.Context(), &net.UnixConn{}).Value(peerKey{}); got != nil {
		t.Errorf("a bare connection is of %v", got)
	}
	bare := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	if who := principal(bare, access.NewAccounts()); who.Role != access.Viewer || who.Actor.User != "" || who.Actor.UID != audit.UIDUnknown {
		t.Errorf("nobody is %+v", who)
	}
}

// The audit entry comes before the deed: who leaves in between has asked all the same.
func TestPublishIsAskedFirst(t *testing.T) {
	book := auditLog(t)
	p := &publishResource{reading: newShares(1, 1), slots: make(chan struct{}, 1), limit: 100, audit: book}
	var seen []string
	p.publish = func(context.Context, outbox.Request) (outbox.Result, error) {
		got, _, err := book.Read(0, 10, audit.Filter{})
		ok(t, err)
		for _, e := range got {
			seen = append(seen, e.Action)
		}
		return outbox.Result{}, context.Canceled
	}
	r := newRequest(t, "{}")
	if _, err := p.run(r, outbox.Request{}, 0, &publishAnswer{}); !errors.Is(err, context.Canceled) {
		t.Errorf("run: %v", err)
	}
	if !slices.Equal(seen, []string{"publish"}) {
		t.Errorf("before the deed: %v", seen)
	}
	if last, err := book.Last(1, audit.Filter{}); err != nil || last[0].Action != "publish.failed" {
		t.Errorf("after it: %+v, %v", last, err)
	}
}

func newRequest(t *testing.T, body string) *http.Request {
	t.Helper()
	return httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(body))
}
