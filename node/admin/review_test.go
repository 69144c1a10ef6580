package admin

import (
	"context"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tocsin/node/access"
	"tocsin/node/admin/api"
	"tocsin/node/audit"
	"tocsin/node/policy"
	"tocsin/node/review"
	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/protocol/trust"
)

// desk is a review queue with the lists that it changes, and two people at it.
type desk struct {
	*bench
	review *reviewResource
	file   *trustFileResource
}

func newDesk(t *testing.T) desk {
	t.Helper()
	b := newBench(t)
	q, err := review.Open(filepath.Join(t.TempDir(), "review.json"))
	ok(t, err)
	n := names{b.deps.Policy, b.deps.Identity, b.deps.Self}
	return desk{b, &reviewResource{n, q, b.deps.Policy, b.deps.Intake, b.deps.Audit}, &trustFileResource{n, b.deps.Policy, q, b.deps.Audit}}
}

// as is what a person does.
func (d desk) as(uid int) context.Context {
	return access.With(d.t.Context(), access.Principal{Role: access.Operator, Actor: audit.Actor{UID: uid, Via: "socket"}})
}

func (d desk) set(level trust.Level) {
	d.t.Helper()
	ok(d.t, d.deps.Policy.Set(trust.Entry{Org: d.other.Org, Petname: "other", Level: level, Expires: time.Now().AddDate(0, 6, 0)}))
}

func (d desk) level() trust.Level {
	return d.deps.Policy.List().Level(d.other.Org, "fraud", "", time.Now())
}

// propose queues what the machine proposes.
func (d desk) propose(from, to trust.Level) string {
	d.t.Helper()
	payload, err := json.Marshal(Proposal{From: from.String(), Level: to.String(), Topic: "fraud"})
	ok(d.t, err)
	id, _, err := d.review.queue.Add(review.Item{Kind: review.Promotion, Org: d.other.Org, By: audit.Node(), Created: time.Now(), Payload: payload})
	ok(d.t, err)
	return id
}

func (d desk) accept(uid int, id string) (string, error) {
	out, err := d.review.decide(d.as(uid), &reviewIn{id, api.ReviewDecision{Accept: true, Reason: "agreed"}})
	if err != nil {
		return "", err
	}
	return out.Body.Effect, nil
}

func (d desk) offer(text string) string {
	d.t.Helper()
	out, err := d.file.queueFile(d.as(1000), &trustImportIn{Body: api.TrustText{Name: "offer.toml", TOML: text, Reason: "fair"}})
	ok(d.t, err)
	return out.Body.ID
}

// A proposal is of its day. One that was accepted after the organisation was demoted, or lowered by
// a person, once raised it over that decision.
func TestOldPromotion(t *testing.T) {
	for name, meanwhile := range map[string]func(desk){
		"lowered": func(d desk) { d.set(trust.Observed) },
		"blocked": func(d desk) { d.set(trust.Blocked) },
		"demoted": func(d desk) {
			topic, err := protocol.ParseTopic("fraud")
			ok(t, err)
			ok(t, d.deps.Policy.Demote(t.Context(), d.other.Org, topic, "breaker"))
		},
		"raised": func(d desk) { d.set(trust.Anchor) },
		"gone":   func(d desk) { ok(t, d.deps.Policy.Remove(t.Context(), d.other.Org, "")) },
	} {
		d := newDesk(t)
		d.set(trust.Partner)
		id := d.propose(trust.Partner, trust.Anchor)
		meanwhile(d)
		before := d.deps.Policy.List().Digest()
		if _, err := d.accept(1000, id); reason.Of(err) != reason.Conflict {
			t.Errorf("%s: %v", name, err)
		}
		if d.deps.Policy.List().Digest() != before {
			t.Errorf("%s: the list changed, level %s", name, d.level())
		}
	}
	d := newDesk(t)
	d.set(trust.Observed)
	if _, err := d.accept(1000, d.propose(trust.Observed, trust.Partner)); err != nil || d.level() != trust.Partner {
		t.Errorf("a proposal of today: %v, level %s", err, d.level())
	}
}

// Where anchors need two people, the first who accepts a proposal queues the anchor for the second.
func TestPromotionToAnchorTakesTwo(t *testing.T) {
	d := newDesk(t)
	d.set(trust.Partner)
	two, err := trust.Parse("two.toml", []byte("anchors_need_two_approvers = true\n"))
	ok(t, err)
	ok(t, d.deps.Policy.Import(t.Context(), two, "", nil))
	effect, err := d.accept(1000, d.propose(trust.Partner, trust.Anchor))
	items := d.review.queue.List(time.Now())
	if err != nil || len(items) != 1 || items[0].Kind != review.Anchor || !strings.Contains(effect, items[0].ID) || d.level() != trust.Partner {
		t.Fatalf("first person: %q, %v; waits: %+v; level %s", effect, err, items, d.level())
	}
	if _, err := d.accept(1000, items[0].ID); reason.Of(err) != reason.ApprovalNeeded || d.level() != trust.Partner {
		t.Errorf("the first person again: %v, level %s", err, d.level())
	}
	if _, err := d.accept(1001, items[0].ID); err != nil || d.level() != trust.Anchor {
		t.Errorf("the second person: %v, level %s", err, d.level())
	}
	if left := d.review.queue.List(time.Now()); len(left) != 0 {
		t.Errorf("still waits: %+v", left)
	}
}

// What is accepted is what was shown: an import laid over entries that have changed meanwhile
// once took back the change without a word.
func TestOldImport(t *testing.T) {
	alone, err := trust.Empty().With(trust.Entry{Org: protocol.OrgID{7}, Petname: "seven", Level: trust.Partner, Expires: time.Now().AddDate(0, 3, 0)})
	ok(t, err)
	offer := string(alone.Encode())
	other := func(n byte, level trust.Level) policy.Edit {
		return policy.Edit{Entry: trust.Entry{Org: protocol.OrgID{n}, Level: level, Expires: time.Now().AddDate(0, 3, 0)}}
	}
	d := newDesk(t)
	id := d.offer(offer)
	ok(t, d.deps.Policy.Apply(d.as(1001), other(8, trust.Partner))) // concerns nobody in it
	if _, err := d.accept(1000, id); err != nil {
		t.Errorf("an import of today: %v", err)
	}
	d = newDesk(t)
	id = d.offer(offer)
	ok(t, d.deps.Policy.Apply(d.as(1001), other(7, trust.Blocked)))
	before := d.deps.Policy.List().Digest()
	if _, err := d.accept(1000, id); reason.Of(err) != reason.Conflict || !strings.Contains(err.Error(), "import or set it again") {
		t.Errorf("an import over a later block: %v", err)
	}
	if d.deps.Policy.List().Digest() != before {
		t.Error("the block was taken back")
	}
	if _, err := d.accept(1000, d.offer(offer)); err != nil {
		t.Errorf("imported again: %v", err)
	}
}
