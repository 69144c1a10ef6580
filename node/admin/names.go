package admin

import (
	"fmt"
	"strings"
	"time"

	"tocsin/node/admin/api"
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

// known tells who is no stranger now, for look-ups.
func (n names) known() func(protocol.OrgID) bool {
	list, now := n.policy.List(), time.Now()
	return func(org protocol.OrgID) bool { return list.Known(org, now) }
}

// level is the effective level of an organisation for a topic ("" for any).
func (n names) level(org protocol.OrgID, topic string) string {
	if org == n.self.Org {
		return trust.Own.String()
	}
	return n.policy.List().Level(org, topic, "", time.Now()).String()
}

// resolve finds the organisation that a full id, a unique prefix of its
// hex digits, or a petname names (the own organisation goes
// by its own name). A full id need not be known.
func (n names) resolve(text string) (protocol.OrgID, error) {
	known := append(n.identity.Chains().Orgs(), n.self.Org)
	var called []protocol.OrgID
	if strings.EqualFold(n.self.Name, text) {
		called = append(called, n.self.Org)
	}
	for _, e := range n.policy.List().Entries() {
		known = append(known, e.Org)
		if e.Petname != "" && strings.EqualFold(e.Petname, text) {
			called = append(called, e.Org)
		}
	}
	switch len(called) {
	case 0:
		if _, digits := digestPrefix(text); !digits && !strings.HasPrefix(text, "sha256:") {
			return protocol.OrgID{}, unlisted(fmt.Sprintf("organisation %q: nobody on the trust list goes by this petname", text))
		}
		org, err := policy.Resolve(text, known)
		if reason.Of(err) == reason.NotFound {
			err = unlisted(api.ProblemOf(err).Detail)
		}
		return org, err
	case 1:
		return called[0], nil
	}
	return protocol.OrgID{}, reason.New(reason.Ambiguous, fmt.Sprintf("organisation %q: %d go by this petname", text, len(called)))
}

// unlisted says that an organisation is not there, and where to look which are.
func unlisted(detail string) error {
	return api.NewProblem(reason.NotFound, detail).WithFix("See who is listed with 'tocsin trust list'; a fingerprint or 8 hex digits of it name others that are known.")
}

// nearest is the candidate most like a misspelt name: the one with the largest share
// of characters that stand in both in the same order; "" when that is under a half.
func nearest(name string, candidates []string) string {
	best, most := "", 0.5
	for _, c := range candidates {
		if share := 2 * float64(common(name, c)) / float64(len(name)+len(c)); share > most || share == most && best == "" {
			best, most = c, share
		}
	}
	return best
}

// common is the length of the longest common subsequence.
func common(a, b string) int {
	row := make([]int, len(b)+1)
	for i := range len(a) {
		corner := 0 // the value up and to the left
		for j := range len(b) {
			up := row[j+1]
			if a[i] == b[j] {
				row[j+1] = corner + 1
			} else {
				row[j+1] = max(up, row[j])
			}
			corner = up
		}
	}
	return row[len(b)]
}

// digestPrefix reads an abbreviated digest, with or without "sha256:".
func digestPrefix(text string) (prefix string, ok bool) {
	digits := strings.ToLower(strings.TrimPrefix(text, "sha256:"))
	if len(digits) < minPrefix || len(digits) > 64 || strings.Trim(digits, "0123456789abcdef") != "" {
		return "", false
	}
	return "sha256:" + digits, true
}
