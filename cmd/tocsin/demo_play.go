package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"tocsin/node"
	"tocsin/node/admin/api"
	"tocsin/node/figures"
)

// The values of the story: documentation addresses and reserved names only.
const (
	valueShared  = "203.0.113.77"                 // an anchor and a partner of the bank say so
	valueSingle  = "login.river-parcel.example"   // one anchor alone
	valueLone    = "198.51.100.23"                // the researcher alone
	valueSlander = "mail.northland-cert.example"  // the hostile organisation alone
	valueBulk    = "node17.kettle-botnet.example" // one of many of one publisher
)

// play tells the story from peering to the reckoning.
func (s *stage) play(ctx context.Context) error {
	if err := s.peer(ctx); err != nil {
		return err
	}
	if err := s.list(); err != nil {
		return err
	}
	s.say("They publish: Northland a botnet's 61 names and addresses, Southport and the researcher what they saw")
	bulk := []string{valueShared}
	for i := range 60 {
		bulk = append(bulk, fmt.Sprintf("node%d.kettle-botnet.example", i))
	}
	for _, p := range []struct {
		who, topic string
		confidence int
		values     []string
	}{
		{"northland", "malicious-code", 90, bulk},
		{"northland", "fraud", 95, []string{valueSingle}},
		{"southport", "malicious-code", 80, []string{valueShared}},
		{"researcher", "intrusion-attempts", 60, []string{valueLone}},
	} {
		if err := publish(ctx, s.member(p.who).node, p.topic, p.confidence, p.values...); err != nil {
			return fmt.Errorf("%s publishes: %w", p.who, err)
		}
	}
	s.say("A hostile node joins: it signs a slander with an organisation of its own, then sends forgeries")
	bad, err := newHostile(ctx, s.dir, s.victims()[0].node, s.victims()[1].node)
	if err != nil {
		return err
	}
	defer bad.close()
	if err := bad.attack(ctx); err != nil {
		return err
	}
	s.settle(ctx, bad.peerID)
	s.believe()
	s.reckon(bad.peerID)
	return s.finish()
}

// settle waits until everybody holds everything and the hostile node's
// neighbours have judged it, or a few seconds have gone; what is missing then shows
// in the answers.
func (s *stage) settle(ctx context.Context, hostile string) {
	ctx, cancel := context.WithTimeout(ctx, 8*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !s.settled(hostile) {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (s *stage) settled(hostile string) bool {
	const all = 61 + 1 + 1 + 1 + 1 // what was published, the slander included
	for _, m := range s.members {
		if c := m.node.Store.Counts(); c.Objects+c.Held < all {
			return false
		}
	}
	for _, m := range s.victims() {
		if scoreOf(m.node, hostile) >= graylist {
			return false
		}
	}
	return true
}

// graylist is the score below which a peer is not listened to (SPEC 10).
const graylist = -2500

// victims are the neighbours of the hostile node.
func (s *stage) victims() []*member { return s.members[1:3] }

func scoreOf(n *node.Node, peer string) float64 {
	for _, p := range n.Host.Peers() {
		if p.ID == peer {
			return p.Score
		}
	}
	return 0
}

// expected is what each organisation should answer, by its own list and the
// arithmetic of trust: verdict and state, in the order of the cast.
var expected = map[string][5]string{
	valueShared:  {"malicious accepted", "malicious accepted", "malicious accepted", "known accepted", "known accepted"},
	valueSingle:  {"malicious accepted", "suspicious accepted", "suspicious accepted", "known accepted", "known accepted"},
	valueBulk:    {"malicious accepted", "suspicious accepted", "suspicious accepted", "known accepted", "known accepted"},
	valueLone:    {"unknown held", "unknown held", "unknown held", "known accepted", "suspicious accepted"},
	valueSlander: {"unknown held", "unknown held", "unknown held", "unknown held", "unknown held"},
}

// believe asks every node about every value of the story and holds the answers
// against what they should be.
func (s *stage) believe() {
	values := []string{valueShared, valueSingle, valueBulk, valueLone, valueSlander}
	s.say("\nWhat each believes (score, verdict, state):")
	for _, v := range values {
		s.say("  %s", s.g.defang(kindOf(v), v))
		for i, m := range s.members {
			items, err := m.node.Desk.Check([]string{v}, time.Now())
			if err != nil {
				s.report.Wrong = append(s.report.Wrong, fmt.Sprintf("%s could not answer %s: %v", m.name, v, err))
				continue
			}
			it := items[0]
			s.say("    %-18s %3d  %-10s %-9s %s", m.name, it.Score, it.Verdict, it.State, voices(it))
			s.report.Beliefs = append(s.report.Beliefs, demoBelief{Org: m.name, Value: v, Verdict: it.Verdict, State: it.State, Score: it.Score})
			if got := it.Verdict + " " + it.State; got != expected[v][i] {
				s.report.Wrong = append(s.report.Wrong, fmt.Sprintf("%s says %q of %s, want %q", m.name, got, v, expected[v][i]))
			}
		}
	}
}

func kindOf(v string) string {
	if strings.Trim(v, "0123456789.") == "" {
		return "ipv4"
	}
	return "domain"
}

// voices says who spoke, in the words of the asking node's trust list.
func voices(it api.CheckItem) string {
	var parts []string
	for _, src := range it.Sources {
		name := src.Petname
		switch {
		case src.Level == "own":
			name = "itself"
		case name == "":
			name = "somebody not listed"
		}
		parts = append(parts, fmt.Sprintf("%s (%s, %d)", name, src.Level, src.Confidence))
	}
	return strings.Join(parts, " + ")
}

// reckon shows what became of the hostile node's messages at its two neighbours.
func (s *stage) reckon(hostile string) {
	s.say("\nWhat the hostile node's neighbours did with it:")
	for _, m := range s.victims() {
		count := demoCount{Org: m.name, Held: m.node.Store.Counts().Held, Score: scoreOf(m.node, hostile)}
		for _, t := range m.node.Host.Topics() {
			count.Rejected += t.Rejected
		}
		s.report.Refusals = append(s.report.Refusals, count)
		s.say("    %-18s rejected %s, peer score %.0f (graylisted below %d); %s of strangers held", m.name, figures.Count(int(count.Rejected), "forged message"), count.Score, graylist, figures.Count(count.Held, "object"))
		if count.Rejected == 0 || count.Score >= graylist {
			s.report.Wrong = append(s.report.Wrong, m.name+" did not graylist the hostile node")
		}
	}
	for _, m := range s.members {
		for _, p := range m.node.Host.Peers() {
			if p.ID != hostile && p.Score < 0 {
				s.report.Wrong = append(s.report.Wrong, fmt.Sprintf("%s penalises an honest neighbour: %.0f", m.name, p.Score))
			}
		}
	}
}

// demoBundle is a STIX 2.1 bundle with an indicator for each value.
func demoBundle(values []string) []byte {
	now := time.Now().UTC().Format("2006-01-02T15:04:05.000Z")
	var b bytes.Buffer
	fmt.Fprintf(&b, `{"type":"bundle","id":"bundle--%s","objects":[`, newUUID())
	for i, v := range values {
		property := "domain-name"
		if kindOf(v) == "ipv4" {
			property = "ipv4-addr"
		}
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"type":"indicator","spec_version":"2.1","id":"indicator--%s","created":"%s","modified":"%s","name":"Demonstration","indicator_types":["malicious-activity"],"pattern":"[%s:value = '%s']","pattern_type":"stix","valid_from":"%s"}`,
			newUUID(), now, now, property, v, now)
	}
	b.WriteString("]}")
	return b.Bytes()
}

// newUUID is a random version 4 UUID (RFC 9562).
func newUUID() string {
	var u [16]byte
	_, _ = rand.Read(u[:]) // never fails: crypto/rand ends the program instead
	u[6], u[8] = u[6]&0x0f|0x40, u[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}

// loopbackTCP is a node's TCP address on this machine.
func loopbackTCP(n *node.Node) string {
	for _, a := range n.Host.Addrs() {
		if strings.Contains(a, "/tcp/") {
			return a
		}
	}
	return ""
}
