package admin

import (
	"strings"

	"tocsin/node/access"
	"tocsin/node/admin/api"
	"tocsin/node/belief"
	"tocsin/node/doctor"
	"tocsin/node/feed"
	"tocsin/node/review"
	"tocsin/node/space"
	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/protocol/stix"
	"tocsin/protocol/trust"
	"tocsin/storage"
)

// closedSets are the values that there are, where these are few and a later version adds none lightly: of a property as
// "Schema.property", of a parameter as "operation?parameter". The framework is not told: what a request has wrong is refused
// by the code, which says it better.
func closedSets() map[string][]string {
	sets := map[string][]string{}
	is := func(values []string, names ...string) {
		for _, name := range names {
			sets[name] = values
		}
	}
	roles := words(access.Viewer, access.Owner)
	is(roles[:len(roles)-1], "Token.role", "TokenCreated.role", "TokenCreate.role", "LoginCodeCreate.role")
	is(append(words(access.Nobody, access.Nobody), roles...), "LoggedIn.role")

	is(words(trust.Blocked, trust.Own), "Peer.level", "TrustEntry.effective", "Source.level", "Opinion.level", "Term.level", "Object.level",
		"Record.level", "Bundle.level", "Provenance.level", "ProvenanceVoice.level", "Invite.level", "Pledge.level", "Scorecard.level")
	is(words(trust.Blocked, trust.Anchor), "TrustEntry.level")
	is(words(stix.Clear, stix.Red), "Source.tlp", "Opinion.tlp", "Object.tlp", "Provenance.tlp", "Record.tlp", "Event.tlp")
	short := []string{}
	for tlp := stix.Clear; tlp <= stix.Red; tlp++ {
		short = append(short, strings.ToLower(strings.TrimPrefix(tlp.String(), "TLP:")))
	}
	// What is asked for by its marking may be named as the standard writes it and in short.
	is(append(words(stix.Clear, stix.Red), short...), "BundleRequest.max_tlp", "publish?tlp", "changes?tlp", "events?tlp")

	is([]string{string(reason.BlameSender), string(reason.BlameUs), string(reason.BlameNobody)}, "Problem.blame", "Reason.blame", "Fate.blame")
	languages := []string{}
	for _, l := range reason.Langs() {
		languages = append(languages, string(l))
	}
	is(languages, "Reason.lang")

	objectStates := append(words(storage.Accepted, storage.NotEvaluated), stateWithdrawn)
	is(objectStates, "Object.state", "RecordItem.state", "Fate.state")
	is(words(storage.Accepted, storage.NotEvaluated), "Record.state")
	is(append(storage.ChangeKinds(), feed.KindGap), "Event.kind")
	is([]string{feed.KindGap}, "Gap.kind")
	is(belief.Verdicts(), "CheckItem.verdict", "Explanation.verdict", "Placement.verdict", "UndoneValue.before", "UndoneValue.after")
	is(belief.States(), "CheckItem.state", "Explanation.state", "Placement.state")
	is(belief.SourceStates(), "Source.state", "Opinion.state")
	is(belief.Bands(), "Placement.band")
	is(belief.Sayings(), "Opinion.says")
	nodeSets(is)
	return sets
}

// nodeSets are the sets of what is about the node itself.
func nodeSets(is func(values []string, names ...string)) {
	is([]string{api.StateStarting, api.StateRunning, api.StateDegraded}, "Status.state")
	is(words(space.OK, space.Stop), "Space.level")
	found := []string{string(doctor.OK), string(doctor.Warn), string(doctor.Fail)}
	is(found, "Examination.state")
	is(append([]string{string(doctor.Skip)}, found...), "Checked.state")
	is([]string{"debug", "info", "warn", "error"}, "LogLevel.level", "LogLevel.before")
	is([]string{"kept", "mesh", "topic", "connected"}, "Link.kind") // linkKind
	is([]string{"signed", "received", "superseded"}, "FateStep.kind")

	is([]string{review.Promotion, review.Advisory, review.Import, review.Anchor, review.Dispute}, "ReviewItem.kind")
	is([]string{api.InviteOpen, api.InviteCompare, api.InviteConfirmed, api.InviteCancelled, api.InviteOver}, "Invite.state")
	is([]string{stix.StronglyDisagree, stix.Disagree, stix.Neutral, stix.Agree, stix.StronglyAgree}, "OpinionRequest.opinion")
	pledges := []string{}
	for _, kind := range pledgeKinds() {
		pledges = append(pledges, kind.String())
	}
	is(pledges, "Pledge.kind", "pledge?kind")

	is([]string{api.KeyRoot, api.KeyNext, api.KeyOperations, api.KeyRecord}, "Key.role")
	is([]string{api.KeyActive, api.KeyExpired, api.KeyRevoked, api.KeyEnded}, "Key.state")
	is(revocationReasons(), "Key.reason", "KeyRevoke.why")
	is([]string{string(protocol.StatementOperations), string(protocol.StatementRoot), string(protocol.StatementRevocation)}, "KeyPropose.type")
	is([]string{string(protocol.StatementGenesis), string(protocol.StatementRoot), string(protocol.StatementOperations), string(protocol.StatementCertificate),
		string(protocol.StatementRevocation), string(protocol.StatementStatus)}, "KeyImported.type")
}

// words are the names of the values from one to another.
func words[T interface {
	~int8 | ~uint8
	String() string
}](from, to T) []string {
	var out []string
	for v := from; v <= to; v++ {
		out = append(out, v.String())
	}
	return out
}
