package main

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"math/rand/v2"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/protocoltest"
	"tocsin/protocol/stix"
)

// perRecord is how many objects a full live record holds.
const perRecord = 100

// corpus is the same objects in the two forms that contenders take: packed into
// the product's records, and one signed message an object.
type corpus struct {
	chains  *protocol.Chains
	org     protocol.OrgID
	records [][]byte
	objects [][]byte
	public  ed25519.PublicKey
	signed  [][]byte // signature || object
}

// publisher signs benchmark records.
type publisher struct {
	*protocoltest.Author
	rand *rand.ChaCha8
}

const network = "bench"

func newPublisher(seed byte) (*publisher, error) {
	chance := rand.NewChaCha8([32]byte{seed})
	a, err := protocoltest.Found(network, "bench", time.Now(), chance)
	if err != nil {
		return nil, err
	}
	return &publisher{a, chance}, nil
}

// record signs the next record of the key log.
func (p *publisher) record(objects [][]byte) (*protocol.Record, error) {
	topic, err := protocol.ParseTopic("malicious-code")
	if err != nil {
		return nil, err
	}
	now := time.Now()
	return p.Record(protocol.Draft{
		Topic: topic, Kind: protocol.KindObjects, Created: now, Expires: now.AddDate(0, 6, 0), TLP: stix.Green,
		Defaults: protocol.Defaults{Confidence: 80}, Objects: objects,
	})
}

// newCorpus makes n objects from a fixed seed.
func newCorpus(seed byte, n int) (*corpus, error) {
	p, err := newPublisher(seed)
	if err != nil {
		return nil, err
	}
	c := &corpus{chains: p.Chains, org: p.Org}
	public, private, err := ed25519.GenerateKey(p.rand)
	if err != nil {
		return nil, err
	}
	c.public = public
	for i := 0; i < n; i += perRecord {
		batch := make([][]byte, min(perRecord, n-i))
		for j := range batch {
			batch[j] = indicator(p.rand, i+j)
			c.signed = append(c.signed, append(ed25519.Sign(private, batch[j]), batch[j]...))
		}
		c.objects = append(c.objects, batch...)
		r, err := p.record(batch)
		if err != nil {
			return nil, err
		}
		c.records = append(c.records, r.Raw())
	}
	return c, nil
}

// indicator is a made-up STIX 2.1 indicator of about 1.1 KB with one value of a
// mix of domains, addresses, URLs and hashes.
func indicator(r *rand.ChaCha8, i int) []byte {
	var b bytes.Buffer
	id := func(kind string) string {
		return fmt.Sprintf("%s--%08x-%04x-4%03x-8%03x-%012x", kind, uint32(r.Uint64()), uint16(r.Uint64()), r.Uint64()&0xfff, r.Uint64()&0xfff, r.Uint64()&0xffffffffffff)
	}
	fmt.Fprintf(&b, `{"type":"indicator","spec_version":"2.1","id":"%s","created_by_ref":"%s",`, id("indicator"), id("identity"))
	stamp := time.Date(2026, 1, 1, 0, 0, i%86400, i%1000*1e6, time.UTC).Format("2006-01-02T15:04:05.000Z")
	fmt.Fprintf(&b, `"created":"%s","modified":"%s","valid_from":"%s",`, stamp, stamp, stamp)
	fmt.Fprintf(&b, `"name":"Observed infrastructure %x","description":"%s",`, r.Uint64(), filler(r, 380))
	b.WriteString(`"indicator_types":["malicious-activity"],"pattern_type":"stix","confidence":80,"lang":"en",`)
	fmt.Fprintf(&b, `"pattern":"%s","labels":["rsit:malicious-code=\"c2-server\"","campaign-%d"],`, comparison(r, i), i%60)
	b.WriteString(`"kill_chain_phases":[{"kill_chain_name":"lockheed-martin-cyber-kill-chain","phase_name":"command-and-control"}],`)
	fmt.Fprintf(&b, `"external_references":[{"source_name":"report","url":"https://reports.example.org/%x"}],`, r.Uint64())
	b.WriteString(`"object_marking_refs":["marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb"]}`)
	return b.Bytes()
}

func comparison(r *rand.ChaCha8, i int) string {
	switch i % 4 {
	case 0:
		return fmt.Sprintf("[domain-name:value = 'h%x.bad.example']", r.Uint64())
	case 1:
		// Where nothing is reserved: what must not be blocked would be held.
		return fmt.Sprintf("[ipv4-addr:value = '%d.%d.%d.%d']", 45+r.Uint64()%50, r.Uint64()%256, r.Uint64()%256, r.Uint64()%256)
	case 2:
		return fmt.Sprintf("[url:value = 'http://u%x.bad.example/%x']", r.Uint64(), r.Uint64())
	}
	return fmt.Sprintf("[file:hashes.'SHA-256' = '%016x%016x%016x%016x']", r.Uint64(), r.Uint64(), r.Uint64(), r.Uint64())
}

var words = []string{"beacon", "loader", "seen", "against", "the", "finance", "sector", "port", "panel", "rotates", "nightly", "actor", "reuses", "certificate", "host", "drops", "second", "stage", "from", "share"}

func filler(r *rand.ChaCha8, n int) string {
	var b bytes.Buffer
	for b.Len() < n {
		b.WriteString(words[r.Uint64()%uint64(len(words))])
		b.WriteByte(' ')
	}
	return b.String()[:n]
}
