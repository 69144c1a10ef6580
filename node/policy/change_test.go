package policy

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tocsin/node/audit"
	"tocsin/protocol"
	"tocsin/protocol/pattern"
	"tocsin/protocol/reason"
	"tocsin/protocol/trust"
)

var (
	alice = audit.Actor{UID: 1000, User: "alice", Via: "socket"}
	bob   = audit.Actor{UID: 1001, User: "bob", Via: "socket"}
)

// openAudited opens the book with an audit log beside it.
func (f folder) openAudited(t testing.TB) (*Book, *audit.Log) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(f.state), 0o700))
	l, err := audit.Open(filepath.Join(filepath.Dir(f.state), "audit.log"))
	must(t, err)
	t.Cleanup(func() { must(t, l.Close()) })
	b, err := OpenAudited(f.operator, f.state, l)
	must(t, err)
	return b, l
}

// last is the newest entry of an audit log.
func last(t testing.TB, l *audit.Log) audit.Entry {
	t.Helper()
	entries, err := l.Last(1, audit.Filter{})
	must(t, err)
	if len(entries) == 0 {
		t.Fatal("the audit log is empty")
	}
	return entries[0]
}

func TestEveryChangeIsWrittenDown(t *testing.T) {
	f := newFolder(t)
	put(t, f.operator, text(1, "one", in(50)))
	b, l := f.openAudited(t)
	ctx := audit.WithActor(t.Context(), alice)
	must(t, b.Apply(ctx, Edit{Entry: entry(2, "two", trust.Anchor), Why: "met in Lisbon"}))
	e := last(t, l)
	if e.Action != "trust.set" || e.Actor != alice || e.Reason != "met in Lisbon" || e.Target != orgID(2).String() {
		t.Errorf("set: %+v", e)
	}
	if e.Detail["list_before"] == e.Detail["list_after"] || e.Detail["list_after"] != b.List().Digest().String() {
		t.Errorf("set names the lists %v, in force is %s", e.Detail, b.List().Digest())
	}
	must(t, b.Apply(ctx, Edit{Entry: entry(2, "two", trust.Partner), Why: "too fast"}))
	if d := last(t, l).Detail; d["two: level"] != `"anchor" -> "partner"` {
		t.Errorf("lowered: %v", d)
	}
	must(t, b.Remove(ctx, orgID(2), "left"))
	if e := last(t, l); e.Action != "trust.remove" || e.Reason != "left" {
		t.Errorf("remove: %+v", e)
	}
	put(t, f.operator, text(1, "uno", in(50)))
	must(t, b.Reload(ctx))
	if e := last(t, l); e.Action != "trust.reload" || !strings.Contains(e.Target, f.operator) {
		t.Errorf("reload: %+v", e)
	}
	before := b.List().Digest()
	put(t, f.operator, "nonsense")
	wantCode(t, b.Reload(ctx), reason.TrustFile, "trust.toml:1")
	if e := last(t, l); e.Action != "trust.refused" || !strings.Contains(e.Detail["problem"], "trust.toml:1") {
		t.Errorf("refused file: %+v", e)
	}
	if b.List().Digest() != before {
		t.Error("a refused file changed the list")
	}
}

// What cannot be written down is not done.
func TestNoAuditNoChange(t *testing.T) {
	f := newFolder(t)
	b, l := f.openAudited(t)
	must(t, l.Close())
	if err := b.Set(entry(1, "one", trust.Partner)); err == nil {
		t.Error("set without an audit log")
	}
	put(t, f.operator, text(2, "two", in(50)))
	if err := b.Reload(t.Context()); err == nil {
		t.Error("reload without an audit log")
	}
	if n := len(b.List().Entries()); n != 0 {
		t.Errorf("%d entries came in force", n)
	}
	if _, err := os.Stat(f.state); err == nil {
		t.Error("the state file was written")
	}
}

func TestAnchorsNeedTwo(t *testing.T) {
	f := newFolder(t)
	put(t, f.operator, "anchors_need_two_approvers = true\n"+text(1, "one", in(50)))
	b, l := f.openAudited(t)
	as := func(a audit.Actor) context.Context { return audit.WithActor(t.Context(), a) }
	scoped := entry(3, "three", trust.Partner)
	level := trust.Anchor
	scoped.Scopes = []trust.Scope{{Topics: []string{"fraud"}, Level: &level}}
	for _, e := range []trust.Entry{entry(2, "two", trust.Anchor), scoped} {
		wantCode(t, b.Apply(as(alice), Edit{Entry: e}), reason.ApprovalNeeded, "two people")
		wantCode(t, b.Apply(as(alice), Edit{Entry: e, Approver: &alice}), reason.ApprovalNeeded, "cannot be the second")
		wantCode(t, b.Set(e), reason.ApprovalNeeded, "") // not even the node itself
		must(t, b.Apply(as(bob), Edit{Entry: e, Approver: &alice}))
		if d := last(t, l).Detail["approved_by"]; !strings.Contains(d, "alice") {
			t.Errorf("who agreed is not written down: %q", d)
		}
	}
	// To change an anchor takes two as well; to lower one, or to list others, one.
	e := entry(2, "deux", trust.Anchor)
	wantCode(t, b.Apply(as(alice), Edit{Entry: e}), reason.ApprovalNeeded, "two people")
	must(t, b.Apply(as(alice), Edit{Entry: entry(2, "two", trust.Anchor)})) // as it is
	must(t, b.Apply(as(alice), Edit{Entry: entry(2, "two", trust.Observed)}))
	must(t, b.Apply(as(alice), Edit{Entry: entry(4, "four", trust.Partner)}))
	list, err := trust.Parse("offer.toml", []byte(strings.Replace(text(5, "five", in(50)), "partner", "anchor", 1)))
	must(t, err)
	wantCode(t, b.Import(as(alice), list, "from the fair", nil), reason.ApprovalNeeded, "")
	must(t, b.Import(as(bob), list, "from the fair", &alice))
	if got := b.List().Level(orgID(5), "", "", time.Now()); got != trust.Anchor {
		t.Errorf("imported as %s", got)
	}
}

// One person who could edit an anchor freely would be all that two guard against.
func TestAnchorsChangeWithTwo(t *testing.T) {
	partner, anchor := trust.Partner, trust.Anchor
	for name, edit := range map[string]func(*trust.Entry){
		"wider scope": func(e *trust.Entry) { e.Scopes = nil },
		"other scope": func(e *trust.Entry) { e.Scopes = []trust.Scope{{Topics: []string{"fraud"}, Level: &anchor}} },
		"level":       func(e *trust.Entry) { e.Level = trust.Anchor },
		"vouch": func(e *trust.Entry) {
			e.Level, e.Vouch = trust.Anchor, &trust.Vouch{Depth: 1, MaxOrgs: 1000, LevelCap: trust.Partner, Scopes: []string{"*"}}
		},
		"automation": func(e *trust.Entry) {
			e.Level, e.Automation = trust.Anchor, trust.Automation{Allow: []pattern.Type{pattern.Domain}, MaxPerDay: 1000}
		},
		"expiry":  func(e *trust.Entry) { e.Level, e.Expires = trust.Anchor, in(300) },
		"petname": func(e *trust.Entry) { e.Level, e.Petname = trust.Anchor, "other" },
	} {
		f := newFolder(t)
		put(t, f.operator, "anchors_need_two_approvers = true\n")
		b := f.open(t)
		e := entry(1, "one", trust.Partner)
		e.Scopes = []trust.Scope{{Topics: []string{"spam"}, Level: &anchor}, {Topics: []string{"*"}, Level: &partner}}
		as := func(a audit.Actor) context.Context { return audit.WithActor(t.Context(), a) }
		must(t, b.Apply(as(bob), Edit{Entry: e, Approver: &alice}))
		edit(&e)
		if e.Scopes == nil && e.Level != trust.Anchor {
			e.Level = trust.Anchor
		}
		before := b.List().Digest()
		wantCode(t, b.Apply(as(alice), Edit{Entry: e}), reason.ApprovalNeeded, "two people")
		alone, err := trust.Empty().With(e)
		must(t, err)
		wantCode(t, b.Import(as(alice), alone, "", nil), reason.ApprovalNeeded, "two people")
		wantCode(t, b.Import(as(alice), alone, "", &alice), reason.ApprovalNeeded, "cannot be the second")
		if b.List().Digest() != before {
			t.Errorf("%s: one person changed an anchor", name)
		}
		must(t, b.Import(as(bob), alone, "", &alice))
	}
}

// A group keeps two anchors one voice; to split it is to change both.
func TestAnchorsRegroupWithTwo(t *testing.T) {
	f := newFolder(t)
	group := func(orgs ...byte) string {
		var ids []string
		for _, n := range orgs {
			ids = append(ids, strconv.Quote(orgID(n).String()))
		}
		return "[[group]]\nname = \"holding\"\norgs = [" + strings.Join(ids, ", ") + "]\n"
	}
	put(t, f.operator, "anchors_need_two_approvers = true\n"+strings.Replace(text(1, "one", in(50)), "partner", "anchor", 1)+group(1, 2))
	b := f.open(t)
	as := func(a audit.Actor) context.Context { return audit.WithActor(t.Context(), a) }
	for _, raw := range []string{group(2, 3), group(1, 2, 3)} {
		list, err := trust.Parse("offer.toml", []byte(raw))
		must(t, err)
		wantCode(t, b.Import(as(alice), list, "", nil), reason.ApprovalNeeded, "two people")
		must(t, b.Import(as(bob), list, "", &alice))
		must(t, b.Import(as(bob), list, "", nil)) // as it is
	}
}

func TestImport(t *testing.T) {
	f := newFolder(t)
	b := f.open(t)
	must(t, b.Set(entry(1, "one", trust.Partner)))
	list, err := trust.Parse("offer.toml", []byte(text(2, "two", in(50))+text(1, "uno", in(60))))
	must(t, err)
	must(t, b.Import(t.Context(), list, "offered by two", nil))
	if b.List().Petname(orgID(1)) != "uno" || b.List().Petname(orgID(2)) != "two" {
		t.Errorf("after the import: %v", b.List().Entries())
	}
	clash, err := trust.Parse("offer.toml", []byte(text(3, "two", in(50))))
	must(t, err)
	before := b.List().Digest()
	if err := b.Import(t.Context(), clash, "", nil); err == nil || b.List().Digest() != before {
		t.Errorf("a petname twice: %v", err)
	}
	over, err := trust.Parse("offer.toml", []byte(text(4, "four", in(-1))))
	must(t, err)
	wantCode(t, b.Import(t.Context(), over, "", nil), reason.UsageInvalid, "is over")
}

// Demotion lowers one level on one topic, raises nothing anywhere, and leaves the other topics alone.
func TestDemote(t *testing.T) {
	observed, anchor := trust.Observed, trust.Anchor
	for name, scopes := range map[string][]trust.Scope{
		"no scopes":   nil,
		"one topic":   {{Topics: []string{"fraud"}}},
		"by kind":     {{Topics: []string{"fraud"}, Kinds: []pattern.Type{pattern.IPv4}, Level: &observed}, {Topics: []string{"*"}}},
		"raised":      {{Topics: []string{"fraud", "malicious-code"}, Level: &anchor}},
		"not covered": {{Topics: []string{"malicious-code"}}},
	} {
		for _, level := range []trust.Level{trust.Observed, trust.Partner, trust.Anchor} {
			b := newFolder(t).open(t)
			e := entry(1, "one", level)
			e.Scopes = scopes
			must(t, b.Set(e))
			before := b.List()
			must(t, b.Demote(t.Context(), orgID(1), topic(t, "fraud"), "breaker"))
			after := b.List()
			now := time.Now()
			for _, kind := range []pattern.Type{pattern.IPv4, pattern.Domain} {
				for _, on := range []string{"fraud", "malicious-code", "phishing"} {
					was, is := before.Level(orgID(1), on, kind, now), after.Level(orgID(1), on, kind, now)
					lowered := on == "fraud" && was >= trust.Partner && was == highest(e, "fraud")
					if !lowered && is != was || lowered && is >= was {
						t.Errorf("%s, %s, %s on %s: %s became %s", name, level, kind, on, was, is)
					}
				}
			}
		}
	}
}

func TestDemoteStranger(t *testing.T) {
	b := newFolder(t).open(t)
	must(t, b.Demote(t.Context(), orgID(1), topic(t, "fraud"), "breaker"))
	if b.Version() != 0 {
		t.Error("demoting nobody changed the list")
	}
}

// The same vouches again have nothing judged again.
func TestSameVouchesChangeNothing(t *testing.T) {
	b := newFolder(t).open(t)
	now := time.Now()
	facts := func(topic string) []trust.VouchFact {
		return []trust.VouchFact{{Voucher: orgID(1), Subject: orgID(2), Topics: []string{topic}, Made: now, Until: now.Add(time.Hour)}}
	}
	for i, step := range []struct {
		facts []trust.VouchFact
		want  uint64
	}{{nil, 0}, {facts("fraud"), 1}, {facts("fraud"), 1}, {facts("spam"), 2}, {nil, 3}, {nil, 3}} {
		if b.SetVouches(step.facts); b.Version() != step.want {
			t.Errorf("step %d: edition %d, want %d", i, b.Version(), step.want)
		}
	}
}

func TestVouchesSurviveChanges(t *testing.T) {
	b := newFolder(t).open(t)
	e := entry(1, "one", trust.Anchor)
	e.Vouch = &trust.Vouch{Depth: 1, MaxOrgs: 5, LevelCap: trust.Observed, Scopes: []string{"*"}}
	must(t, b.Set(e))
	now := time.Now()
	b.SetVouches([]trust.VouchFact{{Voucher: orgID(1), Subject: orgID(2), Made: now.Add(-time.Hour), Until: now.Add(time.Hour)}})
	must(t, b.Set(entry(3, "three", trust.Partner)))
	if got := b.List().Level(orgID(2), "fraud", "", now); got != trust.Observed {
		t.Errorf("a vouched organisation is %s after another change", got)
	}
	e.Vouch = nil
	must(t, b.Set(e))
	if got := b.List().Level(orgID(2), "fraud", "", now); got != trust.Unknown {
		t.Errorf("without a voucher it is %s", got)
	}
}

func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFolder(t)
		b := f.open(t)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- b.Watch(ctx) }()
		synctest.Wait()
		put(t, f.operator, text(1, "one", in(50)))
		time.Sleep(WatchEvery + time.Second)
		if b.List().Petname(orgID(1)) != "one" {
			t.Error("a new file was not seen")
		}
		put(t, f.operator, "broken")
		time.Sleep(WatchEvery + time.Second)
		if b.List().Petname(orgID(1)) != "one" {
			t.Error("a refused file took effect")
		}
		cancel()
		must(t, <-done)
	})
}

func topic(t testing.TB, name string) protocol.Topic {
	t.Helper()
	topic, err := protocol.ParseTopic(name)
	must(t, err)
	return topic
}

// What commands said stands over the file, and a reload can say of whom.
func TestOverlaid(t *testing.T) {
	f := newFolder(t)
	put(t, f.operator, text(1, "one", in(50))+text(2, "two", in(50)))
	b := f.open(t)
	if got := b.Overlaid(); len(got) != 0 {
		t.Errorf("nothing was changed, yet %v is overlaid", got)
	}
	must(t, b.Set(entry(2, "two", trust.Anchor)))
	must(t, b.Set(entry(3, "three", trust.Observed)))
	if got := b.Overlaid(); len(got) != 1 || got[0] != orgID(2) {
		t.Errorf("overlaid: %v", got)
	}
}

// A change of an entry that somebody changed meanwhile is not applied, whatever the list in force shows of it.
func TestStart(t *testing.T) {
	f := newFolder(t)
	b := f.open(t)
	e := entry(1, "one", trust.Partner)
	must(t, b.Set(e))
	stated, _ := b.Stated(e.Org)
	changed := stated
	changed.Reason = "met"
	must(t, b.Apply(t.Context(), Edit{Entry: changed, Start: &stated}))
	wantCode(t, b.Apply(t.Context(), Edit{Entry: stated, Start: &stated}), reason.StateChanged, "at the same time")
	if now, _ := b.Stated(e.Org); now.Reason != "met" {
		t.Errorf("%+v", now)
	}
}
