package node

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"tocsin/node/backup"
	"tocsin/node/doctor"
	"tocsin/node/figures"
	"tocsin/node/identity"
	"tocsin/node/scrub"
	"tocsin/node/space"
	"tocsin/protocol"
	"tocsin/protocol/trust"
)

func (n *Node) checkIdentity() doctor.Finding {
	org, _, err := n.Keys.Own()
	if err != nil {
		return broken(err, "restore state/ from a backup")
	}
	if org.Disputed {
		return doctor.Bad("call the organisations that trust this one, and settle it with the root keys (docs/keys.md)", "two root statements of one version are known: somebody else has root keys of %s", org.Genesis.Name)
	}
	return doctor.Good("%s (%s), %s, peer %s", org.Genesis.Name, org.Genesis.Country, n.own, n.Host.PeerID())
}

func (n *Node) checkSigning() doctor.Finding {
	if n.disk.lack != nil {
		return doctor.Bad("free space on the disk; the node goes on by itself", "nothing is signed without the store: %v", n.disk.lack)
	}
	if err := n.Keys.Stopped(); err != nil {
		return broken(err, "stop the other copy if there is one, then 'tocsin keys rotate'")
	}
	return doctor.Good("the node signs with key %.16s", n.Keys.Keys().Record.Public().ID())
}

// What is spoken of before it ends. A node renews its certificate when a third of its life is left, that is ten days.
const (
	soonCertificate = 7 * 24 * time.Hour
	soonOperations  = 45 * 24 * time.Hour
	soonTrust       = 14 * 24 * time.Hour
)

func (n *Node) checkCertificate() doctor.Finding {
	org, chains, err := n.Keys.Own()
	if err != nil {
		return broken(err, "restore state/ from a backup")
	}
	keys := n.Keys.Keys()
	return certificateOf(org, chains, n.own, keys.Record.Public(), keys.Operations, time.Now())
}

func (f files) certificate() doctor.Finding {
	chains, keys, bad := f.owner()
	if bad != nil {
		return doctor.None("not read: see identity")
	}
	own, err := owner(chains, keys)
	if err != nil {
		return doctor.None("not read: see identity")
	}
	org, _ := chains.Chains().Org(own)
	return certificateOf(org, chains.Chains(), own, keys.Record.Public(), keys.Operations, time.Now())
}

// certificateOf says how long a record key's certificate holds, and the operations key that renews it.
func certificateOf(org *protocol.Org, chains *protocol.Chains, own protocol.OrgID, record protocol.PublicKey, operations protocol.Signer, now time.Time) doctor.Finding {
	cert, ok := identity.Certificate(chains, own, record)
	if !ok {
		return doctor.Bad("on the node with the operations key: 'tocsin keys rotate'", "this node's record key has no certificate")
	}
	renew := "start the node: it renews the certificate by itself"
	if operations == nil {
		renew = "renew it on the node that has the operations key, or put operations.key into keys/ for a moment and restart (docs/keys.md)"
	}
	switch left := cert.NotAfter.Sub(now); {
	case left <= 0:
		return doctor.Bad(renew, "this node's certificate ended %s ago: peers refuse what it signs", figures.Span(-left))
	case now.Before(cert.NotBefore):
		return doctor.Bad(clockFix, "this node's certificate begins in %s only: the clock is slow", figures.Span(cert.NotBefore.Sub(now)))
	case left < soonCertificate:
		return doctor.Odd(renew, "this node's certificate ends in %s", figures.Span(left))
	}
	var o protocol.Operations
	if operations != nil {
		if o, ok = identity.Delegation(org, operations.Public(), now); !ok {
			return doctor.Bad("'tocsin keys ceremony propose operations' begins a new one", "the operations key is not in force: the certificate cannot be renewed")
		}
	}
	if org.Stale(now) {
		return doctor.Odd("run a node with the operations key: it publishes a status by itself", "the organisation's status is older than a week: partners' machines no longer act on its word")
	}
	text := fmt.Sprintf("holds until %s", cert.NotAfter.UTC().Format(time.DateOnly))
	if operations == nil {
		return doctor.Good("%s; renewed elsewhere, where the operations key is", text)
	}
	if left := o.NotAfter.Sub(now); left < soonOperations {
		return doctor.Odd("'tocsin keys ceremony propose operations' begins a new one", "%s; the operations key ends in %s", text, figures.Span(left))
	}
	return doctor.Good("%s, the operations key until %s", text, o.NotAfter.UTC().Format(time.DateOnly))
}

const (
	// behindClock is how far this clock may seem behind those of others.
	behindClock = 5 * time.Second
	// clockWord is how long what came says something of the clock.
	clockWord = 24 * time.Hour
)

// checkClock holds the clock against the kernel and against others. What came before the clock was set, or before the start,
// when it may have been, says nothing of it: a clock that was put right is accused no more.
func (n *Node) checkClock() doctor.Finding {
	first, now := map[protocol.OrgID]time.Duration{}, time.Now()
	since, by := n.clock.standing()
	for _, l := range n.Store.Logs() {
		came, _, err := n.Store.Source(l.HeadID)
		if err != nil || l.Org == n.own || now.Sub(came) > clockWord || came.Before(since) {
			continue
		}
		first[l.Org] = min(first[l.Org], came.Sub(l.HeadCreated))
	}
	kernel := kernelClock()
	if by != 0 {
		kernel.Text += fmt.Sprintf("; set by %s, or this machine slept, %s ago", figures.Span(by.Abs()), ago(since))
	}
	return clockFinding(kernel, first)
}

// clockFinding adds to what the kernel says how long after it was made, at the least, a record of each organisation came: one that
// comes before it was made shows that this clock is behind, or that of its signer ahead. With one signer only nobody can tell which.
func clockFinding(kernel doctor.Finding, first map[protocol.OrgID]time.Duration) doctor.Finding {
	var early []time.Duration
	for _, d := range first {
		if d < -behindClock {
			early = append(early, -d)
		}
	}
	slices.Sort(early)
	switch {
	case len(early) > 1:
		return doctor.Bad(clockFix, "this clock is behind: records of %d of %s came up to %s before they were made", len(early), figures.Count(len(first), "organisation"), figures.Span(early[len(early)-1]))
	case len(early) == 1 && len(first) == 1:
		return doctor.Odd(cmp.Or(kernel.Fix, "compare this clock with a third one; if theirs is wrong, tell them"), "this clock is behind, or that of the only organisation whose records came is ahead: one came up to %s before it was made (%s)", figures.Span(early[0]), kernel.Text)
	}
	if len(first) > 0 && kernel.Fix == "" {
		kernel.Text += "; not behind those of " + figures.Count(len(first), "other organisation")
	}
	return kernel
}

func (n *Node) checkDisk() doctor.Finding {
	if n.disk.keeper == nil {
		return doctor.None("the store is in memory")
	}
	s := n.disk.keeper.Status()
	text := fmt.Sprintf("%s of %s are free, the store stops below %s", figures.Bytes(s.Disk.Free), figures.Bytes(s.Disk.Total), figures.Bytes(s.Floor))
	switch s.Level {
	case space.OK:
		return doctor.Good("%s", text)
	case space.Stop:
		return doctor.Bad("free space or enlarge the disk; the node goes on by itself", "nothing is stored since %s ago: %s; %s", ago(s.Since), s.Why, text)
	}
	return doctor.Odd("free space or enlarge the disk", "records of strangers are refused since %s ago: %s; %s", ago(s.Since), s.Why, text)
}

func (n *Node) checkStore() doctor.Finding {
	if n.disk.lack != nil {
		return doctor.Bad("free space on the disk; the node opens the store by itself then", "the store is closed: %v", n.disk.lack)
	}
	return storeFinding(n.Store.Damage(), n.scrub.Report(), n.Store.Aside(), n.Store.Counts().Records)
}

// storeFinding judges an open store by what its start and the last look at all of it found.
func storeFinding(damage error, r scrub.Report, aside []string, records int) doctor.Finding {
	if damage != nil {
		return doctor.Bad("check the disk, then stop the node and run 'tocsin fsck --repair'", "%v", damage)
	}
	switch {
	case len(r.Problems) > 0:
		return doctor.Bad("run 'tocsin fsck', and check the disk", "%s; the first: %s", figures.Count(len(r.Problems), "problem"), r.Problems[0])
	case len(r.Lost) > 0:
		return doctor.Bad("check the disk; 'tocsin fsck' names them, and they come back when a peer has them", "damaged, and no peer has them: %s", figures.Count(len(r.Lost), "record"))
	case r.Error != "":
		return doctor.Odd("run 'tocsin fsck'", "the last look at the whole store ended early: %s", r.Error)
	case len(aside) > 0:
		return doctor.Odd("when nothing is missed any more, delete it", "a damaged store is kept aside: %s", strings.Join(aside, ", "))
	case r.Running:
		return doctor.Good("%s; all are being read now", figures.Count(records, "record"))
	case r.Ended.IsZero():
		return doctor.Good("%s; not read as a whole since the start ('tocsin fsck' does)", figures.Count(records, "record"))
	}
	return doctor.Good("%s; all were read %s ago", figures.Count(records, "record"), ago(r.Ended))
}

// When a backup is late: one is made each hour, a full one each night, and one is tried each week.
const (
	lateBackup = 3 * time.Hour
	lateDrill  = 9 * 24 * time.Hour
)

func (n *Node) checkBackups() doctor.Finding { return backupFinding(n.backups.Status(), n.started) }

func backupFinding(s backup.Status, started time.Time) doctor.Finding {
	switch {
	case s.Folder == "":
		return doctor.Odd("set backup_to in tocsin.toml to a folder on another disk, and restart (docs/backup.md)", "no backups are configured")
	case !s.Unsound.IsZero():
		return doctor.Bad("make a new full one with 'tocsin backup create --full', and check the disk that holds them", "a backup was found bad %s ago: %s", ago(s.Unsound), s.UnsoundWhy)
	case !s.Failed.IsZero():
		return doctor.Bad("see that "+s.Folder+" is there and has room, then 'tocsin backup create'", "the last backup failed %s ago: %s", ago(s.Failed), s.Why)
	case s.Made.IsZero() && time.Since(started) < lateBackup:
		return doctor.Good("none yet; the first is made within the hour")
	case time.Since(s.Made) > lateBackup && time.Since(started) > lateBackup:
		return doctor.Odd("see the log, then 'tocsin backup create'", "the last backup is late: %s", since(s.Made))
	case !s.Drilled.IsZero() && time.Since(s.Drilled) > lateDrill:
		return doctor.Odd("'tocsin backup drill'", "no backup was tried out for %s", ago(s.Drilled))
	}
	return doctor.Good("the last %s, tried out %s", since(s.Made), since(s.Drilled))
}

func since(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return ago(t) + " ago"
}

func (n *Node) checkTrust() doctor.Finding { return checkEntries(n.Policy.List(), time.Now()) }

// checkEntries says which entries of the trust list end soon.
func checkEntries(list *trust.List, now time.Time) doctor.Finding {
	var over, soon []string
	entries := list.Entries()
	for _, e := range entries {
		name := e.Petname
		if name == "" {
			name = fmt.Sprintf("%.16s", e.Org)
		}
		switch left := e.Expires.AddDate(0, 0, 1).Sub(now); {
		case left <= 0:
			over = append(over, name)
		case left < soonTrust:
			soon = append(soon, fmt.Sprintf("%s (%s)", name, e.Expires.Format(time.DateOnly)))
		}
	}
	switch {
	case len(entries) == 0:
		return doctor.Odd("'tocsin trust add', once you have compared the eight words", "nobody is on the trust list: whatever comes waits in quarantine")
	case len(over) > 0:
		return doctor.Odd("compare the eight words again, then 'tocsin trust set ORG --expires DATE', or 'tocsin trust remove ORG'", "entries that ended count for nothing: %s (%d of %s)", some(over), len(over), figures.Count(len(entries), "entry"))
	case len(soon) > 0:
		return doctor.Odd("compare the eight words again, then 'tocsin trust set ORG --expires DATE'", "ending soon: %s (%d of %s)", some(soon), len(soon), figures.Count(len(entries), "entry"))
	}
	return doctor.Good("%s, no entry ends within %s", figures.Count(len(entries), "organisation"), figures.Span(soonTrust))
}

// lateReview is how long a matter may wait for a person.
const lateReview = 24 * time.Hour

func (n *Node) checkReview() doctor.Finding {
	items := n.review.List(time.Now())
	late := 0
	for _, i := range items {
		if time.Since(i.Created) > lateReview {
			late++
		}
	}
	if late > 0 {
		return doctor.Odd("'tocsin review'", "waiting for a person for more than a day: %d of %s", late, figures.Count(len(items), "matter"))
	}
	return doctor.Good("%s for a person to decide, none older than a day; %s in quarantine", figures.Count(len(items), "matter"), figures.Count(n.Store.Counts().Held, "object"))
}
