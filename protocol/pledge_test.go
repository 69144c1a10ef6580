package protocol

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tocsin/protocol/reason"
	"tocsin/protocol/stix"
)

// pledge is what the three kinds have in common, for tests.
type pledge interface{ Encode() ([]byte, error) }

// pledgeRecord is a verified record of a kind with a body.
func pledgeRecord(org OrgID, kind Kind, created time.Time, body []byte) *Record {
	return &Record{raw: body, header: Header{Kind: kind, Created: created}, cert: &Certificate{Org: org}}
}

// readAny reads the body of any kind of pledge.
func readAny(r *Record) (pledge, error) {
	switch r.header.Kind {
	case KindVouch:
		return ReadVouch(r)
	case KindCommitment:
		return ReadCommitment(r)
	default:
		return ReadAdvisory(r)
	}
}

var pledgeKinds = []Kind{KindVouch, KindCommitment, KindAdvisory}

func testVouch() Vouch {
	return Vouch{Subject: OrgID{1}, Topics: []string{"fraud", "malicious-code"}, Until: testNow.Add(30 * day), Reason: "met in Vienna"}
}

func testCommitment() Commitment {
	return Commitment{
		Onward: stix.Amber, Attribution: true, Retraction: 4 * time.Hour, Retention: 365 * day,
		Will: []string{"answer within a day"}, WillNot: []string{"sell", "name a victim"}, Until: testNow.Add(400 * day),
	}
}

func testAdvisory() Advisory {
	return Advisory{Subject: OrgID{2}, Text: "It signs what others wrote.\nSee both records.", Evidence: []RecordID{{1}, {2}}, Until: testNow.Add(90 * day)}
}

// PLG-01 PLG-05 PLG-07 PLG-08: what is pledged is what is read, in a signed record too.
func TestPledgesRoundTrip(t *testing.T) {
	org := newTestOrg(t, "author", nil)
	for kind, p := range map[Kind]pledge{KindVouch: testVouch(), KindCommitment: testCommitment(), KindAdvisory: testAdvisory()} {
		body, err := p.Encode()
		if err != nil {
			t.Fatal(err)
		}
		d := forkDraft(body)
		d.Kind = kind
		r, err := Verify(org.sign(t, d).Raw(), org.chains, testNow)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := readAny(r); err != nil || !reflect.DeepEqual(got, p) {
			t.Errorf("%s: %+v, want %+v (%v)", kind, got, p, err)
		}
		for _, other := range pledgeKinds {
			if other == kind {
				continue
			}
			var err error
			switch other {
			case KindVouch:
				_, err = ReadVouch(r)
			case KindCommitment:
				_, err = ReadCommitment(r)
			default:
				_, err = ReadAdvisory(r)
			}
			if reason.Of(err) != reason.WireClaims {
				t.Errorf("a %s read as a %s: %v", kind, other, err)
			}
		}
	}
}

func drawPledge(t *rapid.T) (Kind, pledge) {
	label := rapid.StringMatching(`[a-zA-Zé ]{1,40}`)
	labels := rapid.SliceOfN(label, 0, MaxPromises)
	withdrawn := rapid.Bool().Draw(t, "withdrawn")
	until := testNow.Add(time.Duration(rapid.Int64Range(1, int64(MaxAdvisoryLife/time.Millisecond)).Draw(t, "until")) * time.Millisecond)
	org := OrgID(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "subject"))
	switch kind := rapid.SampledFrom(pledgeKinds).Draw(t, "kind"); kind {
	case KindVouch:
		v := Vouch{Subject: org, Until: until, Withdrawn: withdrawn, Reason: rapid.StringMatching(`[a-z ]{0,500}`).Draw(t, "reason")}
		if !withdrawn {
			v.Topics = rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z0-9-]{1,40}`), 0, MaxScopes, rapid.ID).Draw(t, "topics")
		}
		return kind, v
	case KindCommitment:
		if withdrawn {
			return kind, Commitment{Until: until, Withdrawn: true}
		}
		return kind, Commitment{
			Onward: stix.TLP(rapid.IntRange(0, 4).Draw(t, "onward")), Attribution: rapid.Bool().Draw(t, "attribution"), Until: until,
			Retraction: time.Duration(rapid.Int64Range(0, int64(MaxRetraction/time.Minute)).Draw(t, "retraction")) * time.Minute,
			Retention:  time.Duration(rapid.Int64Range(0, int64(MaxRetention/dayLong)).Draw(t, "retention")) * dayLong,
			Will:       labels.Draw(t, "will"), WillNot: labels.Draw(t, "will not"),
		}
	default:
		a := Advisory{Subject: org, Until: until, Withdrawn: withdrawn, Text: rapid.StringOfN(rapid.RuneFrom([]rune("abé \n")), 1, -1, MaxAdvisoryText).Draw(t, "text")}
		if !withdrawn {
			for _, b := range rapid.SliceOfNDistinct(rapid.SliceOfN(rapid.Byte(), 32, 32), 1, MaxEvidence, func(b []byte) string { return string(b) }).Draw(t, "evidence") {
				a.Evidence = append(a.Evidence, RecordID(b))
			}
		}
		return kind, a
	}
}

// PLG-01: whatever is within the limits is written and read again; the order of sets does not matter.
func TestPledgesRoundTripProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind, p := drawPledge(t)
		body, err := p.Encode()
		if err != nil {
			t.Fatal(err)
		}
		got, err := readAny(pledgeRecord(OrgID{}, kind, testNow, body))
		if err != nil {
			t.Fatal(err)
		}
		again, err := got.Encode()
		if err != nil || !bytes.Equal(again, body) {
			t.Fatalf("written anew with other bytes: %v", err)
		}
		if fmt.Sprint(inSetOrder(p)) != fmt.Sprint(got) {
			t.Fatalf("wrote %+v\nread %+v", p, got)
		}
		if limit := TopicControl.MaxBody(kind); len(body) > limit {
			t.Fatalf("%d bytes, a record of kind %s takes %d", len(body), kind, limit)
		}
	})
}

func inSetOrder(p pledge) pledge {
	switch p := p.(type) {
	case Vouch:
		p.Topics = sorted(p.Topics, cmp.Compare[string])
		return p
	case Advisory:
		p.Evidence = sorted(p.Evidence, compareRecordIDs)
		return p
	}
	return p
}

// LIM-01 PLG-01 PLG-04 PLG-05 PLG-07 PLG-08: each limit is taken, one more is refused and named.
func TestPledgeLimits(t *testing.T) {
	text := func(n int) string { return strings.Repeat("x", n) }
	texts := func(n int) (out []string) {
		for i := range n {
			out = append(out, fmt.Sprintf("%03d", i))
		}
		return out
	}
	vouch := func(change func(*Vouch)) pledge { v := testVouch(); change(&v); return v }
	commitment := func(change func(*Commitment)) pledge { c := testCommitment(); change(&c); return c }
	advisory := func(change func(*Advisory)) pledge { a := testAdvisory(); change(&a); return a }
	for name, test := range map[string]struct {
		n    int
		make func(n int) pledge
		says string
	}{
		"reason": {MaxReasonBytes, func(n int) pledge { return vouch(func(v *Vouch) { v.Reason = text(n) }) }, "reason: 501, want 0 to 500"},
		"topics": {MaxScopes, func(n int) pledge { return vouch(func(v *Vouch) { v.Topics = texts(n) }) }, "topics: 33, want 0 to 32"},
		"onward": {int(stix.Red), func(n int) pledge { return commitment(func(c *Commitment) { c.Onward = stix.TLP(n) }) }, "TLP"},
		"retraction": {int(MaxRetraction / time.Minute), func(n int) pledge {
			return commitment(func(c *Commitment) { c.Retraction = time.Duration(n) * time.Minute })
		}, "minutes of retraction: 525601"},
		"retention": {int(MaxRetention / dayLong), func(n int) pledge {
			return commitment(func(c *Commitment) { c.Retention = time.Duration(n) * dayLong })
		}, "days of retention: 36501"},
		"will":         {MaxPromises, func(n int) pledge { return commitment(func(c *Commitment) { c.Will = texts(n) }) }, "promises: 17"},
		"will not":     {MaxPromises, func(n int) pledge { return commitment(func(c *Commitment) { c.WillNot = texts(n) }) }, "will not do: 17"},
		"a promise":    {MaxPromiseBytes, func(n int) pledge { return commitment(func(c *Commitment) { c.Will = []string{"a", text(n)} }) }, "bytes of a promise: 301"},
		"another":      {MaxPromiseBytes, func(n int) pledge { return commitment(func(c *Commitment) { c.WillNot = []string{text(n)} }) }, "will not do: 301"},
		"text":         {MaxAdvisoryText, func(n int) pledge { return advisory(func(a *Advisory) { a.Text = text(n) }) }, "text: 4001"},
		"evidence":     {MaxEvidence, func(n int) pledge { return advisory(func(a *Advisory) { a.Evidence = recordIDs(n) }) }, "evidence: 51"},
		"end of times": {MaxTime, func(n int) pledge { return vouch(func(v *Vouch) { v.Until = time.UnixMilli(int64(n)).UTC() }) }, "no end"},
		"withdrawn": {0, func(n int) pledge {
			return advisory(func(a *Advisory) { a.Withdrawn, a.Evidence = true, recordIDs(n) })
		}, "evidence: 1, want 0 to 0"},
	} {
		if _, err := test.make(test.n).Encode(); err != nil {
			t.Errorf("%s: at the limit: %v", name, err)
		}
		if _, err := test.make(test.n + 1).Encode(); reason.Of(err) != reason.UsageInvalid || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: one above the limit: %v, want it to say %q", name, err, test.says)
		}
	}
	for name, p := range map[string]pledge{
		"a topic twice":             vouch(func(v *Vouch) { v.Topics = []string{"fraud", "fraud"} }),
		"no topic":                  vouch(func(v *Vouch) { v.Topics = []string{"No Topic"} }),
		"a reason of two lines":     vouch(func(v *Vouch) { v.Reason = "a\nb" }),
		"a reason of no text":       vouch(func(v *Vouch) { v.Reason = "\xff" }),
		"a reason turned round":     vouch(func(v *Vouch) { v.Reason = "a\u202eb" }),
		"no end":                    vouch(func(v *Vouch) { v.Until = time.Time{} }),
		"withdrawn, with topics":    vouch(func(v *Vouch) { v.Withdrawn = true }),
		"an empty promise":          commitment(func(c *Commitment) { c.Will = []string{""} }),
		"a promise of two lines":    commitment(func(c *Commitment) { c.WillNot = []string{"a\nb"} }),
		"half a minute":             commitment(func(c *Commitment) { c.Retraction = 90 * time.Second }),
		"half a day":                commitment(func(c *Commitment) { c.Retention = 36 * time.Hour }),
		"less than no time":         commitment(func(c *Commitment) { c.Retraction = -time.Minute }),
		"withdrawn, with onward":    Commitment{Onward: stix.Green, Withdrawn: true, Until: testNow},
		"withdrawn, with a promise": Commitment{Will: []string{"x"}, Withdrawn: true, Until: testNow},
		"no text":                   advisory(func(a *Advisory) { a.Text = "" }),
		"a tab":                     advisory(func(a *Advisory) { a.Text = "a\tb" }),
		"no evidence":               advisory(func(a *Advisory) { a.Evidence = nil }),
		"evidence twice":            advisory(func(a *Advisory) { a.Evidence = []RecordID{{1}, {1}} }),
	} {
		if _, err := p.Encode(); reason.Of(err) != reason.UsageInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	bare := Advisory{Subject: OrgID{1}, Until: testNow, Withdrawn: true}
	if _, err := bare.Encode(); err != nil {
		t.Errorf("an advisory taken back without a word: %v", err)
	}
}

func recordIDs(n int) []RecordID {
	out := make([]RecordID, n)
	for i := range out {
		out[i] = RecordID{byte(i)}
	}
	return out
}

// PLG-03: a pledge ends after it begins, and in time.
func TestPledgeLife(t *testing.T) {
	for kind, limit := range map[Kind]time.Duration{KindVouch: MaxVouchLife, KindCommitment: MaxCommitmentLife, KindAdvisory: MaxAdvisoryLife} {
		for life, fits := range map[time.Duration]bool{
			-time.Millisecond: false, 0: false, time.Millisecond: true, limit: true, limit + time.Millisecond: false,
		} {
			v, c, a := testVouch(), testCommitment(), testAdvisory()
			v.Until, c.Until, a.Until = testNow.Add(life), testNow.Add(life), testNow.Add(life)
			body, err := map[Kind]pledge{KindVouch: v, KindCommitment: c, KindAdvisory: a}[kind].Encode()
			if err != nil {
				t.Fatal(err)
			}
			_, err = readAny(pledgeRecord(OrgID{9}, kind, testNow, body))
			if fits != (err == nil) || err != nil && reason.Of(err) != reason.WireClaims {
				t.Errorf("%s of %s: %v", kind, life, err)
			}
		}
	}
}

// FuzzPledge holds what is read against its encoding: PLG-01 PLG-02.
func FuzzPledge(f *testing.F) {
	for _, v := range readVectors(f) {
		if v.get("type") == "pledge" {
			f.Add(uint8(v.number(f, "kind")), v.input(f))
		}
	}
	f.Fuzz(func(t *testing.T, kind uint8, body []byte) {
		r := pledgeRecord(OrgID{9}, pledgeKinds[int(kind)%3], testNow, body)
		if len(body) > MaxOpaqueBytes {
			return
		}
		withinBounds(t, func() {
			p, err := readAny(r)
			if err != nil {
				return
			}
			c, err := decodeClaims(body)
			if err != nil {
				t.Fatal(err)
			}
			maps.DeleteFunc(c, func(key uint64, _ any) bool { return key >= firstOptionalClaim })
			again, err := p.Encode()
			if err != nil || !bytes.Equal(again, mustEncode(c)) {
				t.Fatalf("%s is written anew with other bytes: %x, %v", r.header.Kind, again, err)
			}
		})
	})
}

// runPledgeVector reads the body of a pledge as one of an author and a time.
func runPledgeVector(t *testing.T, v *vector) error {
	org, err := ParseOrgID(v.get("org"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := readAny(pledgeRecord(org, Kind(v.number(t, "kind")), time.UnixMilli(v.number(t, "created")), v.input(t)))
	if err != nil {
		return err
	}
	fields := map[string]string{}
	for _, f := range pledgeFields(p) {
		fields[f.key] = strings.TrimPrefix(fields[f.key]+"\n"+f.value, "\n")
	}
	for _, key := range []string{"subject", "topic", "until", "reason", "withdrawn", "onward", "attribution", "retraction", "retention", "will", "will-not", "text", "evidence"} {
		if got, want := fields[key], strings.Join(v.all(key), "\n"); got != want {
			t.Errorf("%s: got %s, want %s", key, got, want)
		}
	}
	return nil
}

// pledgeFields is what a vector says of a pledge, in order.
func pledgeFields(p pledge) (out []vectorField) {
	add := func(key string, value any) { out = append(out, vectorField{key, fmt.Sprint(value)}) }
	quoted := func(key string, texts ...string) {
		for _, s := range texts {
			raw, _ := json.Marshal(s)
			add(key, string(raw))
		}
	}
	switch p := p.(type) {
	case Vouch:
		add("subject", p.Subject)
		for _, topic := range p.Topics {
			add("topic", topic)
		}
		add("until", p.Until.UnixMilli())
		quoted("reason", nonEmpty(p.Reason)...)
		add("withdrawn", p.Withdrawn)
	case Commitment:
		add("onward", int(p.Onward))
		add("attribution", p.Attribution)
		add("retraction", int(p.Retraction/time.Minute))
		add("retention", int(p.Retention/dayLong))
		quoted("will", p.Will...)
		quoted("will-not", p.WillNot...)
		add("until", p.Until.UnixMilli())
		add("withdrawn", p.Withdrawn)
	case Advisory:
		add("subject", p.Subject)
		quoted("text", nonEmpty(p.Text)...)
		for _, id := range p.Evidence {
			add("evidence", id)
		}
		add("until", p.Until.UnixMilli())
		add("withdrawn", p.Withdrawn)
	}
	return out
}

func nonEmpty(texts ...string) []string {
	return slices.DeleteFunc(texts, func(s string) bool { return s == "" })
}
