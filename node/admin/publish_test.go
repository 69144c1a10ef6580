package admin

import (
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"tocsin/node/access"
	"tocsin/node/admin/api"
	"tocsin/node/outbox"
	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/protocol/stix"
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

// watchful is an answer that looks at something before each part of it is written.
type watchful struct {
	*httptest.ResponseRecorder
	look func()
}

func (w watchful) Write(p []byte) (int, error) {
	w.look()
	return w.ResponseRecorder.Write(p)
}

// The places of a publication are free again before its answer is written, also of a preview, and after a fault: a slow reader
// keeps nobody from publishing.
func TestPublishFreesItsPlaces(t *testing.T) {
	b := newBench(t)
	p := newPublishResource(b.deps, names{policy: b.deps.Policy, identity: b.deps.Identity, self: b.deps.Self})
	free := func() {
		if len(p.slots) != 0 || p.reading.taken != 0 {
			t.Errorf("%d slots and %d places are taken", len(p.slots), p.reading.taken)
		}
	}
	request := func(body io.Reader) *http.Request {
		return httptest.NewRequestWithContext(access.With(t.Context(), access.Principal{Role: access.Analyst}), http.MethodPost, "/", body)
	}
	fraud, err := protocol.ParseTopic("fraud")
	ok(t, err)
	req := outbox.Request{Topic: fraud, Confidence: -1, TLP: stix.Green}
	for _, body := range []string{feedIn(indicator(1, "a.example")), "no STIX"} {
		w := watchful{httptest.NewRecorder(), free}
		p.show(request(strings.NewReader(body)), req, &publishAnswer{w: w})
		if w.Body.Len() == 0 {
			t.Errorf("%.20s: no answer", body)
		}
	}
	func() {
		defer func() { _ = recover() }()
		_, _ = p.run(request(iotest.OneByteReader(readPanic{})), req, 0, nil)
		t.Error("a body that panics was read")
	}()
	free()
}

type readPanic struct{}

func (readPanic) Read([]byte) (int, error) { panic("broken") }

// Labels are bounded as records bound them, in bytes.
func TestPublishLabels(t *testing.T) {
	b := newBench(t)
	long := strings.Repeat("é", 100)
	for _, p := range []api.PublishParams{{Upstream: long[:102]}, {Producer: long + "x"}, {Upstream: long[:102], Preview: true}} {
		p.Topic, p.Confidence = "fraud", -1
		_, err := b.client.Publish(t.Context(), p, strings.NewReader(feedIn(indicator(1, "a.example"))), -1, nil)
		refused(t, err, reason.UsageInvalid)
	}
	_, err := b.client.Publish(t.Context(), api.PublishParams{Topic: "fraud", Confidence: -1, Upstream: long[:100]}, strings.NewReader(feedIn(indicator(1, "a.example"))), -1, nil)
	ok(t, err)
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
