package policy

import (
	"fmt"
	"slices"
	"strings"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

const (
	digestPrefix = "sha256:"
	// minPrefix is the shortest abbreviation, in hex digits: what people copy from a screen.
	minPrefix = 8
	fullID    = 64
	// maxCandidates is how many organisations an ambiguous abbreviation names.
	maxCandidates = 5
)

// Resolve finds the organisation that a person means: a full "sha256:HEX",
// known or not, or any unique prefix of 8 or more of its hex digits, with or
// without "sha256:", among the known ones. usage.invalid when it is neither,
// not.found when none begins like this, id.ambiguous when several do.
func Resolve(prefix string, known []protocol.OrgID) (protocol.OrgID, error) {
	digits := strings.ToLower(strings.TrimPrefix(strings.TrimSpace(prefix), digestPrefix))
	if len(digits) < minPrefix || len(digits) > fullID || strings.Trim(digits, "0123456789abcdef") != "" {
		return protocol.OrgID{}, reason.New(reason.UsageInvalid,
			fmt.Sprintf("organisation %.80q: write sha256: and 64 hex digits, or the first %d or more of them", prefix, minPrefix))
	}
	if len(digits) == fullID {
		return protocol.ParseOrgID(digestPrefix + digits)
	}
	var found []protocol.OrgID
	for _, org := range known {
		if strings.HasPrefix(org.String(), digestPrefix+digits) && !slices.Contains(found, org) {
			found = append(found, org)
		}
	}
	switch len(found) {
	case 0:
		return protocol.OrgID{}, reason.New(reason.NotFound, fmt.Sprintf("organisation %s: none known begins like this", prefix))
	case 1:
		return found[0], nil
	}
	return protocol.OrgID{}, reason.New(reason.Ambiguous, fmt.Sprintf("organisation %s: %s", prefix, candidates(found)))
}

func candidates(found []protocol.OrgID) string {
	names := make([]string, len(found))
	for i, org := range found {
		names[i] = org.String()
	}
	slices.Sort(names)
	if more := len(names) - maxCandidates; more > 0 {
		names = append(names[:maxCandidates], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, ", ") + " begin like this"
}
