// Package policy is the live trust list: the operator's own file (read only)
// with the entries that commands changed laid over it, swapped atomically and
// kept in state/trust.toml.
package policy

import (
	"tocsin/protocol"
	"tocsin/protocol/trust"
)

// Book is the live trust list. All methods may be called concurrently.
type Book struct{}

// Open reads the operator's file (may be absent) and the state file (may be
// absent). A refused file is an error that names line, column and remedy.
func Open(operatorFile, stateFile string) (*Book, error) { panic("unwritten") }

// List returns the list in force.
func (b *Book) List() *trust.List { panic("unwritten") }

// Version counts changes since Open; it never falls.
func (b *Book) Version() uint64 { panic("unwritten") }

// Set puts an entry in force, durably. An entry of the operator's file is overlaid.
func (b *Book) Set(e trust.Entry) error { panic("unwritten") }

// Remove takes an entry out, durably: not.found when nobody lists it, conflict when
// it stands in the operator's own file, which is never rewritten.
func (b *Book) Remove(org protocol.OrgID) error { panic("unwritten") }
