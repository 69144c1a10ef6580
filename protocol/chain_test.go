package protocol

import "testing"

func TestChainsTakeWholeChain(t *testing.T) {
	for _, test := range []struct{ threshold, roots int }{{1, 1}, {1, 5}, {2, 3}, {3, 5}, {5, 5}} {
		f := newFounding(t, "org", test.threshold, test.roots)
		next, added, errs := NewChains("test").With(f.chain(t)...)
		if added != 3 || len(errs) > 0 {
			t.Fatalf("%+v: added %d, errors %v", test, added, errs)
		}
		if got := len(next.Chain(next.Orgs()[0])); got != 3 {
			t.Fatalf("chain of %d statements", got)
		}
	}
}
