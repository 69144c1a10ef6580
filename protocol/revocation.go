package protocol

import "time"

// RevocationReason says why a key is revoked. A number that has no name here is
// as good as RevokedUnspecified.
type RevocationReason uint8

// The reasons of SPEC 3.6.
const (
	RevokedUnspecified RevocationReason = iota
	RevokedCompromised
	RevokedSuperseded
	RevokedCeased
)

// Revocation ends a record key or an operations key by position, never by time
// (SPEC 3.6). An operations key of the organisation may sign it for a record key; the
// threshold of the roots may for either. It stays good when its signer's window ends.
type Revocation struct {
	Org    OrgID
	Key    KeyID
	Reason RevocationReason
	// Emergency revocations are signed at key birth and name no heads: the key is
	// void above the heads of the newest status held.
	Emergency bool
	// Heads are the last good places of Key (or, for an operations key, of the record keys it
	// certified); on topics not named nothing stands.
	Heads   []Head
	Created time.Time
}

// The claims of a revocation (SPEC 3.6).
const (
	revocationOrg = iota + 1
	revocationKey
	revocationReason
	revocationEmergency
	revocationHeads
	revocationCreated
	lastRevocation = revocationCreated
)

// SignRevocation makes a revocation: by one operations key, or by root keys.
// Whether they may and are enough is for Chains.With to say.
func SignRevocation(network string, r Revocation, signers ...Signer) (*Statement, error) {
	return signStatement(network, StatementRevocation, r.claims(), signers)
}

func (r *Revocation) claims() claims {
	c := claims{
		claimType:         uint64(numberRevocation),
		revocationOrg:     r.Org[:],
		revocationKey:     r.Key[:],
		revocationReason:  uint64(r.Reason),
		revocationCreated: millis(r.Created),
	}
	if r.Emergency {
		c[revocationEmergency] = true
	}
	setHeads(c, revocationHeads, r.Heads)
	return c
}

func readRevocation(r *claimReader) (*Revocation, error) {
	out := &Revocation{
		Org:       OrgID(r.digest(revocationOrg)),
		Key:       KeyID(r.digest(revocationKey)),
		Reason:    RevocationReason(r.number(revocationReason, 0, 1<<8-1)),
		Emergency: r.flag(revocationEmergency),
		Heads:     r.heads(revocationHeads),
		Created:   r.time(revocationCreated),
	}
	if out.Emergency && len(out.Heads) > 0 { // STM-19
		r.fail(revocationHeads)
	}
	return out, r.err
}

// flag reads a claim that is true or absent.
func (r *claimReader) flag(key uint64) bool {
	if !r.has(key) {
		return false
	}
	if r.claims[key] != true {
		r.fail(key)
	}
	return true
}
