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
// nil is fine. ok is false when no id is a TLP marking. Unknown ids that are no
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
	if w, ok := fixed[strings.ToLower(ref)]; ok {
		return w.tlp, true
	}
	if defs == nil {
		return 0, false
	}
	return defs(ref)
}

// TLPDefinition reports the label that a marking-definition object defines
// (TLP 1.0 definition_type or the TLP 2.0 extension), whatever its id. A
// definition that claims to be TLP and names no label of it is Red: what
// cannot be read is not open.
func TLPDefinition(o *Object) (TLP, bool) {
	if o == nil || o.Type != "marking-definition" {
		return 0, false
	}
	if w, ok := fixed[strings.ToLower(o.ID)]; ok {
		return w.tlp, true
	}
	d, err := read(o.Raw)
	if err != nil {
		return 0, false
	}
	return definedTLP(&d)
}

// definedTLP reads the labels in a definition and returns the strictest.
func definedTLP(d *doc) (tlp TLP, ok bool) {
	claims := func(object int, name string) {
		t := Red
		if object != none {
			if parsed, err := ParseTLP(d.str(object, name)); err == nil {
				t = parsed
			}
		}
		tlp, ok = max(tlp, t), true
	}
	if d.is(d.get(root, "definition_type"), "tlp") {
		claims(d.get(root, "definition"), "tlp")
	}
	if list := d.get(root, "extensions"); list != none {
		if i := d.get(list, tlpExtension); i != none {
			claims(i, tlpProperty)
		}
	}
	return tlp, ok
}
