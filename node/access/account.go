package access

import (
	"errors"
	"fmt"
	"os/user"
	"slices"
	"strconv"

	"tocsin/node/audit"
)

// Groups are the system groups that lower the role of an account at the socket; "" means none.
type Groups struct{ Viewers, Analysts string }

// DefaultGroups are tocsin-ro and tocsin-analyst.
func DefaultGroups() Groups { return Groups{"tocsin-ro", "tocsin-analyst"} }

// AtSocket is who an account is at the unix socket: the owner for the node's own account and root, else by group, viewers first, else an operator, since
// only the socket's group gets there. An account that the system does not name is a viewer, and so is one that the system
// cannot be asked about now: then there is an error as well.
func AtSocket(uid, owner int, g Groups) (Principal, error) { return atSocket(uid, owner, g, lookUp) }

// account is what a role at the socket was read from, so that it can be read again.
type account struct {
	known      bool
	uid, owner int
	groups     Groups
}

// principal is who the account is now.
func (a account) principal() (Principal, error) { return AtSocket(a.uid, a.owner, a.groups) }

// isAccount reports whether the system has an account of that name; an error says that it cannot be asked now.
func isAccount(name string) (bool, error) {
	if name == "root" { // it may stand in no file
		return true, nil
	}
	_, err := user.Lookup(name)
	if errors.As(err, new(user.UnknownUserError)) {
		return false, nil
	}
	return err == nil, err
}

// atSocket is AtSocket, asking lookUp for an account's name and groups.
func atSocket(uid, owner int, g Groups, lookUp func(uid int) (name string, groups []string, err error)) (Principal, error) {
	p := Principal{Role: Viewer, Actor: audit.Actor{UID: uid, Via: ViaSocket}, at: account{true, uid, owner, g}}
	if uid < 0 {
		return p, nil
	}
	name, groups, err := lookUp(uid)
	p.Actor.User = name
	has := func(group string) bool { return group != "" && slices.Contains(groups, group) }
	switch {
	case uid == 0 || uid == owner: // whatever the system calls it
		p.Role = Owner
	case err != nil || has(g.Viewers):
	case has(g.Analysts):
		p.Role = Analyst
	default:
		p.Role = Operator
	}
	if errors.As(err, new(user.UnknownUserIdError)) {
		err = nil // that is an answer
	}
	return p, err
}

// lookUp asks the system for an account's name and the names of its groups. A group without a name is left out; one that
// cannot be asked about is not, since it may be one that lowers the role.
func lookUp(uid int) (string, []string, error) {
	u, err := user.LookupId(strconv.Itoa(uid))
	if err != nil {
		return "", nil, fmt.Errorf("look up account %d: %w", uid, err)
	}
	ids, err := u.GroupIds()
	if err != nil {
		return u.Username, nil, fmt.Errorf("look up the groups of %s: %w", u.Username, err)
	}
	var names []string
	for _, id := range ids {
		g, err := user.LookupGroupId(id)
		switch {
		case err == nil:
			names = append(names, g.Name)
		case !errors.As(err, new(user.UnknownGroupIdError)):
			return u.Username, nil, fmt.Errorf("look up group %s of %s: %w", id, u.Username, err)
		}
	}
	return u.Username, names, nil
}
