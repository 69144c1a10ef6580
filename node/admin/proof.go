package admin

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
)

// headerProof carries the second half of a session's secret. Browsers send a cookie to every port of a host, so a page that
// another account of the machine serves at another port is sent it too; what our page keeps for its origin goes nowhere else.
const headerProof = "Tocsin-Session"

// prover makes second halves from first ones. Its key is random and lasts as long as the sessions, which are in memory.
type prover struct{ key [sha256.Size]byte }

func newProver() *prover {
	p := new(prover)
	_, _ = rand.Read(p.key[:]) // it never fails: the program ends first
	return p
}

// proof is what belongs to a session's cookie.
func (p *prover) proof(session string) string {
	h := hmac.New(sha256.New, p.key[:])
	_, _ = h.Write([]byte(session)) // a hash takes everything
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

// proven is the one of a request's session cookies that its proof belongs to; given says whether there is any cookie. A page
// at another port may have set some of the same name.
func (p *prover) proven(r *http.Request, name string) (session string, ok, given bool) {
	proofs := r.Header.Values(headerProof)
	for _, c := range r.CookiesNamed(name) {
		given = true
		if len(proofs) == 1 && hmac.Equal([]byte(p.proof(c.Value)), []byte(proofs[0])) {
			return c.Value, true, true
		}
	}
	return "", false, given
}
