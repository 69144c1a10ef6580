package protocol

import (
	"fmt"
	"math/rand"
	"slices"
	"testing"
	"time"

	"tocsin/protocol/reason"
)

// race is one shape of K2: a thief holds every root key in use, the organisation
// its successors.
type race struct {
	*lineage
	honest, thief []*Statement
	rotation      Digest
	node          *PrivateKey // certified after the rotation
	puppet        *PrivateKey // certified by the thief
	thiefKey      *PrivateKey
}

// newRace signs all that either side can say. before is how often the
// organisation rotated earlier, so that later roots are raced for too.
func newRace(t testing.TB, threshold, m, before int) *race {
	l := newLineage(t, fmt.Sprintf("race %d of %d after %d", threshold, m, before), threshold, m)
	r := &race{lineage: l, node: l.key("new node"), puppet: l.key("puppet"), thiefKey: l.key("thief")}
	r.honest = l.base()
	for range before {
		r.honest = append(r.honest, l.rotate(nil))
	}
	r.thief = r.steal()
	rotation := l.rotate(func(root *Root) { root.Compromise, root.Heads = true, []Head{place(l.record, "fraud", 9)} })
	r.rotation = rotation.Digest()
	version := len(l.roots)
	fresh := l.key("fresh operations")
	r.honest = append(r.honest, rotation, l.delegate(version, fresh, nil), l.certify(2, r.node, fresh),
		l.beat(2, time.Hour, fresh, func(s *Status) { s.RootVersion = uint64(version) }))
	return r
}

// steal is all that the keys in use can sign.
func (r *race) steal() []*Statement {
	version := len(r.roots)
	stolen, own := r.keys(version), []Signer{r.key("own a"), r.key("own b"), r.key("own c"), r.key("own d"), r.key("own e")}[:r.m]
	all, enough := append(slices.Clone(stolen), own...), stolen[:r.threshold]
	attempt := func(change func(*Root), signers ...Signer) *Statement {
		root := r.draftRoot()
		root.Keep, root.Roots, root.Next = []KeyID{r.thiefKey.Public().ID()}, publicKeys(own), []KeyID{r.key("own next").Public().ID()}
		root.NextThreshold = 1
		change(&root)
		return r.root(root, signers...)
	}
	byThief := r.must(SignOperations("test", Operations{
		Org: r.org, RootVersion: uint64(version), Serial: 7, Key: r.thiefKey.Public(), NotBefore: r.start, NotAfter: r.start.Add(MaxOperationsWindow),
	}, enough...))
	return []*Statement{
		attempt(func(*Root) {}, all...),
		attempt(func(root *Root) { root.Compromise = true }, own...),
		attempt(func(root *Root) { root.Compromise = true }, all...),
		attempt(func(root *Root) { root.Roots, root.Next = publicKeys(stolen), keyIDsOf(own) }, stolen...),
		attempt(func(root *Root) { root.Roots = publicKeys(r.keys(version + 1)) }, stolen...),
		attempt(func(root *Root) { root.Roots, root.Compromise = publicKeys(r.keys(version+1)), true }, stolen...),
		attempt(func(root *Root) { root.Version++ }, all...),
		byThief, r.certify(3, r.puppet, r.thiefKey), r.certify(4, r.record, r.thiefKey),
		r.beat(900, 30*time.Minute, r.thiefKey, func(s *Status) { s.RootVersion = uint64(version) }),
		r.revoke(Revocation{Key: r.node.Public().ID()}, enough...),
		r.revoke(Revocation{Key: r.node.Public().ID(), Emergency: true}, r.thiefKey),
		r.revoke(Revocation{Key: r.operations.Public().ID()}, enough...),
		r.revoke(Revocation{Key: r.key("fresh operations").Public().ID()}, enough...),
	}
}

// run delivers everything in an order, by pieces, and again what rested on something
// that was not known yet.
func (r *race) run(t *testing.T, random *rand.Rand) *Chains {
	t.Helper()
	all := slices.Concat(r.honest, r.thief)
	random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	c := NewChains("test")
	for round, pending := 0, all; len(pending) > 0; round++ {
		if round > 10 {
			return c // what is left will never be taken
		}
		var again []*Statement
		for rest := pending; len(rest) > 0; {
			n := 1 + random.Intn(min(3, len(rest)))
			next, _, errs := c.With(rest[:n]...)
			if slices.ContainsFunc(errs, func(err error) bool { return reason.Of(err) == reason.CertUnknown }) {
				again = append(again, rest[:n]...)
			}
			c, rest = next, rest[n:]
			if org, ok := c.Org(r.org); ok && org.Disputed {
				t.Fatal("disputed on the way")
			}
		}
		pending = again
	}
	return c
}

// K2 of the threat model: who has every root key in use, and no successor, loses
// 1,000 of 1,000 races against the rotation, in whatever order things arrive (STM-11, STM-16).
func TestK2StolenRootKeyLosesEveryRace(t *testing.T) {
	var races []*race
	for m := 1; m <= MaxRoots; m++ {
		for threshold := 1; threshold <= m; threshold++ {
			races = append(races, newRace(t, threshold, m, (m+threshold)%2))
		}
	}
	pictures := make([]string, len(races))
	for seed := range 1000 {
		i := seed % len(races)
		if seed >= 15*len(races) {
			i %= 6 // up to three keys: the larger ones cost most, and had 15 races each
		}
		r := races[i]
		c := r.run(t, rand.New(rand.NewSource(int64(seed))))
		org := r.orgIn(c)
		if org.Disputed || len(org.Roots) == 0 || len(org.Roots) != len(r.roots)-1 || !find(c.Chain(r.org), r.rotation).claims.(*Root).Compromise {
			t.Fatalf("seed %d: disputed %v, %d roots", seed, org.Disputed, len(org.Roots))
		}
		if !org.Ended(r.thiefKey.Public().ID()) || org.Ended(r.operations.Public().ID()) || len(org.Revocations) != 0 || org.Status.Counter != 2 {
			t.Fatalf("seed %d: the thief's word counts: %d revocations, status %d", seed, len(org.Revocations), org.Status.Counter)
		}
		r.wantStanding(fmt.Sprint("seed ", seed), c, map[Head]bool{
			place(r.puppet, "fraud", 1): false, place(r.node, "fraud", 1): true, place(r.record, "fraud", 99): true,
		})
		if pictures[i] == "" {
			pictures[i] = picture(c)
		}
		if picture(c) != pictures[i] {
			t.Fatalf("seed %d: another end than in another order", seed)
		}
		if t.Failed() {
			return
		}
	}
}

// K2, line by line: what a thief of every root key in use can try, and what comes of it.
func TestK2StolenRootKey(t *testing.T) {
	r := newRace(t, 2, 3, 0)
	before, after := r.after(r.honest[:3]...), r.after(r.honest...)
	tries := []struct {
		name          string
		before, after reason.Code // "" is taken
	}{
		{"keys of its own, signed by all", reason.ChainInvalid, reason.ChainInvalid},
		{"the same for compromise, by its own", reason.ChainInvalid, reason.ChainInvalid},
		{"the same for compromise, by all", reason.ChainInvalid, reason.ChainInvalid},
		{"the stolen keys once more", reason.ChainInvalid, reason.ChainInvalid},
		{"the successors, which it saw later", reason.ChainInvalid, reason.ChainInvalid},
		{"the same for compromise", reason.ChainInvalid, reason.ChainInvalid},
		{"a version too far", reason.ChainInvalid, reason.ChainInvalid},
		{"an operations key", "", ""}, // it ended with the rotation
		{"a certificate by that", reason.CertUnknown, reason.CertUnknown},
		{"a certificate for an honest key", reason.CertUnknown, reason.CertUnknown},
		{"a status by that", reason.CertUnknown, reason.CertUnknown},
		{"a revocation of a node by the roots", "", reason.ChainLimit},
		{"a revocation by its operations key", reason.CertUnknown, reason.CertUnknown},
		{"a revocation of the operations key", "", reason.ChainLimit},
		{"a revocation of the fresh one", "", reason.ChainLimit},
	}
	if len(tries) != len(r.thief) {
		t.Fatalf("%d names for %d attempts", len(tries), len(r.thief))
	}
	for i, try := range tries {
		for when, c := range map[string]*Chains{"before": before, "after": after} {
			want := map[string]reason.Code{"before": try.before, "after": try.after}[when]
			if want != "" {
				wantRefused(t, try.name+" "+when+" the rotation", c, r.thief[i], want)
			} else if _, added, errs := c.With(r.thief[i]); added != 1 {
				t.Errorf("%s %s the rotation: %v", try.name, when, errs)
			}
		}
	}
}
