package nodetest

import (
	"fmt"
	"time"

	"tocsin/node/identity"
	"tocsin/protocol"
	"tocsin/protocol/stix"
)

// Thief is a hostile peer with a copy of a member's record key. It goes on with the member's
// log from where that was when the key was stolen.
type Thief struct {
	*Hostile
	// Stolen is the key's id.
	Stolen protocol.KeyID

	key         protocol.Signer
	certificate *protocol.Certificate
	last        *protocol.Record
}

// Steal copies the record key of the member who published last, and starts a peer that uses it.
func (f *Fleet) Steal(last Published, targets ...int) *Thief {
	f.t.Helper()
	m := f.Members[last.By]
	key := m.Keys.Keys().Record
	_, chains, err := m.Keys.Own()
	if err != nil {
		f.t.Fatal(err)
	}
	certificate, ok := identity.Certificate(chains, m.Own(), key.Public())
	if !ok {
		f.t.Fatalf("node %d has no certificate", last.By)
	}
	head, err := protocol.VerifyOffline(last.Raw, chains)
	if err != nil {
		f.t.Fatal(err)
	}
	h := f.Hostile("thief", []string{last.Topic.String()}, targets...)
	return &Thief{Hostile: h, Stolen: key.Public().ID(), key: key, certificate: certificate, last: head}
}

// Publish sends one indicator in the victim's name.
func (th *Thief) Publish() *protocol.Record {
	f := th.fleet
	f.t.Helper()
	f.objects++
	now, head := time.Now(), th.last.Header()
	at := now.UTC().Format("2006-01-02T15:04:05.000Z")
	r, err := protocol.Sign(Federation, protocol.Draft{
		Topic: head.Topic, Kind: protocol.KindObjects, TLP: stix.Green, Sequence: head.Sequence + 1, Previous: th.last.ID(),
		Created: now, Expires: now.Add(24 * time.Hour), Rand: noise{},
		Objects: [][]byte{fmt.Appendf(nil, `{"type":"indicator","spec_version":"2.1","id":"indicator--00000000-0000-4000-8000-%012x",`+
			`"created":%q,"modified":%q,"valid_from":%q,"pattern":"[ipv4-addr:value = '12.0.%d.%d']","pattern_type":"stix"}`,
			f.objects, at, at, at, f.objects>>8&0xff, f.objects&0xff)},
	}, th.certificate, th.key)
	if err != nil {
		f.t.Fatalf("thief signs: %v", err)
	}
	th.last = r
	th.Send(head.Topic.String(), r.Raw())
	return r
}
