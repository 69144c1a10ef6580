package protocoltest

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/protocol/stix"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func found(t *testing.T, seed byte, change ...func(*protocol.Certificate)) *Author {
	t.Helper()
	a, err := Found("test", "CERT Example", now, rand.NewChaCha8([32]byte{seed}), change...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func topic(t *testing.T, name string) protocol.Topic {
	t.Helper()
	parsed, err := protocol.ParseTopic(name)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// What it makes verifies for a stranger, and is the same for the same chance.
func TestFound(t *testing.T) {
	a, again, other := found(t, 1), found(t, 1), found(t, 2)
	if a.Org != again.Org || a.Org == other.Org {
		t.Errorf("organisations %s, %s and %s", a.Org, again.Org, other.Org)
	}
	chains, added, errs := protocol.NewChains("test").With(append(a.Statements, other.Statements...)...)
	if added != 6 || len(errs) > 0 {
		t.Fatalf("%d statements added, %v", added, errs)
	}
	for _, x := range []*Author{a, other} {
		if org, ok := chains.PeerOrg(x.Certificate.PeerIDs[0], now); !ok || org != x.Org {
			t.Errorf("the peer of %s is of %s, %v", x.Org, org, ok)
		}
	}
	d := protocol.Draft{Topic: topic(t, "fraud"), Kind: protocol.KindObjects, TLP: stix.Green, Objects: [][]byte{[]byte(`{"type":"x"}`)}}
	for _, at := range []time.Time{{}, a.Certificate.NotBefore, a.Certificate.NotAfter} {
		d.Created = at
		r, err := a.Record(d)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := protocol.Verify(r.Raw(), chains, r.Header().Created); err != nil || got.ID() != r.ID() {
			t.Errorf("a record of %s: %v", at, err)
		}
	}
	twin, err := again.Record(protocol.Draft{Topic: d.Topic, Kind: d.Kind, TLP: d.TLP, Objects: d.Objects})
	if err != nil {
		t.Fatal(err)
	}
	first, err := found(t, 1).Record(protocol.Draft{Topic: d.Topic, Kind: d.Kind, TLP: d.TLP, Objects: d.Objects})
	if err != nil || !bytes.Equal(first.Raw(), twin.Raw()) {
		t.Errorf("the same seed gives another record: %v", err)
	}
}

func TestFoundWithChange(t *testing.T) {
	a := found(t, 1, func(c *protocol.Certificate) { c.MaxTLP, c.PeerIDs = stix.Clear, [][]byte{[]byte("peer")} })
	if org, ok := a.Chains.PeerOrg([]byte("peer"), now); !ok || org != a.Org {
		t.Error("the certificate names another peer than it was told")
	}
	d := protocol.Draft{Topic: topic(t, "fraud"), Kind: protocol.KindObjects, TLP: stix.Green, Objects: [][]byte{[]byte(`{}`)}}
	if _, err := a.Record(d); reason.Of(err) != reason.CertScope || a.Head(d.Topic) != nil {
		t.Errorf("a record above the certificate: %v, head %v", err, a.Head(d.Topic))
	}
	if _, err := Found("test", "", now, rand.NewChaCha8([32]byte{})); reason.Of(err) != reason.WireClaims {
		t.Errorf("an organisation without a name: %v", err)
	}
	if _, err := Found("test", "CERT", now, bytes.NewReader(make([]byte, 100))); err == nil {
		t.Error("keys from a source that runs dry")
	}
	wide := func(c *protocol.Certificate) {
		c.NotAfter = c.NotBefore.Add(protocol.MaxCertificateWindow + time.Second)
	}
	if _, err := Found("test", "CERT", now, rand.NewChaCha8([32]byte{}), wide); reason.Of(err) != reason.WireClaims {
		t.Errorf("a certificate that lasts too long: %v", err)
	}
}

// Each topic has a log of its own; a named sequence stands where it says.
func TestRecordKeepsLogs(t *testing.T) {
	a := found(t, 1)
	sign := func(on string, sequence uint64) *protocol.Record {
		t.Helper()
		r, err := a.Record(protocol.Draft{Topic: topic(t, on), Kind: protocol.KindObjects, Sequence: sequence, Objects: [][]byte{[]byte(`{}`)}})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	unknown, head := protocol.RecordID{1}, func() protocol.RecordID { return a.Head(topic(t, "fraud")).ID() }
	var ids []protocol.RecordID
	for i, step := range []struct {
		on             string
		sequence, want uint64
		previous       int // index of the step before it in the log; -1 for none, -2 for one that nobody knows
		heads          bool
	}{
		{"fraud", 0, 1, -1, true},
		{"phishing", 0, 1, -1, false},
		{"fraud", 0, 2, 0, true},
		{"fraud", 5, 5, -2, true},
		{"fraud", 3, 3, -2, false}, // the past leaves the end where it is
		{"fraud", 1, 1, -1, false},
		{"fraud", 6, 6, 3, true},
		{"phishing", 0, 2, 1, false},
		{"fraud", 0, 7, 6, true},
	} {
		r := sign(step.on, step.sequence)
		ids = append(ids, r.ID())
		want := protocol.RecordID{}
		if step.previous == -2 {
			want = unknown
		} else if step.previous >= 0 {
			want = ids[step.previous]
		}
		if h := r.Header(); h.Sequence != step.want || h.Previous != want || !h.Created.Equal(now) || (head() == r.ID()) != step.heads {
			t.Errorf("step %d: sequence %d after %s, created %s, at the end %v", i, h.Sequence, h.Previous, h.Created, head() == r.ID())
		}
	}
}
