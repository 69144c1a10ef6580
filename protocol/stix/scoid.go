package stix

import (
	"crypto/sha1"
	"encoding/hex"
	"slices"

	"github.com/gowebpki/jcs"

	"tocsin/protocol/reason"
)

// contributing are the properties of each observable that make its id. A
// process has none. OBJ-22
var contributing = map[string][]string{
	"artifact":             {"hashes", "payload_bin"},
	"autonomous-system":    {"number"},
	"directory":            {"path"},
	"domain-name":          {"value"},
	"email-addr":           {"value"},
	"email-message":        {"from_ref", "subject", "body"},
	"file":                 {"hashes", "name", "parent_directory_ref", "extensions"},
	"ipv4-addr":            {"value"},
	"ipv6-addr":            {"value"},
	"mac-addr":             {"value"},
	"mutex":                {"name"},
	"network-traffic":      {"start", "end", "src_ref", "dst_ref", "src_port", "dst_port", "protocols", "extensions"},
	"process":              nil,
	"software":             {"name", "cpe", "swid", "vendor", "version"},
	"url":                  {"value"},
	"user-account":         {"account_type", "user_id", "account_login"},
	"windows-registry-key": {"key", "values"},
	"x509-certificate":     {"hashes", "serial_number"},
}

// scoNamespace is 00abedb4-aa42-466c-9c01-fed23315a9b7, the UUID namespace
// that the standard sets aside for observables.
var scoNamespace = [16]byte{0x00, 0xab, 0xed, 0xb4, 0xaa, 0x42, 0x46, 0x6c, 0x9c, 0x01, 0xfe, 0xd2, 0x33, 0x15, 0xa9, 0xb7}

// bestHashes are the algorithms of which the first present contributes alone.
var bestHashes = []string{"MD5", "SHA-1", "SHA-256", "SHA-512"}

// DeterministicID computes the id of an observable: UUIDv5 over the RFC 8785
// form of the contributing properties that are present (STIX 2.1 section
// 2.9). Objects with none get an error.
func DeterministicID(raw []byte) (string, error) {
	d, err := read(raw)
	if err != nil {
		return "", err
	}
	if d.kind(root) != kindObject {
		return "", reason.New(reason.STIXFormat, "compute the id of an observable: the document is no object")
	}
	return deterministicID(&d, root, d.str(root, "type"), nil)
}

// deterministicID does so for the object at node i. Where swap is not nil it
// gives the id that replaces a reference.
func deterministicID(d *doc, i int, typ string, swap func(ref string) string) (string, error) {
	names, known := contributing[typ]
	if !known {
		return "", reason.New(reason.STIXRule, "compute the id of an observable: "+clip([]byte(typ))+" is no type of observable")
	}
	text := []byte{'{'}
	for name := range d.members(i) {
		key := string(d.text(name))
		if !slices.Contains(names, key) || d.kind(name+1) == kindNull {
			continue
		}
		if len(text) > 1 {
			text = append(text, ',')
		}
		text = append(append(text, d.source(name)...), ':')
		if key == "hashes" {
			text = appendBestHash(text, d, name+1)
		} else {
			text = appendValue(text, d, name+1, writing{prune: swap != nil, swap: swap, ref: isRef(key)})
		}
	}
	if len(text) == 1 {
		return "", reason.New(reason.STIXRule, "compute the id of a "+typ+": it has no contributing property, so its id is random (UUIDv4)")
	}
	canonical, err := jcs.Transform(append(text, '}'))
	if err != nil {
		return "", reason.Wrap(reason.JSONSyntax, "compute the id of a "+typ, err)
	}
	return typ + "--" + uuid5(scoNamespace, canonical), nil
}

// appendBestHash writes the one hash that contributes. Where none of the four
// is there it is the first as written, which is what the field's own library does.
func appendBestHash(out []byte, d *doc, hashes int) []byte {
	best, rank := none, len(bestHashes)
	for name := range d.members(hashes) {
		at := slices.Index(bestHashes, string(d.text(name)))
		if best == none || at >= 0 && at < rank {
			best = name
		}
		if at >= 0 && at < rank {
			rank = at
		}
	}
	if best == none {
		return appendValue(out, d, hashes, writing{})
	}
	out = append(append(append(out, '{'), d.source(best)...), ':')
	return append(appendValue(out, d, best+1, writing{}), '}')
}

// uuid5 is the name-based UUID of RFC 4122 with SHA-1, which the standard
// prescribes; nothing relies on it being hard to collide.
func uuid5(space [16]byte, name []byte) string {
	h := sha1.New()
	h.Write(space[:])
	h.Write(name)
	return formatUUID(h.Sum(nil), 5)
}

// formatUUID makes a UUID of the first 16 bytes of a hash.
func formatUUID(sum []byte, version byte) string {
	var u [16]byte
	copy(u[:], sum)
	u[6] = u[6]&0x0f | version<<4
	u[8] = u[8]&0x3f | 0x80
	out := make([]byte, 0, uuidLength)
	for i, part := range [][]byte{u[:4], u[4:6], u[6:8], u[8:10], u[10:]} {
		if i > 0 {
			out = append(out, '-')
		}
		out = hex.AppendEncode(out, part)
	}
	return string(out)
}
