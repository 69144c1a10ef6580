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

// OfflineChecks are those of a node that does not answer: what its files say, and whether its addresses are free. A running
// node has a check of each name too. unread is why the configuration could not be read, nil when it could; what hangs on the
// configuration is not judged by another one.
func OfflineChecks(paths Paths, cfg Config, unread error) []doctor.Check {
	f := files{paths: paths, cfg: cfg.WithDefaults()}
	configured := func(c doctor.Check) doctor.Check {
		if unread != nil {
			c.Run = func(context.Context) doctor.Finding { return doctor.None("not read: see config") }
		}
		return c
	}
	return []doctor.Check{
		quick("config", func() doctor.Finding { return f.config(unread) }),
		configured(quick("identity", f.identity)),
		quick("keys", f.keys),
		configured(quick("certificate", f.certificate)),
		quick("clock", func() doctor.Finding { return kernelClock() }),
		quick("disk", f.disk),
		quick("store", f.store),
		{Name: "audit", Run: f.audit},
		configured(doctor.Check{Name: "listeners", Run: f.listenersFree}),
		configured(quick("udp-buffers", f.udpBuffers)),
		quick("trust", f.trust),
		quick("tokens", f.tokens),
		configured(doctor.Check{Name: "admin-port", Run: f.adminFree}),
	}
}

// CheckNames are the names of all checks, sorted.
func CheckNames() []string {
	var names []string
	for _, c := range (&Node{}).Checks(Paths{}, Config{}) {
		names = append(names, c.Name)
	}
	slices.Sort(names)
	return names
}

// broken is the finding for an error: its fix is the catalogue's when it has a code there, else the one given.
func broken(err error, fix string) doctor.Finding {
	if e, ok := reason.Lookup(reason.Of(err)); ok && e.Code != reason.Internal {
		fix = e.Fix
	}
	return doctor.Bad(fix, "%v", err)
}
