package node

import (
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"time"

	"tocsin/node/catchup"
	"tocsin/node/doctor"
	"tocsin/node/scrub"
	"tocsin/protocol"
	"tocsin/protocol/protocoltest"
	"tocsin/storage"
)

func TestClockFinding(t *testing.T) {
	kept, unkept := doctor.Good("kept right"), doctor.Odd(clockFix, "nobody keeps it right")
	orgs := func(early ...time.Duration) map[protocol.OrgID]time.Duration {
		out := map[protocol.OrgID]time.Duration{}
		for i, d := range early {
			out[protocol.OrgID{byte(i + 1)}] = -d
		}
		return out
	}
	found(t, "nobody else", clockFinding(kept, nil), doctor.OK, "kept right")
	found(t, "others agree", clockFinding(kept, orgs(0, time.Second)), doctor.OK, "kept right; not behind those of 2 other")
	found(t, "at the limit", clockFinding(kept, orgs(behindClock, behindClock)), doctor.OK, "not behind")
	found(t, "two beyond it", clockFinding(kept, orgs(behindClock+1, 3*time.Minute, 0)), doctor.Fail, "2 of 3 organisations came up to 3 min before")
	found(t, "the only other", clockFinding(kept, orgs(10*time.Second)), doctor.Warn, "this clock is behind, or that of the only organisation") // one word against another
	found(t, "the only other, and nobody keeps it", clockFinding(unkept, orgs(10*time.Second)), doctor.Warn, "came up to 10 s before")
	found(t, "one of several", clockFinding(kept, orgs(time.Hour, 0)), doctor.OK, "not behind") // theirs is ahead
	found(t, "nobody keeps it", clockFinding(unkept, orgs(0)), doctor.Warn, "nobody keeps it right")
	found(t, "nobody measures it", clockFinding(doctor.None("not measured"), orgs(0)), doctor.Skip, "not measured; not behind those of 1")
}

// The clock is held against the newest record of each key log that others signed, and not against our own.
func TestCheckClock(t *testing.T) {
	store, err := storage.Open("", storage.Options{Memory: true, Network: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	now := time.Now().Truncate(time.Millisecond)
	made := func(name string, made, came time.Time) protocol.OrgID {
		t.Helper()
		a, err := protocoltest.Found("test", name, made, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		r, err := a.Record(protocol.Draft{Topic: protocol.TopicDrill, Kind: 77, Body: []byte("x")})
		if err == nil {
			err = store.Accept(t.Context(), storage.Entry{Record: r, State: storage.Accepted, Received: came, From: "peer"})
		}
		if err != nil {
			t.Fatal(err)
		}
		return a.Org
	}
	add := func(name string, came time.Time) protocol.OrgID { return made(name, now, came) }
	n := &Node{Store: store, own: add("Own", now.Add(-time.Hour))}
	n.clock = newClockWatch(now.Add(-30 * 24 * time.Hour))
	long := now.Add(-20 * 24 * time.Hour)
	for _, name := range []string{"Then", "Also then", "And then"} {
		made(name, long, long.Add(-time.Minute))
	}
	if f := n.checkClock(); f.State == doctor.Fail || strings.Contains(f.Text, "other organisation") {
		t.Errorf("it was behind twenty days ago: %+v", f)
	}
	if f := n.checkClock(); f.State == doctor.Fail {
		t.Errorf("own records only: %+v", f)
	}
	add("One", now.Add(-time.Minute))
	found(t, "one is here before it was made", n.checkClock(), doctor.Warn, "the only organisation")
	add("Two", now.Add(time.Second))
	if f := n.checkClock(); f.State == doctor.Fail {
		t.Errorf("one of two: %+v", f)
	}
	add("Three", now.Add(-6*time.Second))
	found(t, "two of three", n.checkClock(), doctor.Fail, "2 of 3")
}

func TestStoreFinding(t *testing.T) {
	ended := time.Now().Add(-10 * time.Minute)
	lost := make([]storage.Flaw, 2)
	aside := []string{"/n/store.damaged-1"}
	for name, c := range map[string]struct {
		damage error
		report scrub.Report
		aside  []string
		state  doctor.State
		part   string
	}{
		"good":               {nil, scrub.Report{Ended: ended}, nil, doctor.OK, "7 records; all were read 10 min ago"},
		"not read":           {nil, scrub.Report{}, nil, doctor.OK, "7 records; not read as a whole"},
		"being read":         {nil, scrub.Report{Running: true}, nil, doctor.OK, "7 records; all are being read now"},
		"damaged":            {errors.New("a table is torn"), scrub.Report{Ended: ended}, aside, doctor.Fail, "a table is torn"},
		"problems":           {nil, scrub.Report{Ended: ended, Problems: []string{"first", "second"}}, aside, doctor.Fail, "2 problems; the first: first"},
		"lost":               {nil, scrub.Report{Ended: ended, Lost: lost}, aside, doctor.Fail, "damaged, and no peer has them: 2 records"},
		"lost, ended early":  {nil, scrub.Report{Ended: ended, Lost: lost, Error: "no room"}, nil, doctor.Fail, "damaged, and no peer has them: 2 records"},
		"ended early":        {nil, scrub.Report{Ended: ended, Error: "no room"}, aside, doctor.Warn, "ended early: no room"},
		"aside":              {nil, scrub.Report{Ended: ended}, aside, doctor.Warn, "/n/store.damaged-1"},
		"aside, being read":  {nil, scrub.Report{Running: true}, aside, doctor.Warn, "/n/store.damaged-1"},
		"nothing in it, new": {nil, scrub.Report{}, nil, doctor.OK, "not read"},
	} {
		found(t, name, storeFinding(c.damage, c.report, c.aside, 7), c.state, c.part)
	}
	closed := &Node{parts: parts{disk: disk{lack: errors.New("10 MB are free")}}}
	found(t, "closed", closed.checkStore(), doctor.Fail, "the store is closed: 10 MB are free")
	found(t, "closed, so nothing is signed", closed.checkSigning(), doctor.Fail, "10 MB are free")
}

func TestCatchUpFinding(t *testing.T) {
	now := time.Now()
	old, fresh := now.Add(-lateCatchUp-time.Minute), now.Add(-time.Minute)
	failed := []catchup.PeerStatus{{ID: "12D3KooWup"}, {ID: "12D3KooWdown", Error: "stream reset"}}
	for name, c := range map[string]struct {
		status    catchup.Status
		connected int
		started   time.Time
		state     doctor.State
		part      string
	}{
		"alone, new":         {catchup.Status{}, 0, fresh, doctor.Skip, "see peers"},
		"alone, never":       {catchup.Status{}, 0, old, doctor.Warn, "never caught up since the start, and no peer is connected"},
		"alone, a while ago": {catchup.Status{CaughtUp: fresh}, 0, old, doctor.Skip, "see peers"},
		"alone, long ago":    {catchup.Status{CaughtUp: old}, 0, old, doctor.Warn, "caught up to 16 min ago, and no peer is connected"},
		"new":                {catchup.Status{}, 2, fresh, doctor.Skip, "not compared"},
		"never":              {catchup.Status{Behind: 3}, 2, old, doctor.Warn, "never caught up since the start; still to come: 3 records"},
		"never, failing":     {catchup.Status{Peers: failed}, 2, old, doctor.Warn, "never caught up since the start; comparing fails: 12D3KooWdown: stream reset"},
		"late":               {catchup.Status{CaughtUp: old, Behind: 5}, 2, old, doctor.Warn, "caught up to 16 min ago; still to come: 5 records"},
		"under way":          {catchup.Status{CaughtUp: fresh, Behind: 5, Progress: catchup.Progress{Rate: 12.4}}, 2, old, doctor.Warn, "still to come: 5 records, at 12 a second"},
		"one fails":          {catchup.Status{CaughtUp: fresh, Equal: 1, Asked: 2, Peers: failed}, 2, old, doctor.OK, "equal with 1 of 2 peers"},
		"good":               {catchup.Status{CaughtUp: fresh, Equal: 2, Asked: 2}, 2, old, doctor.OK, "caught up to 1 min ago, equal with 2 of 2 peers"},
	} {
		found(t, name, catchUpFinding(c.status, c.connected, c.started), c.state, c.part)
	}
}

func TestCertificateFinding(t *testing.T) {
	now := time.Now().Truncate(time.Millisecond)
	a, err := protocoltest.Found("test", "A", now, rand.Reader) // the certificate has 45 days, the operations key 180
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Beat(now); err != nil {
		t.Fatal(err)
	}
	const day = 24 * time.Hour
	at := func(d time.Duration, record protocol.PublicKey, operations protocol.Signer) doctor.Finding {
		org, _ := a.Chains.Org(a.Org)
		return certificateOf(org, a.Chains, a.Org, record, operations, now.Add(d))
	}
	key := a.Key.Public()
	found(t, "good", at(0, key, a.Operations), doctor.OK, "the operations key until "+now.Add(180*day).UTC().Format(time.DateOnly))
	found(t, "good, renewed elsewhere", at(0, key, nil), doctor.OK, "renewed elsewhere")
	found(t, "no certificate", at(0, a.Root.Public(), a.Operations), doctor.Fail, "has no certificate")
	found(t, "over", at(45*day, key, a.Operations), doctor.Fail, "ended 0 s ago")
	found(t, "long over", at(50*day, key, nil), doctor.Fail, "ended 5 d ago")
	found(t, "slow clock", at(-50*day, key, a.Operations), doctor.Fail, "begins in 5 d only")
	found(t, "soon", at(45*day-soonCertificate+time.Millisecond, key, a.Operations), doctor.Warn, "certificate ends in")
	found(t, "not yet soon, but silent", at(45*day-soonCertificate, key, a.Operations), doctor.Warn, "status is older than a week")
	found(t, "silent, and cannot speak", at(8*day, key, a.Root), doctor.Fail, "cannot be renewed")
	found(t, "key of nobody", at(0, key, a.Root), doctor.Fail, "cannot be renewed")

	_, err = a.Renew(func(c *protocol.Certificate) { c.NotBefore, c.NotAfter = now.Add(120*day), now.Add(175*day) })
	if err == nil {
		_, err = a.Beat(now.Add(134 * day))
	}
	if err != nil {
		t.Fatal(err)
	}
	key = a.Key.Public()
	found(t, "renewed", at(180*day-soonOperations, key, a.Operations), doctor.OK, "the operations key until")
	found(t, "operations key ends soon", at(180*day-soonOperations+time.Millisecond, key, a.Operations), doctor.Warn, "the operations key ends in 44 d")
	found(t, "elsewhere", at(180*day-soonOperations+time.Millisecond, key, nil), doctor.OK, "renewed elsewhere")
}
