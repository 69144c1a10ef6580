package outbox

import (
	"context"
	"maps"
	"reflect"
	"testing"

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
	o.suspected(&Loss{Key: o.Key(), Why: "seen"})
	_ = o.try(9) // by which the key stops
	if _, err := o.Preview(req); reason.Of(err) != reason.KeyStopped {
		t.Errorf("a preview of a node that signs no more: %v", err)
	}
}
