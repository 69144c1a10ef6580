package stix

import (
	"bytes"
	"strings"
)

// Lengths of hashes in hexadecimal digits, by algorithm. OBJ-19
var hashDigits = map[string]int{
	"MD5": 32, "SHA-1": 40, "SHA-256": 64, "SHA-512": 128, "SHA3-256": 64, "SHA3-512": 128,
}

// hashes checks a dictionary of hashes. An unknown algorithm is legal, its
// value then any string. OBJ-19
func (c *checker) hashes(i int) {
	c.dictionary(i)
	for name := range c.members(i) {
		if c.full() {
			return
		}
		algorithm := string(c.text(name))
		if len(algorithm) < 3 {
			c.must(name+1, "the name of an algorithm has at least three characters")
		}
		if c.kind(name+1) != kindString {
			c.must(name+1, "a hash is a string")
			continue
		}
		value := c.text(name + 1)
		digits, known := hashDigits[algorithm]
		switch {
		case known && (len(value) != digits || !allHex(value)):
			c.must(name+1, "is no "+algorithm+" in hexadecimal digits")
		case algorithm == "TLSH" && (len(value) != 70 || !allAlphanumeric(value)):
			c.must(name+1, "a TLSH hash has 70 letters and digits")
		case algorithm == "SSDEEP" && (len(value) == 0 || len(value) > 256):
			c.must(name+1, "is no SSDEEP hash")
		}
	}
}

// dictionary checks an object with free names.
func (c *checker) dictionary(i int) {
	if c.kind(i) != kindObject {
		c.must(i, "must be an object")
		return
	}
	for name := range c.members(i) {
		if key := c.text(name); !c.full() && !dictionaryKey(key) {
			c.must(name+1, "the key "+clip(key)+" is not 1 to 250 of letters, digits, - and _")
		}
	}
}

const extensionPrefix = "extension-definition--"

// extensions checks an object's extensions: those that the standard defines
// wholly, others by their outer form. Their definitions need not be known. OBJ-20
func (c *checker) extensions(i int) {
	if c.kind(i) != kindObject {
		c.must(i, "must be an object")
		return
	}
	for name := range c.members(i) {
		if c.full() {
			return
		}
		key, value := c.text(name), name+1
		if c.kind(value) != kindObject {
			c.must(value, "an extension is an object")
			continue
		}
		switch r := extensionRules[string(key)]; {
		case r != nil:
			c.follow(value, r)
		case bytes.HasPrefix(key, []byte(extensionPrefix)):
			if !isID(key) {
				c.must(value, "the extension's key is no id")
			}
			if t := c.get(value, "extension_type"); t == none {
				c.missing(value, "extension_type", "this property is required")
			} else {
				c.stringy(t, &prop{shape: word, of: extensionTypes})
			}
		case !typeName(key) || !bytes.HasSuffix(key, []byte("-ext")):
			c.must(value, "an extension's key is the id of its definition, or a name that ends in -ext")
		default:
			c.should(value, "an extension without a definition is deprecated")
		}
	}
}

// reference checks an external reference that names a public catalogue.
func (c *checker) reference(i int) {
	source, id := c.str(i, "source_name"), c.str(i, "external_id")
	switch {
	case strings.EqualFold(source, "cve") && (source != "cve" || !isCVE(id)):
		c.must(i, "a reference to a CVE has the source_name cve and an external_id like CVE-2024-12345")
	case strings.EqualFold(source, "capec") && (source != "capec" || !isCAPEC(id)):
		c.must(i, "a reference to a CAPEC has the source_name capec and an external_id like CAPEC-123")
	case isCVE(id) && source != "cve" || isCAPEC(id) && source != "capec":
		c.should(i, "the source_name of a CVE is cve, of a CAPEC capec")
	case c.has(i, "url") && !c.has(i, "hashes"):
		c.should(i, "a reference with a url should have hashes of what is there")
	}
}

func isCVE(id string) bool {
	rest, ok := strings.CutPrefix(id, "CVE-")
	year, number, cut := strings.Cut(rest, "-")
	return ok && cut && len(year) == 4 && len(number) >= 4 && allDigits([]byte(year)) && allDigits([]byte(number))
}

func isCAPEC(id string) bool {
	number, ok := strings.CutPrefix(id, "CAPEC-")
	return ok && number != "" && allDigits([]byte(number))
}

func allHex(b []byte) bool {
	return every(b, func(c byte) bool { _, ok := hexDigit(c); return ok })
}

func isBase64(b []byte) bool {
	body := bytes.TrimRight(b, "=")
	return len(b)%4 == 0 && len(b)-len(body) <= 2 && len(b) > 0 &&
		every(body, func(c byte) bool { return alphanumeric(c) || c == '+' || c == '/' })
}

// defanged reports an observable whose value was made harmless to click on, so
// that it has no longer the form of what it names.
func (c *checker) defanged() bool {
	i := c.get(root, "defanged")
	return i != none && c.kind(i) == kindTrue
}
