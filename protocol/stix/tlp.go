package stix

import (
	"strconv"
	"strings"

	"tocsin/protocol/reason"
)

// TLP is a Traffic Light Protocol 2.0 label (FIRST), ordered from open to
// strict, so that the strictest of two is the greater. TLP 1.0 WHITE reads as
// Clear and AMBER as Amber.
type TLP uint8

// The labels of TLP 2.0, open to strict.
const (
	Clear TLP = iota
	Green
	Amber
	AmberStrict
	Red
)

// labels are the names that FIRST gives, by TLP.
var labels = [...]string{"CLEAR", "GREEN", "AMBER", "AMBER+STRICT", "RED"}

// String gives the label as FIRST writes it, e.g. "TLP:AMBER+STRICT".
func (t TLP) String() string {
	if int(t) >= len(labels) {
		return "TLP(" + strconv.Itoa(int(t)) + ")"
	}
	return "TLP:" + labels[t]
}

// ParseTLP reads a label in any case, with or without the "TLP:" prefix;
// "white" is Clear.
func ParseTLP(s string) (TLP, error) {
	name := strings.TrimPrefix(strings.ToUpper(s), "TLP:")
	for t, label := range labels {
		if name == label {
			return TLP(t), nil
		}
	}
	if name == "WHITE" {
		return Clear, nil
	}
	return 0, reason.New(reason.STIXMarking, "read the label "+clip([]byte(s))+": not one of clear, green, amber, amber+strict, red")
}

// A wellKnown marking definition has an id that the standard fixed for ever.
type wellKnown struct {
	tlp     TLP
	word    string // as it stands in the definition
	name    string
	version int // of TLP
}

const (
	tlpDefinition = "marking-definition--"
	tlpExtension  = "extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d"
	tlpProperty   = "tlp_2_0"
)

// fixed are the nine definitions of TLP 1.0 and 2.0 by id. OBJ-23
var fixed = map[string]wellKnown{
	tlpDefinition + "613f2e26-407d-48c7-9eca-b8e91df99dc9": {Clear, "white", "TLP:WHITE", 1},
	tlpDefinition + "34098fce-860f-48ae-8e50-ebd3cc5e41da": {Green, "green", "TLP:GREEN", 1},
	tlpDefinition + "f88d31f6-486f-44da-b317-01333bde0b82": {Amber, "amber", "TLP:AMBER", 1},
	tlpDefinition + "5e57c739-391a-4eb3-b6be-7d15ca92d5ed": {Red, "red", "TLP:RED", 1},
	tlpDefinition + "94868c89-83c2-464b-929b-a1a8aa3c8487": {Clear, "clear", "TLP:CLEAR", 2},
	tlpDefinition + "bab4a63c-aed9-4cf5-a766-dfca5abac2bb": {Green, "green", "TLP:GREEN", 2},
	tlpDefinition + "55d920b0-5e8b-4f79-9ee9-91f868d9b421": {Amber, "amber", "TLP:AMBER", 2},
	tlpDefinition + "939a9414-2ddd-4d32-a0cd-375ea402b003": {AmberStrict, "amber+strict", "TLP:AMBER+STRICT", 2},
	tlpDefinition + "e828b379-4e03-4974-9ac4-e53a884c97c1": {Red, "red", "TLP:RED", 2},
}

// TLPOf returns the strictest TLP among marking ids. defs resolves ids of
// marking definitions that came along (custom ids with definition_type tlp);
// nil is fine. It gets ids in lower case, whatever an object wrote: UUIDs are
// the same in either case, and must be found by whoever keeps them in lower
// case, too. ok is false when no id is a TLP marking. Unknown ids that are no
// TLP marking do not count. OBJ-24
func TLPOf(refs []string, defs func(id string) (TLP, bool)) (tlp TLP, ok bool) {
	for _, ref := range refs {
		t, known := tlpOf(ref, defs)
		if known {
			tlp, ok = max(tlp, t), true
		}
	}
	return tlp, ok
}

// tlpOf never asks defs about a fixed id, in whatever case it is written: no
// object can redefine one. OBJ-23
func tlpOf(ref string, defs func(id string) (TLP, bool)) (TLP, bool) {
	ref = strings.ToLower(ref)
	if w, ok := fixed[ref]; ok {
		return w.tlp, true
	}
	if defs == nil {
		return 0, false
	}
	return defs(ref)
}

// TLPDefinition reports the label that a marking-definition object defines
// (TLP 1.0 definition_type or the TLP 2.0 extension), whatever its id and in
// whatever case it says so. A definition that claims to be TLP and names no
// label of it is Red: what cannot be read is not open.
func TLPDefinition(o *Object) (TLP, bool) {
	if o == nil || o.Type != "marking-definition" {
		return 0, false
	}
	if w, ok := fixed[strings.ToLower(o.ID)]; ok {
		return w.tlp, true
	}
	d, err := read(o.Raw)
	if err != nil {
		return Red, true
	}
	return definedTLP(&d)
}

// LooseTLPDefinition reads a marking definition that does not keep the rules or
// did not even pass the gate, so that nothing that it marks goes out by
// mistake. ok is true when the id is that of a marking definition, as far as an
// id can be read; the id comes in lower case. tlp is the label that stands for
// the id for ever, or the strictest that a sound text claims. All else is Red:
// what it would have said nobody knows.
func LooseTLPDefinition(raw []byte) (id string, tlp TLP, ok bool) {
	id = strings.ToLower(looseID(raw))
	if !isMarking(id) {
		return "", 0, false
	}
	if w, ours := fixed[id]; ours {
		return id, w.tlp, true
	}
	if d, err := read(raw); err == nil {
		if tlp, claims := definedTLP(&d); claims {
			return id, tlp, true
		}
	}
	return id, Red, true
}

// definedTLP reads the labels in a definition and returns the strictest. Case
// counts nowhere: a reader that matches loosely must not be told more than one
// that matches exactly. OBJ-24
func definedTLP(d *doc) (tlp TLP, ok bool) {
	claims := func(t TLP) { tlp, ok = max(tlp, t), true }
	if strings.EqualFold(d.str(root, "definition_type"), "tlp") {
		claims(d.label(d.get(root, "definition"), "tlp"))
	}
	if list := d.get(root, "extensions"); list != none {
		for name := range d.members(list) {
			if strings.EqualFold(string(d.text(name)), tlpExtension) {
				claims(d.label(name+1, tlpProperty))
			}
		}
	}
	return tlp, ok
}

// label is the strictest label that stands under a name in object i, or Red
// where none can be read.
func (d *doc) label(i int, name string) TLP {
	if i == none {
		return Red
	}
	label, found := Clear, false
	for member := range d.members(i) {
		if !strings.EqualFold(string(d.text(member)), name) {
			continue
		}
		if d.kind(member+1) != kindString {
			return Red
		}
		t, err := ParseTLP(string(d.text(member + 1)))
		if err != nil {
			return Red
		}
		label, found = max(label, t), true
	}
	if !found {
		return Red
	}
	return label
}
