package standing

import (
	"crypto/rand"
	"testing"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/protocoltest"
	"tocsin/protocol/reason"
)

// TestLate is VER-18: what comes after the end of a key's last certificate stands up to the heads of the newest status, whatever
// it says of its time; a certificate anew, or a revocation, decides instead.
func TestLate(t *testing.T) {
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	a, err := protocoltest.Found("test", "A", now, rand.Reader)
	must(err)
	end, key, topic := a.Certificate.NotAfter, a.Key.Public().ID(), protocol.TopicDrill
	var places []protocol.Head
	for range 3 {
		r, err := a.Record(protocol.Draft{Topic: topic, Kind: 77, Body: []byte("later")})
		must(err)
		places = append(places, protocol.Head{Key: key, Topic: topic, Sequence: r.Header().Sequence, ID: r.ID()})
	}
	other := places[1]
	other.ID[0] ^= 1
	elsewhere := places[0]
	elsewhere.Topic = protocol.TopicControl
	bare := a.Chains
	beat, err := a.Beat(now.Add(time.Hour), func(s *protocol.Status) { s.Heads = places[1:2] })
	must(err)
	named := a.Chains
	renewed, err := protocol.SignCertificate("test", protocol.Certificate{
		Org: a.Org, Serial: 2, RecordKey: a.Key.Public(), PeerIDs: a.Certificate.PeerIDs, EncryptionKey: a.Certificate.EncryptionKey,
		MaxTLP: a.Certificate.MaxTLP, NotBefore: end, NotAfter: end.Add(24 * time.Hour),
	}, a.Operations)
	must(err)
	anew, _, errs := named.With(renewed)
	revoke, err := a.Revoke(key, func(r *protocol.Revocation) { r.Heads = places[2:] })
	must(err)
	over, _, more := named.With(revoke)
	if len(errs)+len(more) > 0 {
		t.Fatal(errs, more)
	}
	late := end.Add(protocol.ClockSkew + time.Millisecond)
	for name, tt := range map[string]struct {
		chains *protocol.Chains
		at     protocol.Head
		came   time.Time
		late   bool
	}{
		"in time":                              {bare, places[2], end.Add(protocol.ClockSkew), false},
		"a moment later":                       {bare, places[0], late, true},
		"below a head":                         {named, places[0], late, false},
		"at a head":                            {named, places[1], late, false},
		"another record at a head":             {named, other, late, true},
		"above a head":                         {named, places[2], late, true},
		"on a topic without a head":            {named, elsewhere, late, true},
		"certified again":                      {anew, places[2], late, false},
		"and that ended too":                   {anew, places[2], late.Add(24 * time.Hour), true},
		"of a key that was revoked behind it":  {over, places[2], late, false},
		"of an organisation that is not known": {protocol.NewChains("test"), places[2], late, false},
	} {
		err := tt.chains.Late(a.Org, tt.at, tt.came)
		if (err != nil) != tt.late || tt.late && reason.Of(err) != reason.CertExpired {
			t.Errorf("%s: %v, want late: %v", name, err, tt.late)
		}
	}
	org := func(c *protocol.Chains) *protocol.Org { o, _ := c.Org(a.Org); return o }
	if o := org(named); o.Named(key, topic) != 2 || o.Named(key, protocol.TopicControl) != 0 || org(bare).Named(key, topic) != 0 {
		t.Errorf("named up to %d, on another topic %d", o.Named(key, topic), o.Named(key, protocol.TopicControl))
	}
	again, _, _ := bare.With(beat)
	for name, tt := range map[string]struct {
		a, b *protocol.Org
		at   time.Time
		same bool
	}{
		"while it lasts a status changes nothing": {org(bare), org(named), end, true},
		"then it does":                         {org(bare), org(named), late, false},
		"a certificate anew does":              {org(named), org(anew), late, false},
		"the same does not":                    {org(again), org(named), late, true},
		"it was not known":                     {org(named), nil, late, false},
		"it was not known and nothing is late": {org(named), nil, end, true},
		"it is not known any more":             {nil, org(named), late, false},
		"it was never known":                   {nil, nil, late, true},
	} {
		if got := tt.a.SameLapses(tt.b, tt.at); got != tt.same {
			t.Errorf("%s: same %v", name, got)
		}
	}
}
