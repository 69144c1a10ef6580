package identity

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tocsin/node/keystore"
	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// with adds statements to a snapshot, all of which must be taken.
func with(t *testing.T, chains *protocol.Chains, s ...*protocol.Statement) *protocol.Chains {
	t.Helper()
	next, added, errs := chains.With(s...)
	if added != len(s) || len(errs) > 0 {
		t.Fatalf("added %d of %d: %v", added, len(s), errs)
	}
	return next
}

// TestCrowdedChain: with three nodes that renew for a year, no certificate is pushed out of
// the chain while records of the year rest on it: a crowded chain takes longer ones.
func TestCrowdedChain(t *testing.T) {
	start := time.Now()
	o := found(t, "Crowd", start)
	chains := with(t, protocol.NewChains("test"), o.chain...)
	var nodes []*protocol.Certificate
	own, _ := Certificate(chains, o.id, o.keys.Record.Public())
	nodes = append(nodes, own)
	for range 2 {
		k, _, err := keystore.Create(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		s, err := Certify(chains, own, k.Record.Public(), o.keys, start)
		if err != nil {
			t.Fatal(err)
		}
		chains = with(t, chains, s)
		c, _ := Certificate(chains, o.id, k.Record.Public())
		nodes = append(nodes, c)
	}
	longest := time.Duration(0)
	made := len(nodes)
	for day := range 365 {
		now := start.Add(time.Duration(day) * 24 * time.Hour)
		for i, c := range nodes {
			s, err := Renew(chains, c, o.keys, now)
			if err != nil {
				t.Fatal(err)
			}
			if s == nil {
				continue
			}
			made++
			chains = with(t, chains, s)
			nodes[i], _ = chains.Certificate(s.Digest())
			longest = max(longest, nodes[i].NotAfter.Sub(nodes[i].NotBefore))
		}
	}
	org, _ := chains.Org(o.id)
	if len(org.Certificates) != made || longest != protocol.MaxCertificateWindow {
		t.Errorf("%d of %d certificates are kept, the longest for %v", len(org.Certificates), made, longest)
	}
}

// TestEmergency: the revocation made at a key's birth ends it, and its text carries it.
func TestEmergency(t *testing.T) {
	now := time.Now()
	o := found(t, "Safe", now)
	key := o.keys.Record.Public().ID()
	s, err := Emergency("test", o.id, key, o.keys.Operations, now)
	if err != nil {
		t.Fatal(err)
	}
	text := string(EmergencyText("Safe", key, s))
	kind, raw, err := Unarmor(text)
	if err != nil || kind != KindStatement || string(raw) != string(s.Raw()) || !strings.Contains(text, key.String()) {
		t.Errorf("kind %q: %v", kind, err)
	}
	chains := with(t, with(t, protocol.NewChains("test"), o.chain...), s)
	org, _ := chains.Org(o.id)
	if r, revoked := org.Revoked(key); !revoked || !r.Emergency || r.Reason != protocol.RevokedCompromised {
		t.Errorf("revoked %v: %+v", revoked, r)
	}
	if err := chains.Standing(o.id, key, protocol.TopicDrill, 1, protocol.RecordID{1}); reason.Of(err) != reason.KeyRevoked {
		t.Errorf("without a status nothing stands: %v", err)
	}
}

// TestCounter: statuses are numbered upwards whatever is lost, and made when they are due.
func TestCounter(t *testing.T) {
	now := time.Now().Truncate(time.Millisecond)
	o := found(t, "Pulse", now)
	chains := with(t, protocol.NewChains("test"), o.chain...)
	org, _ := chains.Org(o.id)
	path := filepath.Join(t.TempDir(), "status.json")
	c, err := OpenCounter(path)
	if err != nil || !c.Due(org, false, now) {
		t.Fatalf("the first one is due: %v", err)
	}
	if _, err := c.Next("test", org, nil, o.keys.Operations, now); err != nil {
		t.Fatal(err) // made, and lost before anybody took it
	}
	if c, err = OpenCounter(path); err != nil {
		t.Fatal(err)
	}
	s, err := c.Next("test", org, nil, o.keys.Operations, now)
	if err != nil {
		t.Fatal(err)
	}
	chains = with(t, chains, s)
	org, _ = chains.Org(o.id)
	if org.Status.Counter != 2 || len(org.Status.Certificates) != 1 || org.Status.RootVersion != 1 {
		t.Errorf("status %+v", org.Status)
	}
	for _, d := range []struct {
		after   time.Duration
		changed bool
		due     bool
	}{
		{0, false, false}, {0, true, false}, {StatusRest - time.Second, true, false}, {StatusRest, true, true},
		{StatusRest, false, false}, {StatusEvery - time.Second, false, false}, {StatusEvery, false, true}, {-time.Hour, false, true},
	} {
		if got := c.Due(org, d.changed, now.Add(d.after)); got != d.due {
			t.Errorf("after %v, changed %v: due %v", d.after, d.changed, got)
		}
	}
	// Another node made more of them meanwhile; and the file may be gone.
	fresh, err := OpenCounter(path + ".gone")
	if err != nil {
		t.Fatal(err)
	}
	s, err = fresh.Next("test", org, nil, o.keys.Operations, now.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	chains = with(t, chains, s)
	if org, _ = chains.Org(o.id); org.Status.Counter != 3 {
		t.Errorf("status %d after 2", org.Status.Counter)
	}
	fresh.path = filepath.Join(path, "no")
	if _, err := fresh.Next("test", org, nil, o.keys.Operations, now); err == nil {
		t.Error("a number was given that is not on the disk")
	}
}

// A damaged counter goes on behind the newest status held and some numbers further, whatever stop comes in between: no number is
// given twice, and none that partners do not take.
func TestDamagedCounter(t *testing.T) {
	now := time.Now().Truncate(time.Millisecond)
	o := found(t, "Pulse", now)
	chains := with(t, protocol.NewChains("test"), o.chain...)
	path := filepath.Join(t.TempDir(), "status.json")
	c, err := OpenCounter(path)
	if err != nil {
		t.Fatal(err)
	}
	next := func() uint64 {
		t.Helper()
		org, _ := chains.Org(o.id)
		s, err := c.Next("test", org, nil, o.keys.Operations, now)
		if err != nil {
			t.Fatal(err)
		}
		chains = with(t, chains, s)
		org, _ = chains.Org(o.id)
		return org.Status.Counter
	}
	for range 3 {
		next()
	}
	for n, bad := range []string{"", "{", `{"counter":-1}`} {
		if err := os.WriteFile(path, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		aside := fmt.Sprintf("%s.damaged-%d", path, n+1)
		if c, err = OpenCounter(path); err != nil || !strings.Contains(c.Damage(), filepath.Base(aside)) {
			t.Fatalf("%q: %v, %q", bad, err, c.Damage())
		}
		if raw, err := os.ReadFile(aside); err != nil || string(raw) != bad {
			t.Errorf("%q is not kept: %v", bad, err)
		}
		if c, err = OpenCounter(path); err != nil || c.Damage() != "" { // stopped before the first status
			t.Fatalf("said again: %v, %q", err, c.Damage())
		}
		want := uint64(3+damagedSkip+1) + uint64(n)*(damagedSkip+2)
		if got := next(); got != want {
			t.Errorf("status %d, want %d", got, want)
		}
		if got := next(); got != want+1 {
			t.Errorf("then status %d, want %d: numbers are left out once", got, want+1)
		}
	}
	// After a restore as many are left out behind whichever is higher, what the file says or what is held.
	if err := c.Skip(900); err != nil {
		t.Fatal(err)
	}
	last := c.last.Counter
	if c, err = OpenCounter(path); err != nil {
		t.Fatal(err)
	}
	if got := next(); got != last+901 {
		t.Errorf("status %d behind %d", got, last)
	}
}
