package protocol

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"tocsin/protocol/reason"
	"tocsin/protocol/stix"
)

func noise(seed string, n int) []byte {
	b := make([]byte, n)
	(&seeded{seed: seed}).Read(b)
	return b
}

// LIM-01 REC-08 REC-18 REC-20 VER-06 VER-07: Sign takes each limit and refuses one
// more, and says which.
func TestSignLimits(t *testing.T) {
	org := newTestOrg(t, "signer", nil)
	text := func(n int) string { return strings.Repeat("x", n) }
	opaque := func(topic Topic, kind Kind, n int) func(*Draft) {
		return func(d *Draft) {
			d.Topic, d.Kind, d.Objects, d.Body = topic, kind, nil, make([]byte, n)
		}
	}
	for _, test := range []struct {
		name   string
		n      int // the last value allowed
		change func(n int) func(*Draft)
		code   reason.Code
		says   string
	}{
		{"objects", MaxLeaves, func(n int) func(*Draft) {
			return func(d *Draft) { d.Objects = testObjects(n) }
		}, reason.WireClaims, "500"},
		{"object bytes", MaxObjectBytes, func(n int) func(*Draft) {
			return func(d *Draft) { d.Objects = [][]byte{make([]byte, n)} }
		}, reason.BodySize, "1048576"},
		{"raw bytes", MaxRawBytes, func(n int) func(*Draft) {
			return func(d *Draft) {
				d.Objects = nil
				for ; n > leafPrefix; n -= min(n, leafPrefix+MaxObjectBytes) {
					d.Objects = append(d.Objects, make([]byte, min(n-leafPrefix, MaxObjectBytes)))
				}
			}
		}, reason.BodySize, "8388608"},
		{"upstream", MaxUpstream, func(n int) func(*Draft) {
			return func(d *Draft) { d.Upstream = text(n) }
		}, reason.WireClaims, "claim 9"},
		{"producer", MaxProducer, func(n int) func(*Draft) {
			return func(d *Draft) { d.Defaults = Defaults{Producer: text(n), Confidence: -1} }
		}, reason.WireClaims, "claim 10"},
		{"confidence", 100, func(n int) func(*Draft) {
			return func(d *Draft) { d.Defaults = Defaults{Confidence: n, ValidFor: time.Hour} }
		}, reason.WireClaims, "claim 10"},
		{"valid for", int(MaxValidFor / time.Second), func(n int) func(*Draft) {
			return func(d *Draft) { d.Defaults = Defaults{Confidence: -1, ValidFor: time.Duration(n) * time.Second} }
		}, reason.WireClaims, "claim 10"},
		{"storage days", int(MaxStorage / day), func(n int) func(*Draft) {
			return func(d *Draft) { d.Expires = d.Created.Add(time.Duration(n) * day) }
		}, reason.WireClaims, "9600h"},
		{"TLP on an open topic", int(stix.Green), func(n int) func(*Draft) {
			return func(d *Draft) { d.TLP = stix.TLP(n) }
		}, reason.TopicTLP, "open"},
		{"TLP on the sealed topic", int(stix.Red), func(n int) func(*Draft) {
			return func(d *Draft) { opaque(TopicSealed, KindSealed, 10)(d); d.TLP = stix.TLP(n) }
		}, reason.WireClaims, "claim 8"},
		{"unknown kind", MaxOpaqueBytes, func(n int) func(*Draft) { return opaque(TopicDrill, 11, n) }, reason.KindSize, "16384"},
		{"unknown kind on control", MaxOpaqueControl, func(n int) func(*Draft) { return opaque(TopicControl, 11, n) }, reason.KindSize, "2048"},
		{"withdrawal", MaxWithdrawalBytes, func(n int) func(*Draft) { return opaque(TopicControl, KindWithdrawal, n) }, reason.KindSize, "32768"},
		{"receipt", MaxReceiptBytes, func(n int) func(*Draft) { return opaque(TopicControl, KindReceipt, n) }, reason.KindSize, "4096"},
		{"vouch", MaxOpaqueControl, func(n int) func(*Draft) { return opaque(TopicControl, KindVouch, n) }, reason.KindSize, "2048"},
		{"group", MaxGroupBytes, func(n int) func(*Draft) { return opaque(TopicSealed, KindGroup, n) }, reason.KindSize, "49152"},
		{"kind", MaxKind - 1, func(n int) func(*Draft) { return opaque(TopicDrill, Kind(n), 1) }, reason.KindUnknown, "32767"},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := testDraft([]byte("{}"))
			test.change(test.n)(&d)
			r, err := Sign(testNetwork, d, org.cert, org.record)
			if err != nil {
				t.Fatalf("at the limit %d: %v", test.n, err)
			}
			if _, err := Verify(r.Raw(), org.chains, testNow); err != nil {
				t.Fatalf("signed at the limit %d, not verified: %v", test.n, err)
			}
			d = testDraft([]byte("{}"))
			test.change(test.n + 1)(&d)
			_, err = Sign(testNetwork, d, org.cert, org.record)
			if reason.Of(err) != test.code {
				t.Fatalf("one above the limit: %v, want %s", err, test.code)
			}
			if !strings.Contains(err.Error(), test.says) {
				t.Errorf("the error does not say %q: %v", test.says, err)
			}
		})
	}
}

// LIM-01 REC-01: a record of exactly 1 MiB is carried, one byte more is not.
func TestRecordSizeLimit(t *testing.T) {
	org := newTestOrg(t, "signer", nil)
	objects := [][]byte{noise("a", 700_000), noise("b", 300_000)}
	r := org.sign(t, testDraft(objects...))
	more := MaxRecordBytes - len(r.Raw())
	// Raw blocks need three bytes for each 128 KiB; noise is not made smaller.
	for grow := more - 8; grow <= more+8; grow++ {
		objects[1] = noise("b", 300_000+grow)
		r, err := Sign(testNetwork, testDraft(objects...), org.cert, org.record)
		switch {
		case err == nil && len(r.Raw()) <= MaxRecordBytes:
			if _, err := Verify(r.Raw(), org.chains, testNow); err != nil {
				t.Fatalf("a record of %d bytes: %v", len(r.Raw()), err)
			}
		case err == nil:
			t.Fatalf("signed a record of %d bytes", len(r.Raw()))
		case reason.Of(err) != reason.WireSize && reason.Of(err) != reason.KindSize:
			t.Fatalf("%d bytes more: %v", grow, err)
		}
	}
	whole := append(r.Raw(), make([]byte, more)...)
	if _, err := Verify(whole, org.chains, testNow); reason.Of(err) != reason.BodySize {
		t.Errorf("1 MiB of another body: %v", err)
	}
	if _, err := Verify(append(whole, 0), org.chains, testNow); reason.Of(err) != reason.WireSize {
		t.Errorf("1 MiB and a byte: %v", err)
	}
}

// REC-11: 1 MiB of one character is one record, and verifies and opens.
func TestSignWhatCompressesTooWell(t *testing.T) {
	org := newTestOrg(t, "signer", nil)
	for _, c := range []byte{0, ' '} {
		object := bytes.Repeat([]byte{c}, MaxObjectBytes)
		r, err := Verify(org.sign(t, testDraft(object)).Raw(), org.chains, testNow)
		if err != nil {
			t.Fatal(err)
		}
		if h := r.Header(); h.RawLength > MaxRawRatio*h.BodyLength || h.BodyLength > h.RawLength/32 {
			t.Errorf("raw length %d, body length %d", h.RawLength, h.BodyLength)
		}
		leaves, err := r.Open()
		if err != nil || len(leaves) != 1 || !bytes.Equal(leaves[0].Object, object) {
			t.Errorf("1 MiB of %q came back otherwise: %v", c, err)
		}
	}
}

// TOP-03: the default topics are the four of our own and the first-level
// classes of the reference taxonomy, whatever its file says today.
func TestDefaultTopics(t *testing.T) {
	var names []string
	seen := map[Topic]bool{}
	for _, topic := range DefaultTopics() {
		if parsed, err := ParseTopic(topic.String()); err != nil || parsed != topic {
			t.Errorf("topic %s: %v", topic, err)
		}
		if seen[topic] {
			t.Errorf("topic %s twice", topic)
		}
		seen[topic] = true
		names = append(names, topic.String())
	}
	if got := strings.Join(names[:4], " "); got != "control sealed experience drill" {
		t.Errorf("the first four: %s", got)
	}
	const path = "../../shared/data/rsit/rsit-machinev1.json"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Skipf("the taxonomy is not on this machine, so its classes are not compared: %v", err)
	}
	var taxonomy struct {
		Predicates []struct{ Value string }
	}
	if err := json.Unmarshal(text, &taxonomy); err != nil {
		t.Fatal(err)
	}
	var classes []string
	for _, p := range taxonomy.Predicates {
		classes = append(classes, p.Value)
	}
	if got, want := strings.Join(names[4:], " "), strings.Join(classes, " "); got != want {
		t.Errorf("classes: %s\nthe taxonomy has: %s", got, want)
	}
}

// TOP-04 TOP-05 REC-19 VER-05: the table of SPEC 6.2, line by line.
func TestKindTable(t *testing.T) {
	open := Topic{"fraud"}
	for kind, row := range map[Kind]struct {
		control, sealed, open int // largest body, 0 when not allowed
	}{
		0:              {0, 0, 0},
		KindObjects:    {0, 0, 1 << 20},
		KindIdentity:   {16 << 10, 0, 0},
		KindWithdrawal: {32 << 10, 32 << 10, 0},
		KindFork:       {8199, 0, 0},
		KindReceipt:    {4 << 10, 0, 0},
		KindVouch:      {2 << 10, 0, 0},
		KindCommitment: {16 << 10, 0, 0},
		KindAdvisory:   {16 << 10, 0, 0},
		KindSealed:     {0, 1 << 20, 0},
		KindGroup:      {0, 48 << 10, 0},
		11:             {2 << 10, 16 << 10, 16 << 10},
		MaxKind - 1:    {2 << 10, 16 << 10, 16 << 10},
	} {
		for topic, want := range map[Topic]int{
			TopicControl: row.control, TopicSealed: row.sealed, open: row.open, TopicDrill: row.open, TopicExperience: row.open,
		} {
			got := 0
			if topic.Allowed(kind) {
				got = topic.MaxBody(kind)
			}
			if got != want {
				t.Errorf("kind %s on topic %s: a body of %d, want %d", kind, topic, got, want)
			}
		}
	}
}

// VER-01 VER-02: the whole mapping, and what has no place in it.
func TestVerdictTable(t *testing.T) {
	for text, want := range map[string]Verdict{
		"wire.size wire.framing wire.canonical wire.claims body.size body.hash sig.invalid key.invalid":   Reject,
		"topic.mismatch topic.kind topic.tlp kind.size cert.scope cert.window chain.invalid fork.invalid": Reject,

		"cert.unknown cert.expired chain.limit time.future time.expired version.unknown alg.unknown":           Ignore,
		"claim.unknown kind.unknown topic.unknown dup.held log.fork rate.forwarder rate.publisher org.blocked": Ignore,
		"key.revoked status.old": Ignore,

		// not judged by a relay: a body is opened at intake
		"body.root body.framing proof.invalid json.syntax gossip.size store.full internal no.such.code": Ignore,
	} {
		for code := range strings.FieldsSeq(text) {
			err := fmt.Errorf("verify record x: %w", reason.Wrap(reason.Code(code), "detail", os.ErrInvalid))
			if got := VerdictOf(err); got != want {
				t.Errorf("%s: %s, want %s", code, got, want)
			}
		}
	}
	listed := 0
	for range verdicts {
		listed++
	}
	if listed != 33 {
		t.Errorf("%d codes in the verdict table, this test names 33", listed)
	}
	if got := VerdictOf(nil); got != Accept {
		t.Errorf("no error: %s", got)
	}
	if got := VerdictOf(os.ErrClosed); got != Ignore {
		t.Errorf("an error without a code: %s", got)
	}
}
