// Package warnings is the live set of warning lists: the built-in pack and the files of a
// folder, swapped atomically. It judges nothing.
package warnings

import (
	"context"

	"tocsin/protocol/warn"
)

// Info describes one list in force.
type Info struct {
	Name    string
	File    string // "" for a built-in one
	Type    string
	Weight  int
	Entries int
	Skipped int
}

// Book is the live set. All methods may be called concurrently.
type Book struct{}

// Open reads the lists of dir (absent is fine: the built-in pack alone): *.json and
// *.txt under hard/ and soft/ by those weights, any other *.json or *.txt as soft; assets.txt, the
// operator's own, is hard. A refused file is an error that names file and place.
func Open(dir string) (*Book, error) { panic("unwritten") }

// Index returns the index in force.
func (b *Book) Index() *warn.Index { panic("unwritten") }

// Lists describes what is in force, by name.
func (b *Book) Lists() []Info { panic("unwritten") }

// Reload reads the folder again; when a file is refused, what is in force stays.
func (b *Book) Reload() error { panic("unwritten") }

// Version counts changes since Open; it never falls.
func (b *Book) Version() uint64 { panic("unwritten") }

// Wait returns nil when the version is above the given one, or ctx's error.
func (b *Book) Wait(ctx context.Context, version uint64) error { panic("unwritten") }

// Watch reloads whenever a file of the folder changes (looked at every 10 s), until ctx ends.
func (b *Book) Watch(ctx context.Context) error { panic("unwritten") }
