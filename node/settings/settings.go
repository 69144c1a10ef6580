// Package settings keeps what commands change about peers and topics:
// state/peers.toml and state/topics.toml, laid over the configuration, which is never
// rewritten. It is a package of its own because node composes and holds no behaviour,
// and the admin port changes what the node reads at start. It dials nobody.
package settings

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	logging "github.com/ipfs/go-log/v2"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/pelletier/go-toml/v2"

	"tocsin/node/durable"
	"tocsin/protocol"
	"tocsin/protocol/reason"
)

var log = logging.Logger("tocsin/settings")

// maxFile bounds a state file, maxItems its entries: far above what a person
// adds by hand, far below what hurts.
const (
	maxFile  = 1 << 20
	maxItems = 10_000
)

// Book holds both overlays. All methods may be called concurrently; a change is
// durable when the method returns nil.
type Book struct {
	mu     sync.Mutex // guards both overlays and their files
	peers  overlay
	topics overlay
}

// overlay is what one state file says: what stands besides the configuration,
// and what of the configuration does not stand.
type overlay struct {
	path string
	// Added are whole items; Removed are their names (peer ids, topic names).
	Added   []string `toml:"added"`
	Removed []string `toml:"removed"`
}

// Open reads the state files in dir; absent ones are empty. A file that cannot
// be read as what it should be is config.invalid, naming file and line. A peer that
// is no address is logged and left out, for it must not keep the node from its other peers.
func Open(dir string) (*Book, error) {
	b := &Book{
		peers:  overlay{path: filepath.Join(dir, "peers.toml")},
		topics: overlay{path: filepath.Join(dir, "topics.toml")},
	}
	for _, o := range []*overlay{&b.peers, &b.topics} {
		if err := o.load(); err != nil {
			return nil, err
		}
	}
	b.peers.Added = without(b.peers.Added, func(addr string) bool {
		err := CheckPeer(addr)
		if err != nil {
			log.Warnw("left out a peer that is no address", "file", b.peers.path, "peer", addr, "err", err)
		}
		return err != nil
	})
	for _, name := range b.topics.Added {
		if _, err := protocol.ParseTopic(name); err != nil {
			return nil, reason.Wrap(reason.ConfigInvalid, "read "+b.topics.path, err)
		}
	}
	return b, nil
}

// Peers gives the addresses to keep connected to: those of the configuration that no
// command removed, then those that commands added.
func (b *Book) Peers(configured []string) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.peers.over(configured, peerName)
}

// Topics gives the topics to join, in the same way. Configured names were
// validated with the configuration; what is no topic name is left out.
func (b *Book) Topics(configured []string) []protocol.Topic {
	b.mu.Lock()
	names := b.topics.over(configured, topicName)
	b.mu.Unlock()
	var topics []protocol.Topic
	for _, name := range names {
		if t, err := protocol.ParseTopic(name); err == nil {
			topics = append(topics, t)
		}
	}
	return topics
}

// AddPeer keeps a peer's address (a full multiaddr, with /p2p/); anything else is
// usage.invalid, because the node could not start with it.
func (b *Book) AddPeer(addr string) error {
	if err := CheckPeer(addr); err != nil {
		return reason.Wrap(reason.UsageInvalid, fmt.Sprintf("keep peer %q", addr), err)
	}
	return b.add(&b.peers, addr, peerName)
}

// CheckPeer takes a full address: where to dial, and in /p2p/ at its end who must answer.
func CheckPeer(addr string) error {
	info, err := peer.AddrInfoFromString(addr)
	if err != nil || len(info.Addrs) == 0 {
		return errors.New("want a full address that ends in /p2p/ID, as 'tocsin status' prints it on the other side")
	}
	return nil
}

// RemovePeer forgets all addresses of a peer id, configured ones too.
func (b *Book) RemovePeer(id string) error { return b.remove(&b.peers, id, peerName) }

// JoinTopic keeps a topic.
func (b *Book) JoinTopic(t protocol.Topic) error { return b.add(&b.topics, t.String(), topicName) }

// LeaveTopic forgets a topic, a configured one too.
func (b *Book) LeaveTopic(t protocol.Topic) error {
	return b.remove(&b.topics, t.String(), topicName)
}

// peerName is the peer id at the end of a multiaddr.
func peerName(addr string) string {
	if i := strings.LastIndex(addr, "/p2p/"); i >= 0 {
		return addr[i+len("/p2p/"):]
	}
	return addr
}

func topicName(name string) string { return name }

func (b *Book) add(o *overlay, item string, name func(string) string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	next := overlay{path: o.path, Added: slices.Clone(o.Added)}
	if !slices.Contains(next.Added, item) {
		next.Added = append(next.Added, item)
	}
	if len(next.Added) > maxItems {
		return reason.New(reason.Conflict, fmt.Sprintf("keep %s: %s holds %d items already", item, o.path, maxItems))
	}
	next.Removed = without(o.Removed, func(n string) bool { return n == name(item) })
	return o.replace(next)
}

func (b *Book) remove(o *overlay, gone string, name func(string) string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	next := overlay{path: o.path, Removed: slices.Clone(o.Removed)}
	next.Added = without(o.Added, func(item string) bool { return name(item) == gone })
	if !slices.Contains(next.Removed, gone) {
		next.Removed = append(next.Removed, gone)
	}
	if len(next.Removed) > maxItems {
		return reason.New(reason.Conflict, fmt.Sprintf("remove %s: %s holds %d items already", gone, o.path, maxItems))
	}
	return o.replace(next)
}

func without(items []string, gone func(string) bool) []string {
	return slices.DeleteFunc(slices.Clone(items), gone)
}

// over lays the overlay over configured items.
func (o *overlay) over(configured []string, name func(string) string) []string {
	var items []string
	for _, item := range configured {
		if !slices.Contains(o.Removed, name(item)) && !slices.Contains(items, item) {
			items = append(items, item)
		}
	}
	for _, item := range o.Added {
		if !slices.Contains(items, item) {
			items = append(items, item)
		}
	}
	return items
}

// load reads the file, strictly: it is ours, so anything strange in it is damage.
func (o *overlay) load() error {
	raw, err := os.ReadFile(o.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return reason.Wrap(reason.ConfigInvalid, "read "+o.path, err)
	}
	if len(raw) > maxFile {
		return reason.New(reason.ConfigInvalid, fmt.Sprintf("read %s: %d bytes, at most %d", o.path, len(raw), maxFile))
	}
	d := toml.NewDecoder(strings.NewReader(string(raw))).DisallowUnknownFields()
	if err := d.Decode(o); err != nil {
		return reason.Wrap(reason.ConfigInvalid, "read "+o.path+place(err), err)
	}
	return nil
}

// place names the line and column of a TOML error.
func place(err error) string {
	if e, ok := errors.AsType[*toml.DecodeError](err); ok {
		line, column := e.Position()
		return fmt.Sprintf(" line %d column %d", line, column)
	}
	if e, ok := errors.AsType[*toml.StrictMissingError](err); ok && len(e.Errors) > 0 {
		line, column := e.Errors[0].Position()
		return fmt.Sprintf(" line %d column %d", line, column)
	}
	return ""
}

// replace writes the next overlay and puts it in force. If we stop on the way,
// the file is the old one or the new one, never a mixture.
func (o *overlay) replace(next overlay) error {
	text, err := toml.Marshal(&next)
	if err != nil {
		return fmt.Errorf("encode %s: %w", o.path, err)
	}
	raw := append([]byte("# What tocsin commands changed; laid over the configuration. Written by the node.\n"), text...)
	if err := durable.Write(o.path, raw, 0o600); err != nil {
		return err
	}
	*o = next
	return nil
}
