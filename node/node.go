// Package node composes the parts of one tocsin node and runs them. It holds no
// behaviour of its own.
package node

import "context"

// Node is a wired node. New starts nothing; Run works; Close releases.
type Node struct{}

// New opens what the node needs in paths and wires it: node.running when
// another process holds the lock, not.found when there is no identity yet.
func New(paths Paths, cfg Config) (*Node, error) { panic("unwritten") }

// Run serves until ctx ends (nil) or a part fails. ready is called once the
// listeners and the admin socket are bound; it may be nil.
func (n *Node) Run(ctx context.Context, ready func()) error { panic("unwritten") }

// Close releases store, host and lock. It may be called after Run returned.
func (n *Node) Close() error { panic("unwritten") }

// Init founds a new organisation with one node in paths: keys, chain, config.
// It refuses (node.exists) to touch a folder that already holds any of it.
func Init(paths Paths, cfg Config, p Profile) (*Founded, error) { panic("unwritten") }

// Profile is what the founder says of the organisation.
type Profile struct {
	Name, Country, Sector string
	Contacts              []string
}

// Founded is what Init made, as init prints it.
type Founded struct {
	Org    string   `json:"org"`
	Node   string   `json:"node"`
	PeerID string   `json:"peer_id"`
	Words  []string `json:"words"`
}
