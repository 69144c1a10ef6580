package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"tocsin/node/access"
	"tocsin/node/audit"
	"tocsin/node/doctor"
	"tocsin/node/figures"
	"tocsin/node/identity"
	"tocsin/node/keystore"
	"tocsin/node/policy"
	"tocsin/protocol/reason"
	"tocsin/storage"
)

// files examines what a node has on the disk, whether it runs or not. It changes nothing.
type files struct {
	paths Paths
	cfg   Config
}

// config says whether the configuration could be read.
func (f files) config(unread error) doctor.Finding {
	if unread != nil {
		return broken(unread, "correct it; 'tocsin config check' tries it")
	}
	if _, err := os.Stat(f.paths.ConfigFile()); err != nil {
		return doctor.Good("no %s: the defaults hold", f.paths.ConfigFile())
	}
	return doctor.Good("%s is valid", f.paths.ConfigFile())
}

// changedSince says whether a running node works with the configuration that its files hold.
func (f files) changedSince(started time.Time) doctor.Finding {
	more, err := filepath.Glob(filepath.Join(f.paths.Config, "conf.d", "*.toml"))
	if err != nil {
		return broken(err, "see that the folder can be read")
	}
	for _, path := range append(more, f.paths.ConfigFile()) {
		if info, err := os.Stat(path); err == nil && info.ModTime().After(started) {
			return doctor.Odd("try it with 'tocsin config check', then restart the node", "%s changed after the node started %s ago: what it says now is not in force", path, ago(started))
		}
	}
	return doctor.Good("in force since the start %s ago", ago(started))
}

// identity says whose node this is.
func (f files) identity() doctor.Finding {
	chains, keys, bad := f.owner()
	if bad != nil {
		return *bad
	}
	own, err := owner(chains, keys)
	if err != nil {
		return broken(err, "restore state/ from a backup")
	}
	org, _ := chains.Chains().Org(own)
	return doctor.Good("%s (%s), %s", org.Genesis.Name, org.Genesis.Country, own)
}

// owner reads chains and keys; bad is what is found when they cannot be read.
func (f files) owner() (chains *identity.Book, keys *keystore.Keys, bad *doctor.Finding) {
	if _, err := os.Stat(filepath.Join(f.paths.State(), "own.cbor")); err != nil {
		found := broken(reason.Wrap(reason.NodeNotFound, "look for a node in "+f.paths.Data, err), "")
		return nil, nil, &found
	}
	chains, err := identity.Open(filepath.Join(f.paths.State(), "identity.cbor"), f.cfg.Network)
	if err != nil {
		found := broken(err, "restore state/ from a backup")
		return nil, nil, &found
	}
	if keys, err = keystore.Load(f.paths.Data); err != nil {
		found := broken(err, "restore keys/ from a backup")
		return nil, nil, &found
	}
	return chains, keys, nil
}

// keys says whether the key files are whole and closed to others, and whether root keys lie around.
func (f files) keys() doctor.Finding {
	keys, err := keystore.Load(f.paths.Data)
	if err != nil {
		return broken(err, "restore keys/ from a backup")
	}
	if left := keystore.RecoveryOn(f.paths.Data); len(left) > 0 {
		return doctor.Odd("copy them to two media that are kept apart from each other, then delete them here (docs/keys.md)",
			"root keys lie on this machine, whose theft would then be the loss of the organisation: %s", strings.Join(left, ", "))
	}
	if keys.Operations == nil {
		return doctor.Good("readable, closed to others; the operations key is kept elsewhere")
	}
	return doctor.Good("readable, closed to others")
}

// disk says how much room there is for a node that does not run.
func (f files) disk() doctor.Finding {
	total, free := diskBytes(f.paths.Data), freeBytes(f.paths.Data)
	if total == 0 {
		return doctor.None("not measured: the system does not say how much room %s has", f.paths.Data)
	}
	if need := storage.Need(f.paths.Store()); free < need {
		return doctor.Bad("free space or enlarge the disk", "%s are free, the store needs %s to open", figures.Bytes(free), figures.Bytes(need))
	}
	return doctor.Good("%s of %s are free", figures.Bytes(free), figures.Bytes(total))
}

// store looks for what is left of a damaged store; it reads no record.
func (f files) store() doctor.Finding {
	if _, err := os.Stat(f.paths.Store()); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return doctor.None("no store yet: the first start makes it")
		}
		return broken(err, "see that the folder can be read")
	}
	if aside := storage.Aside(f.paths.Store()); len(aside) > 0 {
		return doctor.Odd("when nothing is missed any more, delete it", "a damaged store is kept aside: %s", strings.Join(aside, ", "))
	}
	return doctor.Good("there; its records were not read ('tocsin fsck' does)")
}

// maxAuditRead bounds the log that is read whole within the budget.
const maxAuditRead = 32 << 20

// audit reads the audit log whole, if that is quick.
func (f files) audit(ctx context.Context) doctor.Finding {
	info, err := os.Stat(f.paths.Audit())
	if errors.Is(err, fs.ErrNotExist) {
		return doctor.None("no audit log yet")
	}
	if err != nil {
		return broken(err, "see that the file can be read")
	}
	if info.Size() > maxAuditRead {
		return doctor.None("not read: %s are too much for here; 'tocsin audit verify' does it", figures.Bytes(info.Size()))
	}
	for {
		v, err := audit.Verify(f.paths.Audit())
		if err == nil && len(v.Problems) == 0 {
			return doctor.Good("%s, each holds on to the one before", figures.Count(int(v.Entries), "entry"))
		}
		// A line that is being written just now looks torn: it is whole a moment later.
		if again, statErr := os.Stat(f.paths.Audit()); statErr == nil && again.Size() != info.Size() && ctx.Err() == nil {
			info = again
			continue
		}
		if err != nil {
			return broken(err, "run 'tocsin audit verify'")
		}
		return doctor.Bad("run 'tocsin audit verify', keep the file as evidence, and look who could write to it", "%s; the first: %s", figures.Count(len(v.Problems), "problem"), v.Problems[0])
	}
}

// trust reads the trust list of a node that does not run.
func (f files) trust() doctor.Finding {
	book, err := policy.Open(f.paths.TrustFile(), f.paths.TrustState())
	if err != nil {
		return broken(err, "correct the trust list; docs/trust-list.md has a full example")
	}
	return checkEntries(book.List(), time.Now())
}

// soonToken is how long before its end a token is spoken of, and after it.
const soonToken = 7 * 24 * time.Hour

// tokens says which tokens of the admin port end soon or ended lately.
func (f files) tokens() doctor.Finding {
	book, err := access.Open(filepath.Join(f.paths.State(), "access.json"), nil)
	if err != nil {
		return broken(err, "restore state/access.json from a backup, or delete it and make new tokens")
	}
	return tokensFinding(book.Tokens(), book.Over(), time.Now())
}

// tokensFinding judges the tokens in force and those that are over. One whose name is in force again was made anew, and one
// that ended long ago is missed by nobody.
func tokensFinding(all, over []access.Token, now time.Time) doctor.Finding {
	var ended, soon []string
	for _, t := range over {
		again := slices.ContainsFunc(all, func(o access.Token) bool { return o.Name == t.Name })
		if gone := now.Sub(t.Expires); gone < soonToken && !again {
			ended = append(ended, fmt.Sprintf("%s (%s ago)", t.Name, figures.Span(gone)))
		}
	}
	for _, t := range all {
		if left := t.Expires.Sub(now); left < soonToken {
			soon = append(soon, fmt.Sprintf("%s (in %s)", t.Name, figures.Span(left)))
		}
	}
	switch {
	case len(ended) > 0:
		return doctor.Odd("where one is still in use make it anew with 'tocsin token create NAME' and give its program the new secret", "over: %s", some(ended))
	case len(soon) > 0:
		return doctor.Odd("make new ones with 'tocsin token create'", "ending soon: %s (%d of %s)", some(soon), len(soon), figures.Count(len(all), "token"))
	case len(all) == 0 && len(over) > 0:
		return doctor.None("no token is in force")
	case len(all) == 0:
		return doctor.None("no tokens were made")
	}
	return doctor.Good("%s, none ends within a week", figures.Count(len(all), "token"))
}

// wantUDP is the size of the socket buffers that QUIC asks the kernel for.
const wantUDP = 7 << 20

// udpBuffers says whether the kernel lets QUIC have the buffers that it needs under load.
func (f files) udpBuffers() doctor.Finding {
	if !strings.Contains(strings.Join(f.cfg.Listen, " "), "/udp/") {
		return doctor.None("the node does not listen on UDP")
	}
	least := int64(-1)
	for _, name := range []string{"rmem_max", "wmem_max"} {
		raw, err := os.ReadFile("/proc/sys/net/core/" + name)
		if err != nil {
			return doctor.None("not measured: the system does not show its limit here")
		}
		size, err := strconv.ParseInt(strings.TrimSpace(string(raw)), 10, 64)
		if err != nil {
			return doctor.None("not measured: the limit %.40q is no number", raw)
		}
		if least < 0 || size < least {
			least = size
		}
	}
	if least < wantUDP {
		return doctor.Odd("put 'net.core.rmem_max=7500000' and 'net.core.wmem_max=7500000' into /etc/sysctl.d/90-tocsin.conf and run 'sysctl --system'",
			"the kernel allows %s for a UDP buffer, QUIC wants %s: packets are lost under load", figures.Bytes(least), figures.Bytes(wantUDP))
	}
	return doctor.Good("the kernel allows %s", figures.Bytes(least))
}
