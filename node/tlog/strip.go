package tlog

import (
	"bytes"
	"errors"

	"tocsin/protocol"
)

// OpenKnown is Open for a checkpoint that was kept for long: cosignatures whose keys the chains know no more are left out.
func OpenKnown(raw []byte, chains *protocol.Chains) (*Signed, error) {
	text, _, err := splitNote(raw)
	if err != nil {
		return Open(raw, chains)
	}
	lines := bytes.SplitAfter(raw[len(text)+1:], []byte("\n"))
	s, err := Open(append([]byte(text+"\n"), lines[0]...), chains)
	if err != nil {
		return nil, err
	}
	for _, line := range lines[1 : len(lines)-1] {
		if more, err := s.With(line, chains); err == nil {
			s = more
		}
	}
	return s, nil
}

// Alone is the note without cosignatures.
func (s *Signed) Alone() ([]byte, error) {
	text, _, err := splitNote(s.Note)
	if err != nil {
		return nil, err
	}
	for _, line := range bytes.SplitAfter(s.Note[len(text)+1:], []byte("\n")) {
		if bytes.HasPrefix(line, []byte("— "+s.Origin+" ")) {
			return append([]byte(text+"\n"), line...), nil
		}
	}
	return nil, errors.New("a checkpoint without its own signature")
}
