package stix

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"
)

// special checks what the standard says of single types and no table can say.
// OBJ-15
func (c *checker) special() {
	switch string(c.typ) {
	case "relationship":
		if i := c.get(root, "relationship_type"); i != none && !lowerHyphen(c.text(i)) {
			c.must(i, "must be of a-z, 0-9 and hyphens")
		}
	case "location":
		c.location()
	case "malware":
		if i := c.get(root, "is_family"); i != none && c.kind(i) == kindTrue && !c.has(root, "name") {
			c.missing(root, "name", "a malware family has a name")
		}
	case "observed-data":
		c.observedData()
	case "language-content":
		c.contents()
	case "extension-definition":
		c.extensionDefinition()
	case "marking-definition":
		c.markingDefinition()
		c.wellKnown()
	case "artifact":
		c.artifact()
	case "email-message":
		c.emailMessage()
	case "network-traffic":
		if i := c.get(root, "is_active"); i != none && c.kind(i) == kindTrue && c.has(root, "end") {
			c.must(c.get(root, "end"), "traffic that is active has no end")
		}
	case "directory":
		c.charset("path_enc")
	case "file":
		c.charset("name_enc")
	case "software":
		if i := c.get(root, "cpe"); i != none && c.kind(i) == kindString && !isCPE(string(c.text(i))) {
			c.must(i, "is no CPE of version 2.3")
		}
	case "windows-registry-key":
		if i := c.get(root, "key"); i != none && c.kind(i) == kindString && shortHive(c.text(i)) {
			c.must(i, "the hive must be written in full, e.g. HKEY_LOCAL_MACHINE")
		}
	case "ipv4-addr", "ipv6-addr", "mac-addr", "email-addr", "domain-name":
		c.address()
	}
	if c.known && c.sco {
		c.randomID()
	}
}

func lowerHyphen(b []byte) bool {
	return len(b) > 0 && every(b, func(c byte) bool { return c == '-' || digit(c) || c >= 'a' && c <= 'z' })
}

func (c *checker) location() {
	latitude, longitude := c.has(root, "latitude"), c.has(root, "longitude")
	if latitude != longitude {
		c.must(root, "latitude and longitude stand together or not at all")
	}
	if c.has(root, "precision") && !latitude {
		c.must(c.get(root, "precision"), "precision needs latitude and longitude")
	}
	if !latitude && !c.has(root, "region") && !c.has(root, "country") {
		c.must(root, "at least one of region, country, or latitude with longitude is required")
	}
}

// observedData checks that what was observed stands in one place, and the
// observables of the deprecated container.
func (c *checker) observedData() {
	refs, container := c.get(root, "object_refs"), c.get(root, "objects")
	if refs != none && container != none {
		c.must(container, "objects and object_refs exclude each other")
	}
	if refs != none && !c.empty(refs) && !c.observes(refs) {
		c.must(refs, "at least one reference must name an observable")
	}
	if container == none || c.kind(container) != kindObject {
		return
	}
	c.neighbours = c.typesIn(container)
	for name := range c.members(container) {
		if c.full() {
			break
		}
		value := name + 1
		if c.kind(value) != kindObject {
			c.must(value, "an observable is an object")
			continue
		}
		typ := c.str(value, "type")
		r := rules[typ]
		switch {
		case typ == "":
			c.missing(value, "type", "every observable has a type")
		case r != nil && !r.sco:
			c.must(value, clip([]byte(typ))+" is no observable")
		case r != nil:
			c.contained(value, r)
		}
	}
	c.neighbours = nil
}

// typesIn gives the types of the observables in a container by key. It is made
// once: each may be referred to as often as there is room.
func (c *checker) typesIn(container int) map[string][]byte {
	types := map[string][]byte{}
	for name := range c.members(container) {
		if c.kind(name+1) != kindObject {
			continue
		}
		var typ []byte
		if i := c.get(name+1, "type"); i != none && c.kind(i) == kindString {
			typ = c.text(i)
		}
		types[string(c.text(name))] = typ
	}
	return types
}

// contained follows an observable's rule without an id, which neighbours in a
// container do not need.
func (c *checker) contained(i int, r *rule) {
	inside := *r
	inside.need = slices.DeleteFunc(slices.Clone(r.need), func(name string) bool { return name == "id" })
	c.follow(i, &inside)
}

func (c *checker) observes(refs int) bool {
	for e := range c.elements(refs) {
		if c.kind(e) != kindString {
			return true // found already
		}
		if typ, ok := splitID(c.text(e)); !ok || !among(typ, sroTypes) {
			return true
		}
	}
	return false
}

// contents checks translations: language tags over property names.
func (c *checker) contents() {
	i := c.get(root, "contents")
	if i == none {
		return
	}
	for name := range c.members(i) {
		if c.full() {
			return
		}
		if key := c.text(name); !languageTag(key) { // OBJ-17
			c.must(name+1, clip(key)+" is no language tag of RFC 5646")
		}
		if c.kind(name+1) != kindObject {
			c.must(name+1, "a translation is an object of properties")
		}
		for inside := range c.members(name + 1) {
			if key := c.text(inside); !c.full() && !propertyName(key) {
				c.must(inside+1, clip(key)+" is no name of a property")
			}
		}
	}
}

func (c *checker) extensionDefinition() {
	i, kinds := c.get(root, "extension_properties"), c.get(root, "extension_types")
	if i != none && kinds != none && !slices.Contains(c.strings(kinds), "toplevel-property-extension") {
		c.must(i, "only a toplevel-property-extension lists properties")
	}
}

func (c *checker) artifact() {
	if c.has(root, "payload_bin") && c.has(root, "url") {
		c.must(c.get(root, "url"), "payload_bin and url exclude each other")
	}
	if c.has(root, "url") && !c.has(root, "hashes") {
		c.missing(root, "hashes", "an artifact by url has hashes")
	}
	if c.has(root, "decryption_key") && !c.has(root, "encryption_algorithm") {
		c.must(c.get(root, "decryption_key"), "a decryption_key needs an encryption_algorithm")
	}
	if i := c.get(root, "mime_type"); i != none && c.kind(i) == kindString && !isMIME(string(c.text(i))) {
		c.must(i, "is no media type")
	}
}

func isMIME(s string) bool {
	tree, sub, ok := strings.Cut(s, "/")
	return ok && among([]byte(tree), []string{"application", "audio", "font", "image", "message", "model", "multipart", "text", "video"}) &&
		len(sub) > 0 && every([]byte(sub), func(c byte) bool { return alphanumeric(c) || strings.IndexByte(".+_-", c) >= 0 })
}

func (c *checker) emailMessage() {
	i := c.get(root, "is_multipart")
	if i == none {
		return
	}
	if c.kind(i) == kindTrue && c.has(root, "body") {
		c.must(c.get(root, "body"), "a multipart message has no body; use body_multipart")
	}
	if c.kind(i) == kindFalse && c.has(root, "body_multipart") {
		c.must(c.get(root, "body_multipart"), "a message of one part has no body_multipart; use body")
	}
}

func (c *checker) charset(name string) {
	i := c.get(root, name)
	if i == none || c.kind(i) != kindString {
		return
	}
	b := c.text(i)
	if len(b) < 2 || len(b) > longestName || !every(b, func(c byte) bool { return alphanumeric(c) || strings.IndexByte("/.+_:()-", c) >= 0 }) {
		c.must(i, "is no name of a character set")
	}
}

// isCPE takes a CPE 2.3 formatted string by its shape: a part and ten fields.
func isCPE(s string) bool {
	rest, ok := strings.CutPrefix(s, "cpe:2.3:")
	if !ok || strings.ContainsAny(s, " \t\n") {
		return false
	}
	fields := strings.Split(strings.ReplaceAll(strings.ReplaceAll(rest, `\\`, "_"), `\:`, "_"), ":")
	return len(fields) == 11 && strings.Contains("aho*-", fields[0]) && !slices.Contains(fields, "")
}

func shortHive(key []byte) bool {
	hive, _, _ := bytes.Cut(key, []byte(`\`))
	return among(bytes.ToUpper(hive), []string{"HKLM", "HKCC", "HKCR", "HKCU", "HKU"})
}

// address checks the form of an observable's value, unless it was defanged.
func (c *checker) address() {
	i := c.get(root, "value")
	if i == none || c.kind(i) != kindString || c.defanged() {
		return
	}
	b := c.text(i)
	switch string(c.typ) {
	case "ipv4-addr":
		if !isAddress(string(b), netip.Addr.Is4) {
			c.must(i, clip(b)+" is no IPv4 address or network")
		}
	case "ipv6-addr":
		if !isAddress(string(b), netip.Addr.Is6) {
			c.must(i, clip(b)+" is no IPv6 address or network")
		}
	case "mac-addr":
		if !isMAC(b) {
			c.must(i, clip(b)+" is no MAC address in lower case with colons")
		}
	case "email-addr":
		if bytes.IndexByte(b, '@') < 1 || bytes.ContainsAny(b, "<>") {
			c.must(i, clip(b)+" is no e-mail address")
		}
	case "domain-name":
		if len(b) == 0 || bytes.ContainsAny(b, " /\\:@[]\t\n") {
			c.should(i, clip(b)+" is no domain name")
		}
	}
}

func isAddress(s string, family func(netip.Addr) bool) bool {
	if addr, err := netip.ParseAddr(s); err == nil {
		return family(addr)
	}
	prefix, err := netip.ParsePrefix(s)
	return err == nil && family(prefix.Addr())
}

func isMAC(b []byte) bool {
	if len(b) != 17 {
		return false
	}
	for i, c := range b {
		if i%3 == 2 && c != ':' || i%3 != 2 && !digit(c) && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// randomID wants a random UUID where nothing could make a deterministic one.
// OBJ-22
func (c *checker) randomID() {
	i := c.get(root, "id")
	if i == none || !isID(c.text(i)) || uuidVersion(c.text(i)) == 4 {
		return
	}
	names := contributing[string(c.typ)]
	if len(names) == 0 || !c.hasAny(root, names) {
		c.must(i, "nothing of this observable contributes to an id, so its UUID must be of version 4")
	}
}
