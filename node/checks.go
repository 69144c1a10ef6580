package node

import (
	"context"
	"slices"

	"tocsin/node/doctor"
	"tocsin/protocol/reason"
)

// quick makes a check of a function that is quick enough not to ask for the time it has.
func quick(name string, f func() doctor.Finding) doctor.Check {
	return doctor.Check{Name: name, Run: func(context.Context) doctor.Finding { return f() }}
}

// Checks are what the doctor examines in a running node. Their names stay: alerts and docs/doctor.md have them.
func (n *Node) Checks(paths Paths, cfg Config) []doctor.Check {
	f := files{paths: paths, cfg: cfg.WithDefaults()}
	return []doctor.Check{
		quick("config", func() doctor.Finding { return f.changedSince(n.started) }),
		quick("identity", n.checkIdentity),
		quick("signing", n.checkSigning),
		quick("keys", f.keys),
		quick("certificate", n.checkCertificate),
		quick("clock", n.checkClock),
		quick("disk", n.checkDisk),
		quick("store", n.checkStore),
		{Name: "audit", Run: f.audit},
		quick("backups", n.checkBackups),
		quick("listeners", func() doctor.Finding { return n.checkListeners(f.cfg) }),
		quick("udp-buffers", f.udpBuffers),
		quick("reachable", n.checkReachable),
		quick("peers", n.checkPeers),
		quick("mesh", n.checkMesh),
		quick("catch-up", n.checkCatchUp),
		quick("trust", n.checkTrust),
		quick("review", n.checkReview),
		quick("tokens", f.tokens),
		{Name: "admin-port", Run: f.adminAnswers},
	}
}

// OfflineChecks are those of a node that does not answer: what its files say, and whether its addresses are free.
// unread is why the configuration could not be read, nil when it could.
func OfflineChecks(paths Paths, cfg Config, unread error) []doctor.Check {
	f := files{paths: paths, cfg: cfg.WithDefaults()}
	return []doctor.Check{
		quick("config", func() doctor.Finding { return f.config(unread) }),
		quick("identity", f.identity),
		quick("keys", f.keys),
		quick("certificate", f.certificate),
		quick("clock", func() doctor.Finding { return kernelClock() }),
		quick("disk", f.disk),
		quick("store", f.store),
		{Name: "audit", Run: f.audit},
		{Name: "listeners", Run: f.listenersFree},
		quick("udp-buffers", f.udpBuffers),
		quick("trust", f.trust),
		quick("tokens", f.tokens),
		{Name: "admin-port", Run: f.adminFree},
	}
}

// LiveCheckNames are the names of the checks of a running node.
func LiveCheckNames() []string { return namesOf((&Node{}).Checks(Paths{}, Config{})) }

// CheckNames are the names of all checks, of running nodes and others, sorted.
func CheckNames() []string {
	names := append(LiveCheckNames(), namesOf(OfflineChecks(Paths{}, Config{}, nil))...)
	slices.Sort(names)
	return slices.Compact(names)
}

func namesOf(checks []doctor.Check) (names []string) {
	for _, c := range checks {
		names = append(names, c.Name)
	}
	return names
}

// broken is the finding for an error: its fix is the catalogue's when it has a code there, else the one given.
func broken(err error, fix string) doctor.Finding {
	if e, ok := reason.Lookup(reason.Of(err)); ok && e.Code != reason.Internal {
		fix = e.Fix
	}
	return doctor.Bad(fix, "%v", err)
}
