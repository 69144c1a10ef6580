package pattern

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
)

// FromObservable lists the observables of one cyber-observable object: its
// value, its hashes, its name. typ is the STIX type, props its decoded JSON.
// Objects of unknown types give their value, name and hashes.
func FromObservable(typ string, props map[string]any) []Observable {
	var found []Observable
	add := func(o Observable) {
		if o.Value != "" && !slices.Contains(found, o) {
			found = append(found, o)
		}
	}
	for _, name := range telling(typ) {
		if s, ok := scalar(props[name]); ok {
			add(normalize(typ, s))
		}
	}
	hashes, _ := props["hashes"].(map[string]any)
	for _, name := range sortedKeys(hashes) {
		if s, ok := hashes[name].(string); ok {
			add(normalizeHash(typ, name, s))
		}
	}
	return found
}

// telling lists the properties that say what an object is. Common ones, such
// as a port or the name of a product, say nothing by themselves.
func telling(typ string) []string {
	switch typ {
	case "ipv4-addr", "ipv6-addr", "domain-name", "url", "email-addr", "mac-addr":
		return []string{"value"}
	case "autonomous-system":
		return []string{"number"}
	case "file", "mutex":
		return []string{"name"}
	case "directory":
		return []string{"path"}
	case "artifact":
		return []string{"url"}
	case "process":
		return []string{"name", "command_line"}
	case "windows-registry-key":
		return []string{"key"}
	case "user-account":
		return []string{"user_id", "account_login"}
	case "x509-certificate":
		return []string{"serial_number"}
	case "network-traffic", "software", "email-message":
		return nil
	}
	return []string{"value", "name"}
}

// scalar gives a string, or a whole number in decimal.
func scalar(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
			return strconv.FormatInt(int64(v), 10), true
		}
	case int:
		return strconv.Itoa(v), true
	case int64:
		return strconv.FormatInt(v, 10), true
	}
	return "", false
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
