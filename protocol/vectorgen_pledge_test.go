package protocol

import (
	"strings"
	"time"

	"tocsin/protocol/reason"
)

// PLG-01 PLG-02 PLG-03 PLG-04 PLG-05 PLG-06 PLG-07 PLG-08
func (m *vectorMaker) pledges() {
	good := func(name, comment string, kind Kind, p pledge) {
		body, err := p.Encode()
		if err != nil {
			m.t.Fatalf("vector %s: %v", name, err)
		}
		m.pledge(name, comment, kind, body, "")
	}
	good("accept-vouch", "a vouch on two topics", KindVouch, testVouch())
	good("accept-vouch-least", "a vouch with nothing optional", KindVouch, Vouch{Subject: OrgID{1}, Until: testNow.Add(time.Millisecond)})
	good("accept-vouch-withdrawn", "a vouch taken back, with a reason", KindVouch,
		Vouch{Subject: OrgID{1}, Until: testNow.Add(MaxVouchLife), Reason: "we no longer know them", Withdrawn: true})
	good("accept-commitment", "a commitment with everything", KindCommitment, testCommitment())
	good("accept-commitment-least", "a commitment to pass on CLEAR only", KindCommitment, Commitment{Until: testNow.Add(day)})
	good("accept-commitment-withdrawn", "a commitment taken back", KindCommitment, Commitment{Until: testNow.Add(day), Withdrawn: true})
	good("accept-advisory", "an advisory of two lines", KindAdvisory, testAdvisory())
	good("accept-advisory-withdrawn", "an advisory taken back, with a word", KindAdvisory,
		Advisory{Subject: OrgID{2}, Text: "We were wrong.", Until: testNow.Add(day), Withdrawn: true})
	kept := m.spoilt(KindVouch, func(c map[any]any) { c[32] = []any{"later"} })
	m.pledge("accept-unknown-claim", "claim 32 is ignored and kept", KindVouch, kept, "")

	m.pledge("empty", "nothing at all", KindVouch, nil, reason.WireClaims)
	m.pledge("array", "an array", KindVouch, []byte{0x80}, reason.WireClaims)
	m.pledge("long-int", "a flag's key in a longer form than needed", KindCommitment,
		append([]byte{0xa2, 0x18, 0x08, 0xf5, 0x07}, mustEncode(millis(testNow.Add(day)))...), reason.WireCanonical)
	m.pledge("self", "an organisation vouches for itself", KindVouch,
		m.spoilt(KindVouch, func(c map[any]any) { org := m.org.genesis.Org(); c[vouchSubject] = org[:] }), reason.WireClaims)
	for kind, last := range map[Kind]int{KindVouch: lastVouch, KindCommitment: lastCommitment, KindAdvisory: lastAdvisory} {
		name := kind.String()
		m.pledge(name+"-claim-0", "claim 0", kind, m.spoilt(kind, func(c map[any]any) { c[0] = 1 }), reason.WireClaims)
		m.pledge(name+"-claim-later", "a claim that must be understood", kind, m.spoilt(kind, func(c map[any]any) { c[last+1] = 1 }), reason.ClaimUnknown)
		m.pledge(name+"-claim-31", "claim 31, whatever else is wrong", kind, m.spoilt(kind, func(c map[any]any) { c[31] = 1; delete(c, 1) }), reason.ClaimUnknown)
		m.pledge(name+"-withdrawn-false", "a flag that says no", kind, m.spoilt(kind, func(c map[any]any) { c[last] = false }), reason.WireClaims)
		m.pledge(name+"-withdrawn-more", "taken back, and stated all the same", kind, m.spoilt(kind, func(c map[any]any) { c[last] = true }), reason.WireClaims)
		m.pledge(name+"-bare", "an empty map", kind, []byte{0xa0}, reason.WireClaims)
	}
	m.brokenPledges()
}

// brokenPledges have one claim that is out of its bounds.
func (m *vectorMaker) brokenPledges() {
	set := func(name, comment string, kind Kind, key int, value any) {
		m.pledge(name, comment, kind, m.spoilt(kind, func(c map[any]any) { c[key] = value }), reason.WireClaims)
	}
	late := func(life time.Duration) any { return testNow.Add(life).UnixMilli() + 1 }
	long := func(n int) string { return strings.Repeat("x", n+1) }
	var promises, topics, evidence []any
	for i := range MaxEvidence + 1 {
		promises, topics, evidence = append(promises, "x"), append(topics, string(rune('a'+i/26))+string(rune('a'+i%26))), append(evidence, append([]byte{byte(i)}, make([]byte, 31)...))
	}
	set("vouch-late", "180 days and a millisecond", KindVouch, vouchUntil, late(MaxVouchLife))
	set("vouch-over", "it ends when it begins", KindVouch, vouchUntil, testNow.UnixMilli())
	set("vouch-subject", "a subject of 31 bytes", KindVouch, vouchSubject, make([]byte, 31))
	set("vouch-reason", "a reason of 501 bytes", KindVouch, vouchReason, long(MaxReasonBytes))
	set("vouch-reason-empty", "an empty reason", KindVouch, vouchReason, "")
	set("vouch-reason-line", "a reason of two lines", KindVouch, vouchReason, "a\nb")
	set("vouch-topics-empty", "an empty list of topics", KindVouch, vouchTopics, []any{})
	set("vouch-topics-order", "topics out of order", KindVouch, vouchTopics, []any{"malicious-code", "fraud"})
	set("vouch-topics-many", "33 topics", KindVouch, vouchTopics, topics[:MaxScopes+1])
	set("commitment-late", "400 days and a millisecond", KindCommitment, commitmentUntil, late(MaxCommitmentLife))
	set("commitment-onward", "a TLP that does not exist", KindCommitment, commitmentOnward, 5)
	set("commitment-retraction", "525,601 minutes", KindCommitment, commitmentRetraction, int(MaxRetraction/time.Minute)+1)
	set("commitment-retraction-0", "no minutes", KindCommitment, commitmentRetraction, 0)
	set("commitment-retention", "36,501 days", KindCommitment, commitmentRetention, int(MaxRetention/dayLong)+1)
	set("commitment-will", "17 promises", KindCommitment, commitmentWill, promises[:MaxPromises+1])
	set("commitment-will-not", "a promise of 301 bytes", KindCommitment, commitmentWillNot, []any{long(MaxPromiseBytes)})
	set("advisory-late", "90 days and a millisecond", KindAdvisory, advisoryUntil, late(MaxAdvisoryLife))
	set("advisory-text", "4,001 bytes", KindAdvisory, advisoryText, long(MaxAdvisoryText))
	set("advisory-text-control", "a tab in the text", KindAdvisory, advisoryText, "a\tb")
	set("advisory-text-direction", "a mark of direction in the text", KindAdvisory, advisoryText, "a\u202eb")
	set("advisory-evidence", "51 records", KindAdvisory, advisoryEvidence, evidence)
	set("advisory-evidence-order", "records out of order", KindAdvisory, advisoryEvidence, []any{evidence[1], evidence[0]})
	set("advisory-evidence-none", "no record", KindAdvisory, advisoryEvidence, []any{})
}

// spoilt is the usual body of a kind, changed.
func (m *vectorMaker) spoilt(kind Kind, change func(map[any]any)) []byte {
	body, err := map[Kind]pledge{KindVouch: testVouch(), KindCommitment: testCommitment(), KindAdvisory: testAdvisory()}[kind].Encode()
	if err != nil {
		m.t.Fatal(err)
	}
	c, err := decodeClaims(body)
	if err != nil {
		m.t.Fatal(err)
	}
	loose := map[any]any{}
	for key, value := range c {
		loose[int(key)] = value
	}
	change(loose)
	return mustEncode(loose)
}

// pledge makes a vector of a body by the usual author at the usual time.
func (m *vectorMaker) pledge(name, comment string, kind Kind, body []byte, code reason.Code) {
	m.t.Helper()
	v := m.start("pledge-"+name, "pledge", comment)
	v.add("kind", "%d", kind)
	v.add("org", "%s", m.org.genesis.Org())
	v.add("created", "%d", testNow.UnixMilli())
	v.addHex("input", body)
	v.expect(code)
	if code != "" {
		return
	}
	p, err := readAny(pledgeRecord(m.org.genesis.Org(), kind, testNow, body))
	if err != nil {
		m.t.Fatalf("vector %s: %v", name, err)
	}
	v.fields = append(v.fields, pledgeFields(p)...)
}
