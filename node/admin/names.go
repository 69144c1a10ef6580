package admin

import (
	"fmt"
	"strings"
	"time"

	"tocsin/node/identity"
	"tocsin/node/policy"
	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/protocol/trust"
)

// minPrefix is the shortest abbreviation of an id that is taken, in hex digits.
const minPrefix = 8

// names says how organisations are called and how far they count here.
type names struct {
	policy   *policy.Book
	identity *identity.Book
	self     Self
}

// petname is the name of an organisation on the trust list; the node's own
// organisation goes by its own name, a stranger by none.
func (n names) petname(org protocol.OrgID) string {
	if org == n.self.Org {
		return n.self.Name
	}
	e, _ := n.policy.List().Entry(org)
	return e.Petname
}

// level is the effective level of an organisation for a topic ("" for any).
func (n names) level(org protocol.OrgID, topic string) string {
	if org == n.self.Org {
		return trust.Own.String()
	}
	return n.policy.List().Level(org, topic, "", time.Now()).String()
}

// resolve finds the organisation that a full id, a unique prefix of its
// hex digits, or a petname names. A full id need not be known.
func (n names) resolve(text string) (protocol.OrgID, error) {
	if id, err := protocol.ParseOrgID(text); err == nil {
		return id, nil
	}
	matches := map[protocol.OrgID]bool{}
	prefix, isPrefix := digestPrefix(text)
	for _, e := range n.policy.List().Entries() {
		if strings.EqualFold(e.Petname, text) || isPrefix && strings.HasPrefix(e.Org.String(), prefix) {
			matches[e.Org] = true
		}
	}
	for _, id := range append(n.identity.Chains().Orgs(), n.self.Org) {
		if isPrefix && strings.HasPrefix(id.String(), prefix) {
			matches[id] = true
		}
	}
	switch len(matches) {
	case 0:
		if !isPrefix {
			return protocol.OrgID{}, reason.New(reason.NotFound, fmt.Sprintf(
				"organisation %q: neither sha256:HEX, nor at least %d of its hex digits, nor a petname of the trust list", text, minPrefix))
		}
		return protocol.OrgID{}, reason.New(reason.NotFound, fmt.Sprintf("organisation %q: none known begins like this", text))
	case 1:
		for id := range matches {
			return id, nil
		}
	}
	return protocol.OrgID{}, reason.New(reason.Ambiguous, fmt.Sprintf("organisation %q: %d are called or begin like this", text, len(matches)))
}

// digestPrefix reads an abbreviated digest, with or without "sha256:".
func digestPrefix(text string) (prefix string, ok bool) {
	digits := strings.ToLower(strings.TrimPrefix(text, "sha256:"))
	if len(digits) < minPrefix || len(digits) > 64 || strings.Trim(digits, "0123456789abcdef") != "" {
		return "", false
	}
	return "sha256:" + digits, true
}
