package stix

import (
	"github.com/gowebpki/jcs"

	"tocsin/protocol/reason"
)

// Canonical gives the RFC 8785 (JCS) form of a document that passes the gate.
// The gate comes first because the transformation rounds integers beyond 2^53,
// so that two documents would share one form. OBJ-28
func Canonical(raw []byte) ([]byte, error) {
	if err := Scan(raw); err != nil {
		return nil, err
	}
	out, err := jcs.Transform(raw)
	if err != nil {
		return nil, reason.Wrap(reason.JSONSyntax, "write the canonical form", err)
	}
	return out, nil
}
