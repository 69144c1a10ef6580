package tlog

import (
	"testing"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// EVD-20: a cosignature's time is held against the certificate of its key and against what it is about.
func TestCosignatureTimes(t *testing.T) {
	c := newCast(t)
	cert, about := c.one.Certificate, c.at
	for name, w := range map[string]struct {
		at    time.Time
		about time.Time
		code  reason.Code
	}{
		"at once":                    {about, about, ""},
		"a clock that is behind":     {about.Add(-protocol.ClockSkew), about, ""},
		"before what it is about":    {about.Add(-protocol.ClockSkew - time.Second), about, reason.SigInvalid},
		"as the certificate begins":  {cert.NotBefore.Truncate(time.Second), cert.NotBefore, ""},
		"before the certificate":     {cert.NotBefore.Truncate(time.Second).Add(-time.Second), cert.NotBefore, reason.CertWindow},
		"as the certificate ends":    {cert.NotAfter, about, ""},
		"behind the certificate":     {cert.NotAfter.Add(time.Second), about, reason.CertWindow},
		"by whoever has the old key": {time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC), about, reason.SigInvalid},
	} {
		s := Cosignature{Org: c.one.Org, Key: c.one.Key.Public().ID(), At: w.at}
		if err := s.Dated(c.chains, w.about); reason.Of(err) != w.code || (err == nil) != (w.code == "") {
			t.Errorf("%s: %v, want %q", name, err, w.code)
		}
	}
	for _, stranger := range []Cosignature{{Org: c.one.Org, Key: c.two.Key.Public().ID(), At: about}, {Org: protocol.OrgID{9}, At: about}} {
		if err := stranger.Dated(c.chains, about); reason.Of(err) != reason.CertWindow {
			t.Errorf("a key without a certificate: %v", err)
		}
	}
}

// EVD-20: what is dated before the certificate, or is of a revoked key, is left out of what is shown on; the rest stays.
func TestSoundCosignatures(t *testing.T) {
	c := newCast(t)
	cp := c.checkpoint()
	raw, err := Sign(cp, c.log.Key)
	ok(t, err)
	s, err := Open(raw, c.chains)
	ok(t, err)
	with := func(s *Signed, org protocol.OrgID, key protocol.Signer, at time.Time) *Signed {
		t.Helper()
		line, err := Cosign(cp, org, network, key, at)
		ok(t, err)
		more, err := s.With(line, c.chains)
		ok(t, err)
		return more
	}
	orgs := func(s *Signed) (out []protocol.OrgID) {
		for _, sig := range s.Cosignatures {
			out = append(out, sig.Org)
		}
		return out
	}
	both := with(with(s, c.one.Org, c.one.Key, time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)), c.two.Org, c.twoKey, c.at)
	left, err := both.Sound(c.chains, c.at)
	if err != nil || len(both.Cosignatures) != 2 || len(orgs(left)) != 1 || orgs(left)[0] != c.two.Org {
		t.Errorf("left is %v of %v: %v", orgs(left), orgs(both), err)
	}
	if again, err := Open(left.Note, c.chains); err != nil || len(again.Cosignatures) != 1 {
		t.Errorf("what is left is no checkpoint: %v", err)
	}
	both = with(with(s, c.one.Org, c.one.Key, c.at), c.two.Org, c.twoKey, c.at)
	if left, err := both.Sound(c.chains, c.at); err != nil || len(left.Cosignatures) != 2 || string(left.Note) != string(both.Note) {
		t.Errorf("sound ones were left out: %v", err)
	}
	revoked, err := c.one.Revoke(c.one.Key.Public().ID())
	ok(t, err)
	chains, _, errs := c.chains.With(revoked)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	if left, err = both.Sound(chains, c.at); err != nil || len(orgs(left)) != 1 || orgs(left)[0] != c.two.Org {
		t.Errorf("with a revoked key left is %v: %v", orgs(left), err)
	}
}
