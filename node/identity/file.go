package identity

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"tocsin/node/durable"
	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// Both files are CBOR sequences of statements, as a record file begins. The
// file of others grows by appending, since chains of strangers come one by one,
// and is written anew when much of it is of no use any more. An organisation that is
// forgotten stays in the file until then, and may be known again after a restart:
// to write everything for each that goes would let strangers keep the disk busy.

const (
	// maxFile bounds what is read: twice what a full book can hold.
	maxFile = 2 * MaxOrgs * protocol.MaxIdentityBytes
	// minRewrite is the size below which a file with waste in it is left alone.
	minRewrite = 1 << 20
)

// WriteOwn writes own.cbor into a new node's state folder: the chain that says
// which organisation the node is of. It overwrites nothing.
func WriteOwn(stateDir string, chain []*protocol.Statement) error {
	path := filepath.Join(stateDir, ownFile)
	if _, err := os.Lstat(path); err == nil {
		return reason.New(reason.NodeExists, "write "+path+": it exists already")
	}
	return durable.Write(path, join(chain), 0o600)
}

// save writes what changed from the current snapshot to next, which lacks as
// many organisations as were forgotten. If we stop between the two files, each is
// whole, and they do not depend on each other.
func (b *Book) save(next *protocol.Chains, fresh []*protocol.Statement, forgotten int) error {
	ownChanged := slices.ContainsFunc(fresh, func(s *protocol.Statement) bool { return s.Org() == b.own })
	if ownChanged {
		if err := durable.Write(b.ownPath, join(next.Chain(b.own)), 0o600); err != nil {
			return err
		}
	}
	fresh = slices.DeleteFunc(slices.Clone(fresh), func(s *protocol.Statement) bool { return s.Org() == b.own })
	if len(fresh) > 0 {
		if b.stale || b.wasteful(next, length(fresh), forgotten) {
			return b.rewrite(next)
		}
		if err := b.append(join(fresh)); err != nil {
			return err
		}
	}
	b.forgotten += forgotten
	return nil
}

// rewrite makes the file of others hold what next holds, and nothing else.
func (b *Book) rewrite(next *protocol.Chains) error {
	raw := join(b.others(next))
	if err := durable.Write(b.path, raw, 0o600); err != nil {
		return err
	}
	b.size, b.stale, b.forgotten = int64(len(raw)), false, 0
	return nil
}

func (b *Book) others(chains *protocol.Chains) []*protocol.Statement {
	var all []*protocol.Statement
	for _, id := range chains.Orgs() {
		if id != b.own {
			all = append(all, chains.Chain(id)...)
		}
	}
	return all
}

// wasteful reports whether more than half of the file would be of no use, in
// bytes or in organisations, each of which costs signatures to check at start. Bytes
// are only counted when the file is large.
func (b *Book) wasteful(next *protocol.Chains, more int64, forgotten int) bool {
	return b.forgotten+forgotten > b.max || b.size+more > minRewrite && b.size+more > 2*length(b.others(next))
}

// append adds to the file of others. When it fails the file may end in half a
// statement, so the next change writes it anew.
func (b *Book) append(raw []byte) (err error) {
	b.stale = true
	f, err := os.OpenFile(b.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := f.Write(raw); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if b.size == 0 { // the file may be new
		if err := durable.SyncFolder(filepath.Dir(b.path)); err != nil {
			return err
		}
	}
	b.size += int64(len(raw))
	b.stale = false
	return nil
}

// readChains reads a file of statements. torn reports an end that a power cut
// during an append leaves behind: half a statement, or zeros; it is left out.
func readChains(path, network string) (statements []*protocol.Statement, torn bool, err error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, false, err
	}
	if len(raw) > maxFile {
		return nil, false, fmt.Errorf("larger than %d bytes", maxFile)
	}
	statements, err = protocol.ReadStatements(network, raw)
	if err == nil {
		return statements, false, nil
	}
	cut, torn := protocol.CutStatements(raw)
	if !torn {
		return nil, false, err
	}
	statements, err = protocol.ReadStatements(network, raw[:cut])
	return statements, true, err
}

func damaged(path, remedy string, err error) error {
	return reason.Wrap(reason.IdentityFile, "read "+path+" ("+remedy+")", err)
}

// isLimit reports whether a statement was good once and is only not kept any more:
// for want of room, for a newer status, or because its signer's key ended since.
func isLimit(err error) bool {
	switch reason.Of(err) {
	case reason.ChainLimit, reason.StatusOld, reason.KeyRevoked:
		return true
	}
	return false
}

func join(statements []*protocol.Statement) []byte {
	var raw []byte
	for _, s := range statements {
		raw = append(raw, s.Raw()...)
	}
	return raw
}

func length(statements []*protocol.Statement) (n int64) {
	for _, s := range statements {
		n += int64(len(s.Raw()))
	}
	return n
}
