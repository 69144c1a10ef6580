package pattern

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// object is one decoded JSON object.
type object = map[string]any

// observation is one observed-data object: count sightings of the same objects
// between first and last.
type observation struct {
	objects     []object
	byID        map[string]object
	first, last time.Time
	timed       bool
	count       int64
	// missing holds the references to objects that are not at hand.
	missing []string
}

// lacks reports whether an object of a type is referred to but not at hand.
func (o *observation) lacks(typ string) bool {
	for _, id := range o.missing {
		if prefix, _, _ := strings.Cut(id, "--"); prefix == typ {
			return true
		}
	}
	return false
}

// input is what was given to match against, taken out of its bundles.
type input struct {
	observed []object
	loose    []object
	byID     map[string]object
}

// readObservations decodes the input of a match.
func readObservations(raw []json.RawMessage) ([]*observation, error) {
	in := input{byID: map[string]object{}}
	for i, one := range raw {
		var v any
		d := json.NewDecoder(bytes.NewReader(one))
		d.UseNumber()
		if err := d.Decode(&v); err != nil {
			return nil, fmt.Errorf("read observation %d: %w", i, err)
		}
		if err := in.add(composeAll(v)); err != nil {
			return nil, fmt.Errorf("read observation %d: %w", i, err)
		}
	}
	if len(in.observed) == 0 && len(in.loose) > 0 {
		return []*observation{{objects: in.loose, byID: in.byID, count: 1}}, nil
	}
	if len(in.observed) > MaxObservations {
		return nil, fmt.Errorf("match %d observations: more than the %d that are matched at once",
			len(in.observed), MaxObservations)
	}
	var seen []*observation
	for _, o := range in.observed {
		one, err := in.observation(o)
		if err != nil {
			return nil, fmt.Errorf("read %v: %w", o["id"], err)
		}
		seen = append(seen, one)
	}
	return seen, nil
}

// add takes in one object, or all objects of a bundle.
func (in *input) add(v any) error {
	o, ok := v.(object)
	if !ok {
		return errors.New("not a JSON object")
	}
	// Before there was observed-data, its container went by other names.
	_, container := o["objects"].(object)
	switch {
	case o["type"] == "bundle" && !container:
		list, _ := o["objects"].([]any)
		for _, kid := range list {
			if k, ok := kid.(object); ok && k["type"] == "bundle" {
				return errors.New("a bundle within a bundle")
			}
			if err := in.add(kid); err != nil {
				return err
			}
		}
	case container, o["type"] == "observed-data":
		in.observed = append(in.observed, o)
	default:
		in.loose = append(in.loose, o)
		if id, ok := identifier(o["id"]); ok {
			in.byID[id] = o
		}
	}
	return nil
}

// observation reads one observed-data object, of either form.
func (in *input) observation(o object) (*observation, error) {
	seen := &observation{byID: in.byID, count: 1}
	if v, given := o["number_observed"]; given {
		n, ok := v.(json.Number)
		count, err := n.Int64()
		if !ok || err != nil || count < 1 {
			return nil, errors.New("number_observed is not a whole number above 0")
		}
		seen.count = count
	}
	if err := seen.readTimes(o); err != nil {
		return nil, err
	}
	if container, _ := o["objects"].(object); len(container) > 0 {
		seen.byID = map[string]object{}
		for _, id := range sortedKeys(container) {
			if kid, ok := container[id].(object); ok {
				id, _ = compose(id)
				seen.byID[id] = kid
				seen.objects = append(seen.objects, kid)
			}
		}
		return seen, nil
	}
	refs, _ := o["object_refs"].([]any)
	for _, ref := range refs {
		id, _ := identifier(ref)
		if kid, ok := in.byID[id]; ok {
			seen.objects = append(seen.objects, kid)
		} else {
			seen.missing = append(seen.missing, id)
		}
	}
	return seen, nil
}

// readTimes reads when it was observed; without both times it is untimed.
func (o *observation) readTimes(from object) error {
	first, given := from["first_observed"].(string)
	last, givenLast := from["last_observed"].(string)
	if !given || !givenLast {
		return nil
	}
	var ok, okLast bool
	o.first, ok = parseTimestamp(first)
	o.last, okLast = parseTimestamp(last)
	if !ok || !okLast {
		return errors.New("first_observed or last_observed is not a timestamp")
	}
	if o.last.Before(o.first) {
		return errors.New("last_observed is before first_observed")
	}
	o.timed = true
	return nil
}
