package admin

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"tocsin/node/admin/api"
	"tocsin/protocol/reason"
)

// A topic that the node has not joined, or that is not for publishing, is refused
// before anything is signed.
func TestPublishTopic(t *testing.T) {
	b := newBench(t)
	for topic, want := range map[string]struct {
		code reason.Code
		text string
	}{
		"malcode":  {reason.TopicUnknown, "publish to malcode: not joined; 'tocsin topics join malcode' first; did you mean malicious-code?"},
		"zzz":      {reason.TopicUnknown, "publish to zzz: not joined; 'tocsin topics join zzz' first"},
		"phishing": {reason.TopicUnknown, "publish to phishing: not joined; 'tocsin topics join phishing' first"},
		"control":  {reason.UsageInvalid, "publish to control: this topic is for the node itself: on it nodes tell each other of their keys"},
		"sealed":   {reason.UsageInvalid, "publish to sealed: this topic is for the node itself: on it go messages that only their recipients can read"},
	} {
		_, err := b.client.Publish(t.Context(), api.PublishParams{Topic: topic, Confidence: -1}, strings.NewReader(indicator(1, "a.example")), -1, nil)
		refused(t, err, want.code)
		if err.Error() != want.text {
			t.Errorf("%s: %q, want %q", topic, err, want.text)
		}
	}
	if c := b.deps.Store.Counts(); c.Records != 0 || len(b.mesh.announced) != 0 {
		t.Errorf("something went out: %+v", c)
	}
}

// A preview says what would go out and who would read it, and does nothing that could be seen afterwards.
func TestPublishPreview(t *testing.T) {
	b := newBench(t)
	b.mesh.peers = []PeerInfo{
		{ID: peerA, Org: b.other.Org, OrgKnown: true, Connected: true}, {ID: "12D3KooWA2", Org: b.other.Org, OrgKnown: true, Connected: true},
		{ID: peerB, Org: b.deps.Self.Org, OrgKnown: true, Kept: true}, {ID: "12D3KooWC", Connected: true},
	}
	feed := feedIn(indicator(1, "a.example"), indicator(2, "b.example"), `{"type":"indicator"}`)
	preview := func(p api.PublishParams) (*api.PublishResult, error) {
		p.Topic, p.Confidence, p.Preview = "fraud", -1, true
		return b.client.Publish(t.Context(), p, strings.NewReader(feed), -1, nil)
	}
	for range 2 {
		res, err := preview(api.PublishParams{})
		ok(t, err)
		if res.Objects != 2 || res.Invalid != 1 || len(res.Records) != 0 || len(res.Skipped) != 1 {
			t.Errorf("%+v", res)
		}
		want := &api.PublishPreview{
			Types: map[string]int{"indicator": 2}, Markings: map[string]int{"TLP:GREEN": 2}, Values: 2,
			Audience: api.Audience{Open: true, Peers: 3, Unnamed: 1, Orgs: []api.AudienceOrg{
				{Org: b.other.Org.String(), Name: "Other CERT", Country: "FI", Level: "unknown", Peers: 2},
			}},
		}
		if !reflect.DeepEqual(res.Preview, want) {
			t.Errorf("%+v, want %+v", res.Preview, want)
		}
	}
	if c := b.deps.Store.Counts(); c.Records != 0 || len(b.mesh.announced) != 0 || len(b.entries("")) != 0 {
		t.Errorf("a preview left something behind: %+v, %v, %v", c, b.mesh.announced, b.entries(""))
	}
	_, err := preview(api.PublishParams{Hold: time.Second})
	refused(t, err, reason.UsageInvalid)
	_, err = preview(api.PublishParams{TLP: "pink"})
	refused(t, err, reason.UsageInvalid)
	res := b.publish(indicator(1, "a.example"))
	if res.Preview != nil || res.Objects != 1 {
		t.Errorf("published: %+v", res)
	}
}

func TestNearest(t *testing.T) {
	names := []string{"drill", "fraud", "malicious-code", "intrusions", "intrusion-attempts"}
	for typed, want := range map[string]string{
		"malcode": "malicious-code", "malicious_code": "malicious-code", "intrusion": "intrusions", "frau": "fraud", "dril": "drill", "zzz": "", "": "",
	} {
		if got := nearest(typed, names); got != want {
			t.Errorf("nearest to %q: %q, want %q", typed, got, want)
		}
	}
	if got := nearest("fraud", nil); got != "" {
		t.Errorf("nearest of nothing: %q", got)
	}
}

// What came as STIX 2.0 is counted: what is signed is not what the file says.
func TestPublishUpgraded(t *testing.T) {
	b := newBench(t)
	old := strings.Replace(strings.Replace(indicator(1, "old.example"), `"spec_version":"2.1",`, "", 1), `"pattern_type":"stix",`, `"labels":["malicious-activity"],`, 1)
	res, err := b.client.Publish(t.Context(), api.PublishParams{Topic: "fraud", Confidence: -1}, strings.NewReader(
		strings.Replace(feedIn(old), `"type":"bundle",`, `"type":"bundle","spec_version":"2.0",`, 1)), -1, nil)
	ok(t, err)
	if res.Objects != 1 || res.Upgraded != 1 {
		t.Errorf("result %+v", res)
	}
	if res := b.publish(indicator(2, "new.example")); res.Upgraded != 0 {
		t.Errorf("result %+v", res)
	}
}
