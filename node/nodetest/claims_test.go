package nodetest

//bubble: what is in this file is called inside Run, where time is virtual.

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"tocsin/node/admin/api"
	"tocsin/node/outbox"
	"tocsin/protocol"
	"tocsin/protocol/pattern"
	"tocsin/protocol/stix"
	"tocsin/protocol/trust"
)

// indicators makes a STIX indicator for each pattern, as sure as the arithmetic lets anybody be.
func (f *Fleet) indicators(patterns ...string) []json.RawMessage {
	f.t.Helper()
	now := time.Now().UTC().Format("2006-01-02T15:04:05.000Z")
	var out []json.RawMessage
	for _, p := range patterns {
		f.objects++
		raw, err := json.Marshal(map[string]any{
			"type": "indicator", "spec_version": "2.1", "id": fmt.Sprintf("indicator--00000000-0000-4000-8000-%012x", f.objects),
			"created": now, "modified": now, "valid_from": now, "confidence": 95, "pattern": p, "pattern_type": "stix",
		})
		if err != nil {
			f.t.Fatal(err)
		}
		out = append(out, raw)
	}
	return out
}

// addresses makes the patterns of IPv4 addresses.
func addresses(values []string) []string {
	var out []string
	for _, v := range values {
		out = append(out, fmt.Sprintf("[ipv4-addr:value = '%s']", v))
	}
	return out
}

// claim has node i publish that these addresses are malicious.
func (f *Fleet) claim(i int, topic string, values ...string) {
	f.t.Helper()
	on, err := protocol.ParseTopic(topic)
	if err != nil {
		f.t.Fatal(err)
	}
	bundle, err := json.Marshal(map[string]any{"type": "bundle", "id": "bundle--00000000-0000-4000-8000-000000000001", "objects": f.indicators(addresses(values)...)})
	if err != nil {
		f.t.Fatal(err)
	}
	res, err := f.Members[i].Outbox.Publish(f.ctx, outbox.Request{Topic: on, TLP: stix.Green, Confidence: -1, Data: bundle})
	if err != nil || len(res.Skipped) > 0 || res.Objects != len(values) {
		f.t.Fatalf("node %d claims %d values: %d went out, skipped %v, %v", i, len(values), res.Objects, res.Skipped, err)
	}
}

// claim sends a record that says that what the patterns name is malicious.
func (h *Hostile) claim(topic string, patterns ...string) *protocol.Record {
	h.fleet.t.Helper()
	on, err := protocol.ParseTopic(topic)
	if err != nil {
		h.fleet.t.Fatal(err)
	}
	d := protocol.Draft{Topic: on, Kind: protocol.KindObjects, TLP: stix.Green, Rand: noise{}}
	for _, raw := range h.fleet.indicators(patterns...) {
		d.Objects = append(d.Objects, raw)
	}
	r := h.sign(d)
	h.Send(topic, r.Raw())
	return r
}

// automate lists an organisation at every node, its own left out; machines may act on what it says.
func (f *Fleet) automate(org protocol.OrgID, name string, level trust.Level) {
	f.t.Helper()
	for _, m := range f.Members {
		if m.Own() == org {
			continue
		}
		err := m.Policy.Set(trust.Entry{
			Org: org, Petname: name, Level: level, Expires: time.Now().Add(180 * 24 * time.Hour), Reason: "fleet",
			Automation: trust.Automation{Allow: []pattern.Type{pattern.IPv4, pattern.IPv6, pattern.CIDR, pattern.Domain}, MaxPerDay: 10_000},
		})
		if err != nil {
			f.t.Fatalf("node %d lists %s: %v", m.Number, name, err)
		}
	}
}

// check asks the node's desk about values.
func (m *Member) check(f *Fleet, values ...string) []api.CheckItem {
	f.t.Helper()
	items, err := m.Desk.Check(values, time.Now())
	if err != nil {
		f.t.Fatalf("node %d: %v", m.Number, err)
	}
	return items
}

// passing lists those of the values that machines may act on at this node.
func (m *Member) passing(f *Fleet, values ...string) []string {
	f.t.Helper()
	var out []string
	for _, item := range m.check(f, values...) {
		if item.Automation != nil && item.Automation.Allow {
			out = append(out, item.Value)
		}
	}
	slices.Sort(out)
	return out
}
