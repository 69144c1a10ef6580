package invite

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"tocsin/node/durable"
	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// Deps are what a Desk asks of the rest of the node. All are required, and called concurrently.
type Deps struct {
	Network string
	Own     protocol.OrgID
	// Peer is the own transport id in binary form.
	Peer []byte
	// Chains is the current snapshot of identity chains.
	Chains func() *protocol.Chains
	// Learn keeps statements.
	Learn func(...*protocol.Statement)
	// PeerOf gives the one transport id, in binary form, that all addresses end in.
	PeerOf func(addrs [][]byte) ([]byte, error)
	// Ask connects to that peer at one of the addresses, and asks it; peer.dial when it cannot be reached.
	Ask func(ctx context.Context, addrs [][]byte, q Request) (Answer, error)
	// Note writes down that somebody answered an invitation. What cannot be written down is not done.
	Note func(ctx context.Context, handle string, org protocol.OrgID) error
}

// Desk keeps the invitations that were made and accepted here. All methods may be
// called concurrently; a change is durable when the method returns nil.
type Desk struct {
	path string
	deps Deps
	mu   sync.Mutex // guards list and the file
	list []Pairing
}

// file is the form of the state file.
type file struct {
	Pairings []Pairing `json:"pairings"`
}

// New reads the state file; an absent one is empty. One that cannot be read is
// config.invalid and says what to do.
func New(path string, d Deps) (*Desk, error) {
	desk := &Desk{path: path, deps: d}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return desk, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open invitations: %w", err)
	}
	damaged := func(err error) error {
		return reason.Wrap(reason.ConfigInvalid, "read invitations "+path+" (move it away, the node starts without them)", err)
	}
	if info.Size() > maxFile {
		return nil, damaged(fmt.Errorf("%d bytes, at most %d", info.Size(), maxFile))
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("open invitations: %w", err)
	}
	var f file
	if err := json.Unmarshal(raw, &f); err != nil {
		return nil, damaged(err)
	}
	if len(f.Pairings) > MaxPairings {
		return nil, damaged(fmt.Errorf("%d invitations, at most %d", len(f.Pairings), MaxPairings))
	}
	for i := range f.Pairings {
		p := &f.Pairings[i]
		if p.Invite, err = protocol.ParseInvitation(p.Text); err != nil {
			return nil, damaged(err)
		}
		if p.Handle != p.Invite.Handle() {
			return nil, damaged(fmt.Errorf("the invitation called %q is %s", p.Handle, p.Invite.Handle()))
		}
		if p.Created.IsZero() { // older versions kept the last change only
			p.Created = p.At
		}
	}
	desk.list = f.Pairings
	return desk, nil
}

// keep writes the list that is to be and puts it in force; the lock is held.
func (d *Desk) keep(next []Pairing) error {
	raw, err := json.Marshal(file{Pairings: next})
	if err != nil {
		return fmt.Errorf("encode invitations: %w", err)
	}
	// The secrets in it are good for a place in a waiting list; still they are nobody else's.
	if err := durable.Write(d.path, append(raw, '\n'), 0o600); err != nil {
		return err
	}
	d.list = next
	return nil
}

// index finds a pairing; the lock is held.
func (d *Desk) index(handle string) int {
	return slices.IndexFunc(d.list, func(p Pairing) bool { return p.Handle == handle })
}

// put keeps a pairing, in place of the one it came from; the lock is held.
func (d *Desk) put(p Pairing) error {
	if i := d.index(p.Handle); i >= 0 {
		next := slices.Clone(d.list)
		next[i] = p
		return d.keep(next)
	}
	next := tidy(d.list, time.Now())
	if len(next) >= MaxPairings {
		return reason.New(reason.Conflict, fmt.Sprintf("keep invitation %s: %d are open already; cancel some with 'tocsin invite cancel'", p.Handle, len(next)))
	}
	return d.keep(append(next, p))
}

// Create makes an invitation to come to these addresses, good for a while.
// petname, which may be "", is how the guest will be called here.
func (d *Desk) Create(petname string, addrs [][]byte, life time.Duration) (Pairing, error) {
	if err := checkPetname(petname); err != nil {
		return Pairing{}, err
	}
	if life < time.Minute || life > MaxLife {
		return Pairing{}, reason.New(reason.UsageInvalid, fmt.Sprintf("an invitation for %s: want between a minute and %d days", life, MaxLife/(24*time.Hour)))
	}
	now := time.Now().UTC()
	p := Pairing{Made: true, Petname: petname, State: Open, Created: now, At: now, Invite: protocol.Invitation{
		Network: d.deps.Network, Org: d.deps.Own, Addrs: addrs, Expires: now.Add(life).Truncate(time.Second),
	}}
	d.mu.Lock()
	defer d.mu.Unlock()
	for { // a handle is short: another secret gives another one
		_, _ = rand.Read(p.Invite.Secret[:]) // never fails
		if p.Handle = p.Invite.Handle(); d.index(p.Handle) < 0 {
			break
		}
	}
	var err error
	if p.Text, err = p.Invite.Encode(); err != nil {
		return Pairing{}, err
	}
	return p, d.put(p)
}

// checkPetname bounds a name; the rest is the trust list's to check.
func checkPetname(name string) error {
	if len(name) > maxPetname || strings.TrimSpace(name) != name {
		return reason.New(reason.UsageInvalid, fmt.Sprintf("petname %q: want at most %d characters, without blanks around", name, maxPetname))
	}
	return nil
}

// List gives what is kept, newest first by when it was made or accepted.
func (d *Desk) List() []Pairing {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	list := slices.DeleteFunc(slices.Clone(d.list), func(p Pairing) bool { return now.After(p.Invite.Expires.Add(keepOver)) })
	slices.SortStableFunc(list, func(a, b Pairing) int { return b.Created.Compare(a.Created) })
	return list
}

// Find gives a pairing; not.found when there is none of that handle.
func (d *Desk) Find(handle string) (Pairing, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	i := d.index(strings.ToLower(handle))
	if i < 0 {
		return Pairing{}, reason.New(reason.NotFound, fmt.Sprintf("invitation %q: none is called so; 'tocsin invite list' names them", handle))
	}
	return d.list[i], nil
}

// Comparable gives a pairing whose words people can have compared; conflict for others.
func (d *Desk) Comparable(handle string) (Pairing, error) {
	p, err := d.Find(handle)
	switch {
	case err != nil:
		return p, err
	case p.Over(time.Now()):
		return p, reason.New(reason.InviteInvalid, fmt.Sprintf("invitation %s: it is over since %s, and nobody had answered it", p.Handle, p.Invite.Expires.Format(time.RFC3339)))
	case p.State == Open:
		return p, reason.New(reason.Conflict, fmt.Sprintf("invitation %s: nobody has answered it yet, so there are no words to compare", p.Handle))
	case p.State == Cancelled:
		return p, reason.New(reason.Conflict, fmt.Sprintf("invitation %s was cancelled", p.Handle))
	}
	return p, nil
}

// Confirm says that a person found the words to be the same. org is the one
// whom that person was shown: what changed since counts for nothing.
func (d *Desk) Confirm(handle string, org protocol.OrgID, petname string) error {
	p, err := d.Comparable(handle)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	i := d.index(p.Handle)
	if i < 0 || d.list[i].Org != org || d.list[i].State != p.State {
		return reason.New(reason.Conflict, fmt.Sprintf("invitation %s has changed meanwhile; look at it again", p.Handle))
	}
	p.State, p.Petname, p.At = Confirmed, petname, time.Now().UTC()
	return d.put(p)
}

// Cancel ends an invitation that was not confirmed; conflict for one that was.
func (d *Desk) Cancel(handle string) (Pairing, error) {
	p, err := d.Find(handle)
	if err != nil {
		return p, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	i := d.index(p.Handle)
	if i < 0 {
		return p, reason.New(reason.NotFound, fmt.Sprintf("invitation %s is no longer there", p.Handle))
	}
	if p = d.list[i]; p.State == Confirmed {
		return p, reason.New(reason.Conflict, fmt.Sprintf("invitation %s was confirmed; 'tocsin trust remove' takes the organisation off the list", p.Handle))
	}
	p.State, p.At = Cancelled, time.Now().UTC()
	return p, d.put(p)
}
