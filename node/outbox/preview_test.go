package outbox

import (
	"context"
	"crypto/rand"
	"errors"
	"maps"
	"reflect"
	"testing"
	"time"

	"tocsin/protocol/pattern"
	"tocsin/protocol/protocoltest"
	"tocsin/protocol/reason"
	"tocsin/protocol/stix"
)

// TestPreview: what a preview says is what publishing then does, before and after, and a preview does nothing.
func TestPreview(t *testing.T) {
	o := newOffice(t)
	req := Request{Topic: topic(t, "malicious-code"), TLP: stix.Green, Confidence: -1, Data: bundle(
		indicator(1), marked(2, clearMark), marked(3, amberMark), `{"type":"indicator"}`, indicator(4, "= 'h4", "= "),
		indicator(1), indicator(1, "h1.example", "other.example"), indicator(5))}
	for _, again := range []bool{false, true} {
		before := o.store.Counts()
		would, err := o.Preview(req)
		check(t, err)
		if o.store.Counts() != before || len(o.announced) != map[bool]int{true: 2}[again] {
			t.Errorf("a preview stored or announced something: %+v, %v", o.store.Counts(), o.announced)
		}
		did, err := o.Publish(context.Background(), req)
		check(t, err)
		if would.Objects != did.Objects || would.Invalid != did.Invalid || would.Denied != did.Denied || !reflect.DeepEqual(would.codes(), did.codes()) || would.Records != nil {
			t.Errorf("a preview says %+v, publishing does %+v", would.Result, did)
		}
		types, markings, values := map[string]int{"indicator": 3}, map[stix.TLP]int{stix.Clear: 1, stix.Green: 2}, 3
		if again {
			types, markings, values = map[string]int{}, map[stix.TLP]int{}, 0
		}
		if !maps.Equal(would.Types, types) || !maps.Equal(would.Markings, markings) || would.Values != values {
			t.Errorf("%v, %v and %d values", would.Types, would.Markings, would.Values)
		}
	}
	req.Data = []byte("no JSON")
	if _, err := o.Preview(req); reason.Of(err) != reason.STIXFormat {
		t.Errorf("no STIX: %v", err)
	}
}

// TestPreviewOfWhoDoesNotSign: what keeps a node from signing keeps it from previews, as far as it shows by itself.
func TestPreviewOfWhoDoesNotSign(t *testing.T) {
	req := Request{Topic: topic(t, "malicious-code"), TLP: stix.Green, Confidence: -1, Data: bundle(indicator(1))}
	for name, c := range map[string]struct {
		code   reason.Code
		office func() *office
	}{
		"seen elsewhere": {reason.KeyStopped, func() *office {
			o := newOffice(t)
			o.suspected(&Loss{Key: o.Key(), Why: "seen"})
			return o
		}},
		"revoked": {reason.KeyStopped, func() *office {
			o := newOffice(t)
			s, err := o.author.Revoke(o.Key())
			check(t, err)
			_, errs := o.identity.Add(s)
			check(t, errors.Join(errs...))
			return o
		}},
		"expired": {reason.CertExpired, func() *office {
			author, err := protocoltest.Found(testNetwork, "Author", time.Now().AddDate(-20, 0, 0).Truncate(time.Millisecond), rand.Reader)
			check(t, err)
			return newOfficeOf(t, author)
		}},
	} {
		o := c.office()
		for range 2 {
			if _, err := o.Preview(req); reason.Of(err) != c.code {
				t.Errorf("%s: a preview says %v, want %s", name, err, c.code)
			}
			if _, err := o.Publish(context.Background(), req); reason.Of(err) != c.code {
				t.Errorf("%s: publishing says %v, want %s", name, err, c.code)
			}
		}
	}
}

// TestPreviewValues: what a preview counts is what the store then finds, each value once.
func TestPreviewValues(t *testing.T) {
	for name, c := range map[string]struct {
		objects []string
		want    int
	}{
		"observable":    {[]string{`{"type":"ipv4-addr","spec_version":"2.1","id":"ipv4-addr--00000000-0000-4000-8000-000000000001","value":"203.0.113.7"}`}, 1},
		"vulnerability": {[]string{`{"type":"vulnerability","spec_version":"2.1","id":"vulnerability--00000000-0000-4000-8000-000000000001","created":"2026-01-01T00:00:00.000Z","modified":"2026-01-01T00:00:00.000Z","name":"CVE-2026-1234"}`}, 1},
		"too wide":      {[]string{indicator(5, "[domain-name:value = 'h5.example']", "[ipv4-addr:value ISSUBSET '10.0.0.0/4']")}, 0},
		"twice":         {[]string{indicator(6), indicator(7, "h7.example", "h6.example"), indicator(8)}, 2},
	} {
		o := newOffice(t)
		would, err := o.Preview(Request{Topic: topic(t, "malicious-code"), TLP: stix.Green, Confidence: -1, Data: bundle(c.objects...)})
		check(t, err)
		leaves, err := o.store.Leaves(o.publish(c.objects...).Records[0])
		check(t, err)
		found := map[pattern.Observable]bool{}
		for _, l := range leaves {
			for _, v := range l.Values {
				found[v.Observable] = true
			}
		}
		if would.Values != c.want || len(found) != c.want {
			t.Errorf("%s: %d values, the store has %d, want %d", name, would.Values, len(found), c.want)
		}
	}
}
