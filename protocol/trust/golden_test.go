package trust

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"tocsin/protocol/pattern"
	"tocsin/protocol/reason"
)

// corpus makes the claims of one seed. It draws from a generator whose numbers are
// fixed for ever, so that every machine makes the same.
func corpus(seed uint64) (claims []Claim, warn int) {
	r := rand.New(rand.NewPCG(seed, 20))
	all := kinds()
	kind := all[r.IntN(len(all))]
	orgs := []int{anchorOrg, anchorTwo, partnerOrg, partnerTwo, partnerTri, blockedOrg, 31, 32, 33, voucherOrg, voucherTwo}
	for range 1 + r.IntN(60) {
		c := Claim{
			Topic: []string{"malicious-code", "fraud"}[r.IntN(2)], Kind: kind, Claimed: r.IntN(102) - 1,
			Upstream: []string{"", "", "feed:z", "feed:y"}[r.IntN(4)],
			Since:    epoch.Add(-time.Duration(r.IntN(100*secondsPerDay)) * time.Second),
			Object:   fmt.Sprint("indicator--", r.IntN(1000)),
			Own:      r.IntN(20) == 0, Held: r.IntN(8) == 0, Refutes: r.IntN(6) == 0, Absent: r.IntN(20) == 0,
		}
		switch r.IntN(4) {
		case 0:
			c.Org = orgID(strangerOrg + r.IntN(50))
		case 1:
			c.Org = orgID(observedOrg + r.IntN(200))
		case 2:
			c.Org = orgID(vouchedOrg + r.IntN(6))
		default:
			c.Org = orgID(orgs[r.IntN(len(orgs))])
		}
		if r.IntN(2) == 0 {
			c.Q = 1 + r.IntN(one)
		}
		if r.IntN(3) == 0 {
			c.Seen = epoch.Add(-time.Duration(r.IntN(50*secondsPerDay)) * time.Second)
		}
		if r.IntN(3) == 0 {
			c.ValidUntil = epoch.Add(time.Duration(r.IntN(60*secondsPerDay)-10*secondsPerDay) * time.Second)
		}
		if r.IntN(6) == 0 {
			c.Barred = []reason.Code{reason.OrgStale, reason.OrgDisputed, reason.OrgTripped}[r.IntN(3)]
		}
		claims = append(claims, c)
	}
	return claims, []int{0, 0, 0, 5000, 9500}[r.IntN(5)]
}

// TestVerdictsAreTheSameEverywhere holds the digest of 250 whole assessments, explanation, gate and all, against
// one that is kept: another architecture, compiler or order of claims must come to the same bytes.
// Whoever changes the arithmetic or its sentences on purpose writes the digest that the test prints into the file.
func TestVerdictsAreTheSameEverywhere(t *testing.T) {
	raw, err := os.ReadFile("testdata/verdicts.sha256")
	if err != nil {
		t.Fatal(err)
	}
	l := propertyList(t)
	h := sha256.New()
	for seed := range uint64(250) {
		claims, warn := corpus(seed)
		first := digest(t, l, claims, warn)
		for order := range uint64(2) {
			rand.New(rand.NewPCG(seed, order)).Shuffle(len(claims), func(i, j int) { claims[i], claims[j] = claims[j], claims[i] })
			if again := digest(t, l, claims, warn); again != first {
				t.Fatalf("seed %d: order %d gives another assessment", seed, order)
			}
		}
		h.Write(first[:])
	}
	if got, want := hex.EncodeToString(h.Sum(nil)), strings.TrimSpace(string(raw)); got != want {
		t.Errorf("the verdicts have digest\n%s, want\n%s", got, want)
	}
}

// digest is the hash of all that is said about a value.
func digest(t *testing.T, l *List, claims []Claim, warn int) [32]byte {
	t.Helper()
	a := l.Assess(claims, warn, epoch)
	kind := pattern.Domain
	if len(claims) > 0 {
		kind = claims[0].Kind
	}
	raw, err := json.Marshal(struct {
		Assessment Assessment
		Passage    Passage
	}{a, l.Pass(&a, GateQuery{Value: pattern.Observable{Type: kind, Value: "evil.example"}}, epoch)})
	if err != nil {
		t.Fatal(err)
	}
	return sha256.Sum256(raw)
}

// TestCorpusIsVaried: a digest over empty verdicts would prove little.
func TestCorpusIsVaried(t *testing.T) {
	l := propertyList(t)
	bands, disputed, foreseen := map[int]int{}, 0, 0
	whys := map[string]bool{}
	for seed := range uint64(250) {
		claims, warn := corpus(seed)
		a := l.Assess(claims, warn, epoch)
		bands[band(a.Gate)]++
		if a.Disputed {
			disputed++
		}
		if !a.Next.IsZero() {
			foreseen++
		}
		for _, term := range a.Terms {
			whys[term.Why] = true
		}
	}
	for b := range 4 {
		if bands[b] < 10 {
			t.Errorf("only %d verdicts in band %d", bands[b], b)
		}
	}
	if disputed < 50 || foreseen < 50 || len(whys) < 15 {
		t.Errorf("%d disputed, %d with a next change, %d different reasons", disputed, foreseen, len(whys))
	}
}
