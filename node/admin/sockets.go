package admin

import (
	"errors"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"

	"tocsin/node/access"
)

// readSocket is the socket beside the admin socket where everybody is a viewer, whatever their account: for a
// container, say, in which everything runs as root.
const readSocket = "read.sock"

// sockets are both ways in for programs on this machine; each connection says who is at its other end.
type sockets struct{ admin, read credentialed }

// openSockets binds both; none is left bound when it fails.
func openSockets(path string) (*sockets, error) {
	admin, err := listen(path)
	if err != nil {
		return nil, err
	}
	second := filepath.Join(filepath.Dir(path), readSocket)
	read, err := listen(second)
	if err != nil {
		return nil, errors.Join(err, admin.Close())
	}
	giveToReaders(second, access.DefaultGroups())
	return &sockets{credentialed{admin, access.Owner}, credentialed{read, access.Viewer}}, nil
}

// giveToReaders lets the viewers' group at the socket for reading, if there is such a group and this account may. Else it
// belongs to the same group as the admin socket.
func giveToReaders(path string, g access.Groups) {
	group, err := user.LookupGroup(g.Viewers)
	if err != nil {
		return
	}
	id, err := strconv.Atoi(group.Gid)
	if err == nil {
		err = os.Chown(path, -1, id)
	}
	if err != nil {
		log.Infow("the socket for reading stays with the group of the admin socket", "socket", path, "group", g.Viewers, "err", err)
	}
}

// listeners are both, for a server each or for one.
func (s *sockets) listeners() []net.Listener { return []net.Listener{s.admin, s.read} }

// Close releases both.
func (s *sockets) Close() error { return errors.Join(s.admin.Close(), s.read.Close()) }
